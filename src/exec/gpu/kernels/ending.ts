// What becomes of a product's result: it is stored, or what the map that joins it makes of it.
import type { ScalarType } from '../../../expr/primitives.ts';
import { Lack, type Operand, type Writer } from '../writer.ts';
import { runProgram } from './map.ts';

export interface Ending {
  /** Views that are walked with the results, the first output before all others. */
  readonly operands: readonly [Operand, ...Operand[]];
  /** Takes a result; `places` are those of the operands. */
  finish(places: readonly string[], result: string): void;
}

export function endingOf(w: Writer, type: ScalarType): Ending {
  const { joined } = w.written;
  const outputs = w.step.outputs.map((_, k) => w.output(k)) as [Operand, ...Operand[]];
  if (!joined) {
    if (outputs[0].view.type !== type) throw new Lack(`a product on ${outputs[0].view.type}`);
    return { operands: outputs, finish: ([place], result) => outputs[0].store(place!, result) };
  }
  const inputs = joined.reads.map(k => (k === 'product' ? undefined : w.input(k)!));
  const read = inputs.filter(x => x !== undefined);
  return {
    operands: [...outputs, ...read],
    finish(places, result) {
      const values = runProgram(w, joined.program, k => {
        const x = inputs[k];
        return x ? x.load(places[outputs.length + read.indexOf(x)]!) : result;
      });
      for (const [k, y] of outputs.entries()) y.store(places[k]!, values[joined.program.outputs[k]!]!);
    },
  };
}
