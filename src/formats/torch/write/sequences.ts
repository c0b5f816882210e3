// Sequences, as lists that the writer keeps: a program of calls has none, and where their lengths are known it needs none.
import { type TensorType, tensorType } from '../../../ir/types.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import type { At } from '../../../ops/row.ts';
import { axisOf, contentsOf } from '../../../ops/shapes.ts';
import { gap, type NodeEmission } from './emission.ts';
import { type Ref, RefList, TypeArg } from './program.ts';

type Of<K extends OpName> = NodeEmission<At<K>>;

/** A place in a list of `length`, where it is known; at most `last`. */
function placeIn(n: NodeEmission, i: number, length: number, last = length - 1): number {
  const place = contentsOf(n.given(i))?.[0];
  if (typeof place !== 'number') throw gap('a place in a sequence that only the run knows');
  const at = place < 0 ? place + length : place;
  if (at < 0 || at > last) throw gap(`the place ${place} in a sequence of ${length}`);
  return at;
}

export const sequences = {
  SequenceEmpty: () => new RefList([]),
  SequenceConstruct: (n: Of<'SequenceConstruct'>) => new RefList(n.node.inputs.map((_, i) => n.x(i))),
  SequenceInsert(n: Of<'SequenceInsert'>) {
    const items = n.e.list(n.given(0));
    const at = n.input(2) ? placeIn(n, 2, items.length, items.length) : items.length;
    return new RefList(items.toSpliced(at, 0, n.x(1)));
  },
  SequenceErase(n: Of<'SequenceErase'>) {
    const items = n.e.list(n.given(0));
    return new RefList(items.toSpliced(n.input(1) ? placeIn(n, 1, items.length) : items.length - 1, 1));
  },
  SequenceAt(n: Of<'SequenceAt'>) {
    const items = n.e.list(n.given(0));
    return items[placeIn(n, 1, items.length)];
  },
  SequenceLength: (n: Of<'SequenceLength'>) =>
    n.call('aten.scalar_tensor.default', [n.e.list(n.given(0)).length], { dtype: new TypeArg('int64') }),
  ConcatFromSequence(n: Of<'ConcatFromSequence'>): Ref {
    const items = n.e.list(n.given(0));
    if (items.length === 0) throw gap('an empty sequence is joined');
    return n.call(n.at.new_axis ? 'aten.stack.default' : 'aten.cat.default', [items, n.at.axis], {}, typeOfItem(n, items));
  },
  SplitToSequence(n: Of<'SplitToSequence'>): RefList {
    const axis = axisOf(n.at.axis, n.rank());
    const size = n.shape()[axis];
    const given = n.input(1) && contentsOf(n.given(1));
    if (typeof size !== 'number' || (n.input(1) && !given?.every(d => typeof d === 'number')))
      throw gap('parts whose number only the run knows');
    const isEach = !n.input(1) || n.shape(1).length === 0;
    const each = (given?.[0] as number | undefined) ?? 1;
    const sizes = isEach
      ? Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each))
      : (given as readonly number[]);
    const types = sizes.map(s => tensorType(n.element(), n.shape().with(axis, s)));
    const parts = n.t.several('aten.split_with_sizes.default', [n.x(), sizes, axis], types, true);
    if (n.input(1) || n.at.keepdims) return new RefList(parts);
    const dropped = tensorType(n.element(), n.shape().toSpliced(axis, 1));
    return new RefList(parts.map(part => n.t.call('aten.squeeze.dim', [part, axis], dropped)));
  },
};

const typeOfItem = (n: NodeEmission, items: readonly Ref[]): TensorType => {
  const type = n.node.outputs[0]?.type;
  return type?.kind === 'tensor' ? type : items[0]!.type!;
};
