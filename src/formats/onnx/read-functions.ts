// Model-local functions from their messages, and the rules between them: distinct names, no recursion.
import { at } from '../../codec/protobuf.ts';
import { type Attribute, allNodes, type FunctionDefinition, type Node, subgraphs } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { normaliseDomain } from '../../ops/schema.ts';
import { readAttributes } from './attributes.ts';
import { readOpsets } from './opsets.ts';
import type { FunctionProto } from './proto.gen.ts';
import { functionPlaces, readBody } from './read-graph.ts';
import type { Reading } from './reading.ts';
import { readMeta } from './rest.ts';

/** The functions of a model. Adds E1101, E1102, E1106, E1108, E1303 and what their bodies add. */
export function readFunctions(protos: readonly FunctionProto[], reading: Reading): FunctionDefinition[] {
  const functions = protos.map((proto, i) => readFunction(proto, `functions[${i}]`, reading));
  const byKey = new Map<string, number>();
  for (const [i, f] of functions.entries()) {
    const key = functionKey(f.domain, f.name, f.overload);
    if (byKey.has(key))
      reading.add('E1102', `the function ${printKey(f)} is defined twice`, { path: `functions[${i}]`, offset: f.meta.at });
    else byKey.set(key, i);
  }
  checkRecursion(functions, byKey, reading);
  return functions;
}

/** What a node names when it calls a function. */
export const functionKey = (domain: string, name: string, overload: string): string => [domain, name, overload].join('\0');
const keyOfCall = (node: Node): string => functionKey(node.domain, node.op, node.overload);
const printKey = (f: FunctionDefinition): string => quoted([f.domain, f.name, f.overload].filter(part => part !== '').join('.'));

function readFunction(proto: FunctionProto, path: string, reading: Reading): FunctionDefinition {
  const { name = '', overload = '', attribute = [] } = proto;
  const domain = normaliseDomain(proto.domain ?? '');
  if (name === '') reading.add('E1101', 'the function has no name', { path, offset: proto[at] });
  for (const text of [name, domain, overload, ...attribute]) reading.name(text, path, proto);
  const defaults = new Map<string, Attribute>();
  const context = { reading, graph: () => undefined };
  const repeated = readAttributes(proto.attribute_proto ?? [], `${path}.attribute_proto`, context, defaults);
  const { opsets, rest: imports } = readOpsets(proto.opset_import ?? [], path, reading);
  const own = readMeta(proto, domain === (proto.domain ?? '') ? functionPlaces : spelledOut, path, reading);
  const rest = { ...own.rest, ...imports, ...(repeated.length > 0 ? { attribute_proto: repeated } : {}) };
  const body = readBody(proto, path, reading);
  const known = new Set([...attribute, ...defaults.keys()]);
  if (known.size < attribute.length + defaults.size)
    reading.add('E1303', `the function ${quoted(name)} declares an attribute twice`, { path, offset: proto[at] });
  checkReferences(body.nodes, known, path, reading);
  return { domain, name, overload, body, attributes: attribute, defaults, opsets, meta: { ...own, rest } };
}

const { domain: _, ...spelledOut } = functionPlaces;

function* withInner(node: Node): Generator<Node> {
  yield node;
  for (const [, graph] of subgraphs(node)) yield* allNodes(graph);
}

/** Adds E1303 for attributes that refer to one that `known` lacks. */
export function checkReferences(nodes: readonly Node[], known: ReadonlySet<string>, path: string, reading: Reading): void {
  for (const [index, node] of nodes.entries())
    for (const inner of withInner(node))
      for (const [name, attribute] of inner.attributes)
        if (attribute.kind === 'reference' && !known.has(attribute.value)) {
          const place = {
            path: `${path}.node[${index}]`,
            offset: attribute.meta?.at,
            node: { op: inner.op, name: inner.name, domain: inner.domain },
          };
          reading.add(
            'E1303',
            `the attribute ${quoted(name)} refers to ${quoted(attribute.value)}, which no function around it has`,
            place,
          );
        }
}

/** Adds E1108 with the chain of calls. Linear in calls, without recursion over functions. */
function checkRecursion(functions: readonly FunctionDefinition[], byKey: ReadonlyMap<string, number>, reading: Reading): void {
  const calls = functions.map(f => [
    ...new Set([...allNodes(f.body)].map(node => byKey.get(keyOfCall(node))).filter(i => i !== undefined)),
  ]);
  const state = functions.map((): 'new' | 'open' | 'done' => 'new');
  for (const start of functions.keys()) {
    const path: number[] = state[start] === 'new' ? [start] : [];
    while (path.length > 0) {
      const current = path.at(-1)!;
      state[current] = 'open';
      const next = calls[current]!.pop();
      if (next === undefined) {
        state[current] = 'done';
        path.pop();
      } else if (state[next] === 'new') path.push(next);
      else if (state[next] === 'open') {
        const chain = path.slice(path.indexOf(next));
        const names = [...chain.slice(0, 10), next].map(i => printKey(functions[i]!)).join(' → ');
        reading.add('E1108', `functions call each other in a circle: ${names}`, {
          path: `functions[${next}]`,
          offset: functions[next]!.meta.at,
        });
      }
    }
  }
}
