// From a TorchScript archive to a model: its objects and inputs here, its code by the interpreter.
import { codes, type Finding, fail, ModelError, warning } from '../../../errors.ts';
import { Graph, Model, type Output, type SourceWeight, Value } from '../../../ir/graph.ts';
import { Tensor } from '../../../ir/tensor.ts';
import { elementTypes, formatType, type TensorType, tensorType } from '../../../ir/types.ts';
import { newBuilder } from '../../../ops/builder.ts';
import { irVersionFor, newestOpset } from '../../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../../passes/rewrite.ts';
import { simplify } from '../../../passes/simplify.ts';
import { Problems } from '../../problems.ts';
import { TensorRef } from '../memory.ts';
import { SavedObject, type SavedValue } from '../rebuild.ts';
import { State } from '../state.ts';
import type { TranslateOptions } from '../translate.ts';
import type { ScriptArchive } from './archive.ts';
import { givenType, likelyRanks, type Openness, openType, tracedType, typesFor } from './inputs.ts';
import { Interpreter, Raised, type Use } from './interpret.ts';
import type { Expression, FunctionDef, Parameter } from './parse.ts';
import { openRanks } from './ranks.ts';
import { scalarValue, symbolicOf } from './scalars.ts';
import { Callable, Device, Dict, floatHost, type Host, Instance, isNumber, kindOf, List, Tuple } from './values.ts';

export interface ScriptOptions extends TranslateOptions {
  /** Sizes of inputs by name. */
  readonly inputShapes?: Readonly<Record<string, readonly (number | string)[]>>;
  /** Steps in which the code must be followed, beside one for each of its bytes. */
  readonly steps?: number | undefined;
}

/** Most ways in which the types of inputs are guessed. */
const maxAttempts = 200;
/** Most steps of all of them together, after which no other is begun. */
const maxSteps = 2_000_000;
/** What a result costs: lists that hold each other can have very many. */
const outputSteps = 200;

/**
 * The model of an archive, in the newest opset.
 * @throws ModelError E2001 for operators that have no conversion, E2002 for other parts of the program that have none
 */
export function translateScript(
  archive: ScriptArchive,
  name: string,
  { allowCustom = false, inputShapes = {}, steps }: ScriptOptions = {},
): { readonly model: Model; readonly findings: readonly Finding[] } {
  const made = firstThatFits(archive, { allowCustom, inputShapes, steps });
  const graph = made.graph(name);
  if (made.guesses.size > 0) withOpenRanks(made, graph);
  const opsets = new Map([['', newestOpset('')!], ...made.domains.map(domain => [domain, 1] as const)]);
  const model = new Model(graph, {
    irVersion: irVersionFor(opsets),
    opsets,
    producer: { name: 'pytorch', version: undefined },
    meta: { metadata: new Map([['source_format', 'torchscript']]), program: { weights: made.weights } },
  });
  return { model, findings: made.findings };
}

/** Programs that were traced are tried with all sizes open first; of others the types of inputs are guessed one after the other. */
function firstThatFits(archive: ScriptArchive, options: Required<ScriptOptions>): Attempt {
  const modes: readonly Openness[] = archive.traced.size > 0 ? ['all', 'first', 'none'] : ['all'];
  let best: { readonly error: ModelError; readonly steps: number } | undefined;
  let attempts = 0;
  let steps = 0;
  for (const open of modes) {
    const choices: number[] = [];
    for (;;) {
      const attempt = new Attempt(archive, { ...options, open, choices, changing: new Set() });
      const error = attempt.failure();
      if (!error) return attempt.settledState();
      if (attempt.isHopeless) throw error;
      if (!best || attempt.steps > best.steps) best = { error, steps: attempt.steps };
      steps += attempt.steps;
      if (++attempts >= maxAttempts || steps > maxSteps || !attempt.advance(choices)) break;
    }
  }
  throw best!.error;
}

