"""Operators that move elements, and products."""
import numpy as np
import torch
import torch.nn.functional as F


def write(case):
    rng = np.random.default_rng(5)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    ints = lambda *numbers: np.array(numbers, np.int64)

    for label, a, b in (("matrices", (3, 4), (4, 5)), ("batches", (2, 3, 4), (2, 4, 5)), ("one", (2, 3, 4), (4, 5)), ("broadcast", (2, 1, 3, 4), (3, 4, 5)), ("rows", (4,), (2, 4, 5)),
                        ("columns", (2, 3, 4), (4,)), ("vectors", (4,), (4,))):
        case("MatMul", label, [f(*a), f(*b)], torch.matmul, open=(0,) if len(a) > 1 else ())
    for a in (0, 1):
        for b in (0, 1):
            def gemm(x, y, z, a=a, b=b):
                return 0.5 * (x.T if a else x) @ (y.T if b else y) + 2 * z
            case("Gemm", f"{a}{b}", [f(*((4, 3) if a else (3, 4))), f(*((5, 4) if b else (4, 5))), f(5)], gemm, open=() if a else (0,), transA=a, transB=b, alpha=0.5, beta=2.0)
    for equation, *shapes in (("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ii->i", (4, 4)), ("ij->", (2, 3)), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
                              ("i,jk,k->j", (2,), (3, 4), (4,))):
        case("Einsum", equation.replace("->", "_").replace(",", "_").replace("...", "o"), [f(*s) for s in shapes], lambda *x, e=equation: torch.einsum(e, *x), equation=equation)

    case("Reshape", "plain", [f(2, 6), ints(0, 2, 3)], lambda x, _: x.reshape(2, 2, 3), constant=(1,), open=(0,))
    case("Flatten", "plain", [f(2, 3, 4)], lambda x: x.flatten(1), open=(0,))
    case("Squeeze", "axes", [f(2, 1, 3), ints(1)], lambda x, _: x.squeeze(1), constant=(1,), open=(0,))
    case("Unsqueeze", "axes", [f(2, 3), ints(0, 3)], lambda x, _: x[None, :, :, None], constant=(1,), open=(0,))
    case("Transpose", "cube", [f(2, 3, 4)], lambda x: x.permute(2, 0, 1), open=(0,), perm=[2, 0, 1])
    case("Concat", "three", [f(2, 3), f(2, 1), f(2, 2)], lambda *x: torch.cat(x, 1), open=(0, 1, 2), axis=1)
    case("Concat", "first", [f(2, 3), f(1, 3)], lambda *x: torch.cat(x, 0), open=(0, 1), axis=0)
    case("Split", "parts", [f(2, 6), ints(1, 2, 3)], lambda x, _: torch.split(x, [1, 2, 3], 1), constant=(1,), outputs=3, open=(0,), axis=1)
    for label, start, end, axes, steps, fn in (
        ("inner", (1, 0), (3, 2), (0, 1), (1, 1), lambda x: x[1:3, 0:2]),
        ("steps", (0, 1), (5, 6), (0, 1), (2, 3), lambda x: x[0:5:2, 1:6:3]),
        ("back", (-1,), (-100,), (1,), (-2,), lambda x: x.flip(1)[:, ::2]),
        ("ends", (-3,), (2**31,), (1,), (1,), lambda x: x[:, -3:]),
    ):
        case("Slice", label, [f(5, 6), ints(*start), ints(*end), ints(*axes), ints(*steps)], lambda x, *_, fn=fn: fn(x), constant=(1, 2, 3, 4), open=(0,) if label in ("back", "ends") else ())
    case("Slice", "open_axis", [f(5, 6), ints(1), ints(2**31), ints(0), ints(2)], lambda x, *_: x[1::2], constant=(1, 2, 3, 4), open=(0,))
    for mode, torch_mode in (("constant", "constant"), ("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular")):
        case("Pad", mode, [f(2, 3, 5), ints(0, 0, 2, 0, 0, 3)], lambda x, _, m=torch_mode: F.pad(x, (2, 3), mode=m), constant=(1,), open=(0,), mode=mode)
    case("Pad", "negative", [f(3, 5), ints(0, -1, 1, 2)], lambda x, _: F.pad(x, (-1, 2, 0, 1)), constant=(1,))
    case("Pad", "value", [f(3, 5), ints(0, 1, 1, 2), np.array(0.3, np.float32)], lambda x, _, v: torch.cat([torch.cat([v.expand(3, 1), x, v.expand(3, 2)], 1), v.expand(1, 8)], 0), constant=(1,))
    case("Expand", "plain", [f(3, 1), ints(2, 3, 4)], lambda x, _: x.expand(2, 3, 4), constant=(1,), open=(0,))
    case("Tile", "plain", [f(2, 3), ints(3, 2)], lambda x, _: x.tile(3, 2), constant=(1,), open=(0,))
    case("Gather", "rows", [f(5, 3), ints(0, 2, 2, -1)], lambda x, i: x[i], open=(0, 1))
    case("Gather", "columns", [f(2, 5, 3), np.array([[0, 2], [2, -1]])], lambda x, i: x[:, i], open=(0,), axis=1)
    case("GatherElements", "columns", [f(3, 4), np.array([[0, 1], [1, 1], [3, 0]])], lambda x, i: torch.gather(x, 1, i), open=(0, 1), axis=1)
    case("GatherND", "pairs", [f(3, 4, 2), np.array([[0, 1], [2, 3], [0, 1]])], lambda x, i: x[i[:, 0], i[:, 1]], open=(0,))
    case("GatherND", "batch", [f(2, 4, 3), np.array([[[1], [1]], [[0], [3]]])], lambda x, i: torch.stack([x[k][i[k, :, 0]] for k in range(2)]), batch_dims=1)
    places = np.array([[0, 1], [1, 0], [3, 0]])
    case("ScatterElements", "none", [f(3, 4), places, f(3, 2)], lambda x, i, u: x.scatter(1, i, u), axis=1, open=(0, 1, 2))
    case("ScatterElements", "add", [f(3, 4), np.array([[0, 0], [1, 1], [3, 0]]), f(3, 2)], lambda x, i, u: x.scatter_add(1, i, u), axis=1, reduction="add", open=(0, 1, 2))
    tied = np.array([[1, 1, 0], [2, 0, 2]], np.float32)
    for reduction, name in (("max", "amax"), ("min", "amin"), ("mul", "prod")):
        case("ScatterElements", reduction, [tied, np.array([[0, 0], [1, 2]]), np.array([[1, 1], [0, 2]], np.float32)], lambda x, i, u, n=name: x.scatter_reduce(1, i, u, n), axis=1, reduction=reduction)
    case("ScatterND", "none", [f(4, 3), ints(2, 0).reshape(2, 1), f(2, 3)], lambda x, i, u: x.index_put((i[:, 0],), u), open=(0,))
    case("ScatterND", "add", [f(4, 3), ints(2, 2).reshape(2, 1), f(2, 3)], lambda x, i, u: x.index_put((i[:, 0],), u, accumulate=True), reduction="add")
    case("Compress", "axis", [f(4, 3), np.array([True, False, True, True])], lambda x, c: x[c], axis=0)
    case("Compress", "flat", [f(2, 3), np.array([True, False, True, True, False])], lambda x, c: x.flatten()[:5][c])
    case("DepthToSpace", "crd", [f(2, 8, 2, 3)], lambda x: F.pixel_shuffle(x, 2), blocksize=2, mode="CRD", open=(0,))
    case("SpaceToDepth", "plain", [f(1, 1, 4, 6)], lambda x: F.pixel_unshuffle(x, 2), blocksize=2)
    case("ReverseSequence", "plain", [f(4, 3), ints(4, 2, 1)], lambda x, n: torch.stack([torch.cat([x[:k, j].flip(0), x[k:, j]]) for j, k in enumerate(n.tolist())], 1), batch_axis=1, time_axis=0)
    case("Trilu", "upper", [f(4, 5), np.array(1)], lambda x, _: torch.triu(x, 1), constant=(1,), open=(0,))
    case("CenterCropPad", "both", [f(5, 3), ints(3, 5)], lambda x, _: F.pad(x[1:4], (1, 1)), constant=(1,))
    case("TopK", "largest", [f(3, 6), ints(2)], lambda x, _: torch.topk(x, 2), constant=(1,), outputs=2, types=[1, 7], open=(0,))
    case("OneHot", "values", [np.array([0, 2, 1]), np.array(3), np.array([0.2, 0.9], np.float32)], lambda i, _, v: torch.where(F.one_hot(i, 3) == 1, v[1], v[0]), constant=(1,))
    case("Det", "plain", [f(2, 3, 3)], torch.linalg.det)
    case("Resize", "linear", [f(1, 2, 3, 4), None, np.array([1, 1, 2, 1.5], np.float32)], lambda x, *_: F.interpolate(x, scale_factor=(2, 1.5), mode="bilinear"), constant=(2,), mode="linear")
    case("Resize", "nearest", [f(1, 2, 3, 4), None, np.array([1, 1, 2, 2], np.float32)], lambda x, *_: F.interpolate(x, scale_factor=2, mode="nearest"), constant=(2,), mode="nearest",
         coordinate_transformation_mode="asymmetric", nearest_mode="floor", open=(0,))
    case("Resize", "cubic", [f(1, 2, 4, 4), None, None, ints(1, 2, 7, 3)], lambda x, *_: F.interpolate(x, size=(7, 3), mode="bicubic"), constant=(3,), mode="cubic", cubic_coeff_a=-0.75, rtol=3e-3)
    for mode, torch_mode in (("linear", "bilinear"), ("nearest", "nearest"), ("cubic", "bicubic")):
        for padding in ("zeros", "border", "reflection"):
            grid = (rng.random((1, 3, 3, 2)) * 2.2 - 1.1).astype(np.float32)
            case("GridSample", f"{mode}_{padding}", [f(1, 2, 4, 5), grid], lambda x, g, m=torch_mode, p=padding: F.grid_sample(x, g, m, p, align_corners=False), mode=mode, padding_mode=padding, rtol=3e-3)
    case("AffineGrid", "plane", [f(2, 2, 3), ints(2, 1, 3, 4)], lambda t, _: F.affine_grid(t, (2, 1, 3, 4), align_corners=True), constant=(1,), align_corners=1)
