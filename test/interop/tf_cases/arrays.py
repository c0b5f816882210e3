"""Cases of shapes, parts, places, segments, matrices."""
from . import B, I, T, V, W, case

C = lambda values, dtype="int32": V(values, dtype=dtype, weight=True)  # noqa: E731


NAMES = {"shrink": "shrink_axis"}


def strided(shape, first, last, steps, **masks):
    return case(input=T(*shape), begin=C(first), end=C(last), strides=C(steps), **{f"{NAMES.get(k, k)}_mask": v for k, v in masks.items()})


def segments(*, unsorted=False, v2=False):
    ids = C([0, 0, 1, 3, 3]) if not unsorted else C([3, 0, -1, 3, 1])
    more = {"num_segments": C(5)} if unsorted or v2 else {}
    cases = [case(data=T(5, 3), segment_ids=ids, **more), case(data=T(5), segment_ids=ids, **more)]
    if unsorted:
        cases.append(case(data=T(2, 3, 4), segment_ids=C([[0, 2, 1], [2, -1, 0]]), **more))
    return cases


def sparse(**more):
    return [case(data=T(6, 3), indices=C([0, 5, 2, 2]), segment_ids=C([0, 0, 1, 3]), types=("float32", "float64"), **more)]


CASES = {
    "Shape": [case(input=T(2, 3)), case(input=T(2, 3), out_type="int64"), case(input=T())],
    "ShapeN": [case(input=[T(2, 3), T(4)])],
    "Size": [case(input=T(2, 3)), case(input=T(2, 3), out_type="int64")],
    "Rank": [case(input=T(2, 3))],
    "Reshape": [case(tensor=T(2, 3, 4), shape=C(s)) for s in ([6, 4], [-1], [2, -1, 2], [4, 3, 2, 1], [2, 3, 4])] + [case(tensor=T(2, 3), shape=V([3, 2])), case(tensor=T(1), shape=W(0, dtype="int32")), case(tensor=T(0, 3), shape=C([3, 0]), dynamic=False)],
    "ExpandDims": [case(input=T(2, 3), axis=C(a)) for a in (0, 1, -1)],
    "Squeeze": [case(input=T(1, 3, 1), axis=[0]), case(input=T(1, 3, 1), axis=[-1]), case(input=T(1, 3, 1), dynamic=False)],
    "Transpose": [case(x=T(2, 3, 4), perm=C([2, 0, 1])), case(x=T(2, 3), perm=C([0, 1]))],
    "ConjugateTranspose": [case(x=T(2, 3, 4), perm=C([2, 0, 1]))],
    "BroadcastTo": [case(input=T(3), shape=C([2, 3])), case(input=T(2, 1, 3), shape=C([2, 4, 3])), case(input=T(1, 3), shape=V([4, 3]))],
    "BroadcastArgs": [case(s0=C([2, 1, 3]), s1=C([4, 1])), case(s0=V([2, 1, 3]), s1=V([4, 1]))],
    "Fill": [case(dims=C([2, 3]), value=T()), case(dims=V([2, 3]), value=T())],
    "ZerosLike": [case(x=T(2, 3)), case(x=T())],
    "OnesLike": [case(x=T(2, 3))],
    "Empty": [case(shape=C([2, 3]), dtype="float32", init=True)],
    "Range": [case(start=C(0), limit=C(5), delta=C(1)), case(start=V(1), limit=V(10), delta=V(3)), case(start=V(0.5), limit=V(3.2), delta=V(0.5)), case(start=V(5), limit=V(-2), delta=V(-2)), case(start=V(1, dtype="int64"), limit=V(4, dtype="int64"), delta=V(1, dtype="int64"))],
    "LinSpace": [case(start=V(0.5), stop=V(3.0), num=C(7)), case(start=V(0.5), stop=V(3.0), num=V(6)), case(start=V(0.5), stop=V(3.0), num=C(1))],
    "Tile": [case(input=T(2, 3), multiples=C([2, 1])), case(input=T(2, 3), multiples=V([1, 3])), case(input=T(2, 3), multiples=C([1, 1]))],
    "Bitcast": [case(input=T(2, 3, dtype="int32"), type="uint32")],
    "EnsureShape": [case(input=T(2, 3), shape=[2, 3])],
    "ConcatOffset": [case(concat_dim=C(1), shape=[C([2, 3, 4]), C([2, 5, 4])]), case(concat_dim=C(0), shape=[V([2, 3]), V([4, 3]), V([1, 3])])],
    "UnravelIndex": [case(indices=I(5, high=24), dims=C([2, 3, 4]))],
    "Slice": [case(input=T(4, 5), begin=C([1, 2]), size=C([2, -1])), case(input=T(4, 5), begin=V([1, 2]), size=V([2, -1])), case(input=T(4, 5), begin=C([0, 0]), size=C([4, 2]))],
    "StridedSlice": [
        strided((4, 5, 6), [1, 0], [3, 4], [1, 2]),
        strided((4, 5, 6), [1, 0, 0], [3, 0, 0], [1, 1, 1], end=6, begin=6),
        strided((4, 5, 6), [-1, 0], [-3, 4], [-1, 1]),
        strided((4, 5, 6), [2, 1], [3, 2], [1, 1], shrink=1),
        strided((4, 5, 6), [-1, 1], [0, 2], [1, 1], shrink=1),
        strided((4, 5, 6), [0, 0, 2], [0, 0, 3], [1, 1, 1], ellipsis=1, new_axis=2),
        strided((4, 5, 6), [0, 0, 2], [0, 0, 3], [1, 1, 1], ellipsis=2, shrink=4, begin=1, end=1),
        strided((4, 5, 6), [0, 0, 0], [0, 0, 0], [1, 1, 1], new_axis=5, begin=2, end=2),
        strided((4, 5), [3, 4], [0, 0], [-2, -1], end=2),
        strided((4, 5), [10, -10], [20, 10], [1, 1]),
        case(input=T(4, 5), begin=V([1, 0]), end=V([3, 4]), strides=C([1, 2])),
        case(input=T(4, 5), begin=V([-1, 0]), end=V([0, 4]), strides=C([1, 2]), shrink_axis_mask=1),
    ],
    "Concat": [case(concat_dim=C(1), values=[T(2, 3), T(2, 1), T(2, 4)])],
    "ConcatV2": [case(values=[T(2, 3), T(2, 1)], axis=C(-1)), case(values=[T(2, 3), T(1, 3)], axis=C(0)), case(values=[T(2, 3), T(2, 3)], axis=C(0), types=("int64", "bool"))],
    "Pack": [case(values=[T(2, 3), T(2, 3)], axis=a) for a in (0, 1, -1)] + [case(values=[T(), T(), T()]), case(values=[T(2)])],
    "ParallelConcat": [],
    "Unpack": [case(value=T(2, 3, 4), num=3, axis=1), case(value=T(2, 3), num=2), case(value=T(1, 3), num=1)],
    "Split": [case(axis=C(1), value=T(2, 6), num_split=3), case(axis=C(0), value=T(4, 3), num_split=2), case(axis=C(0), value=T(4, 3), num_split=1)],
    "SplitV": [case(value=T(2, 7), size_splits=C([2, 4, 1]), axis=C(1), num_split=3), case(value=T(2, 7), size_splits=C([2, -1, 1]), axis=C(1), num_split=3), case(value=T(7, 2), size_splits=V([2, 5]), axis=C(0), num_split=2)],
    "Pad": [case(input=T(2, 3), paddings=C([[1, 0], [2, 1]])), case(input=T(2, 3), paddings=V([[1, 0], [2, 1]]))],
    "PadV2": [case(input=T(2, 3), paddings=C([[1, 0], [2, 1]]), constant_values=T())],
    "MirrorPad": [case(input=T(4, 5), paddings=C([[1, 2], [0, 3]]), mode=m) for m in ("REFLECT", "SYMMETRIC")],
    "ReverseV2": [case(tensor=T(2, 3, 4), axis=C([1])), case(tensor=T(2, 3, 4), axis=C([0, -1])), case(tensor=T(2, 3), axis=W(0, dtype="int32"))],
    "Reverse": [case(tensor=T(2, 3), dims=V([False, True], weight=True))],
    "ReverseSequence": [case(input=T(3, 5, 2), seq_lengths=C([2, 5, 1]), seq_dim=1, batch_dim=0), case(input=T(5, 3), seq_lengths=V([2, 5, 1]), seq_dim=0, batch_dim=1), case(input=T(3, 2, 5), seq_lengths=V([2, 5, 1]), seq_dim=2, batch_dim=0)],
    "Roll": [case(input=T(4, 5), shift=C([1, -7]), axis=C([0, 1])), case(input=T(4, 5), shift=V([2]), axis=C([1])), case(input=T(5), shift=V(2), axis=C(0))],
    "Gather": [case(params=T(5, 3), indices=I(2, 2, high=5))],
    "GatherV2": [
        case(params=T(5, 3), indices=I(2, 2, high=5), axis=C(0)),
        case(params=T(2, 5, 3), indices=I(4, high=5), axis=C(1)),
        case(params=T(2, 5, 3), indices=I(high=3), axis=C(-1)),
        case(params=T(2, 5, 3), indices=I(2, 4, high=5), axis=C(1), batch_dims=1),
        case(params=T(2, 5, 3), indices=I(2, 4, high=3), axis=C(2), batch_dims=1),
        case(params=T(2, 4, 5, 3), indices=I(2, 3, 2, high=5), axis=C(2), batch_dims=1),
    ],
    "GatherNd": [case(params=T(4, 5, 3), indices=C([[0, 1], [3, 4]])), case(params=T(4, 5), indices=I(2, 3, 2, high=4)), case(params=T(4, 5), indices=I(3, 1, high=4))],
    "ScatterNd": [case(indices=C([[4], [1], [4]]), updates=T(3), shape=C([6])), case(indices=C([[0, 1], [2, 3]]), updates=T(2, 4), shape=C([3, 4, 4])), case(indices=C([[4], [1]]), updates=T(2, 3), shape=V([6, 3]))],
    **{op: [case(tensor=T(5, 3), indices=C([[4], [1]]), updates=T(2, 3)), case(tensor=T(5), indices=C([[4], [0], [2]]), updates=T(3))] for op in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub", "TensorScatterMax", "TensorScatterMin")},
    "ScatterNdNonAliasingAdd": [case(input=T(5, 3), indices=C([[4], [1]]), updates=T(2, 3), types=("float32",))],
    "OneHot": [case(indices=V([0, 2, -1, 5, 3]), depth=C(4), on_value=T(), off_value=T()), case(indices=I(2, 3, high=4), depth=C(4), on_value=T(), off_value=T(), axis=1), case(indices=I(2, 3, high=4), depth=V(4), on_value=T(), off_value=T(), axis=0)],
    "Where": [case(condition=V([[0.0, 1.0], [2.0, 0.0]])), case(condition=B(3, 4))],
    "InvertPermutation": [case(x=C([2, 0, 3, 1])), case(x=V([2, 0, 3, 1])), case(x=V([2, 0, 1], dtype="int64"))],
    "TopKV2": [case(input=T(3, 6), k=C(3)), case(input=T(6), k=V(2)), case(input=V([[1.0, 3.0, 3.0, 2.0]]), k=C(3))],
    "Unique": [case(x=V([3, 1, 3, 2, 1, 7])), case(x=V([1.5, 2.5, 1.5]), out_idx="int64")],
    "UniqueV2": [case(x=V([3, 1, 3, 2, 1, 7]), axis=W(0, dtype="int32"))],
    "UniqueWithCounts": [case(x=V([3, 1, 3, 2, 1, 7]))],
    "UniqueWithCountsV2": [case(x=V([3, 1, 3, 2, 1, 7]), axis=W(0, dtype="int32"))],
    **{op: [case(sorted_inputs=V([[1.0, 2.0, 2.0, 5.0], [0.0, 1.0, 2.0, 3.0]]), values=V([[0.0, 2.0, 9.0], [3.0, 2.5, -1.0]])), case(sorted_inputs=V([[1, 2, 2, 5]]), values=V([[2, 6]]), out_type="int64")] for op in ("LowerBound", "UpperBound")},
    "Bucketize": [case(input=T(2, 5), boundaries=[-1.0, 0.0, 0.5], types=("float32", "int32"))],
    "InTopK": [case(predictions=T(4, 6), targets=I(4, high=6), k=2)],
    "InTopKV2": [case(predictions=T(4, 6), targets=I(4, high=6), k=C(3))],
    "NthElement": [case(input=T(3, 6), n=C(2)), case(input=T(3, 6), n=C(1), reverse=True)],
    "DynamicStitch": [case(indices=[C([0, 3]), C([[1], [2]])], data=[T(2, 4), T(2, 1, 4)]), case(indices=[V([0, 2]), V([1])], data=[T(2), T(1)])],
    "ParallelDynamicStitch": [case(indices=[C([0, 3]), C([1, 2])], data=[T(2, 4), T(2, 4)], types=("float32",))],
    "DynamicPartition": [case(data=T(5, 3), partitions=C([0, 2, 0, 1, 2]), num_partitions=3), case(data=T(2, 3), partitions=V([[0, 1, 1], [1, 0, 0]]), num_partitions=2)],
    "ListDiff": [case(x=V([1, 2, 3, 4, 5, 1]), y=V([1, 3])), case(x=V([1.0, 2.0]), y=V([2.0]), out_idx="int64")],
    "Bincount": [case(arr=C([0, 2, 2, 5]), size=C(4), weights=W(0), types=("float32",)), case(arr=C([0, 2, 2, 1]), size=C(4), weights=T(4), types=("float32",), dynamic=False)],
    "DenseBincount": [case(input=C([0, 2, 2, 5]), size=C(4), weights=W(0), types=("float32", "int32")), case(input=C([0, 2, 2, 1]), size=C(4), weights=W(0), binary_output=True, types=("float32",))],
    **{f"Segment{k}": segments() for k in ("Sum", "Prod", "Max", "Min", "Mean")},
    **{f"UnsortedSegment{k}": segments(unsorted=True) for k in ("Sum", "Prod", "Max", "Min")},
    **{f"SparseSegment{k}": sparse() for k in ("Sum", "Mean", "SqrtN")},
    **{f"SparseSegment{k}WithNumSegments": sparse(num_segments=C(5)) for k in ("Sum", "Mean", "SqrtN")},
    "MatrixBandPart": [case(input=T(2, 4, 5), num_lower=C(lo), num_upper=C(hi)) for lo, hi in ((1, 0), (-1, 0), (0, -1), (2, 1), (-1, -1))] + [case(input=T(3, 3), num_lower=V(1, dtype="int64"), num_upper=V(0, dtype="int64"))],
    "BatchMatrixBandPart": [],
    "BatchMatrixDiag": [],
    "MatrixDiag": [case(diagonal=T(2, 3)), case(diagonal=T(4))],
    "MatrixDiagV2": [case(diagonal=T(2, 3), k=C(0), num_rows=C(-1), num_cols=C(-1), padding_value=V(0.0, weight=True), types=("float32",))],
    "MatrixDiagV3": [
        case(diagonal=T(2, 3), k=C(0), num_rows=C(-1), num_cols=C(-1), padding_value=V(0.0, weight=True)),
        case(diagonal=T(2, 3), k=C(1), num_rows=C(-1), num_cols=C(-1), padding_value=V(9.0, weight=True), dynamic=False),
        case(diagonal=T(3), k=C(-1), num_rows=C(4), num_cols=C(4), padding_value=V(0.0, weight=True), dynamic=False),
        *[case(diagonal=T(2, 3, 4), k=C([-1, 1]), num_rows=C(-1), num_cols=C(-1), padding_value=V(7.0, weight=True), align=a, dynamic=False) for a in ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT")],
    ],
    "MatrixDiagPart": [case(input=T(2, 3, 3)), case(input=T(3, 5))],
    "MatrixDiagPartV2": [case(input=T(2, 3, 4), k=C(1), padding_value=V(0.0, weight=True), types=("float32",))],
    "MatrixDiagPartV3": [
        case(input=T(2, 3, 4), k=C(0), padding_value=V(0.0, weight=True)),
        case(input=T(2, 4, 3), k=C(-1), padding_value=V(0.0, weight=True)),
        *[case(input=T(2, 3, 4), k=C([-2, 1]), padding_value=V(7.0, weight=True), align=a, dynamic=False) for a in ("LEFT_LEFT", "RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT")],
    ],
    "MatrixSetDiag": [case(input=T(2, 3, 4), diagonal=T(2, 3)), case(input=T(4, 3), diagonal=T(3))],
    "MatrixSetDiagV2": [case(input=T(2, 3, 4), diagonal=T(2, 3), k=C(1), types=("float32",), dynamic=False)],
    "MatrixSetDiagV3": [case(input=T(2, 3, 4), diagonal=T(2, 3), k=C(0)), case(input=T(2, 4, 4), diagonal=T(2, 2, 4), k=C([-1, 0]), dynamic=False)],
    "Diag": [case(diagonal=T(3)), case(diagonal=T(2, 3))],
    "DiagPart": [case(input=T(3, 3)), case(input=T(2, 3, 2, 3))],
    "MatrixDeterminant": [case(input=T(2, 3, 3), types=("float32",))],
}
WITHOUT_KERNEL = ("TopK", "SegmentSumV2", "SegmentProdV2", "SegmentMaxV2", "SegmentMinV2", "ParallelConcat", "BatchMatrixBandPart", "BatchMatrixDiag")
