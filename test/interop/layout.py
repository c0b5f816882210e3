#!/usr/bin/env python3
"""`omnix layout` on real networks with channels last: tf2onnx says each convolution between two transposes, of which none may be left inside.

    python test/interop/layout.py [--only NAME,NAME]

Keras networks with random weights are written by tf2onnx without its own optimiser of transposes. Our results are judged by the standard's
checker, and by ONNX Runtime: the same outputs for the same inputs. With `--to nchw` none is left at all. Build first: node scripts/prepare.mjs.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_USE_LEGACY_KERAS="1")
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf2onnx  # noqa: E402
import tf_keras as keras  # noqa: E402
from tf2onnx import optimizer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
layers = keras.layers


def unet():
    """Down, up again, and joined; classes along the last axis."""
    x = keras.Input((32, 32, 3))
    fine = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    coarse = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(fine))
    up = layers.Conv2DTranspose(8, 2, strides=2)(layers.UpSampling2D()(layers.MaxPooling2D()(coarse)))
    joined = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(coarse), fine, up[:, :32, :32]])
    return keras.Model(x, layers.Conv2D(4, 1, activation="softmax")(joined))


def lenet():
    """Flattened for dense layers."""
    x = keras.Input((28, 28, 1))
    y = layers.AveragePooling2D()(layers.Conv2D(6, 5, padding="same", activation="tanh")(x))
    y = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(16, 5, activation="relu")(y)))
    return keras.Model(x, layers.Dense(10, activation="softmax")(layers.Dense(32, activation="relu")(y)))


def application(name, size):
    return lambda: getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)


# The outputs that are images; each keeps one transpose.
NETWORKS = {
    "lenet": (lenet, 0),
    "unet": (unet, 1),
    "MobileNetV2": (application("MobileNetV2", 64), 0),
    "MobileNetV3Small": (application("MobileNetV3Small", 64), 0),
    "DenseNet121": (application("DenseNet121", 32), 0),
}


def transposes(path):
    return sum(node.op_type == "Transpose" for node in onnx.load(path).graph.node)


def run(path, x):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def omnix(*arguments):
    done = subprocess.run(["node", ROOT / "dist/cli/main.js", *arguments, "--overwrite"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]


def judge(network, images, folder):
    source, kept, turned = (Path(folder) / name for name in ("source.onnx", "kept.onnx", "turned.onnx"))
    size = network.input_shape[1:]
    tf2onnx.convert.from_keras(network, (tf.TensorSpec((None, *size), tf.float32, name="x"),), opset=17, output_path=str(source))
    omnix("layout", source, "-o", kept)
    omnix("layout", source, "-o", turned, "--to", "nchw")
    x = np.random.default_rng(0).standard_normal((2, *size), dtype=np.float32)
    want = run(source, x)
    for path, given in ((kept, x), (turned, x.transpose(0, 3, 1, 2))):
        onnx.checker.check_model(str(path), full_check=True)
        got = run(path, np.ascontiguousarray(given))
        if images and path == turned:
            got = got.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)
    counts = [transposes(path) for path in (source, kept, turned)]
    # Where an input has one channel or one pixel, its transpose may be gone altogether.
    assert counts[1] <= 1 + images and counts[2] == 0, f"{counts[1]} and {counts[2]} transposes are left"
    return f"{counts[0]} transposes, then {counts[1]}, and {counts[2]} with --to nchw"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","))
    only = parser.parse_args().only
    # The optimiser that would do the same.
    optimizer._optimizers.pop("optimize_transpose", None)
    failed = 0
    chosen = {name: row for name, row in NETWORKS.items() if not only or name in only}
    for name, (make, images) in chosen.items():
        keras.utils.set_random_seed(1)
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{name}: {judge(make(), images, folder)}", flush=True)
            except Exception as error:  # noqa: BLE001 a row of the table
                failed += 1
                print(f"{name}: FAILED {error}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
