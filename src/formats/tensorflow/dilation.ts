// Dilated convolutions that a program says in three steps: the places a dilation apart become images of their own, these are convolved, and
// the results go back to their places. One convolution with a dilation is the same.
import { numbersOf } from '../../ir/tensor.ts';
import type { Body, BodyNode } from './body.ts';
import type { AttrValue } from './proto.gen.ts';
import { readTensor } from './tensors.ts';

const convolutions: ReadonlySet<string> = new Set(['Conv2D', 'DepthwiseConv2dNative']);
const done = new WeakMap<Body, Body>();

/** The same body with such steps as one node; the body itself where it has none. */
export function withDilations(body: Body): Body {
  const before = done.get(body);
  if (before) return before;
  let nodes: Map<string, BodyNode> | undefined;
  for (const node of body.nodes.values()) {
    const made = node.op === 'BatchToSpaceND' ? dilated(body, node) : undefined;
    if (made) (nodes ??= new Map(body.nodes)).set(node.name, made);
  }
  const made = nodes ? { ...body, nodes } : body;
  done.set(body, made);
  return made;
}

function dilated(body: Body, last: BodyNode): BodyNode | undefined {
  const at = (node: BodyNode | undefined, i: number): BodyNode | undefined => body.nodes.get(node?.inputs[i]?.node ?? '');
  const convolution = at(last, 0);
  const first = at(convolution, 0);
  if (!convolution || !convolutions.has(convolution.op) || first?.op !== 'SpaceToBatchND' || !isPlain(convolution)) return undefined;
  const [block, back, pads, crops] = [at(first, 1), at(last, 1), at(first, 2), at(last, 2)].map(integersOf);
  if (block?.length !== 2 || back?.join() !== block.join() || pads?.length !== 4 || crops?.length !== 4) return undefined;
  // What is cropped at the end was only there to make whole blocks; at the start it would be a part of the image.
  const ends = [1, 3].map(i => pads[i]! - crops[i]!);
  if (crops[0] !== 0 || crops[2] !== 0 || ends.some(n => n < 0)) return undefined;
  const attrs = new Map<string, AttrValue>([
    ...convolution.attrs,
    ['dilations', integers(1, ...block, 1)],
    ['padding', { s: new TextEncoder().encode('EXPLICIT') }],
    ['explicit_paddings', integers(0, 0, pads[0]!, ends[0]!, pads[2]!, ends[1]!, 0, 0)],
  ]);
  return {
    ...convolution,
    name: last.name,
    place: last.place,
    attrs,
    inputs: [first.inputs[0]!, convolution.inputs[1]!],
    control: last.control,
  };
}

const integers = (...i: readonly number[]): AttrValue => ({ list: { i: BigInt64Array.from(i, BigInt) } });

/** Without padding, strides or a dilation of its own, the channels last. */
function isPlain({ attrs }: BodyNode): boolean {
  const text = (name: string): string | undefined => {
    const s = attrs.get(name)?.s;
    return s instanceof Uint8Array ? new TextDecoder().decode(s) : undefined;
  };
  const isOnes = (name: string): boolean => Array.from(attrs.get(name)?.list?.i ?? [], Number).every(n => n === 1);
  return text('padding') === 'VALID' && (text('data_format') ?? 'NHWC') === 'NHWC' && isOnes('strides') && isOnes('dilations');
}

function integersOf(node: BodyNode | undefined): readonly number[] | undefined {
  const proto = node?.op === 'Const' ? node.attrs.get('value')?.tensor : undefined;
  const tensor = proto && readTensor(proto);
  return tensor?.isResident && (tensor.type === 'int32' || tensor.type === 'int64') ? numbersOf(tensor) : undefined;
}
