// Tokenizer: every text of a tensor in parts along a new last axis, filled up where there are fewer than elsewhere.
import { fail } from '../../errors.ts';
import { tensorOf } from '../../ir/datum.ts';
import { unknownDim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { Tensor } from '../../ir/tensor.ts';
import { tensorType } from '../../ir/types.ts';
import { matchFinder } from '../regex.ts';
import { otherHost } from '../row.ts';
import { shapeOf } from '../shapes.ts';

interface Attributes {
  readonly mark: number;
  readonly mincharnum: number;
  readonly pad_value: string;
  readonly separators?: readonly string[];
  readonly tokenexp?: string;
}

type Cut = (text: string) => readonly string[];

export const Tokenizer = otherHost<{ X: Value }, Attributes>({
  infer: ({ X }) => [tensorType('string', [...shapeOf(X), unknownDim()])],
  async host({ X }, at, context) {
    const x = tensorOf(X);
    if (x.dims.length < 1 || x.dims.length > 2) throw fail('E3005', `Tokenizer: expected [C] or [N,C], found [${x.dims}]`);
    // No element at all gives no new axis.
    if (x.size === 0) return [new Tensor('string', [], x.dims.slice(0, 1))];
    const cut = await cutterOf(at);
    // The cast: the schema lets nothing but text in.
    const rows = (x.data as readonly string[]).map(text => {
      context.proceed();
      return cut(text).filter(token => [...token].length >= at.mincharnum);
    });
    const most = rows.reduce((n, row) => Math.max(n, row.length), 0);
    const width = most === 0 ? 0 : most + (at.mark ? 2 : 0);
    context.reserve(8 * width * x.size);
    const tokens = width === 0 ? [] : rows.flatMap(row => filled(at.mark ? ['\u0002', ...row, '\u0003'] : row, width, at.pad_value));
    return [new Tensor('string', tokens, [...x.dims, width])];
  },
});

const filled = (row: readonly string[], width: number, pad: string): readonly string[] => [
  ...row,
  ...new Array<string>(width - row.length).fill(pad),
];

/** Into characters, into what an expression matches, or into what lies between matches of one separator after the other. */
async function cutterOf({ separators, tokenexp }: Attributes): Promise<Cut> {
  if (tokenexp === '.' || (separators?.length === 1 && separators[0] === '')) return text => [...text];
  if (separators && separators.length > 0) {
    const finders = await Promise.all(separators.map(matchFinder));
    return text => finders.reduce<readonly string[]>((parts, find) => parts.flatMap(part => between(part, find(part))), [text]);
  }
  if (tokenexp === undefined) throw fail('E1303', 'Tokenizer: expected separators or tokenexp');
  const find = await matchFinder(tokenexp);
  return text => find(text).map(([start, end]) => text.slice(start, end));
}

function between(text: string, matches: readonly (readonly [number, number])[]): string[] {
  const starts = [0, ...matches.map(([, end]) => end)];
  const ends = [...matches.map(([start]) => start), text.length];
  return starts.map((start, i) => text.slice(start, ends[i])).filter(part => part !== '');
}
