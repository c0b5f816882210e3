"""Cases of products, convolutions, pools, normalisation, images."""
from . import I, T, V, W, case

C = lambda values, dtype="int32": V(values, dtype=dtype, weight=True)  # noqa: E731
ONE = [1, 1, 1, 1]


def strides(s, d=1):
    return dict(strides=[1, s, s, 1], dilations=[1, d, d, 1])


def conv(op):
    """Sizes, strides, dilations and paddings of a convolution."""
    depth = op.startswith("Depthwise")
    filter_of = lambda k: W(k, k, 3, 2) if depth else W(k, k, 3, 4)  # noqa: E731
    cases = []
    # The CPU has no dilated depthwise convolution.
    for k, s, d, padding in ((3, 1, 1, "SAME"), (3, 2, 1, "SAME"), (3, 2, 1, "VALID"), (2, 2, 1, "SAME"), (3, 1, 2, "SAME"), (3, 1, 2, "VALID"), (5, 3, 1, "SAME"), (1, 2, 1, "VALID")):
        if depth and d > 1:
            continue
        cases.append(case(input=T(2, 9, 8, 3), filter=filter_of(k), padding=padding, channels=True, types=("float32", "float64") if not cases else ("float32",), **strides(s, d)))
    cases.append(case(input=T(2, 8, 8, 3), filter=filter_of(3), padding="EXPLICIT", explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0], channels=True, **strides(2)))
    if not depth:
        cases.append(case(input=T(1, 8, 8, 6), filter=W(3, 3, 3, 4), padding="SAME", channels=True, **strides(1)))
    return cases


