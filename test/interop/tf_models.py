#!/usr/bin/env python3
"""Whole programs that real TensorFlow saves, converted and run by ONNX Runtime: tables, old sessions with partitioned variables and arrays,
lists that grow, variables that are stored into.

    python test/interop/tf_models.py [--keep FOLDER]

The last line is `N passed, N failed`.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
v1 = tf.compat.v1


class Lookup(tf.Module):
    """Tables from constants and from a file of lines."""

    def __init__(self, folder):
        super().__init__()
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b", "c"]), tf.constant([3, 1, 2], tf.int64))
        numbers = tf.lookup.KeyValueTensorInitializer(tf.constant([5, 7, 9], tf.int64), tf.constant([0.5, 1.5, 2.5]))
        (folder / "vocabulary.txt").write_text("x\ny\nz\n")
        lines = tf.lookup.TextFileInitializer(str(folder / "vocabulary.txt"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        self.words, self.numbers, self.lines = (tf.lookup.StaticHashTable(i, d) for i, d in ((words, -1), (numbers, -9.0), (lines, -1)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="w"), tf.TensorSpec([None], tf.int64, name="n")])
    def __call__(self, w, n):
        return {"a": self.words.lookup(w), "b": self.numbers.lookup(n), "c": self.lines.lookup(w), "d": self.words.size()}


class State(tf.Module):
    """A variable that is stored into and read, a list that grows while a condition holds, a map."""

    def __init__(self):
        super().__init__()
        self.c = tf.Variable(1.0, name="c")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def __call__(self, x, n):
        self.c.assign_add(2.0)
        made = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[])
        i, s = 0, x
        while i < n and tf.reduce_max(s) < 50.0:
            s = s * 1.5 + 1.0
            made = made.write(i, tf.reduce_sum(s))
            i += 1
        return {"y": x * self.c, "t": made.stack(), "s": s, "m": tf.map_fn(lambda row: tf.reduce_sum(row) * 2, x)}


class Cases(tf.Module):
    """One of several branches, nested conditions, a loop in a loop."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def __call__(self, x, n):
        y = tf.switch_case(n, [lambda: x + 1.0, lambda: x * 2.0, lambda: x - 3.0])
        z = tf.cond(n > 0, lambda: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 3.0, lambda: -x), lambda: x)
        total = tf.zeros_like(x)
        for i in tf.range(n):
            for j in tf.range(i + 1):
                total += x * tf.cast(j, tf.float32)
        return {"y": y, "z": z, "total": total}


class Waves(tf.Module):
    """Complex numbers through branches and loops."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def __call__(self, x, n):
        z = tf.cond(n > 1, lambda: tf.complex(x, -x), lambda: tf.cast(x, tf.complex64))
        total = tf.zeros([3], tf.complex64)
        for i in tf.range(n):
            z = z * tf.exp(tf.complex(0.0, 1.0) * tf.cast(i, tf.complex64))
            total += tf.reduce_sum(z, 0)
        while tf.reduce_max(tf.abs(z)) > 0.5:
            z /= 2
        return {"r": tf.math.real(z), "i": tf.math.imag(z), "t": tf.abs(total)}


class Parts(tf.Module):
    """Functions of several objects, no signature among them: variables, a constant, a table, structures of tensors."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(np.arange(6, dtype=np.float32).reshape(3, 2), name="w")
        self.inner = tf.Module(name="inner")
        self.inner.scale, self.inner.shift = tf.Variable(2.0, name="w"), tf.constant([1.0, 2.0, 3.0])
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([3.0, 1.0]))
        self.inner.words = tf.lookup.StaticHashTable(words, -1.0)
        self.inner.run = tf.function(self.run)

    @tf.function
    def project(self, x):
        return x @ self.w

    def run(self, x, more):
        held = self.inner
        return {"sum": x * held.scale + held.shift + more["k"], "pair": (held.words.lookup(more["w"]), [x])}

    @staticmethod
    def saved(folder, name):
        made = Parts()
        more = {"k": tf.constant(5.0), "w": tf.constant(["b", "z"])}
        made.project(tf.constant(X))
        made.inner.run.get_concrete_function(tf.TensorSpec([None, 3], tf.float32, name="x"), {"k": tf.TensorSpec([], tf.float32, name="k"), "w": tf.TensorSpec([None], tf.string, name="w")})
        tf.saved_model.save(made, str(folder))
        if name == "project":
            return [({"x": X}, {"output_0": made.project(tf.constant(X)).numpy()})]
        got = made.inner.run(tf.constant(X), more)
        return [({"x": X, "k": np.array(5, np.float32), "w": np.array(["b", "z"])}, {"sum": got["sum"].numpy(), "pair_0": got["pair"][0].numpy(), "pair_1_0": got["pair"][1][0].numpy()})]


