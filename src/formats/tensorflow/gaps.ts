// Operators without a row, and why: by pattern over their names, the first that fits.
import { complexNames } from './complex.ts';
import { opDef, opNames } from './op-defs.ts';
import { tfRow } from './ops/index.ts';
import { structure } from './structure.ts';

const reasons: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:ReadFile|WriteFile|MatchingFiles|FileSystem|ImmutableConst|PyFunc|EagerPyFunc|Save|Restore|ShardedFile|MergeV2|DistributedSave|LoadAndRemap|GenerateVocab)|PyFunc/,
    'files and code outside of the model are never touched',
  ],
  [/^(?:Switch|Merge|Enter|Exit|NextIteration|LoopCond|Ref)/, 'control flow of old graphs, which is read as a whole'],
  [
    /Random|Uniform|Normal|Multinomial|Candidate|Sobol|Rng|Seed|Shuffle|Distorted|Poisson|Binomial|Gamma(?!c)|StochasticCast|Stateless.*Alg|NonDeterministic/,
    'random numbers are drawn by another generator',
  ],
  [
    /String|Regex|Unicode|Substr|AsString|Base64|ReduceJoin|Ngram|Fingerprint|Skipgram|EditDistance|UnsortedSegmentJoin/i,
    'the standard has no operator for this on strings',
  ],
  [/^(?:Decode|Encode|Parse|Serialize|Deserialize)|Jpeg|Wav|CSV/, 'encoded files and messages'],
  [/HashTable|Lookup|InitializeTable/, 'tables whose content is not known'],
  [/Sparse|Ragged|DenseTo|SetSize/, 'sparse and ragged tensors are several tensors, which only some operators take'],
  [/^QuantizeAndDequantize$/, 'taken out of TensorFlow, which has a second version'],
  [/Quantize|Requantiz|^Dequantize|FakeQuant/, 'quantisation of the runtime’s own'],
  [/FFT|AudioSpectrogram|Mfcc|AudioMicrofrontend/, 'a transform of signals that has no conversion'],
  [
    /Cholesky|Svd|Qr|Eig|Lu$|MatrixSolve|MatrixInverse|MatrixExponential|MatrixLogarithm|MatrixSquareRoot|Tridiagonal|BandedTriangular|MatrixTriangular|LogMatrixDeterminant/,
    'the standard has no operator for this decomposition or solution',
  ],
  [
    /^(?:Betainc|Dawsn|Expint|Fresnel|Igamma|Polygamma|Spence|Zeta|NextAfter|Bessel)/,
    'a special function that the standard has no operator for',
  ],
  [/Cudnn|LSTMBlock|BlockLSTM|GRUBlock/, 'fused recurrent layers of one device'],
  [/CTC|Kmeans|KMC2|Nearest|Isotonic|Skip/, 'an algorithm that the standard has no operator for'],
  [
    /Stack(?!$)|Stage|Map(?:Clear|Peek|Size|Stage|Unstage|Incomplete)|TensorMap|Barrier|Batch$|Unbatch|Optional|MapDefun/,
    'stores of the runtime',
  ],
  [/Assign|Scatter|TemporaryVariable|CountUpTo|Mutable|Resource/, 'a variable that a program changes in this way'],
  [/Infeed|Outfeed|Prelinearize|CrossReplica|Copy|Send|Recv|Device|RemoteCall|Rpc|Relayout|Xla|Host|Sync/, 'transport between devices'],
];

/** Why an operator has no conversion; undefined where it has one. */
export function tfGap(op: string): string | undefined {
  if (tfRow(op) || structure[op] || complexNames.has(op)) return undefined;
  return (opDef(op) && reasons.find(([pattern]) => pattern.test(op))?.[1]) ?? 'no conversion is written';
}

/** Every operator of the table with what is known of it. */
export const tfCoverage = (): readonly { readonly op: string; readonly gap: string | undefined }[] =>
  opNames().map(op => ({ op, gap: tfGap(op) }));
