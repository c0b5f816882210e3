// Runs that must end: trip counts without end, conditions that stay true, time limits, cancelling, and sizes beyond all memory.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { type RunOptions, Session } from '../../src/exec/session.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';

const x = (): Value => new Value('x', tensorType('float32', [1]));
const scalar = (type: 'int64' | 'bool', value: bigint | boolean): Value =>
  new Value('c', undefined, { tensor: new Tensor(type, [value], []) });

async function errorOf(build: (b: Builder, v: Value) => Value, options: RunOptions = {}, memory?: number): Promise<string> {
  const input = x();
  const b = newBuilder();
  try {
    const y = build(b, input);
    const graph = new Graph('g', { inputs: [input], outputs: [{ name: 'y', value: y }], nodes: b.nodes });
    const model = new Model(graph, { irVersion: 14, opsets: new Map([['', 28]]) });
    const session = await Session.create(model, { backend: referenceBackend(memory === undefined ? {} : { memory }) });
    await session.run({ x: new Tensor('float32', Float32Array.of(3), [1]) }, options);
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
  return 'it ran to its end';
}

/** A loop that adds 1 to its state; `trips` rounds, or for ever. */
function loop(b: Builder, v: Value, trips: bigint | undefined): Value {
  const [i, going, state] = [new Value('i', tensorType('int64', [])), new Value('going', tensorType('bool', [])), new Value('s', v.type)];
  const inner = newBuilder();
  const next = inner.Add(state, inner.constant(1, 'float32'));
  const body = new Graph('body', {
    inputs: [i, going, state],
    outputs: [
      { name: 'on', value: inner.Identity(going) },
      { name: 'next', value: next },
    ],
    nodes: inner.nodes,
  });
  return b.emit(
    'Loop',
    [trips === undefined ? undefined : scalar('int64', trips), scalar('bool', true), v],
    { body },
    { outputs: ['y'] },
  )[0]!;
}

describe('a loop', () => {
  test('of 2^62 trips ends with its time', async () => {
    expect(await errorOf((b, v) => loop(b, v, 2n ** 62n), { timeout: 50 })).toMatch(/^E3010 the run took longer than 50 ms$/);
  });
  test('whose condition stays true ends with its time', async () => {
    expect(await errorOf((b, v) => loop(b, v, undefined), { timeout: 50 })).toMatch(/^E3010 /);
  });
  test('ends when its caller cancels it', async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await errorOf((b, v) => loop(b, v, undefined), { signal: stop.signal })).toMatch(/^E3011 the run was cancelled$/);
  });
  test('of few trips comes to its end', async () =>
    expect(await errorOf((b, v) => loop(b, v, 5n), { timeout: 60_000 })).toBe('it ran to its end'));
});

describe('a size beyond all memory is refused before it is taken', () => {
  test.each<[string, (b: Builder, v: Value) => Value, RegExp]>([
    ['Expand', (b, v) => b.Expand(v, [2 ** 40, 2 ** 9]), /^E(3007|1202) /],
    ['ConstantOfShape', (b, v) => b.Add(v, b.emit('ConstantOfShape', [b.ints([2 ** 35])])[0]!), /^E(3007|1202) /],
    ['Tile', (b, v) => b.emit('Tile', [v, b.ints([2 ** 36])])[0]!, /^E(3007|1202) /],
    ['Pad', (b, v) => b.Pad({ data: v, pads: b.ints([0, 2 ** 36]) }), /^E(3007|1202) /],
    [
      'Range',
      (b, v) =>
        b.Add(
          v,
          b.Cast(
            b.Range({ start: b.constant(0n, 'int64'), limit: b.constant(2n ** 40n, 'int64'), delta: b.constant(1n, 'int64') }),
            'float32',
          ),
        ),
      /^E(3007|1202) /,
    ],
  ])('%s', async (_, build, message) => expect(await errorOf(build, {}, 2 ** 30)).toMatch(message));
});
