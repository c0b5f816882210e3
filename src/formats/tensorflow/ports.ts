// Inputs of a model that is read from a graph: their types, with names for open sizes.
import { fail } from '../../errors.ts';
import { type Dim, symbol } from '../../ir/dims.ts';
import { Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { tensorType } from '../../ir/types.ts';
import { elementOf } from './types.ts';

/** An input as the file states it: sizes are -1 where they are open, and absent where the rank is. */
export interface Port {
  readonly name: string;
  /** A `DataType` number. */
  readonly type: number;
  readonly sizes: readonly number[] | undefined;
}

export type InputShapes = Readonly<Record<string, readonly (number | string)[]>>;

/**
 * Values for inputs. Open sizes are named after their input and axis; the first axis of the only input that has an open one is the batch.
 * Two inputs never share a name: nothing says that their sizes are the same.
 * @throws ModelError E3003 for a given shape that is not of the stated rank
 */
export function inputValues(ports: readonly Port[], given: InputShapes): Value[] {
  const batches = ports.filter(p => (p.sizes?.[0] ?? 0) < 0);
  return ports.map(port => {
    const shape = given[port.name]?.map((d): Dim => (typeof d === 'string' ? symbol(d) : d));
    if (shape && port.sizes && shape.length !== port.sizes.length)
      throw fail('E3003', `--input-shape gives ${quoted(port.name)} ${shape.length} axes, the model says ${port.sizes.length}`);
    const stated = port.sizes?.map((d, axis) => (d >= 0 ? d : symbol(sizeName(port.name, axis, batches.length === 1))));
    return new Value(port.name, tensorType(elementOf(port.type), shape ?? stated));
  });
}

const sizeName = (input: string, axis: number, isOnly: boolean): string =>
  axis > 0 ? `${input}_dim${axis}` : isOnly ? 'batch' : `${input}_batch`;
