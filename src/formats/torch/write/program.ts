// A program of PyTorch calls: what every PyTorch output format writes down. Tensors and numbers by name, in order, nothing nested.
import { addDims, type Dim, floorDivDims, maxDims, minDims, modDims, mulDims, SymbolicDim, symbolsOf } from '../../../ir/dims.ts';
import type { Meta } from '../../../ir/graph.ts';
import type { Tensor } from '../../../ir/tensor.ts';
import type { DataType, TensorType } from '../../../ir/types.ts';

/** A tensor or a number that the program makes or is given. */
export class Ref {
  readonly name: string;
  /** Undefined for a number. */
  readonly type: TensorType | undefined;
  /** What a number is in the sizes of the inputs, where that is known. */
  readonly size: Dim | undefined;
  constructor(name: string, type?: TensorType, size?: Dim) {
    this.name = name;
    this.type = type;
    this.size = size;
  }
}

/** What stands for a sequence while a program is written. */
export class RefList {
  readonly items: readonly Ref[];
  constructor(items: readonly Ref[]) {
    this.items = items;
  }
}

/** An element type as an argument. */
export class TypeArg {
  readonly type: DataType;
  constructor(type: DataType) {
    this.type = type;
  }
}

/** A graph that a call runs, such as a branch. */
export class GraphArg {
  readonly name: string;
  readonly inputs: readonly Ref[];
  readonly calls: readonly Call[];
  readonly outputs: readonly Ref[];
  /** Whether it gives its one output itself, not in a tuple. */
  readonly isSingle: boolean;
  constructor(name: string, inputs: readonly Ref[], calls: readonly Call[], outputs: readonly Ref[], isSingle = false) {
    this.isSingle = isSingle;
    this.name = name;
    this.inputs = inputs;
    this.calls = calls;
    this.outputs = outputs;
  }
}

/** An argument of a call; null is None. */
export type Arg = Ref | TypeArg | GraphArg | number | bigint | boolean | string | null | readonly Arg[];

export interface Call {
  /** That of its one output; its own where it has several. */
  readonly name: string;
  /** As ATen has it, such as `aten.add.Tensor`, or a function of Python on numbers, such as `_operator.mul`. */
  readonly target: string;
  readonly args: readonly Arg[];
  /** By name. */
  readonly kwargs: Readonly<Record<string, Arg>>;
  readonly outputs: readonly Ref[];
  /** Whether the operator gives a list of tensors, which the outputs are. */
  readonly isList: boolean;
  /** Of the node it came from. */
  readonly meta: Meta;
  readonly node: string;
}

/** A tensor that the program owns, by the name under which a module holds it. */
export interface State {
  readonly ref: Ref;
  readonly name: string;
  readonly tensor: Tensor;
  readonly kind: StateKind;
}

/** Training changes parameters. Constants have no name in the model: a state dict leaves them out. */
export type StateKind = 'parameter' | 'buffer' | 'constant';

export interface TorchProgram {
  readonly state: readonly State[];
  readonly inputs: readonly { readonly name: string; readonly ref: Ref }[];
  readonly calls: readonly Call[];
  readonly outputs: readonly { readonly name: string; readonly ref: Ref }[];
}

/** A tensor one of whose sizes has a name, and its axis. */
export interface SizePlace {
  readonly ref: Ref;
  readonly axis: number;
}

/** Where the names of sizes are looked for that the graph's own inputs do not have. */
export interface OuterSizes {
  has(name: string): boolean;
  find(name: string): SizePlace | undefined;
}

export interface CallOptions {
  readonly kwargs?: Readonly<Record<string, Arg>>;
}

/** Makes calls, and names what they give. */
export class ProgramBuilder {
  readonly calls: Call[] = [];
  /** Of the node whose calls are made now. */
  meta: Meta = {};
  node = '';
  readonly #names = new Set<string>();
  /** Where open sizes are found: an input and its axis. */
  readonly #symbols = new Map<string, SizePlace>();
  readonly #sizes = new Map<string, Ref>();
  readonly #outer: OuterSizes | undefined;

  constructor(outer?: OuterSizes) {
    this.#outer = outer;
  }

