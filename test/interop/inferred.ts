// node dist/test/interop/inferred.js INDEX [--json FILE]: our types of whole models beside those of onnx.shape_inference, which inferred.py wrote. Never less
// known, never contradicting; how often more is counted, for FILE too. Ends with `N passed, N failed`.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { ModelError } from '../../src/errors.ts';
import { hasUnknown } from '../../src/ir/dims.ts';
import type { Model, Value } from '../../src/ir/graph.ts';
import { elementTypes, formatType, type ValueType } from '../../src/ir/types.ts';
import { load } from '../../src/node/index.ts';
import { inferTypes } from '../../src/opset/infer.ts';

type Theirs =
  | readonly ['tensor', number, readonly (number | string | null)[] | null]
  | readonly ['seq' | 'opt', Theirs]
  | readonly ['other'];
type Result = { readonly types: Readonly<Record<string, Theirs>> } | { readonly error: string };

/** Values whose type onnx.shape_inference gets wrong, and why. */
const wrongThere: Readonly<Record<string, string>> = {
  'test_loop13_seq seq_res': 'the elements are vectors, it says scalars',
};

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const index = JSON.parse(readFileSync(positionals[0]!, 'utf8')) as Readonly<Record<string, Result>>;
const count = { models: 0, same: 0, more: 0, less: 0, contradicting: 0, onlyWeRefuse: 0, onlyTheyRefuse: 0, bothRefuse: 0 };
const lines: string[] = [];

/** How our type of a value stands to theirs. */
function compare(ours: ValueType | undefined, theirs: Theirs): 'same' | 'more' | 'less' | 'contradicting' {
  if (theirs[0] === 'other') return 'same';
  if (!ours) return 'less';
  if (theirs[0] !== 'tensor') return 'of' in ours ? compare(ours.of, theirs[1]) : 'contradicting';
  if (!('element' in ours)) return 'contradicting';
  if (theirs[1] !== 0 && elementTypes[ours.element].code !== theirs[1]) return 'contradicting';
  const shape = theirs[2];
  if (!shape) return ours.shape ? 'more' : 'same';
  if (!ours.shape) return 'less';
  if (ours.shape.length !== shape.length) return 'contradicting';
  const dims = ours.shape.map((d, i) => {
    const other = shape[i]!;
    if (typeof d === 'number' && typeof other === 'number') return d === other ? 'same' : 'contradicting';
    if (typeof other === 'number') return 'less';
    if (typeof d === 'number' || other === null || /^unk__\d+$/.test(other))
      return typeof d !== 'number' && hasUnknown(d) ? 'same' : 'more';
    return hasUnknown(d) ? 'less' : 'same';
  });
  return (['contradicting', 'less', 'more'] as const).find(verdict => dims.includes(verdict)) ?? 'same';
}

const namedValues = (model: Model): Map<string, Value> =>
  new Map([...model.graph.inputs, ...model.graph.nodes.flatMap(n => n.outputs.filter(v => v !== undefined))].map(v => [v.name, v]));

for (const [path, theirs] of Object.entries(index)) {
  count.models++;
  let model: Model;
  try {
    model = await load(path);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    if ('error' in theirs) count.bothRefuse++;
    else {
      count.onlyWeRefuse++;
      lines.push(`${path}: not read: ${error.message}`);
    }
    continue;
  }
  const { types, findings } = inferTypes(model);
  if ('error' in theirs) {
    if (findings.length > 0) count.bothRefuse++;
    else count.onlyTheyRefuse++;
    if (findings.length === 0) lines.push(`${path}: only they refuse: ${theirs.error.replaceAll('\n', ' ')}`);
    continue;
  }
  if (findings.length > 0) {
    count.onlyWeRefuse++;
    lines.push(`${path}: only we refuse: ${findings.map(f => `${f.code} ${f.message}`).join('; ')}`);
    continue;
  }
  const values = namedValues(model);
  for (const [name, type] of Object.entries(theirs.types)) {
    const v = values.get(name);
    if (!v) continue;
    const ours = types.get(v);
    const isWrong = Object.hasOwn(wrongThere, `${basename(dirname(path))} ${name}`);
    const verdict = isWrong ? 'more' : compare(ours, type);
    count[verdict]++;
    if (verdict === 'less' || verdict === 'contradicting')
      lines.push(`${path}: ${verdict}: ${name} of ${v.producer?.op ?? 'input'}: ours ${formatType(ours)}, theirs ${JSON.stringify(type)}`);
  }
}
for (const line of lines) console.log(line);
console.log(
  Object.entries(count)
    .map(([name, n]) => `${name} ${n}`)
    .join('  '),
);
if (options.json) writeFileSync(options.json, `${JSON.stringify(count, null, 1)}\n`);
const failed = count.less + count.contradicting + count.onlyWeRefuse;
console.log(`${count.same + count.more} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
