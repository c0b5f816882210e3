// What a file says a second time about initializers and declared types: kept as messages, decoded only where somebody asks.
import type { Graph, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { ValueType } from '../../ir/types.ts';
import type { TensorProto } from './proto.gen.ts';
import { Reading } from './reading.ts';
import { type Declaration, declarations, declarationsOf } from './rest.ts';
import { readTensor } from './tensors.ts';
import { readType } from './types.ts';

export interface Duplicates {
  /** Initializers that the graph does not hold, by name; without a tensor where it could not be read. */
  readonly tensors: readonly { readonly name: string; readonly tensor?: Tensor | undefined; readonly message: object }[];
  /** Entries of `value_info` about values that have a type already. */
  readonly declarations: readonly { readonly value: Value; readonly type: ValueType | undefined; readonly message: object }[];
}

const unreadOf = (graph: Graph): readonly TensorProto[] =>
  (graph.meta.rest as { initializer?: readonly TensorProto[] } | undefined)?.initializer ?? [];

export function duplicatesIn(graph: Graph): Duplicates {
  const reading = new Reading('');
  return {
    tensors: unreadOf(graph).map(message => ({
      name: message.name ?? '',
      tensor: readTensor(message, 'initializer', reading, true),
      message,
    })),
    declarations: declarationsOf(graph.meta).flatMap(({ value, message }) =>
      value && message ? [{ value, type: readType(message.type, 'value_info', reading), message }] : [],
    ),
  };
}

/** Forget some of them. */
export function withoutDuplicates(graph: Graph, { tensors, declarations: wrong }: Duplicates): void {
  if (tensors.length === 0 && wrong.length === 0) return;
  const gone = new Set<object>([...tensors, ...wrong].map(d => d.message));
  const rest: Record<string | symbol, unknown> = { ...graph.meta.rest };
  const initializer = unreadOf(graph).filter(message => !gone.has(message));
  if (initializer.length > 0) rest['initializer'] = initializer;
  else delete rest['initializer'];
  if (declarations in rest) rest[declarations] = declarationsOf(graph.meta).filter((d: Declaration) => !d.message || !gone.has(d.message));
  graph.meta = { ...graph.meta, rest };
}
