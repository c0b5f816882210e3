// ATen overloads without a row, and why: by pattern over `name.overload`, the first that fits. Every overload has a row or a reason.

import { type AtenSchema, atenNames, atenOverloads, atenSchema } from '../schema.ts';
import { assertions, atenRow } from './index.ts';

const reasons: readonly (readonly [RegExp, string])[] = [
  [
    /_backward|backward_|^_?grad\b|^grad|_jvp\.|^_softmax_backward|^_grad_sum|_grad\.|^retains?_grad|requires_grad|set_grad|is_grad/,
    'part of a gradient: an exported program computes forward',
  ],
  [/^_foreach_|^_fused_(?:ada|sgd)|^_amp_|amp_update/, 'an optimizer over lists of tensors'],
  [
    /sparse|coo|csr|csc|bsr|bsc|^sspaddmm|^smm|^hspmm|_indices|crow_|ccol_|^indices|^values|^_values|_nnz|coalesce|^dense_dim|^to_dense|^_to_dense|^_spdiags|^_spsolve/,
    'sparse tensors have no conversion',
  ],
  [/nested|jagged|to_padded_tensor|_pack_|_pad_packed|\.data$/, 'nested tensors and packed sequences have no conversion'],
  [
    /quantize|quantized|fbgemm|_int[48]pack|int4|int8|^q_|qscheme|qparams|int_repr|fake_quant|_wrapped_|_moving_avg|_dyn_quant/,
    "PyTorch's quantized tensors have no conversion",
  ],
  [
    /cudnn|miopen|mps|mkldnn|cufft|nnpack|_cslt|_triton|_philox|_efficient_attention|_flash_attention|_thnn|_fused_dropout|_fill_mem_eff|_depthwise|conv_depthwise|overrideable|_scaled_mm|_scaled_grouped|_grouped_mm|_mixed_dtypes|_weight_int|_sdp_choice|transform_bias|^native_norm|\.dtype$/,
    'an operator of one device or library, which exports for CPU do not hold',
  ],
  [/fft|stft|complex|^polar|^angle|^imag|^view_as_real|conj|^_neg_view|_copy_from|^resolve_/i, 'complex tensors have no conversion'],
  [
    /linalg|cholesky|^geqrf|^lu_|_lu_|^svd|^qr|^orgqr|^ormqr|triangular_solve|^pinverse|^slogdet|^matrix_exp|^nuclear_norm|_solve/,
    'the standard has no operator for this decomposition or solution',
  ],
  [
    /^special_|^igamma|^i0|^mvlgamma|^polygamma|^nextafter|^frexp|^gcd|^lcm|^erfinv|^digamma|^lgamma|^modf|^gamma/,
    'a special function that the standard has no operator for',
  ],
  [
    /^(?:poisson|binomial|cauchy|geometric|exponential|log_normal|random|_standard_gamma|_sample_dirichlet|_dirichlet|_sobol|rrelu_with_noise|normal\.|bernoulli|rand|seed|initial_seed|manual_seed|Generator)/,
    'random numbers of this distribution or generator have no operator',
  ],
  [
    /unique_dim_consecutive|^cov|^corrcoef|^equal|nonzero_static|^allclose|^is_nonzero|^_is_a/,
    'torch.export refuses it or its result depends on data as a Python number',
  ],
  [
    /^_test_|_print|^warn|^confirmed|owner|^rpc|^to_here|^record_stream|_make_dep_token|_dual|vulkan|_lazy_clone|_batch_dim|^_unwrap|^_infer|_has_|_version|^_debug|autocast|_fw_primal|_cpu_capability|_tracing|^_foobar|from_file|_xla_|_zerotensor/,
    "bookkeeping of PyTorch's runtime",
  ],
  [
    /^set_|^set\.|resize|_set_|^data\.|^storage_offset|sym_storage|sym_stride|sym_is|^stride|^is_|^element_size|^device|_reshape_from|same_size|same_storage|output_nr|^size|^dim\.|^numel|^len|^get_/,
    'a question to, or a change of, a tensor’s memory',
  ],
];

const usesTensors = ({ args, returns }: AtenSchema): boolean => [...args, ...returns].some(({ type }) => type.includes('Tensor'));

/** Why an overload has no row; undefined where it has one or needs none. */
export function atenGap(target: string): string | undefined {
  const schema = atenSchema(target);
  if (!schema || assertions.has(target) || sizeQueries.has(target) || atenRow(schema.name, schema.overload)) return undefined;
  if (!usesTensors(schema)) return 'of Python numbers, text or lists: only TorchScript has it';
  return reasons.find(([pattern]) => pattern.test(target))?.[1] ?? 'no conversion is written';
}

/** Sizes of tensors, which the reader of programs answers itself. */
export const sizeQueries: ReadonlySet<string> = new Set(['sym_size.int', 'sym_numel.default']);

/** Every overload of the schema table with what is known of it, in the order of the table. */
export function atenCoverage(): readonly { readonly target: string; readonly core: boolean; readonly gap: string | undefined }[] {
  return atenNames().flatMap(name =>
    atenOverloads(name).map(overload => {
      const target = `${name}.${overload}`;
      return { target, core: atenSchema(target)!.core, gap: atenGap(target) };
    }),
  );
}
