// unroll: loops whose rounds are known before they run become their rounds, one after the other: for targets without loops, and for plans,
// where a round costs no more than its kernels.
import type { Graph, Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { singleShape } from '../ops/control-types.ts';
import { axisOf, contentsOf, rankOf, shapeOf } from '../ops/shapes.ts';
import { copyNodes, emitAgain } from './rebuild.ts';
import type { Pass, Replacement } from './rewrite.ts';

export interface UnrollOptions {
  /** Most nodes that the rounds of one loop may come to. */
  readonly mostNodes?: number;
  /** Whether a node may be in a loop that becomes its rounds. */
  readonly takes?: (node: Node) => boolean;
}

export const unrollWith = ({ mostNodes = 20_000, takes = () => true }: UnrollOptions): Pass => ({
  name: 'unroll',
  rules: {
    Loop: (node, b) => (isTaken(node, takes) ? loop(node, b, mostNodes) : undefined),
    Scan: (node, b) => (isTaken(node, takes) ? scan(node, b, mostNodes) : undefined),
  },
  // What a round is told by its number decides whether there is another.
  builder: { fold: { elements: 64, floats: false } },
});
export const unroll = unrollWith({});

const isTaken = (node: Node, takes: (node: Node) => boolean): boolean => node.domain === '' && (bodyOf(node)?.nodes.every(takes) ?? false);

function bodyOf(node: Node): Graph | undefined {
  const body = node.attributes.get('body');
  return body?.kind === 'graph' ? body.value : undefined;
}

/** The nodes of a body once more, for these inputs; its outputs. */
function round(body: Graph, inputs: readonly Value[], b: Builder): Value[] {
  const now = new Map<Value, Value | undefined>(body.inputs.map((v, i) => [v, inputs[i]]));
  copyNodes(body.nodes, now, emitAgain, b);
  return body.outputs.map(({ value }) => now.get(value) ?? value);
}

const numberIn = (v: Value | undefined): number | undefined => {
  const content = v && contentsOf(v)?.[0];
  return typeof content === 'number' ? content : undefined;
};

function loop(node: Node, b: Builder, mostNodes: number): Replacement | undefined {
  const body = bodyOf(node);
  const [limit, condition, ...initial] = node.inputs;
  const most = limit ? numberIn(limit) : Number.POSITIVE_INFINITY;
  let going = condition ? numberIn(condition) : 1;
  if (!body || most === undefined || initial.some(v => !v)) return undefined;
  const [numberShape, goingShape] = body.inputs.slice(0, 2).map(singleShape);
  let states = initial as Value[];
  const rounds: Value[][] = [];
  for (let i = 0; going !== undefined && going !== 0 && i < most; i++) {
    if (b.nodes.length + body.nodes.length > mostNodes) return undefined;
    const own = [b.constant(i, 'int64', numberShape), b.constant(true, 'bool', goingShape)];
    const [next, ...made] = round(body, [...own, ...states], b);
    // A condition that is handed through is the one of this round, which was true.
    going = numberIn(next);
    states = made.slice(0, states.length);
    rounds.push(made.slice(states.length));
  }
  if (going === undefined) return undefined;
  const count = body.outputs.length - 1 - states.length;
  if (count > 0 && rounds.length === 0) return undefined;
  return [
    ...states,
    ...Array.from({ length: count }, (_, k) =>
      stacked(
        rounds.map(r => r[k]!),
        0,
        b,
      ),
    ),
  ];
}

function scan(node: Node, b: Builder, mostNodes: number): Replacement | undefined {
  const body = bodyOf(node);
  const ints = (name: string): readonly number[] => {
    const a = node.attributes.get(name);
    return a?.kind === 'ints' ? a.value.map(Number) : [];
  };
  const scanned = node.attributes.get('num_scan_inputs');
  if (!body || scanned?.kind !== 'int' || node.inputs.some(v => !v)) return undefined;
  const inputs = node.inputs as Value[];
  const count = inputs.length - Number(scanned.value);
  const sequences = inputs.slice(count);
  const axes = sequences.map((v, k) => axisOf(ints('scan_input_axes')[k] ?? 0, rankOf(v)));
  const steps = shapeOf(sequences[0]!)[axes[0]!];
  if (typeof steps !== 'number' || steps === 0 || steps * body.nodes.length > mostNodes) return undefined;
  let states = inputs.slice(0, count);
  const rounds: Value[][] = [];
  for (let i = 0; i < steps; i++) {
    const slices = sequences.map((v, k) =>
      b.Gather(v, b.constant(ints('scan_input_directions')[k] ? steps - 1 - i : i, 'int64'), axes[k]!),
    );
    const made = round(body, [...states, ...slices], b);
    states = made.slice(0, count);
    rounds.push(made.slice(count));
  }
  const outputs = Array.from({ length: body.outputs.length - count }, (_, k) => {
    const column = rounds.map(r => r[k]!);
    const ordered = ints('scan_output_directions')[k] ? column.reverse() : column;
    return stacked(ordered, ints('scan_output_axes')[k] ?? 0, b);
  });
  return [...states, ...outputs];
}

/** Values of one shape along a new axis. */
function stacked(parts: readonly Value[], axis: number, b: Builder): Value {
  const at = axisOf(axis, rankOf(parts[0]!) + 1);
  const wide = parts.map(v => b.Unsqueeze(v, [at]));
  return wide.length === 1 ? wide[0]! : b.Concat(wide, at);
}
