#!/usr/bin/env python3
"""ONNX files as PyTorch modules, beside onnx2torch and onnx2tf: what each converts, whether it computes what ONNX Runtime does, and how long it
takes.

    python bench/to-torch.py FILE.onnx ... [--peer PYTHON] [--onnx2tf PYTHON] [--json FILE]

Needs numpy, torch, onnxruntime and a build of the library. Each PYTHON is an interpreter that has a tool, its torch and numpy: --peer
onnx2torch, --onnx2tf that one, which is left out otherwise. Each conversion is a process of its own, and its time that of the whole process.
Weights are inside the files; inputs are those of an `inputs.npz` beside the file.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
import onnxruntime
from distance import off

ROOT = Path(__file__).resolve().parents[1]
TOLERANCE = 1e-3

ONNX2TORCH = """
import sys, torch, onnx2torch
torch.save(onnx2torch.convert(sys.argv[1]), sys.argv[2])
"""
# Modules for open sizes compute little, so it is told the sizes, and to keep the order of the inputs' axes. What it cannot say in PyTorch it
# wraps: a package that runs the model in LiteRT or TensorFlow.
ONNX2TF = """
import json, os, sys
import numpy as np, onnx2tf
source, made, inputs = sys.argv[1:]
sizes = {name: x.shape for name, x in np.load(inputs).items() if x.ndim}
onnx2tf.convert(
    input_onnx_file_path=source,
    output_folder_path=os.path.dirname(made),
    tflite_backend="flatbuffer_direct",
    flatbuffer_direct_output_pytorch=True,
    overwrite_input_shape=[f"{name}:{','.join(map(str, shape))}" for name, shape in sizes.items()],
    keep_shape_absolutely_input_names=list(sizes),
    non_verbose=True,
)
if not os.path.isdir(made):
    sys.exit("no PyTorch package written")
runs = json.load(open(os.path.join(made, "metadata.json")))["execution_backend"]
if runs not in ("native", "runtime_wrapper"):
    sys.exit(f"the package does not run PyTorch but {runs}")
"""
# Writes what a module computes; `MODULE` is the expression that loads it.
COMPUTE = """
import importlib, os, sys, warnings
import numpy as np, torch
warnings.filterwarnings("ignore")
made, inputs, outputs = sys.argv[1:]
sys.path.insert(0, os.path.dirname(made))
try:
    with torch.no_grad():
        got = (MODULE)(*(torch.from_numpy(x) for x in np.load(inputs).values()))
    got = list(got.values()) if isinstance(got, dict) else got if isinstance(got, (tuple, list)) else [got]
    np.savez(outputs, *(np.asarray(g.detach()) for g in got))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}".splitlines()[0])
