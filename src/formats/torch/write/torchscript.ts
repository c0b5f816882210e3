// Programs as archives that `torch.jit.load` runs: the text, the objects with the weights, and the types of the inputs.
// Source: PyTorch, torch/csrc/jit/serialization/export_module.cpp and unpickler.cpp.
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../../codec/pickle.ts';
import { writePickle } from '../../../codec/pickle-write.ts';
import type { ZipInput } from '../../../codec/zip-write.ts';
import { fail } from '../../../errors.ts';
import { quoted } from '../../../ir/text.ts';
import { type DataType, elementTypes } from '../../../ir/types.ts';
import { contiguousStrides } from '../../../kernels/kernel.ts';
import { storageOf } from '../rebuild.ts';
import type { Ref, State, TorchProgram } from './program.ts';
import { type ScriptCode, scriptCode, scriptConstants, storedElement } from './script-code.ts';
import type { StateTree } from './state-tree.ts';

/** With this version of its operators nothing is read as an older PyTorch meant it. */
const version = '10\n';
/** What an open size is in the example of an input. */
const openSize = 2;
/** Most bytes of examples. */
const mostExample = 2 ** 22;

/** What the archive holds, in its order; `root` is the folder in it. Weights are read when they are written. */
export function scriptEntries(program: TorchProgram, root: string): readonly ZipInput[] {
  const code = scriptCode(program);
  const weights = program.state.filter(s => s.kind !== 'constant');
  const keys = new Map([weights, code.constants].flatMap(list => list.map((s, i) => [s, String(i)] as const)));
  const entry = (name: string, data: ZipInput['data']): ZipInput => ({ name: `${root}/${name}`, data, align: 64 });
  const text = (name: string, value: string): ZipInput => entry(name, new TextEncoder().encode(value));
  // The cast: tensors of texts do not come here.
  const records = (state: readonly State[], folder: string): ZipInput[] =>
    state.map(s => entry(`${folder}/${keys.get(s)}`, s.tensor.content as ZipInput['data']));
  return [
    entry('data.pkl', writePickle(objectOf(code.tree, code, keys))),
    text('byteorder', 'little'),
    ...records(weights, 'data'),
    text('code/__torch__.py', code.text),
    ...exampleInputs(program.inputs.map(i => i.ref)).map(({ name, data }) => entry(name, data)),
    ...records(code.constants, 'constants'),
    entry('constants.pkl', writePickle(new Tuple(code.constants.map(s => tensorOf(s, keys))))),
    text('version', version),
  ];
}

/** What each tensor is called in the archive: constants by their place, which is all that the code knows of them. */
export function scriptNames(program: TorchProgram): (s: State) => string {
  const constants = new Map(scriptConstants(program).map((s, i) => [s, `CONSTANTS.c${i}`] as const));
  return s => constants.get(s) ?? s.name;
}

type Keys = ReadonlyMap<State, string>;

/** A module with its tensors and the modules in it. */
function objectOf(tree: StateTree, code: ScriptCode, keys: Keys): Call {
  const object = new Call(new Global(`__torch__.${code.classOf.get(tree)}`, 0), [], true);
  object.state = new Map<PickleValue, PickleValue>([
    ...[...tree.state].map(([name, s]) => [name, tensorOf(s, keys)] as const),
    ['training', false],
    ...[...tree.children].map(([name, child]) => [name, objectOf(child, code, keys)] as const),
  ]);
  return object;
}

const tensorOf = (s: State, keys: Keys): Call =>
  rebuilt(s.name, storedElement(s.tensor.type), s.tensor.dims, keys.get(s)!, s.kind === 'parameter');

function rebuilt(name: string, element: DataType, dims: readonly number[], key: string, requiresGrad: boolean): Call {
  const storage = storageOf(element);
  if (!storage) throw fail('E2002', `${quoted(name)}: TorchScript archives have no ${element} tensors`, { tensor: name });
  const global = (of: string): Global => new Global(of, 0);
  const count = dims.reduce((n, d) => n * d, 1);
  return new Call(global('torch._utils._rebuild_tensor_v2'), [
    new Persistent(new Tuple(['storage', global(storage), key, 'cpu', count])),
    0,
    new Tuple([...dims]),
    new Tuple(contiguousStrides(dims, (a, b) => a * b, 1)),
    requiresGrad,
    new Call(global('collections.OrderedDict'), []),
  ]);
}

/** Examples of the inputs, which say their types to those who read the program without running it: zeros, as far as they are small. */
function exampleInputs(inputs: readonly Ref[]): { readonly name: string; readonly data: Uint8Array }[] {
  const dims = inputs.map(({ type }) => type!.shape?.map(d => (typeof d === 'number' ? d : openSize)));
  const lengths = dims.map((shape, i) => (shape ?? []).reduce((n, d) => n * d, elementTypes[inputs[i]!.type!.element].bits / 8));
  const isKnown = dims.every(shape => shape !== undefined) && inputs.every(({ type }) => storageOf(type!.element));
  if (!isKnown || lengths.reduce((a, b) => a + b, 0) > mostExample) return [];
  const example = inputs.map(({ name, type }, i) => rebuilt(name, type!.element, dims[i]!, String(i), false));
  const method = new Map<PickleValue, PickleValue>([['forward', example]]);
  return [
    { name: 'traced_inputs.pkl', data: writePickle(method) },
    ...lengths.map((length, i) => ({ name: `traced_inputs/${i}`, data: new Uint8Array(length) })),
  ];
}
