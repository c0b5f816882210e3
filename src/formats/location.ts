// Names of files that a model gives: which of them are safe to open beside it.
import { hasEscapedBytes } from '../codec/protobuf.ts';
import { fail, type Place } from '../errors.ts';
import { quoted } from '../ir/text.ts';

// Names that Windows gives to devices, with any extension.
const devices = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/**
 * Refuse (E1401) a location that could leave the folder of the model on any system: absolute paths, drives, schemes, streams,
 * `..`, backslashes, control characters, device names, and the marker with which ONNX Runtime names its own memory.
 */
export function checkLocation(location: string, place: Place = {}): void {
  const reason = unsafe(location);
  if (reason) throw fail('E1401', `the location ${quoted(location)} ${reason}`, place);
}

function unsafe(location: string): string | undefined {
  if (location.includes('_ORT_MEM_ADDR_')) return 'is an address in memory';
  if (/[\x00-\x1f\x7f]/.test(location) || hasEscapedBytes(location)) return 'holds control characters or invalid bytes';
  if (/[\\:]/.test(location)) return 'holds a backslash or colon';
  if (location.startsWith('/')) return 'is absolute';
  for (const segment of location.split('/')) {
    if (segment === '') return 'has an empty segment';
    if (segment === '..') return 'leaves the folder of the model';
    if (segment !== '.' && /[. ]$/.test(segment)) return 'has a segment that ends in a dot or space';
    if (devices.test(segment)) return 'names a device';
  }
  return undefined;
}
