// Programs as Python: a class a module, with a line a call. Nothing of a model comes into the text but as a literal or as an identifier made
// of its name.
import { type Call, GraphArg, Ref, type State, type TorchProgram } from '../program.ts';
import { dtypeText, isAttribute, Lines, Names, stringText } from '../python.ts';
import { StateTree } from '../state-tree.ts';
import { expressionOf } from './expressions.ts';
import { literalsOf } from './literals.ts';
import { isPart, type Part, partsOf } from './parts.ts';
import { controlFlow, imports, judge, loadWeights } from './preamble.ts';

/** The text of `model.py`; `title` says what the model is. */
export function moduleSource(program: TorchProgram, title: string): string {
  const { literals, rest } = literalsOf(program);
  const tree = StateTree.of(rest);
  const root = partsOf(program, tree, new Set(literals.keys()));
  const classes = new Classes({ ...program, state: rest }, tree, literals);
  const model = classes.model(root);
  const targets = new Set(allCalls(program.calls).map(c => c.target));
  const helpers = (Object.keys(controlFlow) as (keyof typeof controlFlow)[]).filter(name => targets.has(targetOf[name]));
  const usage = 'python model.py runs the module on the stored inputs and compares with the stored outputs';
  return [`${stringText(`${title}; ${usage}.`)}\n${imports(helpers)}`, ...classes.texts, model, judge].join('\n\n');
}

const targetOf = { branch: 'higher_order.cond', loop: 'higher_order.while_loop' } as const;

function allCalls(calls: readonly Call[]): Call[] {
  const graphs = (call: Call): GraphArg[] => call.args.filter(arg => arg instanceof GraphArg);
  return calls.flatMap(call => [call, ...graphs(call).flatMap(graph => allCalls(graph.calls))]);
}

/** Names in the file that no local name may hide. */
const globals = ['Model', 'torch', 'F', 'nn', 'json', 'sys', 'Path', 'HERE', 'DTYPES', 'branch', 'loop', 'while_loop', 'float', 'super'];
/** Most modules that stand for places in a list that nothing is at. */
const mostGaps = 64;

class Classes {
  readonly texts: string[] = [];
  readonly #literals: ReadonlyMap<Ref, string>;
  readonly #program: TorchProgram;
  readonly #tree: StateTree;
  readonly #lists: ReadonlySet<StateTree>;
  readonly #names = new Names([...globals, 'read_safetensors', 'references', 'difference', 'main']);
  /** Names of classes by what stands in them. */
  readonly #known = new Map<string, string>();

  constructor(program: TorchProgram, tree: StateTree, literals: ReadonlyMap<Ref, string>) {
    this.#literals = literals;
    this.#program = program;
    this.#tree = tree;
    this.#lists = listsIn(tree);
  }

  model(root: Part): string {
    const names = new Map(this.#program.inputs.map(({ ref }) => [ref, ref.name]));
    return this.#text('Model', root, names, loadWeights);
  }

  /** The class of a part, which equal parts share. */
  #classOf(part: Part): string {
    const place = part.path.findLastIndex(name => !/^\d+$/.test(name));
    const wish = `${part.path[place] ?? 'module'}${place < part.path.length - 1 ? '_item' : ''}`;
    const text = this.#text('\0', part, new Map(), []);
    const known = this.#known.get(text);
    if (known) return known;
    const name = this.#names.unique(wish.replace(/(?:^|_+)(\w)/g, (_, letter: string) => letter.toUpperCase()));
    this.#known.set(text, name);
    this.texts.push(text.replace('\0', name));
    return name;
  }

