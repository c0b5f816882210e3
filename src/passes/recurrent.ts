// recurrent: loops over the rows of a sequence whose body is the cell of an LSTM, GRU or RNN become that operator. A loop is one by what its body
// computes of the row and of the states, whatever order sums and products are written in.
import { sameDim } from '../ir/dims.ts';
import type { Graph, Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { contentsOf, elementOf, rankOf } from '../ops/shapes.ts';
import type { Pass, Replacement, Rule } from './rewrite.ts';

/** A loop of so many rounds as a sequence has rows, of which each round reads its own. */
interface Scan {
  readonly sequence: Value;
  readonly row: Value;
  readonly states: readonly Value[];
  readonly initial: readonly Value[];
  readonly next: readonly Value[];
  /** What every round gives beside its states. */
  readonly given: readonly Value[];
  /** Whether a value is made in the body, or an input of it. */
  isInner(v: Value): boolean;
}

const plain = (v: Value): Value => (v.producer?.op === 'Identity' ? plain(v.producer.inputs[0]!) : v);
const attribute = (node: Node, name: string, otherwise: number): number => {
  const found = node.attributes.get(name);
  return found?.kind === 'int' ? Number(found.value) : otherwise;
};

function scanOf(node: Node): Scan | undefined {
  const body = bodyOf(node);
  const [rounds, condition, ...initial] = node.inputs;
  if (!body || !rounds || condition || initial.includes(undefined)) return undefined;
  const [round, going, ...states] = body.inputs;
  const [again, ...results] = body.outputs.map(o => plain(o.value));
  if (again !== going) return undefined;
  const inner = new Set<Value | undefined>([...body.inputs, ...body.nodes.flatMap(n => n.outputs)]);
  const isRound = (v: Value | undefined): boolean => v === round || (v?.producer?.op === 'Cast' && isRound(v.producer.inputs[0]));
  const readers = body.nodes.filter(n => n.inputs.includes(round) || n.inputs.some(v => isRound(v) && n.op !== 'Cast'));
  const [reader, ...others] = readers.filter(n => n.op !== 'Cast');
  if (!reader || others.length > 0 || reader.op !== 'Gather' || attribute(reader, 'axis', 0) !== 0 || !isRound(reader.inputs[1]))
    return undefined;
  const [sequence] = reader.inputs;
  const count = contentsOf(rounds)?.[0];
  const rows = sequence?.shape?.[0];
  if (!sequence || inner.has(sequence) || count === undefined || rows === undefined || !sameDim(count, rows)) return undefined;
  return {
    sequence,
    row: reader.outputs[0]!,
    states,
    initial: initial as Value[],
    next: results.slice(0, states.length),
    given: results.slice(states.length),
    isInner: v => inner.has(v),
  };
}

function bodyOf(node: Node): Graph | undefined {
  const body = node.attributes.get('body');
  return body?.kind === 'graph' ? body.value : undefined;
}

/** The operands of a node of this operator. */
const operands = (v: Value, op: string): readonly Value[] | undefined =>
  plain(v).producer?.op === op ? (plain(v).producer!.inputs as Value[]).map(plain) : undefined;

/** Both operands of a commutative operator, so that the first one fits. */
function ordered<T>(v: Value, op: string, fits: (v: Value) => T | undefined): { readonly first: T; readonly other: Value } | undefined {
  const pair = operands(v, op);
  for (const [a, c] of pair ? [pair, [...pair].reverse()] : []) {
    const first = a && fits(a);
    if (first !== undefined && c) return { first, other: c };
  }
  return undefined;
}

/** A product with one of two states of a cell or with its row, and a bias: all of the terms of a sum. */
interface Sum {
  readonly products: ReadonlyMap<Value, Value>;
  readonly bias: Value | undefined;
}

function sumOf(v: Value, scan: Scan): Sum | undefined {
  const terms = termsOf(v);
  const products = new Map<Value, Value>();
  const biases: Value[] = [];
  for (const term of terms) {
    const [x, w] = operands(term, 'MatMul') ?? [];
    if (x && w && !scan.isInner(w) && rankOf(w) === 2 && !products.has(x)) products.set(x, w);
    else if (rankOf(term) === 1) biases.push(term);
    else return undefined;
  }
  return biases.length > 1 ? undefined : { products, bias: biases[0] };
}

const termsOf = (v: Value): readonly Value[] => operands(v, 'Add')?.flatMap(termsOf) ?? [plain(v)];

/** What a value is a part of: the whole, and which of `count` parts along the last axis. */
function partOf(v: Value, count: number): { readonly whole: Value; readonly index: number } | undefined {
  const { producer, index } = plain(v);
  const whole = producer && plain(producer.inputs[0]!);
  const width = v.shape?.at(-1);
  const size = whole?.shape?.at(-1);
  if (!whole || typeof width !== 'number' || size !== count * width) return undefined;
  if (producer.op === 'Split') return producer.outputs.length === count ? { whole, index } : undefined;
  if (producer.op !== 'Slice') return undefined;
  const [, starts, ends, axes, steps] = producer.inputs;
  const [start, end, axis] = [starts, ends, axes].map(x => x && contentsOf(x)?.[0]);
  const isLast = axis === 1 || axis === -1;
  if (!isLast || typeof start !== 'number' || typeof end !== 'number' || (steps && contentsOf(steps)?.[0] !== 1)) return undefined;
  return start % width === 0 && Math.min(end, size) === start + width ? { whole, index: start / width } : undefined;
}

/** The part that an activation is applied to. */
const gateOf = (v: Value, op: string, count: number) => {
  const [x] = operands(v, op) ?? [];
  return x && partOf(x, count);
};

/** Parts of a tensor along an axis in another order. */
function reordered(b: Builder, v: Value, axis: number, order: readonly number[]): Value {
  if (order.length === 1) return v;
  const size = Number(v.shape![axis]) / order.length;
  const parts = b.Split(
    v,
    order.map(() => size),
    axis,
  );
  return b.Concat(
    order.map(i => parts[i]!),
    axis,
  );
}

/** Weights as the operators have them: one direction, gates along the second axis. */
const weights = (b: Builder, w: Value, order: readonly number[]): Value => b.Unsqueeze(reordered(b, b.Transpose(w, [1, 0]), 0, order), [0]);

/** Biases of the row and of the state, one after the other; zeros where there are none. */
function biases(b: Builder, list: readonly (Value | undefined)[], size: number, like: Value, order: readonly number[]): Value | undefined {
  if (list.every(v => v === undefined)) return undefined;
  const parts = list.map(v => (v ? reordered(b, v, 0, order) : b.Expand(b.like(0, like), [size])));
  return b.Unsqueeze(b.Concat(parts, 0), [0]);
}

/** Results of an operator of one direction for those of the loop: the last states, then all states of the first kind. */
function results(b: Builder, scan: Scan, all: Value, last: readonly Value[]): Replacement {
  return [...last.map(v => b.Squeeze(v, [0])), ...scan.given.map(() => b.Squeeze(all, [1]))];
}

/** i f c o, which ONNX orders i o f c. */
const lstmOrder = [0, 3, 1, 2];

/** c' = σ(f) c + σ(i) tanh(g) and h' = σ(o) tanh(c'), with one sum for all four. */
function lstm(scan: Scan, b: Builder): Replacement | undefined {
  if (scan.states.length !== 2) return undefined;
  for (const at of [0, 1]) {
    const [h, c] = [scan.states[at]!, scan.states[1 - at]!];
    const [nextH, nextC] = [scan.next[at]!, scan.next[1 - at]!];
    if (scan.given.some(v => v !== nextH)) continue;
    const output = ordered(nextH, 'Mul', v => gateOf(v, 'Sigmoid', 4));
    const [squashed] = output ? (operands(output.other, 'Tanh') ?? []) : [];
    const kept = ordered(nextC, 'Add', v => ordered(v, 'Mul', w => gateOf(w, 'Sigmoid', 4)));
    const added = kept && ordered(kept.other, 'Mul', v => gateOf(v, 'Sigmoid', 4));
    if (!output || squashed !== nextC || !kept || !added) continue;
    // Which product holds the state is not said by their order.
    const [forget, input] = kept.first.other === c ? [kept.first, added] : [added, kept.first];
    const candidate = forget.other === c ? gateOf(input.other, 'Tanh', 4) : undefined;
    const gates = [input.first, forget.first, candidate, output.first];
    if (gates.some((gate, i) => gate?.index !== i || gate.whole !== gates[0]!.whole)) continue;
    const sum = sumOf(gates[0]!.whole, scan);
    const [w, r] = [sum?.products.get(scan.row), sum?.products.get(h)];
    if (!sum || !w || !r || sum.products.size !== 2 || (sum.bias && scan.isInner(sum.bias))) continue;
    const size = Number(r.shape![0]);
    const values = {
      X: scan.sequence,
      W: weights(b, w, lstmOrder),
      R: weights(b, r, lstmOrder),
      B: biases(b, [sum.bias, undefined], 4 * size, scan.sequence, lstmOrder),
      initial_h: b.Unsqueeze(scan.initial[at]!, [0]),
      initial_c: b.Unsqueeze(scan.initial[1 - at]!, [0]),
    };
    const { X, W, R, B, initial_h, initial_c } = values;
    const outputs = ['lstm', 'lstm_h', 'lstm_c'];
    const [all, lastH, lastC] = b.emit(
      'LSTM',
      [X, W, R, B, undefined, initial_h, initial_c],
      { hidden_size: size },
      { outputs },
    ) as Value[];
    return results(b, scan, all!, at === 0 ? [lastH!, lastC!] : [lastC!, lastH!]);
  }
  return undefined;
}

const gruOrder = [0, 1, 2];

/** h' = z h + (1 - z) tanh(x + r y) with z and r of a sum over the row and one over the state, of which x and y are the last parts. */
function gru(scan: Scan, b: Builder): Replacement | undefined {
  const [h, next] = [scan.states[0], scan.next[0]];
  if (scan.states.length !== 1 || !h || !next || scan.given.some(v => v !== next)) return undefined;
  const kept = ordered(next, 'Add', v => ordered(v, 'Mul', w => (w === h ? w : undefined)));
  const fresh = kept && ordered(kept.other, 'Mul', v => operands(v, 'Sub'));
  const update = kept?.first.other;
  if (!kept || !fresh || !update || !isOne(fresh.first[0]) || fresh.first[1] !== update) return undefined;
  const [z] = operands(update, 'Sigmoid') ?? [];
  const [candidate] = operands(fresh.other, 'Tanh') ?? [];
  const [zx, zh] = z ? pairOf(z, scan) : [];
  if (!candidate || !zx || !zh || zx.index !== 0 || zh.index !== 0) return undefined;
  const own = ordered(candidate, 'Add', v => (partOf(v, 3)?.index === 2 && partOf(v, 3)!.whole === zx.whole ? v : undefined));
  const reset = own && ordered(own.other, 'Mul', v => operands(v, 'Sigmoid')?.[0]);
  const [rx, rh] = reset ? pairOf(reset.first, scan) : [];
  const inner = reset && partOf(reset.other, 3);
  if (
    rx?.index !== 1 ||
    rh?.index !== 1 ||
    rx.whole !== zx.whole ||
    rh.whole !== zh.whole ||
    inner?.index !== 2 ||
    inner.whole !== zh.whole
  )
    return undefined;
  const [ofRow, ofState] = [sumOf(zx.whole, scan), sumOf(zh.whole, scan)];
  const [w, r] = [ofRow?.products.get(scan.row), ofState?.products.get(h)];
  if (!w || !r || ofRow!.products.size !== 1 || ofState!.products.size !== 1) return undefined;
  const size = Number(r.shape![0]);
  const [rowBias, stateBias] = [outside(ofRow!.bias, scan, b), outside(ofState!.bias, scan, b)];
  if ((ofRow!.bias && !rowBias) || (ofState!.bias && !stateBias)) return undefined;
  const B = biases(b, [rowBias, stateBias], 3 * size, scan.sequence, gruOrder);
  const given = [scan.sequence, weights(b, w, gruOrder), weights(b, r, gruOrder), B, undefined, b.Unsqueeze(scan.initial[0]!, [0])];
  const outputs = ['gru', 'gru_h'];
  const [all, last] = b.emit('GRU', given, { hidden_size: size, linear_before_reset: 1 }, { outputs }) as Value[];
  return results(b, scan, all!, [last!]);
}

/** The part of the sum over the row, then that of the sum over the state. */
function pairOf(v: Value, scan: Scan): readonly (ReturnType<typeof partOf> | undefined)[] {
  const parts = (operands(v, 'Add') ?? []).map(x => partOf(x, 3));
  const isOfRow = (part: ReturnType<typeof partOf>): boolean =>
    part !== undefined && (sumOf(part.whole, scan)?.products.has(scan.row) ?? false);
  return parts.length !== 2 ? [] : isOfRow(parts[0]) ? parts : [...parts].reverse();
}

const isOne = (v: Value | undefined): boolean => v?.tensor?.isResident === true && v.tensor.size === 1 && Number(v.tensor.data[0]) === 1;

/** A bias as a value from outside of the loop: the same steps that the body takes from one, of splitting and squeezing, are taken there. */
function outside(v: Value | undefined, scan: Scan, b: Builder): Value | undefined {
  if (!v || !scan.isInner(v)) return v;
  const { producer, index } = v;
  if (!producer || !['Split', 'Squeeze', 'Gather', 'Reshape', 'Identity', 'Slice'].includes(producer.op)) return undefined;
  const inputs = producer.inputs.map(x => (x ? outside(x, scan, b) : undefined));
  if (inputs.some((x, i) => x === undefined && producer.inputs[i] !== undefined)) return undefined;
  return b.emit(producer.op, inputs, producer.attributes, { outputs: producer.outputs.map(o => o?.name) })[index];
}

/** h' = tanh(x w + h r + bias), or with another activation that has no numbers of its own. */
function rnn(scan: Scan, b: Builder): Replacement | undefined {
  const [h, next] = [scan.states[0], scan.next[0]];
  if (scan.states.length !== 1 || !h || !next || scan.given.some(v => v !== next)) return undefined;
  const activation = ['Tanh', 'Relu', 'Sigmoid'].find(op => next.producer?.op === op);
  const [inner] = activation === undefined ? [] : (operands(next, activation) ?? []);
  const sum = inner && sumOf(inner, scan);
  const [w, r] = [sum?.products.get(scan.row), sum?.products.get(h)];
  if (!sum || activation === undefined || !w || !r || sum.products.size !== 2 || (sum.bias && scan.isInner(sum.bias))) return undefined;
  const size = Number(r.shape![0]);
  const B = biases(b, [sum.bias, undefined], size, scan.sequence, [0]);
  const given = [scan.sequence, weights(b, w, [0]), weights(b, r, [0]), B, undefined, b.Unsqueeze(scan.initial[0]!, [0])];
  const outputs = ['rnn', 'rnn_h'];
  const [all, last] = b.emit('RNN', given, { hidden_size: size, activations: [activation] }, { outputs }) as Value[];
  return results(b, scan, all!, [last!]);
}

const loop: Rule = (node, b) => {
  const scan = scanOf(node);
  if (!scan || elementOf(scan.sequence) !== 'float32' || rankOf(scan.sequence) !== 3) return undefined;
  const made = lstm(scan, b) ?? gru(scan, b) ?? rnn(scan, b);
  if (made === undefined) b.nodes.length = 0;
  return made;
};

export const recurrent: Pass = { name: 'recurrent', rules: { Loop: loop } };
