"""Reading and writing at positions."""
import torch

from . import B, I, T, V, W, case

f16, f64, i64, i32, i8, u8, b8 = torch.float16, torch.float64, torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool
ANY = (torch.float32, f64, i64, i32, b8)
NEGATIVE = V([[0, -1], [2, -3]])
MASK = V([True, False, True, True])
MASK2 = V([[True, False, True], [False, False, True], [True, True, False], [False, False, False]])
NONE = V([False, False, False, False])

INDEXED = [
    case(T(4, 3, 5), [I(2, high=4)]),
    case(T(4, 3, 5), [None, V([2, -1, 0])]),
    case(T(4, 3, 5), [None, None, NEGATIVE]),
    case(T(4, 3, 5), [V(1)]),
    case(T(4, 3, 5), [V([0, 1, -1]), V([2, 0, -2])]),
    case(T(4, 3, 5), [V([[0], [1]]), V([2, 0, -2])]),
    case(T(4, 3, 5), [None, V([2, 0]), V([4, -1])]),
    case(T(4, 3, 5), [None, V([[2], [0]]), V([4, -1, 3])]),
    case(T(4, 3, 5), [V([3, -4]), None, V([4, -1])]),
    case(T(2, 4, 3, 5), [None, V([[3, -4]]), None, V([[4], [1], [-1]])]),
    case(T(4, 3, 5), [V(1), V(2), V(-1)]),
    case(T(4, 3, 5), [MASK]),
    case(T(4, 3, 5), [MASK2]),
    case(T(5, 4, 3), [None, MASK2]),
    case(T(2, 4, 3, 5), [None, MASK2]),
    case(T(4, 3), [MASK2]),
    case(T(3, 4), [None, MASK]),
    case(T(4, 3), [NONE]),
    case(T(4, 3, 5), [MASK, V([1])]),
    case(T(4, 3, 5), [MASK2, V([-1])]),
    case(T(4, 3, 5), [MASK, None, V([0])]),
    case(T(4, 3, 5), [V([1, -1], dtype=i32)]),
    case(T(4, 3, 5), [V([1, -1], dtype=i32), V([[0], [1]])]),
    case(T(5), [I(0, high=5)]),
]
PUT = [
    case(T(4, 3, 5), [V([2, -4])], T(2, 3, 5)),
    case(T(4, 3, 5), [V([2, 0])], T(5)),
    case(T(4, 3, 5), [None, V([2, -3])], T(4, 2, 5)),
    case(T(4, 3, 5), [None, V([2, 0])], T(1, 5)),
    case(T(4, 3, 5), [None, V(1)], T(4, 5)),
    case(T(4, 3, 5), [None, V([2, 2, 1])], T(4, 3, 5), True),
    case(T(4, 3, 5), [V([2, 2, -2])], T(3, 3, 5), True),
    case(T(4, 3, 5), [None, None, V([[4, 1], [0, -1]])], T(4, 3, 2, 2)),
    case(T(4, 3, 5), [None, None, V([[4, 1], [0, -1]])], T()),
    case(T(4, 3, 5), [V([0, 1, -1]), V([2, 0, -2])], T(3, 5)),
    case(T(4, 3, 5), [V([[0], [1]]), V([2, 0, -2])], T(2, 3, 5)),
    case(T(4, 3, 5), [V([0, 0, -1]), V([2, 2, -2])], T(3, 1), True),
    case(T(4, 3, 5), [V([3, -2]), None, V([4, -1])], T(2, 3)),
    case(T(2, 4, 3, 5), [None, V([3, -2]), V([[1], [0]])], T(2, 2, 2, 5)),
    case(T(2, 4, 3, 5), [None, V([3, -2]), V([[1], [0]])], T(5)),
    case(T(4, 3, 5), [MASK], T()),
    case(T(4, 3, 5), [MASK], T(5)),
    case(T(4, 3, 5), [MASK], T(1, 3, 5)),
    case(T(4, 3, 5), [MASK], T(3, 3, 5)),
    case(T(4, 3, 5), [MASK], T(3, 1, 1), True),
    case(T(4, 3, 5), [MASK2], T(1)),
    case(T(4, 3), [MASK2], T(1)),
    case(T(4, 3), [MASK2], T(5)),
    case(T(4, 3), [MASK2], T(5), True),
    case(T(5, 4, 3), [None, MASK2], T(5, 5)),
    case(T(5, 4), [None, MASK], T(5, 1)),
    case(T(4, 3, 5), [MASK2, V([0, 1, 2, 3, -1])], T(5)),
    case(T(4, dtype=b8), [V([1, 1, 2])], B(3), True),
    case(T(4, 2, dtype=b8), [V([1, 1, 2]), V([0, 0, 1])], B(3), True),
    case(T(4), [V([1, -1], dtype=i32)], T(2)),
]
SRC = [
    case(T(3, 5), 0, I(2, 5, high=3), T(2, 5)),
    case(T(3, 5), 1, I(2, 4, high=5), T(3, 5)),
    case(T(3, 5), -1, V([[0, 2, 4], [1, -5 + 5, 3]]), T(2, 3)),
    case(T(4), 0, V([3, 0]), T(2)),
    case(T(), 0, V(0), T()),
    case(T(4), 0, V(2), T()),
    case(T(), 0, V([0]), T(1)),
]
ADDED = [
    case(T(3, 5), 0, I(2, 5, high=3), T(2, 5)),
    case(T(3, 5), 1, I(3, 8, high=5), T(3, 9)),
    case(T(4, 2, 3), 1, I(4, 5, 3, high=2), T(4, 5, 3)),
    case(T(4), 0, V([3, 3, 1]), T(3)),
    case(T(), 0, V(0), T()),
]
REDUCED = [case(T(3, 5), 1, I(3, 8, high=4), T(3, 8), reduce) for reduce in ("sum", "prod", "mean", "amax", "amin")] + [
    case(T(3, 5), 1, I(2, 8, high=4), T(3, 8), reduce, include_self=False) for reduce in ("sum", "prod", "mean", "amax", "amin")
] + [case(T(4, dtype=i64), 0, I(6, high=4), T(6, dtype=i64), reduce) for reduce in ("sum", "prod", "mean", "amax")] + [
    case(T(4, dtype=i64), 0, I(3, high=4), T(3, dtype=i64), reduce, include_self=False) for reduce in ("mean", "amin")
]
INDEX_REDUCED = [case(T(3, 5), 1, I(8, high=4), T(3, 8), reduce) for reduce in ("prod", "mean", "amax", "amin")] + [
    case(T(5, 3), 0, I(4, high=5), T(4, 3), reduce, include_self=False) for reduce in ("prod", "mean", "amax", "amin")
]
BAG = [
    case(W(7, 3), I(6, high=7), V([0, 2, 2])),
    case(W(7, 3), I(6, high=7), V([0, 2, 6]), False, 1),
    case(W(7, 3), I(6, high=7), V([0, 2, 2]), False, 2),
    case(W(7, 3), I(6, high=7), V([0, 2, 4], weight=True), False, 0),
    case(W(7, 3), I(6, high=7), V([0, 2, 4], weight=True), False, 1),
    case(W(7, 3), I(6, high=7), V([0, 3, 6], weight=True), False, 2, False, None, True),
    case(W(7, 3), I(6, high=7), V([0, 1, 4]), False, 0, False, T(6)),
    case(W(7, 3), I(6, high=7), V([0, 1, 6]), False, 1, False, None, True),
    case(W(7, 3), T(6, dtype=i32, low=0, high=7), V([0, 1, 4], dtype=i32), False, 1),
]
PADDED_BAG = [
    case(W(7, 3), V([0, 3, 2, 5, 3, 3]), V([0, 2, 4]), False, 0, False, None, False, 3),
    case(W(7, 3), V([0, 3, 2, 5, 3, 3]), V([0, 2, 4]), False, 1, False, None, False, 3),
    case(W(7, 3), V([0, 3, 2, 5, 3, 3]), V([0, 2, 4]), False, 2, False, None, False, 3),
    case(W(7, 3), V([0, 3, 2, 5, 3, 3]), V([0, 2, 4]), False, 0, False, T(6), False, 3),
]


