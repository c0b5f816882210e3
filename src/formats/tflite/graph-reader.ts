// One subgraph: tensors and what stands for them, operator by operator. Graphs nested in it are read by readers of their own.
import { fail, ModelError } from '../../errors.ts';
import { Value } from '../../ir/graph.ts';
import { isFloat, isInteger } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { permuted } from '../../ops/sizing.ts';
import type { Problems } from '../problems.ts';
import { type Complex, complex, type Handle, isComplex } from '../tensorflow/handles.ts';
import type { Opened } from './container.ts';
import { callCustom } from './custom.ts';
import type { Flex } from './flex.ts';
import { complexRowOf } from './ops/complex.ts';
import { rowOf } from './ops/index.ts';
import { Call, unsupported } from './ops/row.ts';
import { optionsOf } from './options.ts';
import { fromPairs, imaginaryOf, pairsIn, partType, toPairs } from './pairs.ts';
import { dequantised, movedQuantization, quantised } from './quantization.ts';
import type { Operator, SubGraph } from './schema.gen.ts';
import type { TensorInfo } from './tensors.ts';
import type { Variables } from './variables.ts';

/** What all graphs of a model share. */
export interface Reading {
  readonly opened: Opened;
  /** The tensors of each subgraph. */
  readonly tensors: readonly (readonly TensorInfo[])[];
  /** Options of custom operators. */
  readonly customOptions: ReadonlyMap<Operator, Uint8Array>;
  readonly problems: Problems;
  readonly variables: Variables;
  /** Keep operators without a conversion as nodes of domains of their own; the domains that occurred. */
  readonly custom: Set<string> | undefined;
  /** What operators of TensorFlow compute, where the model has any. */
  readonly flex: Flex | undefined;
  /** Operators that may yet be read, those of a subgraph for each of its calls. */
  left: number;
}

/** A tensor in a graph: as it is stored, and on demand the numbers that it stands for. Operators of TensorFlow make lists of tensors too. */
export class Operand {
  readonly info: TensorInfo;
  /** What stands for it: a value, or a list or the parts of complex numbers. */
  readonly handle: Exclude<Handle, undefined>;
  readonly #reader: GraphReader;
  #raw: Value | undefined;
  #complex: Complex | undefined;
  #real: Value | undefined;
  /** Forms with axes in another order, so that operators that share a constant share them too. */
  readonly #permuted = new Map<string, Value>();

  constructor(info: TensorInfo, handle: Exclude<Handle, undefined>, reader: GraphReader) {
    this.info = info;
    this.handle = handle;
    this.#reader = reader;
    if (handle instanceof Value) this.#raw = handle;
  }

