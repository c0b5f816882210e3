from . import K, X, case

FLOATS = ("float32",)
LOGISTIC = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}
TANH = {"int8": (1 / 128, 0), "uint8": (1 / 128, 128), "int16": (1 / 32768, 0)}
LOG_SOFTMAX = {"int8": (16 / 256, 127), "uint8": (16 / 256, 255)}


def unary(op, low=-3.0, high=3.0, options=None, **kw):
    return [case(op, [X(2, 3, 4, low=low, high=high)], options, **kw), case(op, [X(5, low=low, high=high)], options, dynamic=False)]


def binary(op, low=-3.0, high=3.0, options=None, other_low=None, other_high=None, **kw):
    a = dict(low=low, high=high)
    c = dict(low=low if other_low is None else other_low, high=high if other_high is None else other_high)
    return [
        case(op, [X(2, 3, 4, **a), X(2, 3, 4, **c)], options, **kw),
        case(op, [X(2, 3, 4, **a), X(4, **c)], options, dynamic=False),
        case(op, [X(2, 1, 4, **a), X(3, 1, **c)], options, dynamic=False),
    ]


def fused(op, table):
    return [case(op, [X(2, 5, high=9), X(2, 5)], (table, dict(fusedActivationFunction=f)), quant=op in ("ADD", "SUB", "MUL"), kinds=("int8",)) for f in (1, 2, 3)]


