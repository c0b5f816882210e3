// One graph of an exported program: names and what they stand for, node by node. Graphs nested in it are read by readers of their own.
import { fail, ModelError } from '../../errors.ts';
import { type Dim, isUnknownDim, sameDim } from '../../ir/dims.ts';
import type { Meta, Value } from '../../ir/graph.ts';
import { formatType, type TensorType, tensorType } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { isRowMajor } from '../../ops/sizing.ts';
import type { Problems } from '../problems.ts';
import { decodeArgument } from './arguments.ts';
import { sizeQueries } from './aten/gaps.ts';
import { assertions, atenRow } from './aten/index.ts';
import { isScalar, type Scalar, Symbolic } from './aten/row.ts';
import { callAten, type Operand } from './calls.ts';
import { callCustom } from './custom.ts';
import { higherOrder } from './higher.ts';
import type { Cursor } from './json.ts';
import { TensorRef } from './memory.ts';
import { computeNumber, numberOperation, numberValue } from './numbers.ts';
import { elementOfCode, readSize } from './sizes.ts';

/** What all graphs of a program share. */
export interface Reading {
  readonly problems: Problems;
  /** What is said of each node, in order. */
  readonly nodes: Meta[];
  /** Keep operators without a conversion as nodes of domains of their own; the domains that occurred. */
  readonly custom: Set<string> | undefined;
  /** Names of all nodes so far. */
  readonly nodeNames: Set<string>;
}

/** Names of a node that could not be converted, with why if that is yet to be reported. */
interface Lost {
  readonly why?: { readonly target: string; readonly message: string; readonly meta: Meta };
}

export class GraphReader {
  readonly b: Builder;
  readonly reading: Reading;
  readonly #graph: Cursor;
  readonly #names = new Map<string, Operand>();
  readonly #lost = new Map<string, Lost>();

  constructor(graph: Cursor, reading: Reading, b: Builder = newBuilder()) {
    this.#graph = graph;
    this.reading = reading;
    this.b = b;
  }

