// Tensors as PyTorch has them: views of storages that in-place operators write into. Followed here as values, so that the model
// made of them has no writes: a write makes a new value of the whole storage, and every view looks at that from then on.
// Knows no file format and no operator of PyTorch.
import { fail } from '../../errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import type { Builder, Size } from '../../ops/builder.ts';
import { contentsOf, range, rankOf, shapeOf } from '../../ops/shapes.ts';

/** A step from a tensor to a view of it; called again when the tensor has changed. */
export type ViewStep = (base: Value, b: Builder) => Value;

/** What tensors that are views of each other share. */
export interface Memory {
  value: Value;
  /** How many writes have gone into it. */
  version: number;
}

/** A tensor of the program. Several may share one storage. */
export class TensorRef {
  readonly #storage: Memory;
  readonly #steps: readonly ViewStep[];
  /** Whether only PyTorch's strides decide if this is a view or a copy, and they are not known. */
  readonly #uncertain: boolean;
  #value: Value;
  #version: number;
  /** Whether its elements lie in row-major order without gaps; undefined where the program does not say. */
  contiguous: boolean | undefined;

  private constructor(storage: Memory, steps: readonly ViewStep[], value: Value, uncertain: boolean) {
    this.#storage = storage;
    this.#steps = steps;
    this.#value = value;
    this.#version = storage.version;
    this.#uncertain = uncertain;
  }

  /** A tensor with memory of its own. */
  static of(value: Value): TensorRef {
    return new TensorRef({ value, version: 0 }, [], value, false);
  }

  /** A tensor of which only the run knows whose memory it shares: it must not be written. */
  static uncertain(value: Value): TensorRef {
    return new TensorRef({ value, version: 0 }, [], value, true);
  }

  get memory(): Memory {
    return this.#storage;
  }

