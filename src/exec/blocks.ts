// Channels in blocks of 16 that lie side by side, [N, C / 16, H, W, 16], between convolutions that follow each other: a backend whose vectors
// hold a block reads and writes it in place, and what lies between works on all channels of a block at once. Where the last block is not
// full, what it holds beyond the channels is anything, and nobody reads it.
import { addDims, type Dim, mulDims, productOf, sameDim, sameShape } from '../ir/dims.ts';
import { Tensor } from '../ir/tensor.ts';
import type { Shape } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { elementsOf } from '../kernels/memory.ts';
import { isContiguous, wholeView } from '../kernels/views.ts';
import { withoutJoin } from './joins.ts';
import type { BufferFacts, Plan, Step } from './plan.ts';

/** native/cpu/blocked.h has the same. */
export const channelBlock = 16;

/** The same plan, with blocks where at least two convolutions in a row gain by it, and by Winograd's way where that is asked for. */
export function blockChannels(plan: Plan, { winograd = false } = {}): Plan {
  const writers = writersOf(plan);
  let convs = plan.steps.filter(s => isFit(s, plan));
  for (;;) {
    const blocked = spreadFrom(new Set(convs), plan, writers);
    const linked = linkedOf(convs, blocked, writers);
    if (linked.length === 0) return plan;
    if (linked.length === convs.length) return new Blocking(plan, blocked, winograd).plan();
    convs = linked;
  }
}

const writersOf = ({ steps }: Plan): ReadonlyMap<number, readonly Step[]> => {
  const writers = new Map<number, Step[]>();
  for (const step of steps) for (const v of step.outputs) writers.set(v.buffer, [...(writers.get(v.buffer) ?? []), step]);
  return writers;
};

const channelsOf = (v: View): number | undefined => (v.shape.length === 4 && typeof v.shape[1] === 'number' ? v.shape[1] : undefined);

/** All of a buffer, as an image with a known number of channels. */
const isImage = (v: View, plan: Plan): boolean =>
  v.type === 'float32' &&
  channelsOf(v) !== undefined &&
  v.offset === 0 &&
  isContiguous(v) &&
  sameDim(productOf(v.shape), plan.buffers[v.buffer]!.size);

/** Fewer outputs would leave most of their block empty. */
const leastOutputs = 8;

/** Beside the borders of longer windows every output would have taps of its own. native/cpu/blocked.h has the same. */
const longestWindow = 64;

/** Whether a convolution has a form for blocks: of two axes, with constant weights, without groups or of each channel for itself. */
function isFit({ kernel, inputs: [x, w], outputs: [y] }: Step, plan: Plan): boolean {
  if (kernel.kind !== 'conv' || !x || !w || x.type !== 'float32' || !isImage(y!, plan) || channelsOf(y!)! < leastOutputs) return false;
  const { role, type } = plan.buffers[w.buffer]!;
  const isSingle = kernel.group > 1 && w.shape[1] === 1 && w.shape[0] === kernel.group;
  const isShort = w.shape.slice(2).every(taps => typeof taps === 'number' && taps > 0 && taps <= longestWindow);
  return isShort && role === 'constant' && type === 'float32' && channelsOf(x) !== undefined && (kernel.group === 1 || isSingle);
}

/** Images that come to lie in blocks, by their buffers. */
type Images = ReadonlyMap<number, View>;

function spreadFrom(convs: ReadonlySet<Step>, plan: Plan, writers: ReadonlyMap<number, readonly Step[]>): Images {
  const blocked = new Map<number, View>();
  for (const step of plan.steps) {
    const [y] = step.outputs;
    if (step.outputs.length !== 1 || !isImage(y!, plan) || writers.get(y!.buffer)!.length !== 1) continue;
    if (step.kernel.kind === 'conv' ? convs.has(step) && mayConvolve(step, blocked, plan) : goesOn(step, blocked, plan))
      blocked.set(y!.buffer, y!);
  }
  return blocked;
}

