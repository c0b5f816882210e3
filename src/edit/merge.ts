// merge: two models as one, outputs of the first connected to inputs of the second.
import { type Dim, isUnknownDim, symbol, symbolsOf } from '../ir/dims.ts';
import { type FunctionDefinition, Graph, type Meta, Model, type Node, type Value } from '../ir/graph.ts';
import { printGraph, quoted } from '../ir/text.ts';
import { formatType, type Shape, type ValueType } from '../ir/types.ts';
import { releasedOpset } from '../ops/schema.ts';
import { target } from '../opset/target.ts';
import { upgrade } from '../opset/upgrade.ts';
import { Copy, refuseTraining } from './copy.ts';
import { Findings, namesIn, nodeNamesIn } from './names.ts';
import { openSizes, withSizes } from './sizes.ts';

export interface MergeOptions {
  /** Pairs of an output of the first model and the input of the second that it becomes. */
  readonly connect: readonly (readonly [output: string, input: string])[];
  /** Put before every name of the first model, and of the second. */
  readonly prefixA?: string | undefined;
  readonly prefixB?: string | undefined;
}

/**
 * One model that runs `a` and then `b`. Its inputs are those of both that are not connected, its outputs those of `a` that are not, and
 * all of `b`. Where the opsets differ the lower one is raised. An open size of `b` is the one of `a` that it is connected to; metadata
 * that both have with other values is kept for both, that of `b` under `prefixB` or else with `.b` behind its key.
 * @throws ModelError E3001 for every name that there is none of, E4001 for an input that is connected twice, E1304 and E1305 for every
 * connection whose types or shapes contradict each other, E1102 for names that both have, E1106 for domains that nothing raises, E2002
 * for training graphs, and what upgrading throws
 */
export function merge(a: Model, b: Model, options: MergeOptions): Model {
  refuseTraining(a);
  refuseTraining(b);
  checkNames(a, b, options);
  const [first, second] = inOneOpset(a, b);
  return new Merge(first, second, options).model();
}

function checkNames(a: Model, b: Model, { connect }: MergeOptions): void {
  const findings = new Findings();
  const outputs = new Set(a.graph.outputs.map(o => o.name));
  const inputs = new Set(b.graph.inputs.map(v => v.name));
  const seen = new Set<string>();
  for (const [output, input] of connect) {
    if (!outputs.has(output)) findings.unknown('output', output, outputs, 'the first model');
    if (!inputs.has(input)) findings.unknown('input', input, inputs, 'the second model');
    if (seen.has(input)) findings.add('E4001', `input ${quoted(input)} of the second model is connected twice`);
    seen.add(input);
  }
  findings.throw();
}

/** The models in the higher of their opsets, domain by domain. Errors: E1106. */
function inOneOpset(a: Model, b: Model): readonly [Model, Model] {
  const wanted = new Map(a.opsets);
  for (const [domain, version] of b.opsets) wanted.set(domain, Math.max(version, wanted.get(domain) ?? version));
  return [raised(a, wanted), raised(b, wanted)];
}

function raised(model: Model, wanted: ReadonlyMap<string, number>): Model {
  const lower = [...model.opsets].filter(([domain, version]) => wanted.get(domain) !== version);
  if (lower.length === 0) return model;
  const findings = new Findings();
  const refuse = ([domain, version]: readonly [string, number]): void =>
    findings.add('E1106', `domain ${quoted(domain || 'ai.onnx')}: version ${version} cannot be raised to ${wanted.get(domain)}`);
  lower.filter(([domain]) => releasedOpset(domain) === undefined).forEach(refuse);
  findings.throw();
  const copy = upgrade(model);
  target(copy, wanted.get(''), { had: wanted });
  lower.filter(([domain]) => copy.opsets.get(domain) !== wanted.get(domain)).forEach(refuse);
  findings.throw();
  return copy;
}

class Merge {
  readonly #a: Model;
  readonly #b: Model;
  readonly #connect: MergeOptions['connect'];
  readonly #prefixes: readonly [string, string];
  readonly #findings = new Findings();

  constructor(a: Model, b: Model, { connect, prefixA = '', prefixB = '' }: MergeOptions) {
    this.#a = a;
    this.#b = b;
    this.#connect = connect;
    this.#prefixes = [prefixA, prefixB];
  }

