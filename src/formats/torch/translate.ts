// From an exported program to a model: arguments by schema, one row an overload, in-place writes as new values of their tensor.
import { type Finding, fail, ModelError } from '../../errors.ts';
import { type Dim, isUnknownDim, sameDim } from '../../ir/dims.ts';
import { Graph, type Meta, Model, type Output, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { formatType, tensorType } from '../../ir/types.ts';
import { type Builder, newBuilder, type Size } from '../../ops/builder.ts';
import { irVersionFor, newestOpset } from '../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../passes/rewrite.ts';
import { simplify } from '../../passes/simplify.ts';
import { assertions, atenRow } from './aten/index.ts';
import { type Arg, Args } from './aten/row.ts';
import type { Cursor } from './json.ts';
import type { Archive } from './pt2.ts';
import { type AtenSchema, atenSchema } from './schema.ts';
import { elementOfCode, readSize } from './sizes.ts';

/** A tensor of the program: the value it has now, and what shares its memory. */
interface Slot {
  value: Value;
  /** The slots of one storage; a write into a tensor that others look at is not followed. */
  readonly storage: { views: number; readonly readOnly?: string };
}

/**
 * The model of an archive, in the newest opset.
 * @throws ModelError with one E2001 for each operator that has no conversion, with counts and places
 */
export function translate(archive: Archive, name: string): Model {
  const translator = new Translator(archive);
  const graph = translator.run(name);
  const opsets = new Map([['', newestOpset('')!]]);
  const version = archive.program.find('torch_version');
  return new Model(graph, {
    irVersion: irVersionFor(opsets),
    opsets,
    producer: { name: 'pytorch', version: version?.text },
    meta: { metadata: new Map([['source_format', 'pt2']]) },
  });
}

class Translator {
  readonly #archive: Archive;
  readonly #graph: Cursor;
  readonly #b: Builder = newBuilder();
  readonly #slots = new Map<string, Slot>();
  /** Symbolic integers: sizes by name. */
  readonly #sizes = new Map<string, Size>();
  /** Names that come from an operator without a conversion. */
  readonly #lost = new Set<string>();
  readonly #problems = new Map<string, { count: number; first: Meta; message: string }>();

  constructor(archive: Archive) {
    this.#archive = archive;
    this.#graph = archive.program.get('graph_module').get('graph');
  }

  run(name: string): Graph {
    const signature = this.#archive.program.get('graph_module').get('signature');
    const inputs = this.#inputs(signature.get('input_specs').items);
    for (const node of this.#graph.get('nodes').items) this.#node(node);
    if (this.#problems.size > 0) throw this.#listed();
    const outputs = this.#outputs(signature.get('output_specs').items);
    const graph = new Graph(name, { inputs, outputs, nodes: this.#b.nodes });
    removeUnread(graph);
    rewriteAll(graph, [simplify]);
    return graph;
  }

  #inputs(specs: readonly Cursor[]): Value[] {
    const inputs: Value[] = [];
    const missing: Finding[] = [];
    for (const spec of specs) {
      const { tag, of } = spec.union();
      if (tag === 'user_input') inputs.push(...this.#userInput(of.get('arg')));
      else if (tag === 'parameter' || tag === 'buffer' || tag === 'tensor_constant') {
        const arg = of.get('arg').get('name').text;
        const fqn = of.get(`${tag === 'tensor_constant' ? 'tensor_constant' : tag}_name`).text;
        const tensor = this.#archive.tensors.get(fqn);
        if (tensor) this.#constant(arg, fqn, tensor);
        else
          missing.push({
            code: 'E1013',
            severity: 'error',
            message: `the archive has no weights for ${fqn}`,
            path: spec.path,
            tensor: fqn,
          });
      } else if (tag !== 'token') throw fail('E2002', `${spec.path}: an input of kind ${tag} has no conversion`, { path: spec.path });
    }
    if (missing.length > 0) throw new ModelError(missing);
    return inputs;
  }

  #userInput(arg: Cursor): Value[] {
    const { tag, of } = arg.union();
    if (tag !== 'as_tensor') {
      if (['as_none', 'as_int', 'as_float', 'as_bool', 'as_string'].includes(tag)) return [];
      throw fail('E2002', `${arg.path}: an input of kind ${tag} has no conversion`, { path: arg.path });
    }
    const name = of.get('name').text;
    const value = new Value(name, this.#declared(name));
    this.#slots.set(name, { value, storage: { views: 0, readOnly: `input ${name}` } });
    return [value];
  }

  #constant(arg: string, fqn: string, tensor: Tensor): void {
    const meta = this.#declared(arg);
    if (meta?.kind === 'tensor' && meta.element !== tensor.type)
      throw fail('E1306', `${fqn}: the program declares ${formatType(meta)}, the archive holds ${tensor.type}[${tensor.dims}]`, {
        tensor: fqn,
      });
    const value = new Value(fqn, undefined, { tensor, parameter: true });
    this.#slots.set(arg, { value, storage: { views: 0, readOnly: `weight ${fqn}` } });
  }

  /** The type that the program states for a name. */
  #declared(name: string) {
    const values = this.#graph.get('tensor_values');
    const meta = values.find(name);
    return meta && tensorType(elementOfCode(meta.get('dtype')), meta.get('sizes').items.map(readSize));
  }

  #outputs(specs: readonly Cursor[]): Output[] {
    const outputs: Output[] = [];
    for (const spec of specs) {
      const { tag, of } = spec.union();
      if (tag !== 'user_output') throw fail('E2002', `${spec.path}: an output of kind ${tag} has no conversion`, { path: spec.path });
      const arg = of.get('arg').union();
      if (arg.tag === 'as_none') continue;
      if (arg.tag !== 'as_tensor') throw fail('E2002', `${spec.path}: an output of kind ${arg.tag} has no conversion`, { path: spec.path });
      const name = arg.of.get('name').text;
      const value = this.#slot(name, spec).value;
      outputs.push({ name: outputs.some(o => o.name === name) ? `${name}_${outputs.length}` : name, value });
    }
    return outputs;
  }

  #node(node: Cursor): void {
    const target = node.get('target').text;
    const meta = metaOf(node);
    this.#b.meta = meta;
    const outputs = node.get('outputs').items;
    try {
      this.#call(target, node, outputs);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (error.code !== 'E2001') throw error.within({ path: node.path, node: { op: target, name: outputNames(outputs)[0] ?? '' } });
      this.#problem(target, error.message, meta);
      for (const name of outputNames(outputs)) this.#lost.add(name);
    }
  }

  #call(target: string, node: Cursor, outputs: readonly Cursor[]): void {
    const [, name, overload] = /^torch\.ops\.aten\.(\w+)\.(\w+)$/.exec(target) ?? [];
    if (name === undefined || overload === undefined) throw fail('E2001', 'no conversion');
    const key = `${name}.${overload}`;
    if (assertions.has(key)) return;
    if (key === 'sym_size.int') {
      this.#symbolicSize(node, outputs);
      return;
    }
    const schema = atenSchema(key);
    const row = atenRow(name, overload);
    if (!schema || !row) throw fail('E2001', 'no conversion');
    const given = new Map(node.get('inputs').items.map(input => [input.get('name').text, input.get('arg')]));
    if ([...given.values()].some(arg => this.#isLost(arg))) {
      for (const lost of outputNames(outputs)) this.#lost.add(lost);
      return;
    }
    const args = new Map<string, Arg>();
    for (const arg of schema.args) {
      const value = given.get(arg.name);
      if (!value && arg.default === undefined) throw fail('E1101', `${target} has no argument ${arg.name}`);
      args.set(arg.name, value ? this.#arg(value) : (arg.default as Arg | null) === null ? undefined : (arg.default as Arg));
    }
    const result = row(new Args(target, args), this.#b);
    this.#bind(schema, given, outputs, Array.isArray(result) ? result : [result as Value], key);
  }

  /** `sym_size.int(self, dim)`: the size of an axis, under the name of the output. */
  #symbolicSize(node: Cursor, outputs: readonly Cursor[]): void {
    const [self, dim] = node.get('inputs').items.map(input => this.#arg(input.get('arg')));
    const { tag, of } = outputs[0]!.union();
    if (tag !== 'as_sym_int' || !(self instanceof Value) || typeof dim !== 'number')
      throw fail('E2001', 'no conversion of these arguments');
    this.#sizes.set(of.get('as_name').text, this.#b.dim(self, dim));
  }

  #size(item: Cursor): Size {
    const { tag, of } = item.union();
    if (tag === 'as_int') return of.number;
    const size = tag === 'as_name' ? this.#sizes.get(of.text) : undefined;
    if (size !== undefined) return size;
    throw fail('E2001', `the symbolic integer ${tag === 'as_name' ? of.text : tag} has no conversion`);
  }

  /** Give results their names; a write also changes what the written tensor's own name means. */
  #bind(schema: AtenSchema, given: ReadonlyMap<string, Cursor>, outputs: readonly Cursor[], results: readonly Value[], key: string): void {
    const names = outputNames(outputs);
    const written = schema.args.find(arg => arg.alias?.includes('!'));
    const source = schema.args.find(arg => arg.alias !== undefined);
    const shared = source && given.get(source.name) && this.#slotOf(given.get(source.name)!);
    if (written && shared) {
      if (shared.storage.readOnly) throw fail('E2001', `writes into ${shared.storage.readOnly}`);
      if (shared.storage.views > 0) throw fail('E2001', 'writes into a tensor that shares its memory with others');
      shared.value = results[0]!;
      for (const name of names) this.#slots.set(name, shared);
      this.#label(results[0]!, names[0]);
      return;
    }
    names.forEach((name, i) => {
      const value = results[i];
      if (!value) throw fail('E9001', `${key} gives ${results.length} results, the program names ${names.length}`);
      const isView = shared !== undefined && schema.returns[i]?.alias !== undefined;
      if (isView) shared.storage.views++;
      this.#slots.set(name, { value, storage: isView ? shared.storage : { views: 0 } });
      this.#label(value, name);
      this.#checkAgainst(name, value);
    });
  }

  #label(value: Value, name: string | undefined): void {
    if (!name || !value.producer || value.tensor) return;
    value.name = name;
    if (!value.producer.name) value.producer.name = name;
  }

  /** The program states the type of every value; a conversion that disagrees is wrong. */
  #checkAgainst(name: string, value: Value): void {
    const declared = this.#declared(name);
    if (declared?.kind !== 'tensor') return;
    const { shape } = value;
    const clash = (a: Dim, b: Dim): boolean => typeof a === 'number' && typeof b === 'number' && a !== b;
    const differs =
      (value.element !== undefined && value.element !== declared.element) ||
      (shape !== undefined && (shape.length !== declared.shape!.length || shape.some((d, i) => clash(d, declared.shape![i]!))));
    if (differs) throw fail('E9001', `${name} comes to ${formatType(value.type)}, the program declares ${formatType(declared)}`);
    if (!shape) value.type = declared;
    else if (shape.some((d, i) => isUnknownDim(d) && !sameDim(d, declared.shape![i]!))) value.type = declared;
  }

  #slot(name: string, at: Cursor): Slot {
    const slot = this.#slots.get(name);
    if (slot) return slot;
    throw fail('E1104', `${at.path}: nothing produces ${name}`, { path: at.path });
  }
  #slotOf(arg: Cursor): Slot | undefined {
    const { tag, of } = arg.union();
    return tag === 'as_tensor' ? this.#slot(of.get('name').text, arg) : undefined;
  }

  #isLost(arg: Cursor): boolean {
    const { tag, of } = arg.union();
    if (tag === 'as_tensor') return this.#lost.has(of.get('name').text);
    return tag === 'as_tensors' && of.items.some(item => this.#lost.has(item.get('name').text));
  }

  #arg(arg: Cursor): Arg {
    const { tag, of } = arg.union();
    const read = argReaders[tag];
    if (read) return read(of);
    const tensor = (item: Cursor): Value => this.#slot(item.get('name').text, item).value;
    if (tag === 'as_tensor') return tensor(of);
    if (tag === 'as_sym_int') return this.#size(of);
    if (tag === 'as_sym_ints') return of.items.map(item => this.#size(item));
    if (tag === 'as_tensors') return of.items.map(tensor);
    if (tag === 'as_optional_tensors') return of.items.map(item => (item.find('as_tensor') ? tensor(item.get('as_tensor')) : undefined));
    throw fail('E2001', `an argument of kind ${tag} has no conversion`);
  }

  #problem(target: string, message: string, first: Meta): void {
    const key = `${target}\u0000${message}`;
    const before = this.#problems.get(key);
    if (before) before.count++;
    else this.#problems.set(key, { count: 1, first, message });
  }

  #listed(): ModelError {
    return new ModelError(
      [...this.#problems].map(([key, { count, first, message }]): Finding => {
        const target = key.split('\u0000')[0]!.replace(/^torch\.ops\./, '');
        const module = first.metadata?.get('module');
        const source = first.metadata?.get('source');
        const where = [module && `in ${module}`, source && `at ${source}`].filter(Boolean).join(' ');
        return {
          code: 'E2001',
          severity: 'error',
          message: `${target}: ${message} (${count} node${count === 1 ? '' : 's'}${where && `, first ${where}`})`,
          node: { op: target },
        };
      }),
    );
  }
}

