from . import B, W, X, case


def dense(shape, weights, keep=False, activation=0, bias=True, **kw):
    inputs = [X(*shape), W(*weights, axis=None), B(weights[0]) if bias else None]
    return case("FULLY_CONNECTED", inputs, ("FullyConnectedOptions", dict(keepNumDims=keep, fusedActivationFunction=activation)), **kw)


CASES = [
    dense((2, 6), (4, 6), quant=True, hybrid=True),
    dense((2, 6), (4, 6), activation=1, quant=True, kinds=("int8",)),
    dense((2, 6), (4, 6), activation=3, bias=False),
    dense((2, 3, 6), (4, 6), keep=True, quant=True, kinds=("int8",)),
    dense((2, 3, 6), (4, 6), bias=False),
    dense((2, 3, 2), (4, 6), dynamic=False),
    *[case("BATCH_MATMUL", [X(*((2, 5, 3) if a else (2, 3, 5))), X(*((2, 4, 5) if c else (2, 5, 4)))], ("BatchMatMulOptions", dict(adjX=a, adjY=c)), quant=True, kinds=("int8",)) for a in (False, True) for c in (False, True)],
    case("BATCH_MATMUL", [X(2, 3, 4, 5), X(5, 6)], ("BatchMatMulOptions", {}), dynamic=False),
]
