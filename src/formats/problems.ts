// What a program has that cannot be converted: collected over all of it and reported at once, with counts and places.
import { type Finding, ModelError } from '../errors.ts';
import type { Meta } from '../ir/graph.ts';

export class Problems {
  readonly #found = new Map<string, { target: string; count: number; first: Meta; message: string }>();
  readonly #places = new Set<string>();

  /** `place` tells nodes that are read more than once, which count once. */
  add(target: string, message: string, first: Meta, place?: string): void {
    const key = JSON.stringify([target, message]);
    if (place !== undefined && this.#places.has(`${key} ${place}`)) return;
    this.#places.add(`${key} ${place}`);
    const before = this.#found.get(key);
    if (before) before.count++;
    else this.#found.set(key, { target, count: 1, first, message });
  }

  /** @throws ModelError with one E2001 an operator and reason */
  throwIfAny(): void {
    if (this.#found.size > 0) throw new ModelError([...this.#found.values()].map(finding));
  }
}

function finding({ target, count, first, message }: { target: string; count: number; first: Meta; message: string }): Finding {
  const name = target.replace(/^torch\.ops\./, '');
  const module = first.metadata?.get('module');
  const source = first.metadata?.get('source');
  const node = first.metadata?.get('node');
  const where = [node, module && `in ${module}`, source && `at ${source}`].filter(Boolean).join(' ');
  return {
    code: 'E2001',
    severity: 'error',
    message: `${name}: ${message} (${count} node${count === 1 ? '' : 's'}${where && `, first ${where}`})`,
    node: { op: name },
  };
}
