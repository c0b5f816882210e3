// TorchScript's code carried out on what is known of its values: calls are followed, numbers and lists computed, branches taken, and
// only what tensors hold is left to nodes. Conditions and counts that the run decides become If and Loop in `branches.ts` and `loops.ts`.
import { fail, ModelError } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import type { Problems } from '../../problems.ts';
import { atenRow } from '../aten/index.ts';
import { Symbolic } from '../aten/row.ts';
import { callCustom } from '../custom.ts';
import { TensorRef } from '../memory.ts';
import { atenOverloads } from '../schema.ts';
import type { ScriptArchive } from './archive.ts';
import { runIf } from './branches.ts';
import { notMine } from './builtin.ts';
import { builtins } from './builtins.ts';
import { runFor, runWhile } from './loops.ts';
import { callOverload, chooseOverload } from './overloads.ts';
import type { Block, ClassDef, Expression, FunctionDef, Statement } from './parse.ts';
import { convertNumber, truth } from './scalars.ts';
import { Callable, Conflict, Device, Dict, floatHost, type Host, Instance, isSame, kindOf, List, reachable, Tuple } from './values.ts';

/** What a call knows of a tensor whose type nothing says. */
export interface Use {
  readonly op: string;
  /** Its place among the arguments. */
  readonly position: number;
  readonly args: readonly Host[];
  /** The class of the innermost module that runs. */
  readonly module: string;
}

export interface World {
  readonly archive: ScriptArchive;
  readonly constants: readonly Host[];
  /** Give an input a type, which its first use needs. */
  settle(value: Value, use: Use): void;
  /** Keep operators without a conversion as nodes of domains of their own; the domains that occurred. */
  readonly custom: Set<string> | undefined;
  readonly problems: Problems;
  /** Steps that may be taken beside one for each byte of code. */
  readonly limit: number | undefined;
}

export interface Frame {
  variables: Map<string, Host>;
  readonly file: string;
}

/** What a `return` gave. */
export interface Returned {
  readonly value: Host;
}

/** The program came to a RaiseException. */
export class Raised extends Error {}

/** Steps that following a program may take beside one for each byte of its code: statements, expressions, and what they work on. */
const standardSteps = 1_000_000;
/** What an operator costs more than another expression: it may make nodes. */
const operatorSteps = 10;
export const maxDepth = 600;
const maxCalls = 100;

export class Interpreter {
  b: Builder;
  readonly world: World;
  readonly frames: Frame[] = [];
  /** Whether an operator was met that has no conversion for any arguments: no types of inputs help. */
  hopeless = false;
  /** Statements and expressions that were carried out, and what else took time. */
  steps = 0;
  #depth = 0;
  readonly #most: number;

  constructor(world: World, b: Builder) {
    this.world = world;
    this.b = b;
    this.#most = (world.limit ?? standardSteps) + world.archive.codeBytes;
  }

  /** Account for work: whoever reads small files waits no longer than for large ones. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.#most)
      throw fail('E1009', `the program takes more than ${this.#most} steps to follow`, { limit: { name: 'steps', value: this.#most } });
  }

  get frame(): Frame {
    return this.frames.at(-1)!;
  }

  /** Everything that code from here on can see. */
  reachable(): ReturnType<typeof reachable> {
    return reachable(this.frames.flatMap(frame => [...frame.variables.values()]));
  }

  call(callee: Callable, args: readonly Host[], keywords: ReadonlyMap<string, Host> = new Map()): Host {
    const { definition, self } = callee;
    if (!('body' in definition)) return this.#construct(callee.name, definition, args, keywords);
    if (this.frames.length > maxCalls) throw fail('E1008', `calls are nested deeper than ${maxCalls}`);
    const own = this.#bind(definition, self ? [self, ...args] : args, keywords);
    const variables = callee.around ? new Map([...callee.around, ...own]) : own;
    const meta = this.b.meta;
    if (self?.path) this.b.meta = { metadata: new Map([['module', self.path]]) };
    this.frames.push({ variables, file: definition.file });
    const returned = this.block(definition.body);
    this.frames.pop();
    this.b.meta = meta;
    return returned?.value;
  }

