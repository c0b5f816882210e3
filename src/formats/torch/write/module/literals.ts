// Constants without a name that are one number: they are written where they are used.
import type { DataType } from '../../../../ir/types.ts';
import type { Ref, State, TorchProgram } from '../program.ts';
import { dtypeText, floatText } from '../python.ts';

/** How a number of a type is written. */
const texts: { readonly [T in DataType]?: (value: number | bigint) => string } = {
  float32: value => pythonFloat(Number(value)),
  float64: value => `${pythonFloat(Number(value))}, dtype=${dtypeText('float64')}`,
  int64: value => String(value),
  int32: value => `${value}, dtype=${dtypeText('int32')}`,
  bool: value => (value ? 'True' : 'False'),
};

export const pythonFloat = (value: number): string => floatText(value, 'float("inf")', 'float("nan")');

/** The tensors that are literals, as text, and the state that is left. */
export function literalsOf({ state }: TorchProgram): { readonly literals: ReadonlyMap<Ref, string>; readonly rest: readonly State[] } {
  const literals = new Map<Ref, string>();
  for (const { ref, tensor, kind } of state) {
    const text = texts[tensor.type];
    if (kind !== 'constant' || tensor.dims.length > 0 || !text || !tensor.isResident) continue;
    literals.set(ref, `torch.tensor(${text((tensor.data as ArrayLike<number | bigint>)[0]!)})`);
  }
  return { literals, rest: state.filter(s => !literals.has(s.ref)) };
}
