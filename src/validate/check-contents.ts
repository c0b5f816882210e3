// Contents of tensors that are allowed and yet surprise: looked for in tensors that are in memory.
import { hasEscapedBytes } from '../codec/protobuf.ts';
import { decodeUtf8 } from '../codec/utf8.ts';
import { type Finding, warning } from '../errors.ts';
import { type Graph, type Model, subgraphs } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { type DataType, elementTypes } from '../ir/types.ts';

/**
 * Warnings (E1205, E1110): NaN and infinities in parameters; booleans other than 0 and 1, which count as true; set padding bits;
 * strings that are not UTF-8. Reads every resident byte once.
 */
export function checkContents(model: Model, file?: string): Finding[] {
  const findings: Finding[] = [];
  const look = (tensor: Tensor, name: string, path: string, parameter: boolean): void => {
    for (const { code, message } of surprises(tensor, parameter))
      findings.push(warning(code, `${quoted(name)} ${message}`, { file, path, tensor: name }));
  };
  const graph = (g: Graph, path: string): void => {
    g.initializers.forEach((v, i) => {
      if (v.tensor) look(v.tensor, v.name, `${path}.initializer[${i}]`, v.parameter);
    });
    g.nodes.forEach((node, i) => {
      for (const [name, a] of node.attributes) if (a.kind === 'tensor') look(a.value, name, `${path}.node[${i}]`, false);
      for (const [, inner] of subgraphs(node)) graph(inner, `${path}.node[${i}]`);
    });
  };
  graph(model.graph, 'graph');
  model.functions.forEach((f, i) => {
    graph(f.body, `functions[${i}]`);
  });
  return findings;
}

function* surprises(tensor: Tensor, parameter: boolean): Generator<{ code: 'E1205' | 'E1110'; message: string }> {
  if (!tensor.isResident) return;
  if (tensor.type === 'string') {
    const first = tensor.strings().findIndex(s => hasEscapedBytes(decodeUtf8(s)));
    if (first >= 0) yield { code: 'E1110', message: `holds bytes that are not UTF-8 in element ${first}` };
    return;
  }
  const bytes = tensor.bytes();
  const exponent = exponents[tensor.type];
  if (parameter && exponent)
    yield* counted(bytes, elementTypes[tensor.type].bits / 8, 'NaN or infinite elements', word => (word & exponent) === exponent);
  if (tensor.type === 'bool') yield* counted(bytes, 1, 'booleans other than 0 and 1, which count as true', word => word >> 8 > 1);
  const padding = bytes.length * 8 - tensor.size * elementTypes[tensor.type].bits;
  if (padding > 0 && bytes.at(-1)! >> (8 - padding) !== 0) yield { code: 'E1205', message: 'has padding bits that are set' };
}

/** The exponent bits in the upper 16 bits of an element: all of them are set in NaN and infinities. */
const exponents: Partial<Record<DataType, number>> = { float32: 0x7f80, float64: 0x7ff0, float16: 0x7c00, bfloat16: 0x7f80 };

/** Count elements by their upper 16 bits (a byte is the upper one). */
function* counted(
  bytes: Uint8Array,
  width: number,
  what: string,
  test: (word: number) => boolean,
): Generator<{ code: 'E1205'; message: string }> {
  let count = 0;
  let first = -1;
  for (let end = width - 1, i = 0; end < bytes.length; end += width, i++) {
    if (!test((bytes[end]! << 8) | (width > 1 ? bytes[end - 1]! : 0))) continue;
    if (count++ === 0) first = i;
  }
  if (count > 0) yield { code: 'E1205', message: `has ${count} ${what}, the first at ${first}` };
}
