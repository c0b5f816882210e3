#!/usr/bin/env python3
"""Whole TensorFlow Lite models: ONNX Runtime on what the library makes of them, beside TensorFlow and its interpreter.

    python test/interop/tflite_models.py --corpus FOLDER [--third 0|1|2|all]     cases of the reference corpus
    python test/interop/tflite_models.py --files FOLDER                          any .tflite files, on random inputs

Cases of the corpus are compared with TensorFlow's outputs at both sizes, models of a fixed batch of one row by row; full-integer models
with the interpreter. Numbers are relative to the largest one of an output. Integers of a whole model may differ by a few steps of
quantisation in a twentieth of the elements: each operator rounds for itself, and the interpreter's own kernels differ as much. The last
line is `N passed, N failed`.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import flatbuffers  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tensorflow.lite.python import schema_py_generated as schema  # noqa: E402
from tflite import interpreter, session  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def convert(paths, folder):
    """Where each was written, or why not."""
    outputs = [folder / f"{i}.onnx" for i, _ in enumerate(paths)]
    lines = [json.dumps(dict(input=str(p), output=str(o), options=dict(quantizedIo=True))) for p, o in zip(paths, outputs)]
    made = subprocess.run(["node", str(ROOT / "test/interop/convert_tflite.mjs")], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if made.returncode:
        sys.exit(made.stderr)
    return [(o, json.loads(line).get("refused")) for o, line in zip(outputs, made.stdout.splitlines())]


def run_onnx(s, feeds):
    """Outputs by name; a model of a fixed batch of one gets its rows one by one."""
    inputs = {i.name: i for i in s.get_inputs()}
    rows = [v.shape[0] for n, v in feeds.items() if v.ndim and inputs[n].shape[:1] == [1] and v.shape[0] > 1]
    names = [o.name for o in s.get_outputs()]
    if not rows:
        return dict(zip(names, s.run(None, feeds)))
    parts = [s.run(None, {n: v[k : k + 1] if v.ndim and inputs[n].shape[:1] == [1] else v for n, v in feeds.items()}) for k in range(rows[0])]
    return {n: np.concatenate(c) for n, c in zip(names, zip(*parts))}


def run_lite(content, feeds):
    it = interpreter(content)
    run = it.get_signature_runner()
    details = run.get_input_details()
    rows = [v.shape[0] for n, v in feeds.items() if v.ndim and list(details[n]["shape_signature"])[:1] == [1] and v.shape[0] > 1]
    if not rows:
        return run(**feeds)
    parts = [run(**{n: v[k : k + 1] if v.ndim and list(details[n]["shape_signature"])[:1] == [1] else v for n, v in feeds.items()}) for k in range(rows[0])]
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}


def stored(it, feeds):
    """Inputs as a quantised model stores them."""
    made = {}
    for n, d in it.get_signature_runner().get_input_details().items():
        scale, zero = d["quantization"]
        v = feeds[n]
        low_high = np.iinfo(d["dtype"]) if np.issubdtype(d["dtype"], np.integer) else None
        made[n] = np.clip(np.round(v / scale) + zero, low_high.min, low_high.max).astype(d["dtype"]) if scale and v.dtype == np.float32 else v.astype(d["dtype"])
    return made


def stored_outputs(content, outputs):
    """Outputs of the float model as the quantised one would store them."""
    made = {}
    for n, d in interpreter(content).get_signature_runner().get_output_details().items():
        scale, zero = d["quantization"]
        made[n] = np.round(outputs[n] / scale) + zero if scale else outputs[n]
    return made


def is_closer(got, lite, want):
    apart = lambda made: max(float(np.max(np.abs(made[n].astype(np.float64) - w), initial=0)) for n, w in want.items())  # noqa: E731
    return apart(got) <= apart(lite)


def worst(got, want):
    """The largest difference, relative to the largest number of its output; steps of integers, but for the few that have more than one."""
    found, steps = 0.0, 0
    for n, w in want.items():
        g = got[n]
        if g.shape != w.shape:
            return f"{n}: shape {g.shape}, expected {w.shape}", 0
        if w.dtype.kind in "fc":
            if w.size:
                found = max(found, float(np.nanmax(np.abs(g.astype(np.float64) - w)) / max(1e-3, float(np.nanmax(np.abs(w))))))
        elif w.dtype.kind == "b":
            steps = max(steps, int(np.sum(g != w)))
        elif w.size:
            apart = np.abs(g.astype(np.int64) - w.astype(np.int64))
            steps = max(steps, int(apart.max()) if np.mean(apart > 1) > 0.05 or apart.max() > 3 else int(apart.max() > 0))
    return found, steps


def judge_case(case, name, path, onnx_path):
    folder = path.parent
    kept = case.get("outputs_of", {}).get("tflite")
    content = path.read_bytes()
    notes, good = [], True
    s = session(onnx_path)
    names = {i.name for i in s.get_inputs()}
    sizes = [k for k in ("", "2") if (folder / f"inputs{k}.npz").exists()]
    checks = case.get("checks", {}).get(name, {})
    for k in sizes[:1] if "error2" in checks else sizes:
        feeds = {n: v for n, v in np.load(folder / f"inputs{k}.npz").items() if n in names}
        if "int8" in name:
            given = stored(interpreter(content), feeds)
            got, lite = run_onnx(s, given), run_lite(content, given)
            found, steps = worst(got, lite)
            limit, most = 0.02, 1
            if steps > 1 and is_closer(got, lite, stored_outputs(content, np.load(folder / f"outputs{k}.npz"))):
                notes.append(f"{steps} steps, nearer to TensorFlow than the interpreter")
                continue
        else:
            want = {n: v for n, v in np.load(folder / f"outputs{k}.npz").items() if not kept or n in kept}
            found, steps = worst(run_onnx(s, feeds), want)
            limit, most = {"model.tflite": 1e-4, "model.fp16.tflite": 2e-2}.get(name, 0.25), 0
        ok = not isinstance(found, str) and found <= limit and steps <= most
        good &= ok
        notes.append(found if isinstance(found, str) else f"{found:.1e}" + (f" and {steps} steps" if steps else ""))
    return good, " | ".join(notes)


def with_builtins(content):
    """The model with MediaPipe's transposed convolution as the builtin one, to the size that its padding asks for."""
    if b"Convolution2DTransposeBias" not in content:
        return content
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        if code.customCode != b"Convolution2DTransposeBias":
            continue
        padding, width, height = np.frombuffer(bytes(op.customOptions), np.int32)[:3]
        shape, kernel = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
        grown = [n * s if padding == 1 else n * s + k - s for n, s, k in zip(shape[1:3], (height, width), kernel[1:3])]
        size = schema.BufferT()
        size.data = np.frombuffer(np.array([shape[0], *grown, kernel[0]], np.int32).tobytes(), np.uint8)
        model.buffers.append(size)
        sizes = schema.TensorT()
        sizes.name, sizes.type, sizes.shape, sizes.buffer = "sizes", 2, [4], len(model.buffers) - 1
        graph.tensors.append(sizes)
        code.customCode, code.builtinCode, code.deprecatedBuiltinCode, code.version = None, schema.BuiltinOperator.TRANSPOSE_CONV, schema.BuiltinOperator.TRANSPOSE_CONV, 3
        op.customOptions, op.inputs = None, [len(graph.tensors) - 1, op.inputs[1], op.inputs[0], op.inputs[2]]
        op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.TransposeConvOptions, schema.TransposeConvOptionsT()
        op.builtinOptions.padding, op.builtinOptions.strideW, op.builtinOptions.strideH = int(padding) - 1, int(width), int(height)
    b = flatbuffers.Builder(1024)
    b.Finish(model.Pack(b), b"TFL3")
    return bytes(b.Output())


