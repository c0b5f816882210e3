// omnix plan: what a model becomes before it runs, kernel by kernel.
import { Session, withInputShapes } from '../../src/api.ts';
import { bindPlan } from '../../src/exec/bind.ts';
import { printPlan } from '../../src/exec/plan.ts';
import { randomArrays } from '../../src/validate/random.ts';
import { loadArrays, paired } from '../arrays.ts';
import { backendFor } from '../backends.ts';
import { readModel } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { parseShapes } from '../shapes.ts';
import { bytesText, columns, escaped, plural } from '../terminal.ts';

export interface PlanOptions extends ReadLimitOptions {
  readonly inputs?: string;
  readonly inputShape?: readonly string[];
  readonly backend: string;
  readonly winograd?: boolean;
  /** False after `--no-optimize`. */
  readonly optimize: boolean;
}

export async function plan([path]: readonly string[], options: PlanOptions, out: Output): Promise<Outcome> {
  const backend = await backendFor(options, out);
  const shapes = parseShapes('--input-shape', options.inputShape ?? []);
  const { model, findings } = await out.stage('read', () => readModel(path!, options));
  const session = await Session.create(shapes ? withInputShapes(model, shapes) : model, { backend, optimize: options.optimize });
  const feeds = options.inputs ? paired(await loadArrays(options.inputs), session.inputNames, 'input', out) : randomArrays(session.inputs);
  const made = await out.stage('plan', () => session.plan(feeds));
  const placed = (await backend.placement?.(made)) ?? { plan: made, reasons: [], groups: [] };
  await session.dispose();
  const sizes = new Map<string, number>();
  for (const { name, view } of made.inputs)
    for (const [axis, d] of view.shape.entries()) if (typeof d !== 'number') sizes.set(d.key, feeds[name]!.dims[axis]!);
  const bound = bindPlan(placed.plan, sizes, { rows: placed.groups ?? [] });
  const kinds = new Map<string, number>();
  for (const { kernel } of placed.plan.steps) kinds.set(kernel.kind, (kinds.get(kernel.kind) ?? 0) + 1);
  const counts = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => [kind, String(count)]);
  const memory = `${plural(placed.plan.steps.length, 'kernel')}, ${bytesText(bound.arena)} for what lies between them`;
  const onHost = placed.reasons.map(reason => (reason === undefined ? '' : `  ; on the host: ${reason}`));
  const lines = printPlan(placed.plan, placed.groups).split('\n');
  const text = [...lines.map((line, i) => escaped(`${line}${onHost[i] ?? ''}`)), '', ...columns(counts, { right: [1] }), memory];
  const hosted = placed.reasons.filter(reason => reason !== undefined).length;
  if (backend.placement) text.push(`${plural(placed.plan.steps.length - hosted, 'kernel')} on ${backend.name}, ${hosted} on the host`);
  return {
    results: {
      steps: placed.plan.steps.map((s, i) => ({
        kind: s.kernel.kind,
        label: s.label,
        ...(placed.reasons[i] && { host: placed.reasons[i] }),
      })),
      kinds: Object.fromEntries(kinds),
      arenaBytes: bound.arena,
    },
    findings,
    text,
  };
}
