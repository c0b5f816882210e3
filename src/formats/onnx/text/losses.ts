// What ONNX's textual syntax has no words for: descriptions are left out with a warning, all else is refused.
import { hasEscapedBytes, unknownFields } from '../../../codec/protobuf.ts';
import { type Draft, messagesOf } from '../../../codec/protobuf-values.ts';
import { tableOf } from '../../../codec/protobuf-wire.ts';
import { type Code, type Finding, fail, ModelError, warning } from '../../../errors.ts';
import { type ModelProto, onnxSchema } from '../proto.gen.ts';

/** Fields without a place in the syntax. What computes is `refused`. */
const places: Readonly<Record<string, Readonly<Record<string, 'dropped' | 'refused'>>>> = {
  ModelProto: { training_info: 'refused', configuration: 'dropped' },
  GraphProto: { doc_string: 'dropped', metadata_props: 'dropped', quantization_annotation: 'dropped', sparse_initializer: 'refused' },
  NodeProto: { doc_string: 'dropped', metadata_props: 'dropped', device_configurations: 'dropped' },
  AttributeProto: { doc_string: 'dropped', sparse_tensor: 'refused', sparse_tensors: 'refused' },
  ValueInfoProto: { doc_string: 'dropped', metadata_props: 'dropped' },
  TensorProto: { doc_string: 'dropped', metadata_props: 'dropped', segment: 'refused' },
  TypeProto: { denotation: 'dropped' },
  'TensorShapeProto.Dimension': { denotation: 'dropped' },
  FunctionProto: { metadata_props: 'dropped' },
};

/** The most errors of one model that are kept. */
const most = 1000;

/** Collects what cannot be said. Errors are thrown together; warnings tell of each kind once, with its count and first place. */
export class Losses {
  readonly #errors: Finding[] = [];
  readonly #dropped = new Map<string, { count: number; path: string; example: string }>();

  refuse(message: string, path: string, code: Code = 'E2002'): void {
    if (this.#errors.length < most) this.#errors.push(...fail(code, message, { path }).findings);
  }

  /** `kind` is a sentence about all of a kind; the first example stands for them. */
  drop(kind: string, path: string, example = ''): void {
    const known = this.#dropped.get(kind);
    if (known) known.count++;
    else this.#dropped.set(kind, { count: 1, path, example });
  }

  /** Note every field that has no place. */
  fields(model: ModelProto): void {
    for (const [message, table, path] of messagesOf(model as Draft, tableOf(onnxSchema, 'ModelProto'))) {
      if (message[unknownFields] !== undefined) this.refuse('the textual syntax cannot say fields that the schema does not have', path);
      for (const { name, type } of table.fields)
        if (type === 'string' && [message[name] ?? ''].flat().some(text => hasEscapedBytes(text as string)))
          this.refuse(`the ${name} is not valid UTF-8, which the textual syntax cannot say`, path, 'E1110');
      for (const [field, fate] of Object.entries(places[table.name] ?? {})) {
        const value = message[field];
        if (value === undefined || (value as ArrayLike<unknown>).length === 0) continue;
        const place = path === '' ? field : `${path}.${field}`;
        if (fate === 'refused') this.refuse(`the textual syntax has no words for ${field}`, place);
        else this.drop(`the textual syntax has no words for ${field} of ${table.name}, left out`, place);
      }
    }
  }

  /** The warnings. Throws where something was refused. */
  finish(): Finding[] {
    if (this.#errors.length > 0) throw new ModelError(this.#errors);
    return [...this.#dropped].map(([kind, { count, path, example }]) =>
      warning('E2002', `${kind} ${count === 1 ? 'once' : `${count} times`}${example && `, such as ${example}`}`, { path }),
    );
  }
}
