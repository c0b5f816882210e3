#!/usr/bin/env python3
"""Models that packages on PyPI ship: TensorFlow Lite files beside their interpreter, and a SavedModel beside the ONNX file that its authors made of it.

    python test/interop/shipped_models.py FOLDER

Wheels are fetched once by pip, and only their models are kept in FOLDER; where they cannot be fetched nothing is judged. The last line is
`N passed, N failed`.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tflite_models import convert, judge_file  # noqa: E402
from wheels import fetch  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("basic-pitch==0.4.0", "mediapipe==0.10.14")
# Models with operators that MediaPipe alone has; they must be refused with these words.
REFUSED = {"face_landmark_with_attention.tflite": "E2001 Landmarks2TransformMatrix: a custom operator"}


def is_model(name):
    return name.endswith(".tflite") or "/saved_models/" in name


def run(path, x):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = sorted(o.name for o in session.get_outputs())
    return session.run(names, {session.get_inputs()[0].name: x})


def judge_saved_model(source, shipped, made):
    """Both on the same sound; outputs are in the order of their names."""
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), "convert", str(source), "-o", str(made), "--overwrite"], capture_output=True, text=True)
    if done.returncode != 0:
        return False, done.stderr.strip().splitlines()[0][:200]
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 43844, 1)).astype(np.float32)
    got, want = run(made, x), run(shipped, x)
    off = max(float(np.abs(g - w).max()) if g.shape == w.shape else float("inf") for g, w in zip(got, want, strict=True))
    return off < 1e-5, f"{off:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    there = [found for package in PACKAGES if (found := fetch(package, folder, is_model))]
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        for source in [p.parent for f in there for p in f.rglob("saved_model.pb")]:
            results.append((source.name, *judge_saved_model(source, source.with_name(f"{source.name}.onnx"), made / "saved.onnx")))
        files = sorted(p for f in there for p in f.rglob("*.tflite"))
        for path, (model, refused) in zip(files, convert(files, made)):
            words = REFUSED.get(path.name)
            results.append((path.name, words is not None and refused.startswith(words), refused) if refused else (path.name, *(judge_file(path, model) if words is None else (False, "is not refused any more"))))
    for name, good, note in results:
        print("ok  " if good else "FAIL", name, note)
    failed = sum(not good for _, good, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