  #text(name: string, part: Part, inputs: ReadonlyMap<Ref, string>, methods: readonly string[]): string {
    const tree = this.#tree.within(part.path);
    const parts = new Map(part.items.filter(isPart).map(p => [p.path.join('.'), p]));
    const lines = new Lines('    ');
    const isList = this.#lists.has(tree);
    lines.block(`class ${name}(nn.Module${isList ? 'List' : ''}):`, () => {
      lines.block('def __init__(self):', () => {
        lines.add(`super().__init__(${isList ? this.#items(tree, parts) : ''})`);
        this.#declare('self', tree, parts, lines);
      });
      lines.add('');
      new Forward({ state: this.#program.state, part, inputs, tree, lists: this.#lists, literals: this.#literals }, lines).write();
      if (methods.length > 0) lines.add('', ...methods);
    });
    return lines.text;
  }

  /** The tensors of a module and the modules in it. */
  #declare(of: string, tree: StateTree, parts: ReadonlyMap<string, Part>, lines: Lines): void {
    for (const [name, state] of tree.state) declareState(of, name, state, lines);
    for (const [name, child] of tree.children) {
      // The items of a list were made with it.
      if (!this.#lists.has(tree)) {
        const made = this.#made(child, parts);
        lines.add(isAttribute(name) ? `${of}.${name} = ${made}` : `${of}.add_module(${stringText(name)}, ${made})`);
      }
      if (!parts.has(child.path.join('.'))) this.#declare(within(of, name, tree, this.#lists), child, parts, lines);
    }
  }

  #made(tree: StateTree | undefined, parts: ReadonlyMap<string, Part>): string {
    const part = tree && parts.get(tree.path.join('.'));
    if (part) return `${this.#classOf(part)}()`;
    if (!tree) return 'nn.Identity()';
    if (!this.#lists.has(tree)) return 'nn.Module()';
    return `nn.ModuleList(${this.#items(tree, parts)})`;
  }

  /** The items of a list. */
  #items(tree: StateTree, parts: ReadonlyMap<string, Part>): string {
    const items = Array.from({ length: placesOf(tree)! }, (_, i) => this.#made(tree.children.get(String(i)), parts));
    const isSame = items.length > 1 && items.every(item => item === items[0]);
    return isSame ? `${items[0]} for _ in range(${items.length})` : `[${items.join(', ')}]`;
  }
}

/** How many places a list of modules has; undefined for what is none. */
function placesOf(tree: StateTree): number | undefined {
  const numbers = [...tree.children.keys()].map(name => (/^(?:0|[1-9]\d{0,5})$/.test(name) ? Number(name) : Number.NaN));
  const places = Math.max(...numbers) + 1;
  return numbers.length > 0 && places - numbers.length <= mostGaps ? places : undefined;
}

function declareState(of: string, name: string, { tensor, kind }: State, lines: Lines): void {
  const dtype = tensor.type === 'float32' ? '' : `, dtype=${dtypeText(tensor.type)}`;
  const empty = `torch.empty(${tensor.dims.length === 0 ? '()' : tensor.dims.join(', ')}${dtype})`;
  if (kind !== 'parameter') lines.add(`${of}.register_buffer(${stringText(name)}, ${empty})`);
  else if (isAttribute(name)) lines.add(`${of}.${name} = nn.Parameter(${empty})`);
  else lines.add(`${of}.register_parameter(${stringText(name)}, nn.Parameter(${empty}))`);
}

/** A tensor or a module in the module `tree`, which is called `of`. */
function within(of: string, name: string, tree: StateTree, lists: ReadonlySet<StateTree>): string {
  if (isAttribute(name)) return `${of}.${name}`;
  return lists.has(tree) && tree.children.has(name) ? `${of}[${name}]` : `getattr(${of}, ${stringText(name)})`;
}

/** What is at a path below the module `tree`. */
function below(path: readonly string[], tree: StateTree, lists: ReadonlySet<StateTree>): string {
  let [text, at] = ['self', tree];
  for (const step of path) {
    text = within(text, step, at, lists);
    at = at.children.get(step) ?? at;
  }
  return text;
}

/** Modules whose children are called by their places. */
function listsIn(tree: StateTree): ReadonlySet<StateTree> {
  const lists = new Set<StateTree>();
  const visit = (at: StateTree): void => {
    if (placesOf(at)) lists.add(at);
    for (const child of at.children.values()) visit(child);
  };
  visit(tree);
  return lists;
}

