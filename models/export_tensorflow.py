#!/usr/bin/env python3
"""Makes the TensorFlow models of this folder with real TensorFlow and Keras: weights from a fixed seed, references from eager TensorFlow.

    python models/export_tensorflow.py [OUT]        needs tensorflow 2.21, keras 3 and numpy

Each model gets a folder with saved_model/ (Model.export or tf.saved_model.save), frozen.pb (v1 control flow), inputs.npz and outputs.npz.
Batch sizes are dynamic.
"""
import os
import shutil
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2  # noqa: E402


def tiny_cnn():
    """Strided and depthwise convolutions with SAME padding, batch normalisation, a pool and a dense layer."""
    x = keras.Input((12, 12, 3), name="image")
    y = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.ReLU(max_value=6.0)(y)
    y = keras.layers.DepthwiseConv2D(3, padding="same")(y)
    y = keras.layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, keras.layers.Dense(5, activation="softmax", name="scores")(y)), {"image": (2, 12, 12, 3)}


def tiny_recurrent():
    """An LSTM that gives all states, then a GRU that gives its last one."""
    x = keras.Input((6, 3), name="steps")
    y = keras.layers.LSTM(4, return_sequences=True)(x)
    return keras.Model(x, keras.layers.Dense(2, name="out")(keras.layers.GRU(3)(y))), {"steps": (2, 6, 3)}


class Branches(tf.Module):
    """A condition and two loops of which the run decides the rounds, over a variable."""

    def __init__(self):
        self.w = tf.Variable(np.linspace(-0.4, 0.4, 9).reshape(3, 3).astype(np.float32), name="w")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def __call__(self, x, n):
        y = tf.matmul(x, self.w) if tf.reduce_sum(x) > 0 else x - 1.0
        for _ in tf.range(n):
            y = tf.tanh(tf.matmul(y, self.w)) + x
        while tf.reduce_max(tf.abs(y)) > 0.5:
            y = y * 0.5
        return {"y": y}


def freeze(function, path):
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    path.write_bytes(graph.SerializeToString())


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    for name, make in (("tf-cnn", tiny_cnn), ("tf-recurrent", tiny_recurrent)):
        keras.utils.set_random_seed(0)
        model, shapes = make()
        for weight in model.weights:
            weight.assign(np.random.default_rng(len(weight.path)).random(weight.shape).astype(np.float32) - (0 if "variance" in weight.path else 0.4))
        random = np.random.default_rng(1)
        inputs = {key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        model.export(folder / "saved_model", verbose=False)
        (folder / "saved_model" / "fingerprint.pb").unlink(missing_ok=True)
        spec = [tf.TensorSpec([None, *array.shape[1:]], tf.float32, name=key) for key, array in inputs.items()]
        freeze(tf.function(lambda *args: model(list(args) if len(args) > 1 else args[0])).get_concrete_function(*spec), folder / "frozen.pb")
        np.savez(folder / "inputs.npz", **inputs)
        np.savez(folder / "outputs.npz", output_0=np.asarray(model(list(inputs.values())[0])))
    module, folder = Branches(), out / "tf-branches"
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(module, str(folder / "saved_model"), signatures={"serving_default": module.__call__, "twice": module.__call__})
    (folder / "saved_model" / "fingerprint.pb").unlink(missing_ok=True)
    freeze(module.__call__.get_concrete_function(), folder / "frozen.pb")
    inputs = {"x": np.random.default_rng(2).standard_normal((2, 3)).astype(np.float32), "n": np.array(3, np.int32)}
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "outputs.npz", y=module(**inputs)["y"].numpy())


main()
