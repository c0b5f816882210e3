// Builtin operators without a conversion, each with its reason.
export const gaps: Readonly<Record<string, string>> = {
  CUSTOM: 'stands for operators of other names',
};
