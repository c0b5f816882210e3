// Ensembles of trees as flat arrays, made once from the attributes of a node in either of the standard's two layouts, and walked.
import { fail } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { HostContext } from '../row.ts';
import { floatsOf, type Ints, indexIn, requireSameLength, type Table } from './common.ts';

/** Nodes and leaves have numbers of their own; where either may stand, leaf `i` is `~i`. */
export interface Forest {
  readonly roots: Int32Array;
  readonly features: Float64Array;
  readonly modes: Uint8Array;
  readonly splits: Float64Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  /** 1 where a missing value goes to `yes`. */
  readonly missing: Uint8Array;
  readonly members: ReadonlyMap<number, ReadonlySet<number>>;
  /** The votes of leaf `i` are those from `firstVote[i]` to `firstVote[i + 1]`. */
  readonly firstVote: Int32Array;
  readonly voteTargets: Int32Array;
  readonly voteWeights: Float64Array;
  /** Whether splits and weights are float64: sums are rounded to float32 otherwise, unless the input is float64. */
  readonly isWide: boolean;
}

/** Modes in the order of their numbers in TreeEnsemble. */
const modeNames = ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT', 'BRANCH_EQ', 'BRANCH_NEQ', 'BRANCH_MEMBER'] as const;
const member = modeNames.indexOf('BRANCH_MEMBER');
const tests: readonly ((x: number, split: number) => boolean)[] = [
  (x, split) => x <= split,
  (x, split) => x < split,
  (x, split) => x >= split,
  (x, split) => x > split,
  (x, split) => x === split,
  (x, split) => x !== split,
];

/** Attributes that name trees and nodes, of TreeEnsembleClassifier and TreeEnsembleRegressor. */
export interface NamedNodes {
  readonly nodes_falsenodeids?: Ints;
  readonly nodes_featureids?: Ints;
  readonly nodes_missing_value_tracks_true?: Ints;
  readonly nodes_modes?: readonly string[];
  readonly nodes_nodeids?: Ints;
  readonly nodes_treeids?: Ints;
  readonly nodes_truenodeids?: Ints;
  readonly nodes_values?: readonly number[];
  readonly nodes_values_as_tensor?: Tensor;
}

/** What leaves are for: classes or targets. */
export interface NamedVotes {
  readonly ids?: Ints | undefined;
  readonly nodeids?: Ints | undefined;
  readonly treeids?: Ints | undefined;
  readonly weights?: readonly number[] | undefined;
  readonly weightsTensor?: Tensor | undefined;
}

/** Numbers that are given as floats, or as a tensor. */
export const numbersIn = (floats: readonly number[] | undefined, tensor: Tensor | undefined): ArrayLike<number> =>
  floats?.length || !tensor ? (floats ?? []) : floatsOf(tensor);

/**
 * A forest whose nodes name each other, leaves among them.
 * @throws ModelError E1303 for lists of different lengths, names that nothing has, and nodes above themselves
 */
export function forestOfNames(at: NamedNodes, votes: NamedVotes, targets: number): Forest {
  const { nodes_treeids = [], nodes_nodeids = [], nodes_modes = [] } = at;
  const { nodes_featureids = [], nodes_truenodeids = [], nodes_falsenodeids = [] } = at;
  const nodes_values = numbersIn(at.nodes_values, at.nodes_values_as_tensor);
  requireSameLength({ nodes_modes, nodes_treeids, nodes_nodeids, nodes_featureids, nodes_truenodeids, nodes_falsenodeids, nodes_values });
  const tracks = at.nodes_missing_value_tracks_true?.length ? at.nodes_missing_value_tracks_true : undefined;
  requireSameLength({ nodes_modes, nodes_missing_value_tracks_true: tracks });
  const forest = emptyForest(nodes_modes.length, at.nodes_values_as_tensor?.type === 'float64');
  const trees = placesOf(nodes_treeids, nodes_nodeids);
  const isLeaf = (i: number): boolean => nodes_modes[i] === 'LEAF';
  const child = (i: number, id: number | bigint): number => {
    const place = trees.get(BigInt(nodes_treeids[i]!))!.get(BigInt(id));
    if (place === undefined) throw fail('E1303', `tree ${nodes_treeids[i]} has no node ${id}`);
    return isLeaf(place) ? ~place : place;
  };
  for (const [i, mode] of nodes_modes.entries()) {
    forest.missing[i] = Number(tracks?.[i] ?? 0) === 1 ? 1 : 0;
    if (isLeaf(i)) continue;
    setSplit(forest, i, modeNumber(mode), nodes_featureids[i]!, nodes_values[i]!);
    forest.yes[i] = child(i, nodes_truenodeids[i]!);
    forest.no[i] = child(i, nodes_falsenodeids[i]!);
  }
  // The first node that is listed of a tree is its root.
  const roots = Int32Array.from(
    [...trees.values()].map(tree => tree.values().next().value!),
    place => (isLeaf(place) ? ~place : place),
  );
  return requireTrees({ ...forest, roots, ...votesOf(votes, trees, nodes_modes.length, targets) });
}

