// Cases of the standard that do not pass, each with its reason. A case that passes must leave this list.
const noise = 'the expected numbers hold the rounding of a float32 transform, 1.9e-7, where the exact result, and ours within 1e-14, is 0';

export const knownFailures: Readonly<Record<string, string | undefined>> = {
  test_dft_inverse: noise,
  test_dft_inverse_opset19: noise,
  test_attention_4d_causal_fp16_expanded:
    'the expected numbers follow a Softmax whose sum is rounded to float16 at every step; ours, summed in float32, are nearer to the exact ones',
  test_image_decoder_decode_jpeg2k_rgb: 'JPEG 2000 is decoded by no library that is used here',
};
