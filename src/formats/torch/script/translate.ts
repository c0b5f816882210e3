// From a TorchScript archive to a model: its objects and inputs here, its code by the interpreter.
import { codes, type Finding, fail, ModelError, warning } from '../../../errors.ts';
import { countUses, Graph, Model, type Output, type SourceWeight, type Value } from '../../../ir/graph.ts';
import { Tensor } from '../../../ir/tensor.ts';
import { type DataType, formatType, type TensorType, tensorType } from '../../../ir/types.ts';
import { newBuilder } from '../../../ops/builder.ts';
import { irVersionFor, newestOpset } from '../../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../../passes/rewrite.ts';
import { simplify } from '../../../passes/simplify.ts';
import type { InputValue } from '../../format.ts';
import { Problems } from '../../problems.ts';
import { TensorRef } from '../memory.ts';
import type { SavedValue } from '../rebuild.ts';
import { State } from '../state.ts';
import type { TranslateOptions } from '../translate.ts';
import type { ScriptArchive } from './archive.ts';
import { Arguments } from './arguments.ts';
import { type Change, firstCall, hostOf, isOther, type Kept, keptOf, leavesOfKept, type Numbers, sameKept } from './attributes.ts';
import { likelyRanks, type Openness, openType, typesFor } from './inputs.ts';
import { Interpreter, maxDepth, Raised, type Use } from './interpret.ts';
import { Objects } from './objects.ts';
import type { ClassDef } from './parse.ts';
import { openRanks } from './ranks.ts';
import { scalarValue, symbolicOf } from './scalars.ts';
import { Callable, Dict, type Host, isNumber, kindOf, List, Tuple } from './values.ts';

export interface ScriptOptions extends TranslateOptions {
  /** Sizes of inputs by name. */
  readonly inputShapes?: Readonly<Record<string, readonly (number | string)[]>>;
  /** Element types of inputs by name. */
  readonly inputTypes?: Readonly<Record<string, DataType>>;
  /** Values of inputs by name, which are then none of the model. */
  readonly inputValues?: Readonly<Record<string, InputValue>>;
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
  { allowCustom = false, inputShapes = {}, inputTypes = {}, inputValues = {}, steps }: ScriptOptions = {},
): { readonly model: Model; readonly findings: readonly Finding[] } {
  const made = firstThatFits(archive, { allowCustom, inputShapes, inputTypes, inputValues, steps });
  const graph = made.graph(name);
  if (made.guesses.size > 0) withOpenRanks(made, graph);
  made.reportFirstCall(graph);
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
      const attempt = new Attempt(archive, { ...options, open, choices, changing: new Set(), kept: new Map() });
      const error = attempt.failure();
      if (!error) return settled(attempt);
      if (attempt.isHopeless) throw error;
      if (!best || attempt.steps > best.steps) best = { error, steps: attempt.steps };
      steps += attempt.steps;
      if (++attempts >= maxAttempts || steps > maxSteps || !attempt.advance(choices)) break;
    }
  }
  throw best!.error;
}

/** Most calls that are followed until what they leave stays the same. */
const maxCalls = 6;

/**
 * The program as it is in every call: what calls leave for the next ones is no constant. Numbers are such values too, or else, where they are
 * the same in all calls but the first, what they are then.
 */
function settled(first: Attempt): Attempt {
  try {
    return afterCalls(first, 'open');
  } catch (error) {
    if (!(error instanceof ModelError) || !first.keepsNumbers()) throw error;
    return afterCalls(first, 'settled');
  }
}

