// State that outlives a run: resource variables, tensors that kernels keep, and tables that are filled once.
import { fail } from '../../errors.ts';
import { type Output, Value } from '../../ir/graph.ts';
import { unread, updatedName } from '../../ir/state.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { zeros } from './quantization.ts';
import type { TensorInfo } from './tensors.ts';

interface Variable {
  readonly name: string;
  /** What a run begins with: an input with a default. */
  readonly input: Value;
  /** What is in it now. */
  now: Value;
  isWritten: boolean;
}

/** Keys and values of a table. */
export interface Table {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What a tensor that is a handle refers to. */
export type Handle = { readonly kind: 'variable' | 'table'; readonly name: string };

export class Variables {
  /** Initial contents that were assigned once, by name. */
  readonly #initial = new Map<string, Tensor>();
  readonly #variables = new Map<string, Variable>();
  readonly #tables = new Map<string, Table>();
  readonly #handles = new Map<Value, Handle>();
  /** Whether what runs now is an initialisation, that runs once. */
  isInitialising = false;

  handle(kind: Handle['kind'], name: string): Value {
    const value = new Value(name);
    this.#handles.set(value, { kind, name });
    return value;
  }

  named(value: Value, kind: Handle['kind']): string {
    const handle = this.#handles.get(value);
    if (handle?.kind !== kind) throw fail('E2001', `a ${kind} that only the run knows`);
    return handle.name;
  }

  /** What is in a variable now. */
  read(name: string): Value {
    const initial = this.#initial.get(name);
    if (!this.#variables.has(name) && !initial) throw fail('E2001', `the variable ${name} is read before anything is assigned to it`);
    return (this.#variables.get(name) ?? this.#add(name, initial!)).now;
  }

  assign(name: string, value: Value, isNested: boolean): void {
    if (this.isInitialising) {
      if (!value.tensor) throw fail('E2001', `the variable ${name} is initialised by a computation`);
      this.#initial.set(name, value.tensor);
      return;
    }
    const initial = this.#initial.get(name);
    if (!this.#variables.has(name) && !initial) throw fail('E2001', `the variable ${name} has no initial content`);
    const variable = this.#variables.get(name) ?? this.#add(name, initial!);
    this.#write(variable, value, isNested);
  }

  /** A tensor that a kernel keeps from run to run: zeros at first. */
  tensor({ name, element, shape, quantization }: TensorInfo, isNested: boolean): Value {
    const known = this.#variables.get(name);
    if (known) return known.now;
    if (isNested) throw fail('E2001', `the state ${name} inside of a branch or loop`);
    const dims = shape?.filter(d => typeof d === 'number');
    if (!element || !shape || dims?.length !== shape.length) throw fail('E2001', `the state ${name} of sizes that only the run knows`);
    return this.#add(name, zeros(element, dims, quantization)).now;
  }

  /** New content of a tensor that a kernel keeps. */
  updateTensor({ name }: TensorInfo, value: Value, isNested: boolean): void {
    const variable = this.#variables.get(name);
    if (!variable) throw fail('E2001', `${name} is written and is no state`);
    this.#write(variable, value, isNested);
  }

  fill(name: string, table: Table): void {
    this.#tables.set(name, table);
  }
  table(name: string): Table {
    const table = this.#tables.get(name);
    if (!table) throw fail('E2001', `the table ${name} is read before it is filled`);
    return table;
  }

  /** Variables that a run changes. */
  get inputs(): readonly Value[] {
    return this.#written.map(({ input }) => input);
  }
  get outputs(): readonly Output[] {
    return this.#written.map(({ name, now }) => ({ name: updatedName(name), value: now }));
  }

  get #written(): readonly Variable[] {
    return [...this.#variables.values()].filter(v => v.isWritten);
  }

  #add(name: string, tensor: Tensor): Variable {
    const input = new Value(name, undefined, { tensor: unread(tensor), parameter: true });
    const variable = { name, input, now: input, isWritten: false };
    this.#variables.set(name, variable);
    return variable;
  }

  #write(variable: Variable, value: Value, isNested: boolean): void {
    if (isNested) throw fail('E2001', `the variable ${variable.name} is written inside of a branch or loop`);
    variable.now = value;
    variable.isWritten = true;
  }
}
