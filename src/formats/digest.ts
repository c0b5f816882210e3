// Digests of files and tensors, read part by part.
import { sha256Of } from '../codec/sha256.ts';
import { ByteRange, type Source } from '../codec/source.ts';
import { resident, storedOf, type Tensor } from '../ir/tensor.ts';
import { bytesOfFile } from './format.ts';

/** SHA-256 of a file. */
export const fileDigest = (source: Source): Promise<string> =>
  sha256Of(bytesOfFile({ name: source.name, length: source.size, chunks: [new ByteRange(source, 0, source.size)] }));

/** SHA-256 of the content of a tensor: its bytes, or its texts, each behind its length. */
export async function contentDigest(tensor: Tensor): Promise<string> {
  if (tensor.type !== 'string') return sha256Of(bytesOfFile({ name: '', length: tensor.byteLength, chunks: [storedOf(tensor)] }));
  const texts = (await resident(tensor)).strings();
  return sha256Of(texts.flatMap(text => [new TextEncoder().encode(`${text.length}:`), text]));
}
