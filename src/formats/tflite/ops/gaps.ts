// Builtin operators without a conversion, each with its reason.
const stablehlo = 'takes windows or places in a general form that no operator of ONNX has';
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
  STABLEHLO_SORT: 'sorts by a comparison that is a subgraph of its own',
  STABLEHLO_GATHER: stablehlo,
  STABLEHLO_RNG_BIT_GENERATOR: 'random bits by an algorithm whose state is an input',
};