def transposed():
    cases = []
    for k, s, padding, size in ((3, 2, "SAME", (8, 8)), (3, 2, "SAME", (7, 8)), (2, 2, "VALID", (8, 8)), (3, 2, "VALID", (9, 9)), (3, 2, "VALID", (10, 9)), (4, 2, "SAME", (8, 8)), (3, 1, "SAME", (4, 4)), (2, 3, "SAME", (12, 11)), (1, 2, "SAME", (8, 8))):
        rows, columns = [(n + s - 1) // s if padding == "SAME" else (n - k) // s + 1 for n in size]
        cases.append(case(input_sizes=C([2, *size, 5]), filter=W(k, k, 5, 4), out_backprop=T(2, rows, columns, 4), padding=padding, types=("float32",), dynamic=False, **strides(s)))
        if len(cases) < 5:
            cases.append(case(input_sizes=V([2, *size, 5]), filter=W(k, k, 5, 4), out_backprop=T(2, rows, columns, 4), padding=padding, channels=True, types=("float32",), **strides(s)))
    return cases


def pool(name="input", **options):
    cases = []
    for k, s, padding in ((2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME"), (2, 2, "SAME"), (3, 3, "VALID")):
        cases.append(case(**{name: T(2, 9, 8, 3)}, ksize=[1, k, k, 1], strides=[1, s, s, 1], padding=padding, types=("float32",), **options))
    return cases


def resize(types=("float32",), **options):
    cases = []
    for size in ((8, 10), (10, 15), (3, 4), (7, 1), (5, 5)):
        for mode in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
            cases.append(case(images=T(2, 5, 5, 3), size=C(list(size)), types=types if len(cases) == 0 else ("float32",), **mode, **options))
    cases.append(case(images=T(2, 5, 5, 3), size=V([8, 7]), **options))
    return cases


def suppression(**more):
    boxes = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]
    return case(boxes=V([[float(v) for v in b] for b in boxes]), scores=V([0.9, 0.75, 0.6, 0.95, 0.5, 0.3]), max_output_size=C(3), dynamic=False, **more)


# Of whole numbers a place between pixels may differ by one: the last bit decides where they are cut off.
TURNS = ([[0.8, 0.3, -1.0, -0.25, 0.9, 1.5, 0.01, -0.02]], [[3.0, 0.0, -9.0, 0.1, -2.5, 4.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -0.5, 0.0]])
CASES = {
    "MatMul": [case(a=T(2, 3), b=T(3, 4)), case(a=T(3, 2), b=T(3, 4), transpose_a=True), case(a=T(2, 3), b=W(4, 3), transpose_b=True)],
    **{op: [case(x=T(2, 3, 4), y=T(2, 4, 5), types=("float32", "float64", "int32")), case(x=T(2, 4, 3), y=T(2, 5, 4), adj_x=True, adj_y=True)] for op in ("BatchMatMul", "BatchMatMulV2")},
    "BatchMatMulV3": [case(x=T(2, 3, 4), y=T(2, 4, 5), Tout="float32", types=("float32",))],
    "Einsum": [case(inputs=[T(2, 3), T(3, 4)], equation="ij,jk->ik"), case(inputs=[T(2, 3, 4), T(2, 4, 5)], equation="bij,bjk->bik"), case(inputs=[T(2, 3, 4)], equation="abc->cab"), case(inputs=[T(2, 3, 4), T(4, 5)], equation="...i,ij->...j"), case(inputs=[T(3, 3)], equation="ii->i"), case(inputs=[T(2, 3, 4), T(4, 5, 6)], equation="abc,cde->abde")],
    "Cross": [case(a=T(2, 3), b=T(2, 3), types=("float32", "float64"))],
    "Conv2D": conv("Conv2D"),
    "DepthwiseConv2dNative": conv("DepthwiseConv2dNative"),
    "Conv3D": [case(input=T(1, 6, 7, 5, 2), filter=W(3, 2, 3, 2, 4), strides=[1, s, s, s, 1], padding=p, channels=True, types=("float32",)) for s, p in ((1, "SAME"), (2, "SAME"), (2, "VALID"))],
    "Conv2DBackpropInput": transposed(),
    "Conv3DBackpropInputV2": [case(input_sizes=C([1, 6, 6, 6, 2]), filter=W(3, 3, 3, 2, 4), out_backprop=T(1, 3, 3, 3, 4), strides=[1, 2, 2, 2, 1], padding="SAME", types=("float32",), dynamic=False)],
    "DepthwiseConv2dNativeBackpropInput": [case(input_sizes=C([2, 8, 8, 3]), filter=W(3, 3, 3, 2), out_backprop=T(2, 4, 4, 6), strides=[1, 2, 2, 1], padding="SAME", types=("float32",), dynamic=False)],
    "Dilation2D": [case(input=T(2, 7, 8, 3), filter=W(3, 2, 3), strides=[1, s, s, 1], rates=[1, r, r, 1], padding=p, types=("float32",)) for s, r, p in ((1, 1, "SAME"), (2, 1, "VALID"), (1, 2, "SAME"))],
    "MaxPool": [*pool(), case(input=T(2, 9, 8, 3), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", types=("int32",))],
    "MaxPoolV2": [case(input=T(2, 9, 8, 3), ksize=C([1, 3, 3, 1]), strides=C([1, 2, 2, 1]), padding="SAME", types=("float32",))],
    "MaxPool3D": [case(input=T(1, 6, 7, 5, 2), ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding=p, types=("float32",)) for p in ("SAME", "VALID")],
    "MaxPoolWithArgmax": [case(input=T(2, 6, 8, 3), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", include_batch_in_index=f, types=("float32",)) for f in (False, True)],
    "AvgPool": pool("value"),
    "AvgPool3D": [case(input=T(1, 6, 7, 5, 2), ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding=p, types=("float32",)) for p in ("SAME", "VALID")],
    "LRN": [case(input=T(2, 3, 4, 7), depth_radius=2, bias=1.5, alpha=0.3, beta=0.6), case(input=T(2, 3, 4, 7))],
    "ExtractImagePatches": [case(images=T(2, 7, 8, 3), ksizes=[1, 3, 2, 1], strides=[1, s, s, 1], rates=[1, r, r, 1], padding=p, channels=True, types=("float32", "int32") if s == 1 else ("float32",)) for s, r, p in ((1, 1, "VALID"), (2, 1, "SAME"), (1, 2, "SAME"))],
    "ExtractVolumePatches": [case(input=T(1, 5, 4, 6, 2), ksizes=[1, 2, 2, 3, 1], strides=[1, 2, 1, 2, 1], padding="VALID", channels=True, types=("float32",))],
    **{op: [case(x=T(2, 4, 5, 3), scale=T(3), offset=T(3), mean=T(3), variance=T(3, low=0.5, high=2), is_training=False, results=1, types=("float32",)), case(x=T(2, 4, 5, 3), scale=T(3), offset=T(3), mean=W(0), variance=W(0), epsilon=0.01, results=3, types=("float32",), rtol=1e-4)] for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")},
    "BatchNormWithGlobalNormalization": [],
    **{op: [case(images=T(2, 5, 5, 3), size=C([10, 10]), types=("float32",))] for op in ()},
    "ResizeNearestNeighbor": resize(types=("float32", "int32", "uint8")),
    "ResizeBilinear": resize(types=("float32", "int32")),
    "ResizeBicubic": resize(rtol=1e-4),
    "ResizeArea": [case(images=T(2, 5, 5, 3), size=C(s), align_corners=a, types=("float32",)) for s in ([3, 4], [8, 10], [1, 2]) for a in (False, True)] + [case(images=T(2, 5, 5, 3), size=V([3, 7]), types=("float32",))],
    "CropAndResize": [case(image=T(2, 6, 7, 3), boxes=V([[0.1, 0.2, 0.8, 0.9], [-0.2, 0.0, 1.2, 1.0], [0.5, 0.5, 0.2, 0.1]]), box_ind=C([0, 1, 0]), crop_size=C(s), method=m, extrapolation_value=2.5, types=("float32",)) for s in ([4, 5], [1, 3]) for m in ("bilinear", "nearest")],
    **{op: [case(images=T(2, 7, 6, 3), transforms=V(t), output_shape=V([5, 8], weight=True), interpolation=i, fill_mode=f, types=("float32", "float64", "float16"), **({} if op.endswith("V2") else dict(fill_value=V(0.5, weight=True)))) for t in TURNS for i in ("BILINEAR", "NEAREST") for f in ("CONSTANT", "REFLECT", "WRAP", "NEAREST")] for op in ("ImageProjectiveTransformV2", "ImageProjectiveTransformV3")},
    "RGBToHSV": [case(images=T(2, 3, 4, 3, low=0, high=1), types=("float32", "float64"))],
    "HSVToRGB": [case(images=T(2, 3, 4, 3, low=0, high=1), types=("float32", "float64"))],
    "AdjustHue": [case(images=T(2, 4, 5, 3, low=0, high=1), delta=V(0.3), types=("float32",))],
    "AdjustSaturation": [case(images=T(2, 4, 5, 3, low=0, high=1), scale=V(1.7), types=("float32",))],
    "AdjustContrastv2": [case(images=T(2, 4, 5, 3, low=0, high=1), contrast_factor=V(1.7), types=("float32",))],
    "NonMaxSuppression": [suppression(iou_threshold=0.5)],
    "NonMaxSuppressionV2": [suppression(iou_threshold=V(0.5))],
    "NonMaxSuppressionV3": [suppression(iou_threshold=V(0.5), score_threshold=V(0.4)), suppression(iou_threshold=V(0.5), score_threshold=V(float("-inf"), weight=True))],
    "NonMaxSuppressionV4": [suppression(iou_threshold=V(0.5), score_threshold=V(0.94), pad_to_max_output_size=p) for p in (True, False)],
    "NonMaxSuppressionV5": [suppression(iou_threshold=V(0.5), score_threshold=V(0.4), soft_nms_sigma=V(0.0, weight=True), pad_to_max_output_size=p) for p in (True, False)],
    "SpaceToBatchND": [case(input=T(2, 4, 6, 3), block_shape=C([2, 3]), paddings=C([[0, 0], [0, 0]])), case(input=T(2, 5, 6, 3), block_shape=C([2, 2]), paddings=C([[1, 0], [0, 2]])), case(input=T(2, 5, 3), block_shape=C([2]), paddings=V([[1, 0]]))],
    "BatchToSpaceND": [case(input=T(12, 2, 3, 3), block_shape=C([2, 3]), crops=C([[0, 0], [0, 0]])), case(input=T(8, 3, 3, 2), block_shape=C([2, 2]), crops=C([[1, 0], [0, 2]])), case(input=T(4, 3, 2), block_shape=C([2]), crops=V([[1, 0]]))],
    "SpaceToBatch": [case(input=T(2, 5, 6, 3), paddings=C([[1, 0], [0, 0]]), block_size=2)],
    "BatchToSpace": [case(input=T(8, 3, 3, 2), crops=C([[1, 0], [0, 0]]), block_size=2)],
    "SpaceToDepth": [case(input=T(2, 4, 6, 3), block_size=2, types=("float32",))],
    "DepthToSpace": [case(input=T(2, 2, 3, 12), block_size=2, types=("float32",))],
}
# No kernel runs them on the CPU, or they are made by the runtime only.
WITHOUT_KERNEL = ("BatchNormWithGlobalNormalization", "_FusedMatMul", "_FusedConv2D", "_FusedDepthwiseConv2dNative", "_FusedBatchNormEx", "FusedDepthwiseConv2dNative")
_ = (I, ONE)
