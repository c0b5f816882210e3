// Comma-separated values (RFC 4180): a line of names, then rows of as many fields. Knows no numbers.
import { fail } from '../errors.ts';

export interface Table {
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The line of the file on which each row begins, counted from 1. */
  readonly lines: readonly number[];
}

/** @throws ModelError E6015 for a row that has more or fewer fields than there are names, E1006 for a quote that does not end */
export function readCsv(text: string, file?: string): Table {
  const records = [...recordsOf(text.replace(/^\uFEFF/, ''), file)].filter(({ fields }) => fields.length > 1 || fields[0] !== '');
  const [head, ...rest] = records;
  if (!head) throw fail('E6015', 'the table has no line of names', { file });
  const twice = head.fields.find((name, i) => head.fields.indexOf(name) < i);
  if (twice !== undefined) throw fail('E6015', `the table names the column ${JSON.stringify(twice)} twice`, { file });
  const ragged = rest.find(({ fields }) => fields.length !== head.fields.length);
  if (ragged) throw fail('E6015', `line ${ragged.line} has ${ragged.fields.length} fields, expected ${head.fields.length}`, { file });
  return { names: head.fields, rows: rest.map(r => r.fields), lines: rest.map(r => r.line) };
}

interface CsvRecord {
  readonly fields: readonly string[];
  readonly line: number;
}

function* recordsOf(text: string, file: string | undefined): Generator<CsvRecord> {
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const fields: string[] = [];
    const begin = line;
    for (let isOpen = true; isOpen; ) {
      const end = text[at] === '"' ? quotedEnd(text, at, file) : plainEnd(text, at);
      const raw = text.slice(at, end);
      line += raw.split('\n').length - 1;
      fields.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw.trim());
      isOpen = text[end] === ',';
      at = end + 1;
    }
    // The line feed of a carriage return before it.
    if (text[at - 1] === '\r' && text[at] === '\n') at++;
    line++;
    yield { fields, line: begin };
  }
}

function plainEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++;
  return at;
}

/** The place after the quote that ends a field. */
function quotedEnd(text: string, from: number, file: string | undefined): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] !== '"') continue;
    if (text[at + 1] === '"') at++;
    else return at + 1;
  }
  throw fail('E1006', 'a quoted field does not end', { file, offset: from });
}
