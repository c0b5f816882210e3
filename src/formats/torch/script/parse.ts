// TorchScript's source text as a tree: classes, functions, statements and expressions of the Python that PyTorch prints.
import type { ModelError } from '../../../errors.ts';
import { type At, failAt, type Token, tokenize } from './tokens.ts';

export type Expression = At &
  (
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
    | { readonly kind: 'call'; readonly callee: Expression; readonly args: readonly Expression[]; readonly keywords: readonly Keyword[] }
    | { readonly kind: 'index'; readonly of: Expression; readonly index: Expression }
    | { readonly kind: 'int'; readonly value: number | bigint }
    | { readonly kind: 'float'; readonly value: number }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'constant'; readonly value: boolean | undefined }
    | { readonly kind: 'list' | 'tuple'; readonly items: readonly Expression[] }
    | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
    | { readonly kind: 'is'; readonly left: Expression; readonly right: Expression; readonly not: boolean }
    | { readonly kind: 'not'; readonly of: Expression }
  );

export interface Keyword {
  readonly name: string;
  readonly value: Expression;
}

export type Statement = At &
  (
    | { readonly kind: 'assign'; readonly target: Expression; readonly value: Expression }
    | { readonly kind: 'if'; readonly condition: Expression; readonly then: Block; readonly else: Block }
    | { readonly kind: 'for'; readonly target: Expression; readonly over: Expression; readonly body: Block }
    | { readonly kind: 'while'; readonly condition: Expression; readonly body: Block }
    | { readonly kind: 'return'; readonly value: Expression | undefined }
    | { readonly kind: 'expression'; readonly value: Expression }
    | { readonly kind: 'assert'; readonly condition: Expression }
    | { readonly kind: 'with'; readonly of: Expression; readonly target: Expression | undefined; readonly body: Block }
    | { readonly kind: 'def'; readonly definition: FunctionDef }
    | { readonly kind: 'pass' }
  );

export type Block = readonly Statement[];

export interface Parameter {
  readonly name: string;
  readonly type: Expression | undefined;
  readonly default: Expression | undefined;
}

export interface FunctionDef extends At {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly returns: Expression | undefined;
  readonly body: Block;
  /** The file that it stands in. */
  readonly file: string;
}

export interface ClassDef extends At {
  readonly name: string;
  /** `Module`, `NamedTuple`, `Enum`, `Interface`; undefined for a plain class. */
  readonly base: string | undefined;
  /** Types of attributes in order. */
  readonly attributes: ReadonlyMap<string, Expression>;
  /** Values that the class gives to attributes: those that are final, and defaults of named tuples. */
  readonly values: ReadonlyMap<string, Expression>;
  readonly methods: ReadonlyMap<string, FunctionDef>;
  readonly file: string;
}

export interface SourceFile {
  readonly classes: ReadonlyMap<string, ClassDef>;
  readonly functions: ReadonlyMap<string, FunctionDef>;
}

/**
 * The tree of a source file.
 * @throws ModelError E1006 for what is not of the language, E2002 for parts of it that have no conversion
 */
export function parseSource(text: string, file: string): SourceFile {
  return new Parser(tokenize(text, file), file).file();
}

const maxDepth = 200;
const statementWords: ReadonlySet<string> = new Set(['try', 'raise', 'del', 'global', 'yield', 'lambda', 'async', 'await']);

