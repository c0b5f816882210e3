// The page's side of the worker: calls with progress, and an end for what takes too long.
import type { Problem, Reply, Request, Verb, Verbs } from './protocol.ts';

export class Problems extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems[0]?.message);
    this.problems = problems;
  }
}

export type Progress = (text: string, fraction: number | undefined) => void;

interface Call {
  readonly done: (result: unknown) => void;
  readonly failed: (error: unknown) => void;
  readonly progress: Progress;
}

export class Client {
  #worker: Worker | undefined;
  #next = 0;
  readonly #calls = new Map<number, Call>();

  call<V extends Verb>(verb: V, args: Parameters<Verbs[V]>, progress: Progress = () => {}): Promise<ReturnType<Verbs[V]>> {
    return new Promise((done, failed) => {
      const id = this.#next++;
      this.#calls.set(id, { done: done as (result: unknown) => void, failed, progress });
      this.#started().postMessage({ id, verb, args } satisfies Request);
    });
  }

  /** Ends whatever runs; the worker forgets its model. */
  cancel(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { failed } of this.#calls.values()) failed(new Problems([{ code: 'E3011', message: 'cancelled', place: '' }]));
    this.#calls.clear();
  }

  #started(): Worker {
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#take(data);
    worker.onerror = e => {
      const message = e.message || 'the worker did not start';
      for (const { failed } of this.#calls.values()) failed(new Problems([{ code: 'E9001', message, place: 'the worker' }]));
      this.#calls.clear();
    };
    this.#worker = worker;
    return worker;
  }

  #take(reply: Reply): void {
    const call = this.#calls.get(reply.id);
    if (reply.kind === 'progress') call?.progress(reply.text, reply.fraction);
    else {
      this.#calls.delete(reply.id);
      if (reply.kind === 'done') call?.done(reply.result);
      else call?.failed(new Problems(reply.problems));
    }
  }
}
