// Names to values, innermost graph first. A name counts from the place where it is defined; what comes later is found last.
import { Value } from '../../ir/graph.ts';

export class Scope {
  readonly outer: Scope | undefined;
  readonly depth: number;
  /** Whether a node of this graph, or one nested in it, reads a value of this graph before it is made. */
  unordered = false;
  readonly #values = new Map<string, Value>();
  /** Values of nodes that have not been passed yet, in this graph and those around it. */
  readonly #later: Set<Value>;
  /** Names that nothing defines, so that one name stays one value. */
  readonly #undefined: Map<string, Value>;

  constructor(outer?: Scope) {
    this.outer = outer;
    this.depth = outer ? outer.depth + 1 : 0;
    this.#later = outer ? outer.#later : new Set();
    this.#undefined = outer ? outer.#undefined : new Map();
  }

  /** False where the name is taken in this graph; the first value keeps it. */
  define(name: string, value: Value, later = false): boolean {
    if (later) this.#later.add(value);
    if (this.#values.has(name)) return false;
    this.#values.set(name, value);
    return true;
  }
  /** From here on the value counts. */
  pass(value: Value): void {
    this.#later.delete(value);
  }
  own(name: string): Value | undefined {
    return this.#values.get(name);
  }
  /** Whether a graph around this one has the name already. */
  shadows(name: string): boolean {
    for (let s = this.outer; s; s = s.outer) {
      const value = s.#values.get(name);
      if (value && !this.#later.has(value)) return true;
    }
    return false;
  }

  /** The value of a name: one that is defined at this place, else one that comes later, else one that nothing makes. */
  find(name: string): { readonly value: Value; readonly state: 'defined' | 'later' | 'undefined' } {
    let later: { value: Value; scope: Scope } | undefined;
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const value = scope.#values.get(name);
      if (value && !this.#later.has(value)) return { value, state: 'defined' };
      if (value) later ??= { value, scope };
    }
    if (later) {
      later.scope.unordered = true;
      return { value: later.value, state: 'later' };
    }
    const value = this.#undefined.get(name) ?? new Value(name);
    this.#undefined.set(name, value);
    return { value, state: 'undefined' };
  }

  /** Every name that can be read here. */
  *names(): Generator<string> {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) yield* scope.#values.keys();
  }
}
