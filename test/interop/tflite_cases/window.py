import itertools

from . import B, K, W, X, case

INT = "int32"


def conv(shape, kernel, padding, stride=1, dilation=1, activation=0, bias=True, **kw):
    o = dict(padding=padding, strideW=stride, strideH=stride, dilationWFactor=dilation, dilationHFactor=dilation, fusedActivationFunction=activation)
    return case("CONV_2D", [X(*shape), W(*kernel, axis=0), B(kernel[0]) if bias else None][: 3 if bias else 2], ("Conv2DOptions", o), **kw)


def depthwise(shape, kernel, padding, stride=1, dilation=1, **kw):
    o = dict(padding=padding, strideW=stride, strideH=stride, depthMultiplier=kernel[3] // shape[3], dilationWFactor=dilation, dilationHFactor=dilation)
    return case("DEPTHWISE_CONV_2D", [X(*shape), W(*kernel, axis=3), B(kernel[3])], ("DepthwiseConv2DOptions", o), **kw)


def pool(op, shape, size, stride, padding, **kw):
    return case(op, [X(*shape)], ("Pool2DOptions", dict(padding=padding, strideW=stride, strideH=stride, filterWidth=size, filterHeight=size)), **kw)


def transpose(shape, kernel, out, padding, stride, bias, **kw):
    o = dict(padding=padding, strideW=stride, strideH=stride)
    inputs = [K(list(out), INT), W(*kernel, axis=0), X(*shape)] + ([B(kernel[0])] if bias else [])
    return case("TRANSPOSE_CONV", inputs, ("TransposeConvOptions", o), dynamic=False, **kw)


def resize(op, table, size, corners, half, **kw):
    return case(op, [X(1, 4, 5, 2), K(size, INT)], (table, dict(alignCorners=corners, halfPixelCenters=half)), **kw)


CASES = [
    *[conv((2, 6, 7, 3), (4, 3, 3, 3), p, s, quant=p == 0, dynamic=True) for p in (0, 1) for s in (1, 2)],
    conv((1, 9, 9, 2), (3, 3, 3, 2), 0, 1, 2),
    conv((1, 9, 9, 2), (3, 3, 3, 2), 1, 1, 2),
    conv((1, 6, 6, 4), (6, 3, 3, 2), 0, dynamic=False),
    *[conv((1, 5, 5, 2), (3, 2, 2, 2), 0, 1, 1, a, quant=True, kinds=("int8",)) for a in (1, 2, 3)],
    conv((2, 6, 7, 3), (4, 3, 3, 3), 0, hybrid=True),
    *[depthwise((2, 6, 7, 3), (1, 3, 3, 3 * m), p, s, quant=m == 1) for m in (1, 2) for p in (0, 1) for s in (1, 2)],
    depthwise((1, 9, 9, 2), (1, 3, 3, 2), 0, 1, 2),
    depthwise((1, 6, 6, 3), (1, 3, 3, 3), 0, hybrid=True),
    *[case("CONV_3D", [X(1, 4, 5, 6, 2), W(2, 3, 2, 2, 3), B(3)], ("Conv3DOptions", dict(padding=p, strideD=s, strideW=s, strideH=s)), dynamic=False) for p in (0, 1) for s in (1, 2)],
    case("CONV_3D_TRANSPOSE", [K([1, 4, 6, 6, 3], INT), W(2, 2, 2, 3, 2), X(1, 2, 3, 3, 2), B(3)], ("Conv3DOptions", dict(padding=0, strideD=2, strideW=2, strideH=2)), dynamic=False),
    case("CONV_3D_TRANSPOSE", [K([1, 4, 6, 6, 3], INT), W(2, 2, 2, 3, 2), X(1, 2, 3, 3, 2)], ("Conv3DOptions", dict(padding=1, strideD=2, strideW=2, strideH=2)), dynamic=False),
    transpose((1, 4, 5, 2), (3, 3, 3, 2), (1, 8, 10, 3), 0, 2, True, quant=True, version=3),
    transpose((1, 4, 5, 2), (3, 3, 3, 2), (1, 7, 9, 3), 0, 2, False, quant=True, kinds=("int8",)),
    transpose((1, 4, 5, 2), (3, 3, 3, 2), (1, 9, 11, 3), 1, 2, False),
    transpose((1, 4, 5, 2), (3, 2, 2, 2), (1, 4, 5, 3), 0, 1, False),
    transpose((1, 4, 5, 2), (3, 1, 1, 2), (1, 8, 10, 3), 0, 2, False),
    *[pool("MAX_POOL_2D", (2, 6, 7, 3), 3, s, p, quant=True, same=True) for p in (0, 1) for s in (1, 2)],
    *[pool("AVERAGE_POOL_2D", (2, 6, 7, 3), 3, s, p, quant=True, same=True) for p in (0, 1) for s in (1, 2)],
    *[pool("L2_POOL_2D", (1, 6, 7, 3), 2, s, p) for p in (0, 1) for s in (1, 2)],
    *[resize("RESIZE_BILINEAR", "ResizeBilinearOptions", s, c, h, quant=True, same=True, kinds=("int8", "uint8"))
      for s, (c, h) in itertools.product(([8, 10], [7, 3], [2, 2]), ((False, False), (True, False), (False, True)))],
    *[resize("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", s, c, h, quant=True, same=True, kinds=("int8", "uint8"))
      for s, (c, h) in itertools.product(([8, 10], [7, 3], [2, 2]), ((False, False), (True, False), (False, True)))],
    *[case("REDUCE_WINDOW", [X(5, 6), K(v, "float32"), K([2, 3], "int64"), K([1, 2], "int64"), K([2, 1], "int64")], ("ReduceWindowOptions", dict(reduceFunction=f)), dynamic=False)
      for f, v in ((1, 0.0), (3, 3e38), (4, -3e38))],
]
