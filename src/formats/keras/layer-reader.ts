// Calls of layers, one by one: the row of the class, masks, variables, models inside of models, and what cannot be converted.
import { type Finding, fail, ModelError } from '../../errors.ts';
import { type Meta, Value } from '../../ir/graph.ts';
import { tensorType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import type { Problems } from '../problems.ts';
import { gaps, operationGaps } from './gaps.ts';
import { layerRow } from './layers/index.ts';
import { type Arguments, KerasTensor, LayerCall, type LayerRow, type Made, tensorOf } from './layers/row.ts';
import { Lost, ModelReader } from './model-reader.ts';
import { operationRow } from './ops/index.ts';
import { isModel, type LayerSpec, modelOf } from './structure.ts';
import type { Place, Stored } from './weights.ts';

/** What all models of a file share. */
export interface Reading {
  readonly b: Builder;
  readonly file: string;
  /** The first number of the version of Keras that wrote the file. */
  readonly version: number;
  readonly problems: Problems;
  /** Variables that are missing or of other sizes. */
  readonly findings: Finding[];
}

/** How deep models and wrapped layers may nest. */
const deepest = 64;

export class LayerReader {
  readonly reading: Reading;
  readonly #parameters = new Map<Stored, Value>();
  #depth = 0;

  constructor(reading: Reading) {
    this.reading = reading;
  }

  get b(): Builder {
    return this.reading.b;
  }

  /** Call a layer or a model. @throws ModelError E2001 where it has no conversion */
  call(spec: LayerSpec, place: Place, path: string, given: Arguments): readonly KerasTensor[] {
    if (++this.#depth > deepest)
      throw fail('E1008', `layers are nested deeper than ${deepest}`, { limit: { name: 'keras.depth', value: deepest } });
    try {
      if (isModel(spec)) return new ModelReader(modelOf(spec), place, this, path).call(given.args[0]);
      return this.#layer(spec, place, path, given);
    } finally {
      this.#depth--;
    }
  }

  /** The same for a layer that another one holds: what it lacks is said of both. */
  inner(spec: LayerSpec, place: Place, path: string, given: Arguments): readonly KerasTensor[] {
    try {
      return this.call(spec, place, path, given);
    } catch (error) {
      if (!(error instanceof ModelError) || error.code !== 'E2001') throw error;
      throw fail('E2001', `${spec.className} ${JSON.stringify(spec.name.slice(0, 100))} in it: ${error.findings[0]!.message}`);
    }
  }

  #layer(spec: LayerSpec, place: Place, path: string, given: Arguments): readonly KerasTensor[] {
    const row = rowOf(spec);
    const x = new LayerCall(spec, place, this, path, given);
    const made = madeOf(row.build(x, this.b));
    return made.map((tensor, i) => (i === 0 && !tensor.mask ? new KerasTensor(tensor.value, this.#mask(row, x)) : tensor));
  }

  #mask({ mask }: LayerRow, x: LayerCall): Value | undefined {
    if (mask === 'lost') return undefined;
    return mask === 'kept' ? x.mask : mask(x, this.b);
  }

  /** Whether any layer reads a variable. */
  isRead(stored: Stored): boolean {
    return this.#parameters.has(stored);
  }

  /** The value of a variable; every call of the layer reads the same. */
  parameter(stored: Stored | undefined, name: string, dims: readonly (number | undefined)[]): Value {
    const known = stored && this.#parameters.get(stored);
    if (known) return known;
    const sizes = dims.map(d => d ?? '?').join(',');
    if (!stored) this.#wrong('E1013', `the file has no ${name}[${sizes}]`, name);
    else if (stored.dims.length !== dims.length || dims.some((d, i) => d !== undefined && d !== stored.dims[i]))
      this.#wrong('E1305', `${name} has the sizes [${stored.dims}], the layer expects [${sizes}]`, name);
    else return this.#made(stored, new Value(name, undefined, { tensor: stored.tensor(), parameter: true }));
    // What the layer expects stands in its place, so that the layers behind it are looked at too.
    if (!dims.every(d => d !== undefined)) throw new Lost();
    return this.#made(stored, new Value(name, tensorType('float32', dims)));
  }
  #made(stored: Stored | undefined, value: Value): Value {
    if (stored) this.#parameters.set(stored, value);
    return value;
  }
  #wrong(code: 'E1013' | 'E1305', message: string, tensor: string): void {
    const { findings, file } = this.reading;
    if (findings.length < 1000) findings.push({ code, severity: 'error', message, file, tensor });
  }

  /** `run`, or what is wrong with it noted: of what could not be converted nothing stays. */
  attempt(spec: LayerSpec, run: () => readonly KerasTensor[]): readonly KerasTensor[] | undefined {
    const mark = this.b.nodes.length;
    try {
      return run();
    } catch (error) {
      this.b.nodes.length = mark;
      if (error instanceof Lost) return undefined;
      if (!(error instanceof ModelError)) throw error;
      if (!isUnsupported(error)) throw error.within({ node: { op: spec.className, name: spec.name } });
      for (const finding of error.findings) this.reading.problems.add(titleOf(spec), finding.message, metaOf(spec));
      return undefined;
    }
  }

  /** That a layer which cannot be called, as its inputs are lost, has no conversion either. */
  requireRow(spec: LayerSpec): void {
    if (!isModel(spec))
      this.attempt(spec, () => {
        rowOf(spec);
        return [];
      });
  }
}

const isUnsupported = (error: ModelError): boolean => ['E2001', 'E3004', 'E3009'].includes(error.code);
const titleOf = ({ className, registered }: LayerSpec): string => (registered?.includes('>') ? registered : className);
const metaOf = ({ name }: LayerSpec): Meta => ({ metadata: new Map([['node', name]]) });

const madeOf = (made: Made): KerasTensor[] =>
  (Array.isArray(made)
    ? (made as readonly (Value | KerasTensor | undefined)[]).filter(x => x !== undefined)
    : [made as Value | KerasTensor]
  ).map(tensorOf);

const reasons: Readonly<Record<string, string>> = { ...operationGaps, ...gaps };

const ownModules = /^(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras|keras_core)(\.|$)/;

/** @throws ModelError E2001 for classes without a row, and for those of users, whatever they are called */
function rowOf({ className, module, registered, config }: LayerSpec): LayerRow {
  if (className === 'Lambda')
    throw fail(
      'E2001',
      'code inside a Lambda layer is never executed; save the model with layers or keras.ops in its place, or pass its SavedModel',
    );
  const isOwn = (module === undefined || ownModules.test(module)) && (registered === undefined || !registered.includes('>'));
  const isOperation = module?.startsWith('keras.src.ops') || module?.startsWith('keras.ops') || module?.startsWith('keras.src.activations');
  const row = isOwn ? (isOperation ? operationRow(className) : (layerRow(className) ?? operationRow(className))) : undefined;
  if (row) return row;
  if (['TFOpLambda', 'SlicingOpLambda', 'TensorFlowOpLayer'].includes(className))
    throw fail(
      'E2001',
      `the TensorFlow operation ${String(config.find('function') ?? config.find('name') ?? '')} of Keras 2 has no conversion; pass the SavedModel of the model`,
    );
  throw fail(
    'E2001',
    isOwn
      ? Object.hasOwn(reasons, className)
        ? `no conversion: ${reasons[className]}`
        : 'no conversion'
      : 'a class of its own, whose code the file does not hold; pass the SavedModel of the model (Model.export)',
  );
}
