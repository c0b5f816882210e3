#!/usr/bin/env python3
"""What releases of onnxruntime read on the CPU, for the table of src/opset/runtimes.ts.

    python test/interop/runtimes.py 1.20.1 1.32.0

Each release is installed into a folder of its own, asked, and removed. Three questions: which opset of ai.onnx and which IR version are the
newest with which a model of one Relu loads and gives its numbers (also with ALLOW_RELEASED_ONNX_OPSET_ONLY=0, which admits opsets that
were not final when the release was made); and which operators that an opset changed have neither a kernel in it nor a body of others. The
latter is read from the release's own lists. A third one is which element types it has: with an input of
which a model loads. An opset with such operators is known in part only.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import defs, helper

OPSETS = range(15, defs.onnx_opset_version() + 1)
IR_VERSIONS = range(8, onnx.IR_VERSION + 1)

# Runs with the release to be asked, and nothing else but numpy.
PROBE = """
import json, sys
import numpy as np
import onnxruntime as ort

def runs(path):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        (y,) = session.run(None, {"x": np.array([-1, 2], np.float32)})
    except Exception:
        return False
    return y.tolist() == [0, 2]

from onnxruntime.capi import onnxruntime_pybind11_state as state
# Absent before 1.16.
list_kernels = getattr(state, "get_all_opkernel_def", lambda: [])
kernels = [[k.op_name, *k.version_range] for k in list_kernels() if k.domain == "" and k.provider == "CPUExecutionProvider"]
def loads(path):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True

paths = sys.argv[1:]
found = {"runs": [p for p in paths if "type_" not in p and runs(p)], "loads": [p for p in paths if "type_" in p and loads(p)]}
print(json.dumps({"version": ort.__version__, **found, "kernels": kernels}))
"""


def relu(folder, opset, ir_version):
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = str(Path(folder) / f"{opset}_{ir_version}.onnx")
    Path(path).write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version).SerializeToString())
    return path


def beside(folder, element):
    """The same with an input of an element type that nothing reads: no kernel is asked for."""
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x, helper.make_tensor_value_info("u", element, [2])], [y])
    path = str(Path(folder) / f"type_{element}.onnx")
    Path(path).write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def covers(low, high, version):
    """A kernel without an end is taken only for the very version of the operator it was written for."""
    return low == version or low < version <= high < 2**31 - 1


def in_part(kernels):
    """For each opset the operators that it changed or brought, that have no kernel and no body. Constant needs none, it becomes a weight."""
    missing = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain or schema.deprecated or schema.since_version < 18 or schema.name == "Constant" or schema.has_function or schema.has_context_dependent_function:
            continue
        if not any(op == schema.name and covers(low, high, schema.since_version) for op, low, high in kernels):
            missing.setdefault(schema.since_version, []).append(schema.name)
    return missing


def ask(release, folder):
    # Releases before 1.19 were built for numpy 1.
    numpy = "numpy<2" if tuple(int(n) for n in release.split(".")[:2]) < (1, 19) else "numpy"
    site = str(Path(folder) / "site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--target", site]
    subprocess.run([*pip, f"onnxruntime=={release}", numpy], check=True)
    opsets = {relu(folder, opset, 8): opset for opset in OPSETS}
    irs = {relu(folder, 17, version): version for version in IR_VERSIONS}
    elements = {n: name for name, n in onnx.TensorProto.DataType.items() if n > 0}
    types = {beside(folder, n): name for n, name in elements.items()}
    paths = sorted({*opsets, *irs, *types})

    def probe(**env):
        command = [sys.executable, "-c", PROBE, *paths]
        env = {**os.environ, "PYTHONPATH": site, "PYTHONNOUSERSITE": "1", **env}
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.splitlines()[-1])

    found = probe()
    admitted = probe(ALLOW_RELEASED_ONNX_OPSET_ONLY="0")
    newest = lambda which, runs: max((number for path, number in which.items() if path in runs), default=None)
    opset, unreleased, ir = newest(opsets, found["runs"]), newest(opsets, admitted["runs"]), newest(irs, found["runs"])
    print(f"{found['version']}: opset {opset} (not yet final: {unreleased}), IR version {ir}")
    print(f"    has no tensors of {' '.join(sorted(set(elements.values()) - {types[path] for path in found['loads']}))}")
    if not found["kernels"]:
        print("    does not list its kernels")
        return
    for version, ops in sorted(in_part(found["kernels"]).items()):
        if version <= unreleased:
            print(f"    opset {version} lacks {' '.join(sorted(ops))}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", nargs="+", help="such as 1.20.1")
    for release in parser.parse_args().releases:
        with tempfile.TemporaryDirectory() as folder:
            try:
                ask(release, folder)
            except subprocess.CalledProcessError as error:
                print(f"{release}: {error.stderr or error}")


if __name__ == "__main__":
    main()
