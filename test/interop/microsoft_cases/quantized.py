"""Operators on quantised tensors. Weights that are multiplied have seven bits: on processors without 8-bit dot products ONNX Runtime's sums
of two products saturate at 16 bits."""
import numpy as np


def write(case):
    rng = np.random.default_rng(4)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    s = lambda value: np.array(value, np.float32)
    for kind in (np.uint8, np.int8):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max + 1
        q = lambda *shape, low=low, high=high, kind=kind: rng.integers(low, high, shape).astype(kind)
        z = lambda value, low=low, kind=kind: np.array(value + low, kind)
        name = np.dtype(kind).name
        write_pointwise(case, q, z, s, name)
        write_pools(case, q, z, s, name)
        write_joins(case, q, z, s, name, rng)
        write_products(case, q, z, s, f, name, rng, kind)
        write_conversions(case, q, z, s, f, name, kind)
        write_embeddings(case, q, z, s, name, rng)
    write_lstm(case, f, rng)
    words = lambda kind, *shape: rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape).astype(kind)
    case("MatMulInteger16", "matrix", [words(np.int16, 2, 3), words(np.int16, 3, 4)], open=(0,))
    case("MatMulInteger16", "stack", [words(np.int16, 2, 2, 3), words(np.int16, 2, 3, 4)])
    case("MatMulInteger16", "small", [words(np.int16, 1, 1), words(np.int16, 1, 4)], constant=[1])


def write_pointwise(case, q, z, s, name):
    for op in ("QLinearAdd", "QLinearMul"):
        case(op, f"{name}", [q(2, 3, 4), s(0.05), z(120), q(2, 3, 4), s(0.03), z(130), s(0.09), z(128)], open=(0, 1), constant=[1, 2, 4, 5, 6, 7])
        case(op, f"{name}_broadcast", [q(2, 3, 4), s(0.05), z(120), q(4), s(0.03), z(130), s(0.09), z(100)])
        case(op, f"{name}_scalar", [q(2, 33), s(0.05), z(120), q(1), s(0.03), z(130), s(0.09), z(100)])
    for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
        case(op, f"{name}", [q(2, 40), s(0.03), z(128), s(0.0043), z(10)], open=(0,), constant=[1, 2, 3, 4])
        case(op, f"{name}_wide", [q(3, 5, 7), s(0.1), z(100), s(0.05), z(60)])
        case(op, f"{name}_no_zeros", [q(50), s(0.02), None, s(0.02), None], constant=[1, 3])
    for opset in (11, 13):
        case("QLinearSoftmax", f"{name}_{opset}", [q(2, 3, 8), s(0.04), z(128), s(1 / 256), z(0)], opset=opset, axis=1, constant=[1, 2, 3, 4], open=(0,))
        case("QLinearSoftmax", f"{name}_{opset}_last", [q(4, 10), s(0.02), z(50), s(1 / 200), z(3)], opset=opset, constant=[1, 2, 3, 4])


def write_pools(case, q, z, s, name):
    rest = [s(0.0517), z(120), s(0.0313), z(100)]
    op = "QLinearAveragePool"
    case(op, f"{name}", [q(1, 3, 6, 5), *rest], kernel_shape=[2, 2], open=(2, 3), constant=[1, 2, 3, 4])
    case(op, f"{name}_padded", [q(1, 3, 6, 5), *rest], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], constant=[1, 2, 3, 4])
    case(op, f"{name}_counted", [q(1, 3, 6, 5), *rest], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, constant=[1, 2, 3, 4])
    case(op, f"{name}_last", [q(1, 6, 5, 3), *rest], kernel_shape=[2, 3], channels_last=1, constant=[1, 2, 3, 4])
    op = "QLinearGlobalAveragePool"
    case(op, f"{name}", [q(2, 3, 6, 5), *rest], open=(0, 2, 3), constant=[1, 2, 3, 4])
    case(op, f"{name}_last", [q(2, 6, 5, 3), *rest], channels_last=1, constant=[1, 2, 3, 4])
    case(op, f"{name}_line", [q(2, 3, 7), *rest], constant=[1, 2, 3, 4])


