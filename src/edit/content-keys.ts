// Which tensors of a model have equal bytes. Those in memory are compared as they come; of those that are ranges of a file only such are
// read that another one of the same type and shape might equal.
import { allNodes, constantsOf, type Model } from '../ir/graph.ts';
import type { Stored, Tensor } from '../ir/tensor.ts';
import type { TensorKey } from '../passes/duplicates.ts';

/** Keys that tensors share only where their bytes are equal; none for strings and for tensors that were made since and are not in memory. */
export async function contentKeys(model: Model): Promise<TensorKey> {
  const known = new Map<Tensor, string>();
  for (const group of alike(model)) for (const tensor of group) known.set(tensor, await digest(tensor));
  const interned = new Map<string, Uint8Array[]>();
  return tensor => {
    if (!tensor.isResident || tensor.type === 'string') return known.get(tensor);
    let key = known.get(tensor);
    if (key === undefined) known.set(tensor, (key = intern(tensor.bytes(), interned)));
    return key;
  };
}

/** Tensors that are not in memory and have the type and shape of another. */
function alike({ graph, functions }: Model): Tensor[][] {
  const groups = new Map<string, Set<Tensor>>();
  const see = (t: Tensor): void => {
    if (t.isResident) return;
    const key = `${t.type} ${t.dims}`;
    groups.set(key, (groups.get(key) ?? new Set()).add(t));
  };
  for (const g of [graph, ...functions.map(f => f.body)]) {
    for (const v of constantsOf(g)) if (v.tensor) see(v.tensor);
    for (const node of allNodes(g)) for (const a of node.attributes.values()) if (a.kind === 'tensor') see(a.value);
  }
  return [...groups.values()].filter(group => group.size > 1).map(group => [...group]);
}

/** Bytes that are read at once. */
const block = 2 ** 22;

/** A digest of digests, so that no more than a block is in memory. */
async function digest(tensor: Tensor): Promise<string> {
  const content = tensor.content as Stored;
  const sums: number[] = [];
  for (let from = 0; from < content.length; from += block)
    sums.push(...new Uint8Array(await sha256(await content.read(from, Math.min(block, content.length - from)))));
  const whole = sums.length <= 32 ? sums : [...new Uint8Array(await sha256(Uint8Array.from(sums)))];
  return `file ${whole.map(n => n.toString(16).padStart(2, '0')).join('')}`;
}
// The cast: the bytes of a file are in no shared buffer.
const sha256 = (bytes: Uint8Array): Promise<ArrayBuffer> => crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);

/** The place of equal bytes among those seen before. */
function intern(bytes: Uint8Array, interned: Map<string, Uint8Array[]>): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  const bucket = `${bytes.length} ${hash}`;
  const others = interned.get(bucket) ?? [];
  interned.set(bucket, others);
  let at = others.findIndex(other => other.every((byte, i) => byte === bytes[i]));
  if (at < 0) at = others.push(bytes) - 1;
  return `${bucket} ${at}`;
}
