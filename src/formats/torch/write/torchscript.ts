// Programs as archives that `torch.jit.load` runs: the text, the objects with the weights, and the types of the inputs.
// Source: PyTorch, torch/csrc/jit/serialization/export_module.cpp and unpickler.cpp.
import { Call, Global, Persistent, type PickleValue, Tuple } from '../../../codec/pickle.ts';
import { writePickle } from '../../../codec/pickle-write.ts';
import { writeZip, type ZipInput } from '../../../codec/zip-write.ts';
import { fail } from '../../../errors.ts';
import { quoted } from '../../../ir/text.ts';
import { type DataType, elementTypes } from '../../../ir/types.ts';
import { contiguousStrides } from '../../../kernels/kernel.ts';
import { storageOf } from '../rebuild.ts';
import type { Ref, State, TorchProgram } from './program.ts';
import { type ScriptCode, scriptCode } from './script-code.ts';
import type { StateTree } from './state-tree.ts';

/** With this version of its operators nothing is read as an older PyTorch meant it. */
const version = '10\n';
/** What an open size is in the example of an input. */
const openSize = 2;
/** Most bytes of examples. */
const mostExample = 2 ** 24;

/** The archive, chunk by chunk; `root` is the folder in it. */
export async function* writeScript(program: TorchProgram, root: string): AsyncGenerator<Uint8Array> {
  const code = scriptCode(program);
  const weights = program.state.filter(s => s.kind !== 'constant');
  const keys = new Map([weights, code.constants].flatMap(list => list.map((s, i) => [s, String(i)] as const)));
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const entries = function* (): Generator<ZipInput> {
    yield { name: `${root}/data.pkl`, data: writePickle(objectOf(code.tree, code, keys)), align: 64 };
    yield { name: `${root}/byteorder`, data: text('little'), align: 64 };
    // The cast: tensors of texts do not come here.
    for (const s of weights) yield { name: `${root}/data/${keys.get(s)}`, data: s.tensor.content as ZipInput['data'], align: 64 };
    yield { name: `${root}/code/__torch__.py`, data: text(code.text), method: 'deflate', align: 64 };
    yield* exampleInputs(
      program.inputs.map(i => i.ref),
      root,
    );
    for (const s of code.constants)
      yield { name: `${root}/constants/${keys.get(s)}`, data: s.tensor.content as ZipInput['data'], align: 64 };
    const constants = new Tuple(code.constants.map(s => tensorOf(s, keys)));
    yield { name: `${root}/constants.pkl`, data: writePickle(constants), align: 64 };
    yield { name: `${root}/version`, data: text(version), align: 64 };
  };
  yield* writeZip(entries());
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

const tensorOf = (s: State, keys: Keys): Call => rebuilt(s.name, s.tensor.type, s.tensor.dims, keys.get(s)!, s.kind === 'parameter');

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
function* exampleInputs(inputs: readonly Ref[], root: string): Generator<ZipInput> {
  const dims = inputs.map(({ type }) => type!.shape?.map(d => (typeof d === 'number' ? d : openSize)));
  const lengths = dims.map((shape, i) => (shape ?? []).reduce((n, d) => n * d, elementTypes[inputs[i]!.type!.element].bits / 8));
  if (!dims.every(shape => shape !== undefined) || lengths.reduce((a, b) => a + b, 0) > mostExample) return;
  const example = inputs.map(({ name, type }, i) => rebuilt(name, type!.element, dims[i]!, String(i), false));
  const method = new Map<PickleValue, PickleValue>([['forward', example]]);
  yield { name: `${root}/traced_inputs.pkl`, data: writePickle(method), align: 64 };
  for (const [i, length] of lengths.entries())
    yield { name: `${root}/traced_inputs/${i}`, data: new Uint8Array(length), method: 'deflate', align: 64 };
}
