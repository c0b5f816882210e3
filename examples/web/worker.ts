// Everything that takes time: reading, converting and running a model, off the page's thread. Files are read by ranges where they lie.
import {
  allNodes,
  BlobSource,
  bytesOfFile,
  compareTensors,
  constantsOf,
  type Finding,
  formatOfName,
  formats,
  formatType,
  type Model,
  ModelError,
  mainFiles,
  matchArrays,
  openAmong,
  randomArrays,
  read,
  readArrays,
  referenceBackend,
  Session,
  type Tensor,
  webgpuBackend,
  write,
  writeArrays,
} from 'omnix/browser';
import type { Converted, Layer, OutputFacts, Problem, Ran, Reply, Request, RunWish, Summary, Verb, Verbs } from './protocol.ts';

interface Page {
  postMessage(reply: Reply): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}
const page = self as unknown as Page;

let current: { readonly model: Model; readonly name: string } | undefined;
const webgpu = webgpuBackend();

type Tell = (text: string, fraction?: number) => void;

const verbs: { readonly [V in Verb]: (tell: Tell, ...args: Parameters<Verbs[V]>) => Promise<ReturnType<Verbs[V]>> } = {
  open,
  layers: async () => layersOf(model()),
  convert,
  run,
  webgpu: () => webgpu.available(),
};

page.onmessage = async ({ data: { id, verb, args } }) => {
  let told = 0;
  const tell: Tell = (text, fraction) => {
    if (performance.now() - told < 80) return;
    told = performance.now();
    page.postMessage({ id, kind: 'progress', text, ...(fraction !== undefined && { fraction }) });
  };
  try {
    const result = await (verbs[verb] as (tell: Tell, ...args: unknown[]) => Promise<unknown>)(tell, ...args);
    page.postMessage({ id, kind: 'done', result });
  } catch (error) {
    page.postMessage({ id, kind: 'failed', problems: problemsOf(error) });
  }
};

function problemsOf(error: unknown): Problem[] {
  if (error instanceof ModelError) return error.findings.map(problemOf);
  return [{ code: 'E9001', message: error instanceof Error ? error.message : String(error), place: 'a defect of omnix' }];
}

function problemOf({ code, message, file, offset, node, tensor }: Finding): Problem {
  const place = [
    file,
    offset !== undefined && `byte ${offset}`,
    node && `node ${[node.op, node.name].filter(Boolean).join(' ')}`,
    tensor && `tensor ${tensor}`,
  ].filter(Boolean);
  return { code, message, place: place.join(', ') };
}

function model(): Model {
  if (!current) throw new Error('no model is open');
  return current.model;
}

/** Which of some files is the model: one that stands for its folder, one whose name is a model's, or the only one. */
function mainOf(files: readonly File[]): File {
  const byMain = mainFiles().flatMap(name => files.filter(f => f.name === name));
  return byMain[0] ?? files.find(f => formatOfName(f.name) !== undefined) ?? files[0]!;
}

