"""Pointwise operators, at kinks, ties and zeros too, and reductions."""
import numpy as np
import torch
import torch.nn.functional as F


def write(case):
    rng = np.random.default_rng(3)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    between = lambda low, high, *shape: rng.uniform(low, high, shape).astype(np.float32)
    line = lambda *numbers: np.array(numbers, np.float32)
    kinks = line(-6, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 6)

    simple = {"Exp": torch.exp, "Sin": torch.sin, "Cos": torch.cos, "Tan": torch.tan, "Atan": torch.atan, "Sinh": torch.sinh, "Cosh": torch.cosh, "Tanh": torch.tanh,
              "Asinh": torch.asinh, "Erf": torch.erf, "Sigmoid": torch.sigmoid, "Softplus": F.softplus, "Mish": F.mish, "Neg": torch.neg, "Identity": lambda x: x * 1}
    for op, fn in simple.items():
        case(op, "matrix", [f(3, 4)], fn, open=(0,), opset=22 if op == "Mish" else 21)
    for op, fn in {"Log": torch.log, "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal}.items():
        case(op, "positive", [between(0.2, 3, 3, 4)], fn)
    for op, fn in {"Asin": torch.asin, "Acos": torch.acos, "Atanh": torch.atanh}.items():
        case(op, "inside", [between(-0.9, 0.9, 12)], fn)
    case("Acosh", "beyond", [between(1.1, 4, 12)], torch.acosh)

    # What PyTorch says of a kink.
    case("Abs", "kinks", [kinks], torch.abs)
    case("Relu", "kinks", [kinks], F.relu)
    case("LeakyRelu", "kinks", [kinks], lambda x: F.leaky_relu(x, 0.2), alpha=0.2)
    case("Elu", "kinks", [kinks], lambda x: F.elu(x, 0.7), alpha=0.7)
    case("Celu", "kinks", [kinks], lambda x: F.celu(x, 0.7), alpha=0.7)
    case("Selu", "kinks", [kinks], F.selu)
    case("HardSigmoid", "kinks", [kinks], F.hardsigmoid, alpha=1 / 6, beta=0.5)
    case("HardSwish", "kinks", [kinks], F.hardswish)
    case("Softsign", "kinks", [kinks], F.softsign)
    case("ThresholdedRelu", "kinks", [kinks], lambda x: F.threshold(x, 0.5, 0), alpha=0.5)
    case("Shrink", "kinks", [kinks], lambda x: F.hardshrink(x, 1.0), lambd=1.0)
    case("Shrink", "soft", [kinks], lambda x: F.softshrink(x, 1.0), lambd=1.0, bias=1.0)
    case("Clip", "kinks", [kinks, np.array(-2, np.float32), np.array(3, np.float32)], lambda x, *_: torch.clamp(x, -2, 3), constant=(1, 2))
    case("Clip", "computed", [kinks, np.array(-2, np.float32), np.array(3, np.float32)], lambda x, low, high: torch.clamp(x, low, high))
    case("Clip", "bounds", [f(4, 3), np.array(-0.5, np.float32), np.array(0.7, np.float32)], lambda x, low, high: torch.clamp(x, low, high))
    case("PRelu", "channels", [f(2, 3, 4), f(3, 1)], lambda x, w: torch.where(x > 0, x, x * w), open=(0,))
    case("PRelu", "kinks", [kinks, line(0.3)], lambda x, w: F.prelu(x, w))
    case("Gelu", "exact", [f(4, 5)], F.gelu, open=(0,))
    case("Gelu", "tanh", [f(4, 5)], lambda x: F.gelu(x, approximate="tanh"), approximate="tanh")
    case("Swish", "plain", [f(4, 5)], F.silu, opset=24)

    for op, fn in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Max": torch.maximum, "Min": torch.minimum}.items():
        for label, a, b in (("rows", (3, 4), (4,)), ("columns", (2, 3, 1), (1, 5)), ("scalar", (), (2, 3)), ("same", (2, 3), (2, 3))):
            case(op, label, [f(*a), f(*b)], fn, open=(0, 1) if len(a) > 1 else ())
    for op, fn in {"Max": torch.maximum, "Min": torch.minimum}.items():
        case(op, "ties", [line(1, 2, 3, 3), line(1, 3, 2, 3)], fn)
    case("Div", "rows", [f(3, 4), between(0.5, 2, 4)], torch.div, open=(0,))
    case("Pow", "positive", [between(0.2, 2, 3, 4), f(4)], torch.pow)
    case("Pow", "zeros", [line(0, 0, 0, 2, -2, -2), line(0, 2, 1, 0, 3, 2)], torch.pow, constant=(1,))
    case("Pow", "zero_base", [line(0, 0, 0, 1), line(0, 2, 1, 2)], torch.pow)
    case("Mod", "fmod", [f(3, 4) * 4, between(0.5, 2, 4)], torch.fmod, fmod=1)
    case("Sum", "three", [f(3, 4), f(4), f(3, 1)], lambda a, b, c: a + b + c, open=(0, 2))
    case("Mean", "three", [f(3, 4), f(4), f(3, 1)], lambda a, b, c: (a + b + c) / 3)
    case("Where", "rows", [rng.random((3, 1)) > 0.5, f(3, 4), f(4)], torch.where, open=(0, 1))

    reductions = {"ReduceSum": torch.sum, "ReduceMean": torch.mean, "ReduceMax": torch.amax, "ReduceMin": torch.amin, "ReduceLogSumExp": torch.logsumexp,
                  "ReduceL2": lambda x, dim, keepdim: torch.linalg.vector_norm(x, 2, dim, keepdim), "ReduceL1": lambda x, dim, keepdim: torch.linalg.vector_norm(x, 1, dim, keepdim),
                  "ReduceSumSquare": lambda x, dim, keepdim: (x * x).sum(dim, keepdim), "ReduceLogSum": lambda x, dim, keepdim: torch.log(x.sum(dim, keepdim))}
    for op, fn in reductions.items():
        positive = (lambda x: np.abs(x) + 0.1) if op == "ReduceLogSum" else (lambda x: x)
        for axes, keep in (((1,), 1), ((0, 2), 0), ((0, 1, 2), 0), ((-1,), 0)):
            case(op, f"{''.join(map(str, axes))}_{keep}", [positive(f(2, 3, 4)), np.array(axes, np.int64)], lambda x, _, axes=axes, keep=keep, fn=fn: fn(x, dim=axes, keepdim=bool(keep)),
                 constant=(1,), open=(0,), keepdims=keep)
    ties = np.array([[1, 3, 3], [2, 2, 2]], np.float32)
    case("ReduceMax", "ties", [ties, np.array([1])], lambda x, _: torch.amax(x, 1), constant=(1,), keepdims=0)
    case("ReduceMin", "ties", [ties, np.array([1])], lambda x, _: torch.amin(x, 1), constant=(1,), keepdims=0)
    case("ReduceL2", "zeros", [np.zeros((2, 3), np.float32), np.array([1])], lambda x, _: torch.linalg.vector_norm(x, 2, 1), constant=(1,), keepdims=0)
    zeros = np.array([[1, 2, 3], [0, 2, 3], [0, 0, 3]], np.float32)
    case("ReduceProd", "zeros", [zeros, np.array([1])], lambda x, _: torch.prod(x, 1), constant=(1,), keepdims=0)
    case("CumProd", "zeros", [zeros, np.array(1)], lambda x, _: torch.cumprod(x, 1), constant=(1,), opset=26)
    for exclusive in (0, 1):
        for reverse in (0, 1):
            def cumulated(x, _, exclusive=exclusive, reverse=reverse):
                y = x.flip(1) if reverse else x
                y = torch.cumsum(y, 1) - (y if exclusive else 0)
                return y.flip(1) if reverse else y
            case("CumSum", f"{exclusive}{reverse}", [f(2, 5), np.array(1)], cumulated, constant=(1,), exclusive=exclusive, reverse=reverse)
