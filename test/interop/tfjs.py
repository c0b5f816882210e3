#!/usr/bin/env python3
"""TensorFlow.js graph models that its real converter writes, converted and run by ONNX Runtime beside TensorFlow.

    python test/interop/tfjs.py [--corpus FOLDER] [--keep FOLDER]

Programs of this file show what the format can hold: tables with an initializer, control flow of both kinds, fused operators, weights
that are quantised, split between shards or strings, and files as TensorFlow.js itself saves them. Cases of the corpus are compared with
TensorFlow's outputs at both sizes. The last line is `N passed, N failed`.
"""
import argparse
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import tensorflow as tf  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tf_models import X  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
v1 = tf.compat.v1


def converters():
    """The converter, which imports packages that it needs for other formats only."""
    names = ["tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf", "jax.numpy", "tensorflow_hub"]
    sys.modules.update({n: types.ModuleType(n) for n in names if n not in sys.modules})
    sys.modules["jax"].experimental = sys.modules["jax.experimental"]
    from tensorflowjs import read_weights
    from tensorflowjs.converters import tf_saved_model_conversion_v2

    return tf_saved_model_conversion_v2, read_weights.read_weights


conversion, read_weights = converters()


class Tables(tf.Module):
    """Tables from constants: those of files have no place in the format."""

    def __init__(self):
        super().__init__()
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b", "c"]), tf.constant([3, 1, 2], tf.int64))
        numbers = tf.lookup.KeyValueTensorInitializer(tf.constant([5, 7, 9], tf.int64), tf.constant([0.5, 1.5, 2.5]))
        self.words, self.numbers = tf.lookup.StaticHashTable(words, -1), tf.lookup.StaticHashTable(numbers, -9.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="w"), tf.TensorSpec([None], tf.int64, name="n")])
    def __call__(self, w, n):
        return {"a": self.words.lookup(w), "b": self.numbers.lookup(n), "d": self.words.size()}


def weights(*shapes):
    rng = np.random.default_rng(3)
    return [tf.Variable(rng.standard_normal(s).astype(np.float32) * 0.5) for s in shapes]


class Fused(tf.Module):
    """What the converter fuses, each with a bias and an activation: convolutions, convolutions of single channels, products."""

    def __init__(self):
        super().__init__()
        self.w = weights((3, 3, 3, 4), (4,), (1, 1, 4), (3, 3, 4, 2), (8,), (8, 5), (5,), (5, 5), (5,), (3, 3, 5, 1))

    @tf.function(input_signature=[tf.TensorSpec([None, 9, 9, 3], tf.float32, name="x")])
    def __call__(self, x):
        w = self.w
        y = tf.nn.bias_add(tf.nn.conv2d(x, w[0], 2, "SAME"), w[1])
        y = tf.nn.relu(y) + (-w[2]) * tf.nn.relu(-y)
        y = tf.nn.relu6(tf.nn.bias_add(tf.nn.depthwise_conv2d(y, w[3], [1, 1, 1, 1], "VALID"), w[4]))
        y = tf.reduce_mean(y, [1, 2])
        y = tf.nn.elu(tf.nn.bias_add(y @ w[5], w[6]))
        z, t = y @ w[7] + w[8], y @ w[7] - w[6]
        image = tf.reshape(z, [-1, 1, 1, 5]) * tf.ones([1, 4, 4, 1])
        return {"y": tf.nn.leaky_relu(z, 0.3), "a": tf.nn.relu(t) + (-w[8]) * tf.nn.relu(-t), "d": tf.nn.relu(tf.nn.depthwise_conv2d(image, w[9], [1, 1, 1, 1], "SAME"))}


class Weights(tf.Module):
    """A product with weights that are worth storing in fewer bits."""

    def __init__(self):
        super().__init__()
        self.w = weights((3, 50), (50,))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": tf.sin(tf.nn.relu(x @ self.w[0] + self.w[1]))}


class Strings(tf.Module):
    """Strings as weights, some empty, and integers of 64 bits."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="i")])
    def __call__(self, i):
        words = tf.constant(["", "a", "é", "a longer one, of some letters"])
        return {"w": tf.gather(words, i), "n": tf.gather(tf.constant([7, -8, 2**31 - 1, 5], tf.int64), i) * i}


class Loops(tf.Module):
    """Functions whose constants have names that start alike, in loops and branches."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def __call__(self, x, n):
        y, i = x, tf.constant(0)
        while i < n:
            y = tf.cond(tf.reduce_sum(y) > 10.0, lambda: y * 0.5 - 1.0, lambda: tf.constant([[1.0, 2.0, 3.0]]) + y * 2.0)
            i += 1
        rows = tf.map_fn(lambda row: tf.cumsum(row) * 3.0, x)
        sums, k, s = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[]), 0, x
        while k < n and tf.reduce_max(s) < 50.0:
            s = s * 1.5 + 1.0
            sums = sums.write(k, tf.reduce_sum(s))
            k += 1
        return {"y": y, "rows": rows, "sums": sums.stack()}


def of_module(make, feeds, change=lambda folder: None, **options):
    """A case: folder of a model, and what TensorFlow computes. State is made anew for each."""

    def write(folder):
        made = make()
        tf.saved_model.save(made, str(folder / "saved"), signatures=made.__call__)
        conversion.convert_tf_saved_model(str(folder / "saved"), str(folder / "model"), **options)
        change(folder / "model")
        return [(feed, {k: v.numpy() for k, v in make()(**{k: tf.constant(v) for k, v in feed.items()}).items()}) for feed in feeds]

    return write