async function open(tell: Tell, files: readonly File[]): Promise<Summary> {
  const main = mainOf(files);
  tell(`reading ${main.name}`);
  const { model, format, findings } = await read(new BlobSource(main, main.name), { open: openAmong(files.filter(f => f !== main)) });
  current = { model, name: main.name };
  const tensors = constantsOf(model.graph).flatMap(v => v.tensor ?? v.sparse?.values ?? []);
  const nodes = [...allNodes(model.graph)];
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(node.qualifiedName, (counts.get(node.qualifiedName) ?? 0) + 1);
  return {
    file: main.name,
    format: format.title,
    bytes: files.reduce((n, f) => n + f.size, 0),
    files: files.length,
    producer: [model.producer.name, model.producer.version].filter(Boolean).join(' '),
    opsets: format.spelling ? [...model.opsets].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`) : [],
    inputs: model.graph.inputs.filter(v => !v.tensor).map(v => ({ name: v.name, type: formatType(v.type) })),
    outputs: model.graph.outputs.map(o => ({ name: o.name, type: formatType(o.type ?? o.value.type) })),
    nodes: nodes.length,
    parameters: tensors.reduce((n, t) => n + t.size, 0),
    weightBytes: tensors.reduce((n, t) => n + t.byteLength, 0),
    operators: [...counts].map(([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
    targets: formats.filter(f => f.write && !f.isFolder).map(f => ({ name: f.name, title: f.title, extension: f.extensions[0] ?? '' })),
    warnings: findings.map(problemOf),
  };
}

function layersOf({ graph }: Model): Layer[] {
  const numbers = new Map(graph.nodes.map((node, i) => [node, i] as const));
  return graph.nodes.map(node => {
    const reads = node.inputs.flatMap(v => (v?.producer && numbers.has(v.producer) ? [numbers.get(v.producer)!] : []));
    return {
      op: node.qualifiedName,
      name: node.name,
      outputs: node.outputs.flatMap(v => (v ? [formatType(v.type)] : [])),
      parameters: node.inputs.reduce((n, v) => n + (v?.tensor?.size ?? 0), 0),
      reads: [...new Set(reads)],
    };
  });
}

async function convert(tell: Tell, target: string, dtype: '' | 'float16' | 'bfloat16'): Promise<Converted> {
  const extension = formats.find(f => f.name === target)?.extensions[0] ?? '';
  const base = current?.name.replace(/\.[^.]+$/, '') ?? 'model';
  const made = await write(model(), {
    format: target,
    name: `${base}${extension}`,
    externalData: false,
    ...(dtype && { dtype }),
  });
  const files = [];
  for (const file of made.files) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    for await (const bytes of bytesOfFile(file)) {
      parts.push(bytes as Uint8Array<ArrayBuffer>);
      done += bytes.length;
      tell(`writing ${file.name}`, done / file.length);
    }
    files.push({ name: file.name, blob: new Blob(parts) });
  }
  return { files, warnings: made.findings.map(problemOf) };
}

async function run(tell: Tell, { backend, inputs, expected, size }: RunWish): Promise<Ran> {
  const started = performance.now();
  tell('preparing');
  const session = await Session.create(model(), { backend: backend === 'webgpu' ? webgpu : referenceBackend() });
  try {
    const given = inputs && (await readArrays(new BlobSource(inputs, inputs.name)));
    const feeds = given
      ? matchArrays(given, session.inputsFor(Object.keys(given)), 'input').arrays
      : randomArrays(session.inputs, { size });
    const prepared = performance.now();
    const onProgress = ({ step, steps, label }: { step: number; steps: number; label: string }): void => tell(label, step / steps);
    await session.run(feeds, { onProgress });
    const first = performance.now();
    const made = await session.run(feeds, { onProgress });
    const second = performance.now();
    const want = expected && (await readArrays(new BlobSource(expected, expected.name)));
    const references = want && matchArrays(want, session.outputNames, 'output').arrays;
    return {
      backend,
      prepare: prepared - started,
      first: first - prepared,
      second: second - first,
      outputs: Object.entries(made).map(([name, t]) => factsOf(name, t, references?.[name])),
      arrays: await blobOf(writeArrays(made)),
      unmatched: want ? Object.keys(want).filter(name => !Object.values(references!).includes(want[name]!)) : [],
    };
  } finally {
    await session.dispose();
  }
}

async function blobOf(chunks: AsyncIterable<Uint8Array>): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of chunks) parts.push(chunk as Uint8Array<ArrayBuffer>);
  return new Blob(parts);
}

const shortText = (x: number | bigint | string): string => (typeof x === 'number' && !Number.isInteger(x) ? x.toPrecision(4) : String(x));

function factsOf(name: string, tensor: Tensor, want: Tensor | undefined): OutputFacts {
  const elements = tensor.data as ArrayLike<number | bigint | string>;
  let [min, max, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let i = 0; i < elements.length; i++) {
    const x = Number(elements[i]);
    if (x < min) min = x;
    if (x > max) max = x;
    sum += x;
  }
  const compared = want && compareTensors(name, tensor, want);
  return {
    name,
    type: `${tensor.type}[${tensor.dims.join(',')}]`,
    min,
    max,
    mean: sum / elements.length,
    head: Array.from({ length: Math.min(6, elements.length) }, (_, i) => shortText(elements[i]!)),
    ...(compared && {
      comparison: {
        ok: compared.ok,
        maxAbs: compared.maxAbs,
        maxRel: compared.maxRel,
        ...(compared.reason && { reason: compared.reason }),
      },
    }),
  };
}
