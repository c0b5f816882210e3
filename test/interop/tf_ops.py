#!/usr/bin/env python3
"""Runs every mapped TensorFlow operator: real TensorFlow computes a call of it, the library converts the graph, ONNX Runtime runs the result.

    python test/interop/tf_ops.py [--only 'Conv*'] [--family windows] [--third 0|1|2|all] [--keep FOLDER] [-v]

Cases are in tf_cases/, a file a family; see its __init__ for the language. Each operator also runs in other element types, and with open
sizes. Where ONNX Runtime has no kernel for a type, the onnx package's reference evaluator judges. The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import importlib
import os
import pkgutil
import sys
import tempfile
import zlib
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
import op_cases  # noqa: E402
import tf_cases  # noqa: E402
from tf_cases import T  # noqa: E402

OTHER_TYPES = ("float64", "int32", "int64", "uint8", "int8", "float16", "bool")


def walk(value, visit):
    """`value` with every described tensor replaced."""
    if isinstance(value, T):
        return visit(value)
    if isinstance(value, list) and any(isinstance(item, T) for item in value):
        return [walk(item, visit) for item in value]
    return value


def build(op, case, dtype, seed, is_open):
    """A graph with one call of an operator, the arrays of its inputs, and what TensorFlow makes of them."""
    random = np.random.default_rng(seed)
    arrays = []
    with tf.Graph().as_default() as graph:

        def make(spec):
            array = spec.make(random, dtype)
            if spec.weight:
                return tf.constant(array)
            kept = array.ndim - 1 if case.options["channels"] else None
            is_fixed = not is_open or spec.values is not None
            shape = array.shape if is_fixed else [None if n > 1 and axis != kept else n for axis, n in enumerate(array.shape)]
            parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
            made = []
            for part in parts:
                made.append(tf.compat.v1.placeholder(part.dtype, shape, name=f"x{len(arrays)}"))
                arrays.append(part)
            return tf.complex(*made) if len(made) == 2 else made[0]

        args = {name: walk(value, make) for name, value in case.args.items()}
        call = getattr(tf.raw_ops, op)
        made = call(**args)
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        results = results[: case.options["results"]]
        results = [part for r in results for part in ([tf.math.real(r), tf.math.imag(r)] if r.dtype.is_complex else [r])]
        named = [tf.identity(r, name="Identity" if i == 0 else f"Identity_{i}") for i, r in enumerate(results)]
    with tf.compat.v1.Session(graph=graph) as session:
        want = session.run(named, {f"x{i}:0": array for i, array in enumerate(arrays)})
    return graph.as_graph_def(), arrays, want


def variants(op, cases):
    """(label, case, element type, whether sizes are open, whether it must work) of each case."""
    for i, case in enumerate(cases):
        untyped = []
        for value in case.args.values():
            walk(value, lambda spec: untyped.append(spec) if spec.dtype is None else None)
        types = case.options["types"] or (("float32", *OTHER_TYPES) if i == 0 else ("float32",))
        for j, dtype in enumerate(types if untyped else types[:1]):
            label = f"{op} #{i}" + (f" {dtype}" if j else "")
            required = j == 0 or case.options["types"] is not None
            yield label, case, dtype, False, required
            if j == 0 and case.options["dynamic"]:
                yield f"{label} open", case, dtype, True, required


def run(path, inputs):
    return op_cases.run(path, {f"x{i}": v for i, v in enumerate(inputs)})


def compare(got, want, options, dtype):
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} outputs, expected {len(want)}")
    for i, (g, w) in enumerate(zip(got, want)):
        g, w = np.asarray(g), np.asarray(w)
        if g.shape != w.shape or (g.dtype != w.dtype and w.dtype.kind not in "OSU"):
            raise AssertionError(f"output {i} is {g.dtype}{g.shape}, expected {w.dtype}{w.shape}")
        if options["random"] or w.size == 0:
            continue
        if w.dtype.kind not in "fV":
            if w.dtype.kind in "OSU":
                g, w = g.astype(str), np.array([v.decode() for v in w.ravel()]).reshape(w.shape)
            if not np.array_equal(g, w):
                raise AssertionError(f"output {i}: {int(np.sum(g != w))} of {w.size} elements differ: {g.ravel()[:6]}, expected {w.ravel()[:6]}")
            continue
        g, w = g.astype(np.float64), w.astype(np.float64)
        if not np.array_equal(np.isnan(g), np.isnan(w)):
            raise AssertionError(f"output {i}: NaN in other places: {g.ravel()[:6]}, expected {w.ravel()[:6]}")
        finite = np.isfinite(w)
        if not np.array_equal(g[~finite & ~np.isnan(w)], w[~finite & ~np.isnan(w)]):
            raise AssertionError(f"output {i}: infinities differ")
        if finite.any():
            worst = float(np.max(np.abs(g[finite] - w[finite]))) / max(1e-6, float(np.max(np.abs(w[finite]))))
            limit = max(options["rtol"] or 1e-5, 1e-2 if dtype in ("float16", "bfloat16") else 0)
            if worst > limit:
                raise AssertionError(f"output {i} differs by {worst:.1e} of the largest: {g.ravel()[:6]}, expected {w.ravel()[:6]}")


def modules(only):
    return [importlib.import_module(f"tf_cases.{m.name}") for m in pkgutil.iter_modules(tf_cases.__path__) if only is None or m.name == only]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--family")
    parser.add_argument("--third", default="all")
    parser.add_argument("--keep")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        ready, known = {}, set()
        for module in modules(options.family):
            known |= set(getattr(module, "WITHOUT_KERNEL", ()))
            further = [(op, f"{op} {kind}", cases) for kind, table in getattr(module, "FURTHER", {}).items() for op, cases in table.items()]
            for op, name, cases in [*((op, op, cases) for op, cases in module.CASES.items()), *further]:
                known.add(op)
                if not fnmatch.fnmatch(op, options.only):
                    continue
                for label, case, dtype, is_open, required in variants(name, cases):
                    key = zlib.crc32(label.encode())
                    if options.third != "all" and key % 3 != int(options.third):
                        continue
                    try:
                        graph, arrays, want = build(op, case, dtype, key % 1000, is_open)
                    except Exception as error:
                        if required and not is_open:
                            failures.append((label, f"TensorFlow: {type(error).__name__}: {str(error).splitlines()[0][:200]}"))
                        continue
                    (folder / f"{key}.pb").write_bytes(graph.SerializeToString())
                    ready[str(key)] = (label, arrays, want, case.options, dtype, required)
        return op_cases.judged(folder, ready, failures, "tensorflow", known, options, run, compare)


if __name__ == "__main__":
    sys.exit(main())
