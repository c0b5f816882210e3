// From an exported program to a model: its signature here, its nodes by a reader of graphs.
import { type Finding, fail, ModelError, warning } from '../../errors.ts';
import { Graph, type Meta, Model, type Output, type SourceProgram, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { formatType, tensorType } from '../../ir/types.ts';
import { irVersionFor, newestOpset } from '../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../passes/rewrite.ts';
import { simplify } from '../../passes/simplify.ts';
import { Problems } from '../problems.ts';
import { Symbolic } from './aten/row.ts';
import { GraphReader } from './graph-reader.ts';
import type { Cursor } from './json.ts';
import { TensorRef } from './memory.ts';
import type { Archive } from './pt2.ts';
import { State } from './state.ts';

interface ArchiveWeight {
  readonly fqn: string;
  readonly tensor: Tensor;
  readonly isBuffer: boolean;
}

export interface TranslateOptions {
  /** Keep operators without a conversion as nodes of domains of their own. */
  readonly allowCustom?: boolean;
}

export interface Translated {
  readonly model: Model;
  readonly findings: readonly Finding[];
}

/**
 * The model of an archive, in the newest opset.
 * @throws ModelError with one E2001 for each operator that has no conversion, with counts and places
 */
export function translate(archive: Archive, name: string, { allowCustom = false }: TranslateOptions = {}): Translated {
  // Which buffers are written is known at the end; their content must then not have been taken for a constant.
  let program = new Program(archive, allowCustom, new Set());
  let written = program.run();
  if (written.size > 0) {
    program = new Program(archive, allowCustom, written);
    written = program.run();
  }
  const opsets = new Map([['', newestOpset('')!], ...program.domains.map(domain => [domain, 1] as const)]);
  const version = archive.program.find('torch_version');
  const model = new Model(program.graph(name), {
    irVersion: irVersionFor(opsets),
    opsets,
    producer: { name: 'pytorch', version: version?.text },
    meta: { metadata: new Map([['source_format', 'pt2'], ...rangesOf(archive.program)]), program: program.source },
  });
  return { model, findings: program.findings };
}

/** The ranges of named sizes, as metadata of the model: `size.s77` is `2..64`, an open end is left out. */
function rangesOf(program: Cursor): [string, string][] {
  const ranges = program.find('range_constraints');
  return (ranges?.keys ?? []).map(name => {
    const range = ranges!.get(name);
    const end = (key: string): string => String(range.find(key)?.value ?? '');
    return [`size.${name}`, `${end('min_val')}..${end('max_val')}`];
  });
}

class Program {
  readonly findings: Finding[] = [];
  readonly #archive: Archive;
  readonly #reader: GraphReader;
  readonly #problems = new Problems();
  readonly #nodes: Meta[] = [];
  readonly #custom = new Set<string>();
  readonly #state: State;
  readonly #inputs: Value[] = [];
  readonly #userTensors = new Map<string, TensorRef>();
  /** New contents of buffers that the signature names. */
  readonly #mutations = new Map<string, Value>();
  readonly #outputs: Output[] = [];

  constructor(archive: Archive, allowCustom: boolean, state: ReadonlySet<string>) {
    this.#archive = archive;
    this.#state = new State(state);
    const graph = archive.program.get('graph_module').get('graph');
    this.#reader = new GraphReader(graph, {
      problems: this.#problems,
      nodes: this.#nodes,
      custom: allowCustom ? this.#custom : undefined,
      nodeNames: new Set(),
    });
  }

  get domains(): readonly string[] {
    return [...this.#custom];
  }

  /** All nodes, and all weights: those that the program does not take too. */
  get source(): SourceProgram {
    const { sources } = this.#state;
    const taken = new Set(sources.map(w => w.name));
    const others = [...this.#archive.tensors].filter(([name]) => !taken.has(name)).map(([name, { type, dims }]) => ({ name, type, dims }));
    return { nodes: this.#nodes, weights: [...sources, ...others] };
  }

  /** Read the program; the buffers it writes that were not known to be state. */
  run(): ReadonlySet<string> {
    const signature = this.#archive.program.get('graph_module').get('signature');
    this.#readInputs(signature.get('input_specs').items);
    this.#reader.run();
    this.#problems.throwIfAny();
    for (const spec of signature.get('output_specs').items) this.#readOutput(spec);
    return this.#state.newlyWritten(this.#mutations.keys());
  }

  graph(name: string): Graph {
    const outputs = [...this.#outputs, ...this.#state.outputs(this.#reader.b, this.#mutations)];
    const inputs = [...this.#inputs, ...this.#state.inputs];
    for (const [input, ref] of this.#userTensors) if (ref.isWritten) this.#writesInput(input);
    const graph = new Graph(name, { inputs, outputs, nodes: this.#reader.b.nodes });
    removeUnread(graph);
    rewriteAll(graph, [simplify]);
    return graph;
  }

  #readInputs(specs: readonly Cursor[]): void {
    const missing: Finding[] = [];
    for (const spec of specs) {
      const { tag, of } = spec.union();
      if (tag === 'user_input') this.#userInput(of.get('arg'));
      else if (tag === 'constant_input' || tag === 'token') continue;
      else if (tag === 'parameter' || tag === 'buffer' || tag === 'tensor_constant') {
        const fqn = of.get(`${tag}_name`).text;
        const tensor = this.#archive.tensors.get(fqn);
        if (tensor) this.#weight(of.get('arg').get('name').text, { fqn, tensor, isBuffer: tag !== 'parameter' });
        else missing.push(missingWeight(fqn, spec.path));
      } else throw fail('E2002', `${spec.path}: an input of kind ${tag} has no conversion`, { path: spec.path });
    }
    if (missing.length > 0) throw new ModelError(missing);
  }

  #userInput(arg: Cursor): void {
    const { tag, of } = arg.union();
    if (tag === 'as_tensor') {
      const name = of.get('name').text;
      const value = new Value(name, this.#reader.declared(name));
      const ref = TensorRef.of(value);
      this.#inputs.push(value);
      this.#userTensors.set(name, ref);
      this.#reader.bindTensor(name, ref);
    } else if (tag === 'as_sym_int' && of.find('as_name')) {
      const name = of.get('as_name').text;
      const value = new Value(name, tensorType('int64', []));
      const size = this.#reader.declaredSize(name);
      if (size !== undefined) value.contents = [size];
      this.#inputs.push(value);
      this.#reader.bind(name, new Symbolic(this.#reader.b.Reshape(value, [1])));
    } else if (!['as_none', 'as_int', 'as_float', 'as_bool', 'as_string', 'as_sym_int'].includes(tag))
      throw fail('E2002', `${arg.path}: an input of kind ${tag} has no conversion`, { path: arg.path });
  }

  #weight(arg: string, { fqn, tensor, isBuffer }: ArchiveWeight): void {
    const meta = this.#reader.declared(arg);
    if (meta && meta.element !== tensor.type)
      throw fail('E1306', `${fqn}: the program declares ${formatType(meta)}, the archive holds ${tensor.type}[${tensor.dims}]`, {
        tensor: fqn,
      });
    this.#reader.bindTensor(arg, this.#state.add(fqn, tensor, isBuffer));
  }

  #readOutput(spec: Cursor): void {
    const { tag, of } = spec.union();
    const arg = of.get('arg');
    if (tag === 'buffer_mutation' || tag === 'parameter_mutation') {
      const value = (this.#reader.named(arg.get('name').text, spec) as TensorRef).read(this.#reader.b);
      this.#mutations.set(of.get(tag === 'buffer_mutation' ? 'buffer_name' : 'parameter_name').text, value);
    } else if (tag === 'user_output') this.#userOutput(arg);
    else if (tag === 'loss_output') {
      const name = arg.get('name').text;
      this.#output(name, (this.#reader.named(name, spec) as TensorRef).read(this.#reader.b));
    } else if (tag === 'user_input_mutation') {
      this.#writesInput(of.get('user_input_name').text);
    } else if (tag !== 'token') throw fail('E2002', `${spec.path}: an output of kind ${tag} has no conversion`, { path: spec.path });
  }

  #userOutput(arg: Cursor): void {
    const { tag, of } = arg.union();
    if (tag === 'as_none') return;
    const name = tag.startsWith('as_sym') ? of.find('as_name')?.text : tag === 'as_tensor' ? of.get('name').text : undefined;
    const isNumber = ['as_int', 'as_float', 'as_bool', 'as_sym_int', 'as_sym_float', 'as_sym_bool'].includes(tag);
    if (tag !== 'as_tensor' && !isNumber)
      throw fail('E2002', `${arg.path}: an output of kind ${tag} has no conversion`, { path: arg.path });
    this.#output(name ?? `output_${this.#outputs.length}`, this.#reader.value(arg));
  }

  #output(wanted: string, value: Value): void {
    const isTaken = this.#outputs.some(o => o.name === wanted);
    this.#outputs.push({ name: isTaken ? `${wanted}_${this.#outputs.length}` : wanted, value });
  }

  #writesInput(input: string): void {
    this.findings.push(warning('E2006', `the program writes into its input ${input}; the model leaves that as it is`));
  }
}

const missingWeight = (fqn: string, path: string): Finding => ({
  code: 'E1013',
  severity: 'error',
  message: `the archive has no weights for ${fqn}`,
  path,
  tensor: fqn,
});
