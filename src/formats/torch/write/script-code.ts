// Programs as text of TorchScript: a class a module, and a method that makes the calls, with `if` and `while` for graphs in them.
// The text names no overloads: PyTorch finds them by the arguments, which say their types.
import { type DataType, isFloat } from '../../../ir/types.ts';
import { codeOfElement } from '../script/overloads.ts';
import { type Given, givenTo } from './given.ts';
import { type Arg, type Call, type GraphArg, Ref, type State, type TorchProgram, TypeArg } from './program.ts';
import { floatText, isAttribute, Lines, Names, scriptStringText as quoted } from './python.ts';
import { StateTree } from './state-tree.ts';

export interface ScriptCode {
  readonly text: string;
  /** The name of the class of a module. */
  readonly classOf: ReadonlyMap<StateTree, string>;
  readonly tree: StateTree;
  /** What the text calls `CONSTANTS.c0` and so on. */
  readonly constants: readonly State[];
}

/** Archives have no tensors of these types: they lie there as the signed integers of the same bits, and the code converts them. */
const signed: Readonly<Partial<Record<DataType, DataType>>> = { uint16: 'int16', uint32: 'int32', uint64: 'int64' };
export const storedElement = (type: DataType): DataType => signed[type] ?? type;

/** The tensors that the code calls `CONSTANTS.c0` and so on. */
export const scriptConstants = (program: TorchProgram): readonly State[] => program.state.filter(s => s.kind === 'constant');

export function scriptCode(program: TorchProgram): ScriptCode {
  const constants = scriptConstants(program);
  const tree = StateTree.of(program.state.filter(s => s.kind !== 'constant'));
  const classOf = new Map<StateTree, string>();
  const names = new Names(['Module', 'Tensor', 'CONSTANTS', 'List', 'Optional', 'Tuple']);
  const nameAll = (module: StateTree): void => {
    classOf.set(module, names.unique(['Model', ...module.path].join('_')));
    for (const child of module.children.values()) nameAll(child);
  };
  nameAll(tree);
  const lines = new Lines('  ');
  const write = (module: StateTree): void => {
    for (const child of module.children.values()) write(child);
    lines.block(`class ${classOf.get(module)}(Module):`, () => {
      declare(module, classOf, lines);
      if (module === tree) new Method(program, constants, lines).write(classOf.get(tree)!);
    });
  };
  write(tree);
  return { text: lines.text, classOf, tree, constants };
}

/** The attributes of a class. */
function declare(module: StateTree, classOf: ReadonlyMap<StateTree, string>, lines: Lines): void {
  const named = (kind: State['kind']): string =>
    [...module.state].flatMap(([name, s]) => (s.kind === kind ? [`${quoted(name)}, `] : [])).join('');
  const attribute = (name: string, type: string): void =>
    lines.add(isAttribute(name) ? `${name} : ${type}` : `__annotations__[${quoted(name)}] = ${type}`);
  lines.add(`__parameters__ = [${named('parameter')}]`, `__buffers__ = [${named('buffer')}]`);
  for (const name of module.state.keys()) attribute(name, 'Tensor');
  attribute('training', 'bool');
  for (const [name, child] of module.children) attribute(name, `__torch__.${classOf.get(child)}`);
}

const within = (of: string, name: string): string => (isAttribute(name) ? `${of}.${name}` : `getattr(${of}, ${quoted(name)})`);

/** What calls are that are none of ATen's on tensors. */
const onNumbers: Readonly<Record<string, string | undefined>> = {
  'aten.sym_size.int': 'torch.size',
  'aten.sym_numel.default': 'torch.numel',
  '_operator.add': 'torch.add',
  '_operator.mul': 'torch.mul',
  '_operator.floordiv': 'torch.floordiv',
  '_operator.mod': 'torch.remainder',
  'torch.sym_max': 'ops.prim.max',
  'torch.sym_min': 'ops.prim.min',
};