/** Whether a view is an image that lies in blocks, as it is. */
const isInBlocks = (v: View | undefined, blocked: Images, plan: Plan): v is View =>
  v !== undefined && isImage(v, plan) && sameShape(v.shape, blocked.get(v.buffer)?.shape ?? []);

/** Channels for themselves are read in blocks alone. */
const mayConvolve = ({ kernel, inputs: [x] }: Step, blocked: Images, plan: Plan): boolean =>
  isInBlocks(x, blocked, plan) || (kernel.kind === 'conv' && kernel.group === 1);

/** Whether a step of another kind gives blocks where it gets some. */
function goesOn({ kernel, inputs, outputs: [y] }: Step, blocked: Images, plan: Plan): boolean {
  const [x] = inputs;
  if (kernel.kind === 'map') return inputs.some(v => isInBlocks(v, blocked, plan)) && inputs.every(v => v && mayRead(v));
  if (!isInBlocks(x, blocked, plan)) return false;
  if (kernel.kind === 'reduce') return sameShape(y!.shape.slice(0, 2), x.shape.slice(0, 2)) && sameShape(y!.shape.slice(2), [1, 1]);
  return kernel.kind === 'pool' && kernel.by !== 'lp';
}

/** Whether a map over blocks can read a view: numbers of float32, or what is the same for all channels. */
const mayRead = (v: View): boolean => v.type === 'float32' || v.strides[1] === 0;

/** Convolutions that read blocks of another, or whose blocks another reads. */
function linkedOf(convs: readonly Step[], blocked: Images, writers: ReadonlyMap<number, readonly Step[]>): Step[] {
  const linked = new Set<Step>();
  const isConv = new Set(convs);
  for (const conv of convs) {
    const x = conv.inputs[0]!;
    if (!blocked.has(x.buffer) || !blocked.has(conv.outputs[0]!.buffer)) continue;
    linked.add(conv);
    const seen = new Set<number>();
    for (const open = [x.buffer]; open.length > 0; ) {
      const at = open.pop()!;
      if (seen.has(at) || !blocked.has(at)) continue;
      seen.add(at);
      const [writer] = writers.get(at)!;
      if (isConv.has(writer!)) linked.add(writer!);
      else for (const v of writer!.inputs) if (v) open.push(v.buffer);
    }
  }
  return convs.filter(c => linked.has(c));
}

/** Fewer squares of 4 x 4 outputs would read the larger weights once too often. */
const leastSquares = 16;

/** Whether a convolution of 3 x 3 taps has enough channels and outputs. */
function gainsBySquares({ kernel, inputs: [x, w], outputs: [y] }: Step): boolean {
  if (kernel.kind !== 'conv' || kernel.group !== 1 || !sameShape(w!.shape.slice(2), [3, 3])) return false;
  const [, , h, wide] = y!.shape;
  const isLarge = typeof h === 'number' && typeof wide === 'number' && Math.ceil(h / 4) * Math.ceil(wide / 4) >= leastSquares;
  return isLarge && [...kernel.strides, ...kernel.dilations].every(n => n === 1) && channelsOf(x!)! >= channelBlock;
}

const blocksOf = (channels: number): number => Math.ceil(channels / channelBlock);
const shapeInBlocks = ([n, c, ...spatial]: Shape): Shape => [n!, blocksOf(c as number), ...spatial, channelBlock];

/** Writes the plan anew. */
class Blocking {
  readonly #plan: Plan;
  readonly #winograd: boolean;
  readonly #blocked: Images;
  readonly #buffers: BufferFacts[];
  readonly #steps: Step[] = [];
  /** What was in a buffer, in blocks and plain; the plain form is there once somebody asked for it. */
  readonly #images = new Map<number, { readonly blocks: View; readonly plain: View }>();
  readonly #isPlainToo = new Set<number>();
  /** What maps read in the place of views. */
  readonly #read = new Map<View, View>();

