#!/usr/bin/env python3
"""ONNX files as PyTorch modules, beside onnx2torch: what each converts, whether it computes what ONNX Runtime does, and how long it takes.

    python bench/to-torch.py FILE.onnx ... [--peer PYTHON]

Needs numpy, torch, onnx, onnxruntime and a build of the library; PYTHON is an interpreter that has onnx2torch, torch and onnxruntime too. Each
conversion is a process of its own, and its time that of the whole process. Inputs are those of an `inputs.npz` beside the file.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Each prints one line of JSON: {"error": ...} or {"off": largest difference relative to the largest value}.
JUDGE = """
import json, sys, warnings
import numpy as np, onnx, onnxruntime, torch
warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(4)
path, inputs, made = sys.argv[1:4]
given = np.load(inputs)
session = onnxruntime.InferenceSession(path)
feeds = {i.name: given[i.name] for i in session.get_inputs()}
want = session.run(None, feeds)
arguments = [torch.from_numpy(np.array(x, order="C")) for x in feeds.values()]
with torch.no_grad():
    try:
        got = module(made)(*arguments)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:160]}))
        sys.exit()
got = list(got.values()) if isinstance(got, dict) else list(got) if isinstance(got, (tuple, list)) else [got]
off = 0.0 if len(got) == len(want) else float("inf")
for g, w in zip(got, want):
    g = np.asarray(g.detach())
    same = g.shape == w.shape and g.dtype == w.dtype
    off = max(off, float(np.abs(g.astype(np.float64) - w).max() / (np.abs(w.astype(np.float64)).max() + 1e-6)) if same and w.size else 0.0 if same else float("inf"))
print(json.dumps({"off": off}))
"""
OURS = "def module(made):\n    return torch.export.load(made).module()\n" + JUDGE
PEER = "def module(made):\n    return torch.load(made, weights_only=False).eval()\n" + JUDGE
VERSIONS = "import importlib.metadata as m, json; print(json.dumps({p: m.version(p) for p in ('onnx2torch', 'torch')}))"
CONVERT = """
import sys, torch, onnx2torch
torch.save(onnx2torch.convert(sys.argv[1]), sys.argv[2])
"""


def run(command):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    return done, time.perf_counter() - start


def attempt(path, inputs, made, convert, judge):
    done, seconds = run(convert)
    if done.returncode != 0:
        return {"converted": False, "reason": (done.stderr.strip().splitlines() or ["?"])[-1][:160]}
    checked, _ = run([*judge, str(path), str(inputs), str(made)])
    said = json.loads(checked.stdout.splitlines()[-1]) if checked.stdout.strip() else {"error": (checked.stderr.strip().splitlines() or ["?"])[-1][:160]}
    return {"converted": True, "seconds": seconds, "right": said.get("off", 1) < 1e-3, "reason": said.get("error") or f"off by {said['off']:.1g}"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for path in options.files:
            inputs = path.parent / "inputs.npz"
            ours, theirs = Path(work) / "m.pt2", Path(work) / "m.pt"
            row = {
                "model": f"{path.parent.name}/{path.name}",
                "omnix": attempt(path, inputs, ours, ["node", ROOT / "dist/cli/main.js", "convert", path, "-o", ours, "--overwrite"], [sys.executable, "-c", OURS]),
                "onnx2torch": attempt(path, inputs, theirs, [options.peer, "-c", CONVERT, path, theirs], [options.peer, "-c", PEER]),
            }
            rows.append(row)
            for name in ("omnix", "onnx2torch"):
                r = row[name]
                state = f"{'right' if r['right'] else 'WRONG'} {r['seconds']:.1f} s" if r["converted"] else "not converted"
                print(f"{row['model']:50} {name:10} {state}{'' if r.get('right') else '  ' + r['reason']}", flush=True)
    for name in ("omnix", "onnx2torch"):
        done = [r[name] for r in rows if r[name]["converted"]]
        right = sum(r["right"] for r in done)
        print(f"{name}: converted {len(done)} of {len(rows)}, right {right}, median {statistics.median(r['seconds'] for r in done):.2f} s")
    both = [r for r in rows if r["omnix"].get("right") and r["onnx2torch"].get("right")]
    if both:
        ratio = statistics.median(r["onnx2torch"]["seconds"] / r["omnix"]["seconds"] for r in both)
        print(f"where both are right ({len(both)}), onnx2torch takes {ratio:.1f} times as long (median)")
    if options.json:
        versions = json.loads(run([options.peer, "-c", VERSIONS])[0].stdout)
        options.json.write_text(json.dumps({"versions": versions, "rows": rows}, indent=1))


main()
