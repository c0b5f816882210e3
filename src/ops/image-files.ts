// The two image formats that are little more than pixels: BMP without compression, and PNM.
import { fail } from '../errors.ts';

/** Pixels row by row from the top, three bytes each. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

type Reserve = (bytes: number) => void;

const bad = (what: string) => fail('E3012', `ImageDecoder: ${what}`);

/** @throws ModelError E3012 for bytes that are no such file, E3004 for variants that are not read */
export function readBmp(bytes: Uint8Array, reserve: Reserve): Pixels {
  if (bytes.length < 54) throw bad(`a BMP file of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [begin, header, width, down] = [
    view.getUint32(10, true),
    view.getUint32(14, true),
    view.getInt32(18, true),
    view.getInt32(22, true),
  ];
  const [bits, compression, listed] = [view.getUint16(28, true), view.getUint32(30, true), view.getUint32(46, true)];
  if (header < 40 || compression !== 0 || ![8, 24, 32].includes(bits))
    throw fail('E3004', `ImageDecoder: BMP of ${bits} bits with compression ${compression} is not decoded here`);
  const height = Math.abs(down);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (width <= 0 || height === 0 || begin + stride * height > bytes.length)
    throw bad(`a BMP image of ${width} by ${height} does not fit its file`);
  const palette = 14 + header;
  const colours = bits === 8 ? listed || 256 : 0;
  if (palette + colours * 4 > bytes.length) throw bad('a BMP palette does not fit its file');
  reserve(width * height * 3);
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    // Rows go upwards unless the height is negative.
    const row = begin + stride * (down < 0 ? y : height - 1 - y);
    for (let x = 0; x < width; x++) {
      const at = bits === 8 ? palette + 4 * Math.min(bytes[row + x]!, colours - 1) : row + x * (bits / 8);
      for (let c = 0; c < 3; c++) rgb[(y * width + x) * 3 + c] = bytes[at + 2 - c]!;
    }
  }
  return { width, height, rgb };
}

/** The binary forms for grey and colour, P5 and P6. @throws ModelError E3012, E3004 */
export function readPnm(bytes: Uint8Array, reserve: Reserve): Pixels {
  const kind = bytes[1] === 0x36 ? 3 : bytes[1] === 0x35 ? 1 : undefined;
  if (!kind) throw fail('E3004', `ImageDecoder: PNM of kind P${String.fromCharCode(bytes[1]!)} is not decoded here`);
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 1024));
  // Three numbers parted by white space and comments, and one white space before the pixels.
  const found = /^P[56](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s/.exec(head);
  if (!found) throw bad('a PNM header of three numbers was expected');
  const [width, height, most] = found.slice(1).map(Number) as [number, number, number];
  const wide = most > 255 ? 2 : 1;
  const begin = found[0].length;
  if (most === 0 || most > 65535 || begin + width * height * kind * wide > bytes.length)
    throw bad(`a PNM image of ${width} by ${height} does not fit its file`);
  reserve(width * height * 3);
  const sample = (i: number): number => {
    const value = wide === 2 ? (bytes[begin + 2 * i]! << 8) | bytes[begin + 2 * i + 1]! : bytes[begin + i]!;
    return most === 255 ? value : Math.round((Math.min(value, most) * 255) / most);
  };
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => sample(kind === 3 ? i : Math.floor(i / 3)));
  return { width, height, rgb };
}
