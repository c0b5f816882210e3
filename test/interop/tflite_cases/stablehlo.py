"""Operators of StableHLO for which the interpreter has no kernel: NumPy says what they are."""
import numpy as np

from . import K, X, case

INT = "int32"


def unary(op, f, low=-2.0, **kw):
    return case(f"STABLEHLO_{op}", [X(2, 3, low=low)], expected=lambda x: [f(x).astype(x.dtype)], **kw)


def binary(op, f, types=("int32",), low=-2.0, **kw):
    return case(f"STABLEHLO_{op}", [X(2, 3), X(2, 3, low=low)], types=types, expected=lambda a, b: [f(a, b).astype(a.dtype)], **kw)


def compare(direction, f):
    return case("STABLEHLO_COMPARE", [X(2, 3, dtype=INT, low=-1, high=1), X(2, 3, dtype=INT, low=-1, high=1)], ("StablehloCompareOptions", dict(comparisonDirection=direction)), out="bool", expected=lambda a, b: [f(a, b)])


CASES = [
    unary("ABS", np.abs), unary("CBRT", np.cbrt), unary("COSINE", np.cos), unary("EXPONENTIAL", np.exp), unary("FLOOR", np.floor), unary("LOG", np.log, low=0.1),
    unary("LOGISTIC", lambda x: 1 / (1 + np.exp(-x))), unary("NEGATE", np.negative), unary("RSQRT", lambda x: 1 / np.sqrt(x), low=0.1), unary("TANH", np.tanh),
    binary("SUBTRACT", np.subtract), binary("DIVIDE", np.divide, types=(), low=0.5), 
    case("STABLEHLO_POWER", [X(2, 3, low=0.2), X(2, 3)], expected=lambda a, b: [a**b]),
    binary("REMAINDER", np.fmod, low=0.5),
    *[case(f"STABLEHLO_{op}", [X(2, 3, dtype=t), X(2, 3, dtype=t)], out=t, expected=lambda a, b, f=f: [f(a, b)]) for op, f in (("AND", np.bitwise_and), ("OR", np.bitwise_or)) for t in ("bool", INT)],
    case("STABLEHLO_SHIFT_LEFT", [X(4, dtype=INT, value=[1, -3, 7, 100]), X(4, dtype=INT, value=[3, 2, 0, 1])], out=INT, expected=lambda a, b: [a << b]),
    case("STABLEHLO_SELECT", [X(2, 3, dtype="bool"), X(2, 3), X(2, 3)], expected=lambda c, a, b: [np.where(c, a, b)]),
    case("STABLEHLO_CLAMP", [K(-0.5, "float32"), X(2, 3), K(1.0, "float32")], expected=lambda x: [np.clip(x, -0.5, 1)]),
    *[compare(d, f) for d, f in enumerate((np.equal, np.not_equal, np.greater_equal, np.greater, np.less_equal, np.less))],
    case("STABLEHLO_CONVERT", [X(2, 3)], out=INT, expected=lambda x: [x.astype(np.int32)]),
    case("STABLEHLO_RESHAPE", [X(2, 6)], shapes=[(3, 4)], expected=lambda x: [x.reshape(3, 4)], dynamic=False),
    case("STABLEHLO_TRANSPOSE", [X(2, 3, 4)], ("StablehloTransposeOptions", dict(permutation=[2, 0, 1])), expected=lambda x: [x.transpose(2, 0, 1)]),
    case("STABLEHLO_BROADCAST_IN_DIM", [X(3, 1)], ("StablehloBroadcastInDimOptions", dict(broadcastDimensions=[0, 2])), shapes=[(3, 2, 4)], expected=lambda x: [np.broadcast_to(x[:, None], (3, 2, 4))], dynamic=False),
    case("STABLEHLO_CONCATENATE", [X(2, 3), X(2, 1)], ("StablehloConcatenateOptions", dict(dimension=1)), expected=lambda a, b: [np.concatenate([a, b], 1)]),
    case("STABLEHLO_SLICE", [X(4, 5)], ("StablehloSliceOptions", dict(startIndices=[1, 0], limitIndices=[3, 5], strides=[1, 2])), expected=lambda x: [x[1:3, ::2]]),
    case("STABLEHLO_DYNAMIC_SLICE", [X(4, 5), X(dtype=INT, value=3), X(dtype=INT, value=-1)], ("StablehloDynamicSliceOptions", dict(sliceSizes=[2, 3])), expected=lambda x, a, b: [x[2:4, :3]], dynamic=False),
    case("STABLEHLO_DYNAMIC_UPDATE_SLICE", [X(4, 5), X(2, 3), X(dtype=INT, value=3), X(dtype=INT, value=1)], expected=lambda x, u, a, b: [np.block([[x[:2]], [x[2:, :1], u, x[2:, 4:]]])], dynamic=False),
    case("STABLEHLO_IOTA", [], ("StablehloIotaOptions", dict(iotaDimension=1)), out=INT, shapes=[(2, 3)], expected=lambda: [np.tile(np.arange(3, dtype=np.int32), (2, 1))], dynamic=False),
    case("STABLEHLO_DOT_GENERAL", [X(2, 3, 4), X(2, 4, 5)], ("StablehloDotGeneralOptions", dict(lhsBatchingDimensions=[0], rhsBatchingDimensions=[0], lhsContractingDimensions=[2], rhsContractingDimensions=[1])), expected=lambda a, b: [a @ b]),
]
