import struct

import numpy as np

from . import K, X, case

INT = "int32"


def pairs(op):
    """RFFT2D, and a part of what it gives: complex numbers are in no model's outputs."""
    return case(op, [X(2, 4, 8), K([4, 8], INT)], None, behind="after_rfft", dynamic=False, atol=1e-4)


CASES = [pairs("REAL"), pairs("IMAG"), pairs("COMPLEX_ABS")]

CASES += [
    *[case(f"STABLEHLO_{op}", [X(2, 3), X(2, 3)], None, types=("int32",)) for op in ("ADD", "MULTIPLY", "MAXIMUM", "MINIMUM")],
    case("STABLEHLO_PAD", [X(3, 4), K(1.5, "float32")], ("StablehloPadOptions", dict(edgePaddingLow=[1, 0], edgePaddingHigh=[0, 2], interiorPadding=[0, 0])), dynamic=False),
]


def detection(regular):
    from flatbuffers import flexbuffers

    b = flexbuffers.Builder()
    with b.Map():
        for k, v in dict(max_detections=4, max_classes_per_detection=1, detections_per_class=3, use_regular_nms=regular, num_classes=2).items():
            b.Bool(k, v) if isinstance(v, bool) else b.Int(k, v)
        for k, v in dict(nms_score_threshold=0.1, nms_iou_threshold=0.5, y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0).items():
            b.Float(k, v)
    rng = np.random.default_rng(5)
    anchors = np.concatenate([rng.uniform(0, 1, (12, 2)), rng.uniform(0.2, 0.6, (12, 2))], 1).astype(np.float32)
    scores = rng.permutation(36).reshape(1, 12, 3) / 36.0
    return case("TFLite_Detection_PostProcess", [X(1, 12, 4, low=-1, high=1), X(1, 12, 3, value=scores), K(anchors)], custom=bytes(b.Finish()), out=[None] * 4, dynamic=False)


CASES += [detection(False), detection(True)]


def maxima(x, size, stride, same):
    """Maxima of windows, and their rows and columns in the image and in the window."""
    n, h, w, c = x.shape
    count = [-(-k // stride) if same else (k - size) // stride + 1 for k in (h, w)]
    before = [max(0, (m - 1) * stride + size - k) // 2 if same else 0 for m, k in zip(count, (h, w))]
    made = np.zeros((5, n, *count, c))
    for b, i, j, k in np.ndindex(n, *count, c):
        top, left = i * stride - before[0], j * stride - before[1]
        places = [(y, z) for y in range(max(0, top), min(h, top + size)) for z in range(max(0, left), min(w, left + size))]
        y, z = max(places, key=lambda p: x[b, p[0], p[1], k])
        made[:, b, i, j, k] = x[b, y, z, k], y, z, y - top, z - left
    return made


def in_window(same):
    options = struct.pack("<6i", 1 if same else 2, 2, 2, 3, 3, 0)

    def expected(x):
        value, _, _, row, column = maxima(x, 3, 2, same)
        return [value.astype(np.float32), (row * 3 + column + 0.1).astype(np.float32)]

    return case("MaxPoolingWithArgmax2D", [X(2, 6, 7, 3)], custom=options, out=[None, None], expected=expected, dynamic=False)


def in_tensor(batch):
    from flatbuffers import flexbuffers

    b = flexbuffers.Builder()
    with b.Map():
        b.String("padding", "SAME")
        b.Bool("include_batch_in_index", batch)
        b.VectorFromElements("ksize", [1, 3, 3, 1])
        b.VectorFromElements("strides", [1, 2, 2, 1])

    def expected(x):
        value, row, column, _, _ = maxima(x, 3, 2, True)
        place = (row * x.shape[2] + column) * x.shape[3] + np.arange(x.shape[3])
        if batch:
            place += np.arange(x.shape[0]).reshape(-1, 1, 1, 1) * x[0].size
        return [value.astype(np.float32), place.astype(np.int32)]

    return case("MaxPoolWithArgmax", [X(2, 6, 7, 3)], custom=bytes(b.Finish()), out=[None, INT], expected=expected, dynamic=False)


CASES += [in_window(True), in_window(False), in_tensor(True), in_tensor(False)]