CASES = [
    *unary("ABS", types=("int32",), quant=True, kinds=("int8", "int16")),
    *unary("CEIL"),
    *unary("COS"),
    *unary("ELU", quant=True, kinds=("int8",)),
    # Kernels of int16 interpolate in a table.
    *unary("EXP", quant=True, kinds=("int8", "int16"), steps=4),
    *unary("FLOOR"),
    *unary("GELU", options=("GeluOptions", dict(approximate=False)), quant=True, kinds=("int8", "uint8")),
    *unary("GELU", options=("GeluOptions", dict(approximate=True)), rtol=1e-4, atol=1e-4),
    *unary("HARD_SWISH", quant=True, kinds=("int8", "uint8")),
    *unary("LEAKY_RELU", options=("LeakyReluOptions", dict(alpha=0.3)), quant=True),
    *unary("LOG", 0.1, 5, quant=True, kinds=("int8", "int16"), steps=10),
    case("LOGICAL_NOT", [X(3, 4, dtype="bool")], out="bool"),
    *unary("LOGISTIC", quant=True, out_q=LOGISTIC),
    *unary("NEG", types=("int32", "int64")),
    *unary("RELU", quant=True, same=True),
    *unary("RELU6", high=9, quant=True, same=True, kinds=("int8", "uint8")),
    *unary("RELU_N1_TO_1", quant=True, same=True, kinds=("int8", "uint8")),
    *unary("RELU_0_TO_1", quant=True, same=True, kinds=("int8", "uint8")),
    case("ROUND", [X(8, value=[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4, 0.6])]),
    *unary("RSQRT", 0.1, 4, quant=True, kinds=("int8",)),
    *unary("SIGN", types=("int32",)),
    *unary("SIN"),
    *unary("SQRT", 0, 5, quant=True, kinds=("int8",)),
    *unary("SQUARE"),
    *unary("TANH", quant=True, out_q=TANH),
    case("ZEROS_LIKE", [X(2, 3)], types=("int32", "int64")),
    case("SOFTMAX", [X(2, 7)], ("SoftmaxOptions", dict(beta=1.0)), quant=True, out_q=LOGISTIC, kinds=("int8", "uint8")),
    case("SOFTMAX", [X(2, 3, 4)], ("SoftmaxOptions", dict(beta=0.5))),
    case("LOG_SOFTMAX", [X(2, 7)], quant=True, out_q=LOG_SOFTMAX, kinds=("int8", "uint8")),
    case("PRELU", [X(2, 4, 5, 3), X(1, 1, 3)], quant=True, kinds=("int8", "uint8")),
    case("PRELU", [X(2, 4, 3), K([[[0.1, -0.2, 0.3]]], "float32")], dynamic=False),
    *[case("CAST", [X(3, 4, dtype=a, high=9)], ("CastOptions", dict(inDataType=0, outDataType=0)), out=c) for a, c in
      [("float32", "int32"), ("int32", "float32"), ("int64", "int32"), ("bool", "float32"), ("float32", "bool"), ("uint8", "float32"), ("int32", "bool"), ("float32", "float16"), ("float16", "float32"), ("float64", "float32"), ("int8", "int32"), ("int16", "int64")]],
    *binary("ADD", options=("AddOptions", {}), quant=True, types=("int32", "int64")),
    *binary("SUB", options=("SubOptions", {}), quant=True, types=("int32", "int64")),
    *binary("MUL", options=("MulOptions", {}), quant=True, types=("int32", "int64")),
    *binary("DIV", options=("DivOptions", {}), other_low=0.5, other_high=3, quant=True, kinds=("uint8",), types=("int32",)),
    *fused("ADD", "AddOptions"), *fused("SUB", "SubOptions"), *fused("MUL", "MulOptions"), *fused("DIV", "DivOptions"),
    case("ADD_N", [X(2, 3), X(2, 3), X(2, 3)], types=("int32",)),
    case("ATAN2", [X(2, 3, 4), X(2, 3, 4)], types=("float64",)),
    case("ATAN2", [X(9, value=[0.0, 0.0, -0.0, 1, -1, 1, -1, 0, 0]), X(9, value=[1.0, -1.0, -1.0, 0, 0, -1, -1, 0, -0.0])]),
    *binary("FLOOR_DIV", types=("int32",), other_low=0.5, other_high=3),
    case("FLOOR_DIV", [X(6, dtype="int32", value=[7, -7, 7, -7, 6, -6]), X(6, dtype="int32", value=[2, 2, -2, -2, 3, 3])], out="int32"),
    case("FLOOR_DIV", [X(4, dtype="int8", value=[7, -7, 7, -7]), X(4, dtype="int8", value=[2, 2, -2, -2])], out="int8"),
    *binary("FLOOR_MOD", types=("int32", "int64"), other_low=0.5, other_high=3),
    case("FLOOR_MOD", [X(6, dtype="int32", value=[7, -7, 7, -7, 6, -6]), X(6, dtype="int32", value=[4, 4, -4, -4, 3, 3])], out="int32"),
    case("FLOOR_MOD", [X(4, value=[5.5, -5.5, 5.5, -5.5]), X(4, value=[2.0, 2.0, -2.0, -2.0])]),
    *binary("MAXIMUM", quant=True, same=True, kinds=("int8", "uint8"), types=("int32", "int64")),
    *binary("MINIMUM", quant=True, same=True, kinds=("int8", "uint8"), types=("int32", "int64")),
    *binary("POW", low=0.2, high=3, options=("PowOptions", {})),
    case("POW", [X(5, dtype="int32", value=[2, 3, 1, 0, -2]), X(5, dtype="int32", value=[3, 2, 5, 1, 3])], out="int32"),
    *binary("SQUARED_DIFFERENCE", types=("int32",), quant=True, kinds=("int8",)),
    case("BITWISE_XOR", [X(2, 3, dtype="int32"), X(2, 3, dtype="int32")], out="int32"),
    case("BITWISE_XOR", [X(2, 3, dtype="uint8"), X(3, dtype="uint8")], out="uint8"),
    case("RIGHT_SHIFT", [X(5, dtype="int32", value=[100, -100, 7, -7, -1]), X(5, dtype="int32", value=[2, 2, 1, 1, 3])], out="int32"),
    case("RIGHT_SHIFT", [X(3, dtype="uint8", value=[100, 7, 255]), X(3, dtype="uint8", value=[2, 1, 3])], out="uint8"),
    case("LOGICAL_AND", [X(3, 4, dtype="bool"), X(4, dtype="bool")], out="bool"),
    case("LOGICAL_OR", [X(3, 4, dtype="bool"), X(4, dtype="bool")], out="bool"),
    *[c for op in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL") for c in
      [case(op, [X(3, 4, dtype="int32", high=1, low=-1), X(3, 4, dtype="int32", high=1, low=-1)], out="bool"),
       case(op, [X(3, 4), X(4)], out="bool", quant=True, kinds=("int8", "uint8")),
       case(op, [X(3, 4, dtype="int64", high=1, low=-1), X(1, dtype="int64", high=1, low=-1)], out="bool", dynamic=False)]],
]