/** What computes the same for inputs of other ranks does not say their rank. */
function withOpenRanks(made: Attempt, graph: Graph): void {
  const more = (types: ReadonlyMap<string, TensorType>, only?: string): Map<string, TensorType> =>
    new Map(
      [...types].map(([input, type]) => [
        input,
        (only === undefined || only === input) && !made.isGiven(input) ? openType(input, type.element, type.shape!.length + 1) : type,
      ]),
    );
  const tryWith = (types: ReadonlyMap<string, TensorType>): boolean => {
    const other = made.again(types);
    return other.failure() === undefined && openRanks(graph, other.graph(graph.name));
  };
  if (!tryWith(more(made.guesses)) && made.guesses.size > 1) for (const input of made.guesses.keys()) tryWith(more(made.guesses, input));
  for (const [input] of made.guesses) made.report(graph.inputs.find(v => v.name === input)!);
}

interface AttemptOptions extends Required<ScriptOptions> {
  readonly open: Openness;
  /** Which of the possible types each input gets, in the order in which they are first used. */
  readonly choices: readonly number[];
  readonly changing: ReadonlySet<string>;
  /** Types that are not to be guessed. */
  readonly types?: ReadonlyMap<string, TensorType>;
}

/** One way to take the inputs. */
class Attempt {
  readonly findings: Finding[] = [];
  /** Types that were guessed. */
  readonly guesses = new Map<string, TensorType>();
  readonly #archive: ScriptArchive;
  readonly #options: AttemptOptions;
  readonly #state: State;
  readonly #b = newBuilder();
  readonly #e: Interpreter;
  readonly #custom = new Set<string>();
  readonly #problems = new Problems();
  readonly #inputs: { readonly value: Value; readonly ref: TensorRef | undefined }[] = [];
  readonly #outputs: Output[] = [];
  readonly #candidates: number[] = [];
  readonly #objects = new Map<SavedObject, Instance>();
  readonly #hosts = new Map<SavedValue, Host>();

  constructor(archive: ScriptArchive, options: AttemptOptions) {
    this.#archive = archive;
    this.#options = options;
    this.#state = new State(options.changing);
    const constants: Host[] = [];
    const world = {
      archive,
      constants,
      settle: (value: Value, use: Use): void => this.#settle(value, use),
      custom: options.allowCustom ? this.#custom : undefined,
      problems: this.#problems,
      limit: options.steps,
    };
    this.#e = new Interpreter(world, this.#b);
    this.#constants = constants;
  }
  readonly #constants: Host[];
  #likely: readonly number[] = [];
  #isBeyond = false;

  get domains(): readonly string[] {
    return [...this.#custom];
  }
  get weights(): readonly SourceWeight[] {
    return this.#state.sources;
  }
  /** Whether other types of inputs would not help. */
  get isHopeless(): boolean {
    return this.#e.hopeless || this.#isBeyond;
  }
  get steps(): number {
    return this.#e.steps;
  }

  /** Why the program does not fit; undefined where it does. */
  failure(): ModelError | undefined {
    try {
      this.#run();
      return undefined;
    } catch (caught) {
      const error = this.#reported() ?? asModelError(caught);
      this.#isBeyond = error.findings.some(f => codes[f.code].exit === 'limit');
      return error;
    }
  }

  /** What was collected on the way, which weighs more than what came of it. */
  #reported(): ModelError | undefined {
    try {
      this.#problems.throwIfAny();
      return undefined;
    } catch (error) {
      return error as ModelError;
    }
  }

