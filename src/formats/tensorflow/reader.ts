// Runs bodies on handles: nodes in order, by the table of operators or by what is done with functions, variables and lists.
import { fail, ModelError } from '../../errors.ts';
import type { Meta, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import type { Problems } from '../problems.ts';
import type { Body, BodyNode, Library, Ref } from './body.ts';
import { Call, unsupported } from './call.ts';
import { complexNames, complexRow } from './complex.ts';
import { structured } from './control-flow.ts';
import { customNode } from './custom.ts';
import { withDilations } from './dilation.ts';
import { tfGap } from './gaps.ts';
import { type Handle, isValue, tensorOf } from './handles.ts';
import { tfRow } from './ops/index.ts';
import { Effects, orderOf } from './order.ts';
import type { Values } from './step.ts';
import { structure } from './structure.ts';

/** What all bodies of a program share. */
export interface Program {
  readonly library: Library;
  readonly problems: Problems;
  /** Resources and constants of the graph by the names of their nodes. */
  readonly resources: ReadonlyMap<string, Handle>;
  /** Most nodes after functions were put in their places. */
  readonly mostNodes: number;
  /** Keep operators without a conversion as nodes of a domain of their own. */
  readonly custom: boolean;
}

const deepest = 64;

export class Reader {
  readonly program: Program;
  readonly #effects: Effects;
  readonly #orders = new WeakMap<Body, readonly BodyNode[]>();
  readonly #stack: string[] = [];
  /** How often each name was given. */
  readonly #names = new Map<string, number>();
  #nodes = 0;
  #nested = 0;

  constructor(program: Program) {
    this.program = program;
    const { library } = program;
    this.#effects = new Effects(name => (library.has(name) ? library.body(name) : undefined));
  }

  /** Whether what runs now becomes a graph inside a node. */
  get isNested(): boolean {
    return this.#nested > 0;
  }

  /**
   * The outputs of a body. `bound` are handles of nodes that are not run.
   * @throws ModelError E1108 for a function that calls itself, E1302 for other arguments than it has, E1009 for too many nodes
   */
  run(given: Body, args: readonly Handle[], b: Builder, path = '', bound: Values = new Map()): Handle[] {
    const body = withDilations(structured(given));
    if (body.name !== '' && this.#stack.includes(body.name)) throw fail('E1108', `the function ${quoted(body.name)} calls itself`);
    if (this.#stack.length >= deepest)
      throw fail('E1009', `functions call each other more than ${deepest} deep`, { limit: { name: 'functions', value: deepest } });
    if (!body.inherits && args.length !== body.args.length)
      throw fail('E1302', `the function ${quoted(body.name)} gets ${args.length} arguments, it has ${body.args.length}`);
    const { mostNodes } = this.program;
    this.#stack.push(body.name);
    try {
      const values = new Map<string, readonly Handle[]>(bound);
      for (const [i, arg] of body.args.entries()) values.set(arg.name, [args[i]]);
      for (const node of this.#orderOf(body, values, bound.size === 0)) {
        if (++this.#nodes > mostNodes)
          throw fail('E1009', `calls of functions come to more than ${mostNodes} nodes`, {
            ...node.place,
            limit: { name: 'inlined', value: mostNodes },
          });
        values.set(node.name, this.#node(node, values, b, path));
      }
      return body.outputs.map(ref => handleOf(ref, values));
    } finally {
      this.#stack.pop();
    }
  }

  /** Run what becomes a graph inside a node, with a builder of its own. */
  nested<T>(b: Builder, run: (inner: Builder) => T): T {
    this.#nested++;
    try {
      return run(newBuilder({ meta: b.meta }));
    } finally {
      this.#nested--;
    }
  }

  /** The nodes of a body in order; a function that is called again keeps its own. */
  #orderOf(body: Body, bound: Values, isCall: boolean): readonly BodyNode[] {
    const order = (isCall ? this.#orders.get(body) : undefined) ?? orderOf(body, this.#effects, bound);
    if (isCall) this.#orders.set(body, order);
    return order;
  }

  #node(node: BodyNode, values: Values, b: Builder, path: string): readonly Handle[] {
    const { name } = node;
    const meta: Meta = { metadata: new Map([['node', name]]) };
    b.meta = meta;
    const { problems, library } = this.program;
    try {
      const inputs = node.inputs.map(ref => handleOf(ref, values));
      const row = structure[node.op];
      if (!row && !library.has(node.op) && !tfRow(node.op) && !complexNames.has(node.op) && !this.program.custom)
        throw unsupported(tfGap(node.op)!);
      if (inputs.includes(undefined)) return [];
      const handles = row
        ? row({ node, inputs, b, path, values, reader: this })
        : library.has(node.op)
          ? this.run(library.body(node.op), inputs, b, `${path}${name}/`)
          : (complexRow(node, inputs)?.({ node, inputs, b }) ?? this.#operator(node, inputs, b, name));
      for (const [i, handle] of handles.entries()) if (isValue(handle)) this.#label(handle, i === 0 ? name : `${name}:${i}`, b);
      return handles;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (error.code !== 'E2001' || error.findings.length > 1) throw error.within({ ...node.place, node: { op: node.op, name } });
      problems.add(node.op, error.message, meta, path + name);
      return [];
    }
  }

  /** Name what was made here after its node, which no other has. */
  #label(value: Value, wanted: string, b: Builder): void {
    const { producer } = value;
    if (!producer || value.tensor || producer.name !== '' || b.nodes.at(-1) !== producer) return;
    let name = wanted;
    let count = this.#names.get(wanted) ?? 0;
    if (count > 0)
      do name = `${wanted}_${count++}`;
      while (this.#names.has(name));
    this.#names.set(wanted, Math.max(count, 1));
    if (name !== wanted) this.#names.set(name, 1);
    value.name = name;
    producer.name = name;
  }

  #operator(node: BodyNode, inputs: readonly Handle[], b: Builder, name: string): readonly Handle[] {
    const values = inputs.map(tensorOf);
    const row = tfRow(node.op);
    const def = this.program.library.find(node.op);
    if (!row || !def) return customNode(node, values, def, b);
    try {
      const made = row(new Call(def, name, values, node.attrs), b);
      return isValue(made) ? [made] : made;
    } catch (error) {
      if (!this.program.custom || !(error instanceof ModelError) || error.code !== 'E2001') throw error;
      return customNode(node, values, def, b);
    }
  }
}

function handleOf(ref: Ref, values: Values): Handle {
  const handles = values.get(ref.node);
  if (handles && handles.length > 0 && ref.index >= handles.length)
    throw fail('E1104', `${quoted(ref.node)} has no output ${ref.index}, only ${handles.length}`);
  return handles?.[ref.index];
}