class Method {
  readonly #program: TorchProgram;
  readonly #lines: Lines;
  readonly #names = new Names([
    'CONSTANTS',
    'Tensor',
    'List',
    'Optional',
    'ops',
    'inf',
    'nan',
    'int',
    'float',
    'bool',
    'annotate',
    'getattr',
  ]);
  /** What refs are called now: what a loop computes is made once more at its end. */
  readonly #texts = new Map<Ref, string>();

  constructor(program: TorchProgram, constants: readonly State[], lines: Lines) {
    this.#program = program;
    this.#lines = lines;
    const add = ({ ref, tensor }: State, text: string): void => {
      this.#texts.set(ref, tensor.type in signed ? `torch.to(${text}, ${codeOfElement(tensor.type)})` : text);
    };
    for (const s of program.state) add(s, s.name.split('.').reduce(within, 'self'));
    for (const [i, s] of constants.entries()) add(s, `CONSTANTS.c${i}`);
  }

  write(className: string): void {
    const { inputs, outputs, calls } = this.#program;
    const parameters = inputs.map(({ ref }) => `${this.#name(ref)}: Tensor`);
    const result = outputs.length === 1 ? 'Tensor' : `Tuple[${outputs.map(() => 'Tensor').join(', ')}]`;
    this.#lines.block(`def forward(self: __torch__.${className}${parameters.map(p => `, ${p}`).join('')}) -> ${result}:`, () => {
      for (const call of calls) this.#call(call);
      const made = outputs.map(o => this.#of(o.ref));
      this.#lines.add(`return ${made.length === 1 ? made[0] : `(${made.map(m => `${m}, `).join('')})`}`);
    });
  }

  #name(ref: Ref): string {
    const name = this.#names.unique(ref.name);
    this.#texts.set(ref, name);
    return name;
  }
  #of(ref: Ref): string {
    return this.#texts.get(ref)!;
  }

  #call(call: Call): void {
    if (call.target === 'higher_order.cond') this.#branch(call);
    else if (call.target === 'higher_order.while_loop') this.#loop(call);
    else {
      const said = this.#said(call);
      const names = call.outputs.map(ref => this.#name(ref));
      this.#lines.add(`${call.isList || names.length > 1 ? names.map(n => `${n}, `).join('') : `${names[0]} `}= ${said}`);
    }
  }

  #said(call: Call): string {
    const { target, args } = call;
    if (target === 'aten.item.default') {
      const [of] = args as readonly Ref[];
      const { element } = of!.type!;
      return `${element === 'bool' ? 'bool' : isFloat(element) ? 'float' : 'int'}(${this.#of(of!)})`;
    }
    const given = givenTo(call).map(g => (g.isKeyword ? `${g.name}=${this.#argument(g)}` : this.#argument(g)));
    return `${onNumbers[target] ?? `torch.${target.split('.')[1]}`}(${given.join(', ')})`;
  }

  #argument({ arg, type }: Pick<Given, 'arg' | 'type'>): string {
    const plain = type.replace(/\?$/, '');
    if (arg === null) return 'None';
    if (arg instanceof Ref) return this.#of(arg);
    if (arg instanceof TypeArg) return String(codeOfElement(arg.type));
    if (typeof arg === 'string') return quoted(arg);
    if (typeof arg === 'bigint') return String(arg);
    // Truths are no numbers there.
    if (typeof arg === 'boolean') return plain === 'Scalar' ? String(Number(arg)) : arg ? 'True' : 'False';
    if (typeof arg === 'number') return plain === 'float' || !Number.isInteger(arg) ? floatText(arg) : String(arg);
    return this.#list(arg as readonly Arg[], plain.replace(/\[\d*\]$/, ''));
  }

  #list(items: readonly Arg[], type: string): string {
    const text = `[${items.map(arg => this.#argument({ arg, type })).join(', ')}]`;
    if (type === 'Tensor?') return `annotate(List[Optional[Tensor]], ${text})`;
    const element = type === 'SymInt' ? 'int' : type;
    return items.length === 0 ? `annotate(List[${element}], [])` : text;
  }

  #assign(names: readonly string[], refs: readonly Ref[]): void {
    if (names.length > 0) this.#lines.add(`${names.join(', ')} = ${refs.map(ref => this.#of(ref)).join(', ')}`);
    else this.#lines.add('pass');
  }
  #bind(inputs: readonly Ref[], given: readonly string[]): void {
    for (const [i, ref] of inputs.entries()) this.#texts.set(ref, given[i]!);
  }

  #branch({ args, outputs }: Call): void {
    const [condition, yes, no, operands] = args as readonly [Ref, GraphArg, GraphArg, readonly Ref[]];
    const given = operands.map(ref => this.#of(ref));
    const test = this.#of(condition);
    const names = outputs.map(ref => this.#name(ref));
    const side = (graph: GraphArg): void => {
      this.#bind(graph.inputs, given);
      for (const call of graph.calls) this.#call(call);
      this.#assign(names, graph.outputs);
    };
    this.#lines.block(`if bool(${test}):`, () => side(yes));
    this.#lines.block('else:', () => side(no));
  }

  #loop({ args, outputs }: Call): void {
    const [test, body, carried, operands] = args as readonly [GraphArg, GraphArg, readonly Ref[], readonly Ref[]];
    const given = operands.map(ref => this.#of(ref));
    const first = carried.map(ref => this.#of(ref));
    const names = outputs.map(ref => this.#name(ref));
    this.#lines.add(`${names.join(', ')} = ${first.join(', ')}`);
    const going = this.#names.unique('going');
    const ask = (): void => {
      this.#bind(test.inputs, [...names, ...given]);
      for (const call of test.calls) this.#call(call);
      this.#lines.add(`${going} = bool(${this.#of(test.outputs[0]!)})`);
    };
    ask();
    this.#lines.block(`while ${going}:`, () => {
      this.#bind(body.inputs, [...names, ...given]);
      for (const call of body.calls) this.#call(call);
      this.#assign(names, body.outputs);
      ask();
    });
  }
}