def first(cases):
    """Cases of which only the first result is converted."""
    for made in cases:
        made.options["results"] = 1
    return cases


CASES = {
    "index.Tensor": INDEXED,
    "index.Tensor_hacked_twin": [case(T(4, 3, 5), [V([2, -1]), V([0, 1])])],
    "_unsafe_index.Tensor": INDEXED[:8],
    "_unsafe_index.Tensor_hacked_twin": [case(T(4, 3, 5), [V([2, -1]), V([0, 1])])],
    "index_put.default": PUT,
    "index_put.hacked_twin": [case(T(4, 3, 5), [V([2, -1]), V([0, 1])], T(2, 5))],
    "_unsafe_index_put.default": PUT[:8],
    "_unsafe_index_put.hacked_twin": [case(T(4, 3, 5), [V([2, -1]), V([0, 1])], T(2, 5))],
    "_index_put_impl.default": PUT[:8],
    "_index_put_impl_.hacked_twin": [case(T(4, 3, 5), [V([2, -1]), V([0, 1])], T(2, 5))],
    "_unsafe_masked_index.default": [
        case(T(4, 3), B(2, 3), [V([[2], [9]]), V([0, -7, 1])], 2.5),
        case(T(4, 3), B(2), [V([2, 0]), V([0, 2])], 0),
    ],
    "_unsafe_masked_index_put_accumulate.default": [case(T(4, 3), B(2, 3), [V([[2], [9]]), V([0, -7, 1])], T(2, 3))],
    "masked_select.default": [
        case(T(4, 3), B(4, 3)),
        case(T(4, 3), V([True, False, True])),
        case(T(3), MASK2),
        case(T(4, 1), V([[True, False, True]])),
        case(T(4), MASK),
        case(T(), V(True)),
    ],
    "masked_scatter.default": [
        case(T(4, 3), MASK2, T(12)),
        case(T(4, 3), V([True, False, True]), T(3, 5)),
        case(T(3), MASK2, T(6)),
        case(T(4), NONE, T(2)),
    ],
    "gather.default": [
        case(T(3, 5), 1, I(3, 2, high=5)),
        case(T(3, 5), 0, I(2, 4, high=3)),
        case(T(2, 3, 4), -1, I(2, 2, 6, high=4)),
        case(T(5), 0, V([4, 0, 0])),
        case(T(5), 0, V(3)),
        case(T(), 0, V([0, 0])),
        case(T(), 0, V(0)),
    ],
    "scatter.src": SRC,
    "scatter.value": [
        case(T(3, 5), 1, I(3, 2, high=5), 1),
        case(T(3, 5, dtype=i64), 0, I(2, 4, high=3), 7),
        case(T(4), 0, V([3]), 1.5),
        case(T(), 0, V(0), 1.5),
    ],
    "scatter.reduce": [case(T(3, 5), 0, I(2, 5, high=3), T(2, 5), reduce=r, types=(torch.float32, i64)) for r in ("add", "multiply")],
    "scatter.value_reduce": [case(T(3, 5), 0, I(2, 5, high=3), 3, reduce=r, types=(torch.float32, i64)) for r in ("add", "multiply")],
    "scatter_add.default": ADDED,
    "scatter_reduce.two": REDUCED,
    "index_select.default": [
        case(T(4, 3), 0, I(5, high=4)),
        case(T(4, 3), -1, V([2, 0])),
        case(T(4, 3), 1, V(2)),
        case(T(), 0, V([0])),
        case(T(4, 3), 1, V([2, 0], dtype=i32)),
    ],
    "index_add.default": [
        case(T(4, 3), 0, I(5, high=4), T(5, 3)),
        case(T(4, 3), 1, V([2, 0]), T(4, 2), alpha=2),
        case(T(4, 3), -1, V([2, 0], dtype=i32), T(4, 2), alpha=-1.5),
        case(T(2, 4, 3), 1, V([2, 2]), T(2, 2, 3)),
        case(T(), 0, V([0]), T()),
        case(T(4), 0, V(2), T(1)),
    ],
    "index_copy.default": [
        case(T(4, 3), 0, V([2, 0]), T(2, 3)),
        case(T(2, 4, 3), 1, V([2, 0, 3]), T(2, 3, 3)),
        case(T(4, 3), -1, V([2]), T(4, 1)),
        case(T(), 0, V([0]), T(1)),
        case(T(4), 0, V(2), T()),
    ],
    "index_fill.int_Scalar": [
        case(T(4, 3), 0, V([2, 0]), 1),
        case(T(4, 3), 1, V([2, -3]), 2.5),
        case(T(4, 3), 1, V(1), -1),
        case(T(), 0, V([0]), 3),
    ],
    "index_fill.int_Tensor": [case(T(4, 3), 0, V([2, 0]), T()), case(T(2, 4, 3, dtype=i64), 1, V([2, 0]), T(dtype=i64))],
    "index_reduce.default": INDEX_REDUCED,
    "take.default": [case(T(3, 4), V([0, 11, -1])), case(T(3, 4), V([[0], [5]])), case(T(3), V(2)), case(T(), V([0, 0]))],
    "take_along_dim.default": [
        case(T(3, 5), I(3, 2, high=5), 1),
        case(T(3, 5), I(1, 5, high=3), 0),
        case(T(1, 5), I(3, 2, high=5), -1),
        case(T(2, 1, 4), I(1, 3, 6, high=4), 2),
        case(T(3, 5), I(4, high=15)),
    ],
    "put.default": [
        case(T(3, 4), V([0, -1, 5]), T(3)),
        case(T(3, 4), V([[0, 0], [5, 5]]), T(2, 2), True),
        case(T(4), V(2), T()),
        case(T(), V([0]), T(1)),
    ],
    "select_scatter.default": [
        case(T(3, 4), T(4), 0, 1),
        case(T(3, 4), T(3), 1, -1),
        case(T(3, 4), T(3), -1, 0),
        case(T(2, 3, 4), T(2, 4), 1, -2),
        case(T(1), T(), 0, 0),
    ],
    "slice_scatter.default": [
        case(T(5, 4), T(2, 4), 0, 1, 3),
        case(T(5, 4), T(5, 2), 1, -2),
        case(T(5, 4), T(5, 3), 1, None, 3),
        case(T(5, 4), T(5, 4)),
        case(T(5, 4), T(3, 4), 0, 0, 9223372036854775807, 2),
        case(T(5, 4), T(2, 4), 0, 1, -1, 2),
        case(T(5, 4), T(3, 4), 0, -4, -1),
        case(T(5, 4), T(0, 4), 0, 3, 2),
        case(T(5, 6), T(5, 2), -1, 1, 100, 3),
    ],
    "diagonal_scatter.default": [
        case(T(4, 4), T(4)),
        case(T(4, 6), T(4), 1),
        case(T(4, 6), T(2), -2),
        case(T(2, 4, 3), T(2, 3), 0, 1, 2),
        case(T(4, 2, 3), T(2, 3), 0, -1, 0),
        case(T(3, 2, 5, 4), T(2, 5, 3), 1, 0, 3),
    ],
    "fill_diagonal_.default": [
        case(T(4, 4), 2),
        case(T(3, 5), 2.5),
        case(T(7, 3), 1),
        case(T(7, 3), 1, True),
        case(T(8, 3), 1, True),
        case(T(3, 3, 3), -1),
    ],
    "embedding.default": [
        case(W(7, 3), I(2, 4, high=7)),
        case(T(7, 3), I(4, high=7), padding_idx=2),
        case(W(7, 3), V(3)),
        case(W(7, 3), T(2, dtype=i32, low=0, high=7)),
    ],
    "embedding_bag.default": first(BAG),
    "embedding_bag.padding_idx": first(PADDED_BAG + [case(W(7, 3), V([0, 3, 2, 5]), V([0, 2]), False, 1, False, None, False, p) for p in (-4, None)]),
    "_embedding_bag.default": first(BAG[:4] + PADDED_BAG[:2]),
    "_embedding_bag_forward_only.default": first(BAG[:4] + PADDED_BAG[:2]),
    "one_hot.default": [case(I(2, 3, high=4), 4), case(I(3, high=5), 7), case(V(2), 4)],
}
