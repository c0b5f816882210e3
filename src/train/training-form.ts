// Operators in the form they have in training: Dropout drops, batch normalisation takes its numbers from the batch and remembers them.
import { type Finding, warning } from '../errors.ts';
import type { Node, Value } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { valuesOf } from '../ops/attributes.ts';
import type { Builder } from '../ops/builder.ts';
import { newestSchema } from '../ops/schema.ts';
import { elementOf, numbersIn, range, rankOf } from '../ops/shapes.ts';
import { constantValue } from '../passes/fold.ts';
import { emitAgain, type Visit } from '../passes/rebuild.ts';
import { type Source, uniformLike } from './draws.ts';

export interface TrainingFormOptions {
  /** Batch normalisation by the numbers of the batch, or by those that the model has; `batch` otherwise. */
  readonly batchNorm?: 'batch' | 'frozen' | undefined;
  /** Whether Dropout drops; it does otherwise. */
  readonly dropout?: boolean | undefined;
}

/** A tensor of the model that training changes without a gradient. */
export interface Update {
  /** What stands for it in the graph. */
  readonly value: Value;
  readonly next: Value;
}

/** Copies nodes in their training form. */
export class TrainingForm {
  /** What batch normalisation remembers, in the order of the nodes. */
  readonly updates: Update[] = [];
  readonly findings: Finding[] = [];
  readonly #options: Required<TrainingFormOptions>;
  /** Nodes of the outermost graph: what nested ones remember cannot leave them. */
  readonly #outer: ReadonlySet<Node>;
  readonly #source: () => Source;
  #drawn = 0;

  /** @param source what draws depend on, made when something draws */
  constructor(nodes: readonly Node[], { batchNorm = 'batch', dropout = true }: TrainingFormOptions, source: () => Source) {
    this.#outer = new Set(nodes);
    this.#options = { batchNorm, dropout };
    this.#source = source;
  }

  /** The constants that batch normalisation remembers its numbers in. */
  static statistics(nodes: readonly Node[]): readonly Value[] {
    const all = nodes.filter(isBatchNorm).flatMap(node => node.inputs.slice(3, 5));
    return [...new Set(all.filter((v): v is Value => v?.tensor !== undefined))];
  }

  readonly visit: Visit = (node, inputs, attributes, b) => {
    // What a Constant holds is known at once, so that sizes are.
    if (node.op === 'Constant' && node.domain === '') return [constantValue(node.outputs[0]!.name, attributes)];
    if (isBatchNorm(node)) return this.#batchNorm(node, inputs, b);
    if (node.op === 'Dropout' && node.domain === '') return this.#dropout(inputs, b);
    return emitAgain(node, inputs, attributes, b);
  };

  #batchNorm(node: Node, inputs: readonly (Value | undefined)[], b: Builder): readonly (Value | undefined)[] {
    const { epsilon, momentum } = valuesOf(node.attributes, newestSchema('', node.op)!) as { epsilon: number; momentum: number };
    const [X, scale, B, mean, variance] = inputs as readonly [Value, Value, Value, Value, Value];
    const isNested = !this.#outer.has(node);
    if (isNested && this.#options.batchNorm === 'batch')
      this.findings.push(warning('E6011', `batch normalisation ${quoted(node.name)} is inside of control flow and stays as it is`));
    if (isNested || this.#options.batchNorm === 'frozen') {
      const Y = b.BatchNormalization({ X, scale, B, input_mean: mean, input_var: variance }, { epsilon }).Y;
      return node.outputs.map((v, i) => (i === 0 ? Y : v && [mean, variance][i - 1]));
    }
    const made = ofBatch(b, { X, scale, B, mean, variance }, { epsilon, momentum });
    // What is computed, or read by two nodes, is remembered by the last.
    for (const [value, next] of [
      [mean, made.mean],
      [variance, made.variance],
    ] as const)
      if (!value.producer) this.updates.push({ value, next });
    return node.outputs.map((_, i) => [made.Y, made.mean, made.variance][i]);
  }

  #dropout([data, ratio]: readonly (Value | undefined)[], b: Builder): readonly (Value | undefined)[] {
    const x = data!;
    const isOff = !this.#options.dropout || (ratio && numbersIn(ratio)?.[0] === 0);
    if (isOff) return [b.Identity(x), undefined];
    const share = ratio ? b.Cast(b.Reshape(ratio, []), 'float32') : b.constant(0.5, 'float32');
    const u = uniformLike(b, x, this.#drawn++, this.#source());
    const mask = b.Not(b.Less(u, share));
    const factor = b.Div(b.Cast(mask, 'float32'), b.Sub(b.constant(1, 'float32'), share));
    return [b.Mul(x, b.Cast(factor, elementOf(x))), mask];
  }
}

export const isBatchNorm = (node: Node): boolean => node.op === 'BatchNormalization' && node.domain === '';

interface BatchNormInputs {
  readonly X: Value;
  readonly scale: Value;
  readonly B: Value;
  readonly mean: Value;
  readonly variance: Value;
}

/** Batch normalisation as PyTorch trains it: normalised by the variance of the batch, remembering the estimate of the population's. */
function ofBatch(
  b: Builder,
  { X, scale, B, mean, variance }: BatchNormInputs,
  { epsilon, momentum }: { readonly epsilon: number; readonly momentum: number },
) {
  const axes = range(rankOf(X)).filter(axis => axis !== 1);
  const wide = b.Cast(X, elementOf(mean));
  const count = b.count(wide, axes);
  const average = (x: Value): Value => b.Div(b.ReduceSum(x, { axes }), count);
  const now = average(wide);
  const centred = b.Sub(wide, now);
  const spread = average(b.Mul(centred, centred));
  const standard = b.Div(centred, b.Sqrt(b.Add(spread, b.like(epsilon, spread))));
  const along = (v: Value): Value => (rankOf(X) <= 2 ? v : b.Reshape(v, [-1, ...range(rankOf(X) - 2).map(() => 1)]));
  const population = b.Mul(spread, b.Div(count, b.Max(b.Sub(count, b.like(1, count)), b.like(1, count))));
  const remembered = (before: Value, value: Value): Value =>
    b.Add(b.Mul(before, b.like(momentum, before)), b.Mul(b.Reshape(value, [-1]), b.like(1 - momentum, before)));
  return {
    Y: b.Add(b.Mul(b.Cast(standard, elementOf(X)), along(scale)), along(B)),
    mean: remembered(mean, now),
    variance: remembered(variance, population),
  };
}
