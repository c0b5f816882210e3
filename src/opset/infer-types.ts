// The types of a model of any opset, found without changing it: its graph is upgraded where nobody keeps it, calls followed into
// their functions, and what each value became is noted.
import { type Attributes, type Model, type Node, Value } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';
import { callBody, callsOf, resolve } from '../passes/inline.ts';
import { rebuild, type Visit } from '../passes/rebuild.ts';
import { upgradeNode } from './upgrade.ts';

/**
 * Types of values that nodes make, those of nested graphs included. Where an operator says nothing the declared type holds.
 * @throws ModelError E1305 with the node where shapes contradict each other, E1304 where types do, and what `upgrade` throws
 */
export function inferTypes(model: Model): ReadonlyMap<Value, ValueType> {
  const types = new Map<Value, ValueType>();
  const calledBy = callsOf(model);
  const visitIn =
    (opsets: ReadonlyMap<string, number>, caller?: Attributes): Visit =>
    (node, inputs, given, b) => {
      const attributes = caller ? resolve(given, caller) : given;
      const called = calledBy(node);
      const content = contentOf(node);
      const made = content
        ? [content]
        : called
          ? callBody(called, inputs, visitIn(called.opsets, new Map([...called.defaults, ...attributes])), b)
          : upgradeNode(opsets)(node, inputs, attributes, b);
      // A body is copied once a call, so its own values have no one type.
      if (!caller)
        node.outputs.forEach((v, i) => {
          const type = made[i]?.type;
          if (v && type) types.set(v, type);
        });
      return made;
    };
  rebuild(model.graph, new Map(), visitIn(model.opsets));
  return types;
}

/** A constant as content: contents that are followed as sizes end at 2^53, bounds of Slice in files do not. */
function contentOf({ op, domain, attributes, outputs }: Node): Value | undefined {
  const value = op === 'Constant' && domain === '' ? attributes.get('value') : undefined;
  return value?.kind === 'tensor' ? new Value(outputs[0]?.name ?? '', undefined, { tensor: value.value }) : undefined;
}
