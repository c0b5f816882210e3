// How a case of the standard's backend tests is run and judged: with the tolerances of the case, by the rules of the standard's own runner
// (numpy.testing.assert_allclose; types and shapes equal; two bfloat16 steps). Runs in a page as well.
import type { Source } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import type { Backend } from '../../src/exec/backend.ts';
import { load, referenceBackend, Session } from '../../src/index.ts';
import type { Datum } from '../../src/ir/datum.ts';
import { allNodes, type Model } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { isFloat } from '../../src/ir/types.ts';
import { elementsOf } from '../../src/kernels/memory.ts';
import { computeType, load as loadElements } from '../../src/kernels/storage.ts';

type Tree =
  | { readonly tensor: string }
  | { readonly sequence: readonly Tree[] }
  | { readonly optional: Tree | null }
  | { readonly map: { readonly keys: Tree; readonly values: Tree } };

export interface Case {
  readonly name: string;
  readonly kind: string;
  /** The bytes of a file of the case. */
  file(name: string): Promise<Uint8Array>;
  readonly rtol: number;
  readonly atol: number;
  readonly sets: readonly { readonly inputs: readonly Tree[]; readonly outputs: readonly Tree[] }[];
}

/** Every case in an archive that write_cases.py packed. */
export async function casesOfZip(source: Source): Promise<Case[]> {
  const { entries } = await openZip(source, { foldCase: false });
  const names = [...entries.keys()].filter(name => name.endsWith('/case.json')).sort();
  const cases: Case[] = [];
  for (const name of names) {
    const facts = JSON.parse(new TextDecoder().decode(await entries.get(name)!.bytes()));
    cases.push({ ...facts, file: (file: string) => entries.get(name.replace('case.json', file))!.bytes() });
  }
  return cases;
}

export interface CaseOptions {
  /** Run the plan as it is optimised, not the oracle's. */
  readonly optimize?: boolean;
  /** Where it runs; on the reference backend otherwise. */
  readonly backend?: Backend | undefined;
  /** What is done to the model before it runs. */
  readonly change?: (model: Model) => Promise<Model> | Model;
}

/** Run a case; undefined where it passes, else what differs. Errors of the library are thrown. */
export async function judge(c: Case, { optimize = false, backend, change = m => m }: CaseOptions = {}): Promise<string | undefined> {
  const model = await change(await load(await c.file('model.onnx')));
  const data = await load(await c.file('data.onnx'));
  const tensors = new Map<string, Tensor>();
  for (const v of data.graph.initializers) tensors.set(v.name, await resident(v.tensor!));
  const session = await Session.create(model, { backend: backend ?? referenceBackend(optimize ? {} : { reuse: false }), optimize });
  const isRandom = [...allNodes(model.graph)].some(node => node.domain === '' && randomOperators.has(node.op));
  try {
    for (const set of c.sets) {
      const feeds: Record<string, Datum> = {};
      const inputs = model.graph.inputs.filter(v => !v.tensor);
      set.inputs.forEach((tree, i) => {
        const v = inputs[i];
        if (v) feeds[v.name] = datumOf(tree, tensors);
      });
      const made = Object.values(await session.evaluate(feeds));
      const wrong = firstDifference(made, set.outputs, tensors, session.outputNames, c);
      if (wrong !== undefined && !isRandom) return wrong;
      const odd = wrong && randomDifference(made, Object.values(await session.evaluate(feeds)), set.outputs, tensors);
      if (odd !== undefined) return odd;
    }
  } finally {
    await session.dispose();
  }
  return undefined;
}

/** Operators whose numbers are those of whoever draws them; Dropout's, where it trains. Where they are not the expected ones, the rest is judged. */
const randomOperators: ReadonlySet<string> = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'Dropout',
]);

