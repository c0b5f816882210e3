// What TorchScript's code computes with: tensors of the model to be, and everything else as a value that is known now or, for
// numbers, symbolic.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Float, Symbolic } from '../aten/row.ts';
import { Float as FloatClass, Symbolic as SymbolicClass } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import type { ClassDef, FunctionDef } from './parse.ts';

/** Most items of a list or tuple, and characters of a text. */
export const maxItems = 100_000;

/** None is undefined; whole floats are `Float`, so that they are not taken for integers. */
export type Host =
  | TensorRef
  | number
  | bigint
  | boolean
  | string
  | undefined
  | Float
  | Symbolic
  | List
  | Dict
  | Tuple
  | Instance
  | Callable
  | Device
  | Conflict;

/** The parts of a tensor along one of its axes. */
export interface Parts {
  /** The tensor with that axis first. */
  all(): Value;
  /** The part at a place: a view. */
  at(place: Host): Host;
}

/** A list; code that shares it sees what is written into it. */
export class List {
  #items: Host[];
  /** What a loop of the run appends in one round, while its body is followed: then the rest of the list cannot be read. */
  pending: Host[] | undefined;
  /** After such a loop: what it appended, along a new first axis. */
  #rows: Value | undefined;
  /** Where the items are the parts of a tensor, as many as only the run knows. */
  readonly parts: Parts | undefined;

  constructor(items: Iterable<Host>, parts?: Parts) {
    this.#items = [...items];
    this.parts = parts;
  }

  get rows(): Value | undefined {
    return this.parts ? this.parts.all() : this.#rows;
  }
  set rows(rows: Value | undefined) {
    this.#rows = rows;
  }

  /** @throws ModelError E2001 for a list of which only the run knows the length */
  get items(): Host[] {
    if (this.pending || this.rows) throw fail('E2001', 'a list of which only the run knows the length has no conversion here');
    return this.#items;
  }
  set items(items: Host[]) {
    this.#items = items;
  }
  /** The items that are known, whatever follows them. */
  get known(): readonly Host[] {
    return this.#items;
  }
  /** How many items are known. */
  get length(): number {
    return this.#items.length;
  }
  push(item: Host): void {
    (this.pending ?? this.items).push(item);
  }
}

export class Dict {
  entries: Map<Host, Host>;
  constructor(entries: Iterable<readonly [Host, Host]>) {
    this.entries = new Map(entries);
  }
}

export class Tuple {
  readonly items: readonly Host[];
  /** The names of a named tuple's fields. */
  readonly fields: readonly string[] | undefined;
  /** How many values it holds, with those of tuples in it. */
  readonly size: number;
  /** @throws ModelError E1009 for tuples of tuples that hold too many values: one that is shared counts as often as it occurs */
  constructor(items: readonly Host[], fields?: readonly string[]) {
    this.items = items;
    this.fields = fields;
    this.size = items.reduce<number>((n, item) => n + (item instanceof Tuple ? item.size : 1), 1);
    if (this.size > maxItems)
      throw fail('E1009', `a tuple of more than ${maxItems} values`, { limit: { name: 'torchscript.items', value: maxItems } });
  }
  get length(): number {
    return this.items.length;
  }
}

/** An instance of a class: modules and whatever else has attributes. */
export class Instance {
  readonly className: string;
  readonly attributes = new Map<string, Host>();
  /** Where it is in the program, as in the names of weights; the program itself is empty. */
  readonly path: string | undefined;
  constructor(className: string, path?: string) {
    this.className = className;
    this.path = path;
  }
}

/** What can be called, by the file that it stands in. */
export class Callable {
  readonly definition: FunctionDef | ClassDef;
  /** Its name with those of the file and folders. */
  readonly name: string;
  readonly self: Instance | undefined;
  /** The variables that a function inside of another one sees. */
  readonly around: ReadonlyMap<string, Host> | undefined;
  constructor(name: string, definition: FunctionDef | ClassDef, self?: Instance, around?: ReadonlyMap<string, Host>) {
    this.name = name;
    this.definition = definition;
    this.self = self;
    this.around = around;
  }
}

