// lower: composite operators become their bodies, until only core operators are left.
import { rowOf } from '../ops/index.ts';
import { lowerNode } from '../ops/infer.ts';
import { newestOpset, schemaOf } from '../ops/schema.ts';
import type { Pass, Rule } from './rewrite.ts';
import { isUnknown } from './rewrite.ts';

const lowerAny: Rule = (node, b) => {
  const row = node.domain === '' ? rowOf(node.op) : undefined;
  const schema = row && 'lower' in row && schemaOf('', node.op, newestOpset('')!);
  if (!schema) return undefined;
  try {
    return lowerNode(row, schema, node, b);
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
};

export const lower: Pass = { name: 'lower', rules: { '*': lowerAny } };
