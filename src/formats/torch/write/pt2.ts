// Programs as `.pt2` archives, as `torch.export.load` reads them.
// Source: PyTorch, torch/export/pt2_archive/_package.py and torch/_export/serde/schema.py (schema 8.20).
import { type Json, type JsonObject, writeJson } from '../../../codec/json.ts';
import type { ZipInput } from '../../../codec/zip-write.ts';
import { type Dim, mulDims, type SymbolicDim, symbolsOf } from '../../../ir/dims.ts';
import type { TensorType } from '../../../ir/types.ts';
import { contiguousStrides } from '../../../kernels/kernel.ts';
import { codeOfElement } from '../sizes.ts';
import { givenTo, isAten, isHigherOrder } from './given.ts';
import { metadataOf } from './origin.ts';
import { type Arg, type Call, GraphArg, Ref, type State, type TorchProgram, TypeArg } from './program.ts';

/** What the archive holds, in its order; `root` is the folder in it. Weights are read when they are written. */
export function programEntries(program: TorchProgram, root: string): readonly ZipInput[] {
  const entry = (name: string, data: ZipInput['data']): ZipInput => ({ name: `${root}/${name}`, data, align: 64 });
  const text = (name: string, value: string): ZipInput => entry(name, new TextEncoder().encode(value));
  // The cast: tensors of texts do not come here.
  const records = (state: readonly State[], name: string): ZipInput[] =>
    state.map((s, i) => entry(`${name}_${i}`, s.tensor.content as ZipInput['data']));
  const weights = program.state.filter(s => s.kind !== 'constant');
  const constants = program.state.filter(s => s.kind === 'constant');
  return [
    text('archive_format', 'pt2'),
    text('models/model.json', writeJson(new Printer(program).model())),
    ...records(weights, 'data/weights/weight'),
    text('data/weights/model_weights_config.json', writeJson(payloads(weights, 'weight'))),
    ...records(constants, 'data/constants/tensor'),
    text('data/constants/model_constants_config.json', writeJson(payloads(constants, 'tensor'))),
    { name: `${root}/data/sample_inputs/model.pt`, data: new Uint8Array(0) },
    text('archive_version', '0'),
    text('.data/version', '6\n'),
    text('byteorder', 'little'),
  ];
}

const payloads = (state: readonly State[], record: string): Json => ({
  config: Object.fromEntries(
    state.map((s, i) => [
      s.name,
      {
        path_name: `${record}_${i}`,
        is_param: s.kind === 'parameter',
        use_pickle: false,
        tensor_meta: new Sizes().meta(s.ref.type!, s.kind === 'parameter'),
      },
    ]),
  ),
});

const leaf = { type: null, context: null, children_spec: [] };
const tuple = (children: readonly Json[]): Json => ({ type: 'builtins.tuple', context: 'null', children_spec: children });
/** Trees of arguments are texts in the text. */
const spec = (tree: Json): string => writeJson([1, tree]);

/** Sizes as SymPy expressions in the names of the inputs' sizes; what they do not decide is a symbol of its own. */
class Sizes {
  readonly #given: ReadonlySet<string>;
  readonly symbols = new Set<string>();
  readonly #names = new Map<string, string>();
  #fresh = 0;

  /** @param inputs whose sizes have names */
  constructor(inputs: readonly Ref[] = []) {
    this.#given = new Set(inputs.flatMap(ref => (ref.type?.shape ?? []).flatMap(d => [...symbolsOf(d)])));
  }

