// ai.onnx.preview.training: optimizer steps. Tensors come in groups: all values, then all gradients, then each kind of state.
import { fail } from '../errors.ts';
import type { Node, Value } from '../ir/graph.ts';
import type { Builder } from './builder.ts';
import type { OpName } from './names.gen.ts';
import { type OtherFamily, otherComposite, type Row } from './row.ts';
import { elementOf, range } from './shapes.ts';

interface X {
  /** The learning rate. */
  readonly R: Value;
  /** How many steps came before. */
  readonly T: Value;
  readonly inputs: readonly Value[];
}

interface Regularised {
  readonly norm_coefficient: number;
}
interface AdagradAt extends Regularised {
  readonly decay_factor: number;
  readonly epsilon: number;
}
interface AdamAt extends Regularised {
  readonly alpha: number;
  readonly beta: number;
  readonly epsilon: number;
  readonly norm_coefficient_post: number;
}
interface MomentumAt extends Regularised {
  readonly alpha: number;
  readonly beta: number;
  readonly mode: string;
}

/** The step of one tensor: its value, gradient and state; the new value and state. Factors are of the tensor's type. */
type Step = (x: Value, g: Value, state: readonly Value[]) => readonly Value[];

/** A row for steps with so many kinds of state. `prepare` makes what all tensors share. */
const optimizer = <A extends Regularised>(
  states: number,
  prepare: (rate: Value, count: Value, at: A, b: Builder) => (like: Value) => Step,
): Row<OpName> =>
  otherComposite<X, A>({
    infer: ({ inputs }) => {
      const [values, , ...state] = groupsOf(inputs, 2 + states);
      return [values!, ...state].flat().map(v => v.type);
    },
    lower({ R, T, inputs }, at, b) {
      const groups = groupsOf(inputs, 2 + states);
      // Scalars in float64: the powers of factors near 1 lose too much in float32.
      const stepFor = prepare(b.Cast(b.Reshape(R, []), 'float64'), b.Reshape(T, []), at, b);
      const made = groups[0]!.map((x, i) => {
        const [, g, ...state] = groups.map(group => group[i]!);
        return stepFor(x)(x, b.Add(g!, b.Mul(b.like(at.norm_coefficient, x), x)), state);
      });
      return range(1 + states).flatMap(k => made.map(results => results[k]!));
    },
  });

function groupsOf(inputs: readonly Value[], count: number): readonly Value[][] {
  const size = inputs.length / count;
  if (!Number.isInteger(size)) throw fail('E1302', `${inputs.length} tensors cannot be ${count} groups of one size`);
  return range(count).map(k => inputs.slice(k * size, (k + 1) * size));
}

export const training: OtherFamily = {
  Adagrad: optimizer<AdagradAt>(1, (rate, count, { decay_factor, epsilon }, b) => {
    const decayed = b.Add(b.Mul(b.Cast(count, 'float64'), b.like(decay_factor, rate)), b.like(1, rate));
    return like => {
      const r = b.Cast(b.Div(rate, decayed), elementOf(like));
      return (x, g, [h]) => {
        const squares = b.Add(h!, b.Mul(g, g));
        return [b.Sub(x, b.Div(b.Mul(r, g), b.Add(b.Sqrt(squares), b.like(epsilon, x)))), squares];
      };
    };
  }),
  Adam: optimizer<AdamAt>(2, (rate, count, at, b) => {
    const power = (base: number): Value => b.Sub(b.like(1, rate), b.Pow(b.like(base, rate), b.Cast(count, 'float64')));
    const corrected = b.Div(b.Mul(rate, b.Sqrt(power(at.beta))), power(at.alpha));
    const adjusted = b.Where(b.Greater(count, b.like(0, count)), corrected, rate);
    return like => {
      const r = b.Cast(adjusted, elementOf(like));
      const mixed = (old: Value, now: Value, part: number): Value =>
        b.Add(b.Mul(b.like(part, old), old), b.Mul(b.like(1 - part, now), now));
      return (x, g, [v, h]) => {
        const [mean, squares] = [mixed(v!, g, at.alpha), mixed(h!, b.Mul(g, g), at.beta)];
        const moved = b.Sub(x, b.Div(b.Mul(r, mean), b.Add(b.Sqrt(squares), b.like(at.epsilon, x))));
        return [b.Mul(b.like(1 - at.norm_coefficient_post, x), moved), mean, squares];
      };
    };
  }),
  // The cast: signatures are generated for the standard's own domain only.
  Gradient: {
    gap: 'differentiates the graph around it; sessions put the nodes of the gradient in its place',
    namesValues: ['xs', 'zs', 'y'],
    infer: (({ Inputs }: { readonly Inputs: readonly Value[] }, { xs }: { readonly xs: readonly string[] }) =>
      Inputs.slice(0, xs.length).map(v => v.type)) as never,
  },
  Momentum: optimizer<MomentumAt>(1, (rate, count, { alpha, beta, mode }, b) => {
    if (mode !== 'standard' && mode !== 'nesterov') throw fail('E1303', `Momentum has no mode ${mode}`);
    const first = b.Where(b.Greater(count, b.like(0, count)), b.like(beta, rate), b.like(1, rate));
    return like => {
      const [r, factor] = [b.Cast(rate, elementOf(like)), b.Cast(first, elementOf(like))];
      return (x, g, [v]) => {
        const momentum = b.Add(b.Mul(b.like(alpha, x), v!), b.Mul(factor, g));
        const direction = mode === 'nesterov' ? b.Add(g, b.Mul(b.like(alpha, x), momentum)) : momentum;
        return [b.Sub(x, b.Mul(r, direction)), momentum];
      };
    };
  }),
};

/** Whether a node differentiates the graph around it. */
export const isGradient = ({ op, domain }: Pick<Node, 'op' | 'domain'>): boolean =>
  op === 'Gradient' && domain === 'ai.onnx.preview.training';
