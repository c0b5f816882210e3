"""Older spellings of what the standard has, hashes, distances, crops."""
import numpy as np


def write(case):
    rng = np.random.default_rng(5)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    i32 = lambda *values: np.array(values, np.int32)
    i64 = lambda *values: np.array(values, np.int64)
    for label, upper in (("upper", 1), ("lower", 0)):
        case("Trilu", label, [f(2, 4, 5)], upper=upper, open=(1, 2))
        case("Trilu", f"{label}_up", [f(4, 5), np.array(1, np.int64)], upper=upper, constant=[1])
        case("Trilu", f"{label}_down", [rng.integers(0, 9, (4, 5)), np.array(-1, np.int64)], upper=upper)
    case("Pad", "constant", [f(3, 4), i64(0, 2, 1, 0), np.array([0.5], np.float32)], constant=[1, 2], open=(0,))
    case("Pad", "matrix_of_pads", [f(3, 4), i64([1, 2, 1, 0])], constant=[1])
    case("Pad", "reflect", [f(3, 4), i64(1, 2, 1, 0)], mode="reflect", constant=[1])
    case("Pad", "edge_fed", [f(3, 4), i64(1, 2, 1, 0)], mode="edge")
    case("Pad", "cut", [f(3, 4), i64(1, -2, 1, 0), np.array(2, np.float32)], constant=[1])
    for axis in (0, 1, -1):
        case("ExpandDims", f"axis{axis}", [f(3, 4), np.array(axis, np.int32)], constant=[1], open=(0,))
    case("ExpandDims", "fed", [f(3, 4), np.array(1, np.int32)])
    case("Range", "whole", [np.array(1, np.int64), np.array(7, np.int64), np.array(2, np.int64)], constant=[0, 1, 2])
    case("Range", "vectors", [i32(1), i32(7), i32(1)])
    case("Range", "floats", [np.array(1.5, np.float32), np.array(0.0, np.float32), np.array(-0.5, np.float32)])
    case("GatherND", "pairs", [f(2, 3, 4), i64([0, 1], [1, 2])], constant=[1], open=(0,))
    case("GatherND", "rows", [f(2, 3, 4), i32([[1]], [[0]])])
    case("GatherND", "all", [rng.integers(0, 9, (2, 3)), i32([0, 1], [1, 2], [0, 0])])
    grid = (rng.random((2, 3, 2, 2)) * 2.6 - 1.3).astype(np.float32)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            case("GridSample", f"{mode}_{padding}", [f(2, 2, 4, 5), grid], mode=mode, padding_mode=padding, align_corners=int(padding == "border"), atol=1e-4)
    case("SampleOp", "floats", [f(3)], open=(0,))
    case("SampleOp", "matrix", [f(2, 3)], constant=[0])
    case("SampleOp", "scalar", [np.array(1.5, np.float32)])
    case("UnfoldTensor", "last", [f(2, 7)], size=3, step=2, open=(0, 1))
    case("UnfoldTensor", "middle", [f(2, 7, 3)], size=3, dim=1, open=(1,))
    case("UnfoldTensor", "whole", [rng.integers(0, 9, (4, 5))], size=2, dim=0)
    case("CDist", "squares", [f(3, 4), f(5, 4)], open=(0,), atol=1e-4)
    case("CDist", "root", [f(3, 4), f(5, 4)], metric="euclidean", constant=[1], open=(0,), atol=1e-4)
    case("CDist", "double", [f(3, 4).astype(np.float64), f(2, 4).astype(np.float64)], metric="euclidean")

    case("Unique", "whole", [rng.integers(0, 5, 12).astype(np.float32)], 3, open=(0,))
    case("Unique", "floats", [np.array([2, 1, 1, 3, 4, 3], np.float32)], 3)
    case("Unique", "one", [np.array([7.5], np.float32)], 3)
    words = np.array(["", "a", "abc", "abcd", "hello world", "ä€"], object)
    case("MurmurHash3", "strings", [words])
    case("MurmurHash3", "signed", [words.reshape(2, 3)], positive=0, seed=42)
    for kind in (np.int32, np.uint32, np.int64, np.float32, np.float64):
        case("MurmurHash3", np.dtype(kind).name, [rng.integers(0, 1000, (2, 3)).astype(kind)], open=(0,), seed=7)
    ids = rng.integers(0, 4, (2, 10)).astype(np.int64)
    for n in (1, 2, 3):
        case("NGramRepeatBlock", f"n{n}", [ids, f(2, 6)], ngram_size=n, open=(0,))
    case("Inverse", "one", [f(3, 3) + 3 * np.eye(3, dtype=np.float32)], atol=1e-4)
    case("Inverse", "stack", [f(2, 2, 4, 4) + 3 * np.eye(4, dtype=np.float32)], open=(0, 1), atol=1e-4)
    case("Inverse", "double", [f(5, 5).astype(np.float64) + 3 * np.eye(5)])
    boxes = np.array([[0.1, 0.2, 0.9, 0.8], [0, 0, 1, 1], [-0.2, 0.5, 0.5, 1.3]], np.float32)
    for mode in ("bilinear", "nearest"):
        case("CropAndResize", mode, [f(2, 3, 5, 6), boxes, i32(0, 1, 0), i32(3, 4)], mode=mode, extrapolation_value=0.5)
    case("CropAndResize", "one_pixel", [f(2, 3, 5, 6), boxes, i32(0, 1, 0), i32(1, 2)], open=(0, 2, 3))
    write_tokens(case)


def write_tokens(case):
    texts = lambda *values: np.array(values, object)
    at = {"mark": 0, "mincharnum": 1, "pad_value": "#"}
    case("Tokenizer", "separators", [texts("hello world", "a", "", " x  y ")], open=(0,), separators=[" "], **at)
    case("Tokenizer", "marks", [texts("hello world", "a", "")], separators=[" "], **{**at, "mark": 1})
    case("Tokenizer", "two_separators", [texts("hello world", "a", "b c d", "e").reshape(2, 2)], separators=[" ", "o"], **at)
    case("Tokenizer", "least", [texts("\u00e9\u00e9 \u00e9", "hello a")], separators=[" "], **{**at, "mincharnum": 2})
    case("Tokenizer", "characters", [texts("abc", "d\u00e9")], separators=[""], **{**at, "mark": 1})
    case("Tokenizer", "expression", [texts("hello, world-wide 42", "a")], tokenexp="[a-zA-Z0-9_]+", open=(0,), **at)
    case("Tokenizer", "expression_of_one", [texts("abc", "d\u00e9")], tokenexp=".", **at)
    case("Tokenizer", "expression_least", [texts("hello, world-wide 42", "a")], tokenexp="[a-zA-Z0-9_]+", **{**at, "mincharnum": 3, "mark": 1})
    case("Tokenizer", "nothing", [texts("", "")], tokenexp="[a-z]+", **{**at, "mark": 1})
    case("Tokenizer", "separator_of_digits", [texts("a1b22c")], separators=["[0-9]+"], **at)
    case("Tokenizer", "empty_matches", [texts("ab")], tokenexp="a*", **at)
