// Parameters and buffers of a program, and what a run leaves for the next one: buffers that are written, and whatever else is handed on.
// Those are inputs of the model, with a default where there is one, and outputs that hold what is in them after a run.
import { type Output, type SourceWeight, Value } from '../../ir/graph.ts';
import { unread, updatedName } from '../../ir/state.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import { TensorRef } from './memory.ts';

export class State {
  /** Names of buffers whose content changes while the program runs. */
  readonly #changing: ReadonlySet<string>;
  /** By their names in the state dict. */
  readonly #weights = new Map<string, { readonly ref: TensorRef; readonly value: Value }>();
  readonly #byTensor = new Map<Tensor, { readonly ref: TensorRef; readonly fqn: string }>();
  /** Names of what is handed on without being a buffer that is written. */
  readonly #handed = new Set<string>();
  /** Everything that was added, by name. */
  readonly sources: SourceWeight[] = [];

  constructor(changing: ReadonlySet<string>) {
    this.#changing = changing;
  }

  /** Weights that share all of their memory are one value, under the first of their names. */
  add(fqn: string, tensor: Tensor, isBuffer = false): TensorRef {
    const same = this.#byTensor.get(tensor);
    this.sources.push({ name: fqn, type: tensor.type, dims: tensor.dims, same: same?.fqn, isBuffer });
    if (same) return same.ref;
    const value = new Value(fqn, undefined, { tensor: this.#changing.has(fqn) ? unread(tensor) : tensor, parameter: true });
    const ref = TensorRef.of(value);
    this.#weights.set(fqn, { ref, value });
    this.#byTensor.set(tensor, { ref, fqn });
    return ref;
  }

  /** A value that a run leaves for the next one under its name. */
  hand(value: Value): TensorRef {
    const ref = TensorRef.of(value);
    this.#weights.set(value.name, { ref, value });
    this.#handed.add(value.name);
    return ref;
  }

  /** A weight of the archive for which something else stands. */
  note(fqn: string, { type, dims }: Tensor): void {
    this.sources.push({ name: fqn, type, dims, same: undefined });
  }

  /** Names that were written and were not known to be; `others` are known to be written by other means. */
  newlyWritten(others: Iterable<string> = []): ReadonlySet<string> {
    const written = [...this.#weights].filter(([, { ref }]) => ref.isWritten).map(([fqn]) => fqn);
    return new Set([...written, ...others].filter(fqn => this.#weights.has(fqn) && !this.#isChanging(fqn)));
  }

  get inputs(): readonly Value[] {
    return this.#changed.map(([, { value }]) => value);
  }

  /** New contents; `given` are those that are known by name. */
  outputs(b: Builder, given: ReadonlyMap<string, Value> = new Map()): readonly Output[] {
    return this.#changed.map(([fqn, { ref }]) => ({ name: updatedName(fqn), value: given.get(fqn) ?? ref.read(b) }));
  }

  get #changed(): [string, { readonly ref: TensorRef; readonly value: Value }][] {
    return [...this.#weights].filter(([fqn]) => this.#isChanging(fqn));
  }

  readonly #isChanging = (fqn: string): boolean => this.#changing.has(fqn) || this.#handed.has(fqn);
}