  /** @throws ModelError E2001 for a list */
  get raw(): Value {
    if (!this.#raw && !isComplex(this.handle)) throw unsupported('a list of tensors stands where a tensor is needed');
    this.#raw ??= toPairs(this.#reader.b, this.handle as Complex);
    return this.#raw;
  }

  /** The numbers, or the parts of complex ones. */
  complex(): Complex {
    const { b } = this.#reader;
    this.#complex ??= isComplex(this.handle) ? this.handle : partType(this.info.element) ? fromPairs(b, this.raw) : complex(this.real());
    return this.#complex;
  }
  /** Itself, or the real or the imaginary part of complex numbers. */
  part(part: 0 | 1): Operand {
    const element = partType(this.info.element);
    if (!element) return this;
    const z = this.complex();
    return new Operand({ ...this.info, element }, part === 0 ? z.real : imaginaryOf(this.#reader.b, z), this.#reader);
  }

  real(): Value {
    const { quantization: q } = this.info;
    if (!q) return this.raw;
    this.#real ??= dequantised(this.#reader.b, this.raw, q, this.#blocks());
    return this.#real;
  }

  /** The numbers with axes in another order; what is stored is moved, so that constants stay as small as they are. */
  permuted(perm: readonly number[]): Value {
    const known = this.#permuted.get(perm.join()) ?? this.#permute(perm);
    this.#permuted.set(perm.join(), known);
    return known;
  }

  #permute(perm: readonly number[]): Value {
    const { b } = this.#reader;
    const { quantization: q } = this.info;
    if (!q || q.kind === 'blocks') return permuted(b, this.real(), perm);
    return dequantised(b, permuted(b, this.raw, perm), movedQuantization(q, perm));
  }

  #blocks(): (Value | undefined)[] {
    const { quantization: q } = this.info;
    if (q?.kind !== 'blocks') return [];
    return [q.scales, q.zeroPoints].map(index => (index === undefined ? undefined : this.#reader.operand(index)!.raw));
  }
}

export class GraphReader {
  readonly b: Builder;
  readonly reading: Reading;
  readonly index: number;
  readonly #graph: SubGraph;
  readonly #tensors: readonly TensorInfo[];
  readonly #operands = new Map<number, Operand>();
  /** Outputs of operators that could not be converted. */
  readonly #lost = new Set<number>();
  /** The subgraphs that are being read, this one last. */
  readonly #path: readonly number[];

  constructor(reading: Reading, index: number, b: Builder = newBuilder(), path: readonly number[] = []) {
    const graph = reading.opened.model.subgraphs[index];
    if (!graph) throw fail('E1104', `subgraph ${index} does not exist, there are ${reading.opened.model.subgraphs.length}`);
    if (path.includes(index)) throw fail('E1108', `subgraph ${index} calls itself, through ${[...path, index].join(', ')}`);
    this.reading = reading;
    this.index = index;
    this.b = b;
    this.#graph = graph;
    this.#tensors = reading.tensors[index]!;
    this.#path = [...path, index];
  }

  get inputs(): readonly TensorInfo[] {
    return this.#graph.inputs.map(i => this.#tensors[i]!);
  }
  get outputs(): readonly TensorInfo[] {
    return this.#graph.outputs.map(i => this.#tensors[i]!);
  }
  /** Whether the graph is nested in another. */
  get isNested(): boolean {
    return this.#path.length > 1;
  }

  /** Say what stands for a tensor, as it is stored; undefined for what is lost. */
  bind(info: TensorInfo, handle: Handle): void {
    if (handle === undefined) this.#lost.add(info.index);
    else this.#operands.set(info.index, new Operand(info, handle, this));
  }

  /** Read every operator. What cannot be converted goes to the problems. */
  run(): void {
    for (const [i, operator] of this.#graph.operators.entries()) this.#operator(operator, i);
  }

  /** A tensor by its index; undefined for one that is left out or lost. */
  operand(index: number): Operand | undefined {
    if (index < 0 || this.#lost.has(index)) return undefined;
    const found = this.#operands.get(index);
    if (found) return found;
    const info = this.#tensors[index]!;
    const raw = this.#unproduced(info);
    if (!raw) throw fail('E1103', `the tensor ${index} ${info.name} is read before an operator makes it`, { tensor: info.name });
    this.bind(info, raw);
    return this.#operands.get(index);
  }

  /** Results of the graph. @throws ModelError E2001 for one that was lost */
  results(as: 'stored' | 'numbers' = 'stored'): Value[] {
    return this.#graph.outputs.map(index => {
      const operand = this.operand(index);
      if (!operand) throw fail('E2001', `the tensor ${this.#tensors[index]!.name} has no conversion`);
      return as === 'stored' ? operand.raw : operand.real();
    });
  }

  /** Results of the graph, lists among them; undefined for one that was lost. */
  handles(): Handle[] {
    return this.#graph.outputs.map(index => this.operand(index)?.handle);
  }
  /** Whether a subgraph gives an input back as it got it. */
  staysSame(index: number, place: number): boolean {
    const { inputs, outputs } = this.reading.opened.model.subgraphs[index]!;
    return inputs[place] === outputs[place];
  }

  /** A reader for another subgraph with its inputs bound: it makes nodes of its own, or with `b` those of this graph. */
  nested(index: number, inputs: readonly Handle[], b: Builder = newBuilder({ meta: this.b.meta })): GraphReader {
    const inner = new GraphReader(this.reading, index, b, this.#path);
    if (inner.inputs.length !== inputs.length)
      throw fail('E1302', `subgraph ${index} takes ${inner.inputs.length} inputs, it is given ${inputs.length}`);
    inner.inputs.forEach((info, i) => inner.bind(info, inputs[i]!));
    return inner;
  }

  /** Read another subgraph into this one's nodes; its results. */
  inline(index: number, inputs: readonly Handle[]): readonly Handle[] {
    const inner = this.nested(index, inputs, this.b);
    inner.run();
    return inner.handles();
  }

  /** The operators of a subgraph, by name. */
  operatorsOf(index: number): readonly string[] {
    const { model, operators } = this.reading.opened;
    return model.subgraphs[index]?.operators.map(o => operators[o.opcode_index]!.name) ?? [];
  }

  /** New content of a state that a kernel keeps. */
  update(info: TensorInfo, value: Value): void {
    if (info.isVariable) this.reading.variables.updateTensor(info, this.#asStored(value, info), this.isNested);
  }

  /** Constants, and states that kernels keep. */
  #unproduced(info: TensorInfo): Value | undefined {
    const { name, tensor, element, shape } = info;
    if (tensor) {
      // Whole numbers that are not quantised are sizes and places, which are computed with while reading.
      const isWeight = isFloat(tensor.type) || info.quantization !== undefined;
      return new Value(name, undefined, { tensor: pairsIn(tensor), parameter: isWeight });
    }
    if (info.isVariable) return this.reading.variables.tensor(info, this.isNested);
    if (element && shape?.includes(0) && shape.every(d => typeof d === 'number')) return this.b.constant(new Uint8Array(0), element, shape);
    return undefined;
  }

  #operator(operator: Operator, i: number): void {
    if (--this.reading.left < 0) throw fail('E1009', 'calls of subgraphs come to too many operators');
    const { opened, problems } = this.reading;
    const { name, isCustom } = opened.operators[operator.opcode_index]!;
    const place = `operator ${i} of subgraph ${this.index}`;
    const outputs = operator.outputs.map(index => this.#tensors[index]!);
    if (operator.inputs.some(index => this.#lost.has(index))) {
      for (const { index } of outputs) this.#lost.add(index);
      return;
    }
    const mark = this.b.nodes.length;
    try {
      const x = new Call(name, this, {
        operands: operator.inputs.map(index => this.operand(index)),
        outputs,
        intermediates: operator.intermediates.map(index => this.#tensors[index]),
        options: optionsOf(operator),
      });
      const row = isCustom ? undefined : x.isComplex ? complexRowOf(name) : rowOf(name);
      const made = row ? row(x, this.b) : callCustom(x, this.reading.customOptions.get(operator), this.reading.custom);
      this.#give(outputs, Array.isArray(made) ? made : [made], mark);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (!isUnsupported(error))
        throw error.within({ path: `subgraphs[${this.index}].operators[${i}]`, node: { op: name, name: outputs[0]?.name ?? '' } });
      this.b.nodes.length = mark;
      for (const finding of error.findings) problems.add(name, finding.message, { metadata: new Map([['source', place]]) });
      for (const { index } of outputs) this.#lost.add(index);
    }
  }

  /** Let results stand for tensors: in the types that the file says, under their names. */
  #give(outputs: readonly TensorInfo[], made: readonly Handle[], mark: number): void {
    const fresh = new Set(this.b.nodes.slice(mark));
    outputs.forEach((info, i) => {
      const value = made[i];
      if (!value) return;
      if (!(value instanceof Value)) {
        this.bind(info, value);
        return;
      }
      const raw = this.#asStored(value, info);
      if (raw.producer && (fresh.has(raw.producer) || this.b.nodes.indexOf(raw.producer, mark) >= 0)) raw.name = info.name;
      this.bind(info, raw);
    });
  }

  #asStored(value: Value, { element, quantization }: TensorInfo): Value {
    const made = value.element;
    if (!element || !made || made === element) return value;
    if (quantization && isFloat(made)) return quantised(this.b, value, quantization, element);
    const isNumber = isFloat(element) || isInteger(element) || element === 'bool';
    return isNumber ? this.b.Cast(value, element) : value;
  }
}

/** Whether an error says that something has no conversion, or has no type from which one could be made. */
const isUnsupported = (error: ModelError): boolean => ['E2001', 'E3004', 'E3009'].includes(error.code);
