// Einstein sums: pairs of operands become products of matrices, what is left becomes sums and transpositions.
import { fail } from '../errors.ts';
import { sameDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { formatShape } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import { gapTypes } from './gap-types.ts';
import { count } from './generate.ts';
import type { Family } from './row.ts';
import { range, rankOf, shapeOf } from './shapes.ts';

export const einsums = {
  Einsum: {
    infer: gapTypes.Einsum,
    lower({ Inputs }, { equation }, b) {
      const { terms, output } = labelsOf(equation, Inputs);
      let waiting = Inputs.map((value, i) => withoutRepeats({ value, labels: terms[i]! }, b));
      while (waiting.length > 1) {
        const [first, second, ...rest] = waiting as [Operand, Operand, ...Operand[]];
        const needed = new Set([...output, ...rest.flatMap(x => x.labels)]);
        waiting = [product(first, second, needed, b), ...rest];
      }
      const { value, labels } = summed(waiting[0]!, new Set(output), b);
      return b.Transpose(
        value,
        output.map(label => labels.indexOf(label)),
      );
    },
  },
} satisfies Family;

/** A tensor whose axes have labels: letters, or numbers for the axes that `...` stands for, counted from the last. */
interface Operand {
  readonly value: Value;
  readonly labels: readonly string[];
}

function labelsOf(equation: string, inputs: readonly Value[]): { terms: string[][]; output: string[] } {
  const [left = '', right, ...more] = equation.replaceAll(' ', '').split('->');
  const written = left.split(',');
  const wrong = (what: string): never => {
    throw fail('E1303', `Einsum: '${equation}' ${what}`);
  };
  if (more.length > 0) wrong('has more than one ->');
  if (written.length !== inputs.length) wrong(`has ${written.length} terms for ${inputs.length} inputs`);
  const expand = (term: string, dots: number): string[] => {
    const [before = '', after, ...others] = term.split('...');
    if (others.length > 0 || !/^[A-Za-z]*$/.test(before + (after ?? '')))
      wrong(`has the term '${term}', expected letters and at most one ...`);
    return [...before, ...(after === undefined ? [] : range(dots).map(i => String(dots - 1 - i))), ...(after ?? '')];
  };
  const dotsIn = inputs.map((x, i) => (written[i]!.includes('...') ? rankOf(x) - written[i]!.replace('...', '').length : 0));
  const terms = written.map((term, i) => {
    const labels = dotsIn[i]! < 0 ? [] : expand(term, dotsIn[i]!);
    if (labels.length !== rankOf(inputs[i]!))
      throw fail('E1305', `Einsum: term '${term}' does not fit ${formatShape(shapeOf(inputs[i]!))}`);
    return labels;
  });
  const dots = Math.max(0, ...dotsIn);
  const all = terms.flat();
  const once = [...new Set(all)].filter(label => /[A-Za-z]/.test(label) && all.indexOf(label) === all.lastIndexOf(label)).sort();
  const output = right === undefined ? [...expand('...', dots), ...once] : expand(right, dots);
  const bad = output.find((label, i) => output.indexOf(label) !== i || !all.includes(label));
  if (bad !== undefined) wrong(`has the output axis ${bad} twice, or in no input`);
  return { terms, output };
}

/** The diagonal over axes that have one label. */
function withoutRepeats({ value, labels }: Operand, b: Builder): Operand {
  const second = labels.findIndex((label, i) => labels.indexOf(label) !== i);
  if (second < 0) return { value, labels };
  const first = labels.indexOf(labels[second]!);
  const others = range(labels.length).filter(d => d !== first && d !== second);
  const size = b.dim(value, first);
  const flat = b.Reshape(b.Transpose(value, [...others, first, second]), [
    ...others.map(d => b.dim(value, d)),
    productOf([size, b.dim(value, second)], b),
  ]);
  const step = typeof size === 'number' ? b.ints([size + 1]) : b.Add(size, b.ints([1]));
  const diagonal = b.Gather(flat, b.Mul(count(b, size), step), others.length);
  return withoutRepeats({ value: diagonal, labels: [...others.map(d => labels[d]!), labels[first]!] }, b);
}

/** Without the axes that nothing needs. */
function summed({ value, labels }: Operand, needed: ReadonlySet<string>, b: Builder): Operand {
  const axes = range(labels.length).filter(d => !needed.has(labels[d]!));
  if (axes.length === 0) return { value, labels };
  return { value: b.ReduceSum(value, { axes, keepdims: 0 }), labels: labels.filter(label => needed.has(label)) };
}

/** The product of two operands, summed over the labels that both have and nothing else needs. */
function product(p: Operand, q: Operand, needed: ReadonlySet<string>, b: Builder): Operand {
  const first = summed(p, new Set([...needed, ...q.labels]), b);
  const second = summed(q, new Set([...needed, ...p.labels]), b);
  const shared = first.labels.filter(label => second.labels.includes(label));
  const inner = shared.filter(label => !needed.has(label));
  const outer = shared.filter(label => needed.has(label));
  const [rows, columns] = [first, second].map(x => x.labels.filter(label => !shared.includes(label))) as [string[], string[]];
  const labels = [...outer, ...rows, ...columns];
  if (inner.length === 0 || inner.some(label => !sameDim(sizeOf(first, label), sizeOf(second, label)))) {
    const all = [...labels, ...inner];
    return summed({ value: b.Mul(spread(first, all, b), spread(second, all, b)), labels: all }, needed, b);
  }
  const matrix = b.MatMul(asMatrices(first, outer, rows, inner, b), asMatrices(second, outer, inner, columns, b));
  if (rows.length === 1 && columns.length === 1) return { value: matrix, labels };
  const sizes = [...rows.map(label => dimOf(first, label, b)), ...columns.map(label => dimOf(second, label, b))];
  return { value: b.Reshape(matrix, [...outer.map(() => 0), ...sizes]), labels };
}

const sizeOf = ({ value, labels }: Operand, label: string) => shapeOf(value)[labels.indexOf(label)]!;
const dimOf = ({ value, labels }: Operand, label: string, b: Builder): Size => b.dim(value, labels.indexOf(label));

/** With one axis a label of `all`, in that order; of size 1 where the operand lacks it. */
function spread({ value, labels }: Operand, all: readonly string[], b: Builder): Value {
  const own = all.filter(label => labels.includes(label));
  const turned = b.Transpose(
    value,
    own.map(label => labels.indexOf(label)),
  );
  const missing = range(all.length).filter(d => !labels.includes(all[d]!));
  return missing.length === 0 ? turned : b.Unsqueeze(turned, missing);
}

/** [outer…, rows, columns], the labels of rows and of columns each joined to one axis. */
function asMatrices(x: Operand, outer: readonly string[], rows: readonly string[], columns: readonly string[], b: Builder): Value {
  const turned = b.Transpose(
    x.value,
    [...outer, ...rows, ...columns].map(label => x.labels.indexOf(label)),
  );
  if (rows.length === 1 && columns.length === 1) return turned;
  const joined = [rows, columns].map(labels =>
    productOf(
      labels.map(label => dimOf(x, label, b)),
      b,
    ),
  );
  return b.Reshape(turned, [...outer.map(() => 0), ...joined]);
}

function productOf(sizes: readonly Size[], b: Builder): Size {
  const fixed = sizes.reduce<number>((n, size) => (typeof size === 'number' ? n * size : n), 1);
  const open = sizes.filter(size => typeof size !== 'number');
  if (open.length === 0) return fixed;
  return [...open, ...(fixed === 1 ? [] : [b.ints([fixed])])].reduce((p, q) => b.Mul(p, q));
}