  /** Read every node. What cannot be converted goes to the problems. */
  run(): void {
    for (const node of this.#graph.get('nodes').items) this.#node(node);
  }

  /** The arguments and results of the graph itself. */
  get inputs(): readonly Cursor[] {
    return this.#graph.get('inputs').items;
  }
  get outputs(): readonly Cursor[] {
    return this.#graph.get('outputs').items;
  }

  bind(name: string, operand: Operand): void {
    this.#names.set(name, operand);
  }

  /** The same for the name in an argument of the graph. */
  bindArgument(arg: Cursor, operand: Operand): void {
    const name = nameOfArgument(arg);
    if (name !== undefined) this.bind(name, operand);
  }

  /** What a name stands for. */
  named(name: string, at: Cursor): Operand {
    if (this.#names.has(name)) return this.#names.get(name);
    const lost = this.#lost.get(name);
    if (lost) throw fail('E2001', lost.why ? `${lost.why.target}: ${lost.why.message}` : `${name} has no conversion`, { path: at.path });
    const later = this.#graph.get('nodes').items.find(node => node.get('outputs').items.flatMap(namesOf).includes(name));
    if (later) throw fail('E1103', `${at.path}: ${name} is read before ${later.path} makes it`, { path: at.path });
    throw fail('E1104', `${at.path}: nothing produces ${name}`, { path: at.path });
  }

  operand(arg: Cursor): Operand {
    return decodeArgument(arg, (name, at) => this.named(name, at));
  }

  /** A tensor or number as one value; numbers are scalars. */
  value(arg: Cursor): Value {
    const operand = this.operand(arg);
    if (operand instanceof TensorRef) return operand.read(this.b);
    if (isScalar(operand as Scalar)) return this.b.Squeeze(numberValue(operand as Scalar, this.b, typeOfNumber(operand as Scalar)), [0]);
    throw fail('E2001', `a ${arg.union().tag} cannot be a tensor`);
  }

  /** The type that the program states for a name. */
  declared(name: string): TensorType | undefined {
    const meta = this.#graph.get('tensor_values').find(name);
    return meta && tensorType(elementOfCode(meta.get('dtype')), meta.get('sizes').items.map(readSize));
  }

  /** The size that the program states for a symbolic integer. */
  declaredSize(name: string): Dim | undefined {
    const size = this.#graph.find('sym_int_values')?.find(name);
    return size && readSize(size);
  }

  /** A reader for a graph that is nested in this one: it sees the operands that it is given, and makes nodes of its own. */
  nested(graph: Cursor, operands: readonly Operand[], b: Builder = newBuilder({ meta: this.b.meta })): GraphReader {
    const inner = new GraphReader(graph, this.reading, b);
    inner.inputs.forEach((input, i) => {
      if (i < operands.length) inner.bindArgument(input, operands[i]);
    });
    return inner;
  }

  /** Read a graph into this one's nodes; its results. */
  inline(graph: Cursor, operands: readonly Operand[]): readonly Operand[] {
    const inner = this.nested(graph, operands, this.b);
    inner.run();
    return inner.outputs.map(output => inner.operand(output));
  }

  #node(node: Cursor): void {
    const target = node.get('target').text;
    const outputs = node.get('outputs').items;
    const meta = metaOf(node, target, outputs.flatMap(namesOf)[0] ?? '');
    this.reading.nodes.push(meta);
    this.b.meta = meta;
    try {
      if (this.#readsLost(node, target, meta)) this.#lose(outputs);
      else this.#call(target, node, outputs);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      const names = outputs.flatMap(namesOf);
      if (error.code !== 'E2001') throw error.within({ path: node.path, node: { op: target, name: names[0] ?? '' } });
      // Numbers that only assertions read need no conversion, so they are reported where something else reads them.
      const why = { target, message: error.message, meta };
      if (numberOperation(target) !== undefined) this.#lose(outputs, { why });
      else {
        this.reading.problems.add(target, error.message, meta);
        this.#lose(outputs);
      }
    }
  }

  #lose(outputs: readonly Cursor[], lost: Lost = {}): void {
    for (const name of outputs.flatMap(namesOf)) this.#lost.set(name, lost);
  }

  /** Whether a node reads what could not be converted; it is reported now if it was not yet. */
  #readsLost(node: Cursor, target: string, meta: Meta): boolean {
    if (this.#lost.size === 0 || assertions.has(atenName(target) ?? '')) return false;
    const lost = node.get('inputs').items.flatMap(input => namesOf(input.get('arg')).flatMap(name => this.#lost.get(name) ?? []));
    if (lost.length === 0) return false;
    if (numberOperation(target) === undefined)
      for (const { why } of lost) if (why) this.reading.problems.add(why.target, why.message, why.meta);
    if (!hasConversion(target)) this.reading.problems.add(target, 'no conversion', meta);
    return true;
  }

  #call(target: string, node: Cursor, outputs: readonly Cursor[]): void {
    const inputs = node.get('inputs').items;
    const number = numberOperation(target);
    if (number !== undefined) {
      const operands = inputs.flatMap(input => this.operand(input.get('arg'))) as Scalar[];
      this.bind(namesOf(outputs[0]!)[0]!, computeNumber(number, operands, this.b));
      return;
    }
    const higher = /^torch\.ops\.higher_order\.(\w+)$/.exec(target)?.[1];
    if (higher !== undefined) {
      const row = higherOrder[higher];
      if (!row) throw fail('E2001', 'no conversion');
      this.#bindOperands(
        outputs,
        row(
          inputs.map(input => input.get('arg')),
          this,
        ),
      );
      return;
    }
    const name = atenName(target);
    if (name !== undefined && assertions.has(name)) return;
    if (name !== undefined && sizeQueries.has(name)) this.#size(name, inputs, outputs);
    else this.#operator(target, name, node, outputs);
  }

  #operator(target: string, name: string | undefined, node: Cursor, outputs: readonly Cursor[]): void {
    const inputs = node.get('inputs').items;
    try {
      if (name === undefined) throw fail('E2001', 'no conversion');
      const given = new Map(inputs.map(input => [input.get('name').text, this.operand(input.get('arg'))]));
      this.#bindResults(outputs, callAten(name, given, this.b), target);
    } catch (error) {
      const { custom } = this.reading;
      if (!custom || !(error instanceof ModelError) || error.code !== 'E2001') throw error;
      const named = inputs.map(input => [input.get('name').text, this.operand(input.get('arg'))] as const);
      const values = callCustom(target, named, outputs.flatMap(namesOf), custom, this.b);
      this.#bindResults(outputs, values.map(TensorRef.of), target);
    }
  }

