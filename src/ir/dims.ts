// Sizes of axes: integers, or polynomials over named symbols with integer division, remainder, maximum and minimum.
// Every expression is kept in one normal form, so that equal expressions have equal text. Names are opaque text.

/** A size: a number, or an expression that the sizes of the inputs decide. */
export type Dim = number | SymbolicDim;

/** A factor of a term: a named size, or an operation that does not distribute over sums. */
type Atom =
  | { readonly kind: 'symbol'; readonly key: string /** Whether it may be negative, as no size is. */; readonly signed?: true }
  | { readonly kind: Operation; readonly key: string; readonly a: Dim; readonly b: Dim };
type Operation = 'floordiv' | 'mod' | 'max' | 'min';

interface Term {
  readonly key: string;
  readonly factor: number;
  readonly atoms: readonly Atom[];
}

/** A sum of terms plus a constant, in normal form. Compare with `sameDim`. */
export class SymbolicDim {
  readonly terms: readonly Term[];
  readonly constant: number;
  /** The normal form as text, such as `2*n+1`. */
  readonly key: string;
  constructor(terms: readonly Term[], constant: number) {
    this.terms = terms;
    this.constant = constant;
    this.key = formatSum(terms, constant);
  }
  toString(): string {
    return this.key;
  }
}

/** The size named `name`. The name is kept as it is and never parsed. */
export const symbol = (name: string): Dim => fromAtom({ kind: 'symbol', key: name });

let anonymous = 0;
/** A size about which nothing is known; equal only to itself. Written to files without a name. */
export const unknownDim = (): Dim => symbol(`?${anonymous++}`);

/** The same for what sizes are computed from, which may be negative. */
const unknownNumber = (): Dim => fromAtom({ kind: 'symbol', key: `?${anonymous++}`, signed: true });

/** Whether the size is exactly one made by `unknownDim`. */
export const isUnknownDim = (d: Dim): boolean => typeof d !== 'number' && d.key.startsWith('?') && /^\?\d+$/.test(d.key);

/** Whether unknown sizes occur anywhere in it. */
export const hasUnknown = (d: Dim): boolean => [...symbolsOf(d)].some(name => /^\?\d+$/.test(name));

export const sameDim = (a: Dim, b: Dim): boolean => a === b || (typeof a !== 'number' && typeof b !== 'number' && a.key === b.key);
export const sameShape = (a: readonly Dim[], b: readonly Dim[]): boolean => a.length === b.length && a.every((d, i) => sameDim(d, b[i]!));
export const isStatic = (shape: readonly Dim[] | undefined): shape is readonly number[] =>
  shape?.every(d => typeof d === 'number') ?? false;
/** Whether a size is the smaller of 1 and another: what a slice of one element leaves of an axis. It is 1 unless that axis is empty. */
export const isAtMostOne = (d: Dim): boolean =>
  d === 1 || (typeof d !== 'number' && d.constant === 0 && d.terms.length === 1 && isMinimumWithOne(d.terms[0]!));
const isMinimumWithOne = ({ factor, atoms: [atom, ...rest] }: Term): boolean =>
  factor === 1 && rest.length === 0 && atom?.kind === 'min' && (atom.a === 1 || atom.b === 1);
export const formatDim = (d: Dim): string => (typeof d === 'number' ? String(d) : isUnknownDim(d) ? '?' : d.key);

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return sum([...termsOf(a), ...termsOf(b)], constantOf(a) + constantOf(b));
}
export const subDims = (a: Dim, b: Dim): Dim => addDims(a, mulDims(b, -1));

export function mulDims(a: Dim, b: Dim): Dim {
  // Adding 0 makes -0 a plain 0.
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0;
  const terms: Term[] = [];
  let constant = 0;
  if (termsOf(a).length * termsOf(b).length > mostTerms) return unknownNumber();
  const all = (d: Dim): readonly Term[] => [...termsOf(d), { key: '', factor: constantOf(d), atoms: [] }];
  for (const x of all(a))
    for (const y of all(b)) {
      const factor = x.factor * y.factor;
      if (factor === 0) continue;
      if (x.atoms.length + y.atoms.length === 0) constant += factor;
      else terms.push(term(factor, [...x.atoms, ...y.atoms]));
    }
  return sum(terms, constant);
}
export const productOf = (dims: readonly Dim[]): Dim => dims.reduce<Dim>(mulDims, 1);

