// Changes that turn a valid model into one that is nearly valid. Each works on the messages of the file, not on its bytes, so that what
// comes out is read to the end and judged for what it says. A mutator returns false where the model has nothing to change.
import { type GraphProto, AttributeProto_AttributeType as Kind, type ModelProto } from '../../src/formats/onnx/proto.gen.ts';
import { elementTypes } from '../../src/ir/types.ts';
import { newestOpset, operatorNames } from '../../src/ops/schema.ts';
import { attributesOf, graphsOf, infosOf, type Mutable, namesOf, nodesOf, shapeOf, tensorsOf } from './messages.ts';
import { pick, type Random } from './random.ts';

type Mutator = (model: Mutable<ModelProto>, random: Random) => boolean;

const codes = Object.values(elementTypes).map(t => t.code);
/** Numbers at which code that counts goes wrong. */
const edges = [0, 1, -1, 2, 3, -2, 7, 100, -100, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 40];

/** Apply `change` to one of the items. */
const onOne = <T>(random: Random, items: readonly T[], change: (item: Mutable<T>) => unknown): boolean => {
  const item = pick(random, items);
  return item !== undefined && change(item as Mutable<T>) !== false;
};
const changed = <T>(list: readonly T[] | undefined, change: (copy: T[]) => void): T[] => {
  const copy = [...(list ?? [])];
  change(copy);
  return copy;
};