export class Device {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What a variable holds that must not be read: it has no value, or branches of which the run decides gave it values of different kinds. */
export class Conflict {
  readonly why: string;
  /** Whether it is to get its value elsewhere, and whatever stands in its place is never read. */
  readonly isEmpty: boolean;
  /** Whether an operator without a conversion, which is reported, made it. */
  readonly isLost: boolean;
  constructor(why: string, { isEmpty = false, isLost = false } = {}) {
    this.why = why;
    this.isEmpty = isEmpty;
    this.isLost = isLost;
  }
}

/** A float as it is kept: whole ones apart. */
export const floatHost = (value: number): number | Float => (Number.isInteger(value) ? new FloatClass(value) : value);
/** Whether a value is a float that is known. */
export const isKnownFloat = (v: Host): v is number | Float => v instanceof FloatClass || (typeof v === 'number' && !Number.isInteger(v));
export const isKnownInt = (v: Host): v is number | bigint => typeof v === 'bigint' || (typeof v === 'number' && Number.isInteger(v));
export const isKnownNumber = (v: Host): v is number | bigint | boolean | Float =>
  typeof v === 'number' || typeof v === 'bigint' || typeof v === 'boolean' || v instanceof FloatClass;
export const isNumber = (v: Host): v is number | bigint | boolean | Float | Symbolic => isKnownNumber(v) || v instanceof SymbolicClass;
/** A known number as JavaScript's. */
export const plain = (v: number | bigint | boolean | Float): number => (v instanceof FloatClass ? v.value : Number(v));

/** What people call the kind of a value. */
export function kindOf(v: Host): string {
  if (v === undefined) return 'None';
  if (v instanceof TensorRef) return 'Tensor';
  if (v instanceof SymbolicClass) return v.value.element === 'bool' ? 'bool' : v.value.element === 'int64' ? 'int' : 'float';
  if (v instanceof List) return v.known.length > 0 ? `List[${kindOf(v.known[0])}]` : 'List';
  if (v instanceof Dict) return 'Dict';
  if (v instanceof Tuple) return `Tuple[${v.items.slice(0, 8).map(kindOf).join(', ')}]`;
  if (v instanceof Instance) return v.className;
  if (v instanceof Callable) return 'function';
  if (v instanceof Device) return 'Device';
  if (v instanceof Conflict) return 'a value of several kinds';
  if (typeof v === 'string') return 'str';
  if (typeof v === 'boolean') return 'bool';
  return isKnownFloat(v) ? 'float' : 'int';
}

/** Whether two values are the same for all the code can tell. */
export function isSame(a: Host, b: Host): boolean {
  if (a === b) return true;
  if (a instanceof FloatClass && b instanceof FloatClass) return a.value === b.value;
  if (a instanceof SymbolicClass && b instanceof SymbolicClass) return a.value === b.value;
  if (a instanceof Device && b instanceof Device) return a.name === b.name;
  if (typeof a === 'number' && typeof b === 'number') return Number.isNaN(a) && Number.isNaN(b);
  return (
    a instanceof Tuple && b instanceof Tuple && a.items.length === b.items.length && a.items.every((item, i) => isSame(item, b.items[i]))
  );
}

/** Every tensor, list, dict and instance that can be reached from values. */
export function reachable(roots: Iterable<Host>): { tensors: Set<TensorRef>; containers: Set<List | Dict | Instance> } {
  const tensors = new Set<TensorRef>();
  const containers = new Set<List | Dict | Instance>();
  const seen = new Set<Host>();
  const open: Host[] = [...roots];
  while (open.length > 0) {
    const v = open.pop();
    if (typeof v !== 'object' || seen.has(v)) continue;
    seen.add(v);
    if (v instanceof TensorRef) tensors.add(v);
    else if (v instanceof Tuple) open.push(...v.items);
    else if (v instanceof List || v instanceof Dict || v instanceof Instance) {
      containers.add(v);
      for (const item of v instanceof List
        ? [...v.known, ...(v.pending ?? [])]
        : v instanceof Dict
          ? v.entries.values()
          : v.attributes.values())
        open.push(item);
    } else if (v instanceof Callable) open.push(v.self);
  }
  return { tensors, containers };
}
