// Pickles as data: every opcode is read and nothing is executed. What a pickle would call is left as a `Call` with its arguments,
// for readers that know what a name means; there is no way from here to running it.
// Source: Python's Lib/pickletools.py, protocols 0 to 5.
import { type Code, fail, type ModelError, type Place } from '../errors.ts';

/** A Python value. None is null, a list an array, a dict a Map in order of insertion; shared parts are shared. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Tuple
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | Global
  | Call
  | Persistent;

export class Tuple {
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A name that unpickling would import. */
export class Global {
  readonly name: string;
  /** Where it stands in the pickle, in bytes. */
  readonly offset: number;
  constructor(name: string, offset: number) {
    this.name = name;
    this.offset = offset;
  }
}

/** What unpickling would call, or make an instance of. */
export class Call {
  readonly callee: Global;
  readonly args: readonly PickleValue[];
  /** What BUILD hands to the instance. */
  state: PickleValue = null;
  #entries: Map<PickleValue, PickleValue> | undefined;
  #items: PickleValue[] | undefined;
  /** Whether an instance of a class is made without calling anything but its `__new__`. */
  readonly isInstance: boolean;
  constructor(callee: Global, args: readonly PickleValue[], isInstance = false) {
    this.callee = callee;
    this.args = args;
    this.isInstance = isInstance;
  }
  /** Entries that are set on the instance as on a dict. Most calls have none, so that they are made when they are asked for. */
  get entries(): Map<PickleValue, PickleValue> {
    this.#entries ??= new Map();
    return this.#entries;
  }
  /** Items that are appended as to a list. */
  get items(): PickleValue[] {
    this.#items ??= [];
    return this.#items;
  }
  /** The values that it is made of. */
  *parts(): Iterable<PickleValue> {
    yield* this.args;
    yield this.state;
    yield* this.#items ?? [];
    for (const pair of this.#entries ?? []) yield* pair;
  }
}

/** A reference to something outside the pickle. */
export class Persistent {
  readonly id: PickleValue;
  constructor(id: PickleValue) {
    this.id = id;
  }
}

/** Values and everything that they hold, each once. */
export function* valuesIn(roots: Iterable<PickleValue>): Iterable<PickleValue & object> {
  const seen = new Set<PickleValue>();
  const open: PickleValue[] = [...roots];
  while (open.length > 0) {
    const value = open.pop()!;
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    yield value;
    for (const part of partsOf(value)) if (typeof part === 'object') open.push(part);
  }
}

function* partsOf(value: PickleValue & object): Iterable<PickleValue> {
  if (Array.isArray(value) || value instanceof Set) yield* value;
  else if (value instanceof Tuple) yield* value.items;
  else if (value instanceof Map) for (const pair of value) yield* pair;
  else if (value instanceof Call) yield* value.parts();
}

export interface PickleOptions {
  /** What errors call the file. */
  readonly file?: string | undefined;
  /** The entry of an archive that the pickle is. */
  readonly path?: string | undefined;
  /** Where in the file the pickle begins; offsets count from the start of the file. */
  readonly base?: number | undefined;
  /** The class that a reference stands for, where files refer to classes so. */
  readonly classOf?: ((reference: Persistent) => Global | undefined) | undefined;
}

/** Most opcodes of one pickle. */
const maxOpcodes = 50_000_000;
/** Bytes that values may take in memory beyond one for each byte of the pickle: an opcode of one byte can make a dict. */
const maxMemory = 40 * 2 ** 20;
/** What values take, about, beside their content. */
const costs = { item: 8, slot: 64, number: 32, text: 32, memo: 40, tuple: 104, list: 104, call: 128, bytes: 128, dict: 400 } as const;
const newestProtocol = 5;

export interface Pickle {
  readonly value: PickleValue;
  /** The offset in the bytes behind it. */
  readonly end: number;
  /** Everything that unpickling would call, whether the value holds it or not. */
  readonly calls: readonly Call[];
}

/**
 * Read one pickle; bytes after its end are left.
 * @throws ModelError E1005 where it ends early, E1006 for what is no pickle, E1009 for one that is too long or too large in memory, E2002
 * for opcodes that only registries of a running Python can resolve
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions = {}): Pickle {
  return new Machine(bytes, options).run();
}

class Mark {}
const mark = new Mark();
type Item = PickleValue | Mark;

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #place: Place;
  readonly #base: number;
  readonly #classOf: NonNullable<PickleOptions['classOf']>;
  readonly #stack: Item[] = [];
  readonly #memo = new Map<number, PickleValue>();
  readonly #calls: Call[] = [];
  readonly #memory: number;
  #left: number;
  /** The most values that the stack has held. */
  #highest = 0;
  #at = 0;
  #opcode = 0;