export const mutators: Readonly<Record<string, Mutator>> = {
  attributeValue: (model, random) =>
    onOne(random, attributesOf(model), a => {
      if (a.i !== undefined) a.i = edges[random(edges.length)]!;
      else if (a.ints?.length) a.ints = changed(a.ints, ints => (ints[random(ints.length)] = edges[random(edges.length)]!));
      else if (a.f !== undefined) a.f = [0, -1, Number.NaN, Infinity, 1e30][random(5)]!;
      else if (a.s !== undefined) a.s = new TextEncoder().encode(['', 'x', 'SAME_UPPER', 'constant', 'linear'][random(5)]!);
      else return false;
      return true;
    }),
  attributeLength: (model, random) =>
    onOne(
      random,
      attributesOf(model).filter(a => a.ints?.length || a.floats?.length),
      a => {
        if (a.ints?.length) a.ints = random(2) ? a.ints.slice(1) : [...a.ints, 1];
        else a.floats = random(2) ? a.floats!.slice(1) : [...a.floats!, 1];
      },
    ),
  attributeDropped: (model, random) =>
    onOne(
      random,
      nodesOf(model).filter(n => n.attribute?.length),
      n => {
        n.attribute = n.attribute!.toSpliced(random(n.attribute!.length), 1);
      },
    ),
  attributeTwice: (model, random) =>
    onOne(
      random,
      nodesOf(model).filter(n => n.attribute?.length),
      n => {
        n.attribute = [...n.attribute!, n.attribute![random(n.attribute!.length)]!];
      },
    ),
  attributeRenamed: (model, random) => onOne(random, attributesOf(model), a => void (a.name = pick(random, ['axis', 'perm', 'x', ''])!)),
  attributeKind: (model, random) => onOne(random, attributesOf(model), a => void (a.type = pick(random, Object.values(Kind))!)),
  size: (model, random) =>
    onOne(random, infosOf(model), v => {
      const dims = shapeOf(v.type)?.dim;
      return onOne(random, dims ?? [], d => {
        if (random(4) === 0) [d.dim_value, d.dim_param] = [undefined, 'n'];
        else [d.dim_value, d.dim_param] = [edges[random(9)]!, undefined];
      });
    }),
  rank: (model, random) =>
    onOne(random, infosOf(model), v => {
      const shape = shapeOf(v.type) as { dim?: object[] } | undefined;
      if (!shape) return false;
      shape.dim = random(2) ? (shape.dim ?? []).slice(1) : [...(shape.dim ?? []), { dim_value: 2 }];
      return true;
    }),
  shapeDropped: (model, random) =>
    onOne(random, infosOf(model), v => {
      const type = v.type?.tensor_type as { shape?: unknown } | undefined;
      if (!type?.shape) return false;
      delete type.shape;
      return true;
    }),
  elementType: (model, random) =>
    onOne(random, infosOf(model), v => {
      const type = v.type?.tensor_type as { elem_type?: number } | undefined;
      if (!type) return false;
      type.elem_type = random(20) === 0 ? 99 : pick(random, codes)!;
      return true;
    }),
  rewired: (model, random) =>
    onOne(
      random,
      nodesOf(model).filter(n => n.input?.length),
      n => {
        n.input = changed(n.input, names => (names[random(names.length)] = pick(random, [...namesOf(model), 'nowhere'])!));
      },
    ),
  inputDropped: (model, random) =>
    onOne(
      random,
      nodesOf(model).filter(n => n.input?.length),
      n => {
        n.input = n.input!.slice(0, -1);
      },
    ),
  inputEmptied: (model, random) =>
    onOne(
      random,
      nodesOf(model).filter(n => n.input?.length),
      n => {
        n.input = changed(n.input, names => (names[random(names.length)] = ''));
      },
    ),
  inputAdded: (model, random) =>
    onOne(random, nodesOf(model), n => {
      n.input = [...(n.input ?? []), pick(random, [...namesOf(model), ''])!];
    }),
  outputDropped: (model, random) => onOne(random, nodesOf(model), n => void (n.output = (n.output ?? []).slice(0, -1))),
  outputAdded: (model, random) => onOne(random, nodesOf(model), n => void (n.output = [...(n.output ?? []), pick(random, ['more', ''])!])),
  outputRenamed: (model, random) =>
    onOne(random, nodesOf(model), n => {
      n.output = changed(n.output, names => (names[random(names.length)] = pick(random, [...namesOf(model), 'other'])!));
    }),
  operator: (model, random) => onOne(random, nodesOf(model), n => void (n.op_type = pick(random, operatorNames(''))!)),
  domain: (model, random) => onOne(random, nodesOf(model), n => void (n.domain = pick(random, ['ai.onnx.ml', 'com.example', ''])!)),
  opset: (model, random) =>
    onOne(
      random,
      model.opset_import ?? [],
      o => void (o.version = random(6) === 0 ? pick(random, [0, -3, 9999])! : 1 + random(newestOpset('')!)),
    ),
  irVersion(model, random) {
    model.ir_version = random(4) === 0 ? pick(random, [0, 99, -1])! : 1 + random(14);
    return true;
  },
  nodeTwice: (model, random) =>
    onOne(
      random,
      [...graphsOf(model.graph)].filter(g => g.node?.length),
      g => {
        g.node = [...g.node!, g.node![random(g.node!.length)]!];
      },
    ),
  nodeDropped: (model, random) =>
    onOne(
      random,
      [...graphsOf(model.graph)].filter(g => g.node?.length),
      g => {
        g.node = g.node!.toSpliced(random(g.node!.length), 1);
      },
    ),
  nodesReversed: (model, random) => onOne(random, [...graphsOf(model.graph)], g => void (g.node = [...(g.node ?? [])].reverse())),
  graphNameDropped(model) {
    if (!model.graph) return false;
    delete (model.graph as Mutable<GraphProto>).name;
    return true;
  },
  inputRemoved: (model, random) => onOne(random, [...graphsOf(model.graph)], g => void (g.input = (g.input ?? []).toSpliced(random(3), 1))),
  outputRemoved: (model, random) =>
    onOne(random, [...graphsOf(model.graph)], g => void (g.output = (g.output ?? []).toSpliced(random(2), 1))),
  initializerAdded: (model, random) =>
    onOne(
      random,
      [model.graph].filter(g => g !== undefined),
      g => {
        const name = pick(random, namesOf(model)) ?? 'w';
        const dims = [[], [1], [2, 3]][random(3)]!;
        const count = dims.reduce((n, d) => n * d, 1);
        const tensor = { name, dims, data_type: 1, float_data: new Array<number>(count).fill(1) };
        g.initializer = [...(g.initializer ?? []), tensor as never];
      },
    ),
  tensorDims: (model, random) =>
    onOne(random, tensorsOf(model), t => {
      t.dims = random(2) ? changed(t.dims, dims => (dims[0] = edges[random(edges.length)]!)) : [...(t.dims ?? []), 2];
    }),
  tensorType: (model, random) => onOne(random, tensorsOf(model), t => void (t.data_type = random(10) === 0 ? 99 : pick(random, codes)!)),
  tensorData: (model, random) =>
    onOne(random, tensorsOf(model), t => {
      const raw = t.raw_data as Uint8Array | undefined;
      if (raw instanceof Uint8Array) t.raw_data = random(2) ? raw.slice(1) : Uint8Array.from([...raw, 1]);
      else if (t.float_data?.length) t.float_data = t.float_data.slice(1);
      else if (t.int64_data?.length) t.int64_data = t.int64_data.slice(1);
      else return false;
      return true;
    }),
  functionDropped(model, random) {
    if (!model.functions?.length) return false;
    model.functions = model.functions.toSpliced(random(model.functions.length), 1);
    return true;
  },
  importDropped(model, random) {
    if (!model.opset_import?.length) return false;
    model.opset_import = model.opset_import.toSpliced(random(model.opset_import.length), 1);
    return true;
  },
};
