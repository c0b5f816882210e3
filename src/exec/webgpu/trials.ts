// The small plans that ways of a device are timed with, and what they must compute exactly. It knows no device.
import type { TypedArray } from '../../ir/tensor.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { decodeElement } from '../../kernels/storage.ts';
import { wholeView } from '../../kernels/views.ts';
import type { BufferFacts, Plan, Step } from '../plan.ts';
import type { Question } from './ways.ts';

/** What is timed for each question, at a size. Sizes are data of kernels, so that pipelines serve all of them. */
export const plans: { readonly [Q in Question]: (size: number, way: string) => Plan } = { products, halves, sums };

const terms = 256;

/** A product with as many rows as columns. */
function products(n: number): Plan {
  const [a, b, y] = [wholeView(0, 'float32', [n, terms]), wholeView(1, 'float32', [terms, n]), wholeView(2, 'float32', [n, n])];
  return {
    inputs: [{ name: 'a', view: a }],
    outputs: [{ name: 'y', view: y }],
    buffers: [
      { type: 'float32', size: n * terms, role: 'input' },
      { type: 'float32', size: n * terms, role: 'constant' },
      { type: 'float32', size: n * n, role: 'output' },
    ],
    steps: [{ kernel: { kind: 'matmul' }, inputs: [a, b], outputs: [y], label: 'probe' }],
    guards: [],
  };
}

const toFloats: Kernel = { kind: 'map', program: { instructions: [{ op: 'input', index: 0, type: 'float32' }], outputs: [0] } };

/** A product with weights of float16: widened first where they are decoded by their bits, otherwise read as they are. */
function halves(n: number, way: string): Plan {
  const plain = products(n);
  const [a, b, y] = [plain.inputs[0]!.view, wholeView(3, 'float16', [terms, n]), plain.outputs[0]!.view];
  const widened = wholeView(1, 'float32', [terms, n]);
  const [step] = plain.steps as readonly [Step];
  const widen: Step = { kernel: toFloats, inputs: [b], outputs: [widened], label: 'probe' };
  const [left, , result] = plain.buffers as readonly [BufferFacts, BufferFacts, BufferFacts];
  const size = n * terms;
  return {
    ...plain,
    buffers: [left, { type: 'float32', size, role: 'temporary' }, result, { type: 'float16', size, role: 'constant' }],
    steps: way === 'bits' ? [widen, step] : [{ ...step, inputs: [a, b], outputs: [y] }],
  };
}

/** What a way must compute exactly before it is timed. Buffer 0 of the plan is given, buffer 1 comes out. */
export interface Example {
  readonly plan: Plan;
  readonly given: TypedArray;
  readonly result: ArrayLike<number>;
}
export const examples: { readonly [Q in Question]: (() => Example) | undefined } = {
  products: undefined,
  halves: everyHalf,
  sums: sumsOfIntegers,
};

function everyHalf(): Example {
  const size = 2 ** 16;
  const [x, y] = [wholeView(0, 'float16', [size]), wholeView(1, 'float32', [size])];
  const plan: Plan = {
    inputs: [{ name: 'x', view: x }],
    outputs: [{ name: 'y', view: y }],
    buffers: [
      { type: 'float16', size, role: 'input' },
      { type: 'float32', size, role: 'output' },
    ],
    steps: [{ kernel: toFloats, inputs: [x], outputs: [y], label: 'probe' }],
    guards: [],
  };
  const given = Uint16Array.from({ length: size }, (_, half) => half);
  return { plan, given, result: Float32Array.from(given, half => Number(decodeElement('float16', half))) };
}

/** Lines of so many elements, which all invocations of a workgroup share where there are few. */
const lineLength = 1024;

/** Sums of lines that lie in memory one after the other. */
function sums(n: number): Plan {
  const [x, y] = [wholeView(0, 'float32', [n, lineLength]), wholeView(1, 'float32', [n, 1])];
  return {
    inputs: [{ name: 'x', view: x }],
    outputs: [{ name: 'y', view: y }],
    buffers: [
      { type: 'float32', size: n * lineLength, role: 'input' },
      { type: 'float32', size: n, role: 'output' },
    ],
    steps: [{ kernel: { kind: 'reduce', by: 'sum' }, inputs: [x], outputs: [y], label: 'probe' }],
    guards: [],
  };
}

/** Of integers that float32 adds exactly: all are taken once, or the numbers of invocations are not as they are taken to be. */
function sumsOfIntegers(): Example {
  const lines = 16;
  const given = Float32Array.from({ length: lines * lineLength }, (_, i) => (i * 7919) % 1013);
  const result = Array.from({ length: lines }, (_, line) =>
    given.subarray(line * lineLength, (line + 1) * lineLength).reduce((a, b) => a + b, 0),
  );
  return { plan: sums(lines), given, result };
}
