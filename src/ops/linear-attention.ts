// Linear attention: a state for each key head that every step decays, corrects and adds to, and that queries read.
import { fail } from '../errors.ts';
import { tensorOf } from '../ir/datum.ts';
import type { Tensor } from '../ir/tensor.ts';
import { formatShape, type TensorType, tensorType } from '../ir/types.ts';
import { floatsOf, floatTensor } from './floats.ts';
import { gapTypes } from './gap-types.ts';
import type { At, Family } from './row.ts';
import { elementOf } from './shapes.ts';

export const linearAttention = {
  LinearAttention: {
    infer(x, at) {
      for (const name of ['decay', 'beta'] as const) requireGate(name, x[name] !== undefined, at);
      const [output, state] = gapTypes.LinearAttention(x, at) as [TensorType, TensorType];
      return [output, x.past_state ? tensorType(elementOf(x.past_state), state.shape) : state];
    },
    host({ query, key, value, past_state, decay, beta }, at, context) {
      const [q, k, v] = [query, key, value].map(tensorOf) as [Tensor, Tensor, Tensor];
      const [past, gate, rate] = [past_state, decay, beta].map(x => (x ? tensorOf(x) : undefined));
      const sizes = sizesOf(q, k, v, at);
      const stateDims = [sizes.batch, sizes.shared, sizes.keySize, sizes.valueSize];
      if (past && String(past.dims) !== String(stateDims))
        throw fail('E3005', `LinearAttention: past_state ${formatShape(past.dims)} must be ${formatShape(stateDims)}`);
      const gates = gatesOf(gate, rate, sizes);
      context.reserve(8 * (q.size + k.size + v.size + stateDims.reduce((n, d) => n * d, 1)));
      const state = past ? floatsOf(past) : new Float64Array(stateDims.reduce((n, d) => n * d, 1));
      const output = recur({ q: floatsOf(q), k: floatsOf(k), v: floatsOf(v) }, state, gates, sizes, () => context.proceed());
      const scale = at.scale === 0 ? 1 / Math.sqrt(sizes.keySize) : at.scale;
      const scaled = output.map(n => n * scale);
      return [
        floatTensor(q.type, scaled, [sizes.batch, sizes.steps, sizes.heads * sizes.valueSize]),
        floatTensor(past?.type ?? q.type, state, stateDims),
      ];
    },
  },
} satisfies Family;

interface Sizes {
  readonly batch: number;
  readonly steps: number;
  readonly heads: number;
  /** Heads of keys and values; each serves as many neighbouring query heads. */
  readonly shared: number;
  readonly keySize: number;
  readonly valueSize: number;
}

function sizesOf(q: Tensor, k: Tensor, v: Tensor, { q_num_heads: heads, kv_num_heads: shared }: At<'LinearAttention'>): Sizes {
  const shapes = [q, k, v].map(t => formatShape(t.dims)).join(', ');
  const [batch, steps, width] = q.dims as readonly [number, number, number];
  const keySize = width / heads;
  const valueSize = v.dims[2]! / shared;
  const fits =
    [q, k, v].every(t => t.dims.length === 3 && t.dims[0] === batch && t.dims[1] === steps) &&
    heads > 0 &&
    shared > 0 &&
    heads % shared === 0 &&
    Number.isInteger(keySize) &&
    Number.isInteger(valueSize) &&
    k.dims[2] === shared * keySize;
  if (!fits) throw fail('E3005', `LinearAttention: ${shapes} do not fit ${heads} query heads over ${shared} key heads`);
  return { batch, steps, heads, shared, keySize, valueSize };
}

/** Numbers for each step: [batch, steps, width], of which a head takes one or as many as keys have; one head may serve all. */
interface Gate {
  readonly numbers: Float64Array;
  readonly width: number;
}
interface Gates {
  readonly decay?: Gate | undefined;
  readonly beta?: Gate | undefined;
}

const rules: Readonly<Record<string, { readonly decay: boolean; readonly beta: boolean }>> = {
  linear: { decay: false, beta: false },
  gated: { decay: true, beta: false },
  delta: { decay: false, beta: true },
  gated_delta: { decay: true, beta: true },
};

