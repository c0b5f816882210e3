"""Cases of reductions and scans."""
from . import B, I, T, V, W, case


def axes(*values):
    return V(list(values), dtype="int32", weight=True) if values else W(0, dtype="int32")


def reduction(**options):
    return [
        case(input=T(2, 3, 4), axis=axes(1), **options),
        case(input=T(2, 3, 4), axis=axes(0, 2), keep_dims=True, **options),
        case(input=T(2, 3, 4), axis=axes(-1), **options),
        case(input=T(2, 3, 4), axis=axes(0, 1, 2), **options),
        case(input=T(2, 3), axis=axes(), **options),
        case(input=T(2, 3), axis=V(1, weight=True), **options),
    ]


CASES = {
    **{op: reduction() for op in ("Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm")},
    **{op: [case(input=B(2, 3, 4), axis=axes(1)), case(input=B(2, 3), axis=axes(0, 1), keep_dims=True), case(input=B(2, 3), axis=axes())] for op in ("Any", "All")},
    **{
        op: [
            case(input=T(2, 5, 3), dimension=V(1, weight=True)),
            case(input=T(2, 5), dimension=V(-1, weight=True), output_type="int32"),
            case(input=V([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0]]), dimension=V(1, weight=True)),
        ]
        for op in ("ArgMax", "ArgMin")
    },
    **{
        op: [
            case(x=T(2, 5, 3), axis=V(1, weight=True)),
            case(x=T(2, 5), axis=V(-1, weight=True), exclusive=True),
            case(x=T(2, 5), axis=V(0, weight=True), reverse=True),
            case(x=T(2, 5), axis=V(1, weight=True), exclusive=True, reverse=True),
        ]
        for op in ("Cumsum", "Cumprod")
    },
    "CumulativeLogsumexp": [case(x=T(2, 5, 3), axis=V(a, weight=True), exclusive=e, reverse=r) for a, e, r in ((1, False, False), (0, True, False), (2, False, True), (1, True, True))],
    "L2Loss": [case(t=T(2, 3))],
    "SoftmaxCrossEntropyWithLogits": [case(features=T(4, 5), labels=T(4, 5, low=0, high=1))],
    "SparseSoftmaxCrossEntropyWithLogits": [case(features=T(4, 5), labels=I(4, high=5))],
}