/** Random outputs: the type and shape of the expected ones, and the same numbers when they are drawn again. */
function randomDifference(
  made: readonly Datum[],
  again: readonly Datum[],
  outputs: readonly Tree[],
  tensors: ReadonlyMap<string, Tensor>,
): string | undefined {
  for (const [i, tree] of outputs.entries()) {
    const [got, second, want] = [made[i] as Tensor, again[i] as Tensor, datumOf(tree, tensors) as Tensor];
    if (got.type !== want.type || String(got.dims) !== String(want.dims))
      return `${got.type}[${got.dims}], expected ${want.type}[${want.dims}]`;
    if (String(elementsOf(got)) !== String(elementsOf(second))) return 'other numbers the second time';
  }
  return undefined;
}

function firstDifference(
  made: readonly Datum[],
  outputs: readonly Tree[],
  tensors: ReadonlyMap<string, Tensor>,
  names: readonly string[],
  c: Case,
): string | undefined {
  for (const [i, tree] of outputs.entries()) {
    const wrong = difference(made[i], datumOf(tree, tensors), c);
    if (wrong !== undefined) return `output ${names[i]}: ${wrong}`;
  }
  return undefined;
}

function datumOf(tree: Tree, tensors: ReadonlyMap<string, Tensor>): Datum {
  if ('tensor' in tree) return tensors.get(tree.tensor)!;
  if ('sequence' in tree) return tree.sequence.map(item => datumOf(item, tensors));
  if ('optional' in tree) return tree.optional === null ? null : datumOf(tree.optional, tensors);
  const [keys, values] = [tree.map.keys, tree.map.values].map(part => (datumOf(part, tensors) as Tensor).data);
  return new Map(Array.from(keys as string[], (key, i) => [key, (values as Float32Array)[i]!]));
}

function difference(got: Datum | undefined, want: Datum, c: Case): string | undefined {
  if (want === null) return got === null ? undefined : 'an element, expected an empty optional';
  if (want instanceof Map) {
    if (!(got instanceof Map) || got.size !== want.size) return 'no map of that size';
    for (const [key, value] of want)
      if (Math.abs(Number(got.get(key)) - Number(value)) > c.atol + c.rtol * Math.abs(Number(value))) return `key ${key}`;
    return undefined;
  }
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length)
      return `a sequence of ${Array.isArray(got) ? got.length : 'none'}, expected ${want.length}`;
    for (const [i, item] of want.entries()) {
      const wrong = difference(got[i], item, c);
      if (wrong !== undefined) return `[${i}] ${wrong}`;
    }
    return undefined;
  }
  if (!(got instanceof Tensor)) return 'no tensor';
  return tensorDifference(got, want as Tensor, c);
}

function tensorDifference(got: Tensor, want: Tensor, c: Case): string | undefined {
  if (got.type !== want.type || String(got.dims) !== String(want.dims))
    return `${got.type}[${got.dims}], expected ${want.type}[${want.dims}]`;
  if (want.type === 'string') {
    const at = (got.data as string[]).findIndex((s, i) => s !== (want.data as string[])[i]);
    return at < 0
      ? undefined
      : `[${at}] is ${JSON.stringify((got.data as string[])[at])}, expected ${JSON.stringify((want.data as string[])[at])}`;
  }
  const rtol = want.type === 'bfloat16' ? Math.max(c.rtol, 2 ** -6) : c.rtol;
  const [a, b] = [numbers(got), numbers(want)];
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    const equal = Object.is(x, y) || x === y || (Number.isFinite(y) && Math.abs(x - y) <= c.atol + rtol * Math.abs(y));
    if (!equal) return `[${i}] is ${x}, expected ${y}`;
  }
  return undefined;
}

/** Elements as numbers; complex ones as their parts. */
function numbers(t: Tensor): number[] {
  const type = computeType(t.type);
  if (!type) return Array.from(t.data as ArrayLike<number>, Number);
  const elements = elementsOf(t) as Uint8Array;
  if (!isFloat(t.type) && t.type !== 'int4' && t.type !== 'int2') return Array.from(elements, Number);
  const wide = type === 'int8' ? new Int8Array(t.size) : new Float64Array(t.size);
  loadElements(wide, 0, elements, t.type, 0, 1, t.size);
  return Array.from(wide);
}
