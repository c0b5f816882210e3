"""Float operators: activations, normalisations, products and convolutions with what is fused into them."""
import numpy as np

def write(case):
    rng = np.random.default_rng(1)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    h = lambda *shape: f(*shape).astype(np.float16)

    case("Gelu", "matrix", [f(3, 5)], open=(0,))
    case("Gelu", "vector", [f(7)])
    case("Gelu", "cube", [f(2, 3, 4)], open=(0, 1, 2))
    case("BiasGelu", "matrix", [f(3, 5), f(5)], open=(0,))
    case("BiasGelu", "cube", [f(2, 3, 4), f(4)], constant=[1], open=(0, 1))
    case("BiasGelu", "large", [f(2, 8) * 4, f(8)])
    case("FastGelu", "plain", [f(3, 5)], open=(0, 1))
    case("FastGelu", "bias", [f(2, 3, 4), f(4)], constant=[1], open=(0,))
    case("FastGelu", "half", [h(2, 3, 4), h(4)], rtol=1e-2, atol=1e-3)
    case("QuickGelu", "default", [f(3, 5)], open=(0,))
    case("QuickGelu", "one", [f(2, 3, 4)], alpha=1.0)
    case("QuickGelu", "half", [h(6)], alpha=1.5, rtol=1e-2, atol=1e-3)

    for axis, shape, scale in ((-1, (2, 3, 8), (8,)), (1, (2, 3, 4), (3, 4)), (-1, (5, 6), (6,))):
        case("SimplifiedLayerNormalization", f"axis{axis}_{len(shape)}", [f(*shape), f(*scale)], domain="", open=(0,), axis=axis, epsilon=1e-5)
    case("SimplifiedLayerNormalization", "half", [h(2, 3, 8), h(8)], domain="", axis=-1, epsilon=1e-6, stash_type=1, rtol=1e-2, atol=1e-2)
    case("SimplifiedLayerNormalization", "statistic", [f(2, 3, 8), f(8)], 2, domain="", axis=-1, epsilon=1e-6)

    x = (2, 3, 8)
    case("SkipLayerNormalization", "gamma", [f(*x), f(*x), f(8)], open=(0, 1))
    case("SkipLayerNormalization", "beta", [f(*x), f(*x), f(8), f(8)], constant=[2, 3], open=(0, 1), epsilon=1e-5)
    case("SkipLayerNormalization", "bias", [f(*x), f(*x), f(8), f(8), f(8)], "1001", constant=[2, 3, 4], open=(0, 1))
    case("SkipLayerNormalization", "bias_only", [f(*x), f(*x), f(8), None, f(8)], "1001")
    case("SkipLayerNormalization", "skip_of_one_batch", [f(*x), f(1, 3, 8), f(8), f(8)])
    case("SkipLayerNormalization", "skip_matrix", [f(*x), f(3, 8), f(8), f(8)], "1001")
    case("SkipLayerNormalization", "half", [h(*x), h(*x), h(8), h(8), h(8)], "1001", rtol=1e-2, atol=1e-2)
    case("SkipSimplifiedLayerNormalization", "gamma", [f(*x), f(*x), f(8)], open=(0, 1))
    case("SkipSimplifiedLayerNormalization", "bias", [f(*x), f(*x), f(8), f(8)], "1001", constant=[2, 3], open=(0, 1), epsilon=1e-5)
    case("SkipSimplifiedLayerNormalization", "matrix", [f(3, 8), f(3, 8), f(8)], "1001", open=(0,))
    case("SkipSimplifiedLayerNormalization", "half", [h(*x), h(*x), h(8)], "1001", rtol=1e-2, atol=1e-2)

    ids = rng.integers(0, 9, (2, 4)).astype(np.int32)
    segments = rng.integers(0, 2, (2, 4)).astype(np.int32)
    words, places, kinds, gamma, beta = f(9, 6), f(10, 6), f(2, 6), f(6), f(6)
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    tables = [2, 3, 4, 5, 6]
    case("EmbedLayerNormalization", "plain", [ids, None, words, places, None, gamma, beta], 2, constant=tables, open=(0, 1))
    case("EmbedLayerNormalization", "segments", [ids, segments, words, places, kinds, gamma, beta], 2, constant=tables, open=(0, 1), epsilon=1e-3)
    case("EmbedLayerNormalization", "mask", [ids, segments, words, places, kinds, gamma, beta, mask], 2, constant=tables, open=(0, 1))
    case("EmbedLayerNormalization", "places", [ids, segments, words, places, kinds, gamma, beta, mask, np.array([[3, 2, 1, 0], [5, 6, 7, 8]], np.int32)], 3)
    case("EmbedLayerNormalization", "places_of_one", [ids, None, words, places, None, gamma, beta, None, np.array([[3, 2, 1, 0]], np.int32)], 3)

    for op in ("FusedMatMul", "TransposeMatMul"):
        case(op, "plain", [f(2, 3), f(3, 4)], alpha=0.5, open=(0,))
        case(op, "transA", [f(3, 2), f(3, 4)], transA=1, open=(1,))
        case(op, "transB", [f(5, 2, 3), f(5, 4, 3)], transB=1, alpha=2.0, open=(0, 1))
        case(op, "both", [f(3, 2), f(4, 3)], transA=1, transB=1)
        case(op, "broadcast", [f(2, 1, 3, 2), f(4, 3, 5)], transA=1)
    case("FusedMatMul", "double", [f(2, 3).astype(np.float64), f(4, 3).astype(np.float64)], transB=1)
    case("FusedMatMul", "batchA", [f(3, 2, 4, 5), f(2, 4, 5, 6)], transBatchA=1)
    case("FusedMatMul", "batchB", [f(2, 4, 3, 5), f(5, 2, 4, 6)], transBatchB=1)
    case("FusedMatMul", "batchA_transA", [f(5, 2, 4, 3), f(2, 4, 5, 6)], transBatchA=1, transA=1)
    case("FusedMatMul", "batchB_transB", [f(2, 4, 3, 5), f(6, 2, 4, 5)], transBatchB=1, transB=1)

    case("FusedGemm", "relu", [f(2, 3), f(3, 4), f(4)], activation="Relu", open=(0,))
    case("FusedGemm", "leaky", [f(3, 2), f(4, 3)], activation="LeakyRelu", activation_alpha=0.3, transA=1, transB=1, alpha=0.5)
    case("FusedGemm", "sigmoid", [f(2, 3), f(3, 4), f(2, 1)], activation="Sigmoid", beta=2.0)
    case("FusedGemm", "tanh", [f(2, 3), f(3, 4), f(2, 4)], activation="Tanh")
    case("FusedGemm", "hard", [f(2, 3), f(3, 4)], activation="HardSigmoid", activation_alpha=0.3, activation_beta=0.4)

    image, kernel = f(1, 4, 6, 5), f(8, 4, 3, 3)
    case("FusedConv", "relu", [image, kernel, f(8)], activation="Relu", pads=[1, 1, 1, 1], constant=[1, 2], open=(0, 2, 3))
    case("FusedConv", "clip", [image, kernel], activation="Clip", activation_params=[-1.0, 2.0], strides=[2, 2], kernel_shape=[3, 3])
    case("FusedConv", "leaky", [image, f(8, 2, 3, 3), f(8)], activation="LeakyRelu", activation_params=[0.2], group=2, dilations=[2, 1])
    case("FusedConv", "hard", [image, kernel, f(8)], activation="HardSigmoid", activation_params=[0.2, 0.6])
    case("FusedConv", "sum", [image, kernel, f(8), f(1, 8, 4, 3)], activation="Relu")
    case("FusedConv", "same", [image, kernel, f(8)], activation="Tanh", auto_pad="SAME_UPPER", strides=[2, 2])

    pads = np.array([1, 0, 1, 2], np.int64)
    case("ConvTransposeWithDynamicPads", "constant", [f(1, 3, 4, 5), f(3, 2, 3, 3), pads], constant=[1, 2], open=(0,))
    case("ConvTransposeWithDynamicPads", "fed", [f(1, 3, 4, 5), f(3, 2, 3, 3), pads, f(2)], strides=[2, 1])
    case("ConvTransposeWithDynamicPads", "grouped", [f(2, 4, 4, 4), f(4, 2, 2, 2), np.array([0, 1, 1, 0], np.int64)], group=2, output_padding=[1, 0], strides=[2, 2])

    for kind, low, high in ((np.uint8, 0, 256), (np.int8, -128, 128)):
        x = rng.integers(low, high, (1, 6, 5, 3)).astype(kind)
        case("NhwcMaxPool", np.dtype(kind).name, [x], kernel_shape=[2, 2], open=(1, 2))
        case("NhwcMaxPool", f"padded_{np.dtype(kind).name}", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    case("GatedRMSNorm", "silu", [f(2, 3, 8), f(8), f(2, 3, 8)], constant=[1], open=(0, 1))
    case("GatedRMSNorm", "heads", [f(2, 3, 12), f(4), f(2, 3, 12)], constant=[1], open=(0, 1), activation="sigmoid", epsilon=1e-3)
    case("GatedRMSNorm", "matrix", [f(3, 8), f(4), f(3, 8)], activation="swish")
    case("GatedAdd", "rows", [f(2, 3, 8), f(2, 3, 8), f(2, 3, 1)], open=(0, 1))
    case("GatedAdd", "matrix", [f(3, 8), f(3, 8), f(3, 1)])
    case("GatedAdd", "half", [h(3, 8), h(3, 8), h(3, 1)], rtol=1e-2, atol=1e-2)
    case("CausalConvWithState", "plain", [f(2, 4, 6), f(4, 1, 3)], 2, constant=[1], open=(0, 2))
    case("CausalConvWithState", "state", [f(2, 4, 1), f(4, 1, 3), f(4), f(2, 4, 2)], 2, activation="silu", constant=[1], open=(0,))
    case("CausalConvWithState", "one_tap", [f(2, 4, 5), f(4, 1, 1), f(4)], 2, activation="swish")
    packed = lambda heads, size, steps=3: f(2, steps, heads * size) * 0.5
    for rule in ("linear", "gated", "delta", "gated_delta"):
        decay = -abs(f(2, 3, 2)) if "gated" in rule else None
        beta = abs(f(2, 3, 2)) * 0.5 if "delta" in rule else None
        inputs = [packed(4, 4), packed(2, 4), packed(2, 6), f(2, 2, 4, 6), decay, beta]
        case("LinearAttention", rule, inputs, 2, q_num_heads=4, kv_num_heads=2, update_rule=rule, atol=1e-4)
