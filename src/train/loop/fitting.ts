// Batches made to fit what a training graph asks for: names, element types, sizes; and labels that are classes.
import { fail } from '../../errors.ts';
import type { ValueInfo } from '../../exec/session.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { isFloat, isInteger, type TensorType } from '../../ir/types.ts';
import { asNumbers, tensorOfNumbers } from '../../kernels/memory.ts';
import { nearestName } from '../../ops/nearest.ts';
import type { TargetFacts } from '../losses/index.ts';
import type { Batch } from './data.ts';

/** Which array is for which input: by its name, or what the names say; the rest in order where no name fits. */
export type FieldNames = Readonly<Record<string, string>>;

/**
 * Arrays under the names of inputs.
 * @throws ModelError E6015 where an input gets no array
 */
export function named(batch: Batch, wanted: readonly string[], fields: FieldNames = {}): Batch {
  const given = Object.keys(batch);
  for (const [input, field] of Object.entries(fields)) {
    if (!wanted.includes(input)) throw fail('E3001', `nothing is read from the input ${quoted(input)}${hint(input, wanted)}`);
    if (!given.includes(field)) throw fail('E6015', `the data has no ${quoted(field)}${hint(field, given)}`);
  }
  const isNamed = wanted.some(name => Object.hasOwn(fields, name) || given.includes(name));
  const left = given.filter(name => !wanted.includes(name) && !Object.values(fields).includes(name));
  return Object.fromEntries(
    wanted.map((name, i) => {
      const field = fields[name] ?? (given.includes(name) ? name : undefined);
      // One array without a name that fits is for the one input that has none.
      const open = wanted.filter(other => !Object.hasOwn(fields, other) && !given.includes(other));
      const fallback = isNamed ? (open.length === 1 && left.length === 1 ? left[0] : undefined) : given[i];
      const from = field ?? fallback;
      if (from === undefined)
        throw fail('E6015', `the data has nothing for ${quoted(name)}; it has ${given.map(g => quoted(g)).join(', ')}`);
      return [name, batch[from]!];
    }),
  );
}

const hint = (name: string, known: readonly string[]): string => {
  const near = nearestName(name, known);
  return near ? `; nearest name: ${near}` : '';
};

/**
 * A tensor in the element type and rank of an input. Numbers become the numbers of its type; axes of size 1 may be missing or too many.
 * @throws ModelError E6015 for what is no number, and a shape that does not fit
 */
export function fitted(tensor: Tensor, { name, type }: ValueInfo): Tensor {
  if (type?.kind !== 'tensor') return tensor;
  return reshaped(converted(tensor, name, type), name, type);
}

const isNumeric = (type: Tensor['type']): boolean => isFloat(type) || isInteger(type) || type === 'bool';

function converted(tensor: Tensor, name: string, { element }: TensorType): Tensor {
  if (tensor.type === element) return tensor;
  if (!isNumeric(tensor.type) || !isNumeric(element)) throw fail('E6015', `${quoted(name)} is ${tensor.type}, expected ${element}`);
  const wide = asNumbers(tensor);
  const fraction = isFloat(element) ? -1 : wide.findIndex(x => !Number.isInteger(x));
  if (fraction >= 0) throw fail('E6015', `${quoted(name)} holds ${wide[fraction]} at ${fraction}, expected ${element}`);
  return tensorOfNumbers(element, wide, tensor.dims);
}

function reshaped(tensor: Tensor, name: string, { shape }: TensorType): Tensor {
  if (!shape || tensor.dims.length === shape.length) return tensor;
  const others = tensor.dims.slice(1).filter(d => d !== 1);
  const wanted = shape.slice(1).filter(d => d !== 1);
  if (others.length !== wanted.length || shape.length === 0)
    throw fail('E6015', `${quoted(name)} has the shape [${tensor.dims}], expected rank ${shape.length}`);
  const dims = [tensor.dims[0]!, ...shape.slice(1).map(d => (d === 1 ? 1 : others.shift()!))];
  return tensor.reshape(dims);
}

/**
 * That labels are classes.
 * @param examples the numbers of the examples, for errors
 * @throws ModelError E6012 naming the first that is none
 */
export function requireClasses(tensor: Tensor, { name, classes }: TargetFacts, examples?: readonly number[]): void {
  if (!classes || typeof classes.count !== 'number') return;
  const { count, ignored } = classes;
  const labels = tensor.data as BigInt64Array;
  for (let i = 0; i < labels.length; i++) {
    const label = Number(labels[i]);
    if ((label >= 0 && label < count) || label === ignored) continue;
    const row = Math.floor(i / (labels.length / (tensor.dims[0] ?? 1)));
    const place = examples ? `example ${examples[row]}` : `example ${row} of the batch`;
    throw fail('E6012', `${quoted(name)}: a label of ${place} is ${label}, the classes are 0 to ${count - 1}`, { tensor: name });
  }
}
