// What a program has that cannot be converted: collected over all of it and reported at once, with counts and places.
import { type Finding, ModelError } from '../errors.ts';
import type { Meta } from '../ir/graph.ts';

interface Problem {
  readonly target: string;
  readonly message: string;
  /** What the nodes carry, in their order. */
  readonly nodes: Meta[];
}

export class Problems {
  readonly #found = new Map<string, Problem>();

  add(target: string, message: string, at: Meta): void {
    const key = JSON.stringify([target, message]);
    const before = this.#found.get(key);
    if (before) before.nodes.push(at);
    else this.#found.set(key, { target, message, nodes: [at] });
  }

  /** @throws ModelError with one E2001 an operator and reason */
  throwIfAny(): void {
    if (this.#found.size > 0) throw new ModelError([...this.#found.values()].map(finding));
  }
}

/** Of a node: the module and the line that it is of. */
function whereIs({ metadata }: Meta): string {
  const [node, module, source] = [metadata?.get('node'), metadata?.get('module'), metadata?.get('source')];
  return [node, module && `in ${module}`, source && `at ${source}`].filter(Boolean).join(' ');
}

function finding({ target, nodes, message }: Problem): Finding {
  const name = target.replace(/^torch\.ops\./, '');
  const count = nodes.length;
  const where = whereIs(nodes[0]!);
  return {
    code: 'E2001',
    severity: 'error',
    message: `${name}: ${message} (${count} node${count === 1 ? '' : 's'}${where && `, first ${where}`})`,
    node: { op: name },
    places: nodes.map(meta => [meta.node?.name, whereIs(meta)].filter(Boolean).join(' ')),
  };
}
