// Where our verdicts and numbers differ from those of others, class by class, and why ours stand.

export type Side =
  /** onnx.checker and ONNX Runtime accept. */
  | 'only we refuse'
  /** ONNX Runtime refuses to load what we refuse. */
  | 'only checker accepts'
  /** ONNX Runtime loads what onnx.checker refuses. */
  | 'only checker refuses'
  /** onnx.checker and ONNX Runtime refuse. */
  | 'only we accept'
  /** ONNX Runtime and the reference evaluator compute the same, and we do not; tested on the name of the seed. */
  | 'outvoted'
  /** No two agree. */
  | 'numbers';

export interface KnownDifference {
  readonly side: Side;
  /** What the first error of the side that refuses looks like. */
  readonly says: RegExp;
  readonly reason: string;
}

const difference = (side: Side, says: RegExp, reason: string): KnownDifference => ({ side, says, reason });

export const knownDifferences: readonly KnownDifference[] = [
  difference('only checker accepts', /./, 'ONNX Runtime refuses it too: shapes and contents that onnx.checker does not follow'),
  difference(
    'only checker refuses',
    /MeanVarianceNormalization.*Constant/s,
    'the body that the onnx package has of this operator is itself refused',
  ),
  difference(
    'only we accept',
    /MeanVarianceNormalization.*Constant/s,
    'the body that the onnx package has of this operator is itself refused',
  ),
  difference(
    'only checker refuses',
    /^ValueError: Invalid tensor data type 0/,
    'not a verdict: its own error about a type it could not infer',
  ),
  difference(
    'only we refuse',
    /expected an opset from 1 to/,
    'an opset that does not exist, which the checker takes for one of the future',
  ),
  difference('only we refuse', /the size -\d+ is negative/, 'a size that is negative'),
  difference(
    'only we refuse',
    /has an empty name for the variadic input/,
    'an empty name in a variadic input, which crashes some kernels of ONNX Runtime',
  ),
  difference(
    'only checker refuses',
    /op_type:(Reduce|ArgM).*differ in rank/s,
    'keepdims other than 0 and 1: it counts as 0 there, as 1 here and in NumPy',
  ),
  difference(
    'only we accept',
    /op_type:(Reduce|ArgM).*differ in rank/s,
    'keepdims other than 0 and 1: it counts as 0 there, as 1 here and in NumPy',
  ),
  difference(
    'only we refuse',
    /^E1306 (ai\.onnx\.ml\.\w+|\w+Window|STFT|Reduce\w+|Add|NonMaxSuppression|Col2Im|GroupNormalization|TfIdfVectorizer|StringNormalizer|CenterCropPad) declares/,
    'a declared type that the rules of an operator exclude which onnx.shape_inference does not follow, or not this far',
  ),
  difference(
    'only we refuse',
    /^E1306 Loop declares/,
    'a declared rank that neither what a loop begins with nor what its body gives has; onnx.shape_inference says nothing of states',
  ),
  difference(
    'only we refuse',
    /^E1303 .* LayerNormalization has no attribute/,
    'an attribute that the operator does not have, which the schema of onnx lets through for this one operator',
  ),
  difference('numbers', /^test_loop11$/, 'a loop without a round, whose results have no elements and a size that only a round could tell'),
  difference(
    'only we refuse',
    /^E1305 Scatter/,
    'indices and updates of shapes that cannot go together, which onnx.shape_inference does not look at',
  ),
  difference('only we refuse', /^E1303 ai\.onnx\.ml\./, 'attributes that cannot go together, which onnx.shape_inference does not look at'),
  difference('only we accept', /^ValueError: Invalid tensor data type 0/, 'not a verdict: its own error about a type it could not infer'),
  difference(
    'only we refuse',
    /^E1305 QLinearConv: \d+ input channels/,
    'channels that the weights contradict, which onnx.shape_inference does not look at',
  ),
  difference(
    'only we refuse',
    /^E1305 (Conv|ConvTranspose|PRelu|Squeeze|GatherElements|RMSNormalization|Reshape|Softmax|LpNormalization|ai\.onnx\.ml\.(LinearRegressor|SVMRegressor|FeatureVectorizer)):/,
    'axes and shapes that cannot go together, which onnx.shape_inference does not look at and ONNX Runtime refuses when it runs them',
  ),
  difference(
    'only we refuse',
    /^E1305 GroupNormalization: num_groups/,
    'fewer groups than one, which onnx.shape_inference does not look at',
  ),
  difference(
    'only checker refuses',
    /op_type:MaxPool.*existing shape differ/s,
    'ceil_mode before opset 22, where ONNX Runtime too begins no window in the padding at the end',
  ),
  difference(
    'numbers',
    /^test_l1normalization/,
    'the reference evaluator divides by a sum of signed numbers; ONNX Runtime has no kernel for the type',
  ),
  difference('only we refuse', /^E1305 CenterCropPad: shape \[\] must be a vector/, 'a list of sizes that is a scalar'),
  difference('only we refuse', /^E1110 /, 'a name that is not valid UTF-8, as protobuf demands; its C++ reader takes any bytes'),
];
