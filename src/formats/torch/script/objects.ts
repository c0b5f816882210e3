// What an archive holds as what code computes with: instances, containers, numbers and texts, and tensors, which are weights.
import { fail } from '../../../errors.ts';
import { Value } from '../../../ir/graph.ts';
import { Tensor } from '../../../ir/tensor.ts';
import { elementTypes } from '../../../ir/types.ts';
import { TensorRef } from '../memory.ts';
import { SavedObject, type SavedValue } from '../rebuild.ts';
import type { State } from '../state.ts';
import { copied } from './attributes.ts';
import type { ClassDef, Expression } from './parse.ts';
import { Device, Dict, floatHost, type Host, Instance, List, Tuple } from './values.ts';

/** An attribute as the archive has it, which code may give another value. */
export interface Attribute {
  readonly path: string;
  readonly owner: Instance;
  readonly name: string;
  readonly before: Host;
}

export class Objects {
  readonly #state: State;
  readonly #classOf: (name: string) => ClassDef | undefined;
  /** What stands for the archive's value of an attribute, by its path. */
  readonly #kept: ReadonlyMap<string, (saved: SavedValue) => Host>;
  readonly #objects = new Map<SavedObject, Instance>();
  readonly #hosts = new Map<SavedValue, Host>();
  readonly attributes: Attribute[] = [];

  constructor(state: State, classOf: (name: string) => ClassDef | undefined, kept: ReadonlyMap<string, (saved: SavedValue) => Host>) {
    this.#state = state;
    this.#classOf = classOf;
    this.#kept = kept;
  }

  /** @param path its name in the program; the program itself is empty */
  object(saved: SavedObject, path: string): Instance {
    const before = this.#objects.get(saved);
    if (before) return before;
    const made = new Instance(saved.className, path);
    this.#objects.set(saved, made);
    const types = this.#classOf(saved.className)?.attributes;
    for (const [name, value] of saved.attributes) {
      const own = path === '' ? name : `${path}.${name}`;
      const kept = this.#kept.get(own);
      const host = kept ? kept(value) : this.#host(value, types?.get(name), own);
      made.attributes.set(name, host);
      this.attributes.push({ path: own, owner: made, name, before: copied(host) });
    }
    return made;
  }

  /**
   * A value of the pickle as its declared type has it: pickles do not tell lists from tuples, and texts not from devices. What objects share
   * is shared.
   */
  #host(value: SavedValue, type: Expression | undefined, path: string): Host {
    const before = this.#hosts.get(value);
    if (before !== undefined) return before;
    const made = this.#newHost(value, type, path);
    if (made instanceof List || made instanceof Dict || made instanceof Tuple) this.#hosts.set(value, made);
    return made;
  }

  #newHost(value: SavedValue, type: Expression | undefined, path: string): Host {
    const [kind, items] = kindOfType(type);
    if (value === null) return undefined;
    if (kind === 'Optional') return this.#newHost(value, items[0], path);
    if (value instanceof SavedObject) return this.object(value, path);
    if (value instanceof Tensor) return this.#weight(path, value);
    if (typeof value === 'number') return kind === 'float' ? floatHost(value) : value;
    if (typeof value === 'string') return kind === 'Device' ? new Device(value) : value;
    if (value instanceof Map)
      return new Dict(
        [...value].map(([key, item]) => [this.#host(key, items[0], path), this.#host(item, items[1], `${path}.${String(key)}`)] as const),
      );
    if (value instanceof Uint8Array) throw fail('E2002', `${path} holds bytes, which have no conversion`);
    if (!Array.isArray(value)) return value as boolean | bigint;
    const list = (value as readonly SavedValue[]).map((item, i) => this.#host(item, items[kind === 'Tuple' ? i : 0], `${path}.${i}`));
    return kind === 'List' ? new List(list) : new Tuple(list);
  }

  /** Small whole numbers and scalars take part in arithmetic on sizes; everything else is a weight. */
  constant(value: SavedValue, name: string): Host {
    if (!(value instanceof Tensor)) return this.#host(value, undefined, name);
    const { class: kind } = elementTypes[value.type];
    const isPlain = value.size <= 1 || (kind !== 'float' && value.size <= 1024);
    return isPlain ? TensorRef.of(new Value(name, undefined, { tensor: value })) : this.#weight(name, value);
  }

  #weight(name: string, tensor: Tensor): TensorRef {
    const ref = this.#state.add(name, tensor);
    ref.contiguous = true;
    return ref;
  }
}

/** The outermost part of a type, and the types in it. */
export function kindOfType(type: Expression | undefined): readonly [string, readonly Expression[]] {
  if (!type) return ['', []];
  if (type.kind === 'name') return [type.name, []];
  if (type.kind === 'attribute') return [type.name, []];
  if (type.kind !== 'index' || type.of.kind !== 'name') return ['', []];
  const items = type.index.kind === 'tuple' ? type.index.items : [type.index];
  return type.of.name === 'Final' ? kindOfType(items[0]) : [type.of.name, items];
}
