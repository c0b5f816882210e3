// Random messages of the ONNX schema for tests.
import fc from 'fast-check';
import { type Bytes, unknownFields } from '../../src/codec/protobuf.ts';
import { decodeUtf8 } from '../../src/codec/utf8.ts';
import { onnxSchema } from '../../src/formats/onnx/proto.gen.ts';

export type Plain = Record<string | symbol, unknown>;

const int64 = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(v => (v >= -(2n ** 53n) && v <= 2n ** 53n ? Number(v >> 1n) : v)),
  fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);
const uint64 = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(2n ** 64n - 1n, 2n ** 53n));
const anyBytes = fc.uint8Array({ maxLength: 40 });
const float = fc.float().filter(v => !Number.isNaN(v));
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor'));
const values: Record<string, fc.Arbitrary<unknown>> = {
  float: fc.oneof(float, fc.constant(Number.NaN)),
  double: fc.double(),
  int32: fc.integer(),
  enum: fc.integer(),
  int64,
  uint64,
  string: fc.oneof(
    text,
    anyBytes.map(b => decodeUtf8(b)),
  ),
  bytes: anyBytes,
};
const packed: Record<string, fc.Arbitrary<unknown>> = {
  float: fc.float32Array({ minLength: 1 }),
  double: fc.float64Array({ minLength: 1 }),
  int32: fc.int32Array({ minLength: 1 }),
  int64: fc.bigInt64Array({ minLength: 1 }),
  uint64: fc.bigUint64Array({ minLength: 1 }),
};
// A varint, a group that holds a group, eight bytes, four bytes, and a length-delimited field, all with numbers ONNX does not use.
const unknowns: Bytes[][] = [
  [Uint8Array.of(0xf8, 0x7f, 0xff, 0x01)],
  [Uint8Array.of(0xf3, 0x7f, 0x0b, 0x0c, 0xf4, 0x7f), Uint8Array.of(0xf9, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8)],
  [Uint8Array.of(0xfd, 0x7f, 1, 2, 3, 4), Uint8Array.of(0xfa, 0x7f, 3, 9, 9, 9)],
];

interface MessageOptions {
  /** Fields that the schema does not have. */
  readonly unknown?: boolean;
  /** Texts with bytes that are no UTF-8. */
  readonly invalid?: boolean;
}

/** Messages of the ONNX schema with any of their fields, nested up to `depth`. */
export function anyMessage(name: string, depth: number, options: MessageOptions = {}): fc.Arbitrary<Plain> {
  const { unknown = true, invalid = true } = options;
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [, field, type, label] of onnxSchema[name]!) {
    const nested = onnxSchema[type] !== undefined;
    if (nested && depth === 0) continue;
    const one = nested ? anyMessage(type, depth - 1, options) : type === 'string' && !invalid ? text : values[type]!;
    fields[field] = label === 'optional' ? one : label === 'packed' ? packed[type]! : fc.array(one, { minLength: 1, maxLength: 3 });
  }
  return fc
    .tuple(fc.record(fields, { requiredKeys: [] }), fc.option(fc.constantFrom(...unknowns)))
    .map(([known, more]) => (more === null || !unknown ? { ...known } : { ...known, [unknownFields]: more }));
}
