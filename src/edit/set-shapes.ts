// set-shapes: other sizes for inputs, and for everything that follows from them. Nodes, names and the opset stay.
import { type Finding, ModelError } from '../errors.ts';
import { symbol, unknownDim } from '../ir/dims.ts';
import { type Graph, type Model, subgraphs, type Value } from '../ir/graph.ts';
import { readsOf } from '../ir/order.ts';
import { quoted } from '../ir/text.ts';
import { tensorType, type ValueType } from '../ir/types.ts';
import { inferTypes } from '../opset/infer.ts';
import { Copy } from './copy.ts';
import { Findings } from './names.ts';

/** Sizes by input name; a string names an open size. */
export type InputShapes = Readonly<Record<string, readonly (number | string)[]>>;

/**
 * A copy of the model with other input shapes. What follows from the inputs is inferred again; where an operator says nothing of its
 * shape, only its rank is declared. Without a change the declared types stay as they are.
 * @throws ModelError E3001 for every name that is no input, E3003 for every shape that contradicts a rank or a default, E1305 with the
 * node where the shapes contradict the graph
 */
export function setShapes(model: Model, shapes: InputShapes): Model {
  return retype(model, shapeBindings(model, shapes));
}

/** The types that shapes give to inputs. Errors: E3001 and E3003. */
export function shapeBindings(model: Model, shapes: InputShapes): ReadonlyMap<Value, ValueType> {
  const inputs = new Map(model.graph.inputs.map(v => [v.name, v]));
  const findings = new Findings();
  const bindings = new Map<Value, ValueType>();
  for (const [name, sizes] of Object.entries(shapes)) {
    const v = inputs.get(name);
    if (!v) findings.unknown('input', name, inputs.keys());
    else if (!v.element) findings.add('E3003', `input ${quoted(name)} is no tensor, and has no shape`);
    else if (v.tensor) findings.add('E3003', `input ${quoted(name)} has a default, and with it the shape [${v.tensor.dims}]`);
    else if (v.shape && v.shape.length !== sizes.length)
      findings.add('E3003', `input ${quoted(name)} has rank ${v.shape.length}, the shape given has ${sizes.length}`);
    else
      bindings.set(
        v,
        tensorType(
          v.element,
          sizes.map(s => (typeof s === 'number' ? s : symbol(s))),
        ),
      );
  }
  findings.throw();
  return bindings;
}

/** A copy of the model with other types of inputs, and with types of everything that reads from them inferred again. */
export function retype(model: Model, bindings: ReadonlyMap<Value, ValueType>): Model {
  const stale = new Set(bindings.keys());
  spread(model.graph, stale);
  const copy = new Copy({
    // An output says no more than its value does now.
    type: (type, v, output) => bindings.get(v) ?? (stale.has(v) ? (output ? undefined : withoutSizes(type)) : type),
  });
  const made = copy.model(model);
  const { types, findings } = inferTypes(made);
  if (findings.length > 0) refuseNew(findings, model);
  for (const v of stale) {
    const now = copy.values.get(v);
    const type = now && types.get(now);
    if (now?.producer && type && (isSized(type) || !isSized(now.type))) now.type = type;
  }
  return made;
}

/** Throw the contradictions that the model did not have before. */
function refuseNew(findings: readonly Finding[], model: Model): void {
  const before = new Set(inferTypes(model).findings.map(f => f.path));
  const made = findings.filter(f => !before.has(f.path));
  if (made.length > 0) throw new ModelError(made);
}

/** Add what nodes make of values in `stale`, and all that lies in the graphs nested in such nodes. */
function spread(graph: Graph, stale: Set<Value>): void {
  for (const node of graph.nodes) {
    if (![...readsOf(node)].some(v => stale.has(v))) continue;
    for (const v of node.outputs) if (v) stale.add(v);
    for (const [, inner] of subgraphs(node)) addAll(inner, stale);
  }
}

function addAll(graph: Graph, stale: Set<Value>): void {
  for (const v of graph.inputs) if (!v.tensor) stale.add(v);
  for (const node of graph.nodes) {
    for (const v of node.outputs) if (v) stale.add(v);
    for (const [, inner] of subgraphs(node)) addAll(inner, stale);
  }
}

/** Sizes decide no rank, but for operators that read it from data; and outputs of a file must say theirs. */
function withoutSizes(type: ValueType | undefined): ValueType | undefined {
  if (!type || type.kind === 'opaque') return type;
  if ('of' in type) return { ...type, of: withoutSizes(type.of) };
  return 'shape' in type ? { ...type, shape: type.shape?.map(unknownDim) } : type;
}

/** Whether a type says all that types say but for sizes: of a tensor its rank. */
export const isSized = (type: ValueType | undefined): boolean => type !== undefined && (type.kind !== 'tensor' || type.shape !== undefined);
