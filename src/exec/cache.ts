// Caches that grow in place, such as keys and values of the tokens before: what a run makes of them lies where the next run reads it, in
// memory with room for more along one axis.
import { fail, type ModelError } from '../errors.ts';
import { resident, type Stored, Tensor } from '../ir/tensor.ts';
import { type DataType, elementTypes, formatShape } from '../ir/types.ts';

export interface CacheOptions {
  /** The most positions that the cache has room for along its axis. */
  readonly capacity: number;
  /** The axis along which it grows; -2 otherwise, as in [batch, heads, tokens, head size]. */
  readonly axis?: number | undefined;
}

const exceeded = (dims: readonly number[], capacity: number): ModelError =>
  fail('E3007', `${formatShape(dims)} exceeds a cache for ${capacity}`, { limit: { name: 'capacity', value: capacity } });

/** Memory of a tensor that may grow along an axis. */
export class Room {
  readonly type: DataType;
  /** Of all of it: with the capacity along the axis. */
  readonly dims: readonly number[];
  readonly axis: number;
  readonly bytes: Uint8Array;

  /** @throws ModelError E3002 for elements of less than a byte, and text; E3003 where there is no such axis; E3007 where there is no memory */
  constructor(like: Tensor, capacity: number, axis: number) {
    const bits = like.type === 'string' ? 0 : elementTypes[like.type].bits;
    if (bits < 8 || bits % 8 !== 0) throw fail('E3002', `a cache of ${like.type} cannot grow`);
    this.type = like.type;
    this.axis = axis < 0 ? axis + like.dims.length : axis;
    if (!(this.axis >= 0 && this.axis < like.dims.length)) throw fail('E3003', `${formatShape(like.dims)} has no axis ${axis}`);
    this.dims = like.dims.with(this.axis, capacity);
    const bytes = this.dims.reduce((n, d) => n * d, bits / 8);
    try {
      this.bytes = new Uint8Array(bytes);
    } catch (cause) {
      throw fail('E3007', `there is no memory for a cache of ${bytes} bytes`, {}, { cause });
    }
  }

  get capacity(): number {
    return this.dims[this.axis]!;
  }

  /**
   * What lies in it from the beginning, of these sizes.
   * @throws ModelError E3003 where sizes differ along another axis, E3007 where the room does not suffice
   */
  tensor(dims: readonly number[]): Tensor {
    const { axis, capacity } = this;
    if (dims.length !== this.dims.length || dims.some((d, k) => k !== axis && d !== this.dims[k]))
      throw fail('E3003', `${formatShape(dims)} does not go on in a cache of ${formatShape(this.dims)}`);
    if (dims[axis]! > capacity) throw exceeded(dims, capacity);
    return new Tensor(this.type, new RoomContent(this, dims), dims);
  }

  /** The same content, which lies in it now. */
  async holding(t: Tensor): Promise<Tensor> {
    if (t.content instanceof RoomContent && t.content.room === this) return t;
    const held = this.tensor(t.dims);
    const bytes = (await resident(t)).bytes();
    for (const { at, from, length } of runsOf(this, t.dims)) this.bytes.set(bytes.subarray(from, from + length), at);
    return held;
  }
}

/** Content that lies in a room. */
export class RoomContent implements Stored {
  readonly room: Room;
  readonly length: number;
  readonly #dims: readonly number[];

  constructor(room: Room, dims: readonly number[]) {
    this.room = room;
    this.#dims = dims;
    this.length = dims.reduce((n, d) => n * d, elementTypes[room.type].bits / 8);
  }
  async read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.length);
    for (const { at, from, length: n } of runsOf(this.room, this.#dims)) bytes.set(this.room.bytes.subarray(at, at + n), from);
    return bytes.subarray(offset, offset + length);
  }
}

/** Bytes that lie side by side: where they begin in the room and in what is row-major. */
function* runsOf({ dims: whole, axis, type }: Room, dims: readonly number[]): Generator<{ at: number; from: number; length: number }> {
  const row = dims.slice(axis + 1).reduce((n, d) => n * d, elementTypes[type].bits / 8);
  const length = dims[axis]! * row;
  const count = dims.slice(0, axis).reduce((n, d) => n * d, 1);
  for (let k = 0; k < count; k++) yield { at: k * whole[axis]! * row, from: k * length, length };
}

/** What inputs of a model hold of the runs before. Pass it to each run. */
export class Cache {
  /** For each input the output that it is in the next run. */
  readonly pairs: ReadonlyMap<string, string>;
  readonly capacity: number;
  readonly axis: number;
  readonly #held = new Map<string, { readonly room?: Room | undefined; readonly tensor: Tensor }>();
  #isInUse = false;

  /**
   * @param pairs for each input, such as `past_key_values.0.key`, the output that it is in the next run, such as `present.0.key`: the input
   * and what the run adds to it along the axis
   * @throws ModelError E3003 for a capacity that is no size
   */
  constructor(pairs: Readonly<Record<string, string>>, { capacity, axis = -2 }: CacheOptions) {
    if (!(Number.isSafeInteger(capacity) && capacity > 0)) throw fail('E3003', `a cache has no room for ${capacity}`);
    this.pairs = new Map(Object.entries(pairs));
    this.capacity = capacity;
    this.axis = axis;
  }

  /** Positions that it holds along its axis. */
  get length(): number {
    const [first] = this.#held.values();
    return first?.tensor.dims.at(this.axis) ?? 0;
  }

  /** Forget what it holds. The next run must be given the inputs. */
  reset(): void {
    this.#held.clear();
  }

  /**
   * What its inputs hold in the next run: those that are given begin it anew.
   * @param inRooms whether they lie in memory with room for more; tensors are handed from run to run otherwise
   * @throws ModelError E3002 where another run has it, and what `Room` throws
   */
  async begin(given: Readonly<Record<string, unknown>>, inRooms: boolean): Promise<Record<string, Tensor>> {
    if (this.#isInUse) throw fail('E3002', 'a cache serves one run at a time');
    this.#isInUse = true;
    try {
      for (const name of this.pairs.keys()) {
        const like = Object.hasOwn(given, name) ? given[name] : undefined;
        if (!(like instanceof Tensor)) continue;
        const room = inRooms ? new Room(like, this.capacity, this.axis) : undefined;
        this.#prove(like);
        this.#held.set(name, { room, tensor: room ? await room.holding(like) : like });
      }
      return Object.fromEntries([...this.#held].map(([name, { tensor }]) => [name, tensor]));
    } catch (error) {
      this.#isInUse = false;
      throw error;
    }
  }

  roomOf(input: string): Room | undefined {
    return this.#held.get(input)?.room;
  }

  /**
   * The run has ended: what it made is held.
   * @throws ModelError E3007 where that is more than there is room for
   */
  end(made: Readonly<Record<string, unknown>> = {}): void {
    this.#isInUse = false;
    const held = [...this.pairs].flatMap(([input, output]) => {
      const tensor = made[output];
      return tensor instanceof Tensor && this.#held.has(input) ? [{ input, tensor }] : [];
    });
    for (const { tensor } of held) this.#prove(tensor);
    for (const { input, tensor } of held) this.#held.set(input, { ...this.#held.get(input)!, tensor });
  }

  #prove({ dims }: Tensor): void {
    const size = dims.at(this.axis);
    if (size === undefined) throw fail('E3003', `${formatShape(dims)} has no axis ${this.axis}`);
    if (size > this.capacity) throw exceeded(dims, this.capacity);
  }
}
