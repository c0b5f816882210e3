"""Products and look-ups with weights of a few bits."""
import numpy as np
from onnx import TensorProto, helper


def write(case):
    rng = np.random.default_rng(3)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    h = lambda *shape: f(*shape).astype(np.float16)
    bytes_of = lambda *shape: rng.integers(0, 256, shape).astype(np.uint8)
    write_products(case, f, h, bytes_of, rng)
    write_lookups(case, f, bytes_of, rng)
    write_bnb4(case, f, bytes_of)
    write_mixtures(case, f, bytes_of, rng)


def write_products(case, f, h, bytes_of, rng):
    op = "MatMulNBits"
    for bits, size, n, k in ((4, 16, 8, 32), (4, 32, 5, 64), (8, 32, 6, 64), (2, 32, 8, 64), (4, 16, 7, 40), (4, 32, 4, 32), (8, 16, 3, 20)):
        blocks = -(-k // size)
        b = bytes_of(n, blocks, size * bits // 8)
        scales = (rng.random((n, blocks)) * 0.1).astype(np.float32)
        zeros = bytes_of(n, -(-blocks * bits // 8))
        at = {"K": k, "N": n, "bits": bits, "block_size": size, "atol": 1e-4}
        label = f"{bits}bits_{size}_{n}x{k}"
        case(op, label, [f(2, 3, k), b, scales], constant=[1, 2], open=(0, 1), **at)
        case(op, f"{label}_zeros", [f(2, k), b, scales, zeros], constant=[1, 2, 3], open=(0,), **at)
    n, k, size = 6, 64, 32
    b, scales = bytes_of(n, 2, 16), (rng.random((n, 2)) * 0.1).astype(np.float32)
    at = {"K": k, "N": n, "bits": 4, "block_size": size, "atol": 1e-4}
    case(op, "bias", [f(2, k), b, scales, None, None, f(n)], constant=[1, 2, 5], **at)
    case(op, "fed", [f(2, k), b, scales, bytes_of(n, 1)], **at)
    case(op, "zeros_of_floats", [f(2, k), b, scales, rng.integers(0, 16, (n, 2)).astype(np.float32)], constant=[1, 2, 3], **at)
    # With places ONNX Runtime passes over zero points that are packed.
    case(op, "places", [f(2, k), b, scales, None, rng.integers(0, 2, k).astype(np.int32)], constant=[1, 2, 4], **at)
    case(op, "flat_scales", [f(2, k), b, scales.reshape(-1), bytes_of(n)], constant=[1, 2, 3], **at)
    case(op, "half", [h(2, k), b, scales.astype(np.float16), bytes_of(n, 1)], constant=[1, 2, 3], **{**at, "rtol": 1e-2, "atol": 1e-1})


def packed(name, kind, values, dims):
    return helper.make_tensor(name, kind, dims, values)


def write_lookups(case, f, bytes_of, rng):
    op = "GatherBlockQuantized"
    ids = np.array([[0, 3, 2], [1, 1, 4]], np.int64)
    scales = lambda *shape: (rng.random(shape) * 0.1).astype(np.float32)
    case(op, "bytes4", [bytes_of(5, 16), ids, scales(5, 2)], constant=[0, 2], open=(0, 1), quantize_axis=1, block_size=16)
    case(op, "bytes4_zeros", [bytes_of(5, 16), ids, scales(5, 2), bytes_of(5, 1)], constant=[0, 2, 3], open=(0, 1), quantize_axis=1, block_size=16)
    case(op, "bytes4_three_blocks", [bytes_of(5, 24), ids, scales(5, 3), bytes_of(5, 2)], constant=[0, 2, 3], quantize_axis=-1, block_size=16)
    case(op, "bytes8", [bytes_of(5, 32), ids, scales(5, 2)], constant=[0, 2], bits=8, quantize_axis=1, block_size=16)
    case(op, "bytes8_zeros", [bytes_of(5, 32), ids.astype(np.int32), scales(5, 2), bytes_of(5, 2)], constant=[0, 2, 3], bits=8, quantize_axis=1, block_size=16)
    case(op, "bytes8_part", [bytes_of(5, 24), ids, scales(5, 2), bytes_of(5, 2)], constant=[0, 2, 3], bits=8, quantize_axis=1, block_size=16)
    case(op, "bytes2", [bytes_of(5, 8), ids, scales(5, 2)], constant=[0, 2], bits=2, quantize_axis=1, block_size=16)
    case(op, "cube", [bytes_of(5, 3, 8), ids, scales(5, 3, 1)], constant=[0, 2], quantize_axis=2, block_size=16)
    for kind, low, name in ((TensorProto.UINT4, 0, "uint4"), (TensorProto.INT4, -8, "int4")):
        nibbles = lambda *dims, kind=kind, low=low: packed("d", kind, rng.integers(low, low + 16, int(np.prod(dims))).tolist(), dims)
        case(op, name, [nibbles(5, 32), ids, scales(5, 2)], constant=[0, 2], quantize_axis=1, block_size=16)
        case(op, f"{name}_zeros", [nibbles(5, 32), ids, scales(5, 2), nibbles(5, 2)], constant=[0, 2, 3], quantize_axis=1, block_size=16)
        case(op, f"{name}_same_axis", [nibbles(32, 3), ids, scales(2, 3), nibbles(2, 3)], constant=[0, 2, 3], quantize_axis=0, gather_axis=0, block_size=16)
        case(op, f"{name}_other_axis", [nibbles(3, 32), np.array([2, 30], np.int64), scales(3, 2)], constant=[0, 2], quantize_axis=1, gather_axis=1, block_size=16)


def write_bnb4(case, f, bytes_of):
    for kind in (0, 1):
        at = {"K": 16, "N": 6, "quant_type": kind, "block_size": 16}
        case("MatMulBnb4", f"type{kind}", [f(2, 3, 16), bytes_of(48), abs(f(6))], constant=[1, 2], open=(0, 1), **at)
        case("MatMulBnb4", f"type{kind}_32", [f(2, 16), bytes_of(48), abs(f(3))], constant=[1, 2], **{**at, "block_size": 32})
        case("MatMulBnb4", f"type{kind}_codes", [np.eye(16, dtype=np.float32), np.arange(48).astype(np.uint8) * 5, abs(f(6))], constant=[1, 2], **at)


def write_mixtures(case, f, bytes_of, rng):
    x, router = f(2, 3, 16), f(6, 4)
    plain = [x, router, f(4, 32, 16), f(4, 32), f(4, 16, 32), f(4, 16)]
    weights = [2, 3, 4, 5]
    case("MoE", "relu", plain, k=2, constant=weights, open=(0,), atol=1e-4)
    case("MoE", "normalised", plain, k=2, normalize_routing_weights=1, constant=weights, atol=1e-4)
    case("MoE", "gelu", [f(6, 16), *plain[1:]], k=1, activation_type="gelu", constant=weights, atol=1e-4)
    case("MoE", "silu_no_bias", [x, router, plain[2], None, plain[4]], k=3, activation_type="silu", constant=[2, 4], atol=1e-4)
    fused = [x, router, f(4, 64, 16), f(4, 64), f(4, 16, 32), f(4, 16)]
    case("MoE", "swiglu_turns", fused, k=2, activation_type="swiglu", swiglu_fusion=1, swiglu_limit=2.0, activation_alpha=1.7, activation_beta=1.0, constant=weights, atol=1e-4)
    scales = lambda *shape: (rng.random(shape) * 0.1).astype(np.float32)
    for bits in (4, 8):
        at = {"k": 2, "expert_weight_bits": bits, "weights_prepacked": 0, "atol": 1e-3, "constant": [2, 3, 4, 5, 6, 7]}
        rows = [x, router, bytes_of(4, 32, 2 * bits), scales(4, 32), f(4, 32), bytes_of(4, 16, 4 * bits), scales(4, 16), f(4, 16)]
        case("QMoE", f"rows{bits}", rows, activation_type="silu", **at)
        case("QMoE", f"normalised{bits}", rows, activation_type="relu", normalize_routing_weights=1, **at)
    blocks = [x, router, bytes_of(4, 32, 8), scales(4, 32, 1), f(4, 32), bytes_of(4, 16, 16), scales(4, 16, 2), f(4, 16)]
    case("QMoE", "blocks", blocks, k=1, block_size=16, activation_type="silu", weights_prepacked=0, atol=1e-3, constant=[2, 3, 4, 5, 6, 7])
    gated = [x, router, bytes_of(4, 64, 8), scales(4, 64), f(4, 64), bytes_of(4, 16, 16), scales(4, 16), f(4, 16)]
    case("QMoE", "swiglu", gated, k=2, activation_type="swiglu", swiglu_fusion=1, weights_prepacked=0, atol=1e-3, constant=[2, 3, 4, 5, 6, 7])
    zeros = [*rows[:2], bytes_of(4, 32, 8), scales(4, 32), f(4, 32), bytes_of(4, 16, 16), scales(4, 16), f(4, 16), None, None, None, bytes_of(4, 16), bytes_of(4, 8)]
    case("QMoE", "zeros", zeros, k=2, activation_type="silu", weights_prepacked=0, atol=1e-3, constant=[2, 3, 4, 5, 6, 7, 11, 12])
