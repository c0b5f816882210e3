// Tables as data: columns of numbers are one array of features, and others are what is to be predicted.
import type { Table } from '../../codec/csv.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { nearestName } from '../../ops/nearest.ts';
import type { Batch } from './data.ts';

export interface TableOptions {
  /** Columns to be predicted; the last one otherwise. */
  readonly target?: readonly string[] | undefined;
  /** Columns that are read; all others otherwise. */
  readonly features?: readonly string[] | undefined;
  readonly file?: string | undefined;
}

export interface TableData {
  /** `features` [rows, columns] and `target` [rows] or [rows, columns]. */
  readonly arrays: Batch;
  /** What the numbers of classes stand for, where the target is text. */
  readonly classes?: readonly string[];
}

/** @throws ModelError E6015 for a column that there is not, and a field that is no number */
export function tableData(table: Table, { target, features, file }: TableOptions = {}): TableData {
  const { names, rows } = table;
  const wanted = target ?? names.slice(-1);
  const read = features ?? names.filter(name => !wanted.includes(name));
  const index = (name: string): number => {
    const at = names.indexOf(name);
    if (at >= 0) return at;
    const near = nearestName(name, names);
    throw fail('E6015', `the table has no column ${quoted(name)}${near ? `; nearest name: ${near}` : ''}`, { file });
  };
  const [inputs, outputs] = [read.map(index), wanted.map(index)];
  const numbers = (columns: readonly number[]): Float64Array => {
    const made = new Float64Array(rows.length * columns.length);
    for (const [r, row] of rows.entries())
      for (const [k, column] of columns.entries()) made[r * columns.length + k] = numberIn(row[column]!, table, r, column, file);
    return made;
  };
  const x = new Tensor('float64', numbers(inputs), [rows.length, inputs.length]);
  const isText = outputs.length === 1 && rows.some(row => Number.isNaN(Number(row[outputs[0]!]!)));
  if (!isText) {
    const dims = outputs.length === 1 ? [rows.length] : [rows.length, outputs.length];
    return { arrays: { features: x, target: new Tensor('float64', numbers(outputs), dims) } };
  }
  const texts = rows.map((row, r) => {
    const text = row[outputs[0]!]!;
    if (text === '') throw missing(table, r, outputs[0]!, file);
    return text;
  });
  const classes = [...new Set(texts)].sort();
  const numbersOf = new Map(classes.map((name, i) => [name, i]));
  return {
    arrays: {
      features: x,
      target: new Tensor(
        'int64',
        texts.map(t => numbersOf.get(t)!),
        [rows.length],
      ),
    },
    classes,
  };
}

function numberIn(text: string, table: Table, row: number, column: number, file: string | undefined): number {
  if (text.trim() === '') throw missing(table, row, column, file);
  const value = Number(text);
  if (Number.isNaN(value))
    throw fail('E6015', `line ${table.lines[row]}, column ${quoted(table.names[column]!)}: ${quoted(text.slice(0, 40))} is no number`, {
      file,
    });
  return value;
}

const missing = (table: Table, row: number, column: number, file: string | undefined) =>
  fail('E6015', `line ${table.lines[row]}, column ${quoted(table.names[column]!)}: there is no value`, { file });