type Places = ReadonlyMap<bigint, ReadonlyMap<bigint, number>>;

function placesOf(treeids: Ints, nodeids: Ints): Places {
  const trees = new Map<bigint, Map<bigint, number>>();
  for (const [i, treeid] of treeids.entries()) {
    const tree = trees.get(BigInt(treeid)) ?? new Map<bigint, number>();
    trees.set(BigInt(treeid), tree);
    const id = BigInt(nodeids[i]!);
    if (tree.has(id)) throw fail('E1303', `tree ${treeid} has two nodes ${id}`);
    tree.set(id, i);
  }
  return trees;
}

type Votes = Pick<Forest, 'firstVote' | 'voteTargets' | 'voteWeights'>;

/** Votes sorted by their leaves. Those of other nodes never count. */
function votesOf(votes: NamedVotes, trees: Places, leaves: number, targets: number): Votes {
  const { ids = [], nodeids = [], treeids = [] } = votes;
  const weights = numbersIn(votes.weights, votes.weightsTensor);
  requireSameLength({ 'the list of ids': ids, 'that of nodes': nodeids, 'that of trees': treeids, 'that of weights': weights });
  const owners = ids.map((_, i) => {
    const owner = trees.get(BigInt(treeids[i]!))?.get(BigInt(nodeids[i]!));
    if (owner === undefined) throw fail('E1303', `a weight is for node ${nodeids[i]} of tree ${treeids[i]}, which does not exist`);
    return owner;
  });
  const firstVote = new Int32Array(leaves + 1);
  for (const owner of owners) firstVote[owner + 1]!++;
  for (let i = 0; i < leaves; i++) firstVote[i + 1]! += firstVote[i]!;
  const next = firstVote.slice();
  const voteTargets = new Int32Array(ids.length);
  const voteWeights = new Float64Array(ids.length);
  for (const [i, owner] of owners.entries()) {
    const place = next[owner]!++;
    voteTargets[place] = indexIn(ids[i]!, targets, 'the id of a weight');
    voteWeights[place] = weights[i]!;
  }
  return { firstVote, voteTargets, voteWeights };
}

/** Attributes of TreeEnsemble, whose nodes and leaves are numbered. */
export interface NumberedNodes {
  readonly leaf_targetids: Ints;
  readonly leaf_weights: Tensor;
  readonly membership_values?: Tensor;
  readonly nodes_falseleafs: Ints;
  readonly nodes_falsenodeids: Ints;
  readonly nodes_featureids: Ints;
  readonly nodes_missing_value_tracks_true?: Ints;
  readonly nodes_modes: Tensor;
  readonly nodes_splits: Tensor;
  readonly nodes_trueleafs: Ints;
  readonly nodes_truenodeids: Ints;
  readonly tree_roots: Ints;
}

