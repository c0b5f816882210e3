// Which tensors of a model training changes.
import { type Finding, fail, warning } from '../errors.ts';
import { constantsOf, type Graph, type Model, type Value } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { isFloat } from '../ir/types.ts';
import { nearestName } from '../ops/nearest.ts';
import { TrainingForm } from './training-form.ts';

/** Names with `*` for any text. */
export type Patterns = readonly string[];

export interface ParameterOptions {
  /** Names of the weights that are trained; all otherwise. */
  readonly trainable?: Patterns | undefined;
  /** Names of those among them that stay as they are. */
  readonly freeze?: Patterns | undefined;
}

export interface Parameters {
  readonly parameters: readonly Value[];
  /** Whether they were named, so that one without a gradient is an error. */
  readonly areNamed: boolean;
  readonly findings: readonly Finding[];
}

/** Numbers beyond this stand for infinity, in masks. */
const maskLimit = 1e4;

/**
 * The weights to train: floats with a name that the model lists. Statistics of batch normalisation are none; nor, unless named, are
 * buffers of programs, and tensors with numbers that stand for infinity, which are masks.
 * @throws ModelError E3001 for a pattern that fits no weight, E6001 where nothing is left
 */
export function parametersOf(model: Model, graph: Graph, { trainable, freeze = [] }: ParameterOptions): Parameters {
  const statistics = new Set(TrainingForm.statistics(graph.nodes));
  const constants = constantsOf(graph).filter(v => v.tensor && v.name !== '' && isFloat(v.tensor.type));
  const flagged = constants.filter(v => v.parameter);
  const listed = (flagged.length > 0 ? flagged : constants.filter(v => graph.initializers.includes(v))).filter(v => !statistics.has(v));
  const names = listed.map(v => v.name);
  for (const pattern of [...(trainable ?? []), ...freeze]) requireMatch(pattern, names);
  const isMatched = (v: Value, patterns: Patterns): boolean => patterns.some(pattern => matches(pattern, v.name));
  const findings: Finding[] = [];
  const buffers = new Set(model.meta.program?.weights.filter(w => w.isBuffer).map(w => w.name));
  const isWeight = (v: Value): boolean => {
    if (buffers.has(v.name)) return false;
    if (!isMask(v)) return true;
    findings.push(warning('E6011', `${quoted(v.name)} holds numbers that stand for infinity and is not trained unless it is named`));
    return false;
  };
  const parameters = listed.filter(v => (trainable ? isMatched(v, trainable) : isWeight(v))).filter(v => !isMatched(v, freeze));
  if (parameters.length === 0) throw fail('E6001', `no weight is trained; the model has ${listed.length}`);
  return { parameters, areNamed: trainable !== undefined, findings };
}

function isMask({ tensor }: Value): boolean {
  if (!tensor?.isResident || (tensor.type !== 'float32' && tensor.type !== 'float64')) return false;
  return (tensor.data as Float32Array).some(x => Math.abs(x) >= maskLimit);
}

function requireMatch(pattern: string, names: readonly string[]): void {
  if (names.some(name => matches(pattern, name))) return;
  const near = nearestName(pattern, names);
  throw fail('E3001', `no weight is named ${quoted(pattern)}${near ? `; nearest name: ${near}` : ''}`);
}

/** Whether a name fits a pattern, in which `*` stands for any text. */
export function matches(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split('*') as [string, ...string[]];
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const [i, part] of rest.entries()) {
    const found = i === rest.length - 1 ? Math.max(at, name.length - part.length) : name.indexOf(part, at);
    if (found < at || !name.startsWith(part, found)) return false;
    at = found + part.length;
  }
  return true;
}
