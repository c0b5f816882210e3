// From the opset of a file to the newest: one small function for each change of an operator that the signatures do not tell.
import { fail } from '../errors.ts';
import { type Attribute, type Attributes, type Graph, Model, type Node, type Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { newestOpset, type OpSchema, releasedOpset, schemaOf, schemaVersions } from '../ops/schema.ts';
import { axisOf, range, rankOf } from '../ops/shapes.ts';
import { rebuild, type Visit } from '../passes/rebuild.ts';

/** A node of some version, free of its place in a graph. */
interface Form {
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
}
/** From the version before to the one a row is filed under; values where the new operator cannot say it in one node. */
type Step = (form: Form, b: Builder, node: Node) => Form | readonly Value[];

const without = (attributes: Attributes, ...names: readonly string[]): Attributes =>
  new Map([...attributes].filter(([name]) => !names.includes(name)));

const intsOf = (attribute: Attribute | undefined): readonly number[] | undefined =>
  attribute?.kind === 'ints' ? attribute.value.map(Number) : undefined;
const numberOf = (attribute: Attribute | undefined): number | undefined =>
  attribute?.kind === 'int' || attribute?.kind === 'float' ? Number(attribute.value) : undefined;

/** An attribute with a list of integers becomes input number `at`. */
const intsToInput =
  (name: string, at: number): Step =>
  ({ inputs, attributes }, b) => {
    const list = intsOf(attributes.get(name));
    return { attributes: without(attributes, name), inputs: list ? place(inputs, at, b.ints(list)) : inputs };
  };

function place(inputs: readonly (Value | undefined)[], at: number, v: Value | undefined): (Value | undefined)[] {
  const all = [...inputs];
  while (all.length <= at) all.push(undefined);
  all[at] = v;
  return all;
}

/** Before opset 13 these worked on a matrix: the axes before `axis`, and the rest. */
const overMatrix: Step = ({ inputs, attributes }, b, node) => {
  const x = inputs[0]!;
  const rank = rankOf(x);
  const axis = axisOf(numberOf(attributes.get('axis')) ?? 1, rank);
  if (axis === rank - 1) return { inputs, attributes: new Map([['axis', { kind: 'int', value: -1 }]]) };
  const sizes = range(rank).map(i => b.dim(x, i));
  const flat = b.emit('Flatten', [x], { axis })[0]!;
  return [b.Reshape(b.emit(node.op, [flat], { axis: -1 })[0]!, sizes)];
};

const clipBounds: Step = ({ inputs, attributes }, b) => {
  const bound = (name: string): Value | undefined => {
    const limit = numberOf(attributes.get(name));
    return limit === undefined ? undefined : b.like(limit, inputs[0]!);
  };
  return { inputs: [inputs[0], bound('min'), bound('max')], attributes: new Map() };
};

const sliceBounds: Step = ({ inputs, attributes }, b) => {
  const list = (name: string): Value | undefined => {
    const ints = intsOf(attributes.get(name));
    return ints && b.ints(ints);
  };
  return { inputs: [inputs[0], list('starts'), list('ends'), list('axes')], attributes: new Map() };
};

const padAmounts: Step = ({ inputs, attributes }, b) => {
  const value = numberOf(attributes.get('value'));
  const pads = b.ints(intsOf(attributes.get('pads')) ?? []);
  const fill = value === undefined ? undefined : b.like(value, inputs[0]!);
  return { inputs: [inputs[0], pads, fill], attributes: without(attributes, 'pads', 'value') };
};

const dropoutRatio: Step = ({ inputs, attributes }, b) => {
  const ratio = numberOf(attributes.get('ratio'));
  return { inputs: ratio === undefined ? inputs : [inputs[0], b.constant(ratio, 'float32')], attributes: without(attributes, 'ratio') };
};

/** Since 18 an equal split says how many parts it has. */
const splitCount: Step = ({ inputs, attributes }, _b, node) => {
  if (inputs[1]) return { inputs, attributes };
  return { inputs, attributes: new Map([...attributes, ['num_outputs', { kind: 'int', value: node.outputs.length }]]) };
};

/** Before opset 21 a factor and a summand a group; now one a channel. */
const perChannel: Step = ({ inputs: [x, ...parameters], attributes }, b) => {
  const groups = numberOf(attributes.get('num_groups')) ?? 1;
  const channels = b.dim(x!, 1);
  const size = typeof channels === 'number' ? channels / groups : b.Div(channels, b.ints([groups]));
  const spread = parameters.map(v => v && b.Reshape(b.Expand(b.Unsqueeze(v, [1]), [groups, size]), [-1]));
  return { inputs: [x, ...spread], attributes };
};

/** Modes of interpolation have other names since 20. */
const renamedMode: Step = ({ inputs, attributes }) => {
  const mode = attributes.get('mode');
  const names: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };
  const value = mode?.kind === 'string' ? (names[mode.value] ?? mode.value) : 'linear';
  return { inputs, attributes: new Map([...attributes, ['mode', { kind: 'string', value }]]) };
};

const axesToInput = intsToInput('axes', 1);
const sameMeaning: Step = form => form;

