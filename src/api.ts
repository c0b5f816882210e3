// The library's verbs over sources and models, for browsers and Node alike.
import { BlobSource, MemorySource, type Source } from './codec/source.ts';
import type { Half, Narrowed } from './edit/narrow.ts';
import { markNodes, type Whereabouts, whereabouts as whereaboutsOf } from './edit/provenance.ts';
import { type InputShapes, shapeBindings } from './edit/set-shapes.ts';
import { weightsOf } from './edit/weights.ts';
import { type Finding, fail, ModelError, warning } from './errors.ts';
import type { Backend } from './exec/backend.ts';
import { referenceBackend } from './exec/reference.ts';
import { Session as CoreSession, type RunOptions, type ValueInfo } from './exec/session.ts';
import type { Format, OutputFile, ReadOptions, Reference, TargetNames } from './formats/format.ts';
import { detect, formatNamed, formatOfName, writable } from './formats/index.ts';
import { readDatum } from './formats/onnx/index.ts';
import { type Datum, kindOfDatum } from './ir/datum.ts';
import type { Meta, Model } from './ir/graph.ts';
import { Tensor } from './ir/tensor.ts';
import { quoted } from './ir/text.ts';
import type { Weights } from './ir/weights.ts';
import { newestFor, type Runtime, runtimeNamed } from './opset/runtimes.ts';
import { retarget, target } from './opset/target.ts';
import { upgrade } from './opset/upgrade.ts';
import { rebuild } from './passes/rebuild.ts';
import { type Comparison, compareArrays, matchArrays, type Tolerance } from './validate/compare.ts';
import { compareData } from './validate/compare-data.ts';

export type Input = Source | Uint8Array | Blob;

export const toSource = (input: Input): Source =>
  input instanceof Uint8Array ? new MemorySource(input) : input instanceof Blob ? new BlobSource(input) : input;

export interface Loaded {
  readonly model: Model;
  readonly format: Format;
  /** Warnings: what is odd but does not stand in the way. */
  readonly findings: readonly Finding[];
}

/**
 * Read a model of any format that is known by its content.
 * @throws ModelError with every problem found
 */
export async function read(input: Input, options: ReadOptions = {}): Promise<Loaded> {
  const source = toSource(input);
  try {
    const { format, findings } = await detect(source);
    if (!format.read) throw fail('E1002', `${format.title} is not read here`);
    if (options.inputValues && !format.takesValues) throw fail('E4001', `inputs of a model of ${format.title} take no values`);
    const result = await format.read(source, options);
    const all = [...findings, ...result.findings].map(f => ({ ...f, file: f.file ?? source.name }));
    const errors = all.filter(f => f.severity === 'error');
    if (errors.length > 0) throw new ModelError(errors);
    return { model: result.model, format, findings: all };
  } catch (error) {
    if (error instanceof ModelError) throw error.within({ file: source.name });
    throw error;
  }
}

/** Read a model; the short form of `read`. */
export const load = async (input: Input, options: ReadOptions = {}): Promise<Model> => (await read(input, options)).model;

/**
 * Opens the data files of a model among files that somebody chose, for `read`: by the last part of their name, and nowhere else.
 * @throws ModelError E1402 from what it returns, where no file or more than one has the name
 */
export function openAmong(files: Iterable<Blob & { readonly name: string }>): NonNullable<ReadOptions['open']> {
  const chosen = [...files];
  return async location => {
    const name = location.split('/').at(-1)!;
    const found = chosen.filter(file => file.name === name);
    if (found.length === 1) return new BlobSource(found[0]!, name);
    throw fail('E1402', `the data is in ${quoted(name)}, and ${found.length} files of that name were chosen, expected 1`);
  };
}

export interface LoadedWeights extends Weights {
  /** What the file is, for people. */
  readonly title: string;
  readonly findings: readonly Finding[];
}

/**
 * The named tensors of a checkpoint (safetensors, PyTorch, NumPy) or of a model.
 * @throws ModelError with every problem found
 */
export async function readWeights(input: Input, options: ReadOptions = {}): Promise<LoadedWeights> {
  const source = toSource(input);
  try {
    // Readers of weights are many, and few commands need one.
    const { readWeights: weightsIn } = await import('./formats/weights/index.ts');
    const found = await weightsIn(source, options);
    if (found) return { ...found, title: found.format.title };
  } catch (error) {
    if (error instanceof ModelError) throw error.within({ file: source.name });
    throw error;
  }
  const { model, format, findings } = await read(source, options);
  return { ...weightsOf(model), title: format.title, findings };
}