def write_joins(case, q, z, s, name, rng):
    op = "QLinearConcat"
    case(op, f"{name}", [s(0.05), z(100), q(2, 3), s(0.03), z(120), q(2, 4), s(0.06), z(90)], axis=1, open=(0,), constant=[0, 1, 3, 4, 6, 7])
    case(op, f"{name}_same", [s(0.05), z(100), q(2, 3), s(0.05), z(100), q(1, 3), s(0.05), z(100)], axis=0, constant=[0, 1, 3, 4, 6, 7])
    case(op, f"{name}_three", [s(0.05), z(100), q(2, 1, 3), s(0.03), z(120), q(2, 2, 3), s(0.06), z(90), q(2, 1, 3), s(0.05), z(100)], axis=-2)
    condition = rng.integers(0, 2, (2, 3)).astype(bool)
    scales = [2, 3, 5, 6, 7, 8]
    op = "QLinearWhere"
    case(op, f"{name}", [condition, q(2, 3), s(0.05), z(100), q(2, 3), s(0.03), z(120), s(0.06), z(90)], constant=scales, open=(0,))
    case(op, f"{name}_broadcast", [condition, q(3), s(0.05), z(100), q(4, 2, 3), s(0.03), z(120), s(0.06), z(90)], constant=scales)
    case(op, f"{name}_scalar", [condition, q(1), s(0.05), z(100), q(2, 3), s(0.03), z(120), s(0.06), z(90)], constant=scales)


