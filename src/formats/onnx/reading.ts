// What one reading of a model collects: findings, and the places of external data that were opened.
import { at, hasEscapedBytes, type Message } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { type Code, type Finding, fail, ModelError, type Place } from '../../errors.ts';
import { type Dim, symbol, unknownDim } from '../../ir/dims.ts';
import { maxRank } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { nearestName } from '../../ops/nearest.ts';
import type { ReadLimits } from '../format.ts';

/** How many findings look for the name that was meant: each compares with every name of the graph. */
const searches = 20;

export class Reading {
  readonly findings: Finding[] = [];
  readonly limits: Required<{ [K in Exclude<keyof ReadLimits, 'steps'>]: number }>;
  readonly file: string;
  /** External files by location: a source, or why there is none. */
  readonly external = new Map<string, Source | ModelError>();
  /** External ranges handed out, to find those that overlap. */
  readonly ranges: { readonly location: string; readonly from: number; readonly to: number; readonly place: Place }[] = [];
  /** External files with several names that were warned of. */
  readonly linked = new Set<string>();
  readonly checksums: { readonly location: string; readonly checksum: string; readonly place: Place }[] = [];
  readonly #counts = new Map<Code, number>();
  #nodes = 0;
  #searches = 0;
  readonly #unnamed = new Map<string, Dim>();

  constructor(file: string, limits: ReadLimits = {}) {
    this.file = file;
    this.limits = {
      depth: limits.depth ?? 100,
      graphs: limits.graphs ?? 64,
      nodes: limits.nodes ?? 5e6,
      inlined: limits.inlined ?? 1e6,
      rank: Math.min(limits.rank ?? maxRank, maxRank),
      findings: limits.findings ?? 1000,
    };
  }

  add(code: Code, message: string, place: Place = {}, severity: Finding['severity'] = 'error'): void {
    const most = this.limits.findings;
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count <= most) this.findings.push({ code, severity, message, file: this.file, ...place });
    else if (count === most + 1) {
      const limit = { name: 'findings', value: most };
      this.findings.push({ code: 'E1009', severity: 'error', message: `more than ${most} findings ${code}`, file: this.file, limit });
    }
  }
  warn(code: Code, message: string, place: Place = {}): void {
    this.add(code, message, place, 'warning');
  }

  /** Give the first finding of a code within a path a hint, where what can be done shows only later. */
  hint(code: Code, path: string, hint: string): void {
    const index = this.findings.findIndex(f => f.code === code && f.path?.startsWith(path));
    const finding = this.findings[index];
    if (finding?.hint === undefined && finding) this.findings[index] = { ...finding, hint };
  }

  /** Run `read`; what it throws becomes findings at `place`, and the result undefined. */
  attempt<T>(place: Place, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      for (const { code, severity, message, ...own } of error.within(place).findings) this.add(code, message, own, severity);
      return undefined;
    }
  }

  /** Adds E1110 for a name that is not valid UTF-8. `owner` is the message that holds it. */
  name(text: string, path: string, owner: Message): void {
    if (hasEscapedBytes(text)) this.add('E1110', `the name ${quoted(text)} is not valid UTF-8`, { path, offset: owner[at] });
  }
  quoted(name: string): string {
    return quoted(name);
  }

  /** The candidate that `name` was probably meant to be, for the first findings only. */
  nearest(name: string, candidates: () => Iterable<string>): string | undefined {
    return this.#searches++ < searches ? nearestName(name, candidates()) : undefined;
  }

  /** Counts nodes; E1009 above the limit. */
  count(nodes: number): void {
    this.#nodes += nodes;
    const value = this.limits.nodes;
    if (this.#nodes > value)
      throw fail('E1009', `the model has more than ${value} nodes`, { file: this.file, limit: { name: 'nodes', value } });
  }

  /** The size a text names. A text that looks like a size without a name gets one of its own, the same each time. */
  dim(text: string): Dim {
    if (!/^\?\d+$/.test(text)) return symbol(text);
    const known = this.#unnamed.get(text) ?? unknownDim();
    this.#unnamed.set(text, known);
    return known;
  }
}
