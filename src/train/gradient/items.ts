// Sequences and optionals whose items are known before the run: what is taken out of one is what was put in, so that no sequence has a
// gradient of its own.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { valuesOf } from '../../ops/attributes.ts';
import type { Builder } from '../../ops/builder.ts';
import { newestSchema } from '../../ops/schema.ts';
import { axisOf, contentsOf, numbersIn, range, rankOf, shapeOf } from '../../ops/shapes.ts';

type Item = (b: Builder) => Value;

/** The items of a sequence, as far as the nodes that made it say. */
function itemsOf(sequence: Value | undefined): readonly Item[] | undefined {
  const node = sequence?.producer;
  if (node?.domain !== '') return undefined;
  const [first, second, third] = node.inputs;
  if (node.op === 'SequenceConstruct') return node.inputs.map(v => () => v!);
  if (node.op === 'SequenceEmpty') return [];
  if (node.op === 'SplitToSequence') return partsOf(first!, second, valuesOf(node.attributes, newestSchema('', node.op)!));
  if (node.op !== 'SequenceInsert' && node.op !== 'SequenceErase') return undefined;
  const items = itemsOf(first);
  const place = node.op === 'SequenceInsert' ? third : second;
  const at = place ? contentsOf(place)?.[0] : node.op === 'SequenceInsert' ? items?.length : -1;
  if (!items || typeof at !== 'number') return undefined;
  return node.op === 'SequenceInsert' ? items.toSpliced(at, 0, () => second!) : items.toSpliced(at, 1);
}

function partsOf(x: Value, split: Value | undefined, at: Readonly<Record<string, unknown>>): readonly Item[] | undefined {
  const axis = axisOf(at['axis'] as number, rankOf(x));
  const size = shapeOf(x)[axis];
  if (typeof size !== 'number') return undefined;
  if (!split && !at['keepdims']) return range(size).map(i => b => b.Gather(x, b.constant(i, 'int64'), axis));
  const given = split ? numbersIn(split) : [1];
  if (!given) return undefined;
  const each = given[0]!;
  const isEven = !split || rankOf(split) === 0;
  const sizes = isEven ? range(Math.ceil(size / each)).map(i => Math.min(each, size - i * each)) : given;
  let start = 0;
  return sizes.map(n => {
    const from = start;
    start += n;
    return b => b.Slice(x, { axes: [axis], starts: [from], ends: [from + n] });
  });
}

/**
 * The nodes that say what an operator takes out of a sequence or an optional; undefined for one that puts something in.
 * @throws ModelError E6003 where only the run knows the items
 */
export function takenOut(
  op: string,
  inputs: readonly (Value | undefined)[],
  at: Readonly<Record<string, unknown>>,
  b: Builder,
): Value | undefined {
  const unknown = (): never => {
    throw fail('E6003', `${op}: the gradient is said only where the items of its input are known before the run`);
  };
  const [container, position] = inputs;
  if (op === 'OptionalGetElement') {
    if (container?.type?.kind === 'tensor') return b.Identity(container);
    const node = container?.producer;
    return node?.op === 'Optional' && node.inputs[0] ? b.Identity(node.inputs[0]) : unknown();
  }
  if (op === 'SequenceAt') {
    const place = position && contentsOf(position)?.[0];
    const item = typeof place === 'number' ? itemsOf(container)?.at(place) : undefined;
    return b.Identity((item ?? unknown())(b));
  }
  if (op !== 'ConcatFromSequence') return undefined;
  const items = (itemsOf(container) ?? unknown()).map(item => item(b));
  const axis = at['axis'] as number;
  return b.Concat(at['new_axis'] ? items.map(v => b.Unsqueeze(v, [axis])) : items, axis);
}
