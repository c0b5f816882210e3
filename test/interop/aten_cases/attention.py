"""Scaled dot product attention and the fused layers around it."""
import math

import torch

from . import B, T, V, W, case

# The second query may look at nothing.
CLOSED = [[True, False, True, True], [False, False, False, False], [True, True, False, True]]
CLOSED_BIAS = [[0.5 if kept else -math.inf for kept in row] for row in CLOSED]
# True is what fused layers leave out.
PADDED = [[False, False, True], [False, True, True]]
FUTURE = [[False, True, True], [False, False, True], [False, False, False]]


def qkv(batch=(2, 3), queries=3, keys=4, size=8, out=None):
    return [T(*batch, queries, size), T(*batch, keys, size), T(*batch, keys, out or size)]


def fused(embedding, heads, *, options, mask=None, **kwargs):
    weights = [W(3 * embedding, embedding), W(3 * embedding), W(embedding, embedding), W(embedding)]
    return case(*[T(2, 3, embedding)] * 3, embedding, heads, *weights, mask, *options, **kwargs)


def encoder(*, norm_first, use_gelu, **kwargs):
    w = {"proj": [W(24, 8), W(24), W(8, 8), W(8)], "norm": [W(8), W(8), W(8), W(8)], "ffn": [W(12, 8), W(12), W(8, 12), W(8)]}
    return case(T(2, 3, 8), 8, 2, *w["proj"], use_gelu, norm_first, 1e-5, *w["norm"], *w["ffn"], **kwargs)


CASES = {
    "scaled_dot_product_attention.default": [
        case(*qkv()),
        case(*qkv(), attn_mask=T(3, 4)),
        case(*qkv(), attn_mask=B(2, 1, 3, 4)),
        case(*qkv(), attn_mask=V(CLOSED)),
        case(*qkv(), attn_mask=V(CLOSED_BIAS)),
        case(*qkv(), attn_mask=V([[True], [False], [True]])),
        case(*qkv(), attn_mask=V([[[[True, True, False, True]]], [[[False, True, True, False]]]])),
        case(*qkv(), is_causal=True),
        case(*qkv(queries=5), is_causal=True, scale=0.3),
        case(*qkv(out=5), scale=1.0),
        case(*qkv(batch=())),
        case(*qkv(batch=()), attn_mask=V(CLOSED)),
        case(*qkv(batch=(3,)), is_causal=True),
        case(*qkv(batch=(3,)), attn_mask=T(3, 3, 4)),
        case(*qkv(batch=(2, 1, 2)), is_causal=True),
        case(*qkv(batch=(2, 1, 2)), attn_mask=B(3, 4)),
        case(*qkv(batch=(2, 1, 2)), attn_mask=T(2, 1, 1, 3, 4)),
        case(T(2, 4, 3, 8), T(2, 2, 5, 8), T(2, 2, 5, 8), enable_gqa=True),
        case(T(2, 4, 3, 8), T(2, 2, 5, 8), T(2, 2, 5, 8), B(2, 4, 3, 5), enable_gqa=True),
        case(T(4, 3, 8), T(1, 5, 8), T(1, 5, 8), is_causal=True, enable_gqa=True),
        case(T(2, 1, 3, 4), T(1, 2, 5, 4), T(2, 2, 5, 6)),
        case(*qkv(), types=(torch.float16,)),
    ],
    "_scaled_dot_product_attention_math.default": [
        case(*qkv()),
        case(*qkv(), V(CLOSED_BIAS)),
        case(*qkv(), is_causal=True, scale=0.7),
        case(*qkv(batch=(3,)), T(3, 4)),
    ],
    "_scaled_dot_product_flash_attention_for_cpu.default": [
        case(*qkv()),
        case(*qkv(), attn_mask=V(CLOSED_BIAS)),
        case(*qkv(), is_causal=True, scale=0.7),
        case(*qkv(), attn_mask=T(2, 1, 3, 4)),
    ],
    "_safe_softmax.default": [
        case(T(2, 3), -1),
        case(V([[1.0, -math.inf, -math.inf], [2.0, 1.0, -math.inf]]), 0),
        case(V([[1.0, 2.0, 3.0], [-math.inf, -math.inf, -math.inf]]), -1, dtype=torch.float64),
        case(T(), 0),
        case(T(2, 0), 0),
    ],
    "_native_multi_head_attention.default": [
        fused(8, 2, options=(True, True)),
        fused(8, 4, options=(True, False)),
        fused(8, 2, options=(True, True, 0), mask=V(FUTURE)),
        fused(8, 2, options=(True, True, 1), mask=V(PADDED)),
        fused(8, 2, options=(True, False, 2), mask=V([[FUTURE, FUTURE], [FUTURE, FUTURE]])),
        fused(8, 1, options=(True, True)),
    ],
    "_transformer_encoder_layer_fwd.default": [
        encoder(norm_first=False, use_gelu=False),
        encoder(norm_first=True, use_gelu=True),
        encoder(norm_first=False, use_gelu=True, mask=V(PADDED), mask_type=1),
        encoder(norm_first=True, use_gelu=False, mask=V(FUTURE), mask_type=0),
    ],
}

# PyTorch runs these on GPUs only; they are the rows of the flash kernel for CPU under other names.
WITHOUT_CPU_KERNEL = (
    "_scaled_dot_product_efficient_attention.default",
    "_scaled_dot_product_flash_attention.default",
    "_scaled_dot_product_cudnn_attention.default",
    "_scaled_dot_product_fused_attention_overrideable.default",
)
