"""Layers: convolution, pooling, normalisation, softmax, losses, attention, recurrence."""
import numpy as np
import torch
import torch.nn.functional as F
from onnx import helper


def write(case):
    rng = np.random.default_rng(7)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    ints = lambda *numbers: np.array(numbers, np.int64)

    for label, x, w, group, stride, dilation, pad in (
        ("plain", (2, 3, 6, 7), (4, 3, 3, 3), 1, 1, 1, 1), ("stride", (2, 3, 7, 8), (4, 3, 3, 3), 1, 2, 1, 1), ("point", (2, 3, 4, 5), (6, 3, 1, 1), 1, 1, 1, 0),
        ("depthwise", (2, 4, 6, 6), (4, 1, 3, 3), 4, 2, 1, 1), ("groups", (2, 4, 6, 6), (6, 2, 3, 3), 2, 1, 1, 0), ("dilated", (1, 2, 9, 9), (3, 2, 3, 3), 1, 2, 2, 2),
        ("line", (2, 3, 9), (4, 3, 5), 1, 3, 1, 2), ("volume", (1, 2, 4, 4, 4), (3, 2, 2, 2, 2), 1, 2, 1, 0), ("multiplier", (2, 2, 5, 5), (4, 1, 3, 3), 2, 1, 1, 1),
    ):
        rank = len(x) - 2
        fn = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
        case("Conv", label, [f(*x), f(*w), f(w[0])], lambda x, w, b, fn=fn, s=stride, p=pad, d=dilation, g=group: fn(x, w, b, s, p, d, g), open=(0,), group=group, strides=[stride] * rank,
             dilations=[dilation] * rank, pads=[pad] * (2 * rank))
    case("Conv", "same", [f(1, 2, 5, 6), f(3, 2, 3, 2)], lambda x, w: F.conv2d(F.pad(x, (0, 1, 1, 1)), w), auto_pad="SAME_UPPER")
    for label, x, w, group, stride, pad, extra in (("plain", (2, 4, 3, 4), (4, 2, 3, 3), 2, 2, 1, 1), ("line", (2, 3, 5), (3, 4, 4), 1, 2, 0, 0)):
        rank = len(x) - 2
        fn = (F.conv_transpose1d, F.conv_transpose2d)[rank - 1]
        case("ConvTranspose", label, [f(*x), f(*w), f(w[1] * group)], lambda x, w, b, fn=fn, s=stride, p=pad, e=extra, g=group: fn(x, w, b, s, p, e, g), group=group, strides=[stride] * rank,
             pads=[pad] * (2 * rank), output_padding=[extra] * rank)

    tied = np.round(rng.standard_normal((1, 2, 7, 8)) * 2).astype(np.float32)
    for label, kernel, stride, pad, ceil in (("plain", 2, 2, 0, 0), ("overlap", 3, 2, 1, 0), ("ceil", 3, 2, 0, 1)):
        at = dict(kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, ceil_mode=ceil)
        case("MaxPool", label, [tied], lambda x, k=kernel, s=stride, p=pad, c=ceil: F.max_pool2d(x, k, s, p, ceil_mode=bool(c)), open=() if ceil else (0,), **at)
        for count in (0, 1):
            case("AveragePool", f"{label}_{count}", [f(2, 2, 7, 8)], lambda x, k=kernel, s=stride, p=pad, c=ceil, n=count: F.avg_pool2d(x, k, s, p, bool(c), bool(n)),
                 open=() if ceil else (0,), count_include_pad=count, opset=22, **at)
    case("LpPool", "two", [np.abs(f(2, 2, 6, 6)) + 0.1], lambda x: F.lp_pool2d(x, 2, 2), kernel_shape=[2, 2], strides=[2, 2], p=2)
    case("GlobalAveragePool", "plain", [f(2, 3, 4, 5)], lambda x: F.adaptive_avg_pool2d(x, 1), open=(0,))
    case("GlobalMaxPool", "plain", [f(2, 3, 4, 5)], lambda x: F.adaptive_max_pool2d(x, 1), open=(0,))
    case("LRN", "plain", [f(2, 7, 3, 3)], lambda x: F.local_response_norm(x, 5, 1e-2, 0.75, 1.5), size=5, alpha=1e-2, beta=0.75, bias=1.5)
    case("Col2Im", "plain", [f(1, 12, 6), ints(3, 4), ints(2, 2)], lambda x, *_: F.fold(x, (3, 4), (2, 2)), constant=(1, 2))

    for axis, scale in ((-1, (6,)), (1, (5, 6))):
        case("LayerNormalization", f"axis{axis}", [f(3, 5, 6), f(*scale), f(*scale)], lambda x, w, b, s=scale: F.layer_norm(x, s, w, b), open=(0,), axis=axis)
        case("RMSNormalization", f"axis{axis}", [f(3, 5, 6), f(*scale)], lambda x, w, s=scale: F.rms_norm(x, s, w, 1e-5), open=(0,), opset=23, axis=axis)
    case("LayerNormalization", "statistics", [f(3, 6), f(6)], lambda x, w: (F.layer_norm(x, (6,), w), x.mean(1, True)), outputs=2)
    case("GroupNormalization", "plain", [f(2, 6, 4), f(6), f(6)], lambda x, w, b: F.group_norm(x, 3, w, b), open=(0,), num_groups=3)
    case("InstanceNormalization", "plain", [f(2, 3, 4, 5), f(3), f(3)], lambda x, w, b: F.instance_norm(x, weight=w, bias=b), open=(0,))
    case("BatchNormalization", "inference", [f(2, 3, 4), f(3), f(3), f(3), np.abs(f(3)) + 0.3], lambda x, w, b, m, v: (x - m[:, None]) / torch.sqrt(v[:, None] + 1e-5) * w[:, None] + b[:, None], open=(0,))
    training = [helper.make_node("BatchNormalization", [f"x{i}" for i in range(5)], ["y0", "mean", "variance"], training_mode=1)]
    case.model("BatchNormalization_training", training, [f(4, 3, 5), f(3), f(3), np.zeros(3, np.float32), np.ones(3, np.float32)], lambda x, w, b, m, v: F.batch_norm(x, None, None, w, b, True),
               constant=(3, 4), outputs=["y0"], open=(0,))
    for axis in (-1, 1, 0):
        case("Softmax", f"axis{axis}", [f(3, 4, 5)], lambda x, a=axis: F.softmax(x, a), axis=axis, open=(0,))
        case("LogSoftmax", f"axis{axis}", [f(3, 4, 5)], lambda x, a=axis: F.log_softmax(x, a), axis=axis, open=(0,))
    case("LpNormalization", "two", [f(3, 4)], lambda x: F.normalize(x), axis=1, p=2, open=(0,))
    case("LpNormalization", "one", [f(3, 4)], lambda x: F.normalize(x, p=1), axis=1, p=1)

    labels = ints(0, 2, 1, 2)
    for reduction in ("mean", "sum", "none"):
        case("SoftmaxCrossEntropyLoss", reduction, [f(4, 3), labels], lambda x, t, r=reduction: F.cross_entropy(x, t, reduction=r), reduction=reduction, open=(0, 1))
        case("SoftmaxCrossEntropyLoss", f"weights_{reduction}", [f(4, 3), labels, np.abs(f(3))], lambda x, t, w, r=reduction: F.cross_entropy(x, t, w, ignore_index=2, reduction=r), constant=(2,), reduction=reduction,
             ignore_index=2)
        case("NegativeLogLikelihoodLoss", reduction, [f(4, 3), labels], lambda x, t, r=reduction: F.nll_loss(x, t, reduction=r), reduction=reduction, open=(0, 1))
    case("SoftmaxCrossEntropyLoss", "plane", [f(2, 3, 4), ints(0, 2, 1, 2, 0, 0, -7, 1).reshape(2, 4)], lambda x, t: F.cross_entropy(x, t, ignore_index=-7), ignore_index=-7)

    heads = [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)]
    attend = F.scaled_dot_product_attention
    case("Attention", "plain", heads, attend, opset=23, open=(0, 1, 2))
    case("Attention", "causal", [f(2, 2, 4, 4) for _ in range(3)], lambda q, k, v: attend(q, k, v, is_causal=True), opset=23, is_causal=1)
    case("Attention", "mask", [*heads, f(3, 5)], lambda q, k, v, m: attend(q, k, v, m), opset=23)
    case("Attention", "truth", [*heads, np.tril(np.ones((3, 5), bool))], lambda q, k, v, m: attend(q, k, v, m), opset=23)
    case("Attention", "grouped", [f(2, 4, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)], lambda q, k, v: attend(q, k, v, enable_gqa=True), opset=23)
    nothing = np.zeros((3, 5), np.float32)
    nothing[1] = -np.inf
    case("Attention", "no_key", [*heads, nothing], lambda q, k, v, m: attend(q, k, v, m), opset=23, constant=(3,))

    time, batch, size, hidden = 5, 3, 4, 6
    for op, module, gates, order in (("LSTM", torch.nn.LSTM, 4, (0, 3, 1, 2)), ("GRU", torch.nn.GRU, 3, (1, 0, 2)), ("RNN", torch.nn.RNN, 1, (0,))):
        for direction in ("forward", "bidirectional"):
            n = 2 if direction == "bidirectional" else 1

            def recurrent(x, w, r, b, lengths, h, c=None, module=module, order=order, n=n):
                layer = module(size, hidden, bidirectional=n == 2).double()
                # PyTorch has the gates in another order: `order` are the places of the standard's in PyTorch's.
                back = [order.index(k) for k in range(len(order))]
                turned = lambda v: torch.cat([v.chunk(len(order))[k] for k in back])
                own = {}
                for d, suffix in enumerate(("", "_reverse")[:n]):
                    own |= {f"weight_ih_l0{suffix}": turned(w[d]), f"weight_hh_l0{suffix}": turned(r[d]), f"bias_ih_l0{suffix}": turned(b[d].chunk(2)[0]), f"bias_hh_l0{suffix}": turned(b[d].chunk(2)[1])}
                y, last = torch.func.functional_call(layer, own, (x, h if c is None else (h, c)))
                y = y.reshape(time, batch, n, hidden).transpose(1, 2)
                return (y, *last) if c is not None else (y, last)

            state = [f(n, batch, hidden)] * (2 if op == "LSTM" else 1)
            extra = {"linear_before_reset": 1} if op == "GRU" else {}
            case(op, direction, [f(time, batch, size), f(n, gates * hidden, size), f(n, gates * hidden, hidden), f(n, 2 * gates * hidden), None, *state], recurrent, outputs=3 if op == "LSTM" else 2,
                 hidden_size=hidden, direction=direction, open=(0,), rtol=3e-3, **extra)