  /** `sym_size.int(self, dim)`: the size of an axis; `sym_numel(self)`: of all. */
  #size(name: string, inputs: readonly Cursor[], outputs: readonly Cursor[]): void {
    const [self, dim] = inputs.map(input => this.operand(input.get('arg')));
    if (!(self instanceof TensorRef)) throw fail('E2001', 'no conversion of these arguments');
    const value = self.read(this.b);
    const size = name === 'sym_size.int' ? this.b.dim(value, Number(dim)) : this.b.dim(this.b.Reshape(value, [-1]), 0);
    this.bind(namesOf(outputs[0]!)[0]!, typeof size === 'number' ? size : new Symbolic(size));
  }

  /** Give the results of a call their names; a list of tensors takes them all. */
  #bindResults(outputs: readonly Cursor[], results: readonly (TensorRef | undefined)[], target: string): void {
    const places = outputs.flatMap(output => {
      const { tag, of } = output.union();
      return tag === 'as_tensors' ? of.items.map(item => ({ tag: 'as_tensor', name: item.get('name').text })) : namesAndTag(output);
    });
    places.forEach(({ tag, name }, i) => {
      const ref = results[i];
      if (name === undefined) return;
      if (!ref) {
        const why = { target, message: `its result ${i} has no conversion`, meta: this.b.meta };
        this.#lost.set(name, { why });
        return;
      }
      if (tag !== 'as_tensor') {
        this.bind(name, new Symbolic(this.b.Reshape(ref.read(this.b), [1])));
        return;
      }
      this.bindTensor(name, ref);
    });
  }

  #bindOperands(outputs: readonly Cursor[], results: readonly Operand[]): void {
    outputs.flatMap(namesAndTagOfAll).forEach(({ name }, i) => {
      const result = results[i];
      if (name === undefined) return;
      if (result instanceof TensorRef) this.bindTensor(name, result);
      else this.bind(name, result);
    });
  }

  /** Give a tensor its name, and check it against what the program says of that. */
  bindTensor(name: string, ref: TensorRef): void {
    const value = ref.read(this.b);
    this.bind(name, ref);
    label(value, name, this.reading.nodeNames);
    const meta = this.#graph.get('tensor_values').find(name);
    if (!meta) return;
    const declared = this.declared(name)!;
    checkAgainst(name, value, declared);
    const strides = meta.find('strides')?.items.map(readSize);
    if (strides && declared.shape) ref.contiguous ??= isRowMajor(declared.shape, strides);
  }
}

const atenName = (target: string): string | undefined => /^torch\.ops\.aten\.(\w+\.\w+)$/.exec(target)?.[1];

function hasConversion(target: string): boolean {
  const [name, overload] = atenName(target)?.split('.') ?? [];
  if (name !== undefined)
    return sizeQueries.has(`${name}.${overload}`) || assertions.has(`${name}.${overload}`) || atenRow(name, overload!) !== undefined;
  const higher = /^torch\.ops\.higher_order\.(\w+)$/.exec(target)?.[1];
  return numberOperation(target) !== undefined || (higher !== undefined && higherOrder[higher] !== undefined);
}

