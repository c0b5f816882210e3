"""Cases of pooling, padding, resampling and patches."""
import itertools
import random

import torch

from . import B, I, T, V, W, case  # noqa: F401

U8, I32, I64, F16, F64 = torch.uint8, torch.int32, torch.int64, torch.float16, torch.float64


def pool(name, rank, average, extras):
    """Kernels, strides, paddings and both roundings, at random but the same everywhere."""
    pick = random.Random(f"{name}{rank}")
    cases = [case(T(2, 3, *[9, 8, 7][:rank]), [3, 2, 3][:rank]), *extras]
    while len(cases) < 40:
        size = [pick.randint(5, 9) for _ in range(rank)]
        kernel = [pick.randint(1, 5) for _ in range(rank)]
        stride = [pick.randint(1, 4) for _ in range(rank)]
        padding = [pick.randint(0, k // 2) for k in kernel]
        ceil = pick.random() < 0.6
        lead = pick.choice([(2, 3), (2, 3), (3,)])
        if average:
            options = dict(count_include_pad=pick.random() < 0.5)
            if rank > 1 and pick.random() < 0.5:
                options["divisor_override"] = pick.randint(1, 7)
            cases.append(case(T(*lead, *size), kernel, stride, padding, ceil, **options))
        else:
            dilation = [pick.randint(1, 2) for _ in range(rank)]
            if any(d * (k - 1) + 1 > n for d, k, n in zip(dilation, kernel, size)):
                continue
            cases.append(case(T(*lead, *size), kernel, stride, padding, dilation, ceil))
    return cases


def maximum(name, rank, types=(I64, I32, torch.int16, torch.int8, U8, F16, F64)):
    lead, size = (2, 3), [7, 6, 8][:rank]
    integers = [case(T(*lead, *size, dtype=t), 3, 2, 1, ceil_mode=True) for t in types] if rank > 1 else []
    return pool(name, rank, False, [case(T(3, *size), 2), case(T(*lead, *size), 2, stride=[]), *integers])


def average(rank):
    size = [7, 6, 8][:rank]
    divisors = [case(T(2, 3, *size), 2, divisor_override=d) for d in (1, 3, 2**rank)] if rank > 1 else []
    halves = [case(T(2, 3, *size), 2, types=(F16,))] if rank < 3 else []
    return pool("avg", rank, True, [case(T(3, *size), 2), *halves, *divisors])


def adaptive(rank, maximum=False):
    sizes = {1: [(7,), (8,), (12,), (5,), (1,)], 2: [(8, 6), (7, 9), (5, 3), (13, 1)], 3: [(6, 7, 8), (5, 4, 3)]}[rank]
    outs = {
        1: [(1,), (2,), (3,), (4,), (5,), (7,), (9,)],
        2: [(1, 1), (2, 3), (4, 2), (3, 5), (6, 6), (5, 3), (1, 4), (7, 1)],
        3: [(1, 1, 1), (2, 3, 4), (5, 4, 2), (1, 3, 5), (6, 7, 8)],
    }[rank]
    cases = [case(T(2, 3, *size), list(out)) for size, out in itertools.product(sizes, outs)]
    cases.insert(1, case(T(2, 3, *sizes[0]), list(outs[2])))
    cases.append(case(T(3, *sizes[0]), list(outs[3])))
    cases.append(case(T(3, *sizes[0]), list(outs[0])))
    cases.append(case(T(2, 3, *sizes[0], dtype=F64), list(outs[3])))
    if not maximum:
        cases.append(case(T(2, 3, *sizes[0]), list(outs[3]), types=(F16,)))
    return cases


def constant(pads="pad", **mode):
    return [
        case(T(2, 3, 4), [1, 2], **mode),
        case(T(2, 3, 4), [1, 2, 0, 1], value=1.5, **mode),
        case(T(2, 3, 4), [-1, 2, 0, -1, 1, 1], value=-2.0, **mode),
        case(T(2, 3, 4), [0, 0], **mode),
        case(T(5), [-1, -2], **mode),
        case(T(2, 4, dtype=I64), [1, 0, 0, 2], value=7, **mode),
        case(B(2, 4), [1, 1], value=1, **mode),
        case(T(2, 4, dtype=F16), [1, 1], value=float("-inf"), **mode),
        case(T(), [], **mode),
    ]


def edges(rank, name="padding", **mode):
    """Padding by the tensor's own elements; pads are smaller than it."""
    size = [5, 6, 7][3 - rank :]
    forward = list(itertools.chain.from_iterable((1 + i, 2 + i) for i in range(rank)))
    cases = [
        case(T(2, 3, *size), **{name: forward}, **mode),
        case(T(3, *size), **{name: [1] * (2 * rank)}, **mode),
        case(T(2, 3, *size), **{name: [0] * (2 * rank)}, **mode),
        case(T(2, 3, *size), **{name: [2, 0] * rank}, **mode),
        case(T(2, 3, *size, dtype=F64), **{name: [0, 1] * rank}, **mode),
        case(T(2, 3, *size), **{name: [-1, 2] + [1, 0] * (rank - 1)}, **mode),
        case(T(2, 3, *size), **{name: [3, -2] + [0, -1] * (rank - 1)}, **mode),
        case(T(2, 3, *size, dtype=I64), **{name: forward}, **mode),
    ]
    return cases


def circular(**mode):
    return [
        case(T(2, 3, 4), [1, 2], **mode),
        case(T(2, 3, 4), [4, 0], **mode),
        case(T(2, 3, 4, 5), [1, 2, 0, 3], **mode),
        case(T(2, 3, 4, 5), [-1, 2, 1, -1], **mode),
        case(T(2, 3, 4, 5, 3), [1, 0, 2, 1, 1, 3], **mode),
    ]


def chosen(names):
    """All modes of padding, by what the overload calls them."""
    found = constant(mode=names[0])
    for mode in names[1:3]:
        for rank in (1, 2, 3):
            found += edges(rank, "pad", mode=mode)
    return found + circular(mode=names[3])


def resample(rank, align=False, types=()):
    """(`.default`, `.vec`) cases: sizes up, down, equal and 1; factors whole, broken, and beside other sizes."""
    size = [5, 7, 6][:rank]
    outs = [[n * 2 for n in size], [n * 3 for n in size], [8, 5, 11][:rank], [3, 4, 5][:rank], [1, 1, 1][:rank], size, [13, 20, 9][:rank]]
    corners = [{"align_corners": a} for a in (False, True)] if align else [{}]
    names = {1: ["scales"], 2: ["scales_h", "scales_w"], 3: ["scales_d", "scales_h", "scales_w"]}[rank]
    stated, vector = [], []
    for at in corners:
        for out in outs:
            stated.append(case(T(2, 3, *size), out, **at))
            vector.append(case(T(2, 3, *size), out, scale_factors=None, **at))
        for factor in (2.0, 3.0, 1.5, 0.5, 0.7, 1.3, 2.6):
            out = [int(n * factor) for n in size]
            stated.append(case(T(2, 3, *size), out, **dict.fromkeys(names, factor), **at))
            vector.append(case(T(2, 3, *size), None, scale_factors=[factor] * rank, **at))
        stated.append(case(T(2, 3, *size), [n * 2 + 1 for n in size], **dict.fromkeys(names, 2.1), **at))
        stated.append(case(T(2, 3, *size), [n + 3 for n in size], **dict.fromkeys(names, 1.9), **at))
        if rank == 1:
            # Sizes at which the rounding of places decides.
            for n, out in ((41, 123), (49, 343), (100, 130), (33, 77), (7, 49), (12, 1000)):
                stated.append(case(T(1, 2, n), [out], rtol=1e-4, **at))
                stated.append(case(T(1, 2, n), [out], scales=out / n, rtol=1e-4, **at))
        for dtype in types:
            vector.append(case(T(2, 3, *size, dtype=dtype), [n + 2 for n in size], scale_factors=None, **at))
    return stated, vector


def upsample(name, rank, dynamic=True, **options):
    stated, vector = resample(rank, **options)
    vector.sort(key=lambda c: c.args[1] is not None)
    for first in (stated[0], vector[0]):
        first.options["dynamic"] = dynamic
    return {f"{name}.default": stated, f"{name}.vec": vector}


def sampled(rank):
    size = [5, 6, 7][:rank]
    out = [4, 3, 5][:rank]
    found = []
    for mode, padding, align in itertools.product((0, 1, 2) if rank == 2 else (0, 1), (0, 1, 2), (False, True)):
        found.append(case(T(2, 3, *size), T(2, *out, rank, low=-1.4, high=1.4), mode, padding, align))
    return found


GRIDS = sampled(2)
AFFINE = [
    case(T(2, 2, 3), [2, 3, 4, 5], False),
    case(T(2, 2, 3), [2, 3, 4, 5], True),
    case(T(2, 3, 4), [2, 3, 4, 5, 6], False),
    case(T(2, 3, 4), [2, 1, 3, 2, 2], True),
    case(T(1, 2, 3, dtype=F64), [1, 3, 2, 7], False),
]
WINDOWS = [
    ((2, 3, 8, 9), [3, 2], [1, 1], [1, 1], [2, 1]),
    ((2, 3, 8, 6), [2, 3], [1, 1], [0, 0], [2, 3]),
    ((2, 3, 9, 10), [2, 3], [2, 3], [1, 2], [3, 2]),
    ((3, 8, 8), [4, 4], [1, 1], [0, 0], [4, 4]),
    ((1, 1, 5, 5), [5, 5], [1, 1], [0, 0], [1, 1]),
    ((2, 2, 7, 5), [2, 2], [1, 1], [0, 1], [2, 2]),
    ((2, 2, 7, 7), [1, 1], [1, 1], [0, 0], [1, 1]),
]


def columns():
    """The columns of each window, and the images that they are put together to."""
    there, back = [], []
    for shape, kernel, dilation, padding, stride in WINDOWS:
        there.append(case(T(*shape), kernel, dilation, padding, stride))
        *lead, channels = shape[:-2]
        counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(shape[-2:], kernel, dilation, padding, stride)]
        wide = (*lead, channels * kernel[0] * kernel[1], counts[0] * counts[1])
        back.append(case(T(*wide), list(shape[-2:]), kernel, dilation, padding, stride))
    return there, back


IM2COL, COL2IM = columns()


def unpool(rank):
    size, out = [2, 3, 2][:rank], [5, 6, 7][:rank]
    places = 1
    for n in out:
        places *= n
    count = 1
    for n in size:
        count *= n
    where = random.Random(rank)
    planes = [where.sample(range(places), count) for _ in range(6)]
    indices = torch.tensor(planes).reshape(2, 3, *size)
    rest = [[2] * rank, [0] * rank] if rank == 3 else []
    single = indices[0]
    return [
        case(T(2, 3, *size), V(indices.tolist()), out, *rest),
        case(T(3, *size), V(single.tolist()), out, *rest),
        case(T(2, 3, *size, dtype=F64), V(indices.tolist()), out, *rest),
    ]


CASES = {
    "max_pool1d.default": maximum("max", 1),
    "max_pool2d.default": maximum("max", 2),
    "max_pool3d.default": maximum("max", 3),
    "max_pool1d_with_indices.default": maximum("indices", 1),
    "max_pool2d_with_indices.default": maximum("indices", 2),
    "max_pool3d_with_indices.default": maximum("indices", 3),
    "avg_pool1d.default": average(1),
    "avg_pool2d.default": average(2),
    "avg_pool3d.default": average(3),
    "adaptive_avg_pool1d.default": adaptive(1),
    "adaptive_avg_pool2d.default": adaptive(2),
    "adaptive_avg_pool3d.default": adaptive(3),
    "_adaptive_avg_pool2d.default": adaptive(2),
    "_adaptive_avg_pool3d.default": adaptive(3),
    "adaptive_max_pool1d.default": adaptive(1, maximum=True),
    "adaptive_max_pool2d.default": adaptive(2, maximum=True),
    "adaptive_max_pool3d.default": adaptive(3, maximum=True),
    "pad.default": chosen(["constant", "reflect", "replicate", "circular"]),
    "_pad_enum.default": chosen([3, 0, 1, 2]),
    "_pad_circular.default": circular(),
    "constant_pad_nd.default": constant(),
    "reflection_pad1d.default": edges(1),
    "reflection_pad2d.default": edges(2),
    "reflection_pad3d.default": edges(3),
    "replication_pad1d.default": edges(1),
    "replication_pad2d.default": edges(2),
    "replication_pad3d.default": edges(3),
    **upsample("upsample_nearest1d", 1, types=(U8, F16)),
    **upsample("upsample_nearest2d", 2, types=(U8, F16)),
    **upsample("upsample_nearest3d", 3, types=(U8,)),
    **upsample("_upsample_nearest_exact1d", 1, types=(U8,)),
    **upsample("_upsample_nearest_exact2d", 2, types=(U8,)),
    **upsample("_upsample_nearest_exact3d", 3, types=(U8,)),
    **upsample("upsample_linear1d", 1, align=True),
    **upsample("upsample_bilinear2d", 2, align=True),
    **upsample("upsample_trilinear3d", 3, align=True),
    **upsample("upsample_bicubic2d", 2, align=True),
    **upsample("_upsample_bilinear2d_aa", 2, align=True),
    **upsample("_upsample_bicubic2d_aa", 2, align=True),
    **upsample("_upsample_lanczos2d_aa", 2, dynamic=False, align=True),
    "grid_sampler.default": GRIDS + sampled(3),
    "grid_sampler_2d.default": GRIDS,
    "_grid_sampler_2d_cpu_fallback.default": GRIDS,
    "grid_sampler_3d.default": sampled(3),
    "affine_grid_generator.default": AFFINE,
    "im2col.default": IM2COL,
    "col2im.default": COL2IM,
    "max_unpool2d.default": unpool(2),
    "max_unpool3d.default": unpool(3),
}