export interface WriteModelOptions {
  /** A format's name; told from `name` otherwise. */
  readonly format?: string | undefined;
  /** The file name of the result. */
  readonly name: string;
  /** The opset to write, in formats that have one; for ONNX that of the source, else the lowest from 18 up that says the model exactly; operators newer than 22 are said by older ones. */
  readonly opset?: number | undefined;
  /** A runtime that is to read the result, such as `ort-1.20`: no newer opset than the one in which it has all of the model's operators is written. */
  readonly target?: string | undefined;
  /**
   * Fold what weights alone decide, such as batch normalisation after a convolution, and put transposes where they move the fewest
   * elements; not for models read from ONNX. On otherwise.
   */
  readonly fuse?: boolean | undefined;
  /** Keep weights in a second file, named `dataName`; as the source did otherwise. */
  readonly externalData?: boolean | undefined;
  readonly dataName?: string | undefined;
  /** The float type of weights and arithmetic in the place of float32. */
  readonly dtype?: Half | undefined;
  /** With `dtype`: inputs and outputs stay float32. */
  readonly keepIoTypes?: boolean | undefined;
  /** The model whose nodes and weights `whereabouts` are about: this one, or the one that `simplify` made it of. */
  readonly source?: Model | undefined;
}

export interface Written {
  readonly files: readonly OutputFile[];
  readonly format: Format;
  /** The model as it was written. */
  readonly model: Model;
  /** Warnings of what the format has no place for. */
  readonly findings: readonly Finding[];
  /** With `dtype`: what could not become that type. */
  readonly narrowed?: Pick<Narrowed, 'clamped' | 'kept'>;
  /** With `source`: what became of its nodes and weights. */
  readonly whereabouts?: Whereabouts;
}

/**
 * The files of a model in a format.
 * @throws ModelError E2003 for a format that cannot be written, E2004 with every node that the wanted opset cannot say
 */
export async function write(
  model: Model,
  { format: wanted, name, opset, target: runtime, fuse = true, dtype, keepIoTypes, source, ...options }: WriteModelOptions,
): Promise<Written> {
  const format = wanted === undefined ? formatOfName(name) : formatNamed(wanted);
  if (!format?.write) throw fail('E2003', `${format ? format.title : (wanted ?? name)} cannot be written; written are ${writable()}`);
  if (source) markNodes(source);
  const versions = format.spelling ? { opset, runtime: runtime === undefined ? undefined : runtimeNamed(runtime) } : {};
  const ready = await inOpset(model, { ...versions, fuse });
  const findings: Finding[] = [];
  const warn = (finding: Finding): void => void findings.push(finding);
  const named: { weights: [Tensor, string][]; nodes: [Meta, string][] } = { weights: [], nodes: [] };
  const names: TargetNames = { weight: (...entry) => void named.weights.push(entry), node: (...entry) => void named.nodes.push(entry) };
  const { model: made, ...narrowed } =
    dtype === undefined ? { model: ready } : await (await import('./edit/narrow.ts')).narrow(ready, { type: dtype, keepIoTypes });
  const reference = format.hasReference ? await storedNumbers(made, warn) : undefined;
  const files = await format.write(made, { name, ...options, ...(source && { names }), warn, reference });
  const whereabouts = source && (await whereaboutsOf(source, named, (await import('./formats/digest.ts')).contentDigest));
  return { format, model: made, files, findings, ...('kept' in narrowed && { narrowed }), ...(whereabouts && { whereabouts }) };
}

/** Inputs and outputs that are written beside a model. */
async function storedNumbers(model: Model, warn: (finding: Finding) => void): Promise<Reference | undefined> {
  const { referenceOf } = await import('./validate/reference.ts');
  const made = await referenceOf(model);
  if (!('reason' in made)) return made;
  warn(warning('E2009', `no inputs and outputs are written to compare with: ${made.reason}`));
  return undefined;
}

interface Wanted {
  readonly opset?: number | undefined;
  readonly runtime?: Runtime | undefined;
  readonly fuse: boolean;
}

/** The model in the opset it is written in. */
async function inOpset(model: Model, { opset, runtime, fuse }: Wanted): Promise<Model> {
  const atMost = runtime && newestFor(runtime, model);
  if (opset !== undefined && atMost !== undefined && opset > atMost)
    throw fail('E4001', `opset ${opset} is newer than ${atMost}, the newest in which the target reads this model`);
  const isKept = isFromOnnx(model);
  const own = model.opsets.get('') ?? 1;
  const wanted = opset ?? (isKept ? Math.min(own, atMost ?? own) : undefined);
  if (isKept && wanted === own && model.irVersion <= (runtime?.irVersion ?? Infinity)) return model;
  const copy = upgrade(model);
  if (fuse && !isKept) {
    const [{ settleLayout }, { fuse: fuseWeights }] = await Promise.all([import('./passes/layout/index.ts'), import('./passes/fuse.ts')]);
    settleLayout(copy.graph);
    fuseWeights(copy.graph);
  }
  target(copy, wanted, { atMost, had: model.opsets });
  return copy;
}

/** Whether the model was read from an ONNX file, whose opset is kept; others are in the newest opset until they are written. */
const isFromOnnx = (model: Model): boolean => model.meta.at !== undefined;

