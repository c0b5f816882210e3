// Derivatives of the scalar language: a row for each primitive, and the reverse sweep over a formula.
import { apply, cast, constant, type Expr } from './expr.ts';
import { type Primitive, scalarTypes } from './primitives.ts';

/** What each argument gets of `g`, the derivative by the result `y`; undefined where it gets nothing. */
type Derivative = (g: Expr, y: Expr, x: readonly Expr[]) => readonly (Expr | undefined)[];

const isConstant = (x: Expr, value: number): boolean => x.op === 'const' && Number(x.value) === value;

export const add = (a: Expr, b: Expr | number): Expr => apply('add', a, b);
export const sub = (a: Expr | number, b: Expr | number): Expr => apply('sub', a, b);
export const mul = (a: Expr, b: Expr | number): Expr =>
  typeof b !== 'number' && isConstant(b, 1) ? a : isConstant(a, 1) && typeof b !== 'number' ? b : apply('mul', a, b);
export const div = (a: Expr, b: Expr | number): Expr => apply('div', a, b);
export const neg = (a: Expr): Expr => apply('neg', a);
export const select = (c: Expr, a: Expr | number, b: Expr | number): Expr => apply('select', c, a, b);
const call = (op: Primitive, x: Expr): Expr => apply(op, x);

const unary =
  (derivative: (g: Expr, x: Expr, y: Expr) => Expr): Derivative =>
  (g, y, [x]) => [derivative(g, x!, y)];
const none: Derivative = () => [];
/** The greater or the smaller: where both are equal each gets half. */
const extreme: Derivative = (g, y, [a, b]) => {
  const tied = mul(g, select(apply('eq', a!, b!), constant(0.5, g.type), constant(1, g.type)));
  return [a!, b!].map(x => select(apply('eq', x, y), tied, 0));
};

/**
 * Edges are those of PyTorch: nothing of |x| at 0, a half of each argument of a tied extreme, nothing of the base of x^0, nothing of the
 * exponent of 0^y.
 */
const derivatives: { readonly [P in Primitive]: Derivative } = {
  add: g => [g, g],
  sub: g => [g, neg(g)],
  mul: (g, _y, [a, b]) => [mul(g, b!), mul(g, a!)],
  div: (g, y, [, b]) => [div(g, b!), neg(mul(div(g, b!), y))],
  mod: (g, _y, [a, b]) => [g, neg(mul(g, call('floor', div(a!, b!))))],
  rem: (g, _y, [a, b]) => [g, neg(mul(g, call('trunc', div(a!, b!))))],
  pow(g, y, [a, b]) {
    const isFlat = apply('eq', b!, 0);
    const isZero = apply('and', apply('eq', a!, 0), apply('le', constant(0, b!.type), b!));
    return [
      mul(g, select(isFlat, constant(0, g.type), mul(b!, apply('pow', a!, sub(b!, 1))))),
      mul(g, select(isZero, constant(0, g.type), mul(y, call('log', a!)))),
    ];
  },
  min: extreme,
  max: extreme,
  neg: g => [neg(g)],
  abs: unary((g, x) => mul(g, call('sign', x))),
  sign: none,
  exp: unary((g, _x, y) => mul(g, y)),
  expm1: unary((g, _x, y) => mul(g, add(y, 1))),
  log: unary((g, x) => div(g, x)),
  log1p: unary((g, x) => div(g, add(x, 1))),
  sqrt: unary((g, _x, y) => div(g, mul(y, 2))),
  sin: unary((g, x) => mul(g, call('cos', x))),
  cos: unary((g, x) => neg(mul(g, call('sin', x)))),
  tan: unary((g, _x, y) => mul(g, add(mul(y, y), 1))),
  asin: unary((g, x) => div(g, call('sqrt', sub(1, mul(x, x))))),
  acos: unary((g, x) => neg(div(g, call('sqrt', sub(1, mul(x, x)))))),
  atan: unary((g, x) => div(g, add(mul(x, x), 1))),
  sinh: unary((g, x) => mul(g, call('cosh', x))),
  cosh: unary((g, x) => mul(g, call('sinh', x))),
  tanh: unary((g, _x, y) => mul(g, sub(1, mul(y, y)))),
  asinh: unary((g, x) => div(g, call('sqrt', add(mul(x, x), 1)))),
  acosh: unary((g, x) => div(g, call('sqrt', sub(mul(x, x), 1)))),
  atanh: unary((g, x) => div(g, sub(1, mul(x, x)))),
  erf: unary((g, x) => mul(g, mul(call('exp', neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  floor: none,
  ceil: none,
  trunc: none,
  round: none,
  and: none,
  or: none,
  xor: none,
  not: none,
  shl: none,
  shr: none,
  eq: none,
  lt: none,
  le: none,
  isnan: none,
  isinf: none,
  select: (g, _y, [c]) => [undefined, select(c!, g, 0), select(c!, 0, g)],
};

const isFloat = (e: Expr): boolean => scalarTypes[e.type].class === 'float';

/**
 * The derivatives of `formula` by its first `count` inputs, times `g`. `y` stands for the result, so that formulas which say their
 * derivative by it need not be computed again. Undefined for inputs that no float path reaches.
 */
export function derivativesOf(formula: Expr, count: number, g: Expr, y: Expr): readonly (Expr | undefined)[] {
  const totals = new Map<Expr, Expr>([[formula, g]]);
  const byInput: (Expr | undefined)[] = new Array<Expr | undefined>(count).fill(undefined);
  for (const e of inOrder(formula).reverse()) {
    const own = totals.get(e);
    if (!own || e.op === 'const') continue;
    if (e.op === 'input') {
      const before = byInput[e.index];
      byInput[e.index] = before ? add(before, own) : own;
      continue;
    }
    const parts = e.op === 'cast' ? [cast(own, e.args[0].type)] : derivatives[e.op](own, e === formula ? y : e, e.args);
    e.args.forEach((x, i) => {
      const part = parts[i];
      if (!part || !isFloat(x) || x.op === 'const') return;
      const before = totals.get(x);
      totals.set(x, before ? add(before, part) : part);
    });
  }
  return byInput;
}

/** Every subexpression once, arguments first. Not by recursion: a sum may have a million terms. */
function inOrder(formula: Expr): Expr[] {
  const done = new Set<Expr>();
  const open = [formula];
  for (let e = open.at(-1); e; e = open.at(-1)) {
    const missing = e.op === 'input' || e.op === 'const' ? [] : e.args.filter(x => !done.has(x));
    if (missing.length > 0) open.push(...missing);
    else {
      done.add(e);
      open.pop();
    }
  }
  return [...done];
}