function afterCalls(first: Attempt, numbers: Numbers): Attempt {
  let made = first;
  for (let call = 0; call < maxCalls; call++) {
    const next = made.nextCall(numbers);
    if (!next) return made;
    const error = next.failure();
    if (error) throw error;
    made = next;
  }
  throw fail('E2001', 'what the program keeps from call to call has another form after each of them');
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
  /** What attributes hold that the call before gave another value. */
  readonly kept: ReadonlyMap<string, Kept>;
  /** Types that are not to be guessed. */
  readonly types?: ReadonlyMap<string, TensorType> | undefined;
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
  readonly #arguments: Arguments;
  readonly #objects: Objects;
  readonly #outputs: Output[] = [];
  readonly #candidates: number[] = [];

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
    const classOf = (name: string): ClassDef | undefined => this.#e.classOf(name);
    const traced = archive.traced.get('forward') ?? [];
    this.#arguments = new Arguments({ ...options, traced, types: options.types, classOf }, this.#b);
    this.#objects = new Objects(
      this.#state,
      classOf,
      new Map([...options.kept].map(([path, kept]) => [path, saved => this.#kept(path, kept, saved)])),
    );
    for (const [name, type] of options.types ?? []) this.guesses.set(name, type);
  }

  /** What stands for an attribute that calls hand on. */
  #kept(path: string, kept: Kept, saved: SavedValue): Host {
    if (saved instanceof Tensor && kept.kind === 'value') this.#state.note(path, saved);
    const input = (value: Value, isNumber: boolean): Host => {
      const ref = this.#state.hand(value);
      if (isNumber) return symbolicOf(value, this.#b);
      ref.contiguous = true;
      return ref;
    };
    return hostOf(kept, path, input, size => this.#arguments.size(size));
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
      this.#isBeyond = error.findings.some(f => codes[f.code].exit === 'limit' || codes[f.code].exit === 'usage');
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

  /** The same with what this one leaves for the next call; undefined where that is what it began with. */
  nextCall(numbers: Numbers): Attempt | undefined {
    const written = this.#state.newlyWritten();
    const kept = new Map<string, Kept>();
    let isSettled = written.size === 0;
    for (const [path, change] of this.#changes()) {
      const before = this.#options.kept.get(path);
      const after = keptOf(change, before, path, numbers, this.#b);
      kept.set(path, after);
      isSettled &&= sameKept(before, after);
    }
    if (isSettled) return undefined;
    return new Attempt(this.#archive, {
      ...this.#options,
      changing: new Set([...this.#options.changing, ...written]),
      kept,
      types: this.guesses,
    });
  }

  /** Whether a number is among what a call leaves for the next one. */
  keepsNumbers(): boolean {
    return [...this.#changes().values()].some(({ after }) => isNumber(after));
  }

  /** Attributes that have another value now, and those that had one before. */
  #changes(): Map<string, Change> {
    const changes = new Map<string, Change>();
    for (const { path, owner, name, before } of this.#objects.attributes) {
      const after = owner.attributes.get(name);
      if (this.#options.kept.has(path) || isOther(before, after)) changes.set(path, { before, after });
    }
    return changes;
  }

  /** The same with types for the inputs that this one guessed. */
  again(types: ReadonlyMap<string, TensorType>): Attempt {
    return new Attempt(this.#archive, { ...this.#options, choices: [], types });
  }

  /** Whether somebody said the sizes of an input. */
  isGiven(input: string): boolean {
    return Object.hasOwn(this.#options.inputShapes, input);
  }

  /** Say what is another in the first call than in all others. */
  reportFirstCall(graph: Graph): void {
    const names = new Set(graph.inputs.map(v => v.name));
    for (const [path, kept] of this.#options.kept)
      for (const [name, message] of firstCall(kept, path))
        if (kept.kind === 'known' || kept.kind === 'size' || names.has(name)) this.findings.push(warning('E2010', message));
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
    const changes = this.#changes();
    const left = [...this.#options.kept].flatMap(([path, kept]) => [...leavesOfKept(kept, changes.get(path)!.after, path)]);
    const given = new Map(left.map(([path, host]) => [path, scalarValue(host, this.#b)]));
    const outputs = [...this.#outputs, ...this.#state.outputs(this.#b, given)];
    const inputs = [...this.#arguments.inputs.map(({ value }) => value), ...this.#state.inputs];
    for (const { value, ref } of this.#arguments.inputs)
      if (ref?.isWritten)
        this.findings.push(warning('E2006', `the program writes into its input ${value.name}; the model leaves that as it is`));
    const graph = new Graph(name, { inputs, outputs, nodes: this.#b.nodes });
    removeUnread(graph);
    rewriteAll(graph, [simplify]);
    withoutUnread(graph, new Set(given.keys()));
    return graph;
  }

  #settle(value: Value, use: Use): void {
    const known = this.#options.types?.get(value.name);
    const { inputShapes, inputTypes } = this.#options;
    const sizes = Object.hasOwn(inputShapes, value.name) ? inputShapes[value.name] : undefined;
    const element = Object.hasOwn(inputTypes, value.name) ? inputTypes[value.name] : undefined;
    const ranks = use.module === this.#archive.root.className ? this.#likely : [];
    const types = known ? [known] : typesFor(value.name, use, { ranks, sizes, element });
    const choice = this.#options.choices[this.#candidates.length] ?? 0;
    this.#candidates.push(types.length);
    value.type = types[choice]!;
    if (!sizes || !element) this.guesses.set(value.name, types[choice]!);
  }

  #run(): void {
    const { root } = this.#archive;
    this.#archive.constants.forEach((constant, i) => {
      this.#constants.push(this.#objects.constant(constant, `CONSTANTS.c${i}`));
    });
    const forward = this.#e.classOf(root.className)?.methods.get('forward');
    if (!forward) throw fail('E2002', `${root.className} has no method forward`);
    this.#likely = likelyRanks(forward);
    const args = this.#arguments.of(forward);
    const self = this.#objects.object(root, '');
    const result = this.#e.call(new Callable(root.className, forward, self), [], args);
    this.#problems.throwIfAny();
    this.#output(result, '', new Set());
    for (const { value } of this.#arguments.inputs) if (!value.type) value.type = tensorType('float32', []);
  }

  /** `around`: the containers that the value lies in. */
  #output(v: Host, path: string, around: Set<Host>): void {
    this.#e.spend(outputSteps);
    if (v === undefined) return;
    const parts = partsOf(v);
    if (parts) {
      if (around.has(v)) throw fail('E1006', 'the program returns a value that contains itself');
      if (around.size === maxDepth) throw fail('E1008', `the program returns values nested deeper than ${maxDepth}`);
      around.add(v);
      for (const [part, item] of parts) this.#output(item, path === '' ? String(part) : `${path}_${part}`, around);
      around.delete(v);
    } else if (v instanceof TensorRef || isNumber(v)) {
      const name = path === '' ? 'output' : /^\d/.test(path) ? `output_${path}` : path;
      this.#outputs.push({ name, value: scalarValue(v, this.#b) });
    } else throw fail('E2002', `the program returns a ${kindOf(v)}, which has no conversion`);
  }
}

/** Values that are handed on but that no call reads are none of the model. */
function withoutUnread(graph: Graph, handed: ReadonlySet<string>): void {
  const uses = countUses(graph);
  const isUnread = ({ name }: Value): boolean => {
    const value = graph.inputs.find(v => v.name === name)!;
    return (uses.get(value) ?? 0) === graph.outputs.filter(o => o.value === value && o.name === `${name}.updated`).length;
  };
  const unread = new Set(graph.inputs.filter(v => handed.has(v.name) && isUnread(v)).map(v => v.name));
  if (unread.size === 0) return;
  graph.inputs = graph.inputs.filter(v => !unread.has(v.name));
  graph.outputs = graph.outputs.filter(o => !unread.has(o.name.replace(/\.updated$/, '')));
  removeUnread(graph);
}

/** What a container holds, each with the name or number of its place; undefined for anything else. */
function partsOf(v: Host): readonly (readonly [string | number, Host])[] | undefined {
  if (v instanceof Tuple) return v.items.map((item, i) => [v.fields?.[i] ?? i, item]);
  if (v instanceof List) return v.items.map((item, i) => [i, item]);
  return v instanceof Dict ? [...v.entries].map(([key, item]) => [String(key), item]) : undefined;
}

function asModelError(error: unknown): ModelError {
  if (error instanceof ModelError) return error;
  if (error instanceof Raised) return fail('E2002', `the program raises: ${error.message.slice(0, 300)}`);
  if (error instanceof RangeError && /call stack/.test(error.message)) return fail('E1008', 'code and calls are nested too deeply');
  throw error;
}