  constructor(plan: Plan, blocked: Images, winograd: boolean) {
    this.#winograd = winograd;
    this.#plan = plan;
    this.#blocked = blocked;
    this.#buffers = [...plan.buffers];
  }

  plan(): Plan {
    for (const [at, step] of this.#plan.steps.entries()) {
      const [y] = step.outputs;
      const isBlocked = step.outputs.length === 1 && this.#blocked.has(y!.buffer);
      // What a map that joins reads has to be there before the step that it joins.
      const next = this.#plan.steps[at + 1];
      if (next?.joins) this.#prepare(next, y!.buffer);
      if (isBlocked) this.#inBlocks(step);
      else this.#asItIs(step);
      if (isBlocked && this.#buffers[y!.buffer]!.role === 'output') this.#toPlain(y!.buffer);
    }
    return { ...this.#plan, buffers: this.#buffers, steps: this.#steps };
  }

  #prepare(map: Step, made: number): void {
    const isBlocked = this.#blocked.has(map.outputs[0]!.buffer);
    for (const v of map.inputs) {
      if (!v || v.buffer === made) continue;
      if (isBlocked) this.#readable(v);
      else if (this.#blocked.has(v.buffer)) this.#toPlain(v.buffer);
    }
  }

  #alloc(shape: Shape): View {
    return wholeView(this.#buffers.push({ type: 'float32', size: productOf(shape), role: 'temporary' }) - 1, 'float32', shape);
  }

  /** A step that knows no blocks, on plain forms. One that joined what gives blocks is on its own. */
  #asItIs(step: Step): void {
    const [x] = step.inputs;
    // A copy, such as a part of what is put together, may as well be out of blocks, where they are full.
    if (step.kernel.kind === 'copy' && isInBlocks(x, this.#blocked, this.#plan) && (x.shape[1] as number) % channelBlock === 0) {
      const { blocks } = this.#images.get(x.buffer)!;
      this.#steps.push({ ...step, inputs: [blocks], outputs: [inBlocks(step.outputs[0]!)] });
      return;
    }
    const before = this.#steps.length;
    for (const v of step.inputs) if (v && this.#blocked.has(v.buffer)) this.#toPlain(v.buffer);
    this.#steps.push(step.joins && this.#steps.length > before ? withoutJoin(step) : step);
  }

  #inBlocks(step: Step): void {
    const { kernel, inputs } = step;
    const plain = step.outputs[0]!;
    const y = this.#alloc(shapeInBlocks(plain.shape));
    const [x] = inputs;
    if (kernel.kind === 'conv') {
      const from = isInBlocks(x, this.#blocked, this.#plan) ? this.#images.get(x.buffer)!.blocks : x;
      if (from === x && x && this.#blocked.has(x.buffer)) this.#toPlain(x.buffer);
      const made = this.#winograd && gainsBySquares(step) ? { ...kernel, winograd: true as const } : kernel;
      this.#steps.push({ ...step, kernel: made, inputs: [from, ...inputs.slice(1)], outputs: [y] });
    } else if (kernel.kind === 'pool') {
      this.#steps.push({ ...step, inputs: [blocksAsImages(this.#images.get(x!.buffer)!.blocks)], outputs: [blocksAsImages(y)] });
    } else {
      const reads = inputs.map(v => this.#readable(v!));
      const before = this.#steps.at(-1);
      const stays = step.joins && before?.kernel.kind === 'conv' && reads.some(v => before.outputs[0]!.buffer === v.buffer);
      this.#steps.push({ ...(stays ? step : withoutJoin(step)), inputs: reads, outputs: [y] });
    }
    this.#images.set(plain.buffer, { blocks: y, plain });
  }

  /** What a map over blocks reads of a view. */
  #readable(v: View): View {
    if (isInBlocks(v, this.#blocked, this.#plan)) return this.#images.get(v.buffer)!.blocks;
    let made = this.#read.get(v);
    if (!made) this.#read.set(v, (made = this.#viewInBlocks(v)));
    return made;
  }

  #viewInBlocks(v: View): View {
    if (this.#blocked.has(v.buffer)) this.#toPlain(v.buffer);
    const isSmall = v.strides.every((s, axis) => axis === 1 || s === 0 || v.shape[axis] === 1);
    if (v.strides[1] === 0 || (isSmall && (v.shape[1] as number) % channelBlock === 0)) return inBlocks(v);
    return this.#filledUp(v, isSmall);
  }

  /** A copy of a view in blocks; of a constant it is one. */
  #filledUp(v: View, isSmall: boolean): View {
    const { tensor } = this.#buffers[v.buffer]!;
    if (isSmall && tensor?.isResident && typeof v.offset === 'number' && typeof v.strides[1] === 'number') {
      const from = elementsOf(tensor) as Float32Array;
      const channels = v.shape[1] as number;
      const all = Float32Array.from({ length: blocksOf(channels) * channelBlock }, (_, c) =>
        c < channels ? from[(v.offset as number) + c * (v.strides[1] as number)]! : 0,
      );
      const buffer =
        this.#buffers.push({ type: 'float32', size: all.length, role: 'constant', tensor: new Tensor('float32', all, [all.length]) }) - 1;
      return { buffer, type: 'float32', offset: 0, shape: shapeInBlocks(v.shape), strides: [0, channelBlock, 0, 0, 1] };
    }
    // What repeats is not copied again and again.
    const narrow = v.shape.map((d, axis) => (axis !== 1 && v.strides[axis] === 0 ? 1 : d));
    const made = this.#alloc(shapeInBlocks(narrow));
    this.#copy({ ...v, shape: narrow }, made, 'in');
    const shape = shapeInBlocks(v.shape);
    return { ...made, shape, strides: made.strides.map((s, axis) => (axis < 4 && made.shape[axis] === 1 && shape[axis] !== 1 ? 0 : s)) };
  }

  /** Make the plain form of a buffer, where it is not there yet. */
  #toPlain(buffer: number): void {
    if (this.#isPlainToo.has(buffer)) return;
    this.#isPlainToo.add(buffer);
    const { blocks, plain } = this.#images.get(buffer)!;
    this.#copy(plain, blocks, 'out');
  }

  /** Between a plain view and blocks: whole blocks, and then the rest. */
  #copy(plain: View, blocks: View, way: 'in' | 'out'): void {
    const channels = plain.shape[1] as number;
    const whole = Math.floor(channels / channelBlock);
    const part = (first: number, count: number, width: number): void => {
      if (count === 0 || width === 0) return;
      const cut = (v: View): View => ({
        ...v,
        offset: addDims(v.offset, mulDims(first, v.strides[1]!)),
        shape: v.shape.with(1, count).with(4, width),
      });
      const [a, b] = [cut(inBlocks(plain)), cut(blocks)];
      const [from, to] = way === 'in' ? [a, b] : [b, a];
      this.#steps.push({ kernel: { kind: 'copy' }, inputs: [from], outputs: [to], label: 'layout' });
    };
    part(0, whole, channelBlock);
    part(whole, channels % channelBlock === 0 ? 0 : 1, channels % channelBlock);
  }
}

/** A plain view by its blocks. */
const inBlocks = (v: View): View => {
  const [n, c, h, w] = v.strides as [Dim, Dim, Dim, Dim];
  return { ...v, shape: shapeInBlocks(v.shape), strides: [n, mulDims(channelBlock, c), h, w, c] };
};

/** Each block as an image of 16 channels, for windows. */
function blocksAsImages(v: View): View {
  const [n, blocks, h, w] = v.shape as [Dim, Dim, Dim, Dim];
  const [, image, row, place] = v.strides as [Dim, Dim, Dim, Dim];
  return { ...v, shape: [mulDims(n, blocks), channelBlock, h, w], strides: [image, 1, row, place] };
}
