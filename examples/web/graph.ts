// A drawing of a graph in layers: each node below what it reads, near what it reads. Parts of large graphs are drawn, one at a time.
import { h, svg } from './dom.ts';
import type { Layer } from './protocol.ts';

const size = { width: 148, height: 34, gapX: 18, gapY: 34 };
/** Nodes of one part. */
const most = 300;

export function graphView(layers: readonly Layer[]): HTMLElement {
  const view = h('div', { class: 'graph' });
  const parts = Math.max(1, Math.ceil(layers.length / most));
  const show = (part: number): void => {
    const from = part * most;
    const to = Math.min(layers.length, from + most);
    const steps =
      parts > 1 &&
      h(
        'div',
        { class: 'pager' },
        h('button', { type: 'button', disabled: part === 0, click: () => show(part - 1) }, 'Previous'),
        h('span', {}, `nodes ${from + 1} to ${to} of ${layers.length}`),
        h('button', { type: 'button', disabled: part === parts - 1, click: () => show(part + 1) }, 'Next'),
      );
    const drawing = draw(layers, from, to);
    view.replaceChildren(
      ...(steps ? [steps] : []),
      h('div', { class: 'canvas', tabindex: 0, role: 'img', 'aria-label': 'graph of the model' }, drawing),
    );
  };
  show(0);
  return view;
}

interface Placed {
  readonly x: number;
  readonly y: number;
}

function draw(layers: readonly Layer[], from: number, to: number): SVGElement {
  const places = placesOf(layers, from, to);
  const width = Math.max(...[...places.values()].map(p => p.x)) + size.width + 24;
  const height = Math.max(...[...places.values()].map(p => p.y)) + size.height + 24;
  const edges: SVGElement[] = [];
  const boxes: SVGElement[] = [];
  for (const [i, { x, y }] of places) {
    const layer = layers[i]!;
    for (const r of layer.reads) {
      const before = places.get(r);
      if (!before) continue;
      const [x0, y0, x1, y1] = [before.x + size.width / 2, before.y + size.height, x + size.width / 2, y];
      const middle = (y0 + y1) / 2;
      edges.push(svg('path', { d: `M${x0} ${y0}C${x0} ${middle} ${x1} ${middle} ${x1} ${y1}` }));
    }
    const short = layer.op.length > 19 ? `${layer.op.slice(0, 18)}…` : layer.op;
    boxes.push(
      svg(
        'g',
        { transform: `translate(${x} ${y})`, class: layer.parameters > 0 ? 'weighted' : 'plain' },
        svg('rect', { width: size.width, height: size.height, rx: 8 }),
        svg('text', { x: size.width / 2, y: 21 }, short),
        svg('title', {}, `${layer.op} ${layer.name}\n${layer.outputs.join(', ')}`),
      ),
    );
  }
  return svg('svg', { width, height, viewBox: `0 0 ${width} ${height}` }, svg('g', { class: 'edges' }, edges), boxes);
}

/** Rows by the longest way from what is not drawn; within a row in the order of what is read. */
function placesOf(layers: readonly Layer[], from: number, to: number): Map<number, Placed> {
  const rows: number[][] = [];
  const rowOf = new Map<number, number>();
  for (let i = from; i < to; i++) {
    const row = Math.max(0, ...layers[i]!.reads.map(r => (rowOf.has(r) ? rowOf.get(r)! + 1 : 0)));
    rowOf.set(i, row);
    rows[row] ??= [];
    rows[row].push(i);
  }
  const columns = new Map<number, number>();
  const widest = Math.max(...rows.map(row => row.length));
  for (const row of rows) {
    const wish = (i: number): number => {
      const known = layers[i]!.reads.flatMap(r => columns.get(r) ?? []);
      return known.length === 0 ? widest / 2 : known.reduce((n, c) => n + c, 0) / known.length;
    };
    const sorted = [...row].sort((a, b) => wish(a) - wish(b) || a - b);
    let next = 0;
    for (const [k, i] of sorted.entries()) {
      const latest = widest - (sorted.length - k);
      const column = Math.min(latest, Math.max(next, sorted.length === 1 ? wish(i) : Math.round(wish(i) - sorted.length / 2 + k)));
      columns.set(i, column);
      next = column + 1;
    }
  }
  return new Map(
    [...columns].map(([i, column]) => [
      i,
      { x: 12 + column * (size.width + size.gapX), y: 12 + rowOf.get(i)! * (size.height + size.gapY) },
    ]),
  );
}