/** Division rounded towards minus infinity; `b` must be positive where it is a number. */
export function floorDivDims(a: Dim, b: Dim): Dim {
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b) + 0;
  if (sameDim(a, b)) return 1;
  const exact = divideExactly(a, b);
  return exact ?? operation('floordiv', a, b);
}
/** Division rounded towards plus infinity. */
export const ceilDivDims = (a: Dim, b: Dim): Dim => mulDims(floorDivDims(mulDims(a, -1), b), -1);

export function modDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a - b * Math.floor(a / b) + 0;
  return divideExactly(a, b) === undefined ? operation('mod', a, b) : 0;
}
export const maxDims = (a: Dim, b: Dim): Dim => extreme('max', a, b);
export const minDims = (a: Dim, b: Dim): Dim => extreme('min', a, b);

/** `a / b` where that is a size without remainder for every value of the symbols. */
export function divideExactly(a: Dim, b: Dim): Dim | undefined {
  if (typeof b === 'number') {
    if (b === 0 || constantOf(a) % b !== 0 || termsOf(a).some(t => t.factor % b !== 0)) return undefined;
    return sum(
      termsOf(a).map(t => term(t.factor / b, t.atoms)),
      constantOf(a) / b,
    );
  }
  if (b.constant !== 0 || b.terms.length !== 1 || constantOf(a) !== 0) return undefined;
  const divisor = b.terms[0]!;
  const parts = termsOf(a).map(t => divideTerm(t, divisor));
  if (parts.length === 0 || parts.some(p => p === undefined)) return undefined;
  return (parts as Dim[]).reduce(addDims);
}

function divideTerm(t: Term, by: Term): Dim | undefined {
  if (t.factor % by.factor !== 0) return undefined;
  const atoms = [...t.atoms];
  for (const atom of by.atoms) {
    const at = atoms.findIndex(x => x.key === atom.key);
    if (at < 0) return undefined;
    atoms.splice(at, 1);
  }
  const factor = t.factor / by.factor;
  return atoms.length === 0 ? factor : sum([term(factor, atoms)], 0);
}

/** Names of all symbols in `d`. */
export function symbolsOf(d: Dim, into: Set<string> = new Set()): Set<string> {
  for (const t of termsOf(d))
    for (const atom of t.atoms) {
      if (atom.kind === 'symbol') into.add(atom.key);
      else {
        symbolsOf(atom.a, into);
        symbolsOf(atom.b, into);
      }
    }
  return into;
}

/** `d` with symbols replaced; names without an entry stay. */
export function substitute(d: Dim, values: ReadonlyMap<string, Dim>): Dim {
  if (typeof d === 'number') return d;
  return d.terms.reduce<Dim>(
    (total, t) => addDims(total, mulDims(t.factor, productOf(t.atoms.map(atom => substituteAtom(atom, values))))),
    d.constant,
  );
}

function substituteAtom(atom: Atom, values: ReadonlyMap<string, Dim>): Dim {
  if (atom.kind === 'symbol') return values.get(atom.key) ?? fromAtom(atom);
  const a = substitute(atom.a, values);
  const b = substitute(atom.b, values);
  return operations[atom.kind](a, b);
}

const operations: Record<Operation, (a: Dim, b: Dim) => Dim> = {
  floordiv: floorDivDims,
  mod: modDims,
  max: maxDims,
  min: minDims,
};

const termsOf = (d: Dim): readonly Term[] => (typeof d === 'number' ? [] : d.terms);
const constantOf = (d: Dim): number => (typeof d === 'number' ? d : d.constant);
const fromAtom = (atom: Atom): Dim => new SymbolicDim([term(1, [atom])], 0);
const compare = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

