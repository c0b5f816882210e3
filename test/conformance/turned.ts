// A model whose operators can save transposes by being turned: every tensor of its signature comes through two transposes that undo each
// other, with something between them that no layout flows through.
import { Copy } from '../../src/edit/copy.ts';
import { layout } from '../../src/edit/layout.ts';
import { type Graph, type Model, Node, type Output, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';

/** The first opset with sequences. */
const firstWithSequences = 11;

/** The model after the layout pass has found such transposes around it; as it is where its opset has no sequences. */
export function turned(model: Model): Model {
  if ((model.opsets.get('') ?? 1) < firstWithSequences || model.functions.length > 0) return layout(model);
  return layout(new Surrounded(model.graph).model(model));
}

/** The last axis first, and back. */
const perms = (rank: number): readonly (readonly number[])[] => {
  const axes = Array.from({ length: rank }, (_, i) => i);
  return [
    [rank - 1, ...axes.slice(0, -1)],
    [...axes.slice(1), 0],
  ];
};

/** Element types that sequences hold. */
const inSequences = /^(float(16|32|64)|u?int(8|16|32|64)|bool|string)$/;

function around(x: Value, nodes: Node[]): Value {
  const rank = x.shape?.length;
  if (rank === undefined || rank < 2 || !inSequences.test(x.element!)) return x;
  const apply = (op: string, inputs: readonly Value[], attributes: Readonly<Record<string, readonly number[]>> = {}): Value => {
    const map = new Map(Object.entries(attributes).map(([name, value]) => [name, { kind: 'ints', value } as const]));
    const node = new Node({ op, inputs, attributes: map }, [{ name: `${x.name}_${nodes.length}` }]);
    nodes.push(node);
    return node.outputs[0]!;
  };
  const [there, back] = perms(rank);
  const zero = new Value('zero', undefined, { tensor: new Tensor('int64', [0], []) });
  const moved = apply('Transpose', [x], { perm: there! });
  return apply('Transpose', [apply('SequenceAt', [apply('SequenceConstruct', [moved]), zero])], { perm: back! });
}

class Surrounded extends Copy {
  readonly #graph: Graph;
  readonly #before: Node[] = [];
  readonly #after: Node[] = [];

  constructor(graph: Graph) {
    super();
    this.#graph = graph;
  }

  override graph(graph: Graph): Graph {
    const made = super.graph(graph);
    if (graph === this.#graph) made.nodes = [...this.#before, ...made.nodes, ...this.#after];
    return made;
  }
  override input(v: Value): Value {
    const copy = super.input(v);
    if (this.#graph.inputs.includes(v) && !v.tensor) this.values.set(v, around(copy, this.#before));
    return copy;
  }
  override output(output: Output): Output {
    const copy = super.output(output);
    return this.#graph.outputs.includes(output) ? { ...copy, value: around(copy.value, this.#after) } : copy;
  }
}
