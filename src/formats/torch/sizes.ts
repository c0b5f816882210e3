// Sizes in an exported program: numbers, or SymPy expressions as text, read by a small parser. Nothing is evaluated.
import { fail } from '../../errors.ts';
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

/** `{as_int}` or `{as_expr: {expr_str, hint}}`. */
export function readSize(size: Cursor): Dim {
  const { tag, of } = size.union();
  if (tag === 'as_int') return of.number;
  if (tag === 'as_expr') return parseExpression(of.get('expr_str').text);
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
  Pow: ([a, n]) => (typeof n === 'number' && n >= 0 && n <= 8 ? Array.from({ length: n }, () => a!).reduce<Dim>(mulDims, 1) : unknownDim()),
};

const maxDepth = 200;

/** An expression in SymPy's `srepr` form; what it says in functions that sizes here do not have is a size of its own. */
export function parseExpression(text: string): Dim {
  const tokens = text.match(/'[^']*'|[A-Za-z_]\w*|-?\d+|[(),=]/g) ?? [];
  let at = 0;
  const malformed = () => fail('E1006', `malformed size expression ${JSON.stringify(text.slice(0, 100))}`);
  const expect = (token: string): void => {
    if (tokens[at++] !== token) throw malformed();
  };
  const parse = (depth: number): Dim => {
    if (depth > maxDepth) throw fail('E1008', `a size expression is nested deeper than ${maxDepth}`);
    const token = tokens[at++];
    if (token === undefined) throw malformed();
    if (/^-?\d+$/.test(token)) return Number(token);
    if (tokens[at] !== '(') return /^[A-Za-z_]/.test(token) ? symbol(token) : unknownDim();
    at++;
    if (token === 'Symbol') return parseSymbol();
    if (token !== 'Integer' && !Object.hasOwn(operations, token)) return skipCall();
    const args: Dim[] = [];
    while (tokens[at] !== ')') {
      args.push(parse(depth + 1));
      if (tokens[at] === ',') at++;
      else if (tokens[at] !== ')') throw malformed();
    }
    expect(')');
    if (token === 'Integer' && args.length === 1) return args[0]!;
    const operation = operations[token];
    return operation && args.length > 0 ? operation(args) : unknownDim();
  };
  /** A function that sizes here do not have, such as a rounded float: a size of its own. */
  const skipCall = (): Dim => {
    for (let open = 1; open > 0; at++) {
      if (at >= tokens.length) throw malformed();
      if (tokens[at] === '(') open++;
      else if (tokens[at] === ')') open--;
    }
    return unknownDim();
  };
  const parseSymbol = (): Dim => {
    const name = tokens[at++];
    if (!name?.startsWith("'")) throw malformed();
    while (at < tokens.length && tokens[at] !== ')') at++;
    expect(')');
    return symbol(name.slice(1, -1));
  };
  const result = parse(0);
  if (at !== tokens.length) throw malformed();
  return result;
}
