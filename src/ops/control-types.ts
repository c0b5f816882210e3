// Output types of the operators whose graphs decide them.
import { fail } from '../errors.ts';
import { unknownDim } from '../ir/dims.ts';
import type { Graph, Node, Value } from '../ir/graph.ts';
import { tensorType, type ValueType } from '../ir/types.ts';
import { bodyOf, merged, outside, sequence, stacked, typeOfOutput } from './nested-types.ts';
import type { InferTable } from './row.ts';
import { axisOf, contentsOf } from './shapes.ts';

export const controlTypes = {
  If({ cond }, { then_branch, else_branch }, outputs) {
    const [a, b] = [bodyOf(then_branch).outputs, bodyOf(else_branch).outputs];
    requireCount('If', 'then_branch', 'output', a.length, outputs);
    requireCount('If', 'else_branch', 'output', b.length, outputs);
    const known = contentsOf(cond)?.[0];
    if (typeof known === 'number') return (known ? a : b).map(typeOfOutput);
    return a.map((o, i) => b[i] && merged(typeOfOutput(o), typeOfOutput(b[i])));
  },
  Loop({ v_initial = [] }, { body: given }, outputs) {
    const body = bodyOf(given);
    requireCount('Loop', 'body', 'input', body.inputs.length, 2 + v_initial.length);
    requireCount('Loop', 'body', 'output', body.outputs.length, 1 + outputs);
    return body.outputs.slice(1).map((o, i) => {
      const type = typeOfOutput(o);
      return i < v_initial.length ? merged(v_initial[i]!.type, type) : stacked(body, type, v_initial, 0, unknownDim());
    });
  },
  Scan({ initial_state_and_scan_inputs: inputs }, { body: given, num_scan_inputs, scan_input_axes, scan_output_axes }, outputs) {
    const body = bodyOf(given);
    if (num_scan_inputs < 1 || num_scan_inputs > inputs.length)
      throw fail('E1303', `Scan: num_scan_inputs is ${num_scan_inputs}, expected 1 to ${inputs.length}`);
    requireCount('Scan', 'body', 'input', body.inputs.length, inputs.length);
    requireCount('Scan', 'body', 'output', body.outputs.length, outputs);
    const states = inputs.length - num_scan_inputs;
    const first = inputs[states];
    const shape = first?.shape;
    const steps = shape?.[axisOf(scan_input_axes?.[0] ?? 0, shape.length)] ?? unknownDim();
    return body.outputs.map((o, i) =>
      i < states
        ? merged(inputs[i]!.type, typeOfOutput(o))
        : stacked(body, typeOfOutput(o), inputs, scan_output_axes?.[i - states] ?? 0, steps),
    );
  },
  SequenceMap: ({ input_sequence, additional_inputs = [] }, { body: given }, outputs) => {
    const body = bodyOf(given);
    requireCount('SequenceMap', 'body', 'input', body.inputs.length, 1 + additional_inputs.length);
    requireCount('SequenceMap', 'body', 'output', body.outputs.length, outputs);
    return body.outputs.map(o => sequence(outside(body, typeOfOutput(o), [input_sequence, ...additional_inputs])));
  },
} satisfies InferTable;

function requireCount(op: string, graph: string, what: 'input' | 'output', found: number, expected: number): void {
  if (found !== expected) throw fail('E1302', `${op}: ${graph} has ${found} ${what}${found === 1 ? '' : 's'}, expected ${expected}`);
}

/** The branch of an If that its condition, where it is known, takes; the other one may not even fit the types. */
export function takenBranch(
  node: Pick<Node, 'op' | 'domain' | 'attributes'>,
  [condition]: readonly (Value | undefined)[],
): Graph | undefined {
  const content = node.op === 'If' && node.domain === '' && condition ? contentsOf(condition)?.[0] : undefined;
  if (typeof content !== 'number') return undefined;
  const branch = node.attributes.get(content === 0 ? 'else_branch' : 'then_branch');
  return branch?.kind === 'graph' ? branch.value : undefined;
}

/** What a body of a loop gets: states first, which come back changed, then what is new in every round. */
export interface BodyInputs {
  /** Inputs of the body that are no state come before this index, states from here on. */
  readonly firstState: number;
  readonly states: readonly (ValueType | undefined)[];
  /** The output that is the first state's next value. */
  readonly firstNext: number;
  /** In the order of the body's inputs. */
  readonly types: readonly (ValueType | undefined)[];
}

/** The types that inputs of a nested graph have in its first round; undefined for operators that give it none. */
export function bodyInputsOf(
  node: Pick<Node, 'op' | 'domain' | 'attributes'>,
  inputs: readonly (Value | undefined)[],
): BodyInputs | undefined {
  if (node.domain !== '') return undefined;
  const types = inputs.map(v => v?.type);
  if (node.op === 'Loop') {
    const states = types.slice(2);
    const given = node.attributes.get('body');
    const [round, going] = given?.kind === 'graph' ? given.value.inputs : [];
    const own = [tensorType('int64', singleShape(round)), tensorType('bool', singleShape(going))];
    return { firstState: 2, firstNext: 1, states, types: [...own, ...states] };
  }
  if (node.op === 'SequenceMap') return { firstState: 0, firstNext: 0, states: [], types: types.map(itemType) };
  const scanned = node.attributes.get('num_scan_inputs');
  if (node.op !== 'Scan' || scanned?.kind !== 'int') return undefined;
  const count = types.length - Number(scanned.value);
  const axes = node.attributes.get('scan_input_axes');
  const slices = types.slice(count).map((type, i) => sliceType(type, axes?.kind === 'ints' ? Number(axes.value[i] ?? 0) : 0));
  const states = types.slice(0, count);
  return { firstState: 0, firstNext: 0, states, types: [...states, ...slices] };
}

/** Operators whose graph runs round by round. */
export const isLoop = (node: Node): boolean => node.domain === '' && (node.op === 'Loop' || node.op === 'Scan');

/** The shape of a loop's own number of the round and condition: a scalar or, where the body declares it so, a vector of one element. */
export const singleShape = (input: Value | undefined): number[] => (input?.shape?.length === 1 ? [1] : []);

const itemType = (type: ValueType | undefined): ValueType | undefined => (type?.kind === 'sequence' ? type.of : type);

function sliceType(type: ValueType | undefined, axis: number): ValueType | undefined {
  if (type?.kind !== 'tensor' || !type.shape) return type;
  return tensorType(type.element, type.shape.toSpliced(axisOf(axis, type.shape.length), 1));
}
