// gather: one invocation an element; an index outside of its axis is reported, and nothing is read there.
import { everyAxis, placesAt } from '../walk.ts';
import { countOf, groupsFor, type Operand, type Pass, rawType, type Writer } from '../writer.ts';
import { ownElement } from './map.ts';

/** A name of the place that an index names on an axis of this size, -1 where it is outside, which is reported. */
export function checkedIndex(w: Writer, indices: Operand, place: string, size: string, axis: string): string {
  const value = w.let(indices.type, indices.load(place));
  const index = w.let('index', w.language.toIndex(indices.type, value));
  const at = w.variable('index', w.language.choose(`${index} < 0`, `${index} + ${size}`, index));
  w.if(`${index} < 0 - ${size} || ${index} >= ${size}`, () => {
    w.report(indices.type, value, size, axis);
    w.set(at, '-1');
  });
  return at;
}

export function gather(w: Writer, axis: number): Pass {
  const [x, indices, y] = [w.input(0)!, w.input(1)!, w.output(0)];
  const { rank } = indices;
  const own = y.shape.map((_, k) => k);
  const at = ownElement(
    w,
    w.parameter('count', s => countOf(s.outputs[0]!.shape)),
  );
  const [to, from, index] = placesAt(w, at, [
    everyAxis(y),
    { operand: x, axes: own.map(k => (k < axis ? k : k < axis + rank ? undefined : k - rank + 1)) },
    { operand: indices, axes: own.map(k => (k < axis || k >= axis + rank ? undefined : k - axis)) },
  ]);
  const chosen = checkedIndex(w, indices, index!, x.size(axis), String(axis));
  w.if(`${chosen} >= 0`, () =>
    y.store(to!, x.load(w.let('index', x.place(new Map([[axis, chosen]]), from)), rawType(x.view.type)), rawType(y.view.type)),
  );
  return w.finish(s => groupsFor(countOf(s.outputs[0]!.shape)));
}
