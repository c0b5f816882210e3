// Functions of our own domain: what a gradient needs that is no operator of the standard has a name, which a backend may know, and a
// body of standard operators, which every runtime can run. A body is written once for each signature.

import { type Attribute, type FunctionDefinition, Graph, Value } from '../../ir/graph.ts';
import { formatType } from '../../ir/types.ts';
import { type AttributeInput, attributesFrom } from '../../ops/attributes.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { newestOpset } from '../../ops/schema.ts';
import { keyOf } from '../../passes/inline.ts';
import type { Body } from './row.ts';

/** The domain of our own functions. */
export const ownDomain = 'ai.omnix';

/** The functions that gradients call; with `inline` they are none and each call is its body. */
export class OwnFunctions {
  readonly #definitions = new Map<string, FunctionDefinition>();
  readonly #counts = new Map<string, number>();
  /** Whether calls are their bodies. */
  readonly isInline: boolean;

  constructor({ inline = false }: { readonly inline?: boolean } = {}) {
    this.isInline = inline;
  }

  get definitions(): readonly FunctionDefinition[] {
    return [...this.#definitions.values()];
  }

  call(
    b: Builder,
    name: string,
    inputs: readonly (Value | undefined)[],
    at: Readonly<Record<string, AttributeInput>>,
    body: Body,
  ): readonly Value[] {
    if (this.isInline) return body(b, ...inputs);
    const attributes = attributesFrom(at, undefined);
    const key = [name, ...[...attributes].map(([k, a]) => `${k}=${textOf(a)}`), ...inputs.map(signatureOf)].join('\n');
    const known = this.#definitions.get(key);
    const definition = known ?? this.#define(name, inputs, [...attributes.keys()], body);
    this.#definitions.set(key, definition);
    const { overload, body: graph } = definition;
    const outputs = graph.outputs.map(o => o.name);
    const made = b.emit(name, inputs, attributes, { domain: ownDomain, overload, outputs }) as readonly Value[];
    // Sizes with a name are those of the caller; what only the body knows is not known outside of it.
    for (const [i, v] of made.entries()) v.type = graph.outputs[i]!.value.type;
    return made;
  }

  #define(name: string, inputs: readonly (Value | undefined)[], attributes: readonly string[], body: Body): FunctionDefinition {
    const parameters = inputs.map((v, i) => v && new Value(`x${i}`, v.type));
    const b = newBuilder();
    const made = body(b, ...parameters);
    const overload = String(this.#counts.get(name) ?? 0);
    this.#counts.set(name, Number(overload) + 1);
    const graph = new Graph(name, {
      inputs: parameters.map((v, i) => v ?? new Value(`x${i}`)),
      outputs: made.map((value, i) => ({ name: `y${i}`, value })),
      nodes: b.nodes,
    });
    const opsets = new Map([['', newestOpset('')!]]);
    return { domain: ownDomain, name, overload, body: graph, attributes, defaults: new Map(), opsets, meta: {} };
  }

  /** The same without functions, for their own bodies. */
  get inlined(): OwnFunctions {
    return this.isInline ? this : new OwnFunctions({ inline: true });
  }

  /** The function that a node of ours calls. */
  called = (domain: string, op: string, overload: string): FunctionDefinition | undefined =>
    domain === ownDomain ? this.definitions.find(f => keyOf(f.domain, f.name, f.overload) === keyOf(domain, op, overload)) : undefined;
}

const textOf = (a: Attribute): string => JSON.stringify(a.value);
/** Types, and the contents that a body may rely on. */
const signatureOf = (v: Value | undefined): string => (v ? formatType(v.type) : '-');