/** The same for a forest whose nodes and leaves are numbered. */
export function forestOfNumbers(at: NumberedNodes, targets: number): Forest {
  const { nodes_featureids, nodes_trueleafs, nodes_truenodeids, nodes_falseleafs, nodes_falsenodeids, leaf_targetids, tree_roots } = at;
  const nodes_modes = floatsOf(at.nodes_modes);
  const nodes_splits = floatsOf(at.nodes_splits);
  const leaf_weights = floatsOf(at.leaf_weights);
  const tracks = at.nodes_missing_value_tracks_true?.length ? at.nodes_missing_value_tracks_true : undefined;
  requireSameLength({
    nodes_modes,
    nodes_splits,
    nodes_featureids,
    nodes_trueleafs,
    nodes_truenodeids,
    nodes_falseleafs,
    nodes_falsenodeids,
  });
  requireSameLength({ nodes_modes, nodes_missing_value_tracks_true: tracks });
  requireSameLength({ leaf_targetids, leaf_weights });
  const forest = emptyForest(nodes_modes.length, at.nodes_splits.type === 'float64');
  const child = (isLeaf: number | bigint, id: number | bigint): number =>
    isLeaf ? ~indexIn(id, leaf_weights.length, 'the number of a leaf') : indexIn(id, nodes_modes.length, 'the number of a node');
  for (const [i, mode] of nodes_modes.entries()) {
    if (!(mode in modeNames)) throw fail('E1303', `there is no mode ${mode}`);
    setSplit(forest, i, mode, nodes_featureids[i]!, nodes_splits[i]!);
    forest.missing[i] = Number(tracks?.[i] ?? 0) === 1 ? 1 : 0;
    forest.yes[i] = child(nodes_trueleafs[i]!, nodes_truenodeids[i]!);
    forest.no[i] = child(nodes_falseleafs[i]!, nodes_falsenodeids[i]!);
  }
  // A node whose two branches are one leaf stands for a tree of that leaf alone.
  const rootAt = (place: number): number => (forest.yes[place]! < 0 && forest.yes[place] === forest.no[place] ? forest.yes[place]! : place);
  return requireTrees({
    ...forest,
    roots: Int32Array.from(tree_roots, root => rootAt(indexIn(root, nodes_modes.length, 'the root of a tree'))),
    members: membersOf(nodes_modes, at.membership_values),
    firstVote: Int32Array.from({ length: leaf_weights.length + 1 }, (_, i) => i),
    voteTargets: Int32Array.from(leaf_targetids, id => indexIn(id, targets, 'the target of a leaf')),
    voteWeights: Float64Array.from(leaf_weights),
  });
}

/** The sets of nodes that test membership, in their order, each ended by a NaN. */
function membersOf(modes: Float32Array | Float64Array, values: Tensor | undefined): ReadonlyMap<number, ReadonlySet<number>> {
  const sets: Set<number>[] = [new Set()];
  for (const value of values ? floatsOf(values) : []) {
    if (Number.isNaN(value)) sets.push(new Set());
    else sets.at(-1)!.add(value);
  }
  // The last NaN may be left out.
  if (sets.at(-1)!.size === 0) sets.pop();
  const nodes = [...modes.keys()].filter(i => modes[i] === member);
  if (nodes.length !== sets.length) throw fail('E1303', `membership_values has ${sets.length} sets for ${nodes.length} nodes`);
  return new Map(nodes.map((node, i) => [node, sets[i]!]));
}

type Nodes = Pick<Forest, 'features' | 'modes' | 'splits' | 'yes' | 'no' | 'missing' | 'members' | 'isWide'>;

const emptyForest = (count: number, isWide: boolean): Nodes => ({
  isWide,
  features: new Float64Array(count),
  modes: new Uint8Array(count),
  splits: new Float64Array(count),
  yes: new Int32Array(count),
  no: new Int32Array(count),
  missing: new Uint8Array(count),
  members: new Map(),
});

function setSplit(forest: Nodes, i: number, mode: number, feature: number | bigint, split: number): void {
  forest.modes[i] = mode;
  forest.features[i] = indexIn(feature, Number.MAX_SAFE_INTEGER, 'the feature of a node');
  forest.splits[i] = split;
}

function modeNumber(name: string): number {
  const mode = (modeNames as readonly string[]).indexOf(name);
  if (mode >= 0 && mode !== member) return mode;
  throw fail('E1303', `there is no mode ${name}`);
}

