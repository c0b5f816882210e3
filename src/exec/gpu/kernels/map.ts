// map, copy, fill and values: one invocation an element.
import type { Instruction, Program } from '../../../expr/expr.ts';
import type { ScalarType } from '../../../expr/primitives.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import { computeType, encodeElement } from '../../../kernels/storage.ts';
import { workgroupSize } from '../language.ts';
import { everyAxis, placesAt } from '../walk.ts';
import { countOf, groupsFor, Lack, type Operand, type Pass, rawType, type Writer } from '../writer.ts';

/** The number of an invocation; whatever follows is left out beyond `count`. */
export function ownElement(w: Writer, count: string): string {
  const at = w.let('index', `group * ${workgroupSize} + lane`);
  w.emit(`if (${at} >= ${count}) { return; }`);
  return at;
}

const outputCount = (w: Writer): string => w.parameter('count', s => countOf(s.outputs[0]!.shape));

const finish = (w: Writer): Pass => w.finish(s => groupsFor(countOf(s.outputs[0]!.shape)));

export function map(w: Writer, program: Program): Pass {
  const inputs = w.step.inputs.map((_, k) => w.input(k)!);
  const outputs = w.step.outputs.map((_, k) => w.output(k));
  const at = ownElement(w, outputCount(w));
  const places = placesAt(w, at, [outputs[0]!, ...inputs, ...outputs.slice(1)].map(everyAxis));
  const values = runProgram(w, program, k => ({ operand: inputs[k]!, place: places[1 + k]! }));
  for (const [k, y] of outputs.entries()) y.store(places[k === 0 ? 0 : inputs.length + k]!, values[program.outputs[k]!]!);
  return finish(w);
}

/** Names of the results of a program's instructions. */
export function runProgram(w: Writer, program: Program, read: (input: number) => { operand: Operand; place: string }): string[] {
  const values: string[] = [];
  for (const i of program.instructions) values.push(i.op === 'const' ? w.constant(i.value, i.type) : w.let(i.type, textOf(i)));
  return values;

  function textOf(i: Exclude<Instruction, { op: 'const' }>): string {
    if (!w.language.has(i.type)) throw new Lack(i.type);
    if (i.op === 'input') {
      const { operand, place } = read(i.index);
      return operand.load(place);
    }
    const args = i.args.map(a => values[a]!);
    const from = program.instructions[i.args.at(-1)!]!.type;
    if (i.op !== 'cast') return w.call(i.op, from, ...args);
    const text = w.language.cast(from, i.type, args[0]!);
    if (text === undefined) throw new Lack(`${from} to ${i.type}`);
    return text;
  }
}

export function copy(w: Writer): Pass {
  const [x, y] = [w.input(0)!, w.output(0)];
  const at = ownElement(w, outputCount(w));
  const [to, from] = placesAt(w, at, [everyAxis(y), everyAxis(x)]);
  y.store(to!, x.load(from!, rawType(x.view.type)), rawType(y.view.type));
  return finish(w);
}

export function fill(w: Writer, value: number | bigint): Pass {
  const y = w.output(0);
  const raw = rawType(y.view.type);
  const at = ownElement(w, outputCount(w));
  const [to] = placesAt(w, at, [everyAxis(y)]);
  y.store(to!, w.constant(bitsOf(encodeElement(y.view.type, value), y.view.type), raw as ScalarType), raw);
  return finish(w);
}

/** The stored bits of an entry of memory as an unsigned integer. */
function bitsOf(entry: number | bigint, type: Operand['view']['type']): number | bigint {
  const scalar = computeType(type);
  if (type === 'float32') return new Uint32Array(new Float32Array([Number(entry)]).buffer)[0]!;
  if (type === 'float64') return new BigUint64Array(new Float64Array([Number(entry)]).buffer)[0]!;
  if (scalar === 'int64' || scalar === 'uint64') return BigInt.asUintN(64, BigInt(entry));
  return Number(entry) >>> 0;
}

export function values(w: Writer, kernel: Extract<Kernel, { kind: 'values' }>): Pass {
  const y = w.output(0);
  const { type } = y;
  const at = ownElement(w, outputCount(w));
  const [to] = placesAt(w, at, [everyAxis(y)]);
  const list = w.slot({ kind: 'list', numbers: s => (s.kernel as Extract<Kernel<number>, { kind: 'values' }>).values }, 'list', 64);
  list.isRead = true;
  const number = w.let('int64', w.language.load(list, 'int64', at));
  const value = type === 'int64' ? number : w.language.cast('int64', type, number);
  if (value === undefined || kernel.values.length === 0) throw new Lack(`values on ${type}`);
  y.store(to!, value);
  return finish(w);
}
