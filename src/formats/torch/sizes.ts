// Sizes in an exported program: numbers, or SymPy expressions as text, read by a small parser. Nothing is evaluated.
import { fail, type ModelError } from '../../errors.ts';
import { addDims, type Dim, floorDivDims, maxDims, minDims, modDims, mulDims, symbol, unknownDim } from '../../ir/dims.ts';
import type { DataType } from '../../ir/types.ts';
import type { Cursor } from './json.ts';

/** torch.export's own element type numbers; they are not the c10 ones. Source: schema 8.20. */
const elements: Readonly<Record<number, DataType>> = {
  1: 'uint8',
  2: 'int8',
  3: 'int16',
  4: 'int32',
  5: 'int64',
  6: 'float16',
  7: 'float32',
  8: 'float64',
  10: 'complex64',
  11: 'complex128',
  12: 'bool',
  13: 'bfloat16',
  28: 'uint16',
  29: 'float8e4m3fn',
  30: 'float8e5m2',
  31: 'float8e4m3fnuz',
  32: 'float8e5m2fnuz',
  33: 'float8e8m0',
  34: 'uint32',
  35: 'uint64',
};

export function elementOfCode(code: Cursor): DataType {
  const type = elements[code.number];
  if (type) return type;
  throw fail('E1201', `${code.path}: element type ${code.number} does not exist`, { path: code.path });
}

const codes = new Map(Object.entries(elements).map(([code, type]) => [type, Number(code)]));

/** @throws ModelError E2002 for a type that programs do not have */
export function codeOfElement(type: DataType): number {
  const code = codes.get(type);
  if (code !== undefined) return code;
  throw fail('E2002', `PyTorch has no ${type} tensors`);
}

/** `{as_int}` or `{as_expr: {expr_str, hint}}`. */
export function readSize(size: Cursor): Dim {
  const { tag, of } = size.union();
  if (tag === 'as_int') return of.number;
  if (tag === 'as_expr') return of.get('expr_str').within(parseExpression);
  throw size.wrong('as_int or as_expr');
}

type Operation = (args: readonly Dim[]) => Dim;
const operations: Readonly<Record<string, Operation>> = {
  Add: args => args.reduce(addDims),
  Mul: args => args.reduce(mulDims),
  Max: args => args.reduce(maxDims),
  Min: args => args.reduce(minDims),
  FloorDiv: ([a, b]) => floorDivDims(a!, b!),
  Mod: ([a, b]) => modDims(a!, b!),
  PythonMod: ([a, b]) => modDims(a!, b!),
  Pow: ([a, n]) => power(a!, n ?? 1),
};

const maxDepth = 200;

/**
 * A size expression: SymPy's `srepr` form (`Add(Symbol('s0'), Integer(1))`), or the form that people read (`s0 + 1`), as schemas before
 * 8 wrote it. What it says in functions that sizes here do not have is a size of its own.
 * @throws ModelError E1006 for text that is neither, E1008 for one that is nested too deep
 */
export function parseExpression(text: string): Dim {
  return new Expression(text).parse();
}

class Expression {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = text.match(/'[^']*'|[A-Za-z_]\w*|\d+(?:\.\d+)?|\*\*|\/\/|[^\s\w]/g) ?? [];
  }

  parse(): Dim {
    const result = this.#sum(0);
    if (this.#at !== this.#tokens.length) throw this.#malformed();
    return result;
  }

  #malformed(): ModelError {
    return fail('E1006', `malformed size expression ${JSON.stringify(this.#text.slice(0, 100))}`);
  }

  #enter(depth: number): void {
    if (depth > maxDepth)
      throw fail('E1008', `a size expression is nested deeper than ${maxDepth}`, { limit: { name: 'sizes.depth', value: maxDepth } });
  }

  /** Step over the next token if it is one of these. */
  #take(...wanted: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.#at++;
    return token;
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#malformed();
  }

  #sum(depth: number): Dim {
    let left = this.#product(depth);
    for (let sign = this.#take('+', '-'); sign; sign = this.#take('+', '-')) {
      const right = this.#product(depth);
      left = addDims(left, sign === '+' ? right : mulDims(-1, right));
    }
    return left;
  }

  #product(depth: number): Dim {
    let left = this.#signed(depth);
    for (let sign = this.#take('*', '//', '/', '%'); sign; sign = this.#take('*', '//', '/', '%')) {
      const right = this.#signed(depth);
      left =
        sign === '*'
          ? mulDims(left, right)
          : sign === '//'
            ? floorDivDims(left, right)
            : sign === '%'
              ? modDims(left, right)
              : unknownDim();
    }
    return left;
  }

  #signed(depth: number): Dim {
    this.#enter(depth);
    if (this.#take('-')) return mulDims(-1, this.#signed(depth + 1));
    const base = this.#atom(depth + 1);
    return this.#take('**') ? power(base, this.#signed(depth + 1)) : base;
  }

  #atom(depth: number): Dim {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw this.#malformed();
    if (/^\d+$/.test(token)) return Number(token);
    if (/^\d/.test(token)) return unknownDim();
    if (token === '(') {
      const inner = this.#sum(depth + 1);
      this.#expect(')');
      return inner;
    }
    if (!/^[A-Za-z_]/.test(token)) throw this.#malformed();
    if (!this.#take('(')) return symbol(token);
    if (token === 'Symbol') return this.#symbol();
    return token === 'Integer' || Object.hasOwn(operations, token) ? this.#call(token, depth) : this.#skipCall();
  }

  #call(name: string, depth: number): Dim {
    const args: Dim[] = [];
    while (!this.#take(')')) {
      args.push(this.#sum(depth + 1));
      if (!this.#take(',') && this.#tokens[this.#at] !== ')') throw this.#malformed();
    }
    const [first] = args;
    if (first === undefined) return unknownDim();
    return name === 'Integer' ? first : (operations[name]?.(args) ?? unknownDim());
  }

  /** A function that sizes here do not have, such as a rounded float: a size of its own. */
  #skipCall(): Dim {
    for (let open = 1; open > 0; this.#at++) {
      const token = this.#tokens[this.#at];
      if (token === undefined) throw this.#malformed();
      if (token === '(') open++;
      else if (token === ')') open--;
    }
    return unknownDim();
  }

  /** The rest of `Symbol('s0', positive=True, integer=True)`. */
  #symbol(): Dim {
    const name = this.#tokens[this.#at++];
    if (!name?.startsWith("'")) throw this.#malformed();
    while (this.#at < this.#tokens.length && this.#tokens[this.#at] !== ')') this.#at++;
    this.#expect(')');
    return symbol(name.slice(1, -1));
  }
}

const power = (base: Dim, exponent: Dim): Dim =>
  typeof exponent === 'number' && exponent >= 0 && exponent <= 8
    ? Array.from({ length: exponent }, () => base).reduce<Dim>(mulDims, 1)
    : unknownDim();
