// What every operator means: the families merged into one table a domain; that of the standard is complete by type.

import type { Node } from '../ir/graph.ts';
import { attention } from './attention.ts';
import { constants } from './constant.ts';
import { control } from './control.ts';
import { einsums } from './einsum.ts';
import { generators } from './generate.ts';
import { images } from './image.ts';
import { layout } from './layout.ts';
import { linear } from './linalg.ts';
import { linearAttention } from './linear-attention.ts';
import { losses } from './loss.ts';
import { products } from './matmul.ts';
import { microsoft, strays } from './microsoft/index.ts';
import { ml } from './ml/index.ts';
import type { OpName } from './names.gen.ts';
import { norms } from './norm.ts';
import { padding } from './pad.ts';
import { pointwise } from './pointwise.ts';
import { preview } from './preview.ts';
import { quantized } from './quantize.ts';
import { randoms } from './random.ts';
import { recurrent } from './recurrent.ts';
import { reductions } from './reduce.ts';
import { regions } from './regions.ts';
import { resizing } from './resize.ts';
import type { OtherFamily, Row } from './row.ts';
import { samplings } from './sample.ts';
import { scatters } from './scatter.ts';
import { normaliseDomain } from './schema.ts';
import { selections } from './select.ts';
import { sequences } from './sequence.ts';
import { spectral } from './spectral.ts';
import { strings } from './strings.ts';
import { training } from './training.ts';
import { unpooling } from './unpool.ts';
import { windows } from './window.ts';

/** A row for every operator of the newest ai.onnx opset. */
export const rows: { readonly [K in OpName]: Row<K> } = {
  ...pointwise,
  ...reductions,
  ...products,
  ...layout,
  ...padding,
  ...windows,
  ...norms,
  ...generators,
  ...attention,
  ...control,
  ...constants,
  ...sequences,
  ...strings,
  ...selections,
  ...images,
  ...quantized,
  ...samplings,
  ...resizing,
  ...regions,
  ...unpooling,
  ...spectral,
  ...losses,
  ...linear,
  ...linearAttention,
  ...einsums,
  ...scatters,
  ...recurrent,
  ...randoms,
};

/** The rows of every domain. The standard's own is the empty string. */
// The cast: rows are looked up by names that only the run knows, so their own input and attribute types are forgotten here.
export const rowTables: ReadonlyMap<string, OtherFamily> = new Map([
  ['', rows as unknown as OtherFamily],
  ['ai.onnx.ml', ml],
  ['ai.onnx.preview', preview],
  ['ai.onnx.preview.training', training],
  ['com.microsoft', microsoft],
]);

/** The row of an operator; undefined for names outside the tables. */
export function rowOf(op: string, domain = ''): Row<OpName> | undefined {
  const key = normaliseDomain(domain);
  const table = rowTables.get(key);
  if (table && Object.hasOwn(table, op)) return table[op];
  return key === '' && Object.hasOwn(strays, op) ? strays[op] : undefined;
}

/** The attributes of an operator that name values of the graph around it. */
export function namingAttributes({ op, domain }: Pick<Node, 'op' | 'domain'>): readonly string[] {
  const row = rowOf(op, domain);
  return (row && 'gap' in row ? row.namesValues : undefined) ?? [];
}

/** The values that a node depends on by their names alone. */
export const namedValues = (node: Node): readonly string[] =>
  namingAttributes(node).flatMap(key => {
    const a = node.attributes.get(key);
    return a?.kind === 'string' ? [a.value] : a?.kind === 'strings' ? a.value : [];
  });