  /** The same once more if buffers turned out to be written, which must then not have been taken for constants. */
  settledState(): Attempt {
    const written = this.#state.newlyWritten();
    if (written.size === 0) return this;
    const again = new Attempt(this.#archive, { ...this.#options, changing: written });
    const error = again.failure();
    if (error) throw error;
    return again;
  }

  /** The same with types for the inputs that this one guessed. */
  again(types: ReadonlyMap<string, TensorType>): Attempt {
    return new Attempt(this.#archive, { ...this.#options, choices: [], types });
  }

  /** Whether somebody said the sizes of an input. */
  isGiven(input: string): boolean {
    return Object.hasOwn(this.#options.inputShapes, input);
  }

  /** Say what an input was taken for. */
  report(input: Value): void {
    const message = `TorchScript does not say the type of ${input.name}; it is taken for ${formatType(input.type)}`;
    this.findings.push(warning('E3009', message, { hint: 'Save a traced program, or check the type.' }));
  }

  /** The next choice: the last input that has another possible type takes it. */
  advance(choices: number[]): boolean {
    const now = this.#candidates.map((_, i) => this.#options.choices[i] ?? 0);
    for (let last = now.length - 1; last >= 0; last--)
      if (now[last]! + 1 < this.#candidates[last]!) {
        choices.splice(0, choices.length, ...now.slice(0, last), now[last]! + 1);
        return true;
      }
    return false;
  }

  graph(name: string): Graph {
    const outputs = [...this.#outputs, ...this.#state.outputs(this.#b)];
    const inputs = [...this.#inputs.map(({ value }) => value), ...this.#state.inputs];
    for (const { value, ref } of this.#inputs)
      if (ref?.isWritten)
        this.findings.push(warning('E2006', `the program writes into its input ${value.name}; the model leaves that as it is`));
    const graph = new Graph(name, { inputs, outputs, nodes: this.#b.nodes });
    removeUnread(graph);
    rewriteAll(graph, [simplify]);
    return graph;
  }

  #settle(value: Value, use: Use): void {
    const known = this.#options.types?.get(value.name);
    const { inputShapes } = this.#options;
    const sizes = Object.hasOwn(inputShapes, value.name) ? inputShapes[value.name] : undefined;
    const ranks = use.module === this.#archive.root.className ? this.#likely : [];
    const types = known ? [known] : typesFor(value.name, use, { ranks, sizes });
    const choice = this.#options.choices[this.#candidates.length] ?? 0;
    this.#candidates.push(types.length);
    value.type = types[choice]!;
    this.guesses.set(value.name, types[choice]!);
  }

  #run(): void {
    const { root } = this.#archive;
    this.#archive.constants.forEach((constant, i) => {
      this.#constants.push(this.#constant(constant, `CONSTANTS.c${i}`));
    });
    const self = this.#object(root, '') as Instance;
    const forward = this.#e.classOf(root.className)?.methods.get('forward');
    if (!forward) throw fail('E2002', `${root.className} has no method forward`);
    this.#likely = likelyRanks(forward);
    const args = this.#arguments(forward);
    const result = this.#e.call(new Callable(root.className, forward, self), args);
    this.#problems.throwIfAny();
    this.#output(result, '');
    for (const { value } of this.#inputs) if (!value.type) value.type = tensorType('float32', []);
  }

  #arguments({ parameters }: FunctionDef): Host[] {
    const traced = this.#archive.traced.get('forward') ?? [];
    let at = 0;
    const open = (name: string, type: Expression | undefined, parameter: Parameter): Host => {
      const [kind, items] = kindOfType(type);
      if (kind === 'Tuple') return new Tuple(items.map((item, i) => open(`${name}_${i}`, item, parameter)));
      if (kind === 'Optional') {
        const known = traced[at];
        if (parameter.default && !known) return undefined;
        return open(name, items[0], parameter);
      }
      if (kind === 'Tensor') return this.#tensorInput(name, traced[at++]);
      if (kind === 'int' || kind === 'float' || kind === 'bool') {
        const value = new Value(name, tensorType(kind === 'int' ? 'int64' : kind === 'bool' ? 'bool' : 'float32', []));
        this.#inputs.push({ value, ref: undefined });
        return symbolicOf(value, this.#b);
      }
      throw fail('E2002', `the input ${name} is a ${kind}, which has no conversion`);
    };
    // Arguments after one that takes its default take theirs.
    const wanted = parameters.slice(1);
    const first = wanted.findIndex(p => p.default && !(kindOfType(p.type)[0] === 'Tensor') && traced.length <= wanted.indexOf(p));
    return (first < 0 ? wanted : wanted.slice(0, first)).map(p => open(p.name, p.type, p));
  }

  #tensorInput(name: string, traced: TensorType | undefined): TensorRef {
    const { inputShapes, open } = this.#options;
    const given = Object.hasOwn(inputShapes, name) ? inputShapes[name] : undefined;
    const value = new Value(name, traced && (given ? givenType(traced.element, given) : tracedType(name, traced, open)));
    const ref = TensorRef.of(value);
    ref.contiguous = true;
    this.#inputs.push({ value, ref });
    return ref;
  }

  #object(saved: SavedObject, path: string): Instance {
    const before = this.#objects.get(saved);
    if (before) return before;
    const made = new Instance(saved.className, path);
    this.#objects.set(saved, made);
    const types = this.#e.classOf(saved.className)?.attributes;
    for (const [name, value] of saved.attributes)
      made.attributes.set(name, this.#host(value, types?.get(name), path === '' ? name : `${path}.${name}`));
    return made;
  }

  /**
   * A value of the pickle as its declared type has it: pickles do not tell lists from tuples, and texts not from devices. What objects share
   * is shared.
   */
  #host(value: SavedValue, type: Expression | undefined, path: string): Host {
    const before = this.#hosts.get(value);
    if (before !== undefined) return before;
    const made = this.#newHost(value, type, path);
    if (made instanceof List || made instanceof Dict || made instanceof Tuple) this.#hosts.set(value, made);
    return made;
  }

  #newHost(value: SavedValue, type: Expression | undefined, path: string): Host {
    const [kind, items] = kindOfType(type);
    if (value === null) return undefined;
    if (kind === 'Optional') return this.#newHost(value, items[0], path);
    if (value instanceof SavedObject) return this.#object(value, path);
    if (value instanceof Tensor) return this.#weight(path, value);
    if (typeof value === 'number') return kind === 'float' ? floatHost(value) : value;
    if (typeof value === 'string') return kind === 'Device' ? new Device(value) : value;
    if (value instanceof Map)
      return new Dict(
        [...value].map(([key, item]) => [this.#host(key, items[0], path), this.#host(item, items[1], `${path}.${String(key)}`)] as const),
      );
    if (value instanceof Uint8Array) throw fail('E2002', `${path} holds bytes, which have no conversion`);
    if (!Array.isArray(value)) return value as boolean | bigint;
    const list = (value as readonly SavedValue[]).map((item, i) => this.#host(item, items[kind === 'Tuple' ? i : 0], `${path}.${i}`));
    return kind === 'List' ? new List(list) : new Tuple(list);
  }

  /** Small whole numbers and scalars take part in arithmetic on sizes; everything else is a weight. */
  #constant(value: SavedValue, name: string): Host {
    if (!(value instanceof Tensor)) return this.#host(value, undefined, name);
    const { class: kind } = elementTypes[value.type];
    const isPlain = value.size <= 1 || (kind !== 'float' && value.size <= 1024);
    return isPlain ? TensorRef.of(new Value(name, undefined, { tensor: value })) : this.#weight(name, value);
  }

  #weight(name: string, tensor: Tensor): TensorRef {
    const ref = this.#state.add(name, tensor);
    ref.contiguous = true;
    return ref;
  }

  #output(v: Host, path: string): void {
    this.#e.spend(outputSteps);
    const below = (part: string | number): string => (path === '' ? String(part) : `${path}_${part}`);
    if (v === undefined) return;
    if (v instanceof Tuple) {
      v.items.forEach((item, i) => {
        this.#output(item, below(v.fields?.[i] ?? i));
      });
    } else if (v instanceof List) {
      v.items.forEach((item, i) => {
        this.#output(item, below(i));
      });
    } else if (v instanceof Dict) for (const [key, item] of v.entries) this.#output(item, below(String(key)));
    else if (v instanceof TensorRef || isNumber(v)) {
      const name = path === '' ? 'output' : /^\d/.test(path) ? `output_${path}` : path;
      this.#outputs.push({ name, value: scalarValue(v, this.#b) });
    } else throw fail('E2002', `the program returns a ${kindOf(v)}, which has no conversion`);
  }
}

function asModelError(error: unknown): ModelError {
  if (error instanceof ModelError) return error;
  if (error instanceof Raised) return fail('E2002', `the program raises: ${error.message.slice(0, 300)}`);
  if (error instanceof RangeError && /call stack/.test(error.message)) return fail('E1008', 'code and calls are nested too deeply');
  throw error;
}

/** The outermost part of a type, and the types in it. */
function kindOfType(type: Expression | undefined): readonly [string, readonly Expression[]] {
  if (!type) return ['', []];
  if (type.kind === 'name') return [type.name, []];
  if (type.kind === 'attribute') return [type.name, []];
  if (type.kind !== 'index' || type.of.kind !== 'name') return ['', []];
  const items = type.index.kind === 'tuple' ? type.index.items : [type.index];
  return type.of.name === 'Final' ? kindOfType(items[0]) : [type.of.name, items];
}
