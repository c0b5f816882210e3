// conv: the product of the filters of a group with what its windows see, which is looked up and never written down.
import type { Kernel } from '../../../kernels/kernel.ts';
import type { BoundStep } from '../../bind.ts';
import { placesAt } from '../walk.ts';
import { countOf, Lack, type Pass, type Writer } from '../writer.ts';
import { endingOf } from './ending.ts';
import { type Block, blockProduct, inSteps, mostUnrolled, narrowProduct, type Product, tiledProduct } from './product.ts';

type Conv = Extract<Kernel, { kind: 'conv' }>;

function productOf(w: Writer, kernel: Conv): Product {
  const [x, filters, bias] = [w.input(0)!, w.input(1)!, w.input(2)];
  const { type } = x;
  if ((type !== 'float32' && type !== 'int32') || x.view.type !== type) throw new Lack(`conv on ${x.view.type}`);
  const ending = endingOf(w, type);
  const [y] = ending.operands;
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

  const dilation = (d: number): string => w.parameter(`dilation ${d}`, s => boundKernel(s).dilations[d]!);
  /** The image of a column, and the index along each axis at which its window begins. */
  const startsOf = (column: string): { image: string; starts: readonly string[] } => {
    const image = w.let('index', `${column} / ${outputs}`);
    const position = split(w.let('index', `${column} % ${outputs}`), d => y.size(d + 2));
    const stride = (d: number): string => w.parameter(`stride ${d}`, s => boundKernel(s).strides[d]!);
    const pad = (d: number): string => w.parameter(`pad ${d}`, s => boundKernel(s).pads[d]!);
    return { image, starts: spatial.map(d => w.let('index', `${position[d]} * ${stride(d)} - ${pad(d)}`)) };
  };
  /** Whether windows are known to lie inside of the image along an axis. */
  const staysInside = (d: number): boolean => {
    const [size, taps, count] = [x.shape[d + 2], filters.shape[d + 2], y.shape[d + 2]];
    if (kernel.pads[d] !== 0 || typeof size !== 'number' || typeof taps !== 'number' || typeof count !== 'number') return false;
    return (count - 1) * kernel.strides[d]! + (taps - 1) * kernel.dilations[d]! < size;
  };

  return {
    type,
    batches: () => kernel.group,
    rows,
    columns: s => y.bound(s).shape[0]! * countOf(y.bound(s).shape.slice(2)),
    length: s => countOf(filters.bound(s).shape.slice(1)),
    isDense: { left: true, right: false },
    inBatch: group => {
      const imageAt = (image: string): string =>
        w.let(
          'index',
          x.place(
            new Map([
              [0, image],
              [1, `${group} * ${filters.size(1)}`],
            ]),
          ),
        );
      /** Where the window of a column begins. */
      const windowAt = (column: string): { from: string; starts: readonly string[] } => {
        const { image, starts } = startsOf(column);
        return { starts, from: w.let('index', x.place(new Map(spatial.map(d => [d + 2, starts[d]!])), imageAt(image))) };
      };
      const rowOf = (row: string): string => w.let('index', `${group} * ${w.parameter('rows', rows)} + ${row}`);
      return {
        left: row => {
          const from = w.let('index', filters.place(new Map([[0, rowOf(row)]])));
          const inner = { operand: filters, axes: filters.shape.map((_, axis) => axis).slice(1) };
          return k => filters.load(placesAt(w, k, [inner], [from])[0]!);
        },
        right: column => {
          const { image, starts } = startsOf(column);
          const from = imageAt(image);
          return k => {
            const channel = w.let('index', `${k} / ${taps}`);
            const tap = split(w.let('index', `${k} % ${taps}`), d => filters.size(d + 2));
            const at = spatial.map(d => w.let('index', `${starts[d]} + ${tap[d]} * ${dilation(d)}`));
            const inside = spatial.map(d => `${at[d]} >= 0 && ${at[d]} < ${x.size(d + 2)}`).join(' && ') || '0 == 0';
            const value = w.variable(type, w.constant(0, type));
            w.if(inside, () => w.set(value, x.load(x.place(new Map([[1, channel], ...spatial.map(d => [d + 2, at[d]!] as const)]), from))));
            return value;
          };
        },
        walk(lines, columns, take) {
          const filterLines = lines.map(row => w.let('index', filters.place(new Map([[0, rowOf(row)]]))));
          const windows = columns.map(windowAt);
          /** Taps along axis `d`, with where they are beyond the lines of filters and of windows; `ends` is what the windows end at there. */
          const along = (d: number, atFilter: string, atImage: string, ends: readonly string[] | undefined): void => {
            const tapAt = (tap: string | undefined): void => {
              const move = tap && w.let('index', `${tap} * ${dilation(d)}`);
              const filterAt = tap ? w.let('index', `${atFilter} + ${tap} * ${filters.stride(d + 2)}`) : atFilter;
              const imageAt = move ? w.let('index', `${atImage} + ${move} * ${x.stride(d + 2)}`) : atImage;
              const inside =
                ends || !staysInside(d)
                  ? windows.map(({ starts }, j) => {
                      const at = move ? w.let('index', `${starts[d]} + ${move}`) : starts[d]!;
                      // No `&&`, which is a branch.
                      return `(${at} >= 0) & (${at} < ${ends?.[j] ?? x.size(d + 2)})`;
                    })
                  : undefined;
              if (d < spatial.length - 1) {
                // Outside along one axis is outside along all: the next one ends at nothing.
                const next = inside?.map(yes => w.let('index', w.language.choose(yes, x.size(d + 3), '0')));
                along(d + 1, filterAt, imageAt, next);
                return;
              }
              take(
                filterLines.map(line => w.let(type, filters.load(`${line} + ${filterAt}`))),
                windows.map(({ from }, j) => {
                  const place = w.let('index', `${from} + ${imageAt}`);
                  if (!inside) return w.let(type, x.load(place));
                  // To read something in any case costs less than a branch.
                  const value = w.let(type, x.load(w.language.choose(inside[j]!, place, x.offset)));
                  return w.let(type, w.language.choose(inside[j]!, value, w.constant(0, type)));
                }),
              );
            };
            const taps = filters.shape[d + 2]!;
            if (taps === 1) tapAt(undefined);
            else if (d === spatial.length - 1 && typeof taps === 'number' && taps <= mostUnrolled)
              for (let tap = 0; tap < taps; tap++) tapAt(String(tap));
            else w.loop(filters.size(d + 2), tapAt);
          };
          inSteps(w, filters.size(1), spatial.every(d => filters.shape[d + 2] === 1) ? filters.shape[1]! : undefined, channel =>
            along(0, w.let('index', `${channel} * ${filters.stride(1)}`), w.let('index', `${channel} * ${x.stride(1)}`), undefined),
          );
        },
        finish: (row, column, sum) => {
          const m = rowOf(row);
          const image = w.let('index', `${column} / ${outputs}`);
          const position = split(w.let('index', `${column} % ${outputs}`), d => y.size(d + 2));
          const whole = bias ? w.call('add', type, sum, bias.load(bias.place(new Map([[0, m]])))) : sum;
          const indexes = new Map([[0, image], [1, m], ...spatial.map(d => [d + 2, position[d]!] as const)]);
          ending.finish(
            ending.operands.map(o => w.let('index', o.place(indexes))),
            w.let(type, whole),
          );
        },
      };
    },
  };
}

export const narrowConv = (w: Writer, kernel: Conv): Pass => narrowProduct(w, productOf(w, kernel));
export const tiledConv = (w: Writer, kernel: Conv): Pass => tiledProduct(w, productOf(w, kernel));
export const blockConv = (w: Writer, kernel: Conv, block: Block): Pass => blockProduct(w, productOf(w, kernel), block);