function label(value: Value, name: string, taken: Set<string>): void {
  if (!value.producer || value.tensor) return;
  value.name = name;
  if (value.producer.name) return;
  // Graphs in a program name their nodes without regard to each other, and some are read twice.
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  taken.add(free);
  value.producer.name = free;
}

/** The program states the type of every value; where inference knows less, that is the type. */
function checkAgainst(name: string, value: Value, declared: TensorType): void {
  const { shape } = value;
  const clash = (a: Dim, c: Dim): boolean => typeof a === 'number' && typeof c === 'number' && a !== c;
  const differs =
    (value.element !== undefined && value.element !== declared.element) ||
    (shape !== undefined && (shape.length !== declared.shape!.length || shape.some((d, i) => clash(d, declared.shape![i]!))));
  if (differs) throw fail('E1306', `${name} comes to ${formatType(value.type)}, the program declares ${formatType(declared)}`);
  if (!shape || shape.some((d, i) => isUnknownDim(d) && !sameDim(d, declared.shape![i]!))) value.type = declared;
}

const typeOfNumber = (number: Scalar) => {
  if (number instanceof Symbolic) return number.value.element ?? 'int64';
  if (typeof number === 'boolean') return 'bool';
  return typeof number === 'bigint' || (typeof number === 'number' && Number.isInteger(number)) ? 'int64' : 'float32';
};

/** The name that an argument refers to, if any. */
export function nameOfArgument(arg: Cursor): string | undefined {
  const { tag, of } = arg.union();
  if (tag === 'as_tensor') return of.get('name').text;
  if (tag === 'as_sym_int' || tag === 'as_sym_float' || tag === 'as_sym_bool') return of.find('as_name')?.text;
  return tag === 'as_custom_obj' ? of.get('name').text : undefined;
}

const namesAndTag = (arg: Cursor): { tag: string; name: string | undefined }[] => [{ tag: arg.union().tag, name: nameOfArgument(arg) }];

function namesAndTagOfAll(arg: Cursor): { tag: string; name: string | undefined }[] {
  const { tag, of } = arg.union();
  return tag === 'as_tensors' ? of.items.map(item => ({ tag, name: item.get('name').text })) : namesAndTag(arg);
}

/** Every name in an argument, in lists too. */
function namesOf(arg: Cursor): string[] {
  const { tag, of } = arg.union();
  const own = nameOfArgument(arg);
  if (own !== undefined) return [own];
  if (tag === 'as_tensors') return of.items.map(item => item.get('name').text);
  if (tag === 'as_sym_ints' || tag === 'as_sym_bools' || tag === 'as_sym_floats')
    return of.items.flatMap(item => item.find('as_name')?.text ?? []);
  if (tag === 'as_optional_tensors') return of.items.flatMap(item => item.find('as_tensor')?.get('name').text ?? []);
  return tag === 'as_optional_tensor' ? (of.find('as_tensor') ? [of.get('as_tensor').get('name').text] : []) : [];
}

/** Module path and source line of a node, as metadata of what is made from it. */
function metaOf(node: Cursor, target: string, output: string): Meta {
  const metadata = node.find('metadata');
  const known = new Map<string, string>();
  const module = modulePath(metadata?.find('nn_module_stack')?.text);
  if (module) known.set('module', module);
  const frames = [...(metadata?.find('stack_trace')?.text ?? '').matchAll(/File "([^"]*)", line (\d+)/g)];
  const line = frames.findLast(([, file]) => !/(^|[\\/])torch[\\/]/.test(file!)) ?? frames.at(-1);
  if (line) known.set('source', `${line[1]!.split(/[\\/]/).at(-1)}:${line[2]}`);
  return { metadata: known, node: { name: node.find('name')?.text || output, op: target.replace(/^torch\.ops\./, '') } };
}

/** The path of the innermost module: entries are `key,path,type`, separated by semicolons. */
const modulePath = (stack: string | undefined): string | undefined => stack?.split(';').at(-1)?.split(',')[1] || undefined;
