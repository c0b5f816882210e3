// The passes of simplify by name, in the order in which they are applied.
import { isStatic } from '../ir/dims.ts';
import { Node, Value } from '../ir/graph.ts';
import { byteLength } from '../ir/types.ts';
import { type BuilderOptions, newBuilder } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { lowerNode } from '../ops/infer.ts';
import { newestSchema, schemaOf } from '../ops/schema.ts';
import type { Newest } from '../opset/newest.ts';
import { branches } from '../passes/branches.ts';
import { attributesKey, duplicateConstants, duplicateNodes, type TensorKey } from '../passes/duplicates.ts';
import { constantValue } from '../passes/fold.ts';
import { derived } from '../passes/fuse.ts';
import { identities } from '../passes/identities.ts';
import { layers } from '../passes/layers.ts';
import { layout } from '../passes/layout/index.ts';
import { merges } from '../passes/merges.ts';
import { pointwise } from '../passes/pointwise.ts';
import type { Pass, Rule } from '../passes/rewrite.ts';

/** What passes know of the graph that they are for. */
export interface Part {
  readonly newest: Newest;
  readonly keyOf: TensorKey;
  readonly isFunction: (node: Node) => boolean;
  readonly foldLimit: number | undefined;
}

interface Entry {
  readonly title: string;
  pass(part: Part): Pass;
}

const table = {
  // Before folding, which would write what is repeated.
  pointwise: {
    title: 'what only repeats elements is left to operators that repeat them, constant factors and terms in a row become one',
    pass: ({ newest }) => newest.pass({ name: 'pointwise', rules: pointwise }),
  },
  fold: {
    title: 'what constants alone decide is computed, Constant nodes become initializers',
    pass: part => ({ name: 'fold', rules: { '*': folding(part) } }),
  },
  branches: {
    title: 'an If whose condition is known becomes the branch that is taken',
    pass: () => ({ name: 'branches', rules: branches }),
  },
  outputs: {
    title: 'optional outputs that nothing reads are left out',
    pass: part => ({ name: 'outputs', rules: { '*': unread(part) } }),
  },
  identities: {
    title: 'nodes that give back what they are given disappear',
    pass: ({ newest }) => newest.pass({ name: 'identities', rules: identities }),
  },
  merges: {
    title: 'transposes, reshapes, conversions and concatenations in a row become one, known sizes become constants',
    pass: ({ newest }) => newest.pass({ name: 'merges', rules: merges }),
  },
  layers: {
    title: 'normalisation, bias and padding join the layer they stand beside, states of zeros are left out',
    pass: ({ newest }) => newest.pass({ name: 'layers', rules: layers }),
  },
  layout: {
    title: 'transposes stand where they move the fewest elements, and weights are transposed at once',
    pass: ({ newest }) => newest.pass(layout),
  },
  constants: {
    title: 'constants of equal content are kept once',
    pass: ({ keyOf }) => ({ name: 'constants', rules: {}, same: graph => duplicateConstants(graph, keyOf) }),
  },
  duplicates: {
    title: 'nodes that compute the same from the same are kept once',
    pass: ({ keyOf, isFunction }) => ({ name: 'duplicates', rules: {}, same: graph => duplicateNodes(graph, keyOf, isFunction) }),
  },
} as const satisfies Record<string, Entry>;

export type PassName = keyof typeof table;
export const passTable: Readonly<Record<PassName, Entry>> = table;
// The cast: the keys of the table above.
export const passNames = Object.keys(table) as readonly PassName[];

const isConstant = (v: Value | undefined): v is Value => v?.tensor !== undefined;

/** What folding may make of a node: nothing of what is stored in fewer bits on purpose. */
const kept: ReadonlySet<string> = new Set(['DequantizeLinear']);
const defaultLimit = 16 << 20;
/** Most elements of a result whose size is not known before. */
const unknownLimit = 65536;
const nothing = { elements: 0, floats: false } as const;