def quantised(kind):
    """Beside TensorFlow with the weights that the package itself reads out of the file."""

    def write(folder):
        of_module(Weights, [], quantization_dtype_map={kind: "*"})(folder)
        document = json.loads((folder / "model/model.json").read_text())
        kept = read_weights(document["weightsManifest"], str(folder / "model"), flatten=True)
        if not any("quantization" in w for g in document["weightsManifest"] for w in g["weights"]):
            raise AssertionError("no weight was quantised")
        made = Weights()
        for variable in made.w:
            variable.assign(next(w["data"] for w in kept if w["data"].shape == variable.shape))
        return [({"x": X}, {k: v.numpy() for k, v in made(tf.constant(X)).items()})]

    return write


def frozen(folder):
    """A frozen graph, whose signature has outputs only."""
    v1.enable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        y = tf.identity(tf.tanh(x @ tf.constant(weights_of((3, 4)))), name="y")
        with v1.Session() as run:
            want = run.run(y, {x: X})
        (folder / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    conversion.convert_tf_frozen_model(str(folder / "frozen.pb"), "y", str(folder / "model"))
    return [({"x": X}, {"y": want})]


def weights_of(shape):
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def as_saved(folder):
    """As TensorFlow.js saves a model: the topology first, no format in sight; and bytes as lists, as early ones had them."""
    path = folder / "model.json"
    document = json.loads(path.read_text())

    def listed(value):
        if isinstance(value, list):
            return [listed(v) for v in value]
        if not isinstance(value, dict):
            return value
        return {k: list(base64.b64decode(v)) if k == "s" and isinstance(v, str) else [list(base64.b64decode(t)) for t in v] if k == "s" else listed(v) for k, v in value.items()}

    topology = listed(document["modelTopology"])
    path.write_text(json.dumps({"modelTopology": topology, "weightsManifest": document["weightsManifest"], "signature": document["signature"]}))


IMAGES = np.random.default_rng(1).standard_normal((2, 9, 9, 3)).astype(np.float32)
LOOPS = [{"x": s * X, "n": np.array(n, np.int32)} for n, s in ((0, 1), (1, -1), (2, 1), (7, 1))]
CASES = {
    "tables": of_module(Tables, [{"w": np.array(["a", "z", "c", "x"]), "n": np.array([7, 1, 5], np.int64)}]),
    "loops": of_module(Loops, LOOPS, skip_op_check=True),
    "loops_v2": of_module(Loops, LOOPS, control_flow_v2=True, use_structured_outputs_names=True, skip_op_check=True),
    "fused": of_module(Fused, [{"x": IMAGES}]),
    "saved": of_module(Fused, [{"x": IMAGES}], as_saved),
    "shards": of_module(Fused, [{"x": IMAGES}], weight_shard_size_bytes=100),
    "strings": of_module(Strings, [{"i": np.array([3, 0, 2, 1, 0], np.int64)}], skip_op_check=True),
    "uint8": quantised("uint8"),
    "uint16": quantised("uint16"),
    "float16": quantised("float16"),
    "frozen": frozen,
}


def convert(model, out):
    made = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), "convert", str(model), "-o", str(out), "--overwrite"], capture_output=True, text=True)
    if made.returncode != 0:
        raise AssertionError(made.stderr.strip().splitlines()[0])


def judge(path, feeds, want, tolerance=1e-5):
    """Outputs by name. The converter drops the names of those that it cannot tell apart; they have numbers in the order of the alphabet."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    run = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = {i.name: feeds[i.name].astype(object) if feeds[i.name].dtype.kind == "U" else feeds[i.name] for i in run.get_inputs()}
    ordered = sorted(want)
    results = dict(zip((o.name for o in run.get_outputs()), run.run(None, given)))
    if len(results) != len(want):
        raise AssertionError(f"{len(results)} outputs, expected {len(want)}")
    for name, got in results.items():
        number = 0 if name == "Identity" else int(name[9:]) if name.startswith("Identity_") else None
        key = name if number is None else ordered[number]
        expected = np.asarray(want[key])
        if got.shape != expected.shape or (got.dtype != expected.dtype and expected.dtype != object):
            raise AssertionError(f"{key} is {got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}")
        if expected.dtype == object:
            if [str(g) for g in got] != [e.decode() for e in expected]:
                raise AssertionError(f"{key} is {got}, expected {expected}")
            continue
        scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0))) if expected.dtype.kind == "f" else 0
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale, err_msg=key)


def corpus_case(folder):
    case = json.loads((folder / "case.json").read_text())
    kept = case.get("outputs_of", {}).get("tfjs")
    for k in ("", "2"):
        if (folder / f"inputs{k}.npz").exists():
            outputs = dict(np.load(folder / f"outputs{k}.npz"))
            yield dict(np.load(folder / f"inputs{k}.npz")), {n: v for n, v in outputs.items() if kept is None or n in kept}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus")
    parser.add_argument("--keep")
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(options.keep or temporary)
        jobs = [(name, write, 1e-5) for name, write in CASES.items()]
        for path in sorted(Path(options.corpus).glob("*/tfjs_graph/model.json")) if options.corpus else []:
            jobs.append((path.parent.parent.name, path.parent, 1e-4))
        for name, source, tolerance in jobs:
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            try:
                if callable(source):
                    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                        runs = source(folder)
                    model = folder / "model"
                else:
                    runs, model = list(corpus_case(source.parent)), source
                out = folder / "model.onnx"
                convert(model, out)
                for feeds, want in runs:
                    judge(out, feeds, want, tolerance)
                passed += 1
            except Exception as error:
                failed += 1
                print(f"FAIL {name}: {type(error).__name__}: {str(error)[:400]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
