// Calls as expressions that a user of PyTorch would write. A row says how; what has no row is said by the name of the operator in
// `torch.ops`, which means the same.
import { isFloat } from '../../../../ir/types.ts';
import { type Given, givenTo, isAten } from '../given.ts';
import { type Arg, type Call, Ref, TypeArg } from '../program.ts';
import { dtypeText, stringText } from '../python.ts';
import { pythonFloat } from './literals.ts';

/** What refs are called where the expression stands. */
export type NameOf = (ref: Ref) => string;

/** The arguments of one call as text. */
class Said {
  readonly call: Call;
  readonly #given: ReadonlyMap<string, Given>;
  readonly #nameOf: NameOf;

  constructor(call: Call, nameOf: NameOf) {
    this.call = call;
    this.#nameOf = nameOf;
    this.#given = new Map(givenTo(call).map(g => [g.name, g]));
  }

  get names(): string[] {
    return [...this.#given.keys()];
  }
  arg(name: string): Arg | undefined {
    return this.#given.get(name)?.arg;
  }
  /** The type of a tensor. */
  type(name: string): Ref['type'] {
    const arg = this.arg(name);
    return arg instanceof Ref ? arg.type : undefined;
  }
  text(name: string): string {
    const { arg, type } = this.#given.get(name)!;
    return this.of(arg, type.replace(/\?$/, ''));
  }
  of(arg: Arg, type = ''): string {
    if (arg === null) return 'None';
    if (arg instanceof Ref) return this.#nameOf(arg);
    if (arg instanceof TypeArg) return dtypeText(arg.type);
    if (typeof arg === 'string') return stringText(arg);
    if (typeof arg === 'boolean') return arg ? 'True' : 'False';
    if (typeof arg === 'number') return type === 'float' || !Number.isInteger(arg) ? pythonFloat(arg) : String(arg);
    if (typeof arg === 'bigint') return String(arg);
    return `[${this.items(arg as readonly Arg[], type.replace(/\[\d*\]$/, ''))}]`;
  }
  items(args: readonly Arg[], type = ''): string {
    return args.map(arg => this.of(arg, type)).join(', ');
  }
  list(name: string): readonly Arg[] {
    return this.arg(name) as readonly Arg[];
  }
  /** A list of equal numbers as one of them. */
  size(name: string): string {
    const list = this.list(name);
    return list.length > 0 && list.every(n => n === list[0]) ? this.of(list[0]!) : this.text(name);
  }

  /** Whether an argument is what it would be anyway. */
  isDefault(name: string): boolean {
    const given = this.#given.get(name);
    if (!given) return true;
    const same = (a: unknown, b: unknown): boolean =>
      Array.isArray(a) ? Array.isArray(b) && a.length === b.length && a.every((x, i) => same(x, b[i])) : a === b;
    return given.default !== undefined && same(given.arg, given.default);
  }
  /** `, name=value` of those that are no defaults. */
  named(names: readonly string[], text: (name: string) => string = name => this.text(name)): string {
    return names
      .filter(name => !this.isDefault(name))
      .map(name => `, ${name}=${text(name)}`)
      .join('');
  }
}

type Row = (s: Said) => string | undefined;

/** A function with so many arguments by place and the others by name. */
const fn =
  (name: string, places: number): Row =>
  s => {
    const names = s.names;
    const first = names.slice(0, places);
    while (first.length > 1 && s.isDefault(first.at(-1)!) && names.slice(first.length).every(n => s.isDefault(n))) first.pop();
    return `${name}(${first.map(n => s.text(n)).join(', ')}${s.named(names.slice(places))})`;
  };
const infix =
  (sign: string): Row =>
  s =>
    `${s.text('self')} ${sign} ${s.text('other')}`;
/** A method that takes numbers as its arguments. */
const spread =
  (name: string, list: string): Row =>
  s =>
    s.list(list).length === 0 ? `${s.text('self')}.${name}(())` : `${s.text('self')}.${name}(${s.items(s.list(list))})`;
/** A reduction, whose axes have a name. */
const reduction =
  (name: string): Row =>
  s => {
    const type = s.type('self');
    const isSame = s.arg('dtype') instanceof TypeArg && (s.arg('dtype') as TypeArg).type === type?.element && isFloat(type.element);
    return `torch.${name}(${s.text('self')}, dim=${Array.isArray(s.arg('dim')) ? s.size('dim') : s.text('dim')}${s.named(isSame ? ['keepdim'] : ['keepdim', 'dtype'])})`;
  };

/** `[:, :, 1]`: what stands at one axis, counted from the first or last. */
const at = (axis: number, what: string): string =>
  `[${axis < 0 ? '..., ' : ':, '.repeat(axis)}${what}${axis < 0 ? ', :'.repeat(-1 - axis) : ''}]`;

const slice: Row = s => {
  const [start, end, step] = ['start', 'end', 'step'].map(name => s.arg(name));
  const from = start === 0 || start === undefined ? '' : s.of(start);
  const to = typeof end === 'bigint' || end === undefined ? '' : s.of(end);
  return `${s.text('self')}${at(s.arg('dim') as number, `${from}:${to}${step === undefined || step === 1 ? '' : `:${s.of(step)}`}`)}`;
};

/** Indexing with tensors, which without axes Python takes for numbers. */
const index: Row = s => {
  const indices = s.list('indices');
  if (indices.some(i => i instanceof Ref && !(i.type?.shape && i.type.shape.length > 0))) return undefined;
  return `${s.text('self')}[${indices.map(i => (i === null ? ':' : s.of(i))).join(', ')}]`;
};

const convolution: Row = s => {
  const count = s.list('stride').length;
  const isTransposed = s.arg('transposed') === true;
  if (count < 1 || count > 3) return undefined;
  const usual: Readonly<Record<string, number>> = { stride: 1, padding: 0, output_padding: 0, groups: 1, dilation: 1 };
  const rest = ['stride', 'padding', ...(isTransposed ? ['output_padding'] : []), 'dilation', 'groups']
    .map(name => [name, name === 'groups' ? s.text(name) : s.size(name)] as const)
    .filter(([name, text]) => text !== String(usual[name]));
  const bias = s.arg('bias') === null ? '' : `, ${s.text('bias')}`;
  const named = rest.map(([name, text]) => `, ${name}=${text}`).join('');
  return `F.conv${isTransposed ? '_transpose' : ''}${count}d(${s.text('input')}, ${s.text('weight')}${bias}${named})`;
};

const pool =
  (name: string, rest: readonly string[]): Row =>
  s =>
    `F.${name}(${s.text('self')}, ${s.size('kernel_size')}, stride=${s.size('stride')}${s.named(rest, n => (Array.isArray(s.arg(n)) ? s.size(n) : s.text(n)))})`;
const max = ['padding', 'dilation', 'ceil_mode'];
const average = ['padding', 'ceil_mode', 'count_include_pad'];

const pad: Row = s => {
  const type = s.type('self');
  if (s.arg('mode') !== undefined) return `F.pad(${s.text('self')}, ${s.text('pad')}, mode=${s.text('mode')})`;
  if (!type || !isFloat(type.element)) return fn('torch.constant_pad_nd', 3)(s);
  return `F.pad(${s.text('self')}, ${s.text('pad')}${s.arg('value') === 0 ? '' : `, value=${s.text('value')}`})`;
};

const normalised =
  (name: string): Row =>
  s =>
    `F.${name}(${s.text('input')}${name === 'instance_norm' ? '' : `, ${s.text(name === 'group_norm' ? 'num_groups' : 'normalized_shape')}`}${s.named(['weight', 'bias', 'eps'])})`;

const batchNorm: Row = s =>
  `F.batch_norm(${['input', 'running_mean', 'running_var', 'weight', 'bias'].map(n => s.text(n)).join(', ')}${s.named(['eps'])})`;

const unique: Row = s => `torch.unique(${s.text('self')}, return_inverse=True, return_counts=True${s.named(['dim'])})`;

/** Functions of torch whose arguments are all by place. */
const plain =
  `abs acos acosh add asin asinh atan atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
broadcast_tensors ceil cos cosh erf exp expm1 floor fmod gt isinf isnan log log1p logical_and logical_not logical_or logical_xor matmul maximum
minimum neg nonzero ones_like pow reciprocal remainder round sigmoid sign sin sinh sqrt tan tanh tril triu trunc where zeros_like`.split(
    /\s+/,
  );

const rows: Readonly<Record<string, Row | undefined>> = {
  ...Object.fromEntries(plain.map(name => [name, fn(`torch.${name}`, 9)])),
  add: infix('+'),
  sub: infix('-'),
  mul: infix('*'),
  eq: infix('=='),
  lt: infix('<'),
  le: infix('<='),
  gt: infix('>'),
  ge: infix('>='),
  matmul: infix('@'),
  div: s => (s.arg('rounding_mode') === undefined ? infix('/')(s) : fn('torch.div', 2)(s)),
  rsub: s => `${s.text('other')} - ${s.text('self')}`,
  neg: s => `-${s.text('self')}`,
  pow: s => (s.arg('self') instanceof Ref ? `${s.text('self')} ** ${s.text('exponent')}` : undefined),
  relu: fn('F.relu', 1),
  gelu: fn('F.gelu', 1),
  elu: fn('F.elu', 2),
  celu: fn('F.celu', 2),
  leaky_relu: fn('F.leaky_relu', 2),
  mish: fn('F.mish', 1),
  hardswish: fn('F.hardswish', 1),
  softplus: fn('F.softplus', 1),
  softmax: fn('F.softmax', 1),
  log_softmax: fn('F.log_softmax', 1),
  linear: fn('F.linear', 3),
  convolution,
  max_pool1d: pool('max_pool1d', max),
  max_pool2d: pool('max_pool2d', max),
  max_pool3d: pool('max_pool3d', max),
  avg_pool1d: pool('avg_pool1d', average),
  avg_pool2d: pool('avg_pool2d', average),
  avg_pool3d: pool('avg_pool3d', average),
  pad,
  constant_pad_nd: pad,
  layer_norm: normalised('layer_norm'),
  rms_norm: normalised('rms_norm'),
  group_norm: normalised('group_norm'),
  instance_norm: normalised('instance_norm'),
  batch_norm: batchNorm,
  _unique2: unique,
  unique_dim: unique,
  einsum: s => `torch.einsum(${s.text('equation')}, ${s.items(s.list('tensors'))})`,
  broadcast_tensors: s => `torch.broadcast_tensors(${s.items(s.list('tensors'))})`,
  reshape: spread('reshape', 'shape'),
  permute: spread('permute', 'dims'),
  expand: spread('expand', 'size'),
  repeat: spread('repeat', 'repeats'),
  flatten: s => `${s.text('self')}.flatten(${s.text('start_dim')})`,
  unsqueeze: s => `${s.text('self')}.unsqueeze(${s.text('dim')})`,
  squeeze: s =>
    `${s.text('self')}.squeeze(${
      Array.isArray(s.arg('dim'))
        ? `(${s
            .list('dim')
            .map(d => `${s.of(d)}, `)
            .join('')})`
        : s.text('dim')
    })`,
  to: s => `${s.text('self')}.to(${s.text('dtype')})`,
  clone: s => `${s.text('self')}.clone()`,
  select: s => `${s.text('self')}${at(s.arg('dim') as number, s.text('index'))}`,
  slice,
  index,
  index_select: fn('torch.index_select', 3),
  index_put: s =>
    `torch.index_put(${s.text('self')}, (${s
      .list('indices')
      .map(i => `${s.of(i)}, `)
      .join('')}), ${s.text('values')}${s.named(['accumulate'])})`,
  gather: fn('torch.gather', 3),
  scatter: fn('torch.scatter', 4),
  scatter_reduce: fn('torch.scatter_reduce', 5),
  flip: fn('torch.flip', 2),
  cat: fn('torch.cat', 1),
  stack: fn('torch.stack', 1),
  split_with_sizes: s => `${s.text('self')}.split(${s.text('split_sizes')}${s.named(['dim'])})`,
  chunk: s => `${s.text('self')}.chunk(${s.text('chunks')}${s.named(['dim'])})`,
  sum: reduction('sum'),
  mean: reduction('mean'),
  amax: reduction('amax'),
  amin: reduction('amin'),
  prod: reduction('prod'),
  logsumexp: reduction('logsumexp'),
  argmax: reduction('argmax'),
  argmin: reduction('argmin'),
  cumsum: fn('torch.cumsum', 1),
  sort: fn('torch.sort', 1),
  full: fn('torch.full', 2),
  empty: fn('torch.empty', 1),
  arange: fn('torch.arange', 3),
  eye: fn('torch.eye', 2),
  scalar_tensor: fn('torch.scalar_tensor', 1),
  new_zeros: s => `${s.text('self')}.new_zeros(${s.text('size')})`,
  new_empty: s => `${s.text('self')}.new_empty(${s.text('size')})`,
  lstm: fn('torch.lstm', 9),
  gru: fn('torch.gru', 9),
  rnn_tanh: fn('torch.rnn_tanh', 9),
  rnn_relu: fn('torch.rnn_relu', 9),
  sym_size: s => `${s.text('self')}.size(${s.text('dim')})`,
  sym_numel: s => `${s.text('self')}.numel()`,
  item: s => `${s.text('self')}.item()`,
};

/** Functions of Python on numbers. */
const onNumbers: Readonly<Record<string, Row | undefined>> = {
  '_operator.add': s => `${s.text('a')} + ${s.text('b')}`,
  '_operator.mul': s => `${s.text('a')} * ${s.text('b')}`,
  '_operator.floordiv': s => `${s.text('a')} // ${s.text('b')}`,
  '_operator.mod': s => `${s.text('a')} % ${s.text('b')}`,
  'torch.sym_max': fn('torch.sym_max', 2),
  'torch.sym_min': fn('torch.sym_min', 2),
};

/** What a call of an operator gives, as text. */
export function expressionOf(call: Call, nameOf: NameOf): string {
  const said = new Said(call, nameOf);
  const row = isAten(call.target) ? rows[call.target.split('.')[1]!] : onNumbers[call.target];
  return row?.(said) ?? raw(call, said);
}

function raw(call: Call, said: Said): string {
  const args = givenTo(call).map(g => `${g.isKeyword ? `${g.name}=` : ''}${said.of(g.arg, g.type.replace(/\?$/, ''))}`);
  return `torch.ops.${call.target}(${args.join(', ')})`;
}
