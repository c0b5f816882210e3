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
