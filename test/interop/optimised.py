#!/usr/bin/env python3
"""Files as ONNX Runtime's tools leave them: optimised, fused for transformers, quantised; and a decoder with a cache as its exporters
write one. Each is run by ONNX Runtime without further optimisation, and by us.

    python test/interop/optimised.py [--folder FOLDER]

Cases are written in the form of test/conformance/write_cases.py and judged by dist/test/conformance/run.js.
"""
import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/conformance"))
from write_cases import Data, write  # noqa: E402

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
FLOATS = {"rtol": 1e-3, "atol": 1e-4}
# A step of a quantised activation is about as large.
STEPS = {"rtol": 1e-2, "atol": 5e-2}


def session(path, level="DISABLE_ALL", saved=None):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    if saved:
        options.optimized_model_filepath = str(saved)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feeds(model, seed=0):
    """Numbers for every input that is no initializer: normal ones, or 0 and 1 for whole numbers; open sizes are 1 in front and else 8."""
    rng = np.random.default_rng(seed)
    weights = {t.name for t in model.graph.initializer}
    made = {}
    for v in model.graph.input:
        if v.name in weights:
            continue
        kind = v.type.tensor_type
        dims = [d.dim_value or (1 if i == 0 else 8) for i, d in enumerate(kind.shape.dim)]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        made[v.name] = rng.standard_normal(dims).astype(dtype) if dtype == np.float32 else rng.integers(0, 2, dims).astype(dtype)
    return made


def emit(folder, name, path, tolerance, sets=None):
    model = onnx.load(path)
    runner, data, written = session(path), Data(), []
    for values in sets or [feeds(model)]:
        outputs = runner.run(None, values)
        given = [v.name for v in model.graph.input if v.name in values]
        written.append({"inputs": [data.tree(values[n]) for n in given], "outputs": [data.tree(y) for y in outputs]})
    write(folder, name, "optimised", model, written, data, **tolerance)


class Calibration:
    def __init__(self, model):
        self.left = [feeds(model, seed) for seed in range(3)]

    def get_next(self):
        return self.left.pop() if self.left else None


def forms(path, scratch):
    """(label, file, tolerance) of what the tools make of a file."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.transformers import optimizer

    name, model = path.parent.name, onnx.load(path)
    file = lambda label: scratch / f"{name}_{label}.onnx"
    session(path, "ENABLE_EXTENDED", file("extended"))
    yield "extended", file("extended"), FLOATS
    quantize_dynamic(str(path), str(file("plain")), weight_type=QuantType.QInt8, reduce_range=True)
    session(file("plain"), "ENABLE_EXTENDED", file("dynamic"))
    yield "dynamic", file("dynamic"), STEPS
    for label, form in (("operators", QuantFormat.QOperator), ("qdq", QuantFormat.QDQ)):
        quantize_static(str(path), str(file(label)), Calibration(model), quant_format=form, weight_type=QuantType.QInt8, reduce_range=True)
        yield label, file(label), STEPS
    packed = MatMulNBitsQuantizer(onnx.load(path), block_size=32, is_symmetric=False)
    packed.process()
    onnx.save(packed.model.model, file("nbits"))
    yield "nbits", file("nbits"), FLOATS
    kind = name.split("-")[0]
    if kind in ("bert", "vit"):
        fused = optimizer.optimize_model(str(path), model_type=kind, num_heads=0, hidden_size=0, opt_level=0)
        fused.save_model_to_file(str(file("fused")))
        yield "fused", file("fused"), FLOATS


def decoder(path, heads=4, shared=2, size=16, words=11):
    """One layer of a decoder with a cache: open sizes, the lengths from the attention mask, weights of four bits."""
    rng = np.random.default_rng(5)
    hidden, inner = heads * size, 2 * shared * size
    weights, nodes = [], []
    constant = lambda name, value: weights.append(numpy_helper.from_array(np.asarray(value), name)) or name
    floats = lambda name, *dims: constant(name, (rng.standard_normal(dims) * 0.3).astype(np.float32))

    def add(op, inputs, outputs, domain="", **attributes):
        nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def packed(x, n, k, name):
        b = constant(f"{name}_b", rng.integers(0, 256, (n, k // 32, 16)).astype(np.uint8))
        scales = constant(f"{name}_s", (rng.random((n, k // 32)) * 0.05).astype(np.float32))
        return add("MatMulNBits", [x, b, scales], [name], "com.microsoft", N=n, K=k, bits=4, block_size=32, accuracy_level=1)

    angles = np.outer(np.arange(32), 1 / 10000 ** (np.arange(size // 2) / (size // 2))).astype(np.float32)
    cos, sin = constant("cos", np.cos(angles)), constant("sin", np.sin(angles))
    one = constant("one", np.array([1], np.int64))
    add("Sub", [add("ReduceSum", ["attention_mask", one], ["count"], keepdims=0), one], ["last"])
    lengths = add("Cast", ["last"], ["seqlens_k"], to=TensorProto.INT32)
    add("Gather", [add("Shape", ["attention_mask"], ["mask_shape"]), constant("axis", np.array(1, np.int64))], ["total"], axis=0)
    total = add("Cast", ["total"], ["total_sequence_length"], to=TensorProto.INT32)
    x = add("Gather", [floats("embedding", words, hidden), "input_ids"], ["x"])
    normed = add("SimplifiedLayerNormalization", [x, floats("g0", hidden)], ["n0"], axis=-1, epsilon=1e-6)
    qkv = packed(normed, hidden + inner, hidden, "qkv")
    states = ["past_key", "past_value"]
    add("GroupQueryAttention", [qkv, "", "", *states, lengths, total, cos, sin], ["a", "present_key", "present_value"], "com.microsoft",
        num_heads=heads, kv_num_heads=shared, do_rotary=1)
    y = packed("a", hidden, hidden, "o")
    add("SkipSimplifiedLayerNormalization", [x, y, floats("g1", hidden)], ["n1", "", "", "sum"], "com.microsoft", epsilon=1e-6)
    add("MatMul", ["n1", floats("head", hidden, words)], ["logits"])
    state = lambda name, length: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", shared, length, size])
    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "steps"]),
        helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"]),
        *(state(name, "past") for name in states),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "steps", words])]
    outputs += [state("present_key", "total"), state("present_value", "total")]
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, weights)
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10), path)


def conversation(path):
    """The prompt, then a step at a time, with the cache of the run before."""
    rng, runner = np.random.default_rng(6), session(path)
    cache = [np.zeros((2, 2, 0, 16), np.float32)] * 2
    sets, length = [], 0
    for steps in (5, 1, 1):
        length += steps
        ids, mask = rng.integers(0, 11, (2, steps)), np.ones((2, length), np.int64)
        sets.append({"input_ids": ids, "attention_mask": mask, "past_key": cache[0], "past_value": cache[1]})
        cache = runner.run(None, sets[-1])[1:]
    return sets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the cases are written and kept")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted((ROOT / "models").glob("*/model.onnx")):
            for label, made, tolerance in forms(path, Path(scratch)):
                emit(folder, f"{path.parent.name}_{label}", made, tolerance)
        decoder(Path(scratch) / "decoder.onnx")
        emit(folder, "decoder", Path(scratch) / "decoder.onnx", FLOATS, conversation(Path(scratch) / "decoder.onnx"))
    code = subprocess.run(["node", str(ROOT / "dist/test/conformance/run.js"), str(folder)], check=False).returncode
    if not args.folder:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
