#!/usr/bin/env python3
"""Programs of the reference corpus that go out to PyTorch and come back, judged by PyTorch's own outputs through ONNX Runtime:

    program -> ONNX -> .pt2 -> ONNX
    program -> TorchScript -> ONNX
    program -> model.py, which judges itself -> torch.export -> ONNX

    python test/interop/torch_round_trips.py CORPUS [--only NAME,...]
"""
import argparse
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TORCH_LOGS", "-all")
import numpy as np
import onnxruntime as ort
import torch

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
torch.set_num_threads(2)
ROOT = Path(__file__).resolve().parents[2]

# Ways that fail, and why.
KNOWN = {}
# What one loop gives another takes: torch.export follows that in its strict mode alone.
STRICT = {"control_flow_scripted"}


class Failed(Exception):
    pass


def omnix(*args):
    made = subprocess.run(["node", str(ROOT / "dist" / "cli" / "main.js"), *map(str, args)], capture_output=True, text=True, timeout=300)
    if made.returncode:
        raise Failed(next((line for line in made.stderr.splitlines() if "error" in line), made.stderr[:200]))


def given_to(names, arrays):
    """Arrays by name, or by order where the names are others."""
    return dict(zip(names, [arrays[n] for n in names] if set(names) <= set(arrays) else arrays.values()))


def judge(path, case, folder):
    """Whether ONNX Runtime computes with a file what PyTorch computed."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    feeds = given_to([i.name for i in inputs], dict(np.load(folder / "inputs.npz")))
    feeds = {i.name: feeds[i.name].reshape(()) if i.shape == [] else feeds[i.name] for i in inputs}
    got = session.run(None, feeds)
    want = list(dict(np.load(folder / "outputs.npz")).values())
    if len(got) < len(want):
        raise Failed(f"{len(got)} outputs, expected {len(want)}")
    rtol = max(float(case.get("tolerance", {}).get("rtol", 1e-3)), 1e-4)
    for g, w in zip(got, want):
        if g.shape != w.shape:
            raise Failed(f"shape {g.shape}, expected {w.shape}")
        if w.dtype.kind not in "fc":
            if not np.array_equal(g, w):
                raise Failed("integers differ")
        elif not np.allclose(g, w, rtol=rtol, atol=rtol * max(1e-6, float(np.nanmax(np.abs(np.where(np.isfinite(w), w, 0)), initial=0))), equal_nan=True):
            raise Failed(f"off by {np.nanmax(np.abs(g - w)):.2e}")


def through_pt2(source, case, folder, tmp):
    omnix("convert", source, "-o", tmp / "a.onnx")
    omnix("convert", tmp / "a.onnx", "-o", tmp / "b.pt2")
    omnix("convert", tmp / "b.pt2", "-o", tmp / "c.onnx")
    judge(tmp / "c.onnx", case, folder)


def through_torchscript(source, case, folder, tmp):
    omnix("convert", source, "-o", tmp / "t.pt", "--to", "torchscript")
    omnix("convert", tmp / "t.pt", "-o", tmp / "t.onnx")
    judge(tmp / "t.onnx", case, folder)


def through_module(source, case, folder, tmp):
    omnix("convert", source, "-o", tmp / "module", "--to", "torch-module")
    verdict = subprocess.run([sys.executable, str(tmp / "module" / "model.py")], capture_output=True, text=True, timeout=300)
    if verdict.returncode or not verdict.stdout.endswith("ok: the expected numbers\n"):
        raise Failed("model.py: " + ([*verdict.stdout.splitlines(), *verdict.stderr.splitlines()] or ["nothing"])[-1][:200])
    spec = importlib.util.spec_from_file_location(f"module_{case['name']}", tmp / "module" / "model.py")
    python = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(python)
    model = python.Model().load_weights()
    arrays = [torch.from_numpy(np.ascontiguousarray(a)).reshape(a.shape) for a in np.load(folder / "inputs.npz").values()]
    stored, _ = python.references()
    arrays = [a.reshape(()) if s.dim() == 0 else a for a, s in zip(arrays, stored)]
    program = torch.export.export(model, tuple(arrays), strict=case["name"] in STRICT)
    torch.export.save(program, str(tmp / "e.pt2"))
    omnix("convert", tmp / "e.pt2", "-o", tmp / "e.onnx")
    judge(tmp / "e.onnx", case, folder)


WAYS = {"pt2": through_pt2, "torchscript": through_torchscript, "module": through_module}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", help="names of cases, with commas between them")
    parser.add_argument("--ways", default=",".join(WAYS))
    args = parser.parse_args()
    passed, failures = 0, []
    for path in sorted(args.corpus.glob("*/case.json")):
        case, folder = json.loads(path.read_text()), path.parent
        if args.only and case["name"] not in args.only.split(","):
            continue
        source = next((folder / name for name in ("model.pt2", "model.ts.onnx") if name in case["formats"]), None)
        if source is None:
            continue
        for way in args.ways.split(","):
            with tempfile.TemporaryDirectory() as tmp:
                try:
                    WAYS[way](source, case, folder, Path(tmp))
                    problem = None
                except Exception as error:
                    problem = f"{type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else ''}"
            key = f"{case['name']} through {way}"
            if problem is None and key in KNOWN:
                problem = "passes, and is listed as known to fail"
            if problem is None:
                passed += 1
            elif key not in KNOWN or problem.startswith("passes"):
                failures.append(key)
                print(f"{key}: {problem}", flush=True)
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
