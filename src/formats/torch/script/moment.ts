// Everything that code can change, at one moment: to follow code aside, and to see what it changed.
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { Snapshot } from '../memory.ts';
import type { Interpreter } from './interpret.ts';
import { Dict, type Host, type Instance, isSame, List } from './values.ts';

export type Container = List | Dict | Instance;
export type Content = readonly (readonly [Host, Host])[];
const contentOf = (c: Container): Content =>
  c instanceof List
    ? [...c.known, ...(c.pending ?? [])].map((item, i) => [i, item] as const)
    : [...(c instanceof Dict ? c.entries : c.attributes)];
export function setContent(c: Container, content: Content): void {
  if (c instanceof List) {
    const items = content.map(([, item]) => item);
    if (c.pending) c.pending = items.slice(c.known.length);
    else c.items = items;
  } else if (c instanceof Dict) c.entries = new Map(content);
  else {
    c.attributes.clear();
    for (const [key, item] of content) c.attributes.set(String(key), item);
  }
}
export const sameContent = (a: Content, c: Content): boolean =>
  a.length === c.length && a.every(([key, item], i) => key === c[i]![0] && isSame(item, c[i]![1]));

/** Everything that code can change, at one moment. */
export class Moment {
  readonly variables: ReadonlyMap<string, Host>;
  readonly memories: Snapshot;
  readonly #e: Interpreter;
  readonly #frames: number;
  readonly #meta: Builder['meta'];
  readonly #contents: ReadonlyMap<Container, Content>;

  constructor(e: Interpreter) {
    const { tensors, containers } = e.reachable();
    e.spend(tensors.size + containers.size);
    this.#e = e;
    this.#frames = e.frames.length;
    this.#meta = e.b.meta;
    this.variables = e.frame.variables;
    this.memories = new Snapshot(tensors, e.b);
    this.#contents = new Map([...containers].map(c => [c, contentOf(c)]));
  }

  /** Lists and the like whose content is another now. */
  get changed(): Map<Container, Content> {
    const now = [...this.#contents].map(([c, before]) => ({ c, before, content: contentOf(c) }));
    return new Map(now.filter(({ before, content }) => !sameContent(before, content)).map(({ c, content }) => [c, content]));
  }
  contentOf(c: Container): Content {
    return this.#contents.get(c)!;
  }

  /** Follow code in nodes of its own, and put everything back as it was. */
  aside<T>(run: (b: Builder) => T): T {
    const outer = this.#e.b;
    const inner = newBuilder({ meta: this.#meta });
    this.#e.b = inner;
    this.#e.frame.variables = new Map(this.variables);
    try {
      return run(inner);
    } finally {
      this.#e.b = outer;
      this.#e.frames.length = this.#frames;
      this.#e.frame.variables = this.variables as Map<string, Host>;
      this.memories.restore();
      for (const [c, content] of this.#contents) setContent(c, content);
    }
  }
}
