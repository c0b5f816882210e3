// Control flow: graphs that run once, many times, or over slices. Evaluated on the host, which runs the nested graphs.
import { fail } from '../errors.ts';
import { agreed } from '../ir/agree.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import { Graph } from '../ir/graph.ts';
import { numbersOf, Tensor } from '../ir/tensor.ts';
import { controlTypes, singleShape } from './control-types.ts';
import type { Family, HostContext } from './row.ts';
import { axisOf } from './shapes.ts';
import { sliceOf, stack } from './tensors.ts';

export const control = {
  If: {
    infer: controlTypes.If,
    host: ({ cond }, { then_branch, else_branch }, context) => context.run(graphOf(isTrue(cond) ? then_branch : else_branch), []),
  },
  Loop: {
    infer: controlTypes.Loop,
    async host({ M, cond, v_initial = [] }, { body }, context) {
      const limit = M ? numberOf(M) : Number.POSITIVE_INFINITY;
      let state: readonly Datum[] = v_initial;
      const rounds: (readonly Datum[])[] = [];
      const [roundShape, goingShape] = graphOf(body).inputs.slice(0, 2).map(singleShape);
      for (let i = 0, going = cond ? isTrue(cond) : true; going && i < limit; i++) {
        context.proceed();
        const own = [new Tensor('int64', [BigInt(i)], roundShape), new Tensor('bool', [going], goingShape)];
        const [next, ...made] = await context.run(graphOf(body), [...own, ...state]);
        going = isTrue(next!);
        state = made.slice(0, state.length);
        rounds.push(made.slice(state.length));
      }
      const count = graphOf(body).outputs.length - 1 - state.length;
      return [...state, ...collected(rounds, graphOf(body), 1 + state.length, Array(count).fill(0), context)];
    },
  },
  Scan: {
    infer: controlTypes.Scan,
    async host({ initial_state_and_scan_inputs: inputs }, at, context) {
      const body = graphOf(at.body);
      const count = inputs.length - at.num_scan_inputs;
      let state = inputs.slice(0, count);
      const sequences = inputs.slice(count).map(tensorOf);
      const axes = sequences.map((t, i) => axisOf(at.scan_input_axes?.[i] ?? 0, t.dims.length));
      const steps = sequences[0]!.dims[axes[0]!]!;
      for (const [i, t] of sequences.entries())
        if (t.dims[axes[i]!] !== steps) throw fail('E3005', `Scan: inputs of ${steps} and ${t.dims[axes[i]!]} slices`);
      const rounds: (readonly Datum[])[] = [];
      for (let i = 0; i < steps; i++) {
        context.proceed();
        const slices = sequences.map((t, k) => sliceOf(t, axes[k]!, at.scan_input_directions?.[k] ? steps - 1 - i : i));
        const made = await context.run(body, [...state, ...slices]);
        state = made.slice(0, count);
        rounds.push(made.slice(count));
      }
      const outputs = body.outputs.length - count;
      const reversed = Array.from({ length: outputs }, (_, k) => at.scan_output_directions?.[k] === 1);
      const directed = (k: number): readonly Datum[] => {
        const column = rounds.map(round => round[k]!);
        return reversed[k] ? column.reverse() : column;
      };
      const columns = reversed.map((_, k) => directed(k));
      const ordered = rounds.map((_, i) => columns.map(column => column[i]!));
      const outputAxes = reversed.map((_, k) => at.scan_output_axes?.[k] ?? 0);
      return [...state, ...collected(ordered, body, count, outputAxes, context)];
    },
  },
  SequenceMap: {
    infer: controlTypes.SequenceMap,
    async host({ input_sequence, additional_inputs = [] }, { body }, context) {
      const graph = graphOf(body);
      const results: Datum[][] = graph.outputs.map(() => []);
      for (const [i, item] of (input_sequence as readonly Datum[]).entries()) {
        context.proceed();
        const others = additional_inputs.map(other => (Array.isArray(other) ? (other[i] as Datum) : other));
        const made = await context.run(graph, [item, ...others]);
        for (const [k, datum] of made.entries()) results[k]!.push(datum);
      }
      return results;
    },
  },
} satisfies Family;

/** What each round gave, stacked along a new axis; without rounds, no elements of the shape that the body declares. */
function collected(
  rounds: readonly (readonly Datum[])[],
  body: Graph,
  first: number,
  axes: readonly number[],
  context: HostContext,
): Tensor[] {
  return axes.map((axis, k) => {
    const parts = rounds.map(round => tensorOf(round[k]));
    context.reserve(parts.reduce((n, t) => n + t.byteLength, 0));
    const { value, type: declared } = body.outputs[first + k]!;
    const both = agreed(value.type, declared);
    const type = both === 'contradiction' ? value.type : both;
    const shape = type?.kind === 'tensor' ? (type.shape ?? []).map(d => (typeof d === 'number' ? d : 0)) : [];
    return stack(parts, axis, type?.kind === 'tensor' ? type.element : 'float32', shape);
  });
}

function graphOf(attribute: unknown): Graph {
  if (attribute instanceof Graph) return attribute;
  throw fail('E1303', 'expected a graph attribute');
}

function numberOf(datum: Datum): number {
  const value = (tensorOf(datum).data as ArrayLike<number | bigint>)[0];
  return Number(value ?? 0);
}

function isTrue(datum: Datum): boolean {
  const tensor = tensorOf(datum);
  if (tensor.size === 1) return numbersOf(tensor)[0] !== 0;
  throw fail('E3005', `a condition has ${tensor.size} elements, expected 1`);
}