  /** A name that is an identifier of Python and not taken. */
  unique(wish: string): string {
    const clean = wish.replace(/\W/g, '_').replace(/^(?=\d)/, '_') || 'value';
    let name = reserved.has(clean) ? `${clean}_` : clean;
    for (let i = 1; this.#names.has(name); i++) name = `${clean}_${i}`;
    this.#names.add(name);
    return name;
  }

  /**
   * A name for an argument of a nested graph. PyTorch calls an argument with the name of a builtin of Python, such as `slice`, `slice_1` when it
   * runs the graph, whether another argument is called so or not.
   */
  argument(wish: string): string {
    return this.unique(wish.replace(/_(\d+)$/, '_$1_'));
  }

  /** Say that sizes of an input are found there. */
  declare(ref: Ref): void {
    // Unnamed sizes of inputs are found there too.
    ref.type?.shape?.forEach((d, axis) => {
      const name = symbolOf(d);
      if (name !== undefined && !this.#symbols.has(name)) this.#symbols.set(name, { ref, axis });
    });
  }

  /** Whether the sizes of the inputs decide a size. */
  isGiven(d: Dim): boolean {
    return [...symbolsOf(d)].every(name => this.has(name));
  }
  has(name: string): boolean {
    return this.#symbols.has(name) || (this.#outer?.has(name) ?? false);
  }
  find(name: string): SizePlace | undefined {
    return this.#symbols.get(name) ?? this.#outer?.find(name);
  }

  /** One tensor from an operator. */
  call(target: string, args: readonly Arg[], type: TensorType, { kwargs = {} }: CallOptions = {}): Ref {
    const ref = new Ref(this.unique(nameOf(target)), type);
    this.calls.push({ name: ref.name, target, args, kwargs, outputs: [ref], isList: false, meta: this.meta, node: this.node });
    return ref;
  }

  /** Several tensors from one: a tuple, or a list. */
  several(
    target: string,
    args: readonly Arg[],
    types: readonly TensorType[],
    isList: boolean,
    kwargs: Readonly<Record<string, Arg>> = {},
  ): Ref[] {
    const name = this.unique(nameOf(target));
    const outputs = types.map(type => new Ref(this.unique('getitem'), type));
    this.calls.push({ name, target, args, kwargs, outputs, isList, meta: this.meta, node: this.node });
    return outputs;
  }

  /** A number from an operator. */
  number(target: string, args: readonly Arg[], size?: Dim): Ref {
    const ref = new Ref(this.unique(nameOf(target)), undefined, size);
    this.calls.push({ name: ref.name, target, args, kwargs: {}, outputs: [ref], isList: false, meta: this.meta, node: this.node });
    return ref;
  }

  /**
   * A size as an argument: a number, or what the program computes of the sizes of its inputs.
   * @returns undefined where they do not decide it
   */
  size(d: Dim): number | Ref | undefined {
    if (typeof d === 'number') return d;
    const known = this.#sizes.get(d.key);
    if (known) return known;
    const made = this.#computed(d);
    if (made instanceof Ref) this.#sizes.set(d.key, made);
    return made;
  }

  #computed(d: SymbolicDim): number | Ref | undefined {
    const terms: (number | Ref)[] = [];
    for (const t of d.terms) {
      const atoms = t.atoms.map(atom => this.#atom(atom));
      if (atoms.some(a => a === undefined)) return undefined;
      const factors = [...(t.factor === 1 ? [] : [t.factor]), ...(atoms as (number | Ref)[])];
      terms.push(factors.reduce((a, b) => this.number('_operator.mul', [a, b], both(mulDims, a, b))));
    }
    if (d.constant !== 0) terms.push(d.constant);
    return terms.reduce((a, b) => this.number('_operator.add', [a, b], both(addDims, a, b)));
  }

  #atom(atom: SymbolicDim['terms'][number]['atoms'][number]): number | Ref | undefined {
    if (atom.kind === 'symbol') {
      const known = this.#sizes.get(atom.key);
      if (known) return known;
      const at = this.find(atom.key);
      if (!at) return undefined;
      const ref = this.number('aten.sym_size.int', [at.ref, at.axis], at.ref.type!.shape![at.axis]);
      this.#sizes.set(atom.key, ref);
      return ref;
    }
    const [a, b] = [this.size(atom.a), this.size(atom.b)];
    if (a === undefined || b === undefined) return undefined;
    return this.number(sizeTargets[atom.kind], [a, b], operations[atom.kind](atom.a, atom.b));
  }
}

const sizeTargets = { floordiv: '_operator.floordiv', mod: '_operator.mod', max: 'torch.sym_max', min: 'torch.sym_min' } as const;

const operations = { floordiv: floorDivDims, mod: modDims, max: maxDims, min: minDims } as const;
const both = (combine: (a: Dim, b: Dim) => Dim, a: number | Ref, b: number | Ref): Dim | undefined => {
  const [x, y] = [a, b].map(n => (typeof n === 'number' ? n : n.size));
  return x === undefined || y === undefined ? undefined : combine(x, y);
};

/** The name of a size that is a name and nothing else. */
export function symbolOf(d: Dim): string | undefined {
  if (!(d instanceof SymbolicDim) || d.constant !== 0 || d.terms.length !== 1) return undefined;
  const [t] = d.terms;
  const [atom] = t!.atoms;
  return t!.factor === 1 && t!.atoms.length === 1 && atom!.kind === 'symbol' ? atom!.key : undefined;
}

/** `add` of `aten.add.Tensor`. */
const nameOf = (target: string): string => target.split('.')[1]!;

export const reserved: ReadonlySet<string> = new Set(
  `False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal
not or pass raise return try while with yield self torch math`.split(/\s+/),
);

/** Attributes that every module has. */
export const moduleAttributes: ReadonlySet<string> = new Set(
  `T_destination _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks _forward_hooks_always_called
_forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs _get_backward_hooks _get_backward_pre_hooks _get_name
_is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules
_named_members _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook _register_state_dict_hook
_replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl add_module
append apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extend extra_repr float forward get_buffer
get_extra_state get_parameter get_submodule half insert ipu load_state_dict load_weights modules mtia named_buffers named_children named_modules
named_parameters parameters pop register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
share_memory state_dict to to_empty train training type xpu zero_grad`.split(/\s+/),
);
