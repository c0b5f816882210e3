// Operators that PyTorch does not define, or that have no conversion, kept as nodes of a domain of their own.
import { fail } from '../../errors.ts';
import type { Attribute, Value } from '../../ir/graph.ts';
import { elementTypes } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { Float, Symbolic } from './aten/row.ts';
import type { Operand } from './calls.ts';
import { TensorRef } from './memory.ts';

/**
 * A node for `torch.ops.<namespace>.<name>.<overload>`: the namespace is its domain, tensors are inputs in order, all other
 * arguments are attributes under their names; an overload other than `default` is the attribute `overload`.
 * @param domains gets the domain
 */
export function callCustom(
  target: string,
  args: readonly (readonly [string, Operand])[],
  outputs: readonly string[],
  domains: Set<string>,
  b: Builder,
): readonly Value[] {
  const [, domain, op, overload] = /^torch\.ops\.(\w+)\.(\w+)(?:\.(\w+))?$/.exec(target) ?? [];
  if (domain === undefined || op === undefined) throw fail('E2001', 'no conversion');
  domains.add(domain);
  const attributes = new Map<string, Attribute>();
  if (overload !== undefined && overload !== 'default') attributes.set('overload', { kind: 'string', value: overload });
  const inputs: (Value | undefined)[] = [];
  for (const [name, operand] of args) {
    const tensors = tensorsOf(operand, b);
    if (tensors) inputs.push(...tensors);
    else if (operand !== undefined) attributes.set(name, attributeOf(operand, name));
  }
  return b.emit(op, inputs, attributes, { domain, outputs }) as readonly Value[];
}

function tensorsOf(operand: Operand, b: Builder): readonly (Value | undefined)[] | undefined {
  if (operand instanceof TensorRef) return [operand.read(b)];
  if (operand instanceof Symbolic) return [operand.value];
  if (!Array.isArray(operand) || !operand.some(item => item instanceof TensorRef || item instanceof Symbolic)) return undefined;
  return operand.flatMap(item => tensorsOf(item, b) ?? [item === undefined ? undefined : b.ints([Number(item)])]);
}

function attributeOf(operand: Operand, name: string): Attribute {
  if (operand instanceof Float) return { kind: 'float', value: operand.value };
  if (typeof operand === 'string') return { kind: 'string', value: operand };
  if (typeof operand === 'boolean') return { kind: 'int', value: operand ? 1 : 0 };
  if (typeof operand === 'bigint') return { kind: 'int', value: operand };
  if (typeof operand === 'number') return Number.isInteger(operand) ? { kind: 'int', value: operand } : { kind: 'float', value: operand };
  if (Array.isArray(operand)) return listAttribute(operand, name);
  if (typeof operand === 'object' && 'element' in operand) return { kind: 'int', value: elementTypes[operand.element].code };
  throw fail('E2001', `argument ${name} cannot be an attribute`);
}

function listAttribute(list: readonly Operand[], name: string): Attribute {
  if (list.every(item => typeof item === 'string')) return { kind: 'strings', value: list };
  if (list.every(item => typeof item === 'bigint' || Number.isInteger(item) || typeof item === 'boolean'))
    return { kind: 'ints', value: list.map(item => (typeof item === 'bigint' ? item : Number(item))) };
  if (list.every(item => typeof item === 'number' || item instanceof Float))
    return { kind: 'floats', value: list.map(item => (item instanceof Float ? item.value : Number(item))) };
  throw fail('E2001', `argument ${name} cannot be an attribute`);
}
