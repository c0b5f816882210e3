// Values in files of their own, as the standard's test data has them: TensorProto, SequenceProto, OptionalProto, MapProto.
import { decodeBytes } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { fail, ModelError } from '../../errors.ts';
import type { Datum, DatumMap } from '../../ir/datum.ts';
import { Tensor } from '../../ir/tensor.ts';
import type { ValueType } from '../../ir/types.ts';
import { type MapProto, type OptionalProto, onnxSchema, type SequenceProto, type TensorProto } from './proto.gen.ts';
import { Reading } from './reading.ts';
import { readTensor } from './tensors.ts';

export interface NamedDatum {
  /** Empty where the file gives none. */
  readonly name: string;
  readonly datum: Datum;
}

/**
 * Read the value in a file. Nothing in it says what kind of message it is, so the type of the input or output it is for does; a tensor
 * without one.
 * @throws ModelError E1001 an empty file, E1005 to E1008 bytes that are no such message, E12xx wrong tensors, E2002 sparse ones
 */
export async function readDatum(source: Source, type?: ValueType): Promise<NamedDatum> {
  const file = source.name;
  if (source.size === 0) throw fail('E1001', 'the file is empty', { file });
  const bytes = source.bytes ?? (await source.read(0, source.size));
  const reader = new DatumReader(new Reading(file));
  const kind = type === undefined || type.kind === 'opaque' ? 'tensor' : type.kind;
  // The cast: the four messages have no field of one name and two types that is read here.
  const message = decodeBytes(onnxSchema, messages[kind], bytes, { file }) as TensorProto & SequenceProto & OptionalProto & MapProto;
  const read = { tensor: 'tensor', sparse: 'tensor', sequence: 'sequence', optional: 'optional', map: 'map' } as const;
  const datum = reader[read[kind]](message, kind);
  reader.throw();
  return { name: message.name ?? '', datum };
}

const messages = {
  tensor: 'TensorProto',
  sparse: 'TensorProto',
  sequence: 'SequenceProto',
  optional: 'OptionalProto',
  map: 'MapProto',
} as const;

class DatumReader {
  readonly #reading: Reading;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  /** Everything that was found wrong. */
  throw(): void {
    const errors = this.#reading.findings.filter(f => f.severity === 'error');
    if (errors.length > 0) throw new ModelError(errors);
  }

  tensor(proto: TensorProto, path: string): Datum {
    // What is no tensor is a finding, and the value is thrown away with it.
    return readTensor(proto, path, this.#reading) ?? null;
  }

  sequence(proto: SequenceProto, path: string): Datum[] {
    if ((proto.sparse_tensor_values?.length ?? 0) > 0) throw this.#sparse(path);
    return [
      ...(proto.tensor_values ?? []).map((item, i) => this.tensor(item, `${path}.tensor_values[${i}]`)),
      ...(proto.sequence_values ?? []).map((item, i) => this.sequence(item, `${path}.sequence_values[${i}]`)),
      ...(proto.map_values ?? []).map((item, i) => this.map(item, `${path}.map_values[${i}]`)),
      ...(proto.optional_values ?? []).map((item, i) => this.optional(item, `${path}.optional_values[${i}]`)),
    ];
  }

  optional(proto: OptionalProto, path: string): Datum {
    if (proto.sparse_tensor_value) throw this.#sparse(path);
    if (proto.tensor_value) return this.tensor(proto.tensor_value, `${path}.tensor_value`);
    if (proto.sequence_value) return this.sequence(proto.sequence_value, `${path}.sequence_value`);
    if (proto.map_value) return this.map(proto.map_value, `${path}.map_value`);
    return proto.optional_value ? this.optional(proto.optional_value, `${path}.optional_value`) : null;
  }

  map(proto: MapProto, path: string): DatumMap {
    // The cast: the whole file is in memory.
    const strings = (proto.string_keys ?? []).map(key => new TextDecoder().decode(key as Uint8Array));
    const keys: (string | bigint)[] = strings.length > 0 ? strings : (proto.keys ?? []).map(BigInt);
    const values = proto.values ? this.sequence(proto.values, `${path}.values`) : [];
    if (keys.length !== values.length)
      throw fail('E1006', `a map has ${keys.length} keys and ${values.length} values`, { file: this.#reading.file, path });
    return new Map(keys.map((key, i) => [key, this.#element(values[i], `${path}.values`)]));
  }

  #element(value: Datum | undefined, path: string): number | bigint | string {
    const [element] = value instanceof Tensor ? value.data : [];
    if (element !== undefined && (value as Tensor).size === 1) return element;
    throw fail('E1006', 'a value of a map is no single element', { file: this.#reading.file, path });
  }

  #sparse(path: string): ModelError {
    return fail('E2002', 'sparse tensors are not read here', { file: this.#reading.file, path });
  }
}