const element = (of: Cursor) => ({ element: elementOfCode(of) });
const argReaders: Readonly<Record<string, ((of: Cursor) => Arg) | undefined>> = {
  as_none: () => undefined,
  as_int: of => (typeof of.value === 'bigint' ? of.value : of.number),
  as_ints: of => of.items.map(i => (typeof i.value === 'bigint' ? i.value : i.number)),
  as_float: readFloat,
  as_floats: of => of.items.map(readFloat),
  as_bool: of => of.boolean,
  as_bools: of => of.items.map(i => i.boolean),
  as_string: of => of.text,
  as_strings: of => of.items.map(i => i.text),
  as_scalar_type: element,
  as_device: () => undefined,
  as_memory_format: () => undefined,
  as_layout: () => undefined,
};

/** Numbers that JSON cannot say are written as strings. */
function readFloat(of: Cursor): number {
  if (of.value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (of.value === '-Infinity') return Number.NEGATIVE_INFINITY;
  return of.value === 'NaN' ? Number.NaN : of.number;
}

function outputNames(outputs: readonly Cursor[]): string[] {
  return outputs.flatMap(output => {
    const { tag, of } = output.union();
    if (tag === 'as_tensor') return [of.get('name').text];
    return tag === 'as_tensors' ? of.items.map(item => item.get('name').text) : [];
  });
}

/** Module path and source line of a node, as metadata of what is made from it. */
function metaOf(node: Cursor): Meta {
  const metadata = node.find('metadata');
  const known = new Map<string, string>();
  const module = modulePath(metadata?.find('nn_module_stack')?.text);
  if (module) known.set('module', module);
  const frames = [...(metadata?.find('stack_trace')?.text ?? '').matchAll(/File "([^"]*)", line (\d+)/g)];
  const line = frames.findLast(([, file]) => !/(^|[\\/])torch[\\/]/.test(file!)) ?? frames.at(-1);
  if (line) known.set('source', `${line[1]!.split(/[\\/]/).at(-1)}:${line[2]}`);
  return { metadata: known };
}

/** The path of the innermost module: entries are `key,path,type`, separated by semicolons. */
const modulePath = (stack: string | undefined): string | undefined => stack?.split(';').at(-1)?.split(',')[1] || undefined;