/** How much the builder may fold of a node. */
export const foldingFor =
  (limit: number | undefined) =>
  (node: Node): BuilderOptions['fold'] => {
    if (!node.inputs.every(v => !v || isConstant(v))) return undefined;
    if (kept.has(node.op)) return nothing;
    const given = node.inputs.reduce((n, v) => n + (v?.tensor?.byteLength ?? 0), 0);
    const most = limit ?? Math.max(defaultLimit, 4 * given);
    const made = node.outputs.map(v => (v ? bytesOf(v) : 0));
    if (made.includes(undefined)) return { elements: Math.min(most, unknownLimit), floats: true, parameters: true };
    const total = made.reduce<number>((n, bytes) => n + bytes!, 0);
    return total <= most ? { elements: Number.POSITIVE_INFINITY, floats: true, parameters: true } : nothing;
  };

const bytesOf = ({ element, shape }: Value): number | undefined =>
  element && isStatic(shape)
    ? byteLength(
        element,
        shape.reduce((n, d) => n * d, 1),
      )
    : undefined;

const folding =
  ({ newest, foldLimit }: Part): Rule =>
  node => {
    if (node.op === 'Constant' && node.domain === '') return literal(node);
    const form = newest.of(node);
    if (!form) return undefined;
    if ('values' in form) return node.outputs.every((v, i) => !v || form.values[i]) ? form.values : undefined;
    if (!node.inputs.some(isConstant) || foldingFor(foldLimit)(node)?.elements !== Number.POSITIVE_INFINITY) return undefined;
    return ofBody(form.node) ?? whenRead(form.node);
  };

/** In a function the value may be the caller's. */
const literal = (node: Node): Value | undefined =>
  [...node.attributes.values()].some(a => a.kind === 'reference') ? undefined : constantValue(node.outputs[0]!.name, node.attributes);

/** The constants that an operator's body comes to. */
function ofBody(node: Node): readonly (Value | undefined)[] | undefined {
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema || !('lower' in row) || !node.inputs.every(v => !v || v.tensor?.isResident)) return undefined;
  const trial = newBuilder({ fold: { elements: Number.POSITIVE_INFINITY, floats: true, parameters: true } });
  const made = lowerNode(row, schema, node, trial);
  return trial.nodes.length === 0 ? made : undefined;
}

/** Of weights that are not in memory: a constant that is computed when it is written. */
function whenRead(node: Node): Value | undefined {
  const row = rowOf(node.op, node.domain);
  const [y, ...others] = node.outputs;
  if (!row || !('map' in row || 'plan' in row) || row.offKernels || !y || others.length > 0 || node.domain !== '') return undefined;
  return new Value(y.name, undefined, { tensor: derived(node, { isSaid: false }) });
}

/** A node without the optional outputs that nothing reads, where it means the same without them. */
const unread =
  ({ newest, isFunction }: Part): Rule =>
  (node, b, { uses }) => {
    const schema = isFunction(node) ? undefined : schemaOf(node.domain, node.op, newest.opsets.get(node.domain) ?? 1);
    const isSpare = (v: Value | undefined, i: number): boolean =>
      v !== undefined && uses(v) === 0 && schema?.outputs[i]?.option === 'optional';
    if (!schema || !node.outputs.some(isSpare) || node.outputs.every((v, i) => !v || isSpare(v, i))) return undefined;
    const outputs = node.outputs.map((v, i) => (isSpare(v, i) ? undefined : v));
    const made = new Node(node, outputs.slice(0, outputs.findLastIndex(v => v) + 1));
    if (!meansTheSame(node, made, newest)) return undefined;
    made.outputs.forEach((v, i) => v && Object.assign(v, { contents: node.outputs[i]!.contents, meta: node.outputs[i]!.meta }));
    b.nodes.push(made);
    return node.outputs.map((_, i) => made.outputs[i]);
  };

/** In old opsets the number of outputs says whether a normalisation is in training. */
function meansTheSame(a: Node, b: Node, newest: Newest): boolean {
  const [before, after] = [newest.of(a), newest.of(b)];
  if (!before || !after || !('node' in before) || !('node' in after)) return false;
  const key = (node: Node): string | undefined => attributesKey(node.attributes, () => undefined);
  return before.node.op === after.node.op && key(before.node) !== undefined && key(before.node) === key(after.node);
}
