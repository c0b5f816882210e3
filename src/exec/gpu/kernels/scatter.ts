// scatter: no float is added to by two invocations at once. A first pass clears a list for each place that is written, a second links
// every update into the list of its place, and in the last the update at the head of a list writes what all of them come to.
import type { Primitive } from '../../../expr/primitives.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import type { BoundStep } from '../../bind.ts';
import type { Language, Slot } from '../language.ts';
import { placesAt, type Walked } from '../walk.ts';
import { countOf, groupsFor, Lack, type Operand, type Pass, rawType, Writer, type Written } from '../writer.ts';
import { checkedIndex } from './gather.ts';
import { ownElement } from './map.ts';

type Scatter = Extract<Kernel, { kind: 'scatter' }>;

const combine: Readonly<Record<Exclude<Scatter['by'], 'none'>, Primitive>> = { add: 'add', mul: 'mul', max: 'max', min: 'min' };

export function scatter(language: Language, written: Written, kernel: Scatter): Pass[] {
  return [clear, link, apply].map(write => {
    const w = new Writer(language, written);
    return write(w, new Updates(w, kernel), kernel);
  });
}

/** Positions of the updates: elements where there is an axis, slices where the last axis of the indices names places. */
class Updates {
  readonly indices: Operand;
  readonly updates: Operand;
  readonly y: Operand;
  readonly #w: Writer;
  readonly #axis: number | undefined;
  /** Axes that an update is found by; the others are those of a slice. */
  readonly outer: number;

  constructor(w: Writer, kernel: Scatter) {
    this.#w = w;
    this.#axis = kernel.axis;
    this.indices = w.input(0)!;
    this.updates = w.input(1)!;
    this.y = w.output(0);
    this.outer = kernel.axis === undefined ? this.indices.rank - 1 : this.updates.rank;
  }

  count(s: BoundStep): number {
    return countOf(this.updates.bound(s).shape.slice(0, this.outer));
  }
  slice(s: BoundStep): number {
    return countOf(this.updates.bound(s).shape.slice(this.outer));
  }
  /** Words for the heads of the lists, one for each element of the output's memory. */
  heads(s: BoundStep): number {
    const { offset, shape, strides } = this.y.bound(s);
    return shape.reduce((n, d, axis) => n + Math.max(0, d - 1) * Math.max(0, strides[axis]!), offset) + 1;
  }
  get lists(): Slot {
    const slot = this.#w.slot({ kind: 'scratch', words: s => this.heads(s) + this.count(s) }, 'lists', 32);
    slot.isAtomic = true;
    return slot;
  }
  /** The place of the next update of a list, after those of the heads. */
  next(update: string): string {
    return `${this.#w.parameter('heads', s => this.heads(s))} + ${update}`;
  }

  #walked(): Walked {
    return { operand: this.updates, axes: Array.from({ length: this.outer }, (_, axis) => axis) };
  }
  /** Where the slice of an update begins. */
  source(update: string): string {
    return placesAt(this.#w, update, [this.#walked()])[0]!;
  }
  /** Where an update is written; a negative place where an index is outside, which is reported. */
  target(update: string): string {
    const w = this.#w;
    const along = this.#walked();
    if (this.#axis !== undefined) {
      const axis = this.#axis;
      const [, index, still] = placesAt(w, update, [
        along,
        { operand: this.indices, axes: along.axes },
        { operand: this.y, axes: along.axes.map(a => (a === axis ? undefined : a)) },
      ]);
      const chosen = checkedIndex(w, this.indices, index!, this.y.size(axis), String(axis));
      return w.let('index', w.language.choose(`${chosen} < 0`, '-1', this.y.place(new Map([[axis, chosen]]), still)));
    }
    const [, first] = placesAt(w, update, [along, { operand: this.indices, axes: along.axes }]);
    const depth = this.indices.shape.at(-1);
    if (typeof depth !== 'number') throw new Lack('scatter by an open number of axes');
    const target = w.variable('index', this.y.offset);
    for (let k = 0; k < depth; k++) {
      const at = w.let('index', depth === 1 ? first! : this.indices.place(new Map([[this.outer, String(k)]]), first));
      const chosen = checkedIndex(w, this.indices, at, this.y.size(k), String(k));
      w.set(target, w.language.choose(`${chosen} < 0 || ${target} < 0`, '-1', this.y.place(new Map([[k, chosen]]), target)));
    }
    return target;
  }
}

function clear(w: Writer, u: Updates): Pass {
  const update = ownElement(
    w,
    w.parameter('count', s => u.count(s)),
  );
  const target = u.target(update);
  w.if(`${target} >= 0`, () => w.emit(w.language.store(u.lists, 'int32', target, '0')));
  return w.finish(s => groupsFor(u.count(s)));
}

function link(w: Writer, u: Updates): Pass {
  const update = ownElement(
    w,
    w.parameter('count', s => u.count(s)),
  );
  const target = u.target(update);
  w.if(`${target} >= 0`, () => {
    const before = w.let('index', w.language.exchange(u.lists, target, `${update} + 1`));
    w.emit(w.language.store(u.lists, 'int32', u.next(update), before));
  });
  return w.finish(s => groupsFor(u.count(s)));
}

function apply(w: Writer, u: Updates, { by }: Scatter): Pass {
  const { y, updates } = u;
  const inner = (s: BoundStep): number => u.count(s) * u.slice(s);
  const at = ownElement(w, w.parameter('elements', inner));
  const slice = w.parameter('slice', s => u.slice(s));
  const update = w.let('index', `${at} / ${slice}`);
  const target = u.target(update);
  const depth = y.rank - (updates.rank - u.outer);
  const [from, to] = placesAt(
    w,
    w.let('index', `${at} % ${slice}`),
    [
      { operand: updates, axes: updates.shape.map((_, axis) => axis).slice(u.outer) },
      { operand: y, axes: y.shape.map((_, axis) => axis).slice(depth) },
    ],
    ['0', target],
  );
  w.if(`${target} >= 0`, () => {
    const head = w.let('index', w.language.load(u.lists, 'int32', target));
    w.if(`${head} == ${update} + 1`, () => (by === 'none' ? writeLast(head) : writeAll(head, combine[by])));
  });
  return w.finish(s => groupsFor(inner(s)));

  function eachOf(head: string, visit: (update: string) => void): void {
    const next = w.variable('index', head);
    w.emit(`while (${next} > 0) {`);
    visit(w.let('index', `${next} - 1`));
    w.set(next, w.language.load(u.lists, 'int32', u.next(`${next} - 1`)));
    w.emit('}');
  }
  /** Where an element of an update's slice lies. */
  function elementOf(other: string): string {
    return w.let('index', `${u.source(other)} + ${from}`);
  }
  function writeLast(head: string): void {
    const last = w.variable('index', '0');
    eachOf(head, other => w.if(`${other} > ${last}`, () => w.set(last, other)));
    y.store(to!, updates.load(elementOf(last), rawType(updates.view.type)), rawType(y.view.type));
  }
  function writeAll(head: string, op: Primitive): void {
    const { type } = y;
    if (y.view.type !== type) throw new Lack(`scatter ${op} on ${y.view.type}`);
    const total = w.variable(type, y.load(to!));
    eachOf(head, other => w.set(total, w.call(op, type, total, updates.load(elementOf(other)))));
    y.store(to!, total);
  }
}
