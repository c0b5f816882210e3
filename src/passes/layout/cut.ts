// Minimum cut of a network by Dinic's algorithm: the cheapest division of its vertices into two sides.

/** Vertex 0 is on the first side, vertex 1 on the second. */
export const first = 0;
export const second = 1;

export class Network {
  readonly #heads: number[] = [];
  readonly #capacities: number[] = [];
  /** Arcs of each vertex; arc `i ^ 1` is the way back of arc `i`. */
  readonly #arcs: number[][] = [[], []];
  #level: Int32Array = new Int32Array();
  #next: Int32Array = new Int32Array();

  vertex(): number {
    return this.#arcs.push([]) - 1;
  }

  /** Paid where `from` is on the first side and `to` on the second. */
  arc(from: number, to: number, capacity: number): void {
    if (capacity <= 0 || from === to) return;
    this.#arcs[from]!.push(this.#heads.length);
    this.#arcs[to]!.push(this.#heads.length + 1);
    this.#heads.push(to, from);
    this.#capacities.push(capacity, 0);
  }

  /** The cost of the cheapest division, and the vertices on the first side of the one where they are fewest. */
  cut(): { readonly cost: number; readonly side: ReadonlySet<number> } {
    let cost = 0;
    while (this.#levels()) {
      this.#next = new Int32Array(this.#arcs.length);
      for (let pushed = this.#augment(); pushed > 0; pushed = this.#augment()) cost += pushed;
    }
    const side = new Set<number>();
    this.#level.forEach((level, v) => level >= 0 && side.add(v));
    return { cost, side };
  }

  /** Distances from the first vertex over arcs that are not full; whether the second is reached. */
  #levels(): boolean {
    const level = new Int32Array(this.#arcs.length).fill(-1);
    level[first] = 0;
    const queue = [first];
    for (const v of queue)
      for (const arc of this.#arcs[v]!) {
        const to = this.#heads[arc]!;
        if (this.#capacities[arc]! <= 0 || level[to]! >= 0) continue;
        level[to] = level[v]! + 1;
        queue.push(to);
      }
    this.#level = level;
    return level[second]! >= 0;
  }

  /** Fill one shortest path; what went through it. Not recursive: paths are as long as models are deep. */
  #augment(): number {
    const path: number[] = [];
    let v: number = first;
    while (v !== second) {
      const arcs = this.#arcs[v]!;
      const at = this.#next[v]!;
      if (at < arcs.length) {
        const arc = arcs[at]!;
        const to = this.#heads[arc]!;
        if (this.#capacities[arc]! > 0 && this.#level[to] === this.#level[v]! + 1) {
          path.push(arc);
          v = to;
        } else this.#next[v]!++;
        continue;
      }
      const back = path.pop();
      if (back === undefined) return 0;
      v = this.#heads[back ^ 1]!;
      this.#next[v]!++;
    }
    const flow = path.reduce((least, arc) => Math.min(least, this.#capacities[arc]!), Number.POSITIVE_INFINITY);
    for (const arc of path) {
      this.#capacities[arc]! -= flow;
      this.#capacities[arc ^ 1]! += flow;
    }
    return flow;
  }
}
