#!/usr/bin/env python3
"""SavedModels as ONNX, beside tf2onnx: what each converts, whether it computes what TensorFlow did, how many nodes and transposes it needs, and
how long it takes.

    python bench/from-tensorflow.py FOLDER [--only NAME ...] [--peer PYTHON] [--json FILE]

FOLDER has a folder a case: `saved_model`, `case.json` with its tolerance, and arrays `inputs.npz` and `outputs.npz`, `inputs2.npz` and
`outputs2.npz` of another batch. Needs numpy, onnx, onnxruntime and a build of the library; PYTHON is an interpreter that has tf2onnx and
tensorflow. Each conversion is a process of its own, and its time and peak memory are those of the whole process.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from distance import off

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("omnix", "tf2onnx")
VERSIONS = "import importlib.metadata as m, json; print(json.dumps({p: m.version(p) for p in ('tf2onnx', 'tensorflow-cpu')}))"
OPSET = 18


def measured(command):
    """Seconds and peak resident MB of a process, and the last line of what it said where it failed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"})
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return seconds, usage.ru_maxrss / 1024, (lines or ["?"])[-1][:160] if status else None


def all_nodes(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from all_nodes(inner)


def arranged(arrays, names):
    """The arrays for these names, by name or else in their order."""
    plain = {name.split(":")[0].lower(): array for name, array in arrays.items()}
    wanted = [name.split(":")[0].lower() for name in names]
    return [plain[name] for name in wanted] if set(wanted) <= set(plain) else list(arrays.values())


def worst(path, folder):
    """How far the model is off over both batches."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = ([v.name for v in ends] for ends in (session.get_inputs(), session.get_outputs()))
    found = 0.0
    for more in ("", "2"):
        given, want = (dict(np.load(folder / f"{kind}{more}.npz", allow_pickle=False)) for kind in ("inputs", "outputs"))
        got = session.run(None, dict(zip(inputs, arranged(given, inputs))))
        found = max([found, *(off(g, w) for g, w in zip(got, arranged(want, outputs), strict=True))])
    return found


def attempt(command, made, folder, tolerance):
    seconds, megabytes, wrong = measured(command)
    if wrong is not None:
        return {"converted": False, "right": False, "reason": wrong}
    nodes = list(all_nodes(onnx.load(made, load_external_data=False).graph))
    result = {"converted": True, "seconds": seconds, "megabytes": megabytes, "nodes": len(nodes), "transposes": sum(n.op_type == "Transpose" for n in nodes)}
    try:
        distance = worst(made, folder)
    except Exception as error:
        return {**result, "right": False, "reason": f"{type(error).__name__}: {error}".splitlines()[0][:160]}
    return {**result, "right": distance <= tolerance, "reason": f"off by {distance:.1e}"}


def shown(r):
    if not r["converted"]:
        return f"{'not converted':>13}"
    return f"{'right' if r['right'] else 'WRONG':5} {r['nodes']:5} {r['transposes']:4} {r['seconds']:6.1f} s {r['megabytes']:5.0f} MB"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print(f"{'case':22} | omnix: nodes, transposes, time, peak | tf2onnx")
    for folder in sorted(p.parent for p in options.folder.glob("*/saved_model")):
        if options.only and folder.name not in options.only:
            continue
        tolerance = json.loads((folder / "case.json").read_text())["tolerance"]["rtol"]
        source = folder / "saved_model"
        with tempfile.TemporaryDirectory() as work:
            made = Path(work) / "m.onnx"
            commands = {
                "omnix": ["node", ROOT / "dist/cli/main.js", "convert", source, "-o", made, "--overwrite", "--opset", str(OPSET)],
                "tf2onnx": [options.peer, "-m", "tf2onnx.convert", "--saved-model", source, "--output", made, "--opset", str(OPSET)],
            }
            row = {"case": folder.name, **{tool: attempt(commands[tool], made, folder, tolerance) for tool in TOOLS}}
        rows.append(row)
        print(f"{folder.name:22} | {shown(row['omnix']):36} | {shown(row['tf2onnx'])}", flush=True)
        for tool in TOOLS:
            if not row[tool]["right"]:
                print(f"    {tool}: {row[tool]['reason']}")
    for tool in TOOLS:
        print(f"{tool}: converted {sum(r[tool]['converted'] for r in rows)} of {len(rows)}, right {sum(r[tool]['right'] for r in rows)}")
    both = [r for r in rows if all(r[tool]["right"] for tool in TOOLS)]
    for what in ("nodes", "seconds", "megabytes") if both else ():
        ratio = statistics.geometric_mean(r["tf2onnx"][what] / r["omnix"][what] for r in both)
        print(f"where both are right ({len(both)}), tf2onnx has {ratio:.2f} times the {what}")
    if options.json:
        versions = json.loads(subprocess.run([options.peer, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout)
        options.json.write_text(json.dumps({"versions": versions, "rows": rows}, indent=1) + "\n")


main()
