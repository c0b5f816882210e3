// WGSL for kernels. All the text of shaders is made here and in expr/render.ts, from fixed words, positions and parsed numbers:
// nothing that a model names reaches a shader. Sizes, strides and offsets are data, so one pipeline serves every size.
import { constant, type Program } from '../../expr/expr.ts';
import { isScalarType, type ScalarType, scalarTypes } from '../../expr/primitives.ts';
import { renderWgsl, wgslPrelude } from '../../expr/render.ts';
import type { DataType } from '../../ir/types.ts';
import type { ReduceBy, View } from '../../kernels/kernel.ts';
import type { BoundStep } from '../bind.ts';
import type { Step } from '../plan.ts';

/** Invocations of one workgroup. */
export const workgroupSize = 64;

export interface Shader {
  readonly code: string;
  /** Buffers of the plan at bindings 1, 2, …; binding 0 holds the sizes. */
  readonly buffers: readonly { readonly buffer: number; readonly written: boolean }[];
}

/** Words of `sizes` before those that `layoutOf` describes: how many results, and how many invocations one row of groups has. */
export const headWords = 2;

/** The WGSL type of elements on the device; undefined where they have none. Truth values take a word each. */
export const deviceType = (type: DataType): 'f32' | 'i32' | 'u32' | undefined => (isScalarType(type) ? scalarTypes[type].wgsl : undefined);

/** The shader of a step, or what it lacks. */
export function shaderOf(step: Step): Shader | string {
  const buffers = buffersOf(step);
  if (typeof buffers === 'string') return buffers;
  const text = bodyOf(step, new Names(step, buffers));
  if (typeof text === 'string') return text;
  const declarations = buffers.map(({ type, written }, i) => {
    const access = written ? 'read_write' : 'read';
    return `@group(0) @binding(${i + 1}) var<storage, ${access}> b${i}: array<${deviceType(type)}>;`;
  });
  const code = `${wgslPrelude}
@group(0) @binding(0) var<storage, read> sizes: array<i32>;
${declarations.join('\n')}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let at = i32(id.x + id.y * u32(sizes[1]));
  if (at >= sizes[0]) { return; }
${text.lines.join('\n')}
}
`;
  return { code, buffers };
}

type Bound = Shader['buffers'][number] & { readonly type: DataType };

function buffersOf(step: Step): Bound[] | string {
  const found = new Map<number, Bound>();
  for (const v of step.outputs) found.set(v.buffer, { buffer: v.buffer, type: v.type, written: true });
  for (const v of step.inputs) {
    if (!v) continue;
    if (found.get(v.buffer)?.written) return `${step.kernel.kind} in place`;
    found.set(v.buffer, { buffer: v.buffer, type: v.type, written: false });
  }
  const without = [...found.values()].find(b => !deviceType(b.type));
  return without ? `${step.kernel.kind} on ${without.type}` : [...found.values()];
}

/** The words of `sizes` for a bound step, after the head: the shape of the result, then offset and strides of each view, then the kernel's own. */
export function layoutOf(step: BoundStep): number[] {
  const y = step.outputs[0]!;
  const words = [...y.shape];
  for (const v of [...step.inputs, ...step.outputs]) if (v) words.push(v.offset, ...v.strides);
  const x = step.inputs[0];
  switch (step.kernel.kind) {
    case 'reduce': {
      const reach = x!.shape.map((d, axis) => (y.shape[axis] === d ? 1 : d));
      words.push(
        ...reach,
        reach.reduce((n, d) => n * d, 1),
      );
      break;
    }
    case 'matmul':
      words.push(x!.shape.at(-1)!);
      break;
    case 'values':
      words.push(...step.kernel.values);
      break;
    default:
  }
  return words;
}

/** Where things of a step stand in the shader's text. */
class Names {
  readonly rank: number;
  readonly end: number;
  readonly #slots: ReadonlyMap<number, number>;
  readonly #bases = new Map<View, number>();

  constructor(step: Step, buffers: readonly Bound[]) {
    this.rank = step.outputs[0]!.shape.length;
    this.#slots = new Map(buffers.map((b, i) => [b.buffer, i]));
    let at = headWords + this.rank;
    for (const v of [...step.inputs, ...step.outputs]) {
      if (!v) continue;
      this.#bases.set(v, at);
      at += 1 + v.strides.length;
    }
    this.end = at;
  }
  size(axis: number): string {
    return `sizes[${headWords + axis}]`;
  }
  stride(v: View, axis: number): string {
    return `sizes[${this.#bases.get(v)! + 1 + axis}]`;
  }
  /** The index of the element at i0, i1, … of the first `axes` axes. */
  position(v: View, axes = this.rank): string {
    const terms = Array.from({ length: axes }, (_, axis) => `i${axis} * ${this.stride(v, axis)}`);
    return [`sizes[${this.#bases.get(v)!}]`, ...terms].join(' + ');
  }
  element(v: View, index: string): string {
    return `b${this.#slots.get(v.buffer)!}[${index}]`;
  }
  /** `i0`, `i1`, … of the result that this invocation computes. */
  indexes(): string[] {
    const lines = ['  var rest = at;'];
    for (let axis = this.rank - 1; axis >= 0; axis--)
      lines.push(`  let i${axis} = rest % ${this.size(axis)};`, `  rest = rest / ${this.size(axis)};`);
    return lines;
  }
}

