// Builtin operators without a conversion, each with its reason.
const stablehlo = 'a form of StableHLO that the converter does not leave in models for the interpreter';
export const gaps: Readonly<Record<string, string>> = {
  CONCAT_EMBEDDINGS: 'the interpreter has no kernel for it',
  SKIP_GRAM: 'n-grams of words in a text, cut out of strings',
  LSH_PROJECTION: 'hashes of the bytes of its inputs, by a function that no operator has',
  CUSTOM: 'stands for operators of other names',
  DELEGATE: 'stands for a part of the graph that another library runs',
  PLACEHOLDER_FOR_GREATER_OP_CODES: 'marks codes above 127 and is no operator',
  STABLEHLO_CONVOLUTION: stablehlo,
  STABLEHLO_CUSTOM_CALL: 'a call of a function outside of the model',
  STABLEHLO_SCATTER: stablehlo,
  STABLEHLO_REDUCE_WINDOW: stablehlo,
  STABLEHLO_SORT: stablehlo,
  STABLEHLO_GATHER: stablehlo,
  STABLEHLO_RNG_BIT_GENERATOR: 'random bits by an algorithm whose state is an input',
};