def write_products(case, q, z, s, f, name, rng, kind):
    small = lambda *shape: rng.integers(-64, 64, shape).astype(np.int8)
    zero = np.array(3, np.int8)
    op = "MatMulIntegerToFloat"
    case(op, f"{name}", [q(2, 3, 8), small(8, 5), s(0.05), s(0.02), z(100), zero], open=(0, 1), constant=[1, 2, 3, 4, 5], atol=1e-4)
    case(op, f"{name}_bias", [q(3, 8), small(8, 5), s(0.05), s(0.02), z(100), None, f(5)], constant=[1, 6], atol=1e-4)
    case(op, f"{name}_columns", [q(3, 8), small(8, 5), s(0.05), abs(f(5)), z(100), small(5) // 8], constant=[1, 3, 5], atol=1e-4)
    case(op, f"{name}_plain", [q(3, 8), small(8, 5), s(0.05), s(0.02)], atol=1e-4)
    op = "QGemm"
    sums = rng.integers(-500, 500, 5).astype(np.int32)
    case(op, f"{name}", [q(3, 8), s(0.05), z(100), small(8, 5), s(0.02), zero, sums, s(0.3), z(120)], constant=[3, 6], open=(0,))
    case(op, f"{name}_float", [q(3, 8), s(0.05), z(100), small(8, 5), s(0.02), zero, sums], alpha=0.5, atol=1e-4)
    case(op, f"{name}_turned", [q(8, 3), s(0.05), z(100), small(5, 8), s(0.02), zero, None, s(0.3), z(120)], transA=1, transB=1)
    case(op, f"{name}_columns", [q(3, 8), s(0.05), z(100), small(8, 5), abs(f(5)) + np.float32(0.1), np.zeros(5, np.int8), sums, s(0.9), z(120)], constant=[3, 4, 5])
    op = "DynamicQuantizeMatMul"
    weight = small(8, 5) if kind is np.int8 else (small(8, 5).astype(np.int32) + 64).astype(np.uint8)
    case(op, f"{name}", [f(2, 3, 8), weight, s(0.02), np.array(3, kind)], open=(0, 1), constant=[1, 2, 3], atol=1e-4)
    case(op, f"{name}_bias", [f(3, 8), weight, s(0.02), None, f(5)], constant=[1, 2, 4], atol=1e-4)
    case(op, f"{name}_columns", [f(3, 8), weight, abs(f(5)), np.full(5, 3, kind), f(5)], constant=[1, 2, 3, 4], atol=1e-4)
    op = "QLinearConv"
    kernel = [small(4, 3, 3, 3), s(0.02), np.array(0, np.int8)]
    bias = rng.integers(-500, 500, 4).astype(np.int32)
    weights = [1, 2, 3, 4, 5, 6, 7, 8]
    case(op, f"{name}", [q(1, 3, 6, 5), s(0.05), z(120), *kernel, s(0.2), z(100)], pads=[1, 1, 1, 1], constant=weights[:-1])
    case(op, f"{name}_last", [q(1, 6, 5, 3), s(0.05), z(120), *kernel, s(0.2), z(100), bias], channels_last=1, constant=weights)
    columns = [small(4, 3, 3, 3), abs(f(4)) + np.float32(0.01), np.zeros(4, np.int8)]
    case(op, f"{name}_channels", [q(1, 6, 5, 3), s(0.05), z(120), *columns, s(2.0), z(100), bias], channels_last=1, strides=[2, 2], pads=[1, 0, 1, 0], constant=weights)


def write_conversions(case, q, z, s, f, name, kind):
    case("QuantizeLinear", f"{name}", [f(3, 4), s(0.03), z(120)], constant=[1, 2], open=(0,))
    case("QuantizeLinear", f"{name}_axis", [f(3, 4, 2), abs(f(4)), q(4)], axis=1)
    case("QuantizeLinear", f"{name}_large", [f(3, 40) * 100, s(0.5), z(120)])
    case("DequantizeLinear", f"{name}", [q(3, 4), s(0.03), z(120)], constant=[1, 2], open=(0,))
    case("DequantizeLinear", f"{name}_axis", [q(3, 4, 2), abs(f(3)), q(3)], axis=0)
    case("DequantizeLinear", f"{name}_plain", [q(3, 4), s(0.03)])


def write_embeddings(case, q, z, s, name, rng):
    ids = rng.integers(0, 9, (2, 4)).astype(np.int32)
    segments = rng.integers(0, 2, (2, 4)).astype(np.int32)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    codes = [q(9, 6), q(10, 6), q(2, 6), q(6), q(6)]
    scales, zeros = [s(0.01), s(0.02), s(0.03), s(0.015), s(0.005)], [z(128), z(120), z(110), z(30), z(140)]
    rest = list(range(2, 18))
    case("QEmbedLayerNormalization", f"{name}", [ids, segments, *codes, mask, *scales, *zeros], 2, constant=[i for i in rest if i != 7], open=(0, 1), atol=1e-4)
    case("QEmbedLayerNormalization", f"{name}_no_mask", [ids, segments, *codes, None, *scales, *zeros], 2, atol=1e-4)
    without = lambda values: [None if i == 2 else v for i, v in enumerate(values)]
    case("QEmbedLayerNormalization", f"{name}_no_segments", [ids, None, *without(codes), mask, *without(scales), *without(zeros)], 2, atol=1e-4)


def write_lstm(case, f, rng):
    """ONNX Runtime rounds the activations to 8 bits, which the tolerance covers; we keep them whole."""
    small = lambda *shape: rng.integers(-64, 64, shape).astype(np.int8)
    near = {"rtol": 0, "atol": 2e-2, "hidden_size": 5}
    op = "DynamicQuantizeLSTM"
    for label, directions in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        w, r, bias = small(directions, 4, 20), small(directions, 5, 20), f(directions, 40) * 0.1
        one = [np.full(directions, 0.01, np.float32), np.zeros(directions, np.int8)]
        case(op, label, [f(6, 2, 4), w, r, bias, None, None, None, None, *one, *one], 3, constant=[1, 2, 3, 8, 9, 10, 11], direction=label, **near)
    gates = [(rng.random((1, 20)) * 0.01 + 0.005).astype(np.float32), np.zeros((1, 20), np.int8)]
    w, r = small(1, 4, 20), small(1, 5, 20)
    case(op, "gates", [f(6, 2, 4), w, r, None, None, f(1, 2, 5), f(1, 2, 5), None, *gates, *gates], 3, constant=[1, 2, 8, 9, 10, 11], **near)
