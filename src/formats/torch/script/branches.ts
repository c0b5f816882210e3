// Branches of which the run decides become If, whose results are every variable, every tensor written in place and every item of a list that the
// code in them may have changed.
import { fail } from '../../../errors.ts';
import { Graph, type Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { type Scalar, Symbolic } from '../aten/row.ts';
import { type Memory, overwrite, TensorRef } from '../memory.ts';
import { numberValue } from '../numbers.ts';
import { type Interpreter, Raised, type Returned } from './interpret.ts';
import { type Container, type Content, Moment, setContent } from './moment.ts';
import type { Block } from './parse.ts';
import { itemsOf, placeholder, produced } from './results.ts';
import { settled } from './scalars.ts';
import { Conflict, type Host, isNumber, isSame, kindOf, List, Tuple } from './values.ts';

/** Whether code always ends in an error: such branches are left out, as the model has no errors of its own. */
function raises(block: Block): boolean {
  return block.some(s => {
    if (s.kind === 'if') return raises(s.then) && raises(s.else);
    if (s.kind === 'with') return raises(s.body);
    if (s.kind !== 'expression' || s.value.kind !== 'call') return false;
    const { callee } = s.value;
    return callee.kind === 'attribute' && callee.name === 'RaiseException';
  });
}

interface Side {
  readonly b: Builder;
  readonly variables: ReadonlyMap<string, Host>;
  readonly memories: ReadonlyMap<Memory, Value>;
  readonly changed: ReadonlyMap<Container, Content>;
}

/** Both branches of a condition that the run decides. */
export function runIf(e: Interpreter, condition: Symbolic, yes: Block, no: Block): Returned | undefined {
  if (raises(yes)) return e.block(no);
  if (raises(no)) return e.block(yes);
  const moment = new Moment(e);
  const follow = (block: Block): Side | undefined => {
    try {
      return moment.aside(b => {
        if (e.block(block))
          throw fail('E2001', 'a return in a branch of which the run decides has no conversion', { node: { op: 'return' } });
        return {
          b,
          variables: e.frame.variables,
          memories: new Map(moment.memories.written.map(memory => [memory, memory.value])),
          changed: moment.changed,
        };
      });
    } catch (error) {
      if (error instanceof Raised) return undefined;
      throw error;
    }
  };
  const [then, other] = [follow(yes), follow(no)];
  if (!then) return e.block(no);
  if (!other) return e.block(yes);
  new Merge(e, moment, then, other).emit(condition);
  return undefined;
}

/** What is left of two branches. */
class Merge {
  readonly #e: Interpreter;
  readonly #moment: Moment;
  readonly #then: Side;
  readonly #else: Side;
  readonly #pairs: (readonly [Value, Value])[] = [];
  #made: readonly Value[] = [];

  constructor(e: Interpreter, moment: Moment, yes: Side, no: Side) {
    this.#e = e;
    this.#moment = moment;
    this.#then = yes;
    this.#else = no;
  }

  emit(condition: Symbolic): void {
    const { b, frame } = this.#e;
    const variables = new Map<string, () => Host>();
    for (const [name, value] of this.#then.variables)
      if (this.#else.variables.has(name)) variables.set(name, this.#host(value, this.#else.variables.get(name)));
    const memories = new Set([...this.#then.memories.keys(), ...this.#else.memories.keys()]);
    const contents = [...memories].map(memory => {
      const [a, c] = [this.#then, this.#else].map(side => side.memories.get(memory) ?? memory.value) as [Value, Value];
      return [memory, this.#pair(a, c)] as const;
    });
    const containers = this.#containers();
    if (this.#pairs.length > 0) {
      const graph = (side: Side, i: 0 | 1): Graph => {
        const name = i === 0 ? 'then' : 'else';
        const outputs = this.#pairs.map((pair, k) => ({ name: `${name}_${k}`, value: produced(pair[i], side.b) }));
        return new Graph(name, { inputs: [], outputs, nodes: side.b.nodes });
      };
      const attributes = { then_branch: graph(this.#then, 0), else_branch: graph(this.#else, 1) };
      const outputs = this.#pairs.map((_, i) => `if_${i}`);
      this.#made = b.emit('If', [b.Reshape(condition.value, [])], attributes, { outputs }) as readonly Value[];
    }
    for (const [name, value] of variables) frame.variables.set(name, value());
    for (const [memory, i] of contents) overwrite(memory, this.#made[i]!);
    for (const [c, content] of containers)
      setContent(
        c,
        content.map(([key, item]) => [key, item()] as const),
      );
  }

  #pair(a: Value, c: Value): number {
    const before = this.#pairs.findIndex(([x, y]) => x === a && y === c);
    return before >= 0 ? before : this.#pairs.push([a, c]) - 1;
  }

  #containers(): [Container, (readonly [Host, () => Host])[]][] {
    return [...new Set([...this.#then.changed.keys(), ...this.#else.changed.keys()])].map(container => {
      const [a, c] = [this.#then, this.#else].map(side => side.changed.get(container) ?? this.#moment.contentOf(container));
      if (a!.length !== c!.length || a!.some(([key], i) => key !== c![i]![0]))
        throw fail('E2001', `a ${kindOf(container)} has other items by a condition that only the run knows`, { node: { op: 'if' } });
      return [container, a!.map(([key, item], i) => [key, this.#host(item, c![i]![1])] as const)];
    });
  }

  /** What a value is after both branches, asked for when the node is made. */
  #host(a: Host, c: Host): () => Host {
    this.#e.spend(1);
    if (isSame(a, c)) return () => a;
    if (a instanceof Conflict && a.isEmpty) return this.#host(placeholder(c, this.#then.b, this.#else.b), c);
    if (c instanceof Conflict && c.isEmpty) return this.#host(a, placeholder(a, this.#else.b, this.#then.b));
    if (a instanceof TensorRef && c instanceof TensorRef) {
      const [x, y] = [a.read(this.#then.b), c.read(this.#else.b)];
      if (x.element !== y.element) return () => new Conflict(`it is ${x.element} or ${y.element} by a condition that only the run knows`);
      const i = this.#pair(x, y);
      const isShared = this.#moment.memories.has(a.memory) || this.#moment.memories.has(c.memory);
      return () => (isShared ? TensorRef.uncertain(this.#made[i]!) : TensorRef.of(this.#made[i]!));
    }
    if (isNumber(a) && isNumber(c)) {
      const [x, y] = [kindOf(a), kindOf(c)];
      const type = x === 'bool' && y === 'bool' ? 'bool' : x === 'float' || y === 'float' ? 'float32' : 'int64';
      const i = this.#pair(numberValue(a as Scalar, this.#then.b, type), numberValue(c as Scalar, this.#else.b, type));
      return () => settled(new Symbolic(this.#made[i]!));
    }
    const [x, y] = [itemsOf(a), itemsOf(c)];
    if (x && y && x.length === y.length && a instanceof Tuple === c instanceof Tuple) {
      const items = x.map((item, i) => this.#host(item, y[i]));
      return () =>
        a instanceof Tuple
          ? new Tuple(
              items.map(item => item()),
              a.fields,
            )
          : new List(items.map(item => item()));
    }
    return () => new Conflict(`it is ${kindOf(a)} or ${kindOf(c)} by a condition that only the run knows`);
  }
}