  constructor(bytes: Uint8Array, { file, path, base = 0, classOf = () => undefined }: PickleOptions) {
    this.#classOf = classOf;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#place = { file, path };
    this.#base = base;
    this.#memory = maxMemory + bytes.length;
    this.#left = this.#memory;
  }

  run(): Pickle {
    for (let count = 0; count < maxOpcodes; count++) {
      this.#opcode = this.#at;
      const code = this.#bytes[this.#at];
      if (code === undefined) throw this.error('E1005', 'the pickle ends without its last opcode');
      this.#at++;
      if (code === stop) return { value: this.pop(), end: this.#at, calls: this.#calls };
      const operation = operations[code];
      if (!operation) throw this.error('E1006', `opcode 0x${code.toString(16).padStart(2, '0')} does not exist`);
      operation(this);
    }
    throw this.error('E1009', `the pickle has more than ${maxOpcodes} opcodes`, { name: 'pickle.opcodes', value: maxOpcodes });
  }

  error(code: Code, message: string, limit?: Place['limit']): ModelError {
    return fail(code, message, { ...this.#place, offset: this.offset, limit });
  }
  get offset(): number {
    return this.#base + this.#opcode;
  }

  /** Account for memory before it is taken. */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0)
      throw this.error('E1009', `the values of the pickle take more than ${this.#memory} bytes of memory`, {
        name: 'pickle.memory',
        value: this.#memory,
      });
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at)
      throw this.error('E1005', `${length} bytes are announced, ${this.#bytes.length - this.#at} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  /** Bytes whose number is stored before them in `width` bytes. */
  counted(width: 1 | 4 | 8): Uint8Array {
    return this.#take(width === 8 ? this.#long('bytes are announced') : this.unsigned(width));
  }
  unsigned(width: 1 | 2 | 4): number {
    const at = this.#at;
    this.#take(width);
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }
  /** A number of bytes in eight bytes, which must follow. */
  #long(what: string): number {
    const at = this.#at;
    this.#take(8);
    const length = this.#view.getBigUint64(at, true);
    const left = this.#bytes.length - this.#at;
    if (length > BigInt(left)) throw this.error('E1005', `${length} ${what}, ${left} are left`);
    return Number(length);
  }
  /** Frames only help who reads in pieces. */
  frame(): void {
    this.#long('bytes of a frame are announced');
  }
  int32(): number {
    const at = this.#at;
    this.#take(4);
    return this.#view.getInt32(at, true);
  }
  double(): number {
    const at = this.#at;
    this.#take(8);
    return this.#view.getFloat64(at, false);
  }
  /** Text up to the end of the line. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.error('E1005', 'a line is not ended');
    const text = this.text(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
  /** The text that bytes hold. */
  text(bytes: Uint8Array): string {
    this.spend(costs.text + bytes.length);
    return utf8.decode(bytes);
  }

  push(value: Item): void {
    if (this.#stack.push(value) <= this.#highest) return;
    this.#highest++;
    this.spend(costs.slot);
  }
  /** Push what was made just now, which takes memory of its own. */
  make(kind: keyof typeof costs, value: PickleValue): void {
    this.spend(costs[kind]);
    this.push(value);
  }
  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value instanceof Mark) throw this.error('E1006', 'the stack is empty');
    return value;
  }
  /** The topmost value, which stays. */
  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value instanceof Mark) throw this.error('E1006', 'the stack is empty');
    return value;
  }
  drop(): void {
    if (this.#stack.pop() === undefined) throw this.error('E1006', 'the stack is empty');
  }
  /** Values down to the last mark, which goes too. */
  popToMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) throw this.error('E1006', 'there is no mark on the stack');
    const values = this.#stack.slice(at + 1) as PickleValue[];
    this.#stack.length = at;
    return values;
  }
  store(key: number): void {
    if (!Number.isInteger(key)) throw this.error('E1006', 'the place in the memo is no integer');
    if (!this.#memo.has(key)) this.spend(costs.memo);
    this.#memo.set(key, this.top());
  }
  memoize(): void {
    this.store(this.#memo.size);
  }
  load(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) throw this.error('E1006', `the memo has no entry ${key}`);
    this.push(value);
  }

  call(called: PickleValue, args: PickleValue, isInstance = false): void {
    const callee = called instanceof Persistent ? this.#classOf(called) : called;
    if (!(callee instanceof Global)) throw this.error('E1006', 'what is called must be a global');
    if (!(args instanceof Tuple)) throw this.error('E1006', 'the arguments of a call must be a tuple');
    const made = new Call(callee, args.items, isInstance);
    this.#calls.push(made);
    this.make('call', made);
  }
  append(items: readonly PickleValue[]): void {
    const target = this.top();
    this.spend(items.length * costs.item);
    if (Array.isArray(target)) for (const item of items) target.push(item);
    else if (target instanceof Call) for (const item of items) target.items.push(item);
    else throw this.error('E1006', 'items can be appended to lists only');
  }
  set(pairs: readonly PickleValue[]): void {
    const target = this.top();
    const entries = target instanceof Map ? target : target instanceof Call ? target.entries : undefined;
    if (!entries || pairs.length % 2 !== 0) throw this.error('E1006', 'entries can be set on dicts only, as pairs');
    this.spend(pairs.length * costs.memo);
    for (let i = 0; i < pairs.length; i += 2) entries.set(pairs[i]!, pairs[i + 1]!);
  }
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (!(target instanceof Call)) throw this.error('E1006', 'a state can be given to instances only');
    target.state = state;
  }
  protocol(version: number): void {
    if (version > newestProtocol) throw this.error('E2002', `pickle protocol ${version} is not read here; the newest is ${newestProtocol}`);
  }
  integer(text: string): number | bigint {
    const digits = text.replace(/L$/, '');
    if (!/^[+-]?\d{1,1000}$/.test(digits)) throw this.error('E1006', `${JSON.stringify(text.slice(0, 40))} is no integer`);
    this.spend(costs.number);
    return narrow(BigInt(digits));
  }
  /** Little-endian two's complement of any length. */
  long(bytes: Uint8Array): number | bigint {
    if (bytes.length > 1024) throw this.error('E1009', `an integer of ${bytes.length} bytes`, { name: 'pickle.integer', value: 1024 });
    this.spend(costs.number);
    let value = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(bytes.length > 0 && bytes.at(-1)! >= 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value);
  }
}

const narrow = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
const utf8 = new TextDecoder();
/** The text of a quoted string of protocol 0; escapes other than quotes and backslashes are kept. */
const unquote = (text: string): string => text.replace(/^(['"])(.*)\1$/s, '$2').replace(/\\(['"\\])/g, '$1');
const asDict = (m: Machine, pairs: readonly PickleValue[]): void => {
  m.make('dict', new Map());
  m.set(pairs);
};
const unresolvable = (what: string) => (m: Machine) => {
  throw m.error('E2002', `the pickle uses ${what}, which is not read here`);
};
const tuple = (count: number) => (m: Machine) => {
  const items = Array.from({ length: count }, () => m.pop());
  m.make('tuple', new Tuple(items.reverse()));
};
const stop = 0x2e;

const table: Readonly<Record<string, (m: Machine) => void>> = {
  '(': m => m.push(mark),
  '0': m => m.drop(),
  '1': m => void m.popToMark(),
  '2': m => m.push(m.top()),
  F: m => m.push(Number(m.line())),
  G: m => m.make('number', m.double()),
  I: m => {
    const text = m.line();
    m.push(text === '00' ? false : text === '01' ? true : m.integer(text));
  },
  J: m => m.push(m.int32()),
  K: m => m.push(m.unsigned(1)),
  M: m => m.push(m.unsigned(2)),
  L: m => m.push(m.integer(m.line())),
  N: m => m.push(null),
  P: m => m.make('tuple', new Persistent(m.line())),
  Q: m => m.make('tuple', new Persistent(m.pop())),
  R: m => {
    const args = m.pop();
    m.call(m.pop(), args);
  },
  S: m => m.push(unquote(m.line())),
  T: m => m.push(m.text(m.counted(4))),
  U: m => m.push(m.text(m.counted(1))),
  V: m => m.push(m.line()),
  X: m => m.push(m.text(m.counted(4))),
  a: m => m.append([m.pop()]),
  b: m => m.build(),
  c: m => {
    const module = m.line();
    m.make('tuple', new Global(`${module}.${m.line()}`, m.offset));
  },
  d: m => asDict(m, m.popToMark()),
  '}': m => m.make('dict', new Map()),
  e: m => m.append(m.popToMark()),
  g: m => m.load(Number(m.line())),
  h: m => m.load(m.unsigned(1)),
  j: m => m.load(m.unsigned(4)),
  i: unresolvable('the opcode INST'),
  o: unresolvable('the opcode OBJ'),
  l: m => m.make('list', m.popToMark()),
  ']': m => m.make('list', []),
  p: m => m.store(Number(m.line())),
  q: m => m.store(m.unsigned(1)),
  r: m => m.store(m.unsigned(4)),
  s: m => {
    const value = m.pop();
    m.set([m.pop(), value]);
  },
  t: m => m.make('tuple', new Tuple(m.popToMark())),
  ')': m => m.make('tuple', new Tuple([])),
  u: m => m.set(m.popToMark()),
  B: m => m.make('bytes', m.counted(4)),
  C: m => m.make('bytes', m.counted(1)),
  '\x80': m => m.protocol(m.unsigned(1)),
  '\x81': m => {
    const args = m.pop();
    m.call(m.pop(), args, true);
  },
  '\x82': unresolvable('the extension registry'),
  '\x83': unresolvable('the extension registry'),
  '\x84': unresolvable('the extension registry'),
  '\x85': tuple(1),
  '\x86': tuple(2),
  '\x87': tuple(3),
  '\x88': m => m.push(true),
  '\x89': m => m.push(false),
  '\x8a': m => m.push(m.long(m.counted(1))),
  '\x8b': m => m.push(m.long(m.counted(4))),
  '\x8c': m => m.push(m.text(m.counted(1))),
  '\x8d': m => m.push(m.text(m.counted(8))),
  '\x8e': m => m.make('bytes', m.counted(8)),
  '\x8f': m => m.make('dict', new Set()),
  '\x90': m => {
    const items = m.popToMark();
    const target = m.top();
    if (!(target instanceof Set)) throw m.error('E1006', 'items can be added to sets only');
    m.spend(items.length * costs.memo);
    for (const item of items) target.add(item);
  },
  '\x91': m => m.make('dict', new Set(m.popToMark())),
  '\x92': unresolvable('the opcode NEWOBJ_EX'),
  '\x93': m => {
    const [name, module] = [m.pop(), m.pop()];
    if (typeof name !== 'string' || typeof module !== 'string') throw m.error('E1006', 'the name of a global must be text');
    m.make('tuple', new Global(`${module}.${name}`, m.offset));
  },
  '\x94': m => m.memoize(),
  '\x95': m => m.frame(),
  '\x96': m => m.make('bytes', m.counted(8)),
  '\x97': unresolvable('buffers outside the pickle'),
  '\x98': unresolvable('buffers outside the pickle'),
};

const operations: readonly (((m: Machine) => void) | undefined)[] = Array.from(
  { length: 256 },
  (_, code) => table[String.fromCharCode(code)],
);
