// Runs in the page: one model on one engine, timed. The engines are loaded by the page's own scripts.
import { load, loadArraysOf, Session, type Tensor, webgpuBackend } from './library.ts';

/** What an engine asks of WebGPU, counted where it asks. */
class Meter {
  dispatches = 0;
  pipelines = 0;
  bytes = 0;
  peak = 0;

  constructor() {
    const meter = this;
    const counted = (prototype: object, name: string, count: (args: readonly unknown[], made: unknown) => void): void => {
      const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
      Reflect.set(prototype, name, function (this: unknown, ...args: unknown[]) {
        const made = original.apply(this, args);
        count(args, made);
        return made;
      });
    };
    const sizes = new WeakMap<object, number>();
    counted(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', () => meter.dispatches++);
    counted(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', () => meter.dispatches++);
    counted(GPUDevice.prototype, 'createComputePipeline', () => meter.pipelines++);
    counted(GPUDevice.prototype, 'createComputePipelineAsync', () => meter.pipelines++);
    counted(GPUDevice.prototype, 'createBuffer', (_, made) => {
      const { size } = made as GPUBuffer;
      sizes.set(made as GPUBuffer, size);
      meter.bytes += size;
      meter.peak = Math.max(meter.peak, meter.bytes);
    });
    const destroy = GPUBuffer.prototype.destroy;
    GPUBuffer.prototype.destroy = function (this: GPUBuffer) {
      meter.bytes -= sizes.get(this) ?? 0;
      sizes.delete(this);
      return destroy.call(this);
    };
  }

  /** Buffers that were never destroyed belong to the engine before. */
  restart(): void {
    [this.dispatches, this.pipelines, this.bytes, this.peak] = [0, 0, 0, 0];
  }
}
const meter = new Meter();

export interface Timed {
  /** Milliseconds: until the first result, and the runs after it. */
  readonly first: number;
  readonly runs: readonly number[];
  /** Of one run. */
  readonly dispatches: number;
  readonly pipelines: number;
  /** Bytes of all buffers that there were at one time. */
  readonly peak: number;
  /** The first output's first elements, to see that both compute the same. */
  readonly head: readonly number[];
}

interface OrtTensor {
  readonly data: ArrayLike<number>;
}
interface Ort {
  readonly env: { readonly wasm: { wasmPaths?: string; numThreads?: number } };
  readonly InferenceSession: {
    create(
      bytes: Uint8Array,
      options: object,
    ): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: object): Promise<Record<string, OrtTensor>>;
      release(): Promise<void>;
    }>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => object;
}

async function time(runs: number, run: () => Promise<ArrayLike<number>>, started: number): Promise<Timed> {
  let data = await run();
  const first = performance.now() - started;
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    meter.dispatches = 0;
    data = await run();
    times.push(performance.now() - start);
  }
  const { dispatches, pipelines, peak } = meter;
  return { first, runs: times, dispatches, pipelines, peak, head: Array.from({ length: 4 }, (_, i) => data[i]!) };
}

const bytesAt = async (path: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(path)).arrayBuffer());

async function omnix(name: string, runs: number): Promise<Timed> {
  const [model, feeds] = [await bytesAt(`/models/${name}.onnx`), await loadArraysOf(await bytesAt(`/models/${name}.npz`))];
  meter.restart();
  const started = performance.now();
  const session = await Session.create(await load(model), { backend: webgpuBackend() });
  const [output] = session.outputNames;
  const timed = await time(runs, async () => (await session.run(feeds))[output!]!.data as Float32Array, started);
  await session.dispose();
  return timed;
}

async function ort(name: string, runs: number): Promise<Timed> {
  const engine = (await import('/ort/ort.webgpu.bundle.min.mjs' as string)) as Ort;
  engine.env.wasm.wasmPaths = '/ort/';
  const [model, arrays] = [await bytesAt(`/models/${name}.onnx`), await loadArraysOf(await bytesAt(`/models/${name}.npz`))];
  const feeds = Object.fromEntries(
    Object.entries(arrays as Record<string, Tensor>).map(([key, t]) => [key, new engine.Tensor(t.type, t.data, t.dims)]),
  );
  meter.restart();
  const started = performance.now();
  const session = await engine.InferenceSession.create(model, { executionProviders: ['webgpu'] });
  const [output] = session.outputNames;
  const timed = await time(runs, async () => (await session.run(feeds))[output!]!.data, started);
  await session.release();
  return timed;
}

Object.assign(globalThis, { bench: { omnix, ort } });
