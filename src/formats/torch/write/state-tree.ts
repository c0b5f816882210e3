// Modules inside of modules, as the dotted names of tensors say them.
import type { State } from './program.ts';

export class StateTree {
  /** Its own tensors by the last part of their names. */
  readonly state = new Map<string, State>();
  readonly children = new Map<string, StateTree>();
  /** From the root, without dots. */
  readonly path: readonly string[];

  constructor(path: readonly string[] = []) {
    this.path = path;
  }

  static of(state: readonly State[]): StateTree {
    const root = new StateTree();
    for (const one of state) {
      const parts = one.name.split('.');
      root.within(parts.slice(0, -1)).state.set(parts.at(-1)!, one);
    }
    return root;
  }

  /** The module at a path below this one, which is made where it is not there. */
  within(path: readonly string[]): StateTree {
    let tree: StateTree = this;
    for (const part of path) {
      const child = tree.children.get(part) ?? new StateTree([...tree.path, part]);
      tree.children.set(part, child);
      tree = child;
    }
    return tree;
  }
}
