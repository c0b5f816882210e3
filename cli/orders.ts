// Orders of images as the command line takes them.
import type { LayoutOptions } from '../src/edit/layout.ts';
import { fail } from '../src/errors.ts';
import type { ChannelOrder } from '../src/passes/layout/images.ts';
import { pairs } from './edit.ts';

export interface OrderOptions {
  readonly inputLayout?: readonly string[];
  readonly outputLayout?: readonly string[];
}

/** `image=nhwc`, repeated; undefined where there is none. Errors: E4001. */
function ordersOf(option: string, texts: readonly string[] | undefined): Readonly<Record<string, ChannelOrder>> | undefined {
  if (texts === undefined) return undefined;
  const given = pairs(option, texts, 'NAME=nhwc or NAME=nchw');
  for (const [name, order] of Object.entries(given))
    if (order !== 'nhwc' && order !== 'nchw') throw fail('E4001', `${option} ${name}=${order}: expected NAME=nhwc or NAME=nchw`);
  // The cast: all of them were looked at above.
  return given as Readonly<Record<string, ChannelOrder>>;
}

/** What the options ask of inputs and outputs. */
export const orders = ({ inputLayout, outputLayout }: OrderOptions): Pick<LayoutOptions, 'inputs' | 'outputs'> => ({
  inputs: ordersOf('--input-layout', inputLayout),
  outputs: ordersOf('--output-layout', outputLayout),
});
