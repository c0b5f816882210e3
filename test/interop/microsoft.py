#!/usr/bin/env python3
"""Operators of com.microsoft against ONNX Runtime on the CPU: models of one node, made here, run by both.

    python test/interop/microsoft.py [--only 'MatMulNBits*'] [--folder FOLDER]

Cases are written in the form of test/conformance/write_cases.py, with what ONNX Runtime gives as the expected outputs, and judged by
dist/test/conformance/run.js. Each is written with the sizes of its inputs fixed, and again with some of them open.
"""
import argparse
import fnmatch
import importlib
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/conformance"))
sys.path.insert(0, str(ROOT / "test/interop"))
from write_cases import Data, write  # noqa: E402

warnings.filterwarnings("ignore")
FAMILIES = ("float", "attention", "weights", "quantized", "other")


class Cases:
    """Writes cases; a family module calls it once a case."""

    def __init__(self, folder, wanted):
        self.folder, self.wanted, self.count, self.refused = folder, wanted, 0, []

    def __call__(self, op, label, inputs, outputs=1, *, constant=(), open=(), domain="com.microsoft", standard=21, rtol=1e-4, atol=1e-5, compare=None, declared=False, **attributes):
        """`inputs` are arrays, None where one is left out; those at the places of `constant` are initializers. `outputs` is a count, or a
        string of 1 and 0 where some are left out. `open` are the axes that are open in the second writing. `compare` says which outputs
        to compare; `standard` is the opset of ai.onnx; `declared` gives the outputs the type float for an ONNX Runtime that cannot infer it."""
        name = f"{op}_{label}"
        if not self.wanted(name):
            return
        for suffix, axes in (("", ()), ("_open", open)):
            if suffix and not open:
                continue
            try:
                self.write(name + suffix, op, inputs, outputs, constant, axes, domain, standard, rtol, atol, compare, declared, attributes)
                self.count += 1
            except Exception as error:  # ONNX Runtime refuses the case: say so, the case is wrong
                self.refused.append((name + suffix, str(error).splitlines()[0][:300]))

    def write(self, name, op, inputs, outputs, constant, open, domain, standard, rtol, atol, compare, declared, attributes):
        marks = "1" * outputs if isinstance(outputs, int) else outputs
        out = [f"y{i}" if mark == "1" else "" for i, mark in enumerate(marks)]
        tensors = [x if x is None or isinstance(x, onnx.TensorProto) else numpy_helper.from_array(np.asarray(x)) for x in inputs]
        names = ["" if x is None else f"x{i}" for i, x in enumerate(tensors)]
        initializers, infos, fed = [], [], []
        for i, t in enumerate(tensors):
            if t is None:
                continue
            t.name = names[i]
            if i in constant:
                initializers.append(t)
                continue
            dims = [f"{names[i]}_{k}" if k in open else d for k, d in enumerate(t.dims)]
            infos.append(helper.make_tensor_value_info(names[i], t.data_type, dims))
            fed.append(t)
        node = helper.make_node(op, names, out, domain=domain, **attributes)
        kept = [y for i, y in enumerate(out) if y and (compare is None or i in compare)]
        imports = [helper.make_opsetid("", standard)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info(y, 1, None) if declared else helper.make_empty_tensor_value_info(y) for y in kept], initializers)
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        made = run(model, fed)
        for info, y in zip(graph.output, made):
            info.CopyFrom(helper.make_tensor_value_info(info.name, helper.np_dtype_to_tensor_dtype(y.dtype), None))
        del model.graph.output[:]
        model.graph.output.extend(graph.output)
        data = Data()
        sets = [{"inputs": [data.add(t) for t in fed], "outputs": [data.tree(y) for y in made]}]
        write(self.folder, name, "microsoft", model, sets, data, rtol, atol)


def run(model, fed):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {t.name: numpy_helper.to_array(t) for t in fed})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["*"])
    parser.add_argument("--folder", type=Path, help="where the cases are written and kept")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    cases = Cases(folder, lambda name: any(fnmatch.fnmatch(name, pattern) for pattern in args.only))
    for family in FAMILIES:
        importlib.import_module(f"microsoft_cases.{family}").write(cases)
    for name, why in cases.refused:
        print(f"{name}: refused by ONNX Runtime: {why}")
    code = subprocess.run(["node", str(ROOT / "dist/test/conformance/run.js"), str(folder)], check=False).returncode
    if not args.folder:
        shutil.rmtree(folder)
    return 1 if cases.refused else code


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
