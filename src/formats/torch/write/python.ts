// Texts of Python: literals that nothing in them ends early, names that are identifiers, and indented lines.
import type { DataType } from '../../../ir/types.ts';
import { reserved } from './program.ts';

/** Whether `of.name` says an attribute: names that begin with two underscores are others inside a class. */
export const isAttribute = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !name.startsWith('__') && !reserved.has(name);

/** Names in one scope of Python. */
export class Names {
  readonly #taken: Set<string>;
  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set([...reserved, ...taken]);
  }

  /** An identifier like `wish` that is not taken. */
  unique(wish: string): string {
    const clean = wish.replace(/\W/g, '_').replace(/^(?=\d|__)/, 'v') || 'value';
    let name = clean;
    for (let i = 1; this.#taken.has(name); i++) name = `${clean}_${i}`;
    this.#taken.add(name);
    return name;
  }
}

/** A float, as Python reads it back to the last bit. */
export function floatText(value: number, infinity = 'inf', nan = 'nan'): string {
  if (Number.isNaN(value)) return nan;
  if (!Number.isFinite(value)) return value < 0 ? `-${infinity}` : infinity;
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A text in ASCII; `escaped` says characters that are not to stand for themselves. */
function quotedBy(text: string, escaped: (character: string) => string): string {
  return `"${[...text].map(c => (c === '"' || c === '\\' ? `\\${c}` : /^[ -~]$/.test(c) ? c : escaped(c))).join('')}"`;
}

/** A text as a literal of Python. */
export const stringText = (text: string): string =>
  quotedBy(text, c => {
    const code = c.codePointAt(0)!;
    const hex = (width: number): string => code.toString(16).padStart(width, '0');
    return code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
  });

const utf8 = new TextEncoder();
/** A text as a literal of TorchScript, whose escapes are bytes in octal. */
export const scriptStringText = (text: string): string =>
  quotedBy(text, c => [...utf8.encode(c)].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join(''));

/** `torch.float32`; PyTorch's names of the element types are ours but for these. */
export const dtypeText = (type: DataType): string => `torch.${type}`;

/** Lines, as deep as they stand. */
export class Lines {
  readonly #lines: string[] = [];
  readonly #step: string;
  #indent = '';
  constructor(step: string) {
    this.#step = step;
  }

  add(...lines: readonly string[]): void {
    for (const line of lines) this.#lines.push(line === '' ? '' : `${this.#indent}${line}`);
  }
  /** What `inner` adds stands below `head`. */
  block(head: string, inner: () => void): void {
    this.add(head);
    const before = this.#indent;
    this.#indent += this.#step;
    inner();
    this.#indent = before;
  }
  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
