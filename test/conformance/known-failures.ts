// Cases of the committed selection that do not pass, each with its reason. A case that passes must leave this list.

export const knownFailures: Readonly<Record<string, string | undefined>> = {};