class Parser {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.#file = file;
  }

  file(): SourceFile {
    const classes = new Map<string, ClassDef>();
    const functions = new Map<string, FunctionDef>();
    while (this.#token.kind !== 'end') {
      if (this.#token.kind === 'newline') this.#at++;
      else if (this.#word('class')) {
        const made = this.#class();
        if (classes.has(made.name)) throw this.#wrong(`a second class ${made.name}`, made);
        classes.set(made.name, made);
      } else if (this.#word('def')) {
        const made = this.#function();
        if (functions.has(made.name)) throw this.#wrong(`a second function ${made.name}`, made);
        functions.set(made.name, made);
      } else if (this.#word('import') || this.#word('from') || this.#word('op_version_set')) this.#skipLine();
      else throw this.#unexpected('a class or a function');
    }
    return { classes, functions };
  }

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }
  #wrong(message: string, at: At): ModelError {
    return failAt('E1006', message, this.#file, at);
  }
  #unexpected(expected: string): ModelError {
    const { kind, text } = this.#token;
    const found = kind === 'name' || kind === 'sign' || kind === 'number' ? JSON.stringify(text.slice(0, 40)) : `a ${kind}`;
    return this.#wrong(`expected ${expected}, found ${found}`, this.#token);
  }

  #sign(text: string): boolean {
    if (this.#token.kind !== 'sign' || this.#token.text !== text) return false;
    this.#at++;
    return true;
  }
  #isSign(text: string): boolean {
    return this.#token.kind === 'sign' && this.#token.text === text;
  }
  #word(text: string): boolean {
    if (this.#token.kind !== 'name' || this.#token.text !== text) return false;
    this.#at++;
    return true;
  }
  #expect(sign: string): void {
    if (!this.#sign(sign)) throw this.#unexpected(sign);
  }
  #skip(kind: Token['kind']): boolean {
    if (this.#token.kind !== kind) return false;
    this.#at++;
    return true;
  }
  #name(): string {
    if (this.#token.kind !== 'name') throw this.#unexpected('a name');
    return this.#tokens[this.#at++]!.text;
  }
  #endLine(): void {
    if (this.#token.kind !== 'newline') throw this.#unexpected('the end of the line');
    this.#at++;
  }
  #skipLine(): void {
    while (this.#token.kind !== 'newline') this.#at++;
    this.#at++;
  }

  /** Whatever `item` reads, until `end`; a comma may follow the last one. */
  #list<T>(end: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#sign(end)) {
      items.push(item());
      if (!this.#sign(',') && !this.#isSign(end)) throw this.#unexpected(`, or ${end}`);
    }
    return items;
  }

  #class(): ClassDef {
    const at = this.#token;
    const name = this.#name();
    let base: string | undefined;
    if (this.#sign('(')) {
      base = this.#list(')', () => this.#expression()).map(e => (e.kind === 'name' ? e.name : ''))[0];
    }
    const attributes = new Map<string, Expression>();
    const values = new Map<string, Expression>();
    const methods = new Map<string, FunctionDef>();
    this.#block(() => {
      if (this.#word('def')) {
        const made = this.#function();
        if (methods.has(made.name)) throw this.#wrong(`a second method ${made.name}`, made);
        methods.set(made.name, made);
        return;
      }
      if (!this.#word('pass')) this.#member(attributes, values);
      this.#endLine();
    });
    return { name, base, attributes, values, methods, file: this.#file, line: at.line, column: at.column };
  }

  /** `name : type`, `name : type = value`, `name = value`, or the type of a name that is none of Python. */
  #member(attributes: Map<string, Expression>, values: Map<string, Expression>): void {
    const target = this.#expression();
    const key = memberName(target);
    if (key === undefined) throw this.#wrong('a member of a class without a name', target);
    if (this.#sign(':')) attributes.set(key, this.#expression());
    if (this.#sign('=')) (target.kind === 'name' ? values : attributes).set(key, this.#expressions());
  }

  #function(): FunctionDef {
    const at = this.#token;
    const name = this.#name();
    this.#expect('(');
    const parameters = this.#list(')', (): Parameter => {
      if (this.#sign('*')) throw failAt('E2002', 'arguments by name only have no conversion', this.#file, this.#token);
      const parameter = this.#name();
      const type = this.#sign(':') ? this.#expression() : undefined;
      return { name: parameter, type, default: this.#sign('=') ? this.#expression() : undefined };
    });
    const returns = this.#sign('->') ? this.#expression() : undefined;
    return { name, parameters, returns, body: this.#body(), file: this.#file, line: at.line, column: at.column };
  }

  #body(): Block {
    const statements: Statement[] = [];
    this.#block(() => void statements.push(this.#statement()));
    return statements;
  }

  /** `:`, and indented lines that `line` reads one by one. */
  #block(line: () => void): void {
    this.#expect(':');
    this.#endLine();
    if (!this.#skip('indent')) throw this.#unexpected('an indented block');
    while (!this.#skip('dedent')) if (!this.#skip('newline')) line();
  }

  #statement(): Statement {
    return this.#nested(() => this.#statementAt(this.#token));
  }

  #statementAt({ kind, text, line, column }: Token): Statement {
    const at = { line, column };
    if (kind === 'name' && statementWords.has(text)) throw failAt('E2002', `${text} has no conversion`, this.#file, at);
    if (this.#word('if')) return this.#if(at);
    if (this.#word('for')) {
      const target = this.#expressions();
      if (!this.#word('in')) throw this.#unexpected('in');
      return { kind: 'for', target, over: this.#expressions(), body: this.#body(), ...at };
    }
    if (this.#word('with')) {
      const of = this.#expression();
      return { kind: 'with', of, target: this.#word('as') ? this.#expression() : undefined, body: this.#body(), ...at };
    }
    if (this.#word('def')) return { kind: 'def', definition: this.#function(), ...at };
    if (this.#word('while')) return { kind: 'while', condition: this.#expression(), body: this.#body(), ...at };
    const made = this.#simple(at);
    this.#endLine();
    return made;
  }

  #if(at: At): Statement {
    const condition = this.#expression();
    const then = this.#body();
    const next = this.#token;
    if (this.#word('elif')) return { kind: 'if', condition, then, else: [this.#nested(() => this.#if(next))], ...at };
    return { kind: 'if', condition, then, else: this.#word('else') ? this.#body() : [], ...at };
  }

  #simple(at: At): Statement {
    if (this.#word('pass')) return { kind: 'pass', ...at };
    if (this.#word('return')) return { kind: 'return', value: this.#token.kind === 'newline' ? undefined : this.#expressions(), ...at };
    if (this.#word('assert')) {
      const condition = this.#expression();
      if (this.#sign(',')) this.#expression();
      return { kind: 'assert', condition, ...at };
    }
    const target = this.#expressions();
    if (this.#sign(':')) this.#expression();
    return this.#sign('=') ? { kind: 'assign', target, value: this.#expressions(), ...at } : { kind: 'expression', value: target, ...at };
  }

  /** Expressions with commas between them are a tuple. */
  #expressions(): Expression {
    const first = this.#expression();
    if (!this.#isSign(',')) return first;
    const items = [first];
    while (this.#sign(',')) {
      if (this.#token.kind === 'newline' || this.#isSign('=')) break;
      items.push(this.#expression());
    }
    return { kind: 'tuple', items, line: first.line, column: first.column };
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > maxDepth) throw failAt('E1008', `code is nested deeper than ${maxDepth}`, this.#file, this.#token);
    const made = read();
    this.#depth--;
    return made;
  }

  #expression(): Expression {
    return this.#nested(() => {
      const { line, column } = this.#token;
      if (this.#word('not')) return { kind: 'not', of: this.#expression(), line, column };
      const left = this.#postfix();
      if (!this.#word('is')) return left;
      const not = this.#word('not');
      return { kind: 'is', left, right: this.#postfix(), not, line, column };
    });
  }

  #postfix(): Expression {
    let made = this.#atom();
    for (let steps = 0; ; steps++) {
      const { line, column }: At = made;
      if (steps > maxDepth) throw failAt('E1008', `code is nested deeper than ${maxDepth}`, this.#file, this.#token);
      if (this.#sign('.')) made = { kind: 'attribute', of: made, name: this.#name(), line, column };
      else if (this.#sign('(')) made = this.#call(made);
      else if (this.#sign('[')) {
        const items = this.#list(']', () => this.#expression());
        const index: Expression = items.length === 1 ? items[0]! : { kind: 'tuple', items, line, column };
        made = { kind: 'index', of: made, index, line, column };
      } else return made;
    }
  }

  #call(callee: Expression): Expression {
    const args: Expression[] = [];
    const keywords: Keyword[] = [];
    this.#list(')', () => {
      const next = this.#tokens[this.#at + 1];
      if (this.#token.kind === 'name' && next?.kind === 'sign' && next.text === '=') {
        const name = this.#name();
        this.#at++;
        keywords.push({ name, value: this.#expression() });
      } else args.push(this.#expression());
    });
    return { kind: 'call', callee, args, keywords, line: callee.line, column: callee.column };
  }

  #atom(): Expression {
    const { kind, text, line, column } = this.#token;
    const at = { line, column };
    if (kind === 'number') {
      this.#at++;
      return this.#number(text, at, 1);
    }
    if (kind === 'string') {
      this.#at++;
      return { kind: 'string', value: text, ...at };
    }
    if (kind === 'name') return this.#named(this.#name(), at);
    if (this.#sign('-')) return this.#negative(at);
    if (this.#sign('[')) return { kind: 'list', items: this.#list(']', () => this.#expression()), ...at };
    if (this.#sign('(')) return this.#parenthesised(at);
    if (this.#sign('{')) {
      const entries = this.#list('}', () => {
        const key = this.#expression();
        this.#expect(':');
        return [key, this.#expression()] as const;
      });
      return { kind: 'dict', entries, ...at };
    }
    throw this.#unexpected('an expression');
  }

  #named(name: string, at: At): Expression {
    if (name === 'True' || name === 'False') return { kind: 'constant', value: name === 'True', ...at };
    if (name === 'None') return { kind: 'constant', value: undefined, ...at };
    if (name === 'inf') return { kind: 'float', value: Number.POSITIVE_INFINITY, ...at };
    if (name === 'nan') return { kind: 'float', value: Number.NaN, ...at };
    return { kind: 'name', name, ...at };
  }

  #negative(at: At): Expression {
    const { kind, text } = this.#token;
    if (kind === 'number') {
      this.#at++;
      return this.#number(text, at, -1);
    }
    if (this.#word('inf')) return { kind: 'float', value: Number.NEGATIVE_INFINITY, ...at };
    if (this.#word('nan')) return { kind: 'float', value: Number.NaN, ...at };
    const callee: Expression = { kind: 'attribute', of: { kind: 'name', name: 'torch', ...at }, name: 'neg', ...at };
    return this.#nested(() => ({ kind: 'call', callee, args: [this.#postfix()], keywords: [], ...at }));
  }

  #number(text: string, at: At, sign: 1 | -1): Expression {
    if (text.endsWith('j')) throw failAt('E2002', 'complex numbers have no conversion', this.#file, at);
    if (text.includes('.') || text.includes('e') || text.includes('E')) return { kind: 'float', value: sign * Number(text), ...at };
    const value = Number(text);
    return { kind: 'int', value: Number.isSafeInteger(value) ? (value === 0 ? 0 : sign * value) : BigInt(sign) * BigInt(text), ...at };
  }

  /** One expression in parentheses is itself; with a comma it is a tuple. */
  #parenthesised(at: At): Expression {
    if (this.#sign(')')) return { kind: 'tuple', items: [], ...at };
    const first = this.#expression();
    if (this.#sign(')')) return first;
    this.#expect(',');
    return { kind: 'tuple', items: [first, ...this.#list(')', () => this.#expression())], ...at };
  }
}

/** The attribute that a line of a class is about: `x`, or `__annotations__["0"]` for names that are none of Python. */
function memberName(target: Expression): string | undefined {
  if (target.kind === 'name') return target.name;
  return target.kind === 'index' && target.index.kind === 'string' ? target.index.value : undefined;
}