type Body = { readonly lines: readonly string[] } | string;

function bodyOf(step: Step, names: Names): Body {
  const { kernel } = step;
  const y = step.outputs[0]!;
  if (!isScalarType(y.type)) return `${kernel.kind} on ${y.type}`;
  switch (kernel.kind) {
    case 'map':
      return mapBody(kernel.program, step, names);
    case 'copy':
      return mapBody({ instructions: [{ op: 'input', index: 0, type: y.type }], outputs: [0] }, step, names);
    case 'fill':
      return mapBody({ instructions: [asInstruction(kernel.value, y.type)], outputs: [0] }, step, names);
    case 'reduce':
      return reduceBody(kernel.by, step, y.type, names);
    case 'matmul':
      return y.type === 'bool' ? 'matmul on bool' : matmulBody(step, y.type, names);
    case 'values':
      return { lines: [...names.indexes(), `  ${names.element(y, names.position(y))} = ${deviceType(y.type)}(sizes[${names.end} + at]);`] };
    case 'argreduce':
    case 'conv':
    case 'pool':
    case 'gather':
    case 'scatter':
    case 'topk':
      return kernel.kind;
    default:
      return kernel satisfies never;
  }
}

const asInstruction = (value: number | bigint, type: ScalarType): Program['instructions'][number] =>
  constant(value, type) as Extract<Program['instructions'][number], { op: 'const' }>;

function mapBody(program: Program, step: Step, names: Names): Body {
  const loads = step.inputs.map(v => names.element(v!, names.position(v!)));
  const text = renderWgsl(program, loads);
  if (typeof text === 'string') return `map where ${text}`;
  const stores = step.outputs.map((v, k) => `  ${names.element(v, names.position(v))} = ${text.outputs[k]!};`);
  return { lines: [...names.indexes(), text.statements, ...stores] };
}

const infinity = (sign: '7' | 'f'): string => `bitcast<f32>(non_finite | 0x${sign}f800000u)`;

/** What an empty reduction gives, and how two values combine. */
const reductions: Record<ReduceBy, { readonly start: (type: ScalarType) => string; readonly combine: (type: ScalarType) => string }> = {
  sum: { start: type => `${scalarTypes[type].wgsl}(0)`, combine: () => 'total + x' },
  prod: { start: type => `${scalarTypes[type].wgsl}(1)`, combine: () => 'total * x' },
  max: {
    start: type => (type === 'float32' ? infinity('f') : type === 'int32' ? 'i32(-2147483648)' : '0u'),
    combine: type => (type === 'float32' ? 'float_max(total, x)' : 'max(total, x)'),
  },
  min: {
    start: type => (type === 'float32' ? infinity('7') : type === 'int32' ? '2147483647' : type === 'bool' ? '1u' : '0xffffffffu'),
    combine: type => (type === 'float32' ? 'float_min(total, x)' : 'min(total, x)'),
  },
};

function reduceBody(by: ReduceBy, step: Step, type: ScalarType, names: Names): Body {
  if (type === 'bool' && (by === 'sum' || by === 'prod')) return `reduce ${by} on bool`;
  const x = step.inputs[0]!;
  const y = step.outputs[0]!;
  const reach = (axis: number): string => `sizes[${names.end + axis}]`;
  const inner: string[] = [];
  for (let axis = names.rank - 1; axis >= 0; axis--)
    inner.push(`    place += (left % ${reach(axis)}) * ${names.stride(x, axis)};`, `    left = left / ${reach(axis)};`);
  const lines = [
    ...names.indexes(),
    `  var total = ${reductions[by].start(type)};`,
    `  for (var r = 0; r < ${reach(names.rank)}; r++) {`,
    '    var left = r;',
    `    var place = ${names.position(x)};`,
    ...inner,
    `    let x = ${names.element(x, 'place')};`,
    `    total = ${reductions[by].combine(type)};`,
    '  }',
    `  ${names.element(y, names.position(y))} = total;`,
  ];
  return { lines };
}

function matmulBody(step: Step, type: ScalarType, names: Names): Body {
  const [a, b] = step.inputs as readonly [View, View];
  const y = step.outputs[0]!;
  const { rank } = names;
  const lines = [
    ...names.indexes(),
    `  var place = ${names.position(a, rank - 1)};`,
    `  var across = ${names.position(b, rank - 2)} + i${rank - 1} * ${names.stride(b, rank - 1)};`,
    `  var total = ${scalarTypes[type].wgsl}(0);`,
    `  for (var q = 0; q < sizes[${names.end}]; q++) {`,
    `    total += ${names.element(a, 'place')} * ${names.element(b, 'across')};`,
    `    place += ${names.stride(a, rank - 1)};`,
    `    across += ${names.stride(b, rank - 2)};`,
    '  }',
    `  ${names.element(y, names.position(y))} = total;`,
  ];
  return { lines };
}
