"""Cases of operators that compute element by element."""
from . import B, I, T, V, case

UNIT = dict(low=-0.9, high=0.9)
POSITIVE = dict(low=0.1, high=4.0)


def unary(low=None, high=None, **options):
    return [case(x=T(2, 3, 4, low=low, high=high), **options), case(x=T(low=low, high=high), **options), case(x=T(0, 3, low=low, high=high), dynamic=False, **options)]


def special(low, high, rtol=2e-5):
    return [case(x=T(3, 40, low=low, high=high), rtol=rtol), case(x=T(3, 40, low=low, high=high), types=("float64",), rtol=1e-6)]


def named(name, cases):
    """The same cases with another name for the input."""
    return [type(c)({name if k == "x" else k: v for k, v in c.args.items()}, c.options) for c in cases]


def pairs(low=None, high=None, **options):
    low2 = low if low is not None else None
    return [
        case(x=T(2, 3, 4, low=low, high=high), y=T(2, 3, 4, low=low2, high=high), **options),
        case(x=T(2, 3, 4, low=low, high=high), y=T(4, low=low2, high=high), **options),
        case(x=T(3, 1, low=low, high=high), y=T(2, 1, 4, low=low2, high=high), **options),
        case(x=T(low=low, high=high), y=T(2, 3, low=low2, high=high), **options),
    ]


INTEGERS = ("int32", "int64", "uint8", "int8", "int16")
NONZERO = V([-3, -2, 1, 2, 4, 5], dtype=None)
DIVISORS = T(2, 3, low=1, high=5)

