#!/usr/bin/env python3
"""Runs every operator sample in ONNX Runtime and stores or checks the expected numbers.

    node dist/scripts/samples.js FOLDER && python test/samples/expected.py FOLDER [--check]

FOLDER holds <number>/model.onnx, inputs.npz and name.txt. Without --check test/samples/expected.npz is written; with it the stored
numbers are compared with what ONNX Runtime computes now. Where ONNX Runtime lacks a kernel, onnx's reference evaluator judges.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

STORED = Path(__file__).parent / "expected.npz"


def plain(array):
    """The array in a type that .npz files have: bfloat16 becomes float32."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def judge(folder):
    model, feeds = folder / "model.onnx", dict(np.load(folder / "inputs.npz"))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return [o.name for o in session.get_outputs()], session.run(None, feeds), "onnxruntime"
    except Exception:
        loaded = onnx.load(model)
        return [o.name for o in loaded.graph.output], ReferenceEvaluator(loaded).run(None, feeds), "onnx.reference"


def main():
    root, check = Path(sys.argv[1]), "--check" in sys.argv
    expected, judges, failed = {}, {}, 0
    stored = dict(np.load(STORED)) if check else {}
    for folder in sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: int(p.name)):
        name = (folder / "name.txt").read_text()
        try:
            onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
            names, arrays, by = judge(folder)
        except Exception as error:
            print(f"FAIL {name}: {str(error).splitlines()[0][:200]}")
            failed += 1
            continue
        judges[by] = judges.get(by, 0) + 1
        for output, array in zip(names, arrays):
            key = f"{name}/{output}"
            expected[key] = plain(array)
            if check and not np.allclose(stored.get(key, np.nan), expected[key], rtol=1e-4, atol=1e-5, equal_nan=True):
                print(f"FAIL {key}: the stored numbers differ")
                failed += 1
    print(", ".join(f"{n} samples judged by {by}" for by, n in judges.items()))
    if not check:
        np.savez_compressed(STORED, **expected)
    print(f"{len(expected)} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
