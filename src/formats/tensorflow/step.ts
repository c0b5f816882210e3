// A node that runs, for rows of what is no operator on tensors.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import type { Body, BodyNode } from './body.ts';
import type { Handle } from './handles.ts';
import type { Reader } from './reader.ts';

/** What nodes gave, by their names. */
export type Values = ReadonlyMap<string, readonly Handle[]>;

/** A node: its inputs, and the builder that takes what it makes. */
export interface OperatorStep {
  readonly node: Pick<BodyNode, 'op' | 'name' | 'attrs'>;
  readonly inputs: readonly Handle[];
  readonly b: Builder;
}

/** A node of a graph, which may name functions. */
export interface Step extends OperatorStep {
  readonly node: BodyNode;
  /** Names of the calls around it, each with a slash. */
  readonly path: string;
  /** What the nodes around it gave. */
  readonly values: Values;
  readonly reader: Reader;
}

/** The outputs of a node, whatever they are. */
export type StructureRow = (step: Step) => readonly Handle[];
/** The same of a node that asks nothing of the graph around it. */
export type OperatorRow = (step: OperatorStep) => readonly Handle[];

/** The functions that an attribute names. @throws ModelError E1303 */
export function functionsIn({ node, reader }: Step, attribute: string): Body[] {
  const own = node.bodies?.get(attribute);
  if (own) return [own];
  const value = node.attrs.get(attribute);
  const funcs = value?.func ? [value.func] : (value?.list?.func ?? []);
  if (funcs.length === 0) throw fail('E1303', `${node.op} has no function ${attribute}`);
  return funcs.map(f => reader.program.library.body(f.name ?? ''));
}

/** The outputs of a function or of a part of the graph. */
export function runBody({ reader, path, node, values }: Step, body: Body, args: readonly Handle[], b: Builder): Handle[] {
  return body.inherits ? reader.run(body, args, b, path, values) : reader.run(body, args, b, `${path}${node.name}/`);
}

/** A value that a node of this graph produces; what comes from outside is passed through one. */
export const produced = (v: Value, b: Builder): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));
