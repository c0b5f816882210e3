#!/usr/bin/env python3
"""`omnix quantize`: models of each scheme run by ONNX Runtime and by omnix, beside those of onnxruntime.quantization.

    python test/interop/quantize.py CORPUS [--only NAMES] [--backend reference|cpu]

CORPUS has folders with model.dynamo.onnx, inputs.npz to calibrate on and inputs2.npz to judge by. Each quantised model has to pass the standard's
checker with shapes. The ratio of signal to noise of its outputs in ONNX Runtime, in dB, has to be at least that of BOUNDS: against the float
model, and against what omnix computes of the same quantised model, which differs by how ONNX Runtime's fused kernels round; it has to have
fused the layers. Where
onnxruntime.quantization makes a model of the same scheme, ours may be no more than SLACK dB worse. Build first: node scripts/prepare.mjs.
"""
import argparse
import logging
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

ROOT = Path(__file__).resolve().parents[2]
CASES = "mlp lenet resnet18 mobilenet_v2 bert_tiny gpt2_tiny".split()
# Least dB against the float model, and against omnix. In MatMul with integer weights ONNX Runtime rounds what they are multiplied with to 8 bits.
BOUNDS = {"dynamic": (25, 100), "static": (15, 100), "int8": (27, 40), "int4": (17, 40)}
# Where the static scheme agrees less, what differs has to begin with numbers that float32 puts between two steps, at most this share of a tensor.
MOST_TIES = 1e-3
# Outputs are few and errors chance: of mobilenet_v2 its own model with weights of 8 bits is 4.5 dB worse than that with 7.
SLACK = 5
# What no fused form took the place of.
UNFUSED = {"dynamic": {"MatMulInteger", "Gemm"}, "static": {"Conv", "Gemm"}}
OPTIONS = {"int4": ["--opset", "21"], "static": ["--calibrate", "{inputs}", "--reduce-range"]}

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def omnix(*arguments):
    done = subprocess.run(["node", ROOT / "dist/cli/main.js", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-400:])


def run(path, feeds, optimized=None):
    options = ort.SessionOptions()
    if optimized:
        options.optimized_model_filepath = str(optimized)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    if not set(names) <= set(feeds):
        feeds = dict(zip(names, feeds.values()))
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, {name: feeds[name] for name in names})))


def snr(want, got):
    """dB over all float outputs."""
    floats = [name for name in want if want[name].dtype.kind == "f"]
    signal = sum(float(np.square(want[n], dtype=np.float64).sum()) for n in floats)
    noise = sum(float(np.square(want[n].astype(np.float64) - got[n]).sum()) for n in floats)
    return float("inf") if noise == 0 else 10 * np.log10(signal / noise)


class Reader(CalibrationDataReader):
    def __init__(self, feeds, path):
        names = [i.name for i in ort.InferenceSession(str(path)).get_inputs()]
        given = feeds if set(names) <= set(feeds) else dict(zip(names, feeds.values()))
        self.left = iter([{name: given[name] for name in names}])

    def get_next(self):
        return next(self.left, None)


def theirs(path, scheme, feeds, judged, folder):
    """dB of the model that onnxruntime.quantization makes, or None."""
    prepared, out = folder / "prepared.onnx", folder / "theirs.onnx"
    try:
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        if scheme == "dynamic":
            quantize_dynamic(prepared, out, weight_type=QuantType.QUInt8, per_channel=False)
        elif scheme == "static":
            quantize_static(prepared, out, Reader(feeds, prepared), per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        else:
            return None
        return snr(run(path, judged), run(out, judged))
    except Exception:  # noqa: BLE001 it has bounds of its own
        return None


def judge(case, scheme, backend, folder):
    path, out, made = case / "model.dynamo.onnx", folder / "quantized.onnx", folder / "made.npz"
    options = [o.format(inputs=case / "inputs.npz") for o in OPTIONS.get(scheme, [])]
    omnix("quantize", path, "-o", out, "--overwrite", "--scheme", scheme, "--backend", backend, "--no-check", *options)
    onnx.checker.check_model(str(out), full_check=True)
    feeds, judged = (dict(np.load(case / name)) for name in ("inputs.npz", "inputs2.npz"))
    omnix("run", out, "--inputs", case / "inputs2.npz", "-o", made, "--overwrite", "--backend", backend)
    want, got = run(path, judged), run(out, judged, folder / "optimized.onnx")
    left = {n.op_type for n in onnx.load(folder / "optimized.onnx").graph.node} & UNFUSED.get(scheme, set())
    assert not left, f"ONNX Runtime fuses not all of {left}"
    return snr(want, got), snr(dict(np.load(made)), got), theirs(path, scheme, feeds, judged, folder), out.stat().st_size / path.stat().st_size


def begins_with_ties(judged, backend, folder):
    """Whether what two engines differ in begins where numbers lie between two steps: the first integers that are not the same, in the order
    of the nodes, are few and one step apart."""
    model, made = onnx.load(folder / "quantized.onnx"), folder / "made.npz"
    kinds = {i.name: i.data_type for i in model.graph.initializer}
    steps = [(n.output[0], kinds[n.input[2]]) for n in model.graph.node if n.op_type == "QuantizeLinear" and len(n.input) > 2]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in steps)
    onnx.save(model, folder / "steps.onnx")
    omnix("run", folder / "steps.onnx", "--inputs", judged, "-o", made, "--overwrite", "--backend", backend)
    ours, others = dict(np.load(made)), run(folder / "steps.onnx", dict(np.load(judged)))
    for name, _ in steps:
        apart = np.abs(ours[name].astype(np.int64) - others[name].astype(np.int64))
        if apart.any():
            print(f"   {name}: {np.count_nonzero(apart)} of {apart.size} differ, by {apart.max()} at most")
            return apart.max() == 1 and np.count_nonzero(apart) <= MOST_TIES * apart.size
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--schemes", default=",".join(BOUNDS))
    parser.add_argument("--backend", default="reference")
    args = parser.parse_args()
    failed = passed = 0
    print(f"{'model':14} {'scheme':8} {'dB':>6} {'omnix':>7} {'theirs':>7}  size")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only.split(","):
            for scheme in args.schemes.split(","):
                if scheme == "int4" and name in ("resnet18", "mobilenet_v2"):
                    continue  # One layer of theirs is a matrix.
                try:
                    ours, same, other, size = judge(args.corpus / name, scheme, args.backend, Path(folder))
                    least, agreed = BOUNDS[scheme]
                    alike = same >= agreed or (scheme == "static" and begins_with_ties(args.corpus / name / "inputs2.npz", args.backend, Path(folder)))
                    ok = ours >= least and alike and (other is None or ours >= other - SLACK)
                    beside = "–" if other is None else f"{other:.1f}"
                    print(f"{name:14} {scheme:8} {ours:6.1f} {same:7.1f} {beside:>7}  {size:.0%}  {'ok' if ok else 'FAIL'}", flush=True)
                except Exception as error:  # noqa: BLE001 every failure is a row of its own
                    ok = False
                    print(f"{name:14} {scheme:8} FAILED {type(error).__name__}: {str(error)[:400]}", flush=True)
                failed, passed = failed + (not ok), passed + ok
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
