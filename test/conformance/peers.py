#!/usr/bin/env python3
"""How many of the standard's backend tests the onnx package's reference evaluator and ONNX Runtime pass on this machine.

    python test/conformance/peers.py FOLDER [--kind node,simple] [--json FILE]

FOLDER is what write_cases.py wrote. Judged as the standard's runner does: types and shapes equal, numbers within the tolerances of the case.
Each case runs in a process of its own, as some crash. Random operators count where their outputs happen to be equal.
"""
import argparse
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

warnings.filterwarnings("ignore")


def value(tree, tensors):
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    if "sequence" in tree:
        return [value(item, tensors) for item in tree["sequence"]]
    if "optional" in tree:
        return None if tree["optional"] is None else value(tree["optional"], tensors)
    return dict(zip(value(tree["map"]["keys"], tensors).tolist(), value(tree["map"]["values"], tensors).tolist()))


def equal(got, want, case):
    if want is None:
        return got is None
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(equal(a, b, case) for a, b in zip(got, want))
    if isinstance(want, dict):
        return got == want
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return False
    if want.dtype == object or want.dtype.kind in "US":
        return bool(np.array_equal(got.astype(str), want.astype(str)))
    rtol = max(case["rtol"], 2**-6) if want.dtype.name == "bfloat16" else case["rtol"]
    if want.dtype.kind not in "biufc":
        got, want = got.astype(np.float32), want.astype(np.float32)
    elif got.dtype != want.dtype:
        return False
    return bool(np.allclose(got, want, rtol=rtol, atol=case["atol"], equal_nan=True))


def reference(model):
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(model)
    return lambda feeds: session.run(None, feeds)


def runtime(model):
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def passes(folder, case, make):
    model = onnx.load(folder / "model.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / "data.onnx").graph.initializer}
    names = [v.name for v in model.graph.input if v.name not in {t.name for t in model.graph.initializer}]
    run = make(model)
    for one in case["sets"]:
        feeds = dict(zip(names, (value(tree, tensors) for tree in one["inputs"])))
        got = run(feeds)
        if not all(equal(a, value(tree, tensors), case) for a, tree in zip(got, one["outputs"])):
            return False
    return True


def alone(folder, case, make):
    """The same in a child process, which may crash."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            os._exit(0 if passes(folder, case, make) else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", default="node")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    import onnx.reference  # noqa: F401, once for all children
    import onnxruntime  # noqa: F401

    peers = (("onnx.reference", reference), ("ONNX Runtime", runtime))
    counts = {kind: {"cases": 0, **{name: 0 for name, _ in peers}} for kind in args.kind.split(",")}
    for folder in sorted(args.folder.iterdir()):
        if not (folder / "case.json").exists():
            continue
        case = json.loads((folder / "case.json").read_text())
        if case["kind"] not in counts:
            continue
        count = counts[case["kind"]]
        count["cases"] += 1
        for name, make in peers:
            count[name] += alone(folder, case, make)
        if sys.stderr.isatty():
            print(f"\r{sum(c['cases'] for c in counts.values())}", end="", file=sys.stderr)
    for kind, count in counts.items():
        for name, _ in peers:
            print(f"{kind:20} {name:16} {count[name]} of {count['cases']}")
    if args.json:
        args.json.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