def session(folder, is_resource):
    """A graph of TensorFlow 1: a partitioned variable, arrays in a loop of old control flow, a condition."""
    v1.disable_control_flow_v2()
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 4, 3], name="x")
        parts = None if is_resource else v1.fixed_size_partitioner(2, axis=0)
        with v1.variable_scope("s", use_resource=is_resource, partitioner=parts):
            w = tf.convert_to_tensor(v1.get_variable("w", [4, 3], initializer=v1.random_normal_initializer(seed=1)))
        h = v1.matmul(tf.reshape(x, [-1, 3]), w[:3])
        rows = tf.TensorArray(tf.float32, 4, element_shape=[None, 3]).unstack(tf.transpose(x, [1, 0, 2]))

        def body(i, s, made):
            following = tf.tanh(rows.read(i) + s * 0.5)
            return i + 1, following, made.write(i, following)

        _, s, made = v1.while_loop(lambda i, s, made: i < 4, body, [0, tf.zeros_like(x[:, 0]), tf.TensorArray(tf.float32, 4)])
        outputs = {"h": h, "y": made.stack(), "z": v1.cond(tf.reduce_sum(x) > 0, lambda: s * 2.0, lambda: s - 1.0)}
        with v1.Session() as run:
            run.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(run, str(folder), {"x": x}, outputs)
            feed = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
            return [({"x": feed}, run.run(outputs, {x: feed}))]


def module(make, inputs):
    """A case of a module: saved, and run by TensorFlow on some inputs. State is made anew for each."""

    def save(folder):
        made = make(folder.parent)
        tf.saved_model.save(made, str(folder), signatures=made.__call__)
        return [(feed, {k: v.numpy() for k, v in make(folder.parent)(**{k: tf.constant(v) for k, v in feed.items()}).items()}) for feed in inputs]

    return save


def text(folder):
    """The main file as the text of its message."""
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    runs = CASES["cases"](folder)
    message = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    return runs


X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
CASES = {
    "tables": module(Lookup, [{"w": np.array(["a", "z", "c", "x"]), "n": np.array([7, 1, 5], np.int64)}]),
    "state": module(lambda _: State(), [{"x": X, "n": np.array(n, np.int32)} for n in (3, 9)]),
    "cases": module(lambda _: Cases(), [{"x": s * X, "n": np.array(n, np.int32)} for n, s in ((0, 1), (1, -1), (2, 1), (7, 1))]),
    "text": text,
    "waves": module(lambda _: Waves(), [{"x": s * X, "n": np.array(n, np.int32)} for n, s in ((0, 1), (1, -1), (4, 3))]),
    "function": lambda folder: Parts.saved(folder, "project"),
    "inner_function": lambda folder: Parts.saved(folder, "inner.run"),
    "session": lambda folder: session(folder, False),
    "session_resource": lambda folder: session(folder, True),
}
ARGUMENTS = {"function": ["--signature", "project"], "inner_function": ["--signature", "inner.run"]}


def judge(path, feeds, want):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    run = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in run.get_outputs()]
    given = {i.name: feeds[i.name].astype(object) if feeds[i.name].dtype.kind == "U" else feeds[i.name] for i in run.get_inputs()}
    for name, got in zip(names, run.run(None, given)):
        expected = np.asarray(want[name])
        if got.shape != expected.shape or got.dtype != expected.dtype:
            raise AssertionError(f"{name} is {got.dtype}{got.shape}, expected {expected.dtype}{expected.shape}")
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep")
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name, save in CASES.items():
            folder = Path(options.keep or temporary) / name
            folder.mkdir(parents=True, exist_ok=True)
            runs = save(folder / "model")
            out = folder / "model.onnx"
            convert = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), "convert", str(folder / "model"), "-o", str(out), "--overwrite", *ARGUMENTS.get(name, [])], capture_output=True, text=True)
            for feeds, want in runs:
                try:
                    if convert.returncode != 0:
                        raise AssertionError(convert.stderr.strip().splitlines()[0])
                    judge(out, feeds, want)
                    passed += 1
                except Exception as error:
                    failed += 1
                    print(f"FAIL {name}: {type(error).__name__}: {str(error)[:400]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
