// A value made when it is first asked for, and kept.

/** The function that calls `make` at most once; a call that throws is made again. */
export const once = <T>(make: () => T): (() => T) => {
  let value: { readonly of: T } | undefined;
  return () => (value ??= { of: make() }).of;
};

/** The function that calls `make` once for each key and keeps the result as long as the key lives. */
export function keyed<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, { readonly of: V }>();
  return key => {
    const value = made.get(key) ?? { of: make(key) };
    made.set(key, value);
    return value.of;
  };
}
