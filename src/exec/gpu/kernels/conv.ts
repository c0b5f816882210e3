// conv: the product of the filters of a group with what its windows see, which is looked up and never written down.
import type { Kernel } from '../../../kernels/kernel.ts';
import type { BoundStep } from '../../bind.ts';
import { placesAt } from '../walk.ts';
import { countOf, Lack, type Pass, type Writer } from '../writer.ts';
import { narrowProduct, type Product, tiledProduct } from './product.ts';

type Conv = Extract<Kernel, { kind: 'conv' }>;

function productOf(w: Writer, kernel: Conv): Product {
  const [x, filters, bias, y] = [w.input(0)!, w.input(1)!, w.input(2), w.output(0)];
  const { type } = y;
  if (type !== 'float32' || y.view.type !== type) throw new Lack(`conv on ${y.view.type}`);
  const spatial = kernel.strides.map((_, d) => d);
  const boundKernel = (s: BoundStep): Extract<Kernel<number>, { kind: 'conv' }> => s.kernel as never;
  const rows = (s: BoundStep): number => filters.bound(s).shape[0]! / kernel.group;
  const taps = w.parameter('taps', s => countOf(filters.bound(s).shape.slice(2)));
  const outputs = w.parameter('positions', s => countOf(y.bound(s).shape.slice(2)));

  /** An index along each axis of a flat one. */
  const split = (at: string, size: (d: number) => string): string[] => {
    let rest = at;
    const indexes: string[] = [];
    for (const d of [...spatial].reverse()) {
      indexes[d] = d === 0 ? rest : w.let('index', `${rest} % ${size(d)}`);
      if (d > 0) rest = w.let('index', `${rest} / ${size(d)}`);
    }
    return indexes;
  };

  return {
    type,
    batches: () => kernel.group,
    rows,
    columns: s => y.bound(s).shape[0]! * countOf(y.bound(s).shape.slice(2)),
    length: s => countOf(filters.bound(s).shape.slice(1)),
    isDense: { left: true, right: false },
    inBatch: group => {
      const rowOf = (row: string): string => w.let('index', `${group} * ${w.parameter('rows', rows)} + ${row}`);
      return {
        left: row => {
          const from = w.let('index', filters.place(new Map([[0, rowOf(row)]])));
          const inner = { operand: filters, axes: filters.shape.map((_, axis) => axis).slice(1) };
          return k => filters.load(placesAt(w, k, [inner], [from])[0]!);
        },
        right: column => {
          const image = w.let('index', `${column} / ${outputs}`);
          const position = split(w.let('index', `${column} % ${outputs}`), d => y.size(d + 2));
          const from = w.let(
            'index',
            x.place(
              new Map([
                [0, image],
                [1, `${group} * ${filters.size(1)}`],
              ]),
            ),
          );
          const starts = spatial.map(d =>
            w.let(
              'index',
              `${position[d]} * ${w.parameter(`stride ${d}`, s => boundKernel(s).strides[d]!)} - ${w.parameter(`pad ${d}`, s => boundKernel(s).pads[d]!)}`,
            ),
          );
          return k => {
            const channel = w.let('index', `${k} / ${taps}`);
            const tap = split(w.let('index', `${k} % ${taps}`), d => filters.size(d + 2));
            const at = spatial.map(d =>
              w.let('index', `${starts[d]} + ${tap[d]} * ${w.parameter(`dilation ${d}`, s => boundKernel(s).dilations[d]!)}`),
            );
            const inside = spatial.map(d => `${at[d]} >= 0 && ${at[d]} < ${x.size(d + 2)}`).join(' && ') || '0 == 0';
            const value = w.variable(type, w.constant(0, type));
            w.if(inside, () => w.set(value, x.load(x.place(new Map([[1, channel], ...spatial.map(d => [d + 2, at[d]!] as const)]), from))));
            return value;
          };
        },
        finish: (row, column, sum) => {
          const m = rowOf(row);
          const image = w.let('index', `${column} / ${outputs}`);
          const position = split(w.let('index', `${column} % ${outputs}`), d => y.size(d + 2));
          const whole = bias ? w.call('add', type, sum, bias.load(bias.place(new Map([[0, m]])))) : sum;
          y.store(y.place(new Map([[0, image], [1, m], ...spatial.map(d => [d + 2, position[d]!] as const)])), whole);
        },
      };
    },
  };
}

export const narrowConv = (w: Writer, kernel: Conv): Pass => narrowProduct(w, productOf(w, kernel));
export const tiledConv = (w: Writer, kernel: Conv): Pass => tiledProduct(w, productOf(w, kernel));
