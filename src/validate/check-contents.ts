// Contents of tensors that are allowed and yet surprise. Tensors that are not in memory are read piece by piece.
import { hasEscapedBytes } from '../codec/protobuf.ts';
import { decodeUtf8 } from '../codec/utf8.ts';
import { type Finding, warning } from '../errors.ts';
import { type Graph, type Model, subgraphs } from '../ir/graph.ts';
import type { Stored, Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { type DataType, elementTypes } from '../ir/types.ts';

/**
 * Warnings (E1205, E1110): NaN and infinities in parameters; booleans other than 0 and 1, which count as true; set padding bits;
 * strings that are not UTF-8. Reads every byte once, at most 1 MiB at a time. Errors: of reading a tensor's file.
 */
export async function checkContents(model: Model, file?: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { tensor, name, path, parameter } of tensorsOf(model)) {
    const surprise = tensor.isResident ? residentSurprise(tensor, parameter) : await storedSurprise(tensor, parameter);
    if (surprise)
      findings.push(warning(surprise.code, `${quoted(name)} ${surprise.message}`, { file, path, offset: tensor.origin?.at, tensor: name }));
  }
  return findings;
}

interface Found {
  readonly tensor: Tensor;
  readonly name: string;
  readonly path: string;
  /** A named weight. */
  readonly parameter: boolean;
}

function* tensorsOf(model: Model): Generator<Found> {
  yield* ofGraph(model.graph, 'graph');
  for (const [i, f] of model.functions.entries()) yield* ofGraph(f.body, `functions[${i}]`);
}

function* ofGraph(graph: Graph, path: string): Generator<Found> {
  for (const [i, { tensor, name, parameter }] of graph.initializers.entries())
    if (tensor) yield { tensor, name, path: `${path}.initializer[${i}]`, parameter };
  for (const [i, node] of graph.nodes.entries()) {
    for (const [name, a] of node.attributes)
      if (a.kind === 'tensor') yield { tensor: a.value, name, path: `${path}.node[${i}]`, parameter: false };
    for (const [, inner] of subgraphs(node)) yield* ofGraph(inner, `${path}.node[${i}]`);
  }
}

interface Surprise {
  readonly code: 'E1205' | 'E1110';
  readonly message: string;
}
/** The bytes that are read at once. */
const step = 2 ** 20;

async function storedSurprise(tensor: Tensor, parameter: boolean): Promise<Surprise | undefined> {
  // The cast: the content of a tensor that is not resident is a range.
  const content = tensor.content as Stored;
  const counter = counterFor(tensor.type, parameter);
  for (let at = 0; counter && at < content.length; at += step) counter.add(await content.read(at, Math.min(step, content.length - at)));
  return counter ? counter.surprise : paddingSurprise(tensor, await content.read(content.length - 1, 1));
}

function residentSurprise(tensor: Tensor, parameter: boolean): Surprise | undefined {
  if (tensor.type === 'string') return stringSurprise(tensor.strings());
  const counter = counterFor(tensor.type, parameter);
  counter?.add(tensor.bytes());
  return counter ? counter.surprise : paddingSurprise(tensor, tensor.bytes());
}

function stringSurprise(strings: readonly Uint8Array[]): Surprise | undefined {
  const first = strings.findIndex(s => hasEscapedBytes(decodeUtf8(s)));
  return first < 0 ? undefined : { code: 'E1110', message: `holds bytes that are not UTF-8 in element ${first}` };
}

/** `bytes` end with the last byte of the tensor. */
function paddingSurprise(tensor: Tensor, bytes: Uint8Array): Surprise | undefined {
  const padding = tensor.byteLength * 8 - tensor.size * elementTypes[tensor.type].bits;
  const isSet = padding > 0 && bytes.at(-1)! >> (8 - padding) !== 0;
  return isSet ? { code: 'E1205', message: 'has padding bits that are set' } : undefined;
}

/** The exponent bits in the upper 16 bits of an element: all of them are set in NaN and infinities. */
const exponents: Partial<Record<DataType, number>> = { float32: 0x7f80, float64: 0x7ff0, float16: 0x7c00, bfloat16: 0x7f80 };

/** What is counted in a type: a boolean has no exponent, its byte is the upper half of the word. */
function counterFor(type: DataType, parameter: boolean): Counter | undefined {
  if (type === 'bool') return new Counter(1, 'booleans other than 0 and 1, which count as true', word => word >> 8 > 1);
  const exponent = parameter ? exponents[type] : undefined;
  if (exponent === undefined) return undefined;
  return new Counter(elementTypes[type].bits / 8, 'NaN or infinite elements', word => (word & exponent) === exponent);
}

/** Counts elements by their upper 16 bits over whole pieces of a tensor. */
class Counter {
  #count = 0;
  #first = -1;
  #index = 0;
  readonly #width: number;
  readonly #what: string;
  readonly #test: (word: number) => boolean;

  constructor(width: number, what: string, test: (word: number) => boolean) {
    this.#width = width;
    this.#what = what;
    this.#test = test;
  }

  add(bytes: Uint8Array): void {
    const width = this.#width;
    let index = this.#index;
    for (let end = width - 1; end < bytes.length; end += width, index++) {
      if (!this.#test((bytes[end]! << 8) | (width > 1 ? bytes[end - 1]! : 0))) continue;
      if (this.#count++ === 0) this.#first = index;
    }
    this.#index = index;
  }

  get surprise(): Surprise | undefined {
    return this.#count === 0 ? undefined : { code: 'E1205', message: `has ${this.#count} ${this.#what}, the first at ${this.#first}` };
  }
}
