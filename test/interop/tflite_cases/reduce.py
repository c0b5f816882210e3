import numpy as np

from . import K, X, case


def reducer(op, axes=(1,), keep=False, shape=(2, 3, 4), **kw):
    return case(op, [X(*shape), K(list(axes), "int32")], ("ReducerOptions", dict(keepDims=keep)), **kw)


def local_response(x, radius=2, alpha=0.5, beta=0.75):
    y = np.empty_like(x)
    for c in range(x.shape[-1]):
        around = x[..., max(0, c - radius) : c + radius + 1]
        y[..., c] = x[..., c] / (1 + alpha * (around**2).sum(-1)) ** beta
    return [y]


CASES = [
    *[c for op in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD") for c in
      [reducer(op, types=("int32",) if op != "MEAN" else (), quant=op in ("MEAN", "SUM"), usual=op == "SUM", kinds=("int8", "uint8") if op == "MEAN" else ("int8",)),
       reducer(op, (0, 2), True, dynamic=False), reducer(op, (-1,), False), reducer(op, (1, 2), True, (2, 4, 5, 3), quant=op == "MEAN", kinds=("int8", "int16"))]],
    reducer("REDUCE_MAX", quant=True, same=True, kinds=("int8", "uint8")),
    reducer("REDUCE_MIN", quant=True, same=True, kinds=("int8", "uint8")),
    *[case(op, [X(2, 3, 4, dtype="bool"), K([1], "int32")], ("ReducerOptions", dict(keepDims=k)), out="bool") for op in ("REDUCE_ANY", "REDUCE_ALL") for k in (False, True)],
    *[c for op, o in (("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")) for c in
      [case(op, [X(2, 5, 3), K(1, "int32")], (o, dict(outputType=4)), out="int64", types=("int32",)),
       case(op, [X(2, 5), K([-1], "int32")], (o, dict(outputType=2)), out="int32", quant=True, kinds=("int8", "uint8"))]],
    *[case("CUMSUM", [X(2, 5), K(a, "int32")], ("CumsumOptions", dict(exclusive=e, reverse=r)), types=("int32",)) for a in (0, 1) for e in (False, True) for r in (False, True)],
    case("L2_NORMALIZATION", [X(2, 3, 5)], ("L2NormOptions", {}), quant=True, kinds=("int8", "uint8"), out_q={"int8": (1 / 128, 0), "uint8": (1 / 128, 128)}),
    # The reference kernel leaves the last channel of the window out, unlike the usual kernel and TensorFlow.
    case("LOCAL_RESPONSE_NORMALIZATION", [X(1, 3, 3, 6)], ("LocalResponseNormalizationOptions", dict(radius=2, bias=1.0, alpha=0.5, beta=0.75)), expected=local_response),
    case("SEGMENT_SUM", [X(4, 3), X(4, dtype="int32", value=[0, 0, 1, 2])], types=("int32",), dynamic=False),
    *[case(f"UNSORTED_SEGMENT_{r}", [X(4, 3), X(4, dtype="int32", value=[2, 0, 2, -1]), K(3, "int32")], types=("int32",), dynamic=False) for r in ("SUM", "PROD", "MAX", "MIN")],
]
