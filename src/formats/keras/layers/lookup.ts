// Layers that number words, or numbers, by a vocabulary in the configuration or in a file beside the weights.
import { isJsonArray, type Json } from '../../../codec/json.ts';
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { AttributeInput } from '../../../ops/attributes.ts';
import type { Builder } from '../../../ops/builder.ts';
import { encoded } from './preprocessing.ts';
import { type LayerCall, type LayerRows, plain, unsupported } from './row.ts';

type Token = string | number;
type Kind = 'strings' | 'int64s';

/** The words of a vocabulary in order, without those that stand for missing and for unknown ones. */
function tokensOf(x: LayerCall, kind: Kind, specials: readonly Token[]): readonly Token[] {
  const given = x.config.find('vocabulary');
  const all: readonly Json[] = isJsonArray(given) ? given : linesOf(x, kind);
  const odd = all.find(token => typeof token !== (kind === 'strings' ? 'string' : 'number'));
  if (odd !== undefined) throw x.config.wrong('vocabulary', kind === 'strings' ? 'words' : 'numbers', odd);
  const tokens = all as readonly Token[];
  const isNamed = specials.length > 0 && specials.every((token, i) => tokens[i] === token);
  return isNamed ? tokens.slice(specials.length) : tokens;
}
function tokenIn({ config }: LayerCall, kind: Kind, entry: string): Token {
  return kind === 'strings' ? config.text(entry) : config.number(entry);
}
function linesOf(x: LayerCall, kind: Kind): readonly Token[] {
  const file = x.place.asset('vocabulary.txt');
  if (!file) throw fail('E1013', `${x.config.of} has no vocabulary, in its configuration or as a file`);
  const lines = new TextDecoder().decode(file).split('\n');
  return kind === 'strings' ? lines : lines.map(Number);
}

const lookup = (kind: Kind): ((x: LayerCall, b: Builder) => Value) => {
  return (x, b) => {
    const { config } = x;
    const mode = config.text('output_mode', 'int');
    const unknown = config.number('num_oov_indices', 1);
    if (unknown !== 1) throw unsupported(unknown === 0 ? 'words outside of the vocabulary that are an error' : 'hashes of words');
    const before = mode === 'int' && config.has('mask_token') ? [tokenIn(x, kind, 'mask_token')] : [];
    const other = tokenIn(x, kind, 'oov_token');
    const tokens = tokensOf(x, kind, [...before, other]);
    // Missing words are the first, unknown ones follow.
    // The cast: attributes are lists of one kind, which these are.
    const keys = [...before, ...tokens] as string[] | number[];
    const places = keys.map((_, i) => (i < before.length ? i : i + 1));
    if (config.boolean('invert', false))
      return labelled(b, b.Cast(x.first.value, 'int64'), {
        keys_int64s: places,
        [`values_${kind}`]: keys,
        [`default_${kind.slice(0, -1)}`]: other,
      });
    const numbers = labelled(b, kind === 'int64s' ? b.Cast(x.first.value, 'int64') : x.first.value, {
      [`keys_${kind}`]: keys,
      values_int64s: places,
      default_int64: before.length,
    });
    const depth = config.boolean('pad_to_max_tokens', false) ? config.number('max_tokens') : keys.length + 1;
    return mode === 'int' ? numbers : encoded(x, b, numbers, depth, mode);
  };
};
const labelled = (b: Builder, v: Value, attributes: Readonly<Record<string, AttributeInput>>): Value =>
  b.emit('LabelEncoder', [v], attributes, { domain: 'ai.onnx.ml' })[0]!;

export const lookups: LayerRows = {
  StringLookup: plain(lookup('strings')),
  IntegerLookup: plain(lookup('int64s')),
};
