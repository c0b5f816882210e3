// Pickles opcode by opcode, so that they can say what no Python would, and the files of PyTorch that hold them.
// Source: Python's Lib/pickletools.py; PyTorch, torch/serialization.py.
import { type Expected, warns } from './case.ts';
import { float32, join, little, none, type Piece, raw, utf8 } from './wire.ts';
import { type ZipEnd, type ZipEntry, zip } from './zip-wire.ts';

/** Opcodes by their characters, and what follows them. */
export const op = (code: string, ...args: readonly Piece[]): Piece => join(raw(Array.from(code, c => c.charCodeAt(0))), ...args);
export const text = (value: string): Piece => op('X', little(4, utf8(value).bytes.length), utf8(value));
export const number = (value: number): Piece => (value >= 0 && value < 256 ? op('K', little(1, value)) : op('J', little(4, value)));
export const global = (module: string, name: string): Piece => utf8(`c${module}\n${name}\n`);
export const tuple = (...items: readonly Piece[]): Piece => op('(', ...items, op('t'));
export const list = (...items: readonly Piece[]): Piece => op('](', ...items, op('e'));
export const dict = (...entries: readonly (readonly [string, Piece])[]): Piece =>
  op('}(', ...entries.flatMap(([key, value]) => [text(key), value]), op('u'));
export const call = (callee: Piece, ...args: readonly Piece[]): Piece => join(callee, tuple(...args), op('R'));
export const pickle = (...body: readonly Piece[]): Piece => op('\x80\x02', ...body, op('.'));
/** Memo entries of their own, so that a piece can be shared. */
export const put = (index: number): Piece => op('r', little(4, index));
export const get = (index: number): Piece => op('j', little(4, index));

export const storage = (key: string, count: number, kind = 'FloatStorage', module = 'torch'): Piece =>
  op('', tuple(text('storage'), global(module, kind), text(key), text('cpu'), number(count)), op('Q'));

export interface TensorParts {
  readonly storage?: Piece;
  readonly offset?: Piece;
  readonly size?: readonly Piece[];
  readonly stride?: readonly Piece[];
  readonly hooks?: Piece;
}
/** `_rebuild_tensor_v2` of a float32[2, 3] over storage 0, but for what is said. */
export const tensor = ({
  storage: over = storage('0', 6),
  offset = number(0),
  size = [number(2), number(3)],
  stride = [number(3), number(1)],
  hooks = call(global('collections', 'OrderedDict')),
}: TensorParts = {}): Piece =>
  call(global('torch._utils', '_rebuild_tensor_v2'), over, offset, tuple(...size), tuple(...stride), op('\x89'), hooks);

/** The six numbers of storage 0. */
export const six: Piece = join(...[1, 2, 3, 4, 5, 6].map(float32));

/** Entries below `m/`. */
export type Entries = Readonly<Record<string, Piece>>;
export const entriesOf = (entries: Entries): ZipEntry[] => Object.entries(entries).map(([name, data]) => ({ name: `m/${name}`, data }));
export const archive = (entries: Entries, end?: ZipEnd): Piece => zip(entriesOf(entries), end);

export const checkpointEntries = (data: Piece): Entries => ({
  'data.pkl': data,
  byteorder: utf8('little'),
  'data/0': six,
  version: utf8('3\n'),
});

/** A checkpoint as PyTorch wrote it before 1.6: pickles, the keys of storages, and storages. */
export const stream = (
  value: Piece,
  keys: readonly (string | number)[] = ['0'],
  storages: Piece = join(little(8, 6), six),
  isLittle: Piece = op('\x88'),
): Piece =>
  join(
    pickle(op('\x8a\x0a', raw([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]))),
    pickle(op('M', little(2, 1001))),
    pickle(dict(['little_endian', isLittle])),
    value,
    pickle(list(...keys.map(key => (typeof key === 'string' ? text(key) : number(key))))),
    storages,
  );

/** The instance of the class `M` that a program is, with one attribute `w`. */
export const root = (value: Piece): Piece => join(global('__torch__', 'M'), op(')\x81'), dict(['w', value]), op('b'));

const forward = `class M(Module):
  __parameters__ = []
  __buffers__ = []
  w : Tensor
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    return torch.add(x, 1)
`;
export const scriptEntries = (data: Piece, code = forward): Entries => ({
  'data.pkl': data,
  'data/0': six,
  'code/__torch__.py': utf8(code),
  'constants.pkl': pickle(tuple()),
  version: utf8('3\n'),
});

const meta = {
  dtype: 7,
  sizes: [{ as_int: 2 }, { as_int: 3 }],
  requires_grad: false,
  device: { type: 'cpu', index: null },
  strides: [{ as_int: 3 }, { as_int: 1 }],
  storage_offset: { as_int: 0 },
  layout: 7,
};
const x = { as_tensor: { name: 'x' } };
const y = { as_tensor: { name: 'y' } };

/** What the cases change in the JSON of a program. */
export interface Program {
  readonly graph_module: {
    readonly graph: {
      readonly nodes: readonly { target: string; readonly inputs: readonly { arg: unknown }[] }[];
      readonly tensor_values: Readonly<Record<string, Record<string, unknown>>>;
    };
  };
  schema_version: unknown;
}

const json = {
  graph_module: {
    graph: {
      inputs: [x],
      outputs: [y],
      nodes: [
        {
          target: 'torch.ops.aten.relu.default',
          inputs: [{ name: 'self', arg: x, kind: 1 }],
          outputs: [y],
          metadata: {},
          is_hop_single_tensor_return: null,
        },
      ],
      tensor_values: { x: meta, y: meta },
      sym_int_values: {},
      sym_bool_values: {},
      is_single_tensor_return: false,
      custom_obj_values: {},
    },
    signature: {
      input_specs: [{ user_input: { arg: x } }],
      output_specs: [{ user_output: { arg: y } }],
    },
    module_call_graph: [],
    metadata: {},
  },
  opset_version: { aten: 10 },
  range_constraints: {},
  schema_version: { major: 8, minor: 8 },
  verifiers: [],
  torch_version: '2.8.0',
};

/** The JSON of a program that gives its input, float32[2, 3], through relu. */
export const program = (): Program => structuredClone(json);

/** A `.pt2` archive of PyTorch 2.8, its program given as JSON text. */
export const programEntries = (json: string | Piece = JSON.stringify(program()), more: Entries = {}): Entries => ({
  archive_format: utf8('pt2'),
  'models/model.json': typeof json === 'string' ? utf8(json) : json,
  byteorder: utf8('little'),
  ...more,
});

/** A `.pt2` archive as PyTorch 2.1 to 2.7 wrote it, its state dict a checkpoint inside. */
export const flatProgram = (state: Piece): Piece =>
  zip([
    { name: 'serialized_exported_program.json', data: utf8(JSON.stringify(program())) },
    { name: 'serialized_state_dict.pt', data: state },
    { name: 'serialized_constants.pt', data: none },
  ]);

/** What reading a scripted program says of the input that it does not state the type of. */
export const guess: Expected = warns(
  'E3009',
  'TorchScript does not say the type of x; it is taken for float32[*]',
  undefined,
  undefined,
  'Save a traced program, or check the type.',
);
