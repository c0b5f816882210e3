// A program in parts, one a module: calls in a row that come from one module become a method of its own.
import { modulePath } from '../origin.ts';
import { type Arg, type Call, GraphArg, Ref, type TorchProgram } from '../program.ts';
import type { StateTree } from '../state-tree.ts';

/** The calls of one module. */
export interface Part {
  /** From the root. */
  readonly path: readonly string[];
  /** What it is given, and gives to those around it. */
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
  readonly items: readonly (Call | Part)[];
}

export const isPart = (item: Call | Part): item is Part => 'items' in item;

/** Fewer calls are written where their results are used. */
const fewestCalls = 2;

/**
 * The parts of a program. Modules that run at several places, whose calls do not follow each other, or whose names are taken, are no parts:
 * their calls stay where they are.
 */
export function partsOf(program: TorchProgram, tree: StateTree, literals: ReadonlySet<Ref>): Part {
  const { inputs, outputs } = program;
  const splitter = new Splitter(program, tree, literals);
  return splitter.part([], sizesFirst(program), { inputs: inputs.map(i => i.ref), outputs: outputs.map(o => o.ref) });
}

/** Everything that a call reads. */
export function* refsOf(call: Call): Generator<Ref> {
  const within = function* (arg: Arg): Generator<Ref> {
    if (arg instanceof Ref) yield arg;
    else if (Array.isArray(arg)) for (const item of arg as readonly Arg[]) yield* within(item);
  };
  for (const arg of [...call.args, ...Object.values(call.kwargs)]) if (!(arg instanceof GraphArg)) yield* within(arg);
}

/** Sizes of the inputs, and what is computed of them, are no part of the module that asks for them first. */
function sizesFirst({ inputs, calls }: TorchProgram): readonly Call[] {
  const known = new Set<Ref>(inputs.map(i => i.ref));
  const isSize = (call: Call): boolean =>
    call.outputs.every(ref => !ref.type) && call.target !== 'aten.item.default' && [...refsOf(call)].every(ref => known.has(ref));
  const first = calls.filter(call => {
    if (!isSize(call)) return false;
    for (const ref of call.outputs) known.add(ref);
    return true;
  });
  const isFirst = new Set(first);
  return [...first.map(call => ({ ...call, meta: {} })), ...calls.filter(call => !isFirst.has(call))];
}

class Splitter {
  readonly #tree: StateTree;
  /** What is written where it is used. */
  readonly #literals: ReadonlySet<Ref>;
  readonly #owned = new Map<Ref, string>();
  readonly #names: ReadonlySet<string>;
  /** How often a value is read by calls, and as an output. */
  readonly #uses = new Map<Ref, number>();

  constructor({ state, calls, outputs }: TorchProgram, tree: StateTree, literals: ReadonlySet<Ref>) {
    this.#tree = tree;
    this.#literals = literals;
    this.#names = new Set(state.map(s => s.name));
    for (const s of state) this.#owned.set(s.ref, s.name);
    for (const ref of [...calls.flatMap(c => [...refsOf(c)]), ...outputs.map(o => o.ref)]) this.#uses.set(ref, this.#usesOf(ref) + 1);
  }

  #usesOf(ref: Ref): number {
    return this.#uses.get(ref) ?? 0;
  }

  part(path: readonly string[], calls: readonly Call[], ends: Pick<Part, 'inputs' | 'outputs'>): Part {
    const items: (Call | Part)[] = [];
    const runs = this.#runs(path, calls);
    const count = new Map<string, number>();
    for (const { key } of runs) count.set(key, (count.get(key) ?? 0) + 1);
    for (const { key, calls: run } of runs) {
      const isPart = key !== '' && count.get(key) === 1 && run.length >= fewestCalls;
      if (isPart) items.push(this.#inner([...path, ...key.split('.')], run));
      else items.push(...run);
    }
    for (const item of items) if (isPart(item)) this.#tree.within(item.path);
    return { path, items, ...ends };
  }

  #inner(path: readonly string[], calls: readonly Call[]): Part {
    const made = new Set(calls.flatMap(c => c.outputs));
    const reads = calls.flatMap(c => [...refsOf(c)]);
    const own = `${path.join('.')}.`;
    const isGiven = (ref: Ref): boolean => !made.has(ref) && !this.#literals.has(ref) && !this.#owned.get(ref)?.startsWith(own);
    const inside = new Map<Ref, number>();
    for (const ref of reads) inside.set(ref, (inside.get(ref) ?? 0) + 1);
    const outputs = [...made].filter(ref => this.#usesOf(ref) > (inside.get(ref) ?? 0));
    return this.part(path, calls, { inputs: [...new Set(reads.filter(isGiven))], outputs });
  }

  /** Calls that follow each other and come from the same module in this one; the key is empty for this one's own. */
  #runs(path: readonly string[], calls: readonly Call[]): { readonly key: string; readonly calls: Call[] }[] {
    const below = calls.map(call => {
      const from = modulePath(call);
      return path.every((p, i) => from[i] === p) ? from.slice(path.length) : [];
    });
    // A list of modules makes no calls of its own.
    const isList = (name: string): boolean => below.every(from => from[0] !== name || /^\d+$/.test(from[1] ?? ''));
    const runs: { key: string; calls: Call[] }[] = [];
    for (const [i, call] of calls.entries()) {
      const [first, second] = below[i]!;
      const key = first === undefined ? '' : isList(first) ? `${first}.${second}` : first;
      const name = [...path, key].join('.');
      const isTaken = this.#names.has(name) || this.#names.has(name.slice(0, name.lastIndexOf('.')));
      const last = runs.at(-1);
      if (last && last.key === (isTaken ? '' : key)) last.calls.push(call);
      else runs.push({ key: isTaken ? '' : key, calls: [call] });
    }
    return runs;
  }
}
