"""Reductions, statistics, norms, softmax, sorting, scans, counting."""
import torch

from . import B, I, T, V, case

F64, F16, I64, I32, I16, I8, U8, BOOL = (
    torch.float64,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
NAN, INF = float("nan"), float("inf")
WITH_NAN = V([[1.0, NAN, 3.0, -2.0], [4.0, 5.0, NAN, NAN], [0.5, 2.0, -1.0, 7.0]])
ALL_NAN = V([[NAN, NAN, NAN], [1.0, NAN, 2.0]])
REPEATED = V([3, 1, 3, 2, 2, 2, 3, 5], dtype=I64)
RUNS = V([[1, 1, 2], [2, 2, 3], [1, 1, 3]], dtype=I64)


def totals(extra=()):
    return [case(T(2, 3, 4)), case(T()), case(T(5)), case(T(3, 2), dtype=F64), case(T(2, 3, dtype=U8), dtype=I32), *extra]


def by_dims(*, ints=True):
    typed = [case(T(2, 3, dtype=I8), [1], dtype=I8)] if ints else []
    return [
        case(T(2, 3, 4), [1]),
        case(T(2, 3, 4), [-1, 0], True),
        case(T(2, 3), []),
        case(T(2, 3), None),
        case(T(), [0]),
        case(T(), [-1], True),
        case(T(3, 2, dtype=I32), [0], dtype=F64),
        *typed,
    ]


TRUTHS = [case(B(2, 3)), case(T(4, dtype=U8)), case(T()), case(T(2, 2, dtype=I32, low=0, high=2)), case(WITH_NAN)]
TRUTH_DIM = [case(T(2, 3, dtype=I32, low=0, high=2), 1), case(B(2, 3), -2, True), case(T(3, 2, dtype=U8, low=0, high=2), 0), case(T(), 0)]
TRUTH_DIMS = [case(B(2, 3, 4), [0, 2]), case(B(2, 3), None, True), case(B(2, 3), []), case(T(2, 3), [-1], True), case(T(), [0])]
EXTREMA = [
    case(T(2, 3, 4), [1]),
    case(T(2, 3, 4), [0, -1], True),
    case(T(2, 3)),
    case(T(), [0]),
    case(T(2, 3, dtype=I16), [1]),
    case(T(2, 3, dtype=I8), [1]),
    case(B(2, 3), [0]),
]
EXTREME_DIM = [
    case(T(2, 3, 4), 1),
    case(T(2, 6, dtype=I64, low=0, high=3), -1, True),
    case(T(), 0),
    case(T(2, 3, dtype=I16), 1),
    case(B(2, 5), 1),
    case(T(4, dtype=U8), 0),
]
EXTREME = [case(T(2, 3, 4)), case(T()), case(B(2, 3)), case(T(2, 3, dtype=I16)), case(T(5, dtype=U8))]
PLACE = [case(T(2, 3, 4)), case(T(2, 3, 4), 1), case(T(2, 3), -1, True), case(T(2, 3), None, True), case(T(7)), case(T()), case(T(), 0, True)]
SPREAD = [case(T(3, 4)), case(T(3, 4), False), case(T(6, dtype=F16), types=[F16]), case(T(1))]
SPREAD_DIM = [case(T(3, 4), [1]), case(T(2, 3, 4), [0, -1], False, True), case(T(3, 4), None), case(T(3, 4), []), case(T(), [0], False)]
SPREAD_CORRECTION = [
    case(T(2, 3, 4), [1], correction=1),
    case(T(2, 3, 4), [1], correction=0, keepdim=True),
    case(T(2, 5)),
    case(T(2, 5), [-1], correction=2.5),
    case(T(2, 2), [1], correction=3, keepdim=True),
    case(T(), None, correction=0),
]
NORMS = [case(T(3, 4), p) for p in (2, 1, 0, 3, 4, INF, -INF, 0.5)]
NORM_DIMS = [
    case(T(2, 3, 4), 2, [1]),
    case(T(2, 3, 4), 1, [0, -1], True),
    case(T(2, 3), 3, []),
    case(T(), 2, [0]),
    case(T(2, 3, 4), INF, [0, 1]),
]
SOFT = [case(T(2, 3, 4), 1), case(T(2, 3), -1), case(T(), 0), case(T(5), 0), case(T(2, 3, dtype=I32), 1, F64), case(T(2, 3, dtype=F16), 1, torch.float32)]
SOFT_KEYWORD = [case(T(2, 3, 4), 1), case(T(), -1), case(T(2, 3, dtype=I32), 1, dtype=F64)]
SOFT_CORE = [case(T(2, 3, 4), 1, False), case(T(2, 3, dtype=F64), -1, False), case(T(), 0, False)]
LSE = [case(T(2, 3, 4), [1]), case(T(2, 3, 4), [0, -1], True), case(T(), [0]), case(T(2, 3, low=90, high=120), [1]), case(T(2, 3, dtype=I32), [0])]
SORT = [case(T(3, 5)), case(T(3, 5), 0, True), case(T(2, 6, dtype=I64, low=0, high=3), -1, True), case(T()), case(B(2, 5), 1), case(T(6, dtype=U8), 0), case(T(2, 4, dtype=I16), 1)]
STABLE = [case(T(3, 5), stable=True), case(T(2, 6, dtype=I64, low=0, high=3), stable=True, dim=-1, descending=True), case(T(2, 7, dtype=I32, low=0, high=3), stable=True, dim=0), case(T(), stable=True)]
MEDIANS = [case(T(3, 5)), case(T(2, 4)), case(T()), case(T(7, dtype=I64, low=0, high=40)), case(T(1))]
MEDIANS_DIM = [case(T(3, 5), 1), case(T(4, 3), 0, True), case(T(), 0), case(T(2, 6), -1), case(V([[4, 1, 9], [7, 3, 5]], dtype=I32), 1)]
FRACTIONS = V([0.0, 0.3, 0.75, 1.0])
HOW = ("linear", "lower", "higher", "midpoint", "nearest")
QUANTILE = [case(T(4, 7), FRACTIONS, 1), case(T(4, 7), V(0.4), 0, True), case(T(2, 3), FRACTIONS), case(T(2, 3, 5), FRACTIONS, -1, True), case(T(2, 3), FRACTIONS, None, True)] + [
    case(T(3, 6), FRACTIONS, 1, interpolation=how) for how in HOW[1:]
]
QUANTILE_SCALAR = [case(T(4, 7), 0.3, 1), case(T(2, 3), 0.5), case(T(2, 3), 0.5, None, True), case(T(5), 1.0, 0), case(T(3, 4), 0.6, 0, True), case(T(), 0.5)] + [
    case(T(3, 6), 0.45, 1, interpolation=how) for how in HOW[1:]
]
CUMULATIVE = [case(T(2, 3, 4), 1), case(T(2, 3), -1), case(T(), 0), case(T(2, 3, dtype=I32), 0, dtype=F64), case(T(4, dtype=I8), 0, dtype=I8), case(B(2, 3), 1), case(T(3, dtype=U8), 0)]
CUMULATIVE_EXTREME = [case(T(2, 5, 3), 1), case(T(2, 6, dtype=I64, low=0, high=3), -1), case(T(7), 0), case(T(), 0), case(B(2, 4), 1), case(T(3, 4, dtype=I32), 0)]
LOG_CUMULATIVE = [case(T(2, 5, 3), 1, rtol=1e-5), case(T(6, low=-90, high=90), 0), case(V([-INF, -INF, 1.0, 2.0]), 0), case(T(), 0)]
TRAPEZOID_X = [case(T(2, 5), T(5)), case(T(2, 5), T(2, 5), dim=1), case(T(4, 3), T(4), dim=0), case(T(2, 4, 3), T(4, 3), dim=1), case(T(3, 4), T(4, dtype=F64)), case(T(3, 4, dtype=I64), T(4, dtype=I64))]
TRAPEZOID_DX = [case(T(2, 5)), case(T(4, 3), dx=2.5, dim=0), case(T(2, 4, dtype=I64), dim=-1), case(T(6), dx=2.0)]
EDGES = V([-1.0, 0.0, 0.5, 2.0])
UNIQUE = [
    case(REPEATED, dynamic=False),
    case(REPEATED, True, True, dynamic=False),
]
UNIQUE2 = UNIQUE + [case(V([[2.0, 1.0], [1.0, 3.0]]), True, True, True, dynamic=False), case(REPEATED, True, False, True, dynamic=False)]

CASES = {
    "sum.default": totals([case(T(4, dtype=I8), dtype=I8), case(T(2, 3, dtype=I16)), case(T(3, dtype=I32), dtype=BOOL)]),
    "sum.dim_IntList": by_dims(),
    "sum_to_size.default": [case(T(2, 3, 4), [3, 1]), case(T(2, 3), [2, 3], dynamic=False), case(T(2, 3), [1, 3]), case(T(2, 3, dtype=I32), [3]), case(T(2, 3), [1])],
    "prod.default": totals([case(B(2, 2))]),
    "prod.dim_int": [case(T(2, 3, 4), 1), case(T(2, 3), -1, True), case(T(), 0), case(T(3, 2, dtype=I32), 0), case(T(3, 2, dtype=I32), 0, dtype=F64)],
    "mean.default": [case(T(2, 3, 4)), case(T()), case(T(3, dtype=I64), dtype=F64), case(T(3, dtype=F16))],
    "mean.dim": by_dims(ints=False),
    "nansum.default": [case(WITH_NAN, [1]), case(WITH_NAN), case(T(2, 3), [0], True), case(ALL_NAN, [1]), case(T(2, 3, dtype=I32)), case(WITH_NAN, [-1], dtype=F64)],
    "nanmean.default": [case(WITH_NAN, [1]), case(WITH_NAN), case(ALL_NAN, [1], True), case(T(2, 3, 4), [0, 2]), case(T(3, 2), None, dtype=F64)],
    "any.default": TRUTHS,
    "any.dim": TRUTH_DIM,
    "any.dims": TRUTH_DIMS,
    "all.default": TRUTHS,
    "all.dim": TRUTH_DIM,
    "all.dims": TRUTH_DIMS,
    "amax.default": EXTREMA,
    "amin.default": EXTREMA,
    "aminmax.default": [case(T(2, 3, 4)), case(T(2, 3), dim=1), case(T(2, 3), dim=-2, keepdim=True), case(T(), dim=0), case(T(4, dtype=I16))],
    "_aminmax.default": [case(T(2, 3, 4)), case(T())],
    "_aminmax.dim": [case(T(2, 3, 4), 1), case(T(2, 3), -1, True)],
    "max.default": EXTREME,
    "max.dim": EXTREME_DIM,
    "min.default": EXTREME,
    "min.dim": EXTREME_DIM,
    "argmax.default": PLACE,
    "argmin.default": PLACE,
    "logsumexp.default": LSE,
    "special_logsumexp.default": LSE,
    "count_nonzero.default": [case(T(3, 4, dtype=I64, low=0, high=2)), case(T(3, 4, dtype=I64, low=0, high=2), 1), case(B(3, 4), -2), case(T()), case(WITH_NAN)],
    "count_nonzero.dim_IntList": [case(T(2, 3, 4, dtype=I32, low=0, high=2), [0, -1]), case(B(3, 4), [1]), case(B(3, 4), [])],
    **{f"{name}.default": SPREAD for name in ("var", "std", "var_mean", "std_mean")},
    **{f"{name}.dim": SPREAD_DIM for name in ("var", "std", "var_mean", "std_mean")},
    **{f"{name}.correction": SPREAD_CORRECTION for name in ("var", "std", "var_mean", "std_mean")},
    "linalg_vector_norm.default": [*NORMS, *NORM_DIMS, case(T(), -2), case(T(), 0), case(T(), 3), case(T(2, 3), 2, [1], dtype=F64), case(T(2, 3), 2.0, None, True), case(T(3, dtype=F16), 3)],
    "norm.Scalar": [case(T(3, 4)), case(T(3, 4), 1), case(T(3, 4), INF), case(T())],
    "norm.ScalarOpt_dim": [*NORM_DIMS, case(T(2, 3), None, [1], False)],
    "norm.ScalarOpt_dtype": [case(T(3, 4), 2, dtype=F64), case(T(3, 4), None, dtype=torch.float32)],
    "norm.ScalarOpt_dim_dtype": [case(T(3, 4), 2, [1], False, dtype=F64), case(T(3, 4), 1, [0], True, dtype=torch.float32)],
    "frobenius_norm.dim": [case(T(2, 3, 4), [1, 2]), case(T(2, 3), [0], True), case(T(2, 3), [])],
    "norm_except_dim.default": [case(T(4, 3, 2)), case(T(4, 3), 2, 1), case(T(4, 3), 1, -1), case(T(4, 3, 2), 1, 2), case(T(5), 2, 0)],
    "linalg_norm.default": [case(T(3, 4)), case(T(5), 3), case(T(3, 4), 1), case(T(3, 4), -INF), case(T(2, 3, 4), INF, [0, 2], True), case(T(2, 3, 4), None, [1]), case(T(2, 3, 4), None, None, True), case(T(2, 3), None, [0, 1], dtype=F64)],
    "linalg_norm.ord_str": [case(T(3, 4), "fro"), case(T(2, 3, 4), "fro", [2, 0], True)],
    "linalg_matrix_norm.default": [case(T(2, 3, 4), p) for p in (1, -1, INF, -INF)] + [case(T(2, 3, 4), 1, [2, 0], True), case(T(2, 3, 4), INF, [0, 1], dtype=F64)],
    "linalg_matrix_norm.str_ord": [case(T(2, 3, 4)), case(T(2, 3, 4), "fro", [0, 1], True)],
    "dist.default": [case(T(3, 4), T(3, 4)), case(T(3, 4), T(4), 1), case(T(3), T(3), INF), case(T(3, 4), T(3, 1), 0), case(T(3), T(3, dtype=F64), 3)],
    "renorm.default": [case(T(3, 4), 2, 0, 1.0), case(T(2, 3, 4), 1, 1, 2.5), case(T(3, 4), 3, -1, 0.5)],
    "softmax.int": SOFT,
    "log_softmax.int": SOFT,
    "special_softmax.default": SOFT,
    "special_log_softmax.default": SOFT_KEYWORD,
    "_softmax.default": SOFT_CORE,
    "_log_softmax.default": SOFT_CORE,
    "sort.default": SORT,
    "sort.stable": STABLE,
    "argsort.default": [case(T(3, 5)), case(T(3, 5), 0, True), case(T()), case(T(2, 4, dtype=I32), -1, False)],
    "argsort.stable": STABLE,
    "msort.default": [case(T(4, 3)), case(T()), case(T(5, dtype=I32))],
    "topk.default": [case(T(3, 5), 2, types=[torch.float32, F64]), case(T(3, 5), 3, 0, False), case(T(4, 6), 6, 1, True, True), case(T(), 1), case(T(7), 2, -1, True, True), case(T(7, dtype=I16, low=-90, high=90), 1)],
    "kthvalue.default": [case(T(3, 5), 2, types=[torch.float32, F64]), case(T(3, 5), 1, 0, True), case(T(), 1), case(T(6), 6, 0), case(V([[4, 1, 9], [7, 3, 5]], dtype=I32), 2, 1)],
    "median.default": MEDIANS,
    "median.dim": MEDIANS_DIM,
    "nanmedian.default": [*MEDIANS, case(WITH_NAN), case(V([NAN, NAN]))],
    "nanmedian.dim": [*MEDIANS_DIM, case(WITH_NAN, 1), case(WITH_NAN, 0, True), case(ALL_NAN, 1), case(V([[NAN, INF, NAN]]), 0)],
    "mode.default": [case(T(3, 9, dtype=I64, low=0, high=4)), case(T(6, 2, dtype=I32, low=0, high=3), 0, True), case(T()), case(REPEATED), case(T(2, 5)), case(B(2, 5), 1)],
    "quantile.default": QUANTILE,
    "quantile.scalar": QUANTILE_SCALAR,
    "nanquantile.default": [*QUANTILE, case(WITH_NAN, FRACTIONS, 1), case(ALL_NAN, FRACTIONS, 1, True), case(WITH_NAN, V(0.5), 0)],
    "nanquantile.scalar": [*QUANTILE_SCALAR, case(WITH_NAN, 0.5), case(ALL_NAN, 0.25, 1), case(WITH_NAN, 0.3, 0, True)],
    "cumsum.default": CUMULATIVE,
    "cumprod.default": CUMULATIVE,
    "cummax.default": CUMULATIVE_EXTREME,
    "cummin.default": CUMULATIVE_EXTREME,
    "logcumsumexp.default": LOG_CUMULATIVE,
    "_logcumsumexp.default": LOG_CUMULATIVE,
    "diff.default": [
        case(T(3, 5)),
        case(T(3, 5), 2, 0),
        case(T(3, 5), 1, -1, T(3, 1), T(3, 2)),
        case(B(2, 4)),
        case(T(4, dtype=I8)),
        case(T(3, 2), 3, 1),
        case(T(4, dtype=I64), 1, 0, T(2, dtype=I64)),
    ],
    "trapezoid.x": TRAPEZOID_X,
    "trapezoid.dx": TRAPEZOID_DX,
    "trapz.x": TRAPEZOID_X,
    "trapz.dx": [case(T(2, 5)), case(T(4, 3), dx=2.5, dim=0)],
    "cumulative_trapezoid.x": TRAPEZOID_X,
    "cumulative_trapezoid.dx": TRAPEZOID_DX,
    "nonzero.default": [case(V([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])), case(T(3, 4, dtype=I8, low=0, high=2)), case(B(5)), case(V(2.0)), case(V([[0.0, 2.0]], dtype=F64))],
    "argwhere.default": [case(V([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])), case(B(2, 3, 2)), case(V(2.0))],
    "nonzero_numpy.default": [case(B(3, 4), dynamic=False), case(V([1.0, 0.0, 2.0]), dynamic=False), case(V(2.0), dynamic=False)],
    "nonzero_static.default": [case(B(3, 4), size=20), case(B(3, 4), size=2, fill_value=7), case(V([0.0, 0.0]), size=2)],
    "isin.Tensor_Tensor": [case(I(3, 4), I(5)), case(I(3, 4), I(2, 2), invert=True), case(T(3), V([1.0, 2.0])), case(I(4), I()), case(I(), I(3)), case(I(3), V([1.0, 2.5])), case(I(2, 2), I(3), assume_unique=True)],
    "isin.Tensor_Scalar": [case(I(3, 4), 2), case(I(3), 2, invert=True), case(T(3), 1.5), case(I(4), 2.5)],
    "isin.Scalar_Tensor": [case(2, I(3, 4)), case(7, I(3), invert=True), case(2, V([2.0, 3.0])), case(2, I())],
    "searchsorted.Tensor": [
        case(EDGES, T(2, 3)),
        case(EDGES, V([-1.0, 0.0, 2.0, 3.0, -5.0]), right=True),
        case(V([[1, 3, 5], [2, 4, 6]], dtype=I64), V([[3, 6], [2, 5]], dtype=I64), out_int32=True),
        case(EDGES, V([0.0, 0.5]), side="right"),
        case(EDGES, V(0.5), side="left"),
        case(V([[3.0, 1.0, 2.0]]), V([[1.0, 2.5]]), sorter=V([[1, 2, 0]], dtype=I64)),
    ],
    "searchsorted.Scalar": [case(EDGES, 0.5), case(EDGES, 0.5, right=True), case(V([1, 3, 5], dtype=I64), 3, out_int32=True)],
    "bucketize.Tensor": [case(T(2, 3), EDGES), case(V([-1.0, 0.0, 2.0, 3.0]), EDGES, right=True), case(V([1, 5, 9], dtype=I64), V([1, 3, 5], dtype=I64), out_int32=True), case(V(0.2), EDGES)],
    "bucketize.Scalar": [case(0.5, EDGES), case(0.5, EDGES, right=True), case(3, V([1, 3, 5], dtype=I64), out_int32=True)],
    "bincount.default": [case(REPEATED), case(REPEATED, V([0.5] * 8)), case(REPEATED, None, 10), case(V([1, 4], dtype=U8)), case(V([1, 1, 2], dtype=I32), V([1, 2, 3], dtype=I64)), case(REPEATED, V([0.25] * 8, dtype=F64), 4)],
    "histc.default": [case(T(40), 8, -2, 2), case(T(5, 6), 10), case(V([1.0, 2.0, 2.0, 4.0, 7.0]), 3, 1, 4), case(V([2.0, 2.0]), 4), case(T(30, dtype=F64), 5, 0.0, 1.0)],
    "_unique.default": UNIQUE,
    "_unique2.default": UNIQUE2,
    "unique_dim.default": [case(V([[1, 2, 1], [0, 5, 0]], dtype=I64), 1, True, True, True, dynamic=False), case(RUNS, 0, True, True, True, dynamic=False), case(RUNS, 1, dynamic=False), case(RUNS, -1, True, False, True, dynamic=False)],
    "unique_consecutive.default": [case(REPEATED, True, True, dynamic=False), case(RUNS, True, True, dynamic=False), case(RUNS, True, False, 1, dynamic=False), case(V([2.0, 2.0, 1.0]), dynamic=False)],
}
