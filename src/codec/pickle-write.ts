// Values as pickles of protocol 2, which every Python 3 reads. Writes only what a reader of weights allows: containers, text, numbers,
// names, calls and references to what lies outside.
// Source: Python's Lib/pickletools.py.
import { fail } from '../errors.ts';
import { Call, Global, Persistent, type PickleValue, Tuple } from './pickle.ts';

/** The pickle of a value. Names are stored once, everything else as often as it occurs. */
export function writePickle(value: PickleValue): Uint8Array {
  const writer = new Writer();
  writer.byte('\x80');
  writer.raw(2);
  writer.value(value, 0);
  writer.byte('.');
  return writer.bytes();
}

const maxDepth = 1000;
const utf8 = new TextEncoder();

class Writer {
  readonly #parts: Uint8Array[] = [];
  #bytes: number[] = [];
  readonly #memo = new Map<string, number>();

  bytes(): Uint8Array {
    this.#flush();
    const whole = new Uint8Array(this.#parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  byte(opcode: string): void {
    this.#bytes.push(opcode.charCodeAt(0));
  }
  raw(...bytes: number[]): void {
    this.#bytes.push(...bytes);
  }

  value(value: PickleValue, depth: number): void {
    if (depth > maxDepth)
      throw fail('E1008', `a value is nested deeper than ${maxDepth}`, { limit: { name: 'pickle.depth', value: maxDepth } });
    if (value === null) this.byte('N');
    else if (typeof value === 'boolean') this.byte(value ? '\x88' : '\x89');
    else if (typeof value === 'number' || typeof value === 'bigint') this.#number(value);
    else if (typeof value === 'string') this.#counted('X', utf8.encode(value));
    else if (value instanceof Tuple) this.#tuple(value.items, depth);
    else if (Array.isArray(value)) this.#list(value, depth);
    else if (value instanceof Map) this.#dict(value, depth);
    else if (value instanceof Global) this.#global(value.name);
    else if (value instanceof Call) this.#call(value, depth);
    else if (value instanceof Persistent) {
      this.value(value.id, depth + 1);
      this.byte('Q');
    } else throw fail('E9001', 'a pickle of protocol 2 has no such value');
  }

  #number(value: number | bigint): void {
    if (typeof value === 'number' && (!Number.isInteger(value) || Object.is(value, -0))) {
      const double = new Uint8Array(8);
      new DataView(double.buffer).setFloat64(0, value, false);
      this.byte('G');
      this.raw(...double);
    } else if (value >= 0 && value < 256) {
      this.byte('K');
      this.raw(Number(value));
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.byte('J');
      this.#uint32(Number(value));
    } else this.#long(BigInt(value));
  }

  /** Little-endian two's complement, in as few bytes as hold it. */
  #long(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    do {
      bytes.push(Number(rest & 0xffn));
      rest >>= 8n;
    } while (!((rest === 0n && bytes.at(-1)! < 0x80) || (rest === -1n && bytes.at(-1)! >= 0x80)));
    if (bytes.length > 255) throw fail('E9001', 'an integer of more than 255 bytes');
    this.byte('\x8a');
    this.raw(bytes.length, ...bytes);
  }

  #uint32(value: number): void {
    this.raw(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff);
  }

  #counted(opcode: string, bytes: Uint8Array): void {
    this.byte(opcode);
    this.#uint32(bytes.length);
    this.#flush();
    this.#parts.push(bytes);
  }

  #tuple(items: readonly PickleValue[], depth: number): void {
    const isShort = items.length <= 3;
    if (!isShort) this.byte('(');
    for (const item of items) this.value(item, depth + 1);
    this.byte(isShort ? [')', '\x85', '\x86', '\x87'][items.length]! : 't');
  }

  #list(items: readonly PickleValue[], depth: number): void {
    this.byte(']');
    if (items.length === 0) return;
    this.byte('(');
    for (const item of items) this.value(item, depth + 1);
    this.byte('e');
  }

  #dict(entries: ReadonlyMap<PickleValue, PickleValue>, depth: number): void {
    this.byte('}');
    this.#entries(entries, depth);
  }

  #entries(entries: ReadonlyMap<PickleValue, PickleValue>, depth: number): void {
    if (entries.size === 0) return;
    this.byte('(');
    for (const [key, item] of entries) {
      this.value(key, depth + 1);
      this.value(item, depth + 1);
    }
    this.byte('u');
  }

  /** The module is all before the last dot. */
  #global(name: string): void {
    const known = this.#memo.get(name);
    if (known === undefined) {
      const dot = name.lastIndexOf('.');
      this.byte('c');
      this.raw(...utf8.encode(`${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`));
    }
    this.byte(known === undefined ? 'r' : 'j');
    this.#uint32(known ?? this.#memo.size);
    if (known === undefined) this.#memo.set(name, this.#memo.size);
  }

  #call({ callee, args, isInstance, state, entries, items }: Call, depth: number): void {
    this.value(callee, depth + 1);
    this.#tuple(args, depth);
    this.byte(isInstance ? '\x81' : 'R');
    if (items.length > 0) throw fail('E9001', 'items of instances are not written');
    this.#entries(entries, depth);
    if (state === null) return;
    this.value(state, depth + 1);
    this.byte('b');
  }

  #flush(): void {
    if (this.#bytes.length === 0) return;
    this.#parts.push(Uint8Array.from(this.#bytes));
    this.#bytes = [];
  }
}
