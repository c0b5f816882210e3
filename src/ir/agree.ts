// What two statements about one value's type say together.
import { type Dim, hasUnknown, sameDim } from './dims.ts';
import type { Value } from './graph.ts';
import { quoted } from './text.ts';
import { formatType, type Shape, tensorType, type ValueType } from './types.ts';

/** The type that both allow and that says most; of two open sizes that of `a`. `contradiction` where no value is of both. */
export function agreed(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined | 'contradiction' {
  if (!a || !b) return a ?? b;
  if ((a.kind === 'tensor' || a.kind === 'sparse') && a.kind === b.kind) {
    if (a.element !== b.element && a.element !== 'undefined' && b.element !== 'undefined') return 'contradiction';
    const shape = agreedShape(a.shape, b.shape);
    if (shape === 'contradiction') return shape;
    return { ...b, ...a, element: a.element === 'undefined' ? b.element : a.element, ...(shape && { shape }) };
  }
  if ((a.kind === 'sequence' || a.kind === 'optional') && a.kind === b.kind) return within(agreed(a.of, b.of), of => ({ ...b, ...a, of }));
  if (a.kind === 'map' && b.kind === 'map')
    return a.key === b.key ? within(agreed(a.of, b.of), of => ({ ...b, ...a, of })) : 'contradiction';
  if (a.kind === 'opaque' && b.kind === 'opaque') return a.domain === b.domain && a.name === b.name ? a : 'contradiction';
  return 'contradiction';
}

const within = (
  inner: ValueType | undefined | 'contradiction',
  wrap: (of: ValueType | undefined) => ValueType,
): ValueType | 'contradiction' => (inner === 'contradiction' ? inner : wrap(inner));

function agreedShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined | 'contradiction' {
  if (!a || !b) return a ?? b;
  if (a.length !== b.length || a.some((d, i) => contradict(d, b[i]!))) return 'contradiction';
  return a.map((d, i) => agreedDim(d, b[i]!));
}

const contradict = (a: Dim, b: Dim): boolean => typeof a === 'number' && typeof b === 'number' && a !== b;

function agreedDim(a: Dim, b: Dim): Dim {
  if (typeof a === 'number') return a;
  return typeof b === 'number' || (hasUnknown(a) && !hasUnknown(b)) ? b : a;
}

/** Why a value cannot have both its declared type and its content; undefined where it can. */
export function contentMisfit({ name, type, tensor }: Value): string | undefined {
  const found = tensor && tensorType(tensor.type, tensor.dims);
  if (agreed(found, type) !== 'contradiction') return undefined;
  return `${quoted(name)} is declared as ${formatType(type)}, its content is ${formatType(found)}`;
}

/** Whether two types say the same, sizes compared in their normal form. */
export function sameType(a: ValueType | undefined, b: ValueType | undefined): boolean {
  if (a === b || !a || !b || a.kind !== b.kind) return a === b;
  if ((a.kind === 'tensor' || a.kind === 'sparse') && (b.kind === 'tensor' || b.kind === 'sparse'))
    return a.element === b.element && a.shape?.length === b.shape?.length && (a.shape ?? []).every((d, i) => sameDim(d, b.shape![i]!));
  if (a.kind === 'map' && b.kind === 'map') return a.key === b.key && sameType(a.of, b.of);
  if (a.kind === 'opaque' || b.kind === 'opaque') return a.kind === b.kind && agreed(a, b) === a;
  return 'of' in a && 'of' in b && sameType(a.of, b.of);
}
