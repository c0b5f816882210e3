"""How far an array is from the one that was wanted."""
import numpy as np


def off(got, want):
    """The largest difference relative to the largest value; integers, texts and what is no number must be the same."""
    if got.shape != want.shape:
        return float("inf")
    if want.dtype.kind not in "fc":
        return 0.0 if np.array_equal(got, want) else float("inf")
    finite = np.isfinite(want)
    if not np.array_equal(np.isfinite(got), finite) or not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    difference = np.abs(got.astype(np.float64) - want.astype(np.float64))[finite]
    return float(difference.max() / max(1e-6, np.abs(want[finite]).max())) if difference.size else 0.0
