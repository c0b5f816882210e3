// Operators beyond the builtins: those with a row of their own, those of TensorFlow, and the rest as nodes of a domain of their own.
import { ModelError } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { tensorType } from '../../ir/types.ts';
import type { FlexRow } from './flex.ts';
import { customRows } from './ops/custom.ts';
import { type Call, unsupported } from './ops/row.ts';

/** Whether an operator is one of TensorFlow. */
export const isFlex = ({ name }: { readonly name: string }): boolean => name.startsWith('Flex');

/** The domain of operators that are kept as they are. */
export const customDomain = 'tflite.custom';

/**
 * What a custom operator computes.
 * @param options its bytes, of a format that it alone knows
 * @param domains gets the domain, where operators without a conversion are kept
 */
export function callCustom(x: Call, options: Uint8Array | undefined, domains: Set<string> | undefined): ReturnType<FlexRow> {
  const { b, reading } = x.reader;
  const row = isFlex(x) ? reading.flex?.call : Object.hasOwn(customRows, x.name) ? customRows[x.name] : undefined;
  try {
    if (row) return row(x, b, options ?? new Uint8Array(0));
  } catch (error) {
    if (!domains || !(error instanceof ModelError) || error.code !== 'E2001') throw error;
  }
  if (!domains) throw unsupported('a custom operator');
  domains.add(customDomain);
  const attributes = options && { custom_options: new Tensor('uint8', options, [options.length]) };
  const made = b.emit(
    x.name,
    x.operands.map(o => o.raw),
    attributes,
    { domain: customDomain, outputs: x.outputs.map(o => o.name) },
  );
  made.forEach((v, i) => {
    const { element, shape } = x.outputs[i]!;
    if (v && element) v.type = tensorType(element, shape);
  });
  return made;
}
