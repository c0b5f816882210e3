// omnix layout: transposes where they move the fewest elements, and images in the order that callers want.
import { type ChannelOrder, layout as layoutModel } from '../../src/edit/layout.ts';
import { allNodes } from '../../src/ir/graph.ts';
import { type EditOptions, edit } from '../edit.ts';
import { type OrderOptions, orders } from '../orders.ts';
import type { Outcome, Output } from '../output.ts';
import { plural } from '../terminal.ts';

export interface LayoutOptions extends Omit<EditOptions, 'to' | 'formatOption'>, OrderOptions {
  readonly to?: ChannelOrder;
  readonly format?: string;
}

export async function layout(paths: readonly string[], { to, format, ...options }: LayoutOptions, out: Output): Promise<Outcome> {
  const wanted = { to, ...orders(options) };
  return edit(
    paths,
    { ...options, formatOption: '--format', ...(format !== undefined && { to: format }) },
    {
      name: 'layout',
      apply: model => layoutModel(model!, wanted),
      notes: ({ graph }) => [
        plural([...allNodes(graph)].filter(node => node.op === 'Transpose' && node.domain === '').length, 'transpose'),
      ],
    },
    out,
  );
}
