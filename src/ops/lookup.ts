// Tables that a model's attributes fill: as many keys as a file cares to list.
import { fail } from '../errors.ts';

/** JavaScript's Maps hold no more. */
const mostKeys = 2 ** 24;

/** @throws ModelError E3007 for more keys than a Map holds */
export function requireKeys(count: number): void {
  if (count > mostKeys) throw fail('E3007', `${count} keys are more than the ${mostKeys} that can be looked up`);
}

/** What stands at the place of each key; of equal keys the last counts. @throws ModelError E3007 for too many */
export function lookupOf<K, V>(keys: ArrayLike<K>, valueAt: (place: number) => V): Map<K, V> {
  requireKeys(keys.length);
  const found = new Map<K, V>();
  for (let i = 0; i < keys.length; i++) found.set(keys[i]!, valueAt(i));
  return found;
}
