// ONNX Runtime as another engine to measure beside: onnxruntime-node, where it is installed.
import { write } from '../src/api.ts';
import { fail } from '../src/errors.ts';
import { bytesOfFile } from '../src/formats/format.ts';
import type { Model } from '../src/ir/graph.ts';
import type { Arrays } from './arrays.ts';

/** What can run a model. */
export interface Engine {
  run(feeds: Arrays): Promise<unknown>;
  dispose(): Promise<void>;
}

/** As far as it is used here. */
interface Runtime {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options: object): Promise<{ run(feeds: object): Promise<object>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => object;
}

/** The model in ONNX Runtime. Errors: E3008 it is not installed, and what writing ONNX throws. */
export async function onnxRuntime(model: Model, threads: number | undefined): Promise<Engine> {
  const { InferenceSession, Tensor: RuntimeTensor } = await load();
  const bytes = await onnxBytes(model);
  const session = await InferenceSession.create(bytes, {
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    logSeverityLevel: 3,
  });
  const feedsOf = (feeds: Arrays): object =>
    Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, new RuntimeTensor(t.type, t.data, t.dims)]));
  return {
    // Its tensors are views of the arrays, so that making them anew costs no run anything.
    run: feeds => session.run(feedsOf(feeds)),
    dispose: () => session.release(),
  };
}

async function load(): Promise<Runtime> {
  // The name is not known to the compiler, as the package need not be there.
  const name = 'onnxruntime-node';
  try {
    const module = (await import(name)) as { readonly default?: Runtime } & Runtime;
    return module.default ?? module;
  } catch (cause) {
    throw fail('E3008', 'onnxruntime-node is not installed', { hint: 'npm install onnxruntime-node' }, { cause });
  }
}

async function onnxBytes(model: Model): Promise<Uint8Array> {
  const { files } = await write(model, { name: 'model.onnx', externalData: false });
  const parts: Uint8Array[] = [];
  for await (const part of bytesOfFile(files.at(-1)!)) parts.push(part.slice());
  const bytes = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