/** Labels were one list, looked up by strings or by their places in it; now keys and values are lists of their own. */
const classesToPairs: Step = ({ inputs, attributes }) => {
  const classes = attributes.get('classes_strings');
  if (classes?.kind !== 'strings') return { inputs, attributes };
  const places: Attribute = { kind: 'ints', value: range(classes.value.length) };
  const [keys, values] = inputs[0]?.element === 'int64' ? ['keys_int64s', 'values_strings'] : ['keys_strings', 'values_int64s'];
  const pairs: (readonly [string, Attribute])[] = [
    [keys, keys === 'keys_int64s' ? places : classes],
    [values, values === 'values_int64s' ? places : classes],
  ];
  return { inputs, attributes: new Map([...without(attributes, 'classes_strings'), ...pairs]) };
};

/** Rows by operator, then by the version that brought the change. */
const steps: Readonly<Record<string, Readonly<Record<number, Step>>>> = {
  ...Object.fromEntries(
    [
      'ReduceMean',
      'ReduceMax',
      'ReduceMin',
      'ReduceProd',
      'ReduceL1',
      'ReduceL2',
      'ReduceLogSum',
      'ReduceLogSumExp',
      'ReduceSumSquare',
    ].map(op => [op, { 18: axesToInput }]),
  ),
  ReduceSum: { 13: axesToInput },
  Squeeze: { 13: axesToInput },
  Unsqueeze: { 13: axesToInput },
  Softmax: { 13: overMatrix },
  LogSoftmax: { 13: overMatrix },
  Clip: { 11: clipBounds },
  Slice: { 10: sliceBounds },
  Pad: { 11: padAmounts },
  Dropout: { 12: dropoutRatio },
  GridSample: { 20: renamedMode },
  GroupNormalization: { 21: perChannel },
  Split: { 13: intsToInput('split', 1), 18: splitCount },
  Reshape: { 5: intsToInput('shape', 1), 14: sameMeaning },
  /** The outputs for training were five and became three; in inference there is one. */
  BatchNormalization: { 14: sameMeaning },
  'ai.onnx.ml.LabelEncoder': { 2: classesToPairs },
};

/** Whether a node written for `before` means the same under `after`: the signature only grew. */
export function onlyGrew(before: OpSchema, after: OpSchema): boolean {
  return (
    before.inputs.every(
      (param, i) => after.inputs[i]?.option === param.option || (param.option === 'single' && after.inputs[i] !== undefined),
    ) &&
    after.inputs.slice(before.inputs.length).every(param => param.option !== 'single') &&
    [...before.attributes.values()].every(a => sameAttribute(a, after.attributes.get(a.name))) &&
    [...after.attributes.values()].every(a => before.attributes.has(a.name) || !a.required)
  );
}

type AttributeFacts = OpSchema['attributes'] extends ReadonlyMap<string, infer A> ? A : never;
const sameAttribute = (a: AttributeFacts, b: AttributeFacts | undefined): boolean =>
  b !== undefined && a.type === b.type && String(a.default) === String(b.default);

/** The copy of a node in the newest opset of its domain. */
const upgradeNode =
  (opsets: ReadonlyMap<string, number>): Visit =>
  (node, inputs, attributes, b) => {
    const place = { domain: node.domain, overload: node.overload, name: node.name, outputs: node.outputs.map(v => v?.name) };
    let form: Form = { inputs, attributes };
    const { domain, op } = node;
    const opset = opsets.get(domain) ?? 1;
    const versions = schemaOf(domain, op, opset) ? schemaVersions(domain, op).filter(v => v > opset) : [];
    for (const version of versions) {
      const step = steps[node.qualifiedName]?.[version];
      if (!step && !onlyGrew(schemaOf(domain, op, version - 1)!, schemaOf(domain, op, version)!)) throw cannot(node, opset, version);
      const result = step?.(form, b, node) ?? form;
      if (Array.isArray(result)) return result as readonly Value[];
      form = result as Form;
    }
    return b.emit(op, form.inputs, form.attributes, place);
  };

const cannot = (node: Node, from: number, version: number) =>
  fail('E2002', `${node.op} of opset ${from} cannot be said as the ${node.op} of opset ${version} yet`, {
    node: { op: node.op, name: node.name },
  });

/** A copy of the model with the operators of all domains of the standard in their newest opsets, nested graphs and functions included. */
export function upgrade(model: Model): Model {
  const upgraded = (opsets: ReadonlyMap<string, number>, graph: Graph): Graph => {
    for (const [domain, opset] of opsets) {
      const newest = releasedOpset(domain) ?? opset;
      if (opset > newest) throw fail('E1106', `opset ${opset}${domain && ` of ${domain}`} is newer than ${newest}, the newest known`);
    }
    return rebuild(graph, new Map(), upgradeNode(opsets));
  };
  const current = (opsets: ReadonlyMap<string, number>): Map<string, number> =>
    new Map([...opsets, ['', newestOpset('')!] as const].map(([domain, opset]) => [domain, releasedOpset(domain) ?? opset]));
  return new Model(upgraded(model.opsets, model.graph), {
    irVersion: model.irVersion,
    opsets: current(model.opsets),
    functions: model.functions.map(f => ({ ...f, opsets: current(f.opsets), body: upgraded(f.opsets, f.body) })),
    producer: model.producer,
    meta: model.meta,
  });
}