/** What a method is written from; `inputs` names those that have names. */
interface Method {
  readonly state: readonly State[];
  readonly part: Part;
  readonly inputs: ReadonlyMap<Ref, string>;
  readonly tree: StateTree;
  readonly lists: ReadonlySet<StateTree>;
  readonly literals: ReadonlyMap<Ref, string>;
}

/** The method that makes the calls of a part. */
class Forward {
  readonly #part: Part;
  readonly #tree: StateTree;
  readonly #lists: ReadonlySet<StateTree>;
  readonly #lines: Lines;
  readonly #names = new Names(['self', ...globals]);
  readonly #texts = new Map<Ref, string>();

  constructor({ state, part, inputs, tree, lists, literals }: Method, lines: Lines) {
    this.#part = part;
    this.#tree = tree;
    this.#lists = lists;
    this.#lines = lines;
    for (const [ref, text] of literals) this.#texts.set(ref, text);
    const named = new Map(state.map(s => [s.ref, s.kind === 'constant' ? 'constant' : s.ref.name]));
    for (const ref of part.inputs) this.#name(ref, inputs.get(ref) ?? named.get(ref) ?? 'x');
    for (const { ref, name } of state) {
      const path = name.split('.');
      const isOwn = part.path.every((p, i) => path[i] === p);
      if (isOwn && !this.#texts.has(ref)) this.#texts.set(ref, below(path.slice(part.path.length), tree, lists));
    }
  }

  write(): void {
    const { inputs, outputs, items } = this.#part;
    this.#lines.block(`def forward(${['self', ...inputs.map(ref => this.#of(ref))].join(', ')}):`, () => {
      for (const item of items) {
        if (isPart(item)) this.#run(item);
        else this.#call(item);
      }
      this.#lines.add(`return ${outputs.map(ref => this.#of(ref)).join(', ') || 'None'}`);
    });
  }

  /** Names are those of what is called, counted anew in every method, so that equal modules have equal texts. */
  #name(ref: Ref, wish = ref.name.replace(/_\d+$/, '')): string {
    const name = this.#names.unique(wish);
    this.#texts.set(ref, name);
    return name;
  }
  readonly #of = (ref: Ref): string => this.#texts.get(ref)!;

  #run(part: Part): void {
    const called = below(part.path.slice(this.#part.path.length), this.#tree, this.#lists);
    const args = part.inputs.map(this.#of).join(', ');
    this.#lines.add(`${part.outputs.map(ref => this.#name(ref)).join(', ')} = ${called}(${args})`);
  }

  #call(call: Call): void {
    const said = this.#said(call);
    const names = call.outputs.map(ref => this.#name(ref));
    const isTuple = call.isList || names.length > 1 || call.target.startsWith('higher_order.');
    this.#lines.add(`${names.join(', ')}${isTuple && names.length === 1 ? ',' : ''} = ${said}`);
  }

  #said(call: Call): string {
    if (!call.target.startsWith('higher_order.')) return expressionOf(call, this.#of);
    const name = call.target === 'higher_order.cond' ? 'branch' : 'loop';
    const args = call.args.map(arg => {
      if (arg instanceof GraphArg) return this.#graph(arg);
      return arg instanceof Ref ? this.#of(arg) : `(${(arg as readonly Ref[]).map(ref => `${this.#of(ref)}, `).join('')})`;
    });
    return `${name}(${args.join(', ')})`;
  }

  /** A function in the method; its name. */
  #graph(graph: GraphArg): string {
    const name = this.#names.unique(graph.name);
    const inputs = graph.inputs.map(ref => this.#name(ref));
    this.#lines.block(`def ${name}(${inputs.join(', ')}):`, () => {
      for (const call of graph.calls) this.#call(call);
      const made = graph.outputs.map(this.#of);
      this.#lines.add(`return ${graph.isSingle ? made[0] : `(${made.map(m => `${m}, `).join('')})`}`);
    });
    return name;
  }
}
