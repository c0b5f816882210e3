#!/usr/bin/env python3
"""Runs every mapped operator of TensorFlow Lite: the real interpreter with its reference kernels runs a small model, and ONNX Runtime
what the library makes of it.

    python test/interop/tflite.py [--only 'CONV*'] [--third 0|1|2|all] [--keep FOLDER] [-v]

Cases are in tflite_cases/, a file a family; see its __init__ for the language. Each runs in other element types, quantised, and with open
sizes. Quantised results may differ by one step. Where ONNX Runtime has no kernel for a type, the onnx package's reference evaluator
judges. The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import flatbuffers  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.lite.python import schema_py_generated as schema  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tflite_cases  # noqa: E402
from tflite_cases import B, Case, K, State, W, X  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CODES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "complex64": 8, "int8": 9, "float64": 10}
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


class Built:
    """A model that is being written: one operator, or one behind another."""

    def __init__(self, dynamic):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self.model.subgraphs = [self.graph]
        self.dynamic = dynamic

    def tensor(self, name, dtype, shape, value=None, q=None, variable=False):
        t = schema.TensorT()
        t.name, t.type, t.shape, t.isVariable, t.hasRank = name, CODES[dtype], list(shape), variable, True
        t.buffer = 0
        if value is not None:
            data = schema.BufferT()
            data.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            self.model.buffers.append(data)
            t.buffer = len(self.model.buffers) - 1
        elif self.dynamic and name.startswith("x"):
            t.shapeSignature = [-1] * len(shape)
        if q is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale, t.quantization.zeroPoint = [float(s) for s in np.atleast_1d(q[0])], [int(z) for z in np.atleast_1d(q[1])]
            t.quantization.quantizedDimension = q[2] if len(q) > 2 else 0
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def operator(self, name, inputs, outputs, options=None, version=1, custom=None):
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        op = schema.OperatorT()
        if number == schema.BuiltinOperator.CUSTOM:
            code.customCode = name
            op.customOptions = np.frombuffer(custom, np.uint8)
        self.model.operatorCodes.append(code)
        op.opcodeIndex, op.inputs, op.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if options:
            table, values = options
            made = getattr(schema, table + "T")()
            for key, value in values.items():
                assert hasattr(made, key), f"{table} has no {key}"
                setattr(made, key, value)
            union = schema.BuiltinOptions if hasattr(schema.BuiltinOptions, table) else schema.BuiltinOptions2
            if union is schema.BuiltinOptions:
                op.builtinOptionsType, op.builtinOptions = getattr(union, table), made
            else:
                op.builtinOptions2Type, op.builtinOptions2 = getattr(union, table), made
        self.graph.operators.append(op)

    def bytes(self):
        b = flatbuffers.Builder(1024)
        b.Finish(self.model.Pack(b), b"TFL3")
        return bytes(b.Output())


def interpreter(content, usual=False):
    """With reference kernels; with the usual ones for operators that have no other."""
    kinds = tf.lite.experimental.OpResolverType
    try:
        it = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES if usual else kinds.BUILTIN_REF)
        it.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        if usual or "Didn't find op" not in str(error):
            raise
        it = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        it.allocate_tensors()
    return it


def interpret(content, feeds, usual=False):
    it = interpreter(content, usual)
    for d in it.get_input_details():
        it.set_tensor(d["index"], feeds[d["name"]])
    it.invoke()
    return [it.get_tensor(d["index"]) for d in it.get_output_details()]


def parameters(values, kind):
    """Scale and zero point for a range that includes zero; int16 is symmetric."""
    low, high = min(float(np.min(values)), 0.0), max(float(np.max(values)), 0.0)
    least, most = LIMITS[kind]
    if kind == "int16":
        return np.float32(max(-low, high, 1e-3) / most), 0
    scale = np.float32(max(high - low, 1e-3) / (most - least))
    return scale, int(np.clip(np.round(least - low / scale), least, most))


def stored(values, q, kind):
    return np.clip(np.round(values / q[0]) + q[1], *LIMITS[kind]).astype(kind)


def float_model(case, dtype, dynamic, seed):
    rng = np.random.default_rng(seed)
    m = Built(dynamic)
    feeds, places, consts = {}, [], []
    for spec in case.inputs:
        if spec is None:
            places.append(-1)
            consts.append(None)
            continue
        value = spec.make(rng, dtype)
        if isinstance(spec, State):
            places.append(m.tensor(f"state{len(places)}", dtype, value.shape, variable=True))
        elif isinstance(spec, (W, K)):
            places.append(m.tensor(f"k{len(places)}", value.dtype.name, value.shape, value))
        else:
            name = f"x{len(feeds)}"
            feeds[name] = value
            places.append(m.tensor(name, value.dtype.name, value.shape))
            m.graph.inputs.append(places[-1])
        consts.append(value)
    if case.behind == "after_rfft":
        middle = m.tensor("spectrum", "complex64", [])
        m.operator("RFFT2D", places, [middle], ("Rfft2dOptions", {}))
        places = [middle]
    outputs = [m.tensor(f"y{i}", o or dtype, case.shapes[i] if case.shapes else []) for i, o in enumerate(case.out)]
    m.graph.outputs = outputs
    m.operator(case.op, places, outputs, case.options, case.version, case.custom)
    return m.bytes(), feeds, consts


def quantised_model(case, kind, seed):
    """The same operator in integers, with ranges measured on the float model; int16 has no zero points and biases of 64 bits."""
    if case.quant == "quantize":
        return edge_model(case, kind, seed, to=True)
    if case.quant == "dequantize":
        return edge_model(case, kind, seed, to=False)
    content, feeds, consts = float_model(case, "float32", False, seed)
    want = interpret(content, feeds)
    m = Built(False)
    places, given, n = [], {}, 0
    first = None
    weights = None
    for spec, value in zip(case.inputs, consts):
        if spec is None:
            places.append(-1)
        elif value.dtype != np.float32:
            if isinstance(spec, (W, K)):
                places.append(m.tensor(f"k{len(places)}", value.dtype.name, value.shape, value))
            else:
                given[f"x{n}"] = value
                places.append(m.tensor(f"x{n}", value.dtype.name, value.shape))
                m.graph.inputs.append(places[-1])
                n += 1
        elif isinstance(spec, B):
            scale = np.atleast_1d(weights * scale_in)
            wide = "int64" if kind == "int16" else "int32"
            data = np.round(value / scale).astype(wide)
            places.append(m.tensor(f"k{len(places)}", wide, value.shape, data, (scale, np.zeros(len(scale)), 0)))
        elif isinstance(spec, W):
            axis = spec.axis if kind != "uint8" else None
            over = tuple(i for i in range(value.ndim) if i != axis) if axis is not None else None
            weights = np.maximum(np.abs(value).max(axis=over) if over is not None else np.abs(value).max(), 1e-3).astype(np.float32) / 127
            shape = [-1 if i == axis else 1 for i in range(value.ndim)] if axis is not None else []
            zero = 128 if kind == "uint8" else 0
            data = (np.round(value / weights.reshape(shape)) + zero).astype("uint8" if kind == "uint8" else "int8")
            q = (weights, np.full(np.shape(np.atleast_1d(weights)), zero), axis or 0)
            places.append(m.tensor(f"k{len(places)}", data.dtype.name, value.shape, data, q))
        else:
            q = parameters(value, kind)
            if case.same and first is not None:
                q = first
            first = first or q
            scale_in = q[0]
            data = stored(value, q, kind)
            if isinstance(spec, K):
                places.append(m.tensor(f"k{len(places)}", kind, value.shape, data, q))
            else:
                given[f"x{n}"] = data
                places.append(m.tensor(f"x{n}", kind, value.shape, q=q))
                m.graph.inputs.append(places[-1])
                n += 1
    # An input that sets the range when inputs are clipped to the first one's.
    outputs = []
    for i, (o, y) in enumerate(zip(case.out, want)):
        if y.dtype != np.float32:
            outputs.append(m.tensor(f"y{i}", o, []))
        else:
            q = case.out_q.get(kind) or (first if case.same else parameters(y, kind))
            outputs.append(m.tensor(f"y{i}", kind, [], q=q))
    m.graph.outputs = outputs
    m.operator(case.op, places, outputs, case.options, case.version)
    return m.bytes(), given


def edge_model(case, kind, seed, to):
    rng = np.random.default_rng(seed)
    value = case.inputs[0].make(rng, "float32")
    q = parameters(value, kind)
    m = Built(False)
    x = m.tensor("x0", *(("float32", value.shape) if to else (kind, value.shape)), q=None if to else q)
    y = m.tensor("y0", kind if to else "float32", [], q=q if to else None)
    m.graph.inputs, m.graph.outputs = [x], [y]
    m.operator(case.op, [x], [y], None, case.version)
    return m.bytes(), {"x0": value if to else stored(value, q, kind)}


def hybrid_model(case, seed):
    """Float inputs and int8 weights: kernels quantise the input of each run, which no operator says."""
    content, feeds, consts = float_model(case, "float32", False, seed)
    m = Built(False)
    places = []
    for spec, value in zip(case.inputs, consts):
        if spec is None:
            places.append(-1)
        elif isinstance(spec, W) and not isinstance(spec, B):
            over = tuple(i for i in range(value.ndim) if i != spec.axis) if spec.axis is not None else None
            scale = (np.abs(value).max(axis=over) if over is not None else np.abs(value).max()).astype(np.float32) / 127
            shape = [-1 if i == spec.axis else 1 for i in range(value.ndim)] if spec.axis is not None else []
            data = np.round(value / scale.reshape(shape)).astype("int8")
            places.append(m.tensor(f"k{len(places)}", "int8", value.shape, data, (scale, np.zeros(np.size(scale)), spec.axis or 0)))
        elif isinstance(spec, (W, K)):
            places.append(m.tensor(f"k{len(places)}", value.dtype.name, value.shape, value))
        else:
            places.append(m.tensor(f"x{len(m.graph.inputs)}", "float32", value.shape))
            m.graph.inputs.append(places[-1])
    m.graph.outputs = [m.tensor("y0", "float32", [])]
    m.operator(case.op, places, m.graph.outputs, case.options, case.version)
    return m.bytes(), feeds


def variants(case, seed):
    """(label, model, feeds, whether it must run, rtol, atol, steps) of each form of a case."""
    untyped = any(s is not None and s.dtype is None for s in case.inputs)
    for j, dtype in enumerate(("float32", *case.types) if untyped else ("float32",)) if case.plain else ():
        yield dtype if j else "", lambda d=dtype: float_model(case, d, False, seed)[:2], case.rtol, case.atol, 0
    if case.dynamic:
        yield "open", lambda: float_model(case, "float32", True, seed)[:2], case.rtol, case.atol, 0
    if case.quant:
        for kind in case.kinds:
            yield kind, lambda k=kind: quantised_model(case, k, seed), 0, 0, case.steps
    if case.hybrid:
        yield "hybrid", lambda: hybrid_model(case, seed), 0.05, 0.05, 0


def session(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Products of uint8 and int8 saturate in the kernels of older processors unless they are asked not to.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Asked so, ONNX Runtime fails where two products share their weights.
        if "AddInitializer" not in str(error):
            raise
        plain = ort.SessionOptions()
        plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(str(path), plain, providers=["CPUExecutionProvider"])


def run_onnx(path, feeds):
    import onnx

    try:
        s = session(path)
        names = {i.name for i in s.get_inputs()}
        outputs = [o.name for o in s.get_outputs() if not o.name.endswith(".updated")]
        return s.run(outputs, {k: v for k, v in feeds.items() if k in names}), "ort"
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error) and "Could not find an implementation" not in str(error) and "INVALID_GRAPH" not in str(error):
            raise
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load(path))
    outputs = [o for o in evaluator.output_names if not o.endswith(".updated")]
    return evaluator.run(outputs, {k: v for k, v in feeds.items() if k in evaluator.input_names}), "reference"


def differ(got, want, rtol, atol, steps):
    if len(got) != len(want):
        return f"{len(got)} outputs, expected {len(want)}"
    for g, w in zip(got, want):
        g = np.asarray(g)
        if g.shape != w.shape:
            return f"shape {g.shape}, expected {w.shape}"
        if g.dtype != w.dtype:
            return f"type {g.dtype}, expected {w.dtype}"
        if w.dtype.kind in "fc":
            if not np.allclose(g, w, rtol=rtol, atol=atol, equal_nan=True):
                return f"differ by {np.nanmax(np.abs(g.astype(np.float64) - w)):.3g}"
        elif w.dtype.kind == "b" or steps == 0:
            if not np.array_equal(g, w):
                return f"{int(np.sum(g != w))} of {w.size} elements differ: {g.ravel()[:8]} {w.ravel()[:8]}"
        elif w.size and np.max(np.abs(g.astype(np.int64) - w.astype(np.int64))) > steps:
            return f"differ by {np.max(np.abs(g.astype(np.int64) - w.astype(np.int64)))} steps"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--third", default="all")
    parser.add_argument("--keep")
    parser.add_argument("-v", action="store_true")
    args = parser.parse_args()
    folder = Path(args.keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    cases = [c for m in pkgutil.iter_modules(tflite_cases.__path__) for c in importlib.import_module(f"tflite_cases.{m.name}").CASES]
    jobs, failures, skipped = [], [], []
    counts = {}
    for case in cases:
        i = counts[case.op] = counts.get(case.op, -1) + 1
        if args.only and not fnmatch.fnmatch(case.op, args.only):
            continue
        seed = zlib.crc32(f"{case.op}{i}".encode())
        if args.third != "all" and seed % 3 != int(args.third) % 3:
            continue
        for label, make, rtol, atol, steps in variants(case, seed):
            name = f"{case.op} #{i} {label}".strip()
            path = folder / (name.replace(" ", "_").replace("#", "") + ".tflite")
            try:
                content, feeds = make()
                path.write_bytes(content)
                want = case.expected(*feeds.values()) if case.expected else interpret(content, feeds, case.usual)
            except Exception as error:
                # The first form of a case must run; the interpreter lacks kernels of some for other types.
                (failures if label == "" else skipped).append(f"{name}: the interpreter: {str(error).splitlines()[0][:200]}")
                continue
            jobs.append((name, path, feeds, want, rtol, atol, steps))
    lines = [json.dumps(dict(input=str(p), output=str(p.with_suffix(".onnx")), options=dict(quantizedIo=True))) for _, p, *_ in jobs]
    made = subprocess.run(["node", str(ROOT / "test/interop/convert_tflite.mjs"), "--rows"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if made.returncode:
        sys.exit(made.stderr)
    *results, rows = [json.loads(line) for line in made.stdout.splitlines()]
    passed, other = 0, 0
    for (name, path, feeds, want, rtol, atol, steps), result in zip(jobs, results):
        why = result.get("refused")
        if why is None:
            try:
                got, judge = run_onnx(path.with_suffix(".onnx"), feeds)
                why = differ(got, want, rtol, atol, steps)
                other += judge != "ort"
            except Exception as error:
                why = "running: " + str(error).replace("\n", " ")[:300]
        if why is None:
            passed += 1
            if args.v:
                print("ok  ", name)
        else:
            failures.append(f"{name}: {why}")
    if args.third == "all" and not args.only:
        # Variables, tables and other graphs are in the models that the converter makes; random numbers have no reference.
        covered = {c.op for c in cases} | set(tflite_cases.ELSEWHERE)
        failures += [f"{row['name']} has a row and no case" for row in rows if "gap" not in row and row["name"] not in covered]
    for line in failures:
        print("FAIL", line)
    if args.v:
        for line in skipped:
            print("skip", line)
    print(f"{len(skipped)} forms that the interpreter does not run; {other} judged by the reference evaluator")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