/** @throws ModelError E1303 where a node is reached from itself: then walks might not end */
function requireTrees(forest: Forest): Forest {
  const { yes, no } = forest;
  const state = new Uint8Array(yes.length);
  for (const root of forest.roots) {
    const open = root < 0 ? [] : [root];
    while (open.length > 0) {
      const node = open.at(-1)!;
      if (state[node] === 2) {
        open.pop();
      } else if (state[node] === 1) {
        state[node] = 2;
        open.pop();
      } else {
        state[node] = 1;
        for (const next of [yes[node]!, no[node]!]) {
          if (next < 0) continue;
          if (state[next] === 1) throw fail('E1303', `node ${next} of a tree is below itself`);
          open.push(next);
        }
      }
    }
  }
  return forest;
}

export type Aggregate = 'SUM' | 'AVERAGE' | 'MIN' | 'MAX';

const aggregates: Readonly<Record<Aggregate, (a: number, b: number) => number>> = {
  SUM: (a, b) => a + b,
  AVERAGE: (a, b) => a + b,
  MIN: (a, b) => Math.min(a, b),
  MAX: (a, b) => Math.max(a, b),
};

/** @throws ModelError E1303 for a name that the standard lacks */
export function aggregateNamed(name: string): Aggregate {
  if (Object.hasOwn(aggregates, name)) return name as Aggregate;
  throw fail('E1303', `there is no aggregate_function ${name}`);
}

/** What a forest says of one example. */
export interface Scores {
  readonly values: Float64Array;
  /** 1 for each target that a leaf voted for. */
  readonly voted: Uint8Array;
}

/** Walk all trees for each row of `x`; `use` gets the scores of a row, which are overwritten by those of the next. */
export function walk(
  forest: Forest,
  x: Table,
  { targets, aggregate }: { readonly targets: number; readonly aggregate: Aggregate },
  context: HostContext,
  use: (row: number, scores: Scores) => void,
): void {
  requireFeatures(forest, x.columns);
  const { firstVote, voteTargets, voteWeights } = forest;
  const round = forest.isWide || x.data instanceof Float64Array ? (v: number): number => v : Math.fround;
  const join = aggregates[aggregate];
  context.reserve(8 * targets);
  const scores = { values: new Float64Array(targets), voted: new Uint8Array(targets) };
  for (let row = 0; row < x.rows; row++) {
    context.proceed();
    scores.values.fill(0);
    scores.voted.fill(0);
    for (const root of forest.roots) {
      const leaf = leafOf(forest, root, x.data, row * x.columns);
      for (let k = firstVote[leaf]!; k < firstVote[leaf + 1]!; k++) {
        const target = voteTargets[k]!;
        scores.values[target] = scores.voted[target] ? round(join(scores.values[target]!, voteWeights[k]!)) : voteWeights[k]!;
        scores.voted[target] = 1;
      }
    }
    if (aggregate === 'AVERAGE') for (let t = 0; t < targets; t++) scores.values[t] = round(scores.values[t]! / forest.roots.length);
    use(row, scores);
  }
}

function leafOf(forest: Forest, root: number, data: Float32Array | Float64Array, from: number): number {
  const { features, modes, splits, yes, no, missing, members } = forest;
  let node = root;
  while (node >= 0) {
    const value = data[from + features[node]!]!;
    const mode = modes[node]!;
    const isYes =
      (mode === member ? members.get(node)!.has(value) : tests[mode]!(value, splits[node]!)) ||
      (missing[node] === 1 && Number.isNaN(value));
    node = isYes ? yes[node]! : no[node]!;
  }
  return ~node;
}

/** @throws ModelError E3005 where a node that can be reached asks for a feature that the input lacks */
function requireFeatures({ features, yes, no, roots }: Forest, columns: number): void {
  const seen = new Uint8Array(yes.length);
  const open = [...roots];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node < 0 || seen[node]) continue;
    seen[node] = 1;
    if (features[node]! >= columns) throw fail('E3005', `a tree asks for feature ${features[node]} of ${columns}`);
    open.push(yes[node]!, no[node]!);
  }
}