"""
VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps([m.version(p) for p in sys.argv[1:]]))"


class Tool(NamedTuple):
    """A converter."""

    name: str
    python: str  # has the PyTorch that runs what was made
    made: str  # what it makes, in the folder of an attempt
    convert: Callable[[Path, Path, Path], list]  # the command, from the file, what is to be made of it and the inputs
    module: str  # an expression for the module at the path `made`


def tools(options):
    ours, peer = sys.executable, options.peer
    yield Tool("omnix", ours, "m.pt2", lambda file, made, _: ["node", ROOT / "dist/cli/main.js", "convert", file, "-o", made], "torch.export.load(made).module()")
    yield Tool("onnx2torch", peer, "m.pt", lambda *paths: [peer, "-c", ONNX2TORCH, *paths], "torch.load(made, weights_only=False).eval()")
    if options.onnx2tf:
        loaded = "importlib.import_module(os.path.basename(made)).load_model()"
        yield Tool("onnx2tf", options.onnx2tf, "made/m_pytorch", lambda *paths: [options.onnx2tf, "-c", ONNX2TF, *paths], loaded)


def run(python, command):
    """Why the command failed, if it did, and its seconds. Programs beside the interpreter are found, as in an activated environment."""
    path = f"{Path(python).parent.absolute()}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, "PATH": path})
    seconds = time.perf_counter() - start
    return (done.stderr.strip().splitlines() or ["?"])[-1][:160] if done.returncode else None, seconds


def computed(path, inputs):
    """What ONNX Runtime computes with the file, and the inputs in the order of the file, for the modules, at the path `inputs`."""
    session = onnxruntime.InferenceSession(str(path))
    given = np.load(path.parent / "inputs.npz")
    # Not ascontiguousarray, which gives scalars an axis.
    feeds = {i.name: np.array(given[i.name], order="C") for i in session.get_inputs()}
    np.savez(inputs, **feeds)
    return session.run(None, feeds)


def attempt(tool, path, inputs, want):
    with tempfile.TemporaryDirectory() as work:
        # A copy: onnx2tf writes over what it reads.
        source, made, outputs = Path(work) / "m.onnx", Path(work) / tool.made, Path(work) / "outputs.npz"
        shutil.copyfile(path, source)
        failed, seconds = run(tool.python, tool.convert(source, made, inputs))
        if failed:
            return {"converted": False, "reason": failed}
        failed, _ = run(tool.python, [tool.python, "-c", COMPUTE.replace("MODULE", tool.module), made, inputs, outputs])
        reason = failed or difference(list(np.load(outputs).values()), want)
    return {"converted": True, "seconds": round(seconds, 2), "right": reason is None, **({"reason": reason} if reason else {})}


def difference(got, want):
    """What is wrong with the outputs, if anything."""
    if len(got) != len(want):
        return f"{len(got)} outputs, not {len(want)}"
    for i, (g, w) in enumerate(zip(got, want)):
        if (g.dtype, g.shape) != (w.dtype, w.shape):
            return f"output {i} is {g.dtype}{list(g.shape)}, not {w.dtype}{list(w.shape)}"
    worst = max(off(g, w) for g, w in zip(got, want))
    return None if worst < TOLERANCE else f"off by {worst:.1g}"


def versions(compared):
    """Of each peer, and of PyTorch: for a peer too where it is another."""
    found = {}
    for tool in compared:
        packages = ["torch"] if tool.name == "omnix" else ["torch", tool.name]
        said = subprocess.run([tool.python, "-c", VERSIONS, *packages], capture_output=True, text=True, check=True).stdout
        torch, *own = json.loads(said)
        if found.setdefault("torch", torch) != torch:
            found[f"torch of {tool.name}"] = torch
        found.update(zip(packages[1:], own))
    return found


def summary(rows, names):
    for name in names:
        done = [r[name] for r in rows if r[name]["converted"]]
        median = f", median {statistics.median(r['seconds'] for r in done):.2f} s" if done else ""
        print(f"{name}: converted {len(done)} of {len(rows)}, right {sum(r['right'] for r in done)}{median}")
    ours, *peers = names
    for peer in peers:
        ratios = [r[peer]["seconds"] / r[ours]["seconds"] for r in rows if r[peer].get("right") and r[ours].get("right")]
        if ratios:
            print(f"where both are right ({len(ratios)}), {peer} takes {statistics.median(ratios):.1f} times as long (median)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--onnx2tf")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    compared = list(tools(options))
    rows = []
    for path in options.files:
        row = {"model": f"{path.parent.name}/{path.name}"}
        with tempfile.TemporaryDirectory() as work:
            inputs = Path(work) / "inputs.npz"
            want = computed(path, inputs)
            for tool in compared:
                r = row[tool.name] = attempt(tool, path, inputs, want)
                state = f"{'right' if r['right'] else 'WRONG'} {r['seconds']:.1f} s" if r["converted"] else "not converted"
                print(f"{row['model']:50} {tool.name:10} {state}{'  ' + r['reason'] if 'reason' in r else ''}", flush=True)
        rows.append(row)
    summary(rows, [tool.name for tool in compared])
    if options.json:
        options.json.write_text(json.dumps({"versions": versions(compared), "rows": rows}, indent=1))


main()