  #bind(definition: FunctionDef, args: readonly Host[], keywords: ReadonlyMap<string, Host>): Map<string, Host> {
    const { parameters, name } = definition;
    if (args.length > parameters.length) throw fail('E1104', `${name} takes ${parameters.length} arguments, ${args.length} are given`);
    const variables = new Map<string, Host>();
    parameters.forEach((parameter, i) => {
      if (i < args.length) variables.set(parameter.name, args[i]);
      else if (keywords.has(parameter.name)) variables.set(parameter.name, keywords.get(parameter.name));
      else if (parameter.default) variables.set(parameter.name, this.#outside(definition.file, parameter.default));
      else throw fail('E1101', `${name} is called without ${parameter.name}`);
    });
    return variables;
  }

  /** An expression that sees no variables. */
  #outside(file: string, expression: Expression): Host {
    this.frames.push({ variables: new Map(), file });
    const value = this.evaluate(expression);
    this.frames.pop();
    return value;
  }

  #construct(name: string, definition: ClassDef, args: readonly Host[], keywords: ReadonlyMap<string, Host>): Host {
    if (definition.base === 'NamedTuple') {
      const fields = [...definition.attributes.keys()];
      const value = (field: string, i: number): Host => {
        if (i < args.length) return args[i];
        const standard = definition.values.get(field);
        if (keywords.has(field)) return keywords.get(field);
        if (standard) return this.#outside(definition.file, standard);
        throw fail('E1101', `${definition.name} is made without ${field}`);
      };
      return new Tuple(fields.map(value), fields);
    }
    const made = new Instance(name);
    const init = definition.methods.get('__init__');
    if (init) this.call(new Callable(name, init, made), args, keywords);
    return made;
  }

  /** @returns what a `return` in it gave */
  block(block: Block): Returned | undefined {
    for (const statement of block) {
      const returned = this.#nested(statement, () => this.#statement(statement));
      if (returned) return returned;
    }
    return undefined;
  }

  /** Errors get the place of the innermost statement. */
  #nested<T>(at: Statement | Expression, run: () => T): T {
    this.spend(1);
    if (++this.#depth > maxDepth) throw fail('E1008', `code and calls are nested deeper than ${maxDepth}`);
    const depth = this.#depth;
    try {
      return run();
    } catch (error) {
      throw error instanceof ModelError ? error.within({ path: `${this.frame.file}:${at.line}:${at.column}` }) : error;
    } finally {
      this.#depth = depth - 1;
    }
  }

  #statement(s: Statement): Returned | undefined {
    switch (s.kind) {
      case 'assign':
        this.#assign(s.target, this.evaluate(s.value), s.value);
        return undefined;
      case 'expression':
        this.evaluate(s.value);
        return undefined;
      case 'return':
        return { value: s.value && this.evaluate(s.value) };
      case 'if': {
        const condition = this.holds(s.condition);
        if (condition instanceof Symbolic) return runIf(this, condition, s.then, s.else);
        return this.block(condition ? s.then : s.else);
      }
      case 'for':
        return runFor(this, s);
      case 'while':
        return runWhile(this, s);
      case 'assert':
        if (this.holds(s.condition) === false) throw new Raised('an assertion does not hold');
        return undefined;
      case 'with':
        return this.#with(s);
      case 'def': {
        const { definition } = s;
        this.frame.variables.set(definition.name, new Callable(definition.name, definition, undefined, this.frame.variables));
        return undefined;
      }
      case 'pass':
        return undefined;
      default:
        return s satisfies never;
    }
  }

  /** What a context does when it is left, it does after a `return` too; errors end the program anyway. */
  #with({ of, target, body }: Statement & { readonly kind: 'with' }): Returned | undefined {
    const context = this.evaluate(of);
    const step = (name: string, args: readonly Host[]): Host => {
      const method = this.attributeOf(context, name);
      if (!(method instanceof Callable)) throw fail('E1304', `${kindOf(context)} is no context`);
      return this.call(method, args);
    };
    const entered = step('__enter__', []);
    if (target) this.assign(target, entered);
    const returned = this.block(body);
    step('__exit__', [undefined, undefined, undefined]);
    return returned;
  }

  /** Whether a condition holds, where it is known. */
  holds(condition: Expression): boolean | Symbolic {
    const value = this.evaluate(condition);
    if (value instanceof Conflict) {
      this.world.problems.throwIfAny();
      throw unread(value);
    }
    return truth(value, this.b);
  }

  assign(target: Expression, value: Host): void {
    this.#assign(target, value, undefined);
  }

  #assign(target: Expression, value: Host, from: Expression | undefined): void {
    if (target.kind === 'name') {
      this.frame.variables.set(target.name, value);
      if (from?.kind === 'call' && value instanceof TensorRef && !target.name.startsWith('_')) label(value.read(this.b), target.name);
    } else if (target.kind === 'tuple') {
      if (value instanceof Conflict && value.isLost) {
        for (const part of target.items) this.#assign(part, value, from);
        return;
      }
      if (!(value instanceof Tuple || value instanceof List)) throw fail('E1304', `${kindOf(value)} cannot be unpacked`);
      if (value.items.length !== target.items.length)
        throw fail('E1305', `${value.items.length} values for ${target.items.length} variables`);
      const { items } = value;
      target.items.forEach((part, i) => {
        this.#assign(part, items[i], from);
      });
    } else if (target.kind === 'attribute') {
      const of = this.evaluate(target.of);
      if (!(of instanceof Instance)) throw fail('E1304', `${kindOf(of)} has no attributes that can be set`);
      of.attributes.set(target.name, value);
    } else if (target.kind === 'index') {
      this.operator('aten', '_set_item', [this.evaluate(target.of), this.evaluate(target.index), value]);
    } else throw fail('E1006', 'this cannot be assigned to');
  }

  evaluate(e: Expression): Host {
    return this.#nested(e, () => this.#expression(e));
  }

  #expression(e: Expression): Host {
    switch (e.kind) {
      case 'name':
        return this.#named(e.name);
      case 'attribute':
        return this.#attribute(e);
      case 'call':
        return this.#call(e);
      case 'index': {
        const of = this.evaluate(e.of);
        return this.operator('aten', '__getitem__', [of, this.evaluate(e.index)]);
      }
      case 'int':
      case 'string':
      case 'constant':
        return e.value;
      case 'float':
        return floatHost(e.value);
      case 'list':
        return new List(e.items.map(item => this.evaluate(item)));
      case 'tuple':
        return new Tuple(e.items.map(item => this.evaluate(item)));
      case 'dict':
        return new Dict(e.entries.map(([key, value]) => [this.evaluate(key), this.evaluate(value)] as const));
      case 'is':
        return isSame(this.evaluate(e.left), this.evaluate(e.right)) !== e.not;
      case 'not':
        return this.operator('aten', '__not__', [this.evaluate(e.of)]);
      default:
        return e satisfies never;
    }
  }

  #named(name: string): Host {
    const { variables } = this.frame;
    if (!variables.has(name)) throw fail('E1104', `nothing is called ${name}`);
    return variables.get(name);
  }

  /** The text of a dotted name that begins with no variable. */
  #dotted(e: Expression): string | undefined {
    const parts: string[] = [];
    let at = e;
    for (; at.kind === 'attribute'; at = at.of) parts.push(at.name);
    if (at.kind !== 'name' || this.frame.variables.has(at.name)) return undefined;
    return [at.name, ...parts.reverse()].join('.');
  }

  #attribute(e: Expression & { readonly kind: 'attribute' }): Host {
    const path = this.#dotted(e);
    if (path === undefined) return this.attributeOf(this.evaluate(e.of), e.name);
    const constant = /^CONSTANTS\.c(\d{1,9})$/.exec(path)?.[1];
    if (constant !== undefined) {
      if (Number(constant) >= this.world.constants.length) throw fail('E1013', `the archive has no constant ${constant}`);
      return this.world.constants[Number(constant)];
    }
    return this.callable(path);
  }

  attributeOf(of: Host, name: string): Host {
    if (of instanceof Instance) {
      if (of.attributes.has(name)) return of.attributes.get(name);
      const definition = this.classOf(of.className);
      const value = definition?.values.get(name);
      if (value) return this.#outside(definition!.file, value);
      const method = definition?.methods.get(name);
      if (method) return new Callable(of.className, method, of);
    } else if (of instanceof Tuple) {
      const i = of.fields?.indexOf(name) ?? -1;
      if (i >= 0) return of.items[i];
    } else if (of instanceof TensorRef) return this.operator('prim', name, [of]);
    throw fail('E1104', `${kindOf(of)} has no ${name}`);
  }

  classOf(name: string): ClassDef | undefined {
    const dot = name.lastIndexOf('.');
    return this.world.archive.source(name.slice(0, dot))?.classes.get(name.slice(dot + 1));
  }

  /** The function or class of a dotted name. */
  callable(path: string): Callable {
    const dot = path.lastIndexOf('.');
    const source = this.world.archive.source(path.slice(0, dot));
    const name = path.slice(dot + 1);
    const definition = source?.functions.get(name) ?? source?.classes.get(name);
    if (!definition) throw fail('E1104', `the code has no ${path}`);
    return new Callable(path, definition);
  }

  #call(e: Expression & { readonly kind: 'call' }): Host {
    const { callee } = e;
    if (callee.kind === 'name' && !this.frame.variables.has(callee.name)) return this.#special(callee.name, e.args);
    const path = this.#dotted(callee);
    const [, plain, domain, name] = /^(?:torch\.(\w+)|ops\.(\w+)\.(\w+))$/.exec(path ?? '') ?? [];
    const args = (): Host[] => e.args.map(arg => this.evaluate(arg));
    const keywords = (): Map<string, Host> => new Map(e.keywords.map(({ name, value }) => [name, this.evaluate(value)]));
    if (plain !== undefined) return this.operator('aten', plain, args(), keywords());
    if (name !== undefined) return this.operator(domain!, name, args(), keywords());
    const made = /^(.*)\.__new__$/.exec(path ?? '')?.[1];
    if (made !== undefined) return new Instance(this.callable(made).name);
    const called = path !== undefined ? this.callable(path) : this.evaluate(callee);
    if (!(called instanceof Callable)) throw fail('E1304', `${kindOf(called)} cannot be called`);
    return this.call(called, args(), keywords());
  }

  /** What looks like a function of Python. */
  #special(name: string, args: readonly Expression[]): Host {
    const argument = (i: number): Host => {
      const arg = args[i];
      if (!arg) throw fail('E1101', `${name} takes more arguments`);
      return this.evaluate(arg);
    };
    switch (name) {
      case 'annotate':
        return this.#annotated(args[0], argument(1));
      case 'unchecked_cast':
        return argument(1);
      case 'uninitialized':
        return new Conflict('it has no value', { isEmpty: true });
      case 'getattr': {
        const attribute = argument(1);
        return this.attributeOf(argument(0), String(attribute));
      }
      case 'int':
      case 'float':
      case 'bool': {
        const value = argument(0);
        if (value instanceof Conflict && value.isLost) return value;
        this.settleAll(name, [value]);
        return convertNumber(name, value, this.b);
      }
      case 'isinstance':
        return this.operator('prim', name, [argument(0), typeText(args[1])]);
      default:
        return this.operator(
          'prim',
          name,
          args.map((_, i) => argument(i)),
        );
    }
  }

  /** `annotate(int, x)` is also how a tensor becomes a number. */
  #annotated(type: Expression | undefined, value: Host): Host {
    const name = type?.kind === 'name' ? type.name : undefined;
    if (value instanceof TensorRef && (name === 'int' || name === 'float' || name === 'bool' || name === 'number')) {
      this.settleAll(name, [value]);
      return convertNumber(name === 'number' ? 'any' : name, value, this.b);
    }
    return value;
  }

  get #module(): string {
    for (const frame of [...this.frames].reverse()) {
      const self = frame.variables.get('self');
      if (self instanceof Instance) return self.className;
    }
    return '';
  }

  /** Inputs of a type that nothing says get one where they are first used. */
  settleAll(op: string, args: readonly Host[]): void {
    args.forEach((arg, position) => {
      const refs = arg instanceof TensorRef ? [arg] : arg instanceof List ? arg.known : arg instanceof Tuple ? arg.items : [];
      for (const ref of refs)
        if (ref instanceof TensorRef && !ref.isWritten) {
          const value = ref.read(this.b);
          if (!value.type && !value.producer) this.world.settle(value, { op, position, args, module: this.#module });
        }
    });
  }

  /** Carry out an operator: on host values by the table of those, on tensors by that of ATen. */
  operator(domain: string, name: string, args: readonly Host[], keywords: ReadonlyMap<string, Host> = new Map()): Host {
    const empty = conflictIn([...args, ...keywords.values()]);
    if (empty) {
      if (empty.isLost) return empty;
      throw unread(empty);
    }
    this.settleAll(name, [...args, ...keywords.values()]);
    this.spend(operatorSteps);
    const key = `${domain}.${name}`;
    try {
      const builtin = Object.hasOwn(builtins, key) ? builtins[key] : undefined;
      const made = builtin ? builtin(args, this, keywords) : notMine;
      if (made !== notMine) {
        this.spend(Math.ceil(extentOf(made) / extentOfStep));
        return made;
      }
      if (domain !== 'aten') return this.#unknown(domain, name, args, keywords);
      return callOverload(chooseOverload(name, args, keywords), this.b);
    } catch (error) {
      // Rows rely on ranks that programs for torch.export state and TorchScript does not.
      if (error instanceof TypeError)
        throw fail('E1305', `${key}: the arguments do not fit together`, { node: { op: key } }, { cause: error });
      if (!(error instanceof ModelError) || error.code !== 'E2001' || error.findings[0]!.node) throw error;
      if (!hasConversion(domain, name)) return this.#unknown(domain, name, args, keywords);
      throw new ModelError(error.findings.map(f => ({ ...f, message: `${key}: ${f.message}`, node: { op: key } })));
    }
  }

  /** An operator without a conversion: kept where that is allowed, else its result is lost and all such are reported at once. */
  #unknown(domain: string, name: string, args: readonly Host[], keywords: ReadonlyMap<string, Host>): Host {
    if (this.world.custom && domain !== 'prim') return this.#custom(domain, name, args, keywords);
    this.world.problems.add(`${domain}.${name}`, 'no conversion', this.b.meta);
    this.hopeless = true;
    return new Conflict(`${domain}.${name} has no conversion`, { isLost: true });
  }

  #custom(domain: string, name: string, args: readonly Host[], keywords: ReadonlyMap<string, Host>): Host {
    const operand = (v: Host): Parameters<typeof callCustom>[1][number][1] => {
      if (v instanceof List || v instanceof Tuple) return v.items.map(operand);
      if (v instanceof Dict || v instanceof Instance || v instanceof Callable || v instanceof Device || v instanceof Conflict)
        throw fail('E2001', `${kindOf(v)} cannot be an argument of an operator that is kept`);
      return v;
    };
    const named = [...args.map((v, i) => [`arg${i}`, v] as const), ...keywords].map(([key, v]) => [key, operand(v)] as const);
    const [made] = callCustom(`torch.ops.${domain}.${name}`, named, [name], this.world.custom!, this.b);
    return made && TensorRef.of(made);
  }
}

