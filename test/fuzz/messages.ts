// What a model's message holds, wherever it lies in it.
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from '../../src/formats/onnx/proto.gen.ts';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export function* graphsOf(graph: GraphProto | undefined): Generator<GraphProto> {
  if (!graph) return;
  yield graph;
  for (const node of graph.node ?? [])
    for (const a of node.attribute ?? []) {
      if (a.g) yield* graphsOf(a.g);
      for (const inner of a.graphs ?? []) yield* graphsOf(inner);
    }
}
export const nodesOf = (model: ModelProto): NodeProto[] => [
  ...[...graphsOf(model.graph)].flatMap(g => g.node ?? []),
  ...(model.functions ?? []).flatMap(f => f.node ?? []),
];
export const infosOf = (model: ModelProto): ValueInfoProto[] => {
  const { input = [], output = [], value_info = [] } = model.graph ?? {};
  return [...input, ...output, ...value_info];
};
export const tensorsOf = (model: ModelProto): TensorProto[] => [
  ...(model.graph?.initializer ?? []),
  ...nodesOf(model).flatMap(n => (n.attribute ?? []).flatMap(a => (a.t ? [a.t] : []))),
];
export const namesOf = (model: ModelProto): string[] => [
  ...infosOf(model).map(v => v.name ?? ''),
  ...nodesOf(model).flatMap(n => n.output ?? []),
  ...(model.graph?.initializer ?? []).map(t => t.name ?? ''),
];
export const shapeOf = (type: TypeProto | undefined) => type?.tensor_type?.shape;
export const attributesOf = (model: ModelProto): AttributeProto[] => nodesOf(model).flatMap(n => n.attribute ?? []);
