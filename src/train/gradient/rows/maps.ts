// Pointwise operators. Most gradients follow from the operator's own formula; a row of its own says what is shorter by the result, or
// what happens at a kink, where PyTorch decides.
import { add, div, mul, neg, select, sub } from '../../../expr/derivative.ts';
import { apply, constant, type Expr } from '../../../expr/expr.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { body, type CutRow, formula, type GradientFamily, none, rule, zero } from '../row.ts';

const lt = (a: Expr, b: Expr | number): Expr => apply('lt', a, b);
const exp = (x: Expr): Expr => apply('exp', x);
const number = (n: number, like: Expr): Expr => constant(n, like.type);
const isAbove = (x: Expr, limit: number): Expr => apply('lt', number(limit, x), x);

/** Tied arguments share evenly. */
const extreme = formula<'Max' | 'Min'>((x, _at, y, g) => {
  const hits = x.map(v => select(apply('eq', v, y), number(1, g), number(0, g)));
  if (x.length === 1) return [g];
  const share = div(
    g,
    hits.reduce((a, b) => add(a, b)),
  );
  return hits.map(hit => mul(share, hit));
});

/** The derivative of x σ(a x): s + a x s (1 - s), where s is σ(a x). */
function swish(x: Value, alpha: number, b: Builder): Value {
  const scaled = alpha === 1 ? x : b.Mul(x, b.like(alpha, x));
  const s = b.Sigmoid(scaled);
  return b.Mul(s, b.Add(b.Mul(scaled, b.Sub(b.like(1, s), s)), b.like(1, s)));
}

const logical = none('its result is a truth value or an integer');
// The cast: one entry for each name.
const truth = <K extends OpName>(...ops: readonly K[]) => Object.fromEntries(ops.map(op => [op, logical])) as { readonly [P in K]: CutRow };

export const maps = {
  Add: formula(),
  Sub: formula(),
  Mul: formula(),
  Div: formula(),
  Pow: formula(),
  Mod: formula(),
  Neg: formula(),
  Abs: formula(),
  Reciprocal: formula((_x, _at, y, g) => [neg(mul(g, mul(y, y)))]),
  Exp: formula(),
  Log: formula(),
  Sqrt: formula(),
  Sin: formula(),
  Cos: formula(),
  Tan: formula(),
  Asin: formula(),
  Acos: formula(),
  Atan: formula(),
  Sinh: formula(),
  Cosh: formula(),
  Tanh: formula(),
  Asinh: formula(),
  Acosh: formula(),
  Atanh: formula(),
  Erf: formula(),
  Sum: formula((x, _at, _y, g) => x.map(() => g)),
  Mean: formula((x, _at, _y, g) => x.map(() => div(g, x.length))),
  Max: extreme,
  Min: extreme,
  Where: formula(),
  Relu: formula((_x, _at, y, g) => [select(isAbove(y, 0), g, 0)]),
  LeakyRelu: formula(([x], { alpha }, _y, g) => [select(isAbove(x!, 0), g, mul(g, alpha))]),
  PRelu: formula(([x, slope], _at, _y, g) => [select(isAbove(x!, 0), g, mul(g, slope!)), select(isAbove(x!, 0), number(0, g), mul(g, x!))]),
  ThresholdedRelu: formula(([x], { alpha }, _y, g) => [select(isAbove(x!, alpha), g, 0)]),
  Elu: formula(([x], { alpha }, _y, g) => [select(isAbove(x!, 0), g, mul(g, mul(exp(apply('min', x!, 0)), alpha)))]),
  Celu: formula(([x], { alpha }, _y, g) => [select(isAbove(x!, 0), g, mul(g, exp(div(apply('min', x!, 0), alpha))))]),
  Selu: formula(([x], { alpha, gamma }, _y, g) => [
    mul(g, select(isAbove(x!, 0), number(gamma, g), mul(exp(apply('min', x!, 0)), alpha * gamma))),
  ]),
  Sigmoid: formula((_x, _at, y, g) => [mul(mul(g, y), sub(1, y))]),
  HardSigmoid: formula((_x, { alpha }, y, g) => [select(apply('and', isAbove(y, 0), lt(y, 1)), mul(g, alpha), 0)]),
  HardSwish: formula(([x], _at, _y, g) => {
    const ramp = mul(g, add(div(x!, 3), 0.5));
    return [select(isAbove(x!, -3), select(lt(x!, 3), ramp, g), number(0, g))];
  }),
  Softplus: rule(({ x: { X }, g, b }) => ({ X: () => b.Mul(g, b.Sigmoid(X)) })),
  Softsign: formula(([x], _at, _y, g) => {
    const d = add(apply('abs', x!), 1);
    return [div(g, mul(d, d))];
  }),
  Mish: rule(({ x: { X }, g, b }) => ({
    X() {
      const t = b.Tanh(b.Softplus({ X }));
      const slope = b.Mul(b.Mul(X, b.Sigmoid(X)), b.Sub(b.like(1, t), b.Mul(t, t)));
      return b.Mul(g, b.Add(t, slope));
    },
  })),
  Swish: rule(({ x: { X }, at: { alpha }, g, b }) => ({ X: () => b.Mul(g, swish(X, alpha, b)) })),
  SwiGLU: body('a product of Swish and its other input'),
  Gelu: formula(),
  Shrink: formula(([x], { lambd }, _y, g) => [select(apply('or', isAbove(x!, lambd), lt(x!, -lambd)), g, 0)]),
  Clip: rule(
    ({ x: { input, min, max }, g, b }) => {
      const zero = b.like(0, g);
      const within = [min && b.Less(min, input), max && b.Less(input, max)].filter(v => v !== undefined);
      return {
        input: () =>
          within.length === 0
            ? g
            : b.Where(
                within.reduce((p, q) => b.And(p, q)),
                g,
                zero,
              ),
        // What is cut off is what the bound is given for; where both bounds cut, the upper one has the last word.
        min: () => b.Where(max ? b.And(b.Less(input, min!), b.Less(min!, max)) : b.Less(input, min!), g, zero),
        max: () => b.Where(b.Less(max!, min ? b.Max(input, min) : input), g, zero),
      };
    },
    // At a bound that is a number nothing passes; one that is computed shares with the input, as the extremes of its body do.
    { broadcasts: true, says: ({ min, max }) => [min, max].every(v => !v || v.tensor) },
  ),
  Identity: rule(({ g }) => ({ input: () => g })),
  Cast: rule(({ g }) => ({ input: () => g })),
  CastLike: rule(({ g }) => ({ input: () => g, target_type: () => undefined })),
  Sign: zero('steps'),
  Floor: zero('steps'),
  Ceil: zero('steps'),
  Round: zero('steps'),
  BitCast: none('bits are no numbers'),
  ...truth('And', 'Or', 'Xor', 'Not', 'Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'IsNaN', 'IsInf'),
  ...truth('BitShift', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'BitwiseNot'),
} satisfies GradientFamily;