CASES = {
    **{op: unary() for op in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "IsFinite", "IsInf", "IsNan", "Neg", "Rint", "Sigmoid", "Sign", "Sin", "Square", "Tan", "Tanh", "Atan", "Asinh", "Sinh", "Cosh", "Expm1")},
    "Round": unary(types=("float32", "float64")),
    **{op: unary(**UNIT) for op in ("Acos", "Asin", "Atanh")},
    **{op: unary(**POSITIVE) for op in ("Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Inv")},
    "Acosh": unary(1.1, 5.0),
    **{op: named("features", unary()) for op in ("Elu", "Relu", "Relu6", "Selu", "Softplus", "Softsign")},
    "LeakyRelu": [case(features=T(2, 5)), case(features=T(2, 5), alpha=0.01)],
    "Softmax": named("logits", [case(x=T(2, 5)), case(x=T(2, 3, 4)), case(x=T(5))]),
    "LogSoftmax": named("logits", [case(x=T(2, 5)), case(x=T(2, 3, 4))]),
    "LogicalNot": [case(x=B(2, 3))],
    "Invert": [case(x=T(2, 3), types=INTEGERS)],
    "PopulationCount": [case(x=T(2, 5), types=("int32", "int64", "uint8", "int8", "int16", "uint16"))],
    "Erfc": special(-3, 6),
    "Erfinv": special(-0.999, 0.999),
    "Ndtri": special(0.001, 0.999),
    "Lgamma": special(-3.7, 20, rtol=1e-4),
    "Digamma": special(0.1, 20),
    "BesselI0": special(-6, 6),
    "BesselI0e": special(-20, 20),
    "BesselI1": special(-6, 6),
    "BesselI1e": special(-20, 20),
    "Cast": [case(x=T(2, 3, dtype=a), DstT=b) for a in ("float32", "int32", "int64", "bool", "uint8", "float64") for b in ("float32", "int32", "int64", "bool", "float64", "float16") if a != b],
    **{op: pairs() for op in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual")},
    **{op: [*pairs(0.5, 4.0), *[case(x=T(2, 3), y=DIVISORS, types=("int32", "int64"))]] for op in ("Div", "FloorDiv", "RealDiv", "TruncateDiv") if op != "RealDiv"},
    "RealDiv": pairs(0.5, 4.0),
    "FloorMod": [*pairs(0.5, 4.0), case(x=T(2, 6), y=V([-3, -2, 1, 2, 4, 5], dtype="int32"), types=("int32",)), case(x=T(2, 6), y=V([-3.0, -2.5, 1.5, 2.0, 4.0, 5.5]))],
    "Mod": [*pairs(0.5, 4.0, types=("float32",)), case(x=T(2, 6), y=V([-3, -2, 1, 2, 4, 5], dtype="int32"), types=("int32",))],
    "TruncateMod": [*pairs(0.5, 4.0, types=("float32",)), case(x=T(2, 6), y=V([-3, -2, 1, 2, 4, 5], dtype="int32"), types=("int32",))],
    "DivNoNan": [case(x=T(2, 4), y=V([0.0, 1.5, -2.0, 0.0]))],
    "MulNoNan": [case(x=V([float("inf"), 1.5, float("nan"), 2.0]), y=V([0.0, 1.5, 0.0, -2.0]))],
    "Xdivy": [case(x=V([0.0, 1.5, 0.0, 2.0]), y=V([0.0, 1.5, 3.0, -2.0]))],
    "Xlogy": [case(x=V([0.0, 1.5, 0.0, 2.0]), y=V([0.0, 1.5, 3.0, 2.0]))],
    "Xlog1py": [case(x=V([0.0, 1.5, 0.0, 2.0]), y=V([-1.0, 1.5, 3.0, 2.0]))],
    "Pow": [*pairs(0.5, 3.0, types=("float32", "float64")), case(x=T(2, 3), y=V([2, 3, 0], dtype="int32"), types=("int32",))],
    "Atan2": [case(y=T(3, 5), x=T(3, 5)), case(y=V([0.0, 1.0, -1.0, 0.0]), x=V([-1.0, 0.0, 0.0, 1.0]))],
    "ApproximateEqual": [case(x=T(2, 3), y=T(2, 3), tolerance=0.5)],
    "LogicalAnd": [case(x=B(2, 3), y=B(3))],
    "LogicalOr": [case(x=B(2, 3), y=B(2, 1))],
    **{op: [case(x=T(2, 3), y=T(2, 3), types=INTEGERS)] for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    "LeftShift": [case(x=T(2, 3), y=T(2, 3, low=0, high=7), types=("int32", "int64", "uint8", "int8"))],
    "RightShift": [case(x=T(2, 3, low=-100, high=100), y=T(2, 3, low=0, high=7), types=("int32", "int64", "int8"))],
    "Select": [case(condition=B(2, 3), x=T(2, 3), y=T(2, 3)), case(condition=B(2), x=T(2, 3, 4), y=T(2, 3, 4)), case(condition=B(), x=T(2, 3), y=T(2, 3))],
    "SelectV2": [case(condition=B(2, 3), t=T(2, 3), e=T(3)), case(condition=B(3), t=T(2, 3), e=T())],
    "AddN": [case(inputs=[T(2, 3), T(2, 3), T(2, 3)]), case(inputs=[T(2, 3)])],
    "AccumulateNV2": [case(inputs=[T(2, 3), T(2, 3)], shape=[2, 3], dynamic=False)],
    "BiasAdd": [case(value=T(2, 4, 5, 3), bias=T(3)), case(value=T(2, 3, 4, 5), bias=T(3), data_format="NCHW"), case(value=T(2, 3), bias=T(3))],
    "BiasAddV1": [case(value=T(2, 3), bias=T(3))],
    "ClipByValue": [],
}
for _c in CASES["Select"]:
    _c.args = {"condition": _c.args["condition"], "x": _c.args["x"], "y": _c.args["y"]}
# No kernel runs them alone, or nothing but other types that have no conversion.
WITHOUT_KERNEL = ("ClipByValue", "Prelu")
CASES["ClipByValue"] = [case(t=T(2, 3), clip_value_min=T(low=-1, high=-0.5), clip_value_max=T(low=0.2, high=0.8))]
_ = I