function term(factor: number, atoms: readonly Atom[]): Term {
  const sorted = [...atoms].sort(compare);
  return { factor, atoms: sorted, key: sorted.map(atom => atom.key).join('*') };
}

function sum(terms: readonly Term[], constant: number): Dim {
  const merged = new Map<string, Term>();
  for (const t of terms) {
    const before = merged.get(t.key);
    merged.set(t.key, before ? { ...t, factor: t.factor + before.factor } : t);
  }
  const kept = [...merged.values()].filter(t => t.factor !== 0).sort(compare);
  if (kept.reduce((n, t) => n + t.key.length, 0) > longest) return unknownNumber();
  return kept.length === 0 ? constant : new SymbolicDim(kept, constant);
}

/** Longer expressions say too little to be worth carrying: they are sizes of their own. */
const longest = 4000;
const mostTerms = 1000;

function operation(kind: Operation, a: Dim, b: Dim): Dim {
  if (keyOf(a).length + keyOf(b).length > longest) return unknownNumber();
  return fromAtom({ kind, key: `${kind}(${keyOf(a)},${keyOf(b)})`, a, b });
}

/** Whether `d` cannot be negative, as far as its form shows: symbols stand for sizes. */
export const isNatural = (d: Dim): boolean => constantOf(d) >= 0 && termsOf(d).every(t => t.factor > 0 && t.atoms.every(isNaturalAtom));

function isNaturalAtom(atom: Atom): boolean {
  switch (atom.kind) {
    case 'symbol':
      return !atom.signed;
    case 'max':
      return isNatural(atom.a) || isNatural(atom.b);
    case 'mod':
      return isNatural(atom.b);
    default:
      return isNatural(atom.a) && isNatural(atom.b);
  }
}

type Extreme = 'max' | 'min';
const opposite = { max: 'min', min: 'max' } as const;

/** The arguments of nested maxima or minima; `d` itself where it is none. */
function argumentsOf(kind: Extreme, d: Dim): readonly Dim[] {
  const atom = typeof d !== 'number' && d.constant === 0 && d.terms.length === 1 && d.terms[0]!.factor === 1 ? d.terms[0]!.atoms : [];
  const [only] = atom;
  return atom.length === 1 && only!.kind === kind ? [...argumentsOf(kind, only!.a), ...argumentsOf(kind, only!.b)] : [d];
}

/** Whether `a` is never the smaller (for a maximum) or the larger one, as far as their forms show. */
function outdoes(kind: Extreme, a: Dim, b: Dim): boolean {
  const isBeyond = (x: Dim, y: Dim): boolean => isNatural(kind === 'max' ? subDims(x, y) : subDims(y, x));
  return argumentsOf(opposite[kind], b).some(y => isBeyond(a, y));
}

/** Expressions before a number, in the order of their text. */
const inOrder = (a: Dim, b: Dim): number =>
  Number(typeof a === 'number') - Number(typeof b === 'number') || compare({ key: keyOf(a) }, { key: keyOf(b) });

/** Of the arguments, those that no other outdoes, in one order. */
function extreme(kind: Extreme, a: Dim, b: Dim): Dim {
  const kept: Dim[] = [];
  for (const d of [...argumentsOf(kind, a), ...argumentsOf(kind, b)].sort(inOrder)) {
    if (kept.some(other => outdoes(kind, other, d))) continue;
    kept.splice(0, kept.length, ...kept.filter(other => !outdoes(kind, d, other)), d);
  }
  return kept.reduceRight((rest, d) => operation(kind, d, rest));
}

const keyOf = (d: Dim): string => (typeof d === 'number' ? String(d) : d.key);

function formatSum(terms: readonly Term[], constant: number): string {
  const parts = terms.map(t => (t.factor === 1 ? t.key : t.factor === -1 ? `-${t.key}` : `${t.factor}*${t.key}`));
  if (constant !== 0) parts.push(String(constant));
  return parts.join('+').replaceAll('+-', '-');
}
