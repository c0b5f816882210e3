// What stands in the way of a conversion, found by the writers themselves, without writing.
import { type WriteModelOptions, type Written, write } from './api.ts';
import { type Code, codes, type ExitKind, type Finding, ModelError } from './errors.ts';
import type { Model } from './ir/graph.ts';

/** Something that cannot be said, and everywhere it is. */
export interface Blocker {
  readonly code: Code;
  /** The operator, where it is about one. */
  readonly operator?: string | undefined;
  readonly reason: string;
  readonly count: number;
  /** Names of nodes, tensors or fields; fewer than `count` where some have none. */
  readonly places: readonly string[];
}

export interface DryRun {
  readonly blockers: readonly Blocker[];
  /** What would be written; its parts are not made yet. Undefined where something stands in the way. */
  readonly written?: Written | undefined;
}

/**
 * Convert a model, but for reading its weights and writing files: all that a conversion to the format would be refused for.
 * @throws ModelError for options that are wrong whatever the model is, and for models that are broken
 */
export async function dryRun(model: Model, options: WriteModelOptions): Promise<DryRun> {
  try {
    return { blockers: [], written: await write(model, options) };
  } catch (error) {
    return { blockers: blockersOf(error) };
  }
}

/** What an error says stands in the way, if it is of these kinds. Other errors are thrown again. */
export function blockersOf(error: unknown, kinds: ReadonlySet<ExitKind> = blocking): Blocker[] {
  if (!(error instanceof ModelError) || !error.findings.every(f => kinds.has(codes[f.code].exit))) throw error;
  const groups = new Map<string, Finding[]>();
  for (const f of error.findings) {
    const key = JSON.stringify([f.code, f.node?.op, reasonOf(f)]);
    groups.set(key, [...(groups.get(key) ?? []), f]);
  }
  return [...groups.values()].map(same => {
    const [first] = same as [Finding, ...Finding[]];
    const places = same.flatMap(f => f.places ?? f.node?.name ?? f.tensor ?? f.path ?? []).filter(name => name !== '');
    const count = same.reduce((n, f) => n + (f.places?.length ?? 1), 0);
    return { code: first.code, operator: first.node?.op, reason: reasonOf(first), count, places };
  });
}

/** What only the target does not take, and what is found to be wrong with the model, or too large, on the way there. */
const blocking: ReadonlySet<ExitKind> = new Set(['unsupported', 'input', 'limit']);

/** The message without what the columns beside it say. */
function reasonOf({ message, node, places }: Finding): string {
  const counted = places ? message.replace(/ \(\d+ nodes?[^()]*\)$/, '') : message;
  return node && counted.startsWith(`${node.op}: `) ? counted.slice(node.op.length + 2) : counted;
}
