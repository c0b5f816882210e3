// A value made when it is first asked for, and kept.

/** The function that calls `make` at most once; a call that throws is made again. */
export const once = <T>(make: () => T): (() => T) => {
  let value: { readonly of: T } | undefined;
  return () => (value ??= { of: make() }).of;
};