  isGiven(d: Dim): boolean {
    return [...symbolsOf(d)].every(name => this.#given.has(name));
  }

  size(d: Dim): Json {
    if (!this.isGiven(d)) return this.unknown();
    return typeof d === 'number' ? { as_int: d } : { as_expr: { expr_str: this.#text(d), hint: null } };
  }

  meta({ element, shape = [] }: TensorType, requiresGrad = false): JsonObject {
    const strides = contiguousStrides<Dim>(shape, mulDims, 1);
    return {
      dtype: codeOfElement(element),
      sizes: shape.map(d => this.size(d)),
      requires_grad: requiresGrad,
      device: { type: 'cpu', index: null },
      strides: strides.map(d => this.size(d)),
      storage_offset: { as_int: 0 },
      layout: 7,
    };
  }

  /** A number of which nothing is known. */
  unknown(): Json {
    return { as_expr: { expr_str: this.#symbol(`run_${this.#fresh++}`), hint: null } };
  }

  #text(d: Dim): string {
    if (typeof d === 'number') return `Integer(${d})`;
    const terms = d.terms.map(t => {
      const factors = [...(t.factor === 1 ? [] : [`Integer(${t.factor})`]), ...t.atoms.map(atom => this.#atom(atom))];
      return factors.length === 1 ? factors[0]! : `Mul(${factors.join(', ')})`;
    });
    if (d.constant !== 0) terms.unshift(`Integer(${d.constant})`);
    return terms.length === 1 ? terms[0]! : `Add(${terms.join(', ')})`;
  }

  #atom(atom: SymbolicDim['terms'][number]['atoms'][number]): string {
    if (atom.kind === 'symbol') return this.#symbol(this.#named(atom.key));
    return `${functions[atom.kind]}(${this.#text(atom.a)}, ${this.#text(atom.b)})`;
  }

  /** Names of sizes as identifiers, none like those that PyTorch gives to numbers of the run. */
  #named(key: string): string {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const clean = key.startsWith('?') ? `d${this.#names.size}` : key.replace(/\W/g, '_').replace(/^(?=[\duz])/, 's_');
    const taken = new Set(this.#names.values());
    let name = clean;
    while (taken.has(name)) name += '_';
    this.#names.set(key, name);
    return name;
  }

  #symbol(name: string): string {
    this.symbols.add(name);
    return `Symbol('${name}', integer=True)`;
  }
}

const functions = { floordiv: 'FloorDiv', mod: 'Mod', max: 'Max', min: 'Min' } as const;

class Printer {
  readonly #program: TorchProgram;
  readonly #sizes: Sizes;
  constructor(program: TorchProgram) {
    this.#program = program;
    this.#sizes = new Sizes(program.inputs.map(i => i.ref));
  }

  model(): Json {
    const { state, inputs, outputs, calls } = this.#program;
    const refs = [...state.map(s => s.ref), ...inputs.map(i => i.ref)];
    const parameters = new Set(state.filter(s => s.kind === 'parameter').map(s => s.ref));
    const graph = this.#graph(
      refs,
      calls,
      outputs.map(o => o.ref),
      parameters,
    );
    const signature = {
      input_specs: [...state.map(stateSpec), ...inputs.map(i => ({ user_input: { arg: tensorArg(i.ref) } }))],
      output_specs: outputs.map(o => ({ user_output: { arg: tensorArg(o.ref) } })),
    };
    const entry = {
      fqn: '',
      signature: {
        inputs: [],
        outputs: [],
        in_spec: spec(tuple([tuple(inputs.map(() => leaf)), { type: 'builtins.dict', context: '[]', children_spec: [] }])),
        out_spec: spec(tuple(outputs.map(() => leaf))),
        forward_arg_names: inputs.map(i => i.ref.name),
      },
    };
    return {
      graph_module: { graph, signature, module_call_graph: [entry], metadata: {}, treespec_namedtuple_fields: {} },
      opset_version: { aten: 10 },
      range_constraints: Object.fromEntries([...this.#sizes.symbols].map(name => [name, { min_val: 0, max_val: null }])),
      schema_version: { major: 8, minor: 20 },
      verifiers: ['TRAINING'],
      torch_version: '2.15.0',
      guards_code: [],
    };
  }

  #graph(inputs: readonly Ref[], calls: readonly Call[], outputs: readonly Ref[], parameters: ReadonlySet<Ref> = new Set()): JsonObject {
    const made = calls.flatMap(c => c.outputs);
    const tensors = [...inputs, ...made].filter(ref => ref.type);
    const numbers = made.filter(ref => !ref.type);
    return {
      inputs: inputs.map(tensorArg),
      outputs: outputs.map(tensorArg),
      nodes: calls.map(c => this.#node(c)),
      tensor_values: Object.fromEntries(tensors.map(ref => [ref.name, this.#sizes.meta(ref.type!, parameters.has(ref))])),
      sym_int_values: Object.fromEntries(numbers.map(ref => [ref.name, this.#number(ref)])),
      sym_bool_values: {},
      is_single_tensor_return: false,
      custom_obj_values: {},
      sym_float_values: {},
    };
  }

  #number({ size }: Ref): Json {
    return size === undefined || !this.#sizes.isGiven(size) ? this.#sizes.unknown() : this.#sizes.size(size);
  }

  #node(call: Call): Json {
    const { name, target, outputs, isList } = call;
    const given = givenTo(call).map(({ name, type, arg, isKeyword }) => ({
      name,
      arg: this.#argument(arg, type),
      kind: isKeyword ? 2 : 1,
    }));
    const results = outputs.map(ref => (ref.type ? tensorArg(ref) : { as_sym_int: { as_name: ref.name } }));
    return {
      target: isAten(target) || isHigherOrder(target) ? `torch.ops.${target}` : target,
      inputs: given,
      outputs: isList ? [{ as_tensors: outputs.map(ref => ({ name: ref.name })) }] : results,
      metadata: metadataOf(call),
      is_hop_single_tensor_return: isHigherOrder(target) ? false : null,
      name,
    };
  }

  #argument(arg: Arg, type: string): Json {
    if (!(arg instanceof GraphArg)) return argument(arg, type);
    return {
      as_graph: { name: arg.name, graph: { ...this.#graph(arg.inputs, arg.calls, arg.outputs), is_single_tensor_return: arg.isSingle } },
    };
  }
}

const tensorArg = (ref: Ref): JsonObject => ({ as_tensor: { name: ref.name } });

const stateSpec = ({ ref, name, kind }: State): Json =>
  kind === 'parameter'
    ? { parameter: { arg: { name: ref.name }, parameter_name: name } }
    : { buffer: { arg: { name: ref.name }, buffer_name: name, persistent: kind === 'buffer' } };

/** An argument of a type of the schemas. */
function argument(arg: Exclude<Arg, GraphArg>, schemaType: string): Json {
  const type = schemaType.replace(/\?$/, '');
  if (arg === null) return { as_none: true };
  if (arg instanceof Ref) return arg.type ? tensorArg(arg) : { as_sym_int: { as_name: arg.name } };
  if (arg instanceof TypeArg) return { as_scalar_type: codeOfElement(arg.type) };
  if (typeof arg === 'string') return { as_string: arg };
  if (typeof arg === 'boolean') return { as_bool: arg };
  if (typeof arg === 'bigint') return { as_int: arg };
  if (typeof arg === 'number') return type === 'float' || !Number.isInteger(arg) ? { as_float: arg } : { as_int: arg };
  return list(arg as readonly Arg[], type);
}

function list(items: readonly Arg[], type: string): Json {
  if (type.startsWith('Tensor?')) return { as_optional_tensors: items.map(x => (x instanceof Ref ? tensorArg(x) : { as_none: true })) };
  if (type.startsWith('Tensor')) return { as_tensors: items.map(x => ({ name: (x as Ref).name })) };
  if (type.startsWith('float')) return { as_floats: items as readonly number[] };
  if (type.startsWith('bool')) return { as_bools: items as readonly boolean[] };
  if (items.every(x => typeof x === 'number')) return { as_ints: items };
  return { as_sym_ints: items.map(x => (x instanceof Ref ? { as_name: x.name } : { as_int: x as number })) };
}
