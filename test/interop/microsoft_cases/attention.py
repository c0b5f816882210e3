"""Attention in its forms, with states, masks and rotary embeddings."""
import numpy as np


def write(case):
    rng = np.random.default_rng(2)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    h = lambda *shape: f(*shape).astype(np.float16)
    i32 = lambda values: np.array(values, np.int32)
    write_rotary(case, f, rng)
    write_multi_head(case, f, h, i32, rng)
    write_merged(case, f, i32, rng)
    write_quantised(case, f, i32, rng)
    write_grouped(case, f, h, i32, rng)


def caches(size, length=32):
    angles = np.outer(np.arange(length), 1 / 10000 ** (np.arange(size // 2) / (size // 2)))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def write_rotary(case, f, rng):
    cos, sin = caches(8)
    places = np.array([[0, 1, 2], [4, 5, 6]], np.int64)
    case("RotaryEmbedding", "flat", [f(2, 3, 24), places, cos, sin], constant=[2, 3], open=(0, 1))
    case("RotaryEmbedding", "offset", [f(2, 3, 24), np.array([5], np.int64), cos, sin], constant=[2, 3], open=(0, 1))
    case("RotaryEmbedding", "offset_fed", [f(1, 1, 24), np.array([7], np.int64), cos, sin])
    case("RotaryEmbedding", "interleaved", [f(2, 3, 24), places, cos, sin], interleaved=1, open=(0, 1), constant=[2, 3])
    case("RotaryEmbedding", "heads", [f(2, 4, 3, 8), places, cos, sin])
    case("RotaryEmbedding", "part", [f(2, 3, 48), places, cos, sin], num_heads=3, rotary_embedding_dim=8)
    case("RotaryEmbedding", "part_interleaved", [f(2, 3, 48), places, cos, sin], num_heads=3, rotary_embedding_dim=8, interleaved=1)


def write_multi_head(case, f, h, i32, rng):
    op = "MultiHeadAttention"
    q, k, v = f(2, 3, 16), f(2, 5, 16), f(2, 5, 24)
    case(op, "plain", [f(2, 3, 16), f(2, 3, 16), f(2, 3, 16)], num_heads=2, open=(0, 1))
    case(op, "cross", [q, k, v], num_heads=2, open=(0, 1))
    case(op, "bias", [q, k, v, f(56)], num_heads=4, constant=[3], open=(0, 1))
    case(op, "scale", [q, k, v], num_heads=4, scale=0.3)
    lengths, starts = i32([5, 3]), i32([0, 1])
    case(op, "lengths", [q, k, v, None, lengths], num_heads=2)
    case(op, "mask", [q, k, v, None, i32([[1, 1, 1, 1, 0], [0, 1, 1, 1, 1]])], num_heads=2, open=(0, 1))
    case(op, "mask_nothing", [q, k, v, None, i32([[1, 1, 1, 1, 0], [0, 0, 0, 0, 0]])], num_heads=2)
    case(op, "mask_each", [q, k, v, None, rng.integers(0, 2, (2, 3, 5)).astype(np.int32)], num_heads=2, mask_filter_value=-100.0)
    case(op, "attention_bias", [q, k, v, None, None, f(2, 2, 3, 5)], num_heads=2, open=(0, 2))
    case(op, "attention_bias_shared", [q, k, v, f(56), i32([[1, 1, 1, 1, 0], [0, 1, 1, 1, 1]]), f(1, 1, 3, 5)], num_heads=2)
    case(op, "causal", [f(2, 4, 16), f(2, 4, 16), f(2, 4, 16)], num_heads=2, unidirectional=1, open=(0, 1))
    case(op, "state", [f(2, 1, 16), f(2, 1, 16), f(2, 1, 16), None, None, None, f(2, 2, 4, 8), f(2, 2, 4, 8)], 3, num_heads=2, open=(0,))
    case(op, "state_causal", [f(2, 3, 16), f(2, 3, 16), f(2, 3, 16), None, None, None, f(2, 2, 4, 8), f(2, 2, 4, 8)], 3, num_heads=2, unidirectional=1)
    case(op, "state_mask", [f(2, 1, 16), f(2, 1, 16), f(2, 1, 16), f(48), i32([[1, 1, 1, 0, 1], [0, 1, 1, 1, 1]]), None, f(2, 2, 4, 8), f(2, 2, 4, 8)], 3, num_heads=2)
    case(op, "keys_with_heads", [f(2, 3, 16), f(2, 2, 5, 8), f(2, 2, 5, 8)], num_heads=2)
    case(op, "keys_with_heads_bias", [f(2, 3, 16), f(2, 2, 5, 8), f(2, 2, 5, 8), f(48)], num_heads=2)
    case(op, "qk", [q, k, v], "1001", declared=True, num_heads=2)
    case(op, "qk_mask", [q, k, v, None, i32([[1, 1, 1, 1, 0], [0, 1, 1, 1, 1]]), f(1, 1, 3, 5)], "1001", declared=True, num_heads=2)


def write_merged(case, f, i32, rng):
    op = "Attention"
    x, w, bias = f(2, 4, 12), f(12, 48), f(48)
    case(op, "plain", [x, w, bias], num_heads=2, constant=[1, 2], open=(0, 1))
    case(op, "no_bias", [x, w], 2, num_heads=4)
    case(op, "lengths", [x, w, bias, i32([4, 2])], num_heads=2, constant=[1, 2])
    case(op, "bounds", [x, w, bias, i32([4, 3, 1, 0])], num_heads=2, constant=[1, 2])
    case(op, "mask", [x, w, bias, i32([[1, 1, 1, 0], [0, 1, 1, 1]])], num_heads=2, constant=[1, 2], open=(0, 1))
    case(op, "mask_each", [x, w, bias, rng.integers(0, 2, (2, 4, 4)).astype(np.int32)], num_heads=2, constant=[1, 2])
    case(op, "causal", [x, w, bias], 2, num_heads=2, unidirectional=1, constant=[1, 2], open=(0, 1))
    case(op, "causal_mask", [x, w, bias, i32([[1, 1, 1, 0], [0, 1, 1, 1]])], num_heads=2, unidirectional=1)
    case(op, "state", [f(2, 1, 12), w, bias, i32([[1, 1, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]]), f(2, 2, 2, 5, 8)], 2, num_heads=2, unidirectional=1, constant=[1, 2], open=(1,))
    case(op, "state_steps", [f(2, 3, 12), w, bias, None, f(2, 2, 2, 5, 8)], 2, num_heads=2, unidirectional=1)
    case(op, "sizes", [x, f(12, 40), f(40)], num_heads=2, qkv_hidden_sizes=[16, 16, 8])
    case(op, "attention_bias", [x, w, bias, None, None, f(1, 2, 4, 4)], num_heads=2, scale=0.5)


def write_quantised(case, f, i32, rng):
    x = rng.integers(0, 256, (2, 4, 12)).astype(np.uint8)
    # Seven bits: on processors without 8-bit dot products ONNX Runtime's sums of two products saturate at 16 bits.
    w = rng.integers(-64, 64, (12, 24)).astype(np.int8)
    scale = lambda *values: np.array(values if len(values) > 1 else values[0], np.float32)
    one, zero = scale(0.02), np.array(0, np.int8)
    case("QAttention", "plain", [x, w, f(24), one, scale(0.01), None, np.array(128, np.uint8), zero], num_heads=2, constant=[1, 2], open=(0, 1), atol=1e-4)
    case("QAttention", "no_zero", [(x // 2), w, f(24), one, scale(0.01)], num_heads=2, atol=1e-4)
    case("QAttention", "columns", [x, w, f(24), one, np.linspace(0.005, 0.02, 24).astype(np.float32), i32([4, 2]), np.array(100, np.uint8), np.zeros(24, np.int8)], num_heads=2, atol=1e-4)
    case("QAttention", "state", [x, w, f(24), one, scale(0.01), None, np.array(128, np.uint8), zero, f(2, 2, 2, 3, 4)], 2, num_heads=2, unidirectional=1, atol=1e-4)


def write_grouped(case, f, h, i32, rng):
    op = "GroupQueryAttention"
    cos, sin = caches(16)
    total = lambda n: np.array([n], np.int32)
    heads = {"num_heads": 4, "kv_num_heads": 2}
    prompt = lambda steps, make=f: [make(2, steps, 64), make(2, steps, 32), make(2, steps, 32)]
    state = lambda length, make=f: [make(2, 2, length, 16), make(2, 2, length, 16)]
    rotary = {"do_rotary": 1, "constant": [7, 8]}
    sizes = i32([4, 4])
    case(op, "prompt", [*prompt(5), None, None, sizes, total(5)], 3, open=(0, 1), **heads)
    case(op, "prompt_empty_state", [*prompt(5), *state(0), sizes, total(5)], 3, **heads)
    case(op, "prompt_rotary", [*prompt(5), None, None, sizes, total(5), cos, sin], 3, open=(0, 1), **rotary, **heads)
    case(op, "prompt_interleaved", [*prompt(5), None, None, sizes, total(5), cos, sin], 3, rotary_interleaved=1, **rotary, **heads)
    case(op, "prompt_places", [*prompt(5), None, None, sizes, total(5), cos, sin, np.array([[0, 1, 2, 3, 4]] * 2, np.int64)], 3, **rotary, **heads)
    case(op, "packed", [f(2, 5, 128), None, None, None, None, sizes, total(5), cos, sin], 3, open=(0, 1), **rotary, **heads)
    case(op, "one_head_each", [f(2, 5, 32), f(2, 5, 32), f(2, 5, 32), None, None, sizes, total(5)], 3, num_heads=2, kv_num_heads=2)
    case(op, "softcap", [*prompt(5), None, None, sizes, total(5)], softcap=2.0, scale=0.5, **heads)
    case(op, "window", [*prompt(6), None, None, i32([5, 5]), total(6)], local_window_size=2, **heads)
    case(op, "smooth", [*prompt(5), None, None, sizes, total(5)], smooth_softmax=1, **heads)
    case(op, "sink", [*prompt(5), None, None, sizes, total(5), None, None, None, None, f(4)], **heads)
    case(op, "attention_bias", [*prompt(5), None, None, sizes, total(5), None, None, None, f(1, 4, 5, 5)], **heads)
    case(op, "attention_bias_softcap", [*prompt(5), None, None, sizes, total(5), None, None, None, f(2, 1, 5, 5)], softcap=1.5, **heads)
    # One step later: a state of exactly what was there, then a longer buffer, then entries of different lengths.
    case(op, "step", [*prompt(1), *state(6), i32([6, 6]), total(7), cos, sin], 3, open=(0,), **rotary, **heads)
    case(op, "step_constant_total", [*prompt(1), *state(6), i32([6, 6]), total(7), cos, sin], 3, do_rotary=1, constant=[6, 7, 8], open=(0, 1), **heads)
    case(op, "step_buffer", [*prompt(1), *state(10), i32([6, 6]), total(7), cos, sin], 3, open=(0,), **rotary, **heads)
    case(op, "step_lengths", [*prompt(1), *state(10), i32([6, 3]), total(7), cos, sin], 3, open=(0,), **rotary, **heads)
    case(op, "step_window", [*prompt(1), *state(10), i32([9, 5]), total(10)], 3, local_window_size=3, **heads)
    case(op, "step_bias", [*prompt(1), *state(10), i32([6, 3]), total(7), None, None, None, f(1, 1, 1, 7)], 3, **heads)
    case(op, "step_packed", [f(1, 1, 128), None, None, f(1, 2, 6, 16), f(1, 2, 6, 16), i32([6]), total(7), cos, sin], 3, **rotary, **heads)
    case(op, "steps", [f(1, 3, 64), f(1, 3, 32), f(1, 3, 32), f(1, 2, 6, 16), f(1, 2, 6, 16), i32([8]), total(9), cos, sin], 3, **rotary, **heads)
    case(op, "steps_buffer", [f(1, 3, 64), f(1, 3, 32), f(1, 3, 32), f(1, 2, 12, 16), f(1, 2, 12, 16), i32([8]), total(9), cos, sin], 3, **rotary, **heads)
    case(op, "half", [*prompt(5, h), None, None, sizes, total(5)], 3, rtol=1e-2, atol=2e-3, **heads)
    case(op, "qk_before", [*prompt(5), None, None, sizes, total(5)], "1111", qk_output=1, **heads)
    case(op, "qk_after", [*prompt(5), None, None, sizes, total(5)], "1111", qk_output=2, **heads)
    case(op, "both_ways", [*prompt(5), None, None, sizes, total(5)], causal=0, **heads)
