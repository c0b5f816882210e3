"""What others say of mutants: anchors.py DIR, which run.ts --write filled. Writes DIR/anchors.json.

For each model: what onnx.checker (full_check) says against it, what ONNX Runtime says when it loads it, and what ONNX Runtime and the
reference evaluator of the onnx package compute from the inputs that run.ts uses. Every model is judged in a process of its own, with
ten seconds and 4 GB, because some make the others hang or crash.
"""

import json
import os
import pathlib
import resource
import signal
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(4)
MOST = 256


def text(error):
    return f"{type(error).__name__}: {error}"[:400]


def feed(info):
    """The same numbers as `patterned` in pipeline.ts."""
    kind = info.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else 3 for d in kind.shape.dim] if kind.HasField("shape") else [2]
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    i = np.arange(int(np.prod(dims)))
    if dtype.kind not in "fiub" or (dtype.kind == "f" and dtype.itemsize < 4):
        return np.zeros(dims, dtype)
    values = i % 2 if dtype == bool else (i % 7 - 3) / 2 if np.issubdtype(dtype, np.floating) else i % 3
    return values.astype(dtype).reshape(dims)


def plain(outputs):
    """Small outputs as lists of numbers, with NaN as text; None where one is something else."""
    made = []
    for y in outputs:
        if not isinstance(y, np.ndarray) or y.dtype.kind not in "fiub" or y.size > MOST:
            return None
        made.append({"dims": list(y.shape), "data": [str(v) if v != v or v in (np.inf, -np.inf) else v for v in y.astype(np.float64).ravel().tolist()]})
    return made


def said(run):
    try:
        return run()
    except Exception as error:  # their errors are the answer
        return {"error": text(error)}


def judge(data, wants_numbers):
    result = {"checker": None}
    try:
        onnx.checker.check_model(data, full_check=True)
    except Exception as error:
        result["checker"] = text(error)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = said(lambda: onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]))
    result["loads"] = session["error"] if isinstance(session, dict) else None
    yield result
    if not wants_numbers:
        return
    model = onnx.load_from_string(data)
    initial = {t.name for t in model.graph.initializer}
    feeds = said(lambda: {i.name: feed(i) for i in model.graph.input if i.name not in initial})
    if "error" in feeds:
        return
    if not isinstance(session, dict):
        result["ort"] = said(lambda: plain(session.run(None, feeds)))
        yield result
    result["reference"] = said(lambda: plain(ReferenceEvaluator(model).run(None, feeds)))
    yield result


def judged(path, wants_numbers):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        signal.alarm(10)
        for result in judge(path.read_bytes(), wants_numbers):
            os.write(write, json.dumps(result).encode() + b"\n")
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(pid, 0)
    return json.loads(lines[-1]) if lines else {"checker": None, "crash": True}


def main(folder):
    folder = pathlib.Path(folder)
    ours = json.loads((folder / "ours.json").read_text())
    results = {name: judged(folder / f"{name}.onnx", "results" in verdict) for name, verdict in ours.items()}
    (folder / "anchors.json").write_text(json.dumps(results))


main(sys.argv[1])
