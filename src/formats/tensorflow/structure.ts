// What is no operator on tensors: constants, variables, calls of functions, branches. Loops and lists have files of their own.
import { fail } from '../../errors.ts';
import { Graph, Value } from '../../ir/graph.ts';
import { elementTypes } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { contentsOf, elementOf as elementOfValue, rankOf } from '../../ops/shapes.ts';
import type { Body } from './body.ts';
import { Call, unsupported } from './call.ts';
import { complexOf, imaginaryOf, isComplexLike } from './complex.ts';
import { complex, contentOf, type Handle, isList, isValue, tensorOf, Variable } from './handles.ts';
import { elementsOf, lists } from './lists.ts';
import { loops } from './loops.ts';
import { tfRow } from './ops/index.ts';
import { functionsIn, produced, runBody, type Step, type StructureRow } from './step.ts';
import { tables } from './tables.ts';
import { readTensor } from './tensors.ts';
import { elementOf } from './types.ts';

const call: StructureRow = step => runBody(step, functionsIn(step, 'f')[0]!, step.inputs, step.b);

/** Weights are floats with more than one element, and get names; numbers that programs compute with do not. */
const constant: StructureRow = ({ node }) => {
  const proto = node.attrs.get('value')?.tensor;
  if (!proto) throw fail('E1303', 'a constant has no value');
  const tensor = readTensor(proto);
  const parameter = elementTypes[tensor.type].class === 'float' && tensor.size > 1;
  return [new Value(node.name, undefined, { tensor, parameter })];
};

const resourceOr =
  (otherwise: string): StructureRow =>
  ({ node, reader }) => {
    const found = reader.program.resources.get(node.name);
    if (!found) throw unsupported(otherwise);
    return [found];
  };
const resource = resourceOr('this resource has no conversion');

const variableIn = (handle: Handle): Variable => {
  if (handle instanceof Variable) return handle;
  throw unsupported('its input is no variable');
};

const read: StructureRow = ({ inputs }) => [contentOf(variableIn(inputs[0]))];

type Change = (b: Builder, before: Value, given: Value) => Value;

const store =
  (change: Change, hasOutput: boolean): StructureRow =>
  ({ inputs, b, reader }) => {
    const variable = variableIn(inputs[0]);
    if (reader.isNested) throw unsupported('a variable is stored in a branch or in a loop');
    const given = tensorOf(inputs[1]);
    variable.value = variable.value ? change(b, variable.value, given) : given;
    variable.isWritten = true;
    return hasOutput ? [variable] : [];
  };

/** An operator on the content of a variable: the same as one on a tensor. */
const onContent =
  (op: string, more: (b: Builder) => readonly Value[] = () => []): StructureRow =>
  ({ node, inputs, b, reader }) => {
    const [variable, ...rest] = inputs;
    const def = reader.program.library.find(op)!;
    const values = [contentOf(variableIn(variable)), ...rest.map(tensorOf), ...more(b)];
    const made = tfRow(op)!(new Call(def, node.name, values, node.attrs), b);
    return isValue(made) ? [made] : made;
  };

const variableShape: StructureRow = ({ node, inputs, b }) => [
  b.Cast(b.Shape(contentOf(variableIn(inputs[0]))), elementOf(node.attrs.get('out_type')?.type ?? 3)),
];

/** Whether a condition holds, as TensorFlow sees it: numbers other than 0, and tensors with axes that are not empty. */
function conditionOf(handle: Handle, b: Builder): Value {
  const value = tensorOf(handle);
  if (rankOf(value) > 0) return b.Greater(b.Size({ data: value }), b.constant(0, 'int64'));
  if (elementOfValue(value) === 'string') throw unsupported('a condition that is a string');
  return b.Cast(value, 'bool');
}

const branches: StructureRow = step => {
  const [condition, ...args] = step.inputs;
  const [yes] = functionsIn(step, 'then_branch');
  const [no] = functionsIn(step, 'else_branch');
  return choose(step, conditionOf(condition, step.b), yes!, no!, args);
};

/** One of several functions by its place; the last one for places beyond them. */
const cases: StructureRow = step => {
  const [place, ...args] = step.inputs;
  const all = functionsIn(step, 'branches');
  const index = tensorOf(place);
  const known = contentsOf(index)?.[0];
  if (typeof known === 'number') return runBody(step, all[known] ?? all.at(-1)!, args, step.b);
  const from = (k: number, b: Builder): readonly Handle[] => {
    if (k === all.length - 1) return runBody(step, all[k]!, args, b);
    const here = b.Equal(index, b.constant(k, elementOfValue(index)));
    return either(
      { ...ownNodes(step, b), condition: here },
      inner => runBody(step, all[k]!, args, inner),
      inner => from(k + 1, inner),
    );
  };
  return from(0, step.b);
};

/** The outputs of one of two functions: of the one alone where the condition is known. */
function choose(step: Step, condition: Value, yes: Body, no: Body, args: readonly Handle[]): readonly Handle[] {
  const { b } = step;
  const known = contentsOf(condition)?.[0];
  if (typeof known === 'number') return runBody(step, known !== 0 ? yes : no, args, b);
  return either(
    { ...ownNodes(step, b), condition },
    inner => runBody(step, yes, args, inner),
    inner => runBody(step, no, args, inner),
  );
}