  /**
   * A tensor that shares this one's memory.
   * @param value what it holds now
   * @param uncertain whether it may as well be a copy: then it must not be read after a write into either
   */
  view(step: ViewStep, value: Value, { uncertain = false } = {}): TensorRef {
    return new TensorRef(this.#storage, [...this.#steps, step], value, uncertain || this.#uncertain);
  }

  get isUncertain(): boolean {
    return this.#uncertain;
  }

  /** Whether anything was written into its memory. */
  get isWritten(): boolean {
    return this.#storage.version > 0;
  }

  /** What it holds now. */
  read(b: Builder): Value {
    if (this.#version === this.#storage.version) return this.#value;
    if (this.#uncertain) throw fail('E2001', 'reads a tensor that may or may not share its memory with one that was written');
    this.#value = this.#steps.reduce((base, step) => step(base, b), this.#storage.value);
    this.#version = this.#storage.version;
    return this.#value;
  }

  /** Takes back what was looked up since, and what was written. */
  save(): () => void {
    const { value, version } = this.#storage;
    const [seen, at] = [this.#value, this.#version];
    return () => {
      Object.assign(this.#storage, { value, version });
      [this.#value, this.#version] = [seen, at];
    };
  }

  /** Replace its content, and with it that of every tensor that shares its memory. */
  write(value: Value, b: Builder): void {
    if (this.#uncertain) throw fail('E2001', 'writes into a tensor that may or may not share its memory with another');
    const bases = [this.#storage.value];
    for (const step of this.#steps) bases.push(step(bases.at(-1)!, b));
    let now = value;
    for (let i = this.#steps.length - 1; i >= 0; i--) now = putBack(bases[i]!, bases[i + 1]!, now, this.#steps[i]!, b);
    this.#storage.value = now;
    this.#version = ++this.#storage.version;
    this.#value = value;
  }
}

/**
 * What tensors hold now, to be put back after code was followed that may not run, or runs in a graph of its own.
 * @param refs every tensor that the code can reach
 */
export class Snapshot {
  readonly #restores: readonly (() => void)[];
  readonly #versions: ReadonlyMap<Memory, number>;

  constructor(refs: Iterable<TensorRef>, b: Builder) {
    const all = [...refs];
    for (const ref of all) if (!ref.isUncertain) ref.read(b);
    this.#restores = all.map(ref => ref.save());
    this.#versions = new Map(all.map(({ memory }) => [memory, memory.version]));
  }

  has(memory: Memory): boolean {
    return this.#versions.has(memory);
  }
  /** What was written since. */
  get written(): Memory[] {
    return [...this.#versions].filter(([memory, version]) => memory.version !== version).map(([memory]) => memory);
  }
  restore(): void {
    for (const restore of this.#restores) restore();
  }
}

/** Give memory as a whole another content. */
export function overwrite(memory: Memory, value: Value): void {
  memory.value = value;
  memory.version++;
}

/** `base` with the elements that `view` shows replaced by `written`. */
function putBack(base: Value, view: Value, written: Value, step: ViewStep, b: Builder): Value {
  const path = pathTo(base, view);
  if (!path) return byPositions(base, written, step, b);
  let now = written;
  let seen = view;
  for (const node of path) {
    now = inverses[node.op]!.undo(node, now, seen.index, b);
    seen = node.inputs[0]!;
  }
  return now;
}

/** The nodes from a view back to what it looks at, where each has a way back. */
function pathTo(base: Value, view: Value): readonly Node[] | undefined {
  const path: Node[] = [];
  for (let v = view; v !== base; v = path.at(-1)!.inputs[0]!) {
    const node = v.producer;
    if (!node || !inverses[node.op]?.applies(node)) return undefined;
    path.push(node);
  }
  return path;
}

/** The way that works for every view: show it the positions of the elements, and scatter what was written to those. */
function byPositions(base: Value, written: Value, step: ViewStep, b: Builder): Value {
  const flat = b.Reshape(base, [-1]);
  const count = b.dim(flat, 0);
  const limit = typeof count === 'number' ? b.constant(BigInt(count), 'int64') : b.Squeeze(count, [0]);
  const scalar = (n: bigint): Value => b.constant(n, 'int64');
  const positions = step(likeShape(b.Range({ start: scalar(0n), limit, delta: scalar(1n) }), base, b), b);
  const updates = b.Reshape(written, [-1]);
  const scattered = b.ScatterElements({ data: flat, indices: b.Reshape(positions, [-1]), updates }, { axis: 0 });
  return likeShape(scattered, base, b);
}

const likeShape = (x: Value, like: Value, b: Builder): Value =>
  b.Reshape(
    x,
    range(rankOf(like)).map(axis => b.dim(like, axis)),
  );

interface Inverse {
  applies(node: Node): boolean;
  /** The node's input with what its output number `index` shows replaced by `written`. */
  undo(node: Node, written: Value, index: number, b: Builder): Value;
}

const reshaped: Inverse = { applies: () => true, undo: (node, written, _, b) => likeShape(written, node.inputs[0]!, b) };

/** Views by the operators that make them: how to get from the view back to what it looks at. */
const inverses: Readonly<Record<string, Inverse | undefined>> = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Identity: { applies: () => true, undo: (_, written) => written },
  Transpose: {
    applies: node => permOf(node) !== undefined,
    undo(node, written, _, b) {
      const perm = permOf(node)!;
      return b.Transpose(
        written,
        perm.map((__, axis) => perm.indexOf(axis)),
      );
    },
  },
  Slice: {
    applies: node => sliceOf(node) !== undefined,
    undo(node, written, _, b) {
      const { axis, start, end } = sliceOf(node)!;
      return replaceRange(node.inputs[0]!, written, axis, start, end, b);
    },
  },
  Gather: {
    applies: node => node.inputs[1]?.shape?.length === 0 && typeof contentsOf(node.inputs[1]!)?.[0] === 'number',
    undo(node, written, _, b) {
      const axis = axisOfNode(node);
      const at = contentsOf(node.inputs[1]!)![0] as number;
      return replaceRange(node.inputs[0]!, b.Unsqueeze(written, [axis]), axis, at, at === -1 ? lastSize : at + 1, b);
    },
  },
  Split: {
    applies: () => true,
    undo: (node, written, index, b) =>
      b.Concat(
        node.outputs.map((part, i) => (i === index ? written : part!)),
        axisOfNode(node),
      ),
  },
};

/** As the end of a slice: the end of the axis. */
const lastSize = Number.MAX_SAFE_INTEGER;

/** `base` with `[start, end)` of an axis replaced. */
function replaceRange(base: Value, written: Value, axis: number, start: Size, end: Size, b: Builder): Value {
  const size = shapeOf(base)[axis];
  const isWhole = (bound: Size): boolean => typeof bound === 'number' && (bound >= 2 ** 31 - 1 || bound === size);
  const part = (from: Size, to: Size): Value => b.Slice(base, { axes: [axis], starts: [from], ends: [to] });
  const parts = [...(start === 0 ? [] : [part(0, start)]), written, ...(isWhole(end) ? [] : [part(end, lastSize)])];
  return parts.length === 1 ? written : b.Concat(parts, axis);
}

/** A slice of one axis with step 1 that is not turned around by its bounds. */
function sliceOf(node: Node): { axis: number; start: Size; end: Size } | undefined {
  const [data, starts, ends, axes, steps] = node.inputs;
  const axis = axes && contentsOf(axes);
  const step = steps && contentsOf(steps);
  if (axis?.length !== 1 || typeof axis[0] !== 'number' || (step && step[0] !== 1)) return undefined;
  const bound = (v: Value): Size => {
    const content = contentsOf(v)?.[0];
    return typeof content === 'number' ? content : v;
  };
  const [start, end] = [bound(starts!), bound(ends!)];
  const at = axis[0] < 0 ? axis[0] + rankOf(data!) : axis[0];
  const isOrdered =
    start === 0 ||
    (typeof end === 'number' && end >= 2 ** 31 - 1) ||
    (typeof start === 'number' && typeof end === 'number' && start <= end && start < 0 === end < 0);
  return isOrdered ? { axis: at, start, end } : undefined;
}

function permOf(node: Node): readonly number[] | undefined {
  const perm = node.attributes.get('perm');
  return perm?.kind === 'ints' ? (perm.value as readonly number[]) : undefined;
}

function axisOfNode(node: Node): number {
  const axis = node.attributes.get('axis');
  const given = axis?.kind === 'int' ? Number(axis.value) : 0;
  return given < 0 ? given + rankOf(node.inputs[0]!) : given;
}
