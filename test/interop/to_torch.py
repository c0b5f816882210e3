#!/usr/bin/env python3
"""Conformance models as programs of PyTorch, judged by the cases' own numbers: `torch.export.load`, `torch.jit.load` and Python itself take what
to_torch.js wrote, and the module computes the expected outputs, within the tolerances of the cases or the accuracy of float32.

    python test/interop/to_torch.py CASES OUT [--list]

OUT is what to_torch.js wrote. A case without a program is none that failed; how many there are, by operator and reason, is printed.
"""
import argparse
import collections
import importlib.util
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TORCH_LOGS", "-all")
import numpy as np
import onnx
import torch
from onnx import numpy_helper

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
torch.set_num_threads(1)

# Programs that fail, and why.
KNOWN = {
    "test_reshape_zero_dim": "zeros in a target that only the run knows are sizes to PyTorch",
    "test_reshape_zero_and_negative_dim": "zeros in a target that only the run knows are sizes to PyTorch",
}


def value(tree, tensors):
    return tensors[tree["tensor"]] if "tensor" in tree else None


def as_torch(array):
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.uint16).copy()).view(torch.bfloat16).reshape(array.shape)
    return torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape)


def difference(got, want, case):
    is_half = want.dtype.name in ("float16", "bfloat16")
    if want.dtype.name == "bfloat16":
        got, want = got.float().numpy(), want.astype(np.float32)
    else:
        got = got.detach().numpy()
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    if want.dtype.kind not in "fc":
        return None if np.array_equal(got, want) else "elements differ"
    # Halves are computed in halves there, and once rounded here.
    rtol = max(case["rtol"], 2e-2 if is_half else 1e-4)
    atol = max(case["atol"], 2e-2 if is_half else 1e-5)
    if np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
        return None
    return f"off by {np.nanmax(np.abs(got.astype(np.float64) - want.astype(np.float64)))}"


def python_module(path):
    spec = importlib.util.spec_from_file_location("written_module", path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model().load_weights()


# How a form is loaded, and what is put behind the name of a case.
FORMS = {
    "pt2": (lambda path: torch.export.load(str(path)).module(), ".pt2"),
    "torchscript": (lambda path: torch.jit.load(str(path)), ".pt"),
    "torch-module": (python_module, ""),
}


def judged(folder, case, load, path):
    model = onnx.load(folder / "model.onnx")
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / "data.onnx").graph.initializer}
    given = {t.name for t in model.graph.initializer}
    count = len([v for v in model.graph.input if v.name not in given])
    module = load(path)
    for one in case["sets"]:
        feeds = [value(tree, tensors) for tree in one["inputs"]][:count]
        with torch.no_grad():
            made = module(*[as_torch(a) for a in feeds])
        for got, tree in zip(made if isinstance(made, (tuple, list)) else [made], one["outputs"]):
            problem = difference(got, value(tree, tensors), case)
            if problem:
                return problem
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--list", action="store_true", help="every case without a program")
    args = parser.parse_args()
    written = json.loads((args.out / "written.json").read_text())
    passed, failures, refused = collections.Counter(), [], collections.Counter()
    for name, forms in written.items():
        folder = args.cases / name
        case = json.loads((folder / "case.json").read_text())
        for form, why in forms.items():
            if why is not None:
                if form == "pt2":
                    refused[why.split(" (and ")[0][:90]] += 1
                elif forms["pt2"] is None:
                    refused[f"{form}: {why}"[:90]] += 1
                if args.list:
                    print(f"{name} as {form}: {why}")
                continue
            load, extension = FORMS[form]
            try:
                problem = judged(folder, case, load, args.out / f"{name}{extension}")
            except Exception as error:
                problem = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
            if problem is None:
                passed[form] += 1
            elif name not in KNOWN:
                failures.append(f"{name} as {form}: {problem}")
    for line in failures:
        print(line)
    print(f"without a program: {sum(refused.values())} of {len(written)}")
    for why, count in refused.most_common(25):
        print(f"  {count:4} {why}")
    print(", ".join(f"{form} {count}" for form, count in passed.items()))
    print(f"{sum(passed.values())} passed, {len(failures)} failed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