const ownNodes = ({ reader }: Step, b: Builder): Pick<Branches, 'b' | 'nested'> => ({ b, nested: run => reader.nested(b, run) });

/** A condition of any format, and how a branch is run with a builder of its own. */
interface Branches {
  readonly condition: Value;
  readonly b: Builder;
  readonly nested: <T>(run: (inner: Builder) => T) => T;
}
type Side = (inner: Builder) => readonly Handle[];

/** What one of two branches gives. */
export function either({ condition, b, nested }: Branches, yes: Side, no: Side): readonly Handle[] {
  const sides = [yes, no].map(side =>
    nested(inner => {
      const handles = side(inner);
      return { handles, inner };
    }),
  );
  const [first, second] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const results = first.handles.map((handle, i): Handle | Both => {
    const other = second.handles[i];
    // What both give as they got it needs no node.
    if (handle === undefined || other === undefined || handle === other) return other && handle;
    const isPair = isComplexLike(handle) || isComplexLike(other);
    return { kind: 'both', parts: [partsOf(handle, isPair, first.inner), partsOf(other, isPair, second.inner)] };
  });
  const pairs = results.filter(isBoth).flatMap(({ parts: [yes, no] }) => yes.map((v, k) => [v, no[k]!] as const));
  if (results.includes(undefined)) return results.map(() => undefined);
  if (pairs.length === 0) return results as Handle[];
  const graph = (side: 0 | 1, label: string, inner: Builder): Graph =>
    new Graph(label, {
      outputs: pairs.map((pair, i) => ({ name: `${label}_${i}`, value: produced(pair[side], inner) })),
      nodes: inner.nodes,
    });
  const then_branch = graph(0, 'then', first.inner);
  const else_branch = graph(1, 'else', second.inner);
  const made = b.emit('If', [condition], { then_branch, else_branch }, { outputs: pairs.map((_, i) => `if_${i}`) }) as Value[];
  let at = 0;
  return results.map((r, i): Handle => {
    if (!isBoth(r)) return r;
    const value = made[at++]!;
    if (r.parts[0].length === 2) return complex(value, made[at++]);
    const before = first.handles[i];
    return isList(before) ? { ...before, content: { is: 'tensor', value } } : value;
  });
}

/** What each branch gives for one output, as tensors. */
interface Both {
  readonly kind: 'both';
  readonly parts: readonly [readonly Value[], readonly Value[]];
}
const isBoth = (r: Handle | Both): r is Both => typeof r === 'object' && 'kind' in r && r.kind === 'both';

/** What a branch gives, as a tensor, or as the two parts of complex numbers. */
function partsOf(handle: Handle, isPair: boolean, b: Builder): readonly Value[] {
  if (isPair) {
    const z = complexOf(handle);
    return [z.real, imaginaryOf(z, b)];
  }
  return [isList(handle) ? elementsOf(handle, b) : tensorOf(handle)];
}

const passed: StructureRow = ({ inputs }) => inputs;
const nothing: StructureRow = () => [];

const refersToVariables: StructureRow = ({ inputs }) => [inputs[0]];

const rows: Readonly<Record<string, StructureRow | undefined>> = {
  _Both: ({ inputs }) => [inputs[0], inputs[0]],
  Const: constant,
  HostConst: constant,
  Identity: passed,
  IdentityN: passed,
  StopGradient: passed,
  PreventGradient: passed,
  Snapshot: passed,
  RefIdentity: refersToVariables,
  CheckNumerics: passed,
  CheckNumericsV2: passed,
  GuaranteeConst: passed,
  Print: ({ inputs }) => [inputs[0]],
  NoOp: nothing,
  ControlTrigger: nothing,
  Assert: nothing,
  PrintV2: nothing,
  DisableCopyOnRead: nothing,
  PlaceholderWithDefault: ({ inputs }) => [inputs[0]],
  VarHandleOp: resource,
  Variable: resource,
  HashTable: resource,
  HashTableV2: resource,
  AnonymousHashTable: resource,
  VariableV2: resource,
  // Inputs that are tensors are bound before.
  Placeholder: resourceOr('it is none of the inputs'),
  ReadVariableOp: read,
  VariableShape: variableShape,
  VarIsInitializedOp: ({ b }) => [b.constant(true, 'bool')],
  IsVariableInitialized: ({ b }) => [b.constant(true, 'bool')],
  AssignVariableOp: store((_b, _before, given) => given, false),
  AssignAddVariableOp: store((b, before, given) => b.Add(before, given), false),
  AssignSubVariableOp: store((b, before, given) => b.Sub(before, given), false),
  Assign: store((_b, _before, given) => given, true),
  AssignAdd: store((b, before, given) => b.Add(before, given), true),
  AssignSub: store((b, before, given) => b.Sub(before, given), true),
  ResourceGather: onContent('GatherV2', b => [b.constant(0, 'int32')]),
  ResourceGatherNd: onContent('GatherNd'),
  PartitionedCall: call,
  StatefulPartitionedCall: call,
  If: branches,
  StatelessIf: branches,
  _If: branches,
  Case: cases,
  StatelessCase: cases,
  ...loops,
  ...lists,
  ...tables,
};

/** Without what other objects have: graphs may call an operator anything. */
export const structure: typeof rows = Object.assign(Object.create(null), rows);

/** Whether an operator gives what it gets. */
export const passesOn = (op: string): boolean => structure[op] === passed;