  model(): Model {
    const [a, b] = [this.#a, this.#b];
    const sizes = this.#unify();
    this.#refuseCollisions();
    const functions = this.#functions();
    this.#findings.throw();
    const [copyA, copyB] = [this.#copy(0, functions.renamed[0]), this.#copy(1, functions.renamed[1], sizes)];
    const graph = this.#join(copyA, copyB);
    return new Model(graph, {
      irVersion: Math.max(a.irVersion, b.irVersion),
      opsets: new Map([...a.opsets, ...b.opsets]),
      functions: functions.all,
      producer: a.producer.name === b.producer.name && a.producer.version === b.producer.version ? a.producer : { name: 'omnix' },
      meta: this.#meta(a.meta, b.meta),
    });
  }

  #join(copyA: Copy, copyB: Copy): Graph {
    const [a, b] = [this.#a.graph, this.#b.graph];
    const first = copyA.graph(a);
    const taken = new Set(this.#connect.map(([output]) => output));
    for (const [output, input] of this.#connect) {
      const i = a.outputs.findIndex(o => o.name === output);
      const { name, value } = first.outputs[i]!;
      // Without the output its name is the value's own.
      if (value.producer && first.nodes.includes(value.producer)) value.name = name;
      copyB.values.set(b.inputs.find(v => v.name === input)!, value);
    }
    const isOpen = (v: Value): boolean => !copyB.values.has(v);
    const inputs = b.inputs.filter(isOpen).map(v => copyB.input(v));
    const initializers = b.initializers.filter(v => isOpen(v) || inputs.includes(copyB.value(v)!)).map(v => copyB.value(v)!);
    const nodes = copyB.nodes(b.nodes);
    return new Graph([a.name, b.name].filter(Boolean).join('_'), {
      inputs: [...first.inputs, ...inputs],
      outputs: [...first.outputs.filter((_, i) => !taken.has(a.outputs[i]!.name)), ...b.outputs.map(o => copyB.output(o))],
      nodes: [...first.nodes, ...nodes],
      initializers: [...first.initializers, ...initializers],
      meta: this.#meta(first.meta, copyB.graphMeta(b)),
    });
  }

  #copy(which: 0 | 1, renamed: Renamed, sizes?: ReadonlyMap<string, Dim>): Copy {
    const prefix = this.#prefixes[which];
    const name = (text: string): string => text && prefix + text;
    const op = (node: Node): string => newNameOf(node, renamed);
    return new Copy({ name, nodeName: name, op, ...(sizes && sizes.size > 0 && { type: type => withSizes(type, sizes) }) });
  }

  /** What the connections make of the open sizes of `b`. Adds E1304 and E1305. */
  #unify(): Map<string, Dim> {
    const sizes = new Map<string, Dim>();
    for (const [output, input] of this.#connect) {
      const from = this.#a.graph.outputs.find(o => o.name === output)!;
      const [made, wanted] = [from.type ?? from.value.type, this.#b.graph.inputs.find(v => v.name === input)!.type];
      const code = made && wanted && unify(made, wanted, sizes);
      if (code)
        this.#findings.add(
          code,
          `output ${quoted(output)} is ${formatType(made)}, and cannot be input ${quoted(input)}, which is ${formatType(wanted)}${boundText(wanted, sizes)}`,
        );
    }
    return this.#apart(sizes);
  }

  /** A size of `b` that is none of `a` must not get the name of one by chance. */
  #apart(sizes: Map<string, Dim>): Map<string, Dim> {
    const bound = new Set([...sizes.values()].flatMap(d => [...symbolsOf(d)]));
    const [ofA, ofB] = [openSizes(this.#a.graph), openSizes(this.#b.graph)];
    for (const name of ofB) {
      if (sizes.has(name) || !bound.has(name)) continue;
      let free = `${this.#prefixes[1]}${name}`;
      for (let i = 1; ofA.has(free) || ofB.has(free); i++) free = `${name}_${i}`;
      ofB.add(free);
      sizes.set(name, symbol(free));
    }
    return sizes;
  }

  /** Adds E1102 for each kind of name that both models have. */
  #refuseCollisions(): void {
    const [a, b] = [this.#a.graph, this.#b.graph];
    const [prefixA, prefixB] = this.#prefixes;
    const connected = new Set(this.#connect.map(([, input]) => input));
    const kinds = [
      ['values', namesIn(a), [...namesIn(b)].filter(name => !connected.has(name))],
      ['nodes', nodeNamesIn(a), [...nodeNamesIn(b)]],
    ] as const;
    for (const [what, ofA, ofB] of kinds) {
      const taken = new Set([...ofA].map(name => prefixA + name));
      this.#collide(
        what,
        ofB.map(name => prefixB + name).filter(name => taken.has(name)),
      );
    }
  }

  #collide(what: string, names: readonly string[]): void {
    if (names.length === 0) return;
    const listed = names.slice(0, mostListed).map(quoted).join(', ');
    const rest = names.length > mostListed ? `, … ${names.length - mostListed} more` : '';
    this.#findings.add('E1102', `both models have ${what} with the names ${listed}${rest}; give one of the models a prefix`);
  }

  /** The functions of both. Of two with one name and other bodies, one is renamed. Adds E1102. */
  #functions(): { readonly all: FunctionDefinition[]; readonly renamed: readonly [Renamed, Renamed] } {
    const [a, b] = [this.#a.functions, this.#b.functions];
    const [prefixA, prefixB] = this.#prefixes;
    const [renamedA, renamedB] = [new Map<FunctionDefinition, string>(), new Map<FunctionDefinition, string>()];
    const same = new Set<FunctionDefinition>();
    const collisions: string[] = [];
    for (const f of b) {
      const other = a.find(g => g.name === f.name && g.domain === f.domain && g.overload === f.overload);
      if (!other) continue;
      if (textOf(f) === textOf(other)) same.add(f);
      else if (prefixB) renamedB.set(f, prefixB + f.name);
      else if (prefixA) renamedA.set(other, prefixA + f.name);
      else collisions.push(f.name);
    }
    this.#collide('functions', collisions);
    const all = [...a.map(f => under(f, renamedA)), ...b.filter(f => !same.has(f)).map(f => under(f, renamedB))];
    return { all, renamed: [renamedA, renamedB] };
  }

  #meta(a: Meta, b: Meta): Meta {
    const metadata = new Map(a.metadata);
    for (const [key, value] of b.metadata ?? []) {
      const other = metadata.get(key);
      metadata.set(other === undefined || other === value ? key : this.#prefixes[1] ? this.#prefixes[1] + key : `${key}.b`, value);
    }
    const { metadata_props: _, opset_import: __, ...rest } = joined(a.rest, b.rest);
    return {
      doc: [a.doc, b.doc].filter(Boolean).join('\n') || undefined,
      ...(metadata.size > 0 && { metadata }),
      ...(Reflect.ownKeys(rest).length > 0 && { rest }),
      // Only what came from ONNX files keeps its opset when it is written.
      at: b.at === undefined ? undefined : a.at,
    };
  }
}

/** New names of a model's functions. */
type Renamed = ReadonlyMap<FunctionDefinition, string>;

/** The most names that an error lists. */
const mostListed = 20;

/** Fields without a place, of both; lists are joined. */
function joined(a: object | undefined, b: object | undefined): Record<string | symbol, unknown> {
  const rest: Record<string | symbol, unknown> = { ...b, ...a };
  const [x, y] = [a, b] as (Record<string | symbol, unknown> | undefined)[];
  for (const key of Reflect.ownKeys(rest)) {
    const [left, right] = [x?.[key], y?.[key]];
    if (Array.isArray(left) && Array.isArray(right)) rest[key] = [...left, ...right];
  }
  return rest;
}

/** Bind the open sizes of `wanted` to those of `made`; the kind of contradiction, where there is one. */
function unify(made: ValueType, wanted: ValueType, sizes: Map<string, Dim>): 'E1304' | 'E1305' | undefined {
  if (made.kind !== wanted.kind) return 'E1304';
  if ('element' in made && 'element' in wanted) {
    if (made.element !== wanted.element) return 'E1304';
    return !made.shape || !wanted.shape || fits(made.shape, wanted.shape, sizes) ? undefined : 'E1305';
  }
  if ('of' in made && 'of' in wanted) return made.of && wanted.of && unify(made.of, wanted.of, sizes);
  return undefined;
}

function fits(made: Shape, wanted: Shape, sizes: Map<string, Dim>): boolean {
  if (made.length !== wanted.length) return false;
  return made.every((d, axis) => {
    const open = wanted[axis]!;
    if (typeof open === 'number') return typeof d !== 'number' || d === open;
    const isName = [...symbolsOf(open)].join() === open.key && !isUnknownDim(open);
    if (!isName || isUnknownDim(d)) return true;
    const before = sizes.get(open.key);
    if (before === undefined || typeof before !== 'number') sizes.set(open.key, d);
    return typeof before !== 'number' || typeof d !== 'number' || before === d;
  });
}

/** The sizes that other connections gave to a type, where they did. */
function boundText(type: ValueType, sizes: ReadonlyMap<string, Dim>): string {
  const bound = withSizes(type, sizes);
  return bound === type ? '' : ` (${formatType(bound)} by its connections)`;
}

const textOf = (f: FunctionDefinition): string =>
  [printGraph(f.body), [...f.attributes].join(), [...f.defaults.keys()].join(), [...f.opsets].join(), f.overload].join('\n');

function newNameOf(node: Node, renamed: Renamed): string {
  for (const [f, name] of renamed) if (f.name === node.op && f.domain === node.domain && f.overload === node.overload) return name;
  return node.op;
}

/** A function under its new name, calling others by theirs. */
function under(f: FunctionDefinition, renamed: Renamed): FunctionDefinition {
  if (renamed.size === 0) return f;
  const body = new Copy({ op: node => newNameOf(node, renamed) }).graph(f.body);
  return { ...f, name: renamed.get(f) ?? f.name, body };
}