def judge_file(path, onnx_path):
    it = interpreter(with_builtins(path.read_bytes()), usual=True)
    s = session(onnx_path)
    rng = np.random.default_rng(0)
    feeds = {}
    for d, i in zip(it.get_input_details(), s.get_inputs()):
        shape = [1 if n < 0 else n for n in d["shape_signature"]]
        it.resize_tensor_input(d["index"], shape)
        feeds[i.name] = rng.uniform(-6, 9, shape).astype(d["dtype"])
    it.allocate_tensors()
    for d, v in zip(it.get_input_details(), feeds.values()):
        it.set_tensor(d["index"], v)
    it.invoke()
    got = dict(enumerate(s.run(None, feeds)))
    found, steps = worst(got, {i: it.get_tensor(d["index"]) for i, d in enumerate(it.get_output_details())})
    return not isinstance(found, str) and found <= 2e-3 and steps <= 1, found if isinstance(found, str) else f"{found:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus")
    parser.add_argument("--files")
    parser.add_argument("--third", default="all")
    args = parser.parse_args()
    jobs = []
    for path in sorted(Path(args.corpus).glob("*/case.json")) if args.corpus else []:
        case = json.loads(path.read_text())
        if args.third != "all" and zlib.crc32(case["name"].encode()) % 3 != int(args.third) % 3:
            continue
        for name in case["formats"]:
            checks = case.get("checks", {}).get(name, {})
            if name.endswith(".tflite") and "error" not in checks:
                jobs.append((f"{case['name']} {name}", path.parent / name, lambda p, o, case=case, name=name: judge_case(case, name, p, o)))
    for path in sorted(Path(args.files).rglob("*.tflite")) if args.files else []:
        jobs.append((path.name, path, judge_file))
    folder = Path(tempfile.mkdtemp())
    passed, failed = 0, 0
    for (name, path, judge), (made, refused) in zip(jobs, convert([p for _, p, _ in jobs], folder)):
        try:
            good, note = (False, refused) if refused else judge(path, made)
        except Exception as error:
            good, note = False, str(error).replace("\n", " ")[:200]
        passed, failed = passed + good, failed + (not good)
        print("ok  " if good else "FAIL", name, note, flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