/** @throws ModelError E1303 for a rule that does not exist, or an input that is there and should not be, or the other way round */
function requireGate(name: 'decay' | 'beta', isGiven: boolean, { update_rule }: At<'LinearAttention'>): void {
  const rule = Object.hasOwn(rules, update_rule) ? rules[update_rule] : undefined;
  if (!rule) throw fail('E1303', `LinearAttention: update_rule ${update_rule} is none of ${Object.keys(rules).join(', ')}`);
  if (isGiven !== rule[name])
    throw fail('E1303', `LinearAttention: the rule ${update_rule} ${rule[name] ? 'needs' : 'takes no'} input ${name}`);
}

function gatesOf(decay: Tensor | undefined, beta: Tensor | undefined, sizes: Sizes): Gates {
  const gate = (t: Tensor | undefined, name: string, widths: readonly number[]): Gate | undefined => {
    if (!t) return undefined;
    const [batch, steps, width] = t.dims;
    if (t.dims.length !== 3 || batch !== sizes.batch || steps !== sizes.steps || !widths.includes(width!))
      throw fail('E3005', `LinearAttention: ${name} ${formatShape(t.dims)} must be [${sizes.batch},${sizes.steps},${widths.join(' or ')}]`);
    return { numbers: floatsOf(t), width: width! };
  };
  const { shared, keySize } = sizes;
  return { decay: gate(decay, 'decay', [shared, shared * keySize]), beta: gate(beta, 'beta', [shared, 1]) };
}

interface Rows {
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
}

/** Run all steps over `state`, which is left as the last one leaves it; what the queries read, unscaled. */
function recur({ q, k, v }: Rows, state: Float64Array, gates: Gates, sizes: Sizes, proceed: () => void): Float64Array {
  const { batch, steps, heads, shared, keySize, valueSize } = sizes;
  const output = new Float64Array(batch * steps * heads * valueSize);
  const group = heads / shared;
  for (let n = 0; n < batch; n++)
    for (let h = 0; h < shared; h++) {
      const s = state.subarray((n * shared + h) * keySize * valueSize, (n * shared + h + 1) * keySize * valueSize);
      for (let step = 0; step < steps; step++) {
        if (step % 64 === 0) proceed();
        const row = n * steps + step;
        const keys = k.subarray((row * shared + h) * keySize, (row * shared + h + 1) * keySize);
        const values = v.slice((row * shared + h) * valueSize, (row * shared + h + 1) * valueSize);
        if (gates.decay) fade(s, gates.decay, row, h, sizes);
        if (gates.beta) correct(values, s, keys, gates.beta.numbers[row * gates.beta.width + (gates.beta.width === 1 ? 0 : h)]!);
        for (let i = 0; i < keySize; i++) for (let j = 0; j < valueSize; j++) s[i * valueSize + j]! += keys[i]! * values[j]!;
        for (let g = h * group; g < (h + 1) * group; g++) {
          const at = row * heads + g;
          const queries = q.subarray(at * keySize, (at + 1) * keySize);
          read(s, queries, output.subarray(at * valueSize, (at + 1) * valueSize));
        }
      }
    }
  return output;
}

/** Every row of the state times the exponential of its decay. */
function fade(state: Float64Array, { numbers, width }: Gate, row: number, head: number, { shared, keySize, valueSize }: Sizes): void {
  const perKey = width !== shared;
  for (let i = 0; i < keySize; i++) {
    const factor = Math.exp(numbers[row * width + (perKey ? head * keySize + i : head)]!);
    for (let j = 0; j < valueSize; j++) state[i * valueSize + j]! *= factor;
  }
}

/** values become beta times what they differ by from what the state holds for the keys. */
function correct(values: Float64Array, state: Float64Array, keys: Float64Array, beta: number): void {
  const held = new Float64Array(values.length);
  read(state, keys, held);
  for (const [j, n] of held.entries()) values[j] = beta * (values[j]! - n);
}

/** keys times the state, added to `into`. */
function read(state: Float64Array, keys: Float64Array, into: Float64Array): void {
  for (const [i, key] of keys.entries()) for (let j = 0; j < into.length; j++) into[j]! += key * state[i * into.length + j]!;
}
