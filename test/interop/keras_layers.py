"""Layers of Keras one by one, as .keras, as HDF5 and in two batch sizes: what ONNX Runtime computes on the converted model equals Keras.

    python test/interop/keras_layers.py [--only 'conv*'] [--third 0|1|2|all] [--keep FOLDER]

The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from keras_cases import CASES, NOT_HDF5, SHARDED, TOLERANCES  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def built(name):
    """The model with random weights; variances are positive."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    model = CASES[name]()
    random = np.random.default_rng(5)
    for weight in model.weights:
        if weight.dtype.startswith("float") and "seed" not in weight.path:
            values = random.normal(0, 0.5, weight.shape)
            weight.assign(np.abs(values) + 0.1 if "variance" in weight.path else values)
    return model


def save_sharded(model, path):
    """The archive with its weights in shards that hold little more than one variable, as Keras writes them."""
    model.save(path)
    with tempfile.TemporaryDirectory() as folder:
        largest = max(w.numpy().nbytes for w in model.weights)
        model.save_weights(f"{folder}/model.weights.json", max_shard_size=(largest + 1) / 1024**3)
        shards = sorted(Path(folder).iterdir())
        assert len(shards) > 2, "one shard"
        with zipfile.ZipFile(path) as whole:
            kept = {name: whole.read(name) for name in whole.namelist() if name != "model.weights.h5"}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in kept.items():
                archive.writestr(name, content)
            for shard in shards:
                archive.write(shard, shard.name)


def arrays(model, batch):
    random = np.random.default_rng(batch)
    made = []
    for tensor in model.inputs:
        shape = [batch if tensor.shape[0] is None else tensor.shape[0]] + [9 if d is None else d for d in tensor.shape[1:]]
        if tensor.dtype == "string":
            made.append(random.choice(["a", "bc", "d", "e", ""], shape).astype(object))
            continue
        made.append((random.integers(0, 10, shape) if "int" in tensor.dtype else random.normal(0, 1, shape)).astype(tensor.dtype))
        if made[-1].ndim == 3 and "int" not in tensor.dtype:
            made[-1][0, 1] = 0
    return made


def flat(value):
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [np.asarray(value)]


def judge(path, runs, tolerance):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    for inputs, wanted in runs:
        got = session.run(None, dict(zip(names, inputs)))
        if len(got) != len(wanted):
            return f"{len(got)} outputs, expected {len(wanted)}"
        for i, (a, b) in enumerate(zip(got, wanted)):
            if a.shape != b.shape:
                return f"output {i}: {a.shape}, expected {b.shape}"
            if b.dtype == object:
                if a.tolist() != np.vectorize(bytes.decode)(b).tolist():
                    return f"output {i}: {a.tolist()}, expected {b.tolist()}"[:300]
                continue
            near = 2e-2 if b.dtype == np.float16 else tolerance
            if not np.allclose(a.astype("float64"), b.astype("float64"), rtol=near, atol=near, equal_nan=True):
                return f"output {i}: off by {np.max(np.abs(a.astype('float64') - b.astype('float64'))):.3g}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--third", default="all")
    parser.add_argument("--keep")
    options = parser.parse_args()
    names = [n for i, n in enumerate(CASES) if fnmatch.fnmatch(n, options.only) and (options.third == "all" or i % 3 == int(options.third))]
    folder = Path(options.keep or tempfile.mkdtemp())
    folder.mkdir(exist_ok=True, parents=True)
    pairs, runs, unmade = [], {}, 0
    for name in names:
        try:
            model = built(name)
            runs[name] = [(inputs, flat(model(inputs if len(inputs) > 1 else inputs[0], training=False))) for inputs in (arrays(model, 2), arrays(model, 3))]
            for extension in ("keras",) if name in NOT_HDF5 else ("keras", "h5"):
                model.save(folder / f"{name}.{extension}")
                pairs.append((name, extension))
            if name in SHARDED:
                save_sharded(model, folder / f"{name}.sharded.keras")
                pairs.append((name, "sharded.keras"))
        except Exception as error:  # noqa: BLE001
            unmade += 1
            print(f"FAIL {name}: Keras cannot make it: {str(error).strip()[:300]}")
            continue
    lines = "".join(f"{folder / f'{n}.{e}'}\t{folder / f'{n}.{e}.onnx'}\n" for n, e in pairs)
    done = subprocess.run(["node", ROOT / "test/interop/convert_list.mjs"], input=lines, capture_output=True, text=True, check=True)
    failed = 0
    for (name, extension), line in zip(pairs, done.stdout.splitlines(), strict=True):
        result = json.loads(line)
        try:
            wrong = str(result.get("crashed") or result.get("refused") or "") or judge(folder / f"{name}.{extension}.onnx", runs[name], TOLERANCES.get(name, 1e-4))
        except Exception as error:  # noqa: BLE001
            wrong = str(error)[:300]
        if wrong:
            failed += 1
            print(f"FAIL {name}.{extension}: {wrong[:600]}")
    print(f"{len(pairs) - failed} passed, {failed + unmade} failed")
    return 1 if failed or unmade or not pairs else 0


sys.exit(main())
