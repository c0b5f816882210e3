"""Determinants, inverses and powers of matrices, and the helpers of Fourier transforms that give real numbers."""
import torch

from . import I, T, V, case

# Far from singular.
SOLID = [[2.0, 0.3, -0.5], [0.1, -1.5, 0.4], [0.7, 0.2, 1.8]]


def matrices(n, batch=1):
    """Dominated by the diagonal, so that inverses are exact enough to compare."""
    rows = [[[(i * 7 + j * 3 + k) % 5 / 5 - 0.4 + (n if i == j else 0) for j in range(n)] for i in range(n)] for k in range(batch)]
    return V(rows)


def each(*cases, **options):
    return [case(c, **options) for c in cases]


DETERMINANTS = each(T(3, 3), T(2, 4, 4), T(2, 3, 1, 1), V(SOLID))
INVERSES = each(V(SOLID), matrices(4, 3), matrices(1, 2), matrices(2, 5), matrices(8), matrices(6, 2), dynamic=False)

CASES = {
    "det.default": DETERMINANTS,
    "linalg_det.default": DETERMINANTS,
    "logdet.default": each(V([[2.0, 0.3, -0.5], [0.1, 1.5, 0.4], [0.7, 0.2, 1.8]]), V([[1.0, 2.0], [3.0, 1.0]]), V([[[2.0, 1.0], [1.0, 2.0]]])),
    "inverse.default": INVERSES,
    "linalg_inv.default": INVERSES,
    "linalg_inv_ex.default": INVERSES,
    "linalg_solve.default": [
        case(V(SOLID), T(3, 2), dynamic=False),
        case(V(SOLID), T(3)),
        case(matrices(4, 3), T(3, 4, 2)),
        case(matrices(4, 3), T(3, 4)),
        case(matrices(4, 3), T(4, 2)),
        case(matrices(2, 3), T(3, 5, 2), left=False),
    ],
    "matrix_power.default": [case(T(3, 3), 3), case(T(2, 3, 3), 2), case(T(2, 3, 3), 0), case(T(3, 3), 0), case(T(3, 3), 1), case(V(SOLID), -2), case(T(2, 2), 7)],
    "linalg_matrix_power.default": [case(T(3, 3), 3), case(T(2, 3, 3), 5), case(T(2, 3, 3), 0), case(V(SOLID), -1)],
    "vander.default": [case(T(4)), case(T(4), 2), case(T(4), None, True), case(I(3), 4, True), case(T(1)), case(T(3), 0)],
    "linalg_vander.default": [case(T(4)), case(T(2, 3), N=5), case(I(3), N=4), case(T(2, 1, 2))],
    "trace.default": [case(T(3, 3)), case(T(2, 4)), case(T(5, 2)), case(I(3, 3)), case(T(1, 1)), case(T(2, 2, dtype=torch.int32))],
    "fft_fftshift.default": [case(T(5)), case(T(4, 3), dim=[-1]), case(T(4, 3)), case(T(1, 2, 5), dim=[1, 2]), case(I(6))],
    "fft_ifftshift.default": [case(T(5)), case(T(4, 3), dim=[-1]), case(T(4, 3)), case(T(1, 2, 5), dim=[1, 2]), case(I(6))],
    "fft_fftfreq.default": [case(5), case(8, 0.25), case(1), case(6, 2.0, dtype=torch.float64)],
    "fft_rfftfreq.default": [case(5), case(8, 0.25), case(1), case(6, 2.0, dtype=torch.float64)],
}

CASES["_linalg_det.default"] = [case(T(3, 3), results=1), case(T(2, 4, 4), results=1)]
