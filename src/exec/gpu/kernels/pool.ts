// pool: one invocation a window.
import type { Kernel } from '../../../kernels/kernel.ts';
import { identityOf } from '../../../kernels/reduce.ts';
import type { BoundStep } from '../../bind.ts';
import { countOf, groupsFor, Lack, type Pass, type Size, type Writer } from '../writer.ts';
import { ownElement } from './map.ts';

type Pool = Extract<Kernel, { kind: 'pool' }>;

export function pool(w: Writer, kernel: Pool): Pass {
  const [x, y] = [w.input(0)!, w.output(0)];
  const indexes = w.step.outputs[1] && w.output(1);
  const { type } = y;
  if (y.view.type !== type || !(type === 'float32' || kernel.by === 'max')) throw new Lack(`pool on ${y.view.type}`);
  const spatial = kernel.kernel.map((_, d) => d);
  const boundKernel = (s: BoundStep): Extract<Kernel<number>, { kind: 'pool' }> => s.kernel as never;
  const fact = (name: 'kernel' | 'strides' | 'dilations' | 'pads', d: number): string =>
    w.parameter(`${name} ${d}`, s => boundKernel(s)[name][d]!);

  const at = ownElement(
    w,
    w.parameter('count', s => countOf(s.outputs[0]!.shape)),
  );
  let rest = at;
  const index: string[] = [];
  for (let axis = y.rank - 1; axis >= 0; axis--) {
    index[axis] = w.let('index', `${rest} % ${y.size(axis)}`);
    rest = w.let('index', `${rest} / ${y.size(axis)}`);
  }
  const place = new Map(index.map((i, axis) => [axis, i] as const));
  const from = w.let(
    'index',
    x.place(
      new Map([
        [0, index[0]!],
        [1, index[1]!],
      ]),
    ),
  );
  const starts = spatial.map(d => w.let('index', `${index[d + 2]} * ${fact('strides', d)} - ${fact('pads', d)}`));
  const best = w.variable(type, w.constant(kernel.by === 'max' ? identityOf('max', type) : 0, type));
  const where = indexes && w.variable('index', '-1');
  const flatStep = (d: number): Size => {
    const columnMajor = kernel.by === 'max' && kernel.p === 1;
    return s => countOf(columnMajor ? x.bound(s).shape.slice(2, 2 + d) : x.bound(s).shape.slice(3 + d));
  };

  const take = (at: readonly string[]): void => {
    const value = w.let(type, x.load(x.place(new Map(spatial.map(d => [d + 2, at[d]!] as const)), from)));
    if (kernel.by === 'average') w.set(best, w.call('add', type, best, value));
    else if (kernel.by === 'lp')
      w.set(best, w.call('add', type, best, w.call('pow', type, w.call('abs', type, value), w.constant(kernel.p, type))));
    else {
      const isGreater = w.language.isTrue(w.call('lt', type, best, value));
      const isNan = type === 'float32' ? ` || (${w.language.isTrue(w.call('isnan', type, value))})` : '';
      w.if(`(${isGreater})${isNan}${where ? ` || ${where} < 0` : ''}`, () => {
        w.set(best, value);
        if (!where) return;
        const terms = spatial.map(d => `${at[d]} * ${w.parameter(`flat step ${d}`, flatStep(d))}`);
        w.set(
          where,
          [`(${index[0]} * ${x.size(1)} + ${index[1]}) * ${w.parameter('plane', s => countOf(x.bound(s).shape.slice(2)))}`, ...terms].join(
            ' + ',
          ),
        );
      });
    }
  };
  const slide = (d: number, at: readonly string[]): void => {
    if (d === spatial.length) take(at);
    else
      w.loop(fact('kernel', d), tap => {
        const i = w.let('index', `${starts[d]} + ${tap} * ${fact('dilations', d)}`);
        w.if(`${i} >= 0 && ${i} < ${x.size(d + 2)}`, () => slide(d + 1, [...at, i]));
      });
  };
  slide(0, []);
  y.store(w.let('index', y.place(place)), resultOf());
  if (indexes && where)
    indexes.store(
      w.let('index', indexes.place(place)),
      w.language.choose(`${where} < 0`, w.constant(-1, 'int64'), w.language.fromIndex(where)),
    );
  return w.finish(s => groupsFor(countOf(s.outputs[0]!.shape)));

  function resultOf(): string {
    if (kernel.by === 'lp') return w.call('pow', type, best, w.constant(1 / kernel.p, type));
    if (kernel.by === 'max') return best;
    const counts = spatial.map(d => elementsAlong(d));
    const count = w.language.cast('int32', type, counts.join(' * ') || '1')!;
    return w.call('div', type, best, count);
  }

  /** How many taps of an axis read inside the input, or inside what is padded. */
  function elementsAlong(d: number): string {
    const counted = w.variable('index', '0');
    const low = kernel.countPads ? w.let('index', `0 - ${fact('pads', d)}`) : '0';
    const high = kernel.countPads ? w.let('index', `${x.size(d + 2)} + ${fact('pads', spatial.length + d)}`) : x.size(d + 2);
    w.loop(fact('kernel', d), tap => {
      const i = w.let('index', `${starts[d]} + ${tap} * ${fact('dilations', d)}`);
      w.if(`${i} >= ${low} && ${i} < ${high}`, () => w.set(counted, `${counted} + 1`));
    });
    return counted;
  }
}