/**
 * A copy of the model with other input shapes, its graph upgraded and every type inferred again, so that what sizes decide is folded;
 * `setShapes` keeps the graph. An ONNX file's opset is kept, or the next that can say it.
 * @throws ModelError E3001 for names that are no inputs, E3003 for shapes of another rank than declared
 */
export function withInputShapes(model: Model, shapes: InputShapes): Model {
  const bindings = shapeBindings(model, shapes);
  const copy = upgrade(model);
  const renamed = new Map(copy.graph.inputs.map((v, i) => [model.graph.inputs[i]!, v]));
  copy.graph = rebuild(copy.graph, new Map([...bindings].map(([v, type]) => [renamed.get(v)!, type])));
  if (isFromOnnx(model)) retarget(copy, model);
  return copy;
}

export interface SessionOptions {
  /** A backend; the reference backend, which runs everywhere, otherwise. */
  readonly backend?: Backend | undefined;
  readonly optimize?: boolean;
}

/** A model ready to run. Names follow onnxruntime's JavaScript API. */
export const Session = {
  /**
   * @param input a model, or bytes of one
   * @throws ModelError what reading throws, and E3008 where the backend is not available
   */
  async create(input: Model | Input, { backend = referenceBackend(), optimize = true }: SessionOptions = {}): Promise<CoreSession> {
    const model = 'graph' in input ? input : await load(input);
    return CoreSession.create(model, { backend, optimize });
  },
};
export type Session = CoreSession;

export interface CompareOptions extends SessionOptions {
  readonly tolerance?: Tolerance;
}

/** Run a model and compare its outputs with references, matched by name, or by order where no name fits. */
export async function compare(
  input: Model | Input,
  inputs: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
  { tolerance, ...options }: CompareOptions = {},
): Promise<Comparison[]> {
  const session = await Session.create(input, options);
  const { arrays } = matchArrays(inputs, session.inputsFor(Object.keys(inputs)), 'input');
  const comparisons = compareArrays(await session.run(arrays), expected, tolerance);
  await session.dispose();
  return comparisons;
}

/** Inputs and expected outputs of one run, each in a file of its own, in the order of the model. */
export interface DataSet {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly outputs: readonly Input[];
}

export interface DataSetResult {
  readonly name: string;
  readonly ok: boolean;
  readonly outputs: readonly Comparison[];
}

/**
 * Run a model on data sets of the standard's form and compare its outputs. A file that names an input is for that one, others go by
 * their order.
 * @throws ModelError E3001 for files beyond the inputs or outputs of the model, and what reading and running throw
 */
export async function checkData(
  input: Model | Input,
  sets: readonly DataSet[],
  { tolerance, run = {}, ...options }: CompareOptions & { readonly run?: RunOptions } = {},
): Promise<DataSetResult[]> {
  const session = await Session.create(input, options);
  const results: DataSetResult[] = [];
  try {
    for (const set of sets) results.push({ name: set.name, ...(await checkSet(session, set, run, tolerance)) });
  } finally {
    await session.dispose();
  }
  return results;
}

async function checkSet(
  session: CoreSession,
  { inputs, outputs }: DataSet,
  run: RunOptions,
  tolerance: Tolerance | undefined,
): Promise<Pick<DataSetResult, 'ok' | 'outputs'>> {
  const feeds = await named(inputs, session.inputs, 'input');
  const made = await session.evaluate(feeds, run);
  const expected = await named(outputs, session.outputs, 'output');
  const comparisons = Object.entries(expected).flatMap(([name, want]) => compareData(name, made[name], want, tolerance));
  return { ok: comparisons.every(c => c.ok), outputs: comparisons };
}

/**
 * The inputs of a data set by their names.
 * @throws ModelError E3001 for files beyond the inputs, E3002 for what is no tensor, and what reading throws
 */
export async function readInputs({ inputs }: DataSet, ports: readonly ValueInfo[]): Promise<Record<string, Tensor>> {
  const data = await named(inputs, ports, 'input');
  const odd = Object.entries(data).find(([, datum]) => !(datum instanceof Tensor));
  if (odd) throw fail('E3002', `input ${odd[0]} is ${kindOfDatum(odd[1])}, expected a tensor`);
  // The cast: nothing else was left.
  return data as Record<string, Tensor>;
}

/** The values of files by the names of what they are for. Errors: E3001. */
async function named(files: readonly Input[], ports: readonly ValueInfo[], what: string): Promise<Record<string, Datum>> {
  if (files.length > ports.length) throw fail('E3001', `${files.length} files for ${ports.length} ${what}s`);
  const data: [string, Datum][] = [];
  for (const [i, file] of files.entries()) {
    const { name, datum } = await readDatum(toSource(file), ports[i]!.type);
    data.push([ports.some(port => port.name === name) ? name : ports[i]!.name, datum]);
  }
  return Object.fromEntries(data);
}
