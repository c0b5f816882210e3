// lower: composite operators become their bodies, until only core operators are left, or until none is left that must go.
import type { Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { lowerNode } from '../ops/infer.ts';
import { newestSchema } from '../ops/schema.ts';
import type { Pass } from './rewrite.ts';
import { isUnknown } from './rewrite.ts';

/** The body of a node's operator; undefined where it has none, or where a type that it needs is not known. */
export const bodyValues = (node: Node, b: Builder): readonly (Value | undefined)[] | undefined => {
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema) return undefined;
  try {
    return lowerNode(row, schema, node, b);
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
};

const isComposite = (node: Node): boolean => {
  const row = rowOf(node.op, node.domain);
  return row !== undefined && 'lower' in row;
};

/** Replace the nodes that pass `test` by their bodies, where they have one. */
export const lowerWhere = (test: (node: Node) => boolean): Pass => ({
  name: 'lower',
  rules: { '*': (node, b) => (test(node) ? bodyValues(node, b) : undefined) },
});

export const lower: Pass = lowerWhere(isComposite);