/** How many items or characters cost a step. */
const extentOfStep = 8;
const extentOf = (v: Host): number => (v instanceof List || v instanceof Tuple ? v.length : typeof v === 'string' ? v.length : 0);

const unread = ({ why }: Conflict): ModelError => fail('E2001', `a variable is read, but ${why}`, { node: { op: 'name' } });

/** Whether an operator has a meaning for some arguments. */
const hasConversion = (domain: string, name: string): boolean =>
  Object.hasOwn(builtins, `${domain}.${name}`) || (domain === 'aten' && atenOverloads(name).some(overload => atenRow(name, overload)));

/** The first value among arguments, or in lists among them, that must not be read. */
function conflictIn(values: readonly Host[]): Conflict | undefined {
  for (const v of values) {
    if (v instanceof Conflict) return v;
    const inner = v instanceof List ? v.known : v instanceof Tuple ? v.items : [];
    const found = inner.find(item => item instanceof Conflict);
    if (found) return found as Conflict;
  }
  return undefined;
}

const typeText = (type: Expression | undefined): string =>
  type?.kind === 'name' ? type.name : type?.kind === 'index' ? typeText(type.of) : type?.kind === 'attribute' ? type.name : '';

function label(value: Value, name: string): void {
  const { producer } = value;
  if (!producer || value.name !== producer.op.toLowerCase()) return;
  value.name = name;
}
