// Runs in the page: one model on one engine, timed. The engines are loaded by the page's own scripts.
import { load, loadArraysOf, Session, type Tensor, webgpuBackend } from './library.ts';

export interface Timed {
  /** Milliseconds: until the first result, and the runs after it. */
  readonly first: number;
  readonly runs: readonly number[];
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
    data = await run();
    times.push(performance.now() - start);
  }
  return { first, runs: times, head: Array.from({ length: 4 }, (_, i) => data[i]!) };
}

const bytesAt = async (path: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(path)).arrayBuffer());

async function omnix(name: string, runs: number): Promise<Timed> {
  const [model, feeds] = [await bytesAt(`/models/${name}.onnx`), await loadArraysOf(await bytesAt(`/models/${name}.npz`))];
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
  const started = performance.now();
  const session = await engine.InferenceSession.create(model, { executionProviders: ['webgpu'] });
  const [output] = session.outputNames;
  const timed = await time(runs, async () => (await session.run(feeds))[output!]!.data, started);
  await session.release();
  return timed;
}

Object.assign(globalThis, { bench: { omnix, ort } });
