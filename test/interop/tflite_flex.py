#!/usr/bin/env python3
"""Operators of TensorFlow in TensorFlow Lite models: the real converter keeps them (SELECT_TF_OPS), and ONNX Runtime runs what the library
makes of the model, beside TensorFlow.

    python test/interop/tflite_flex.py [--only 'Conv*'] [--third 0|1|2|all] [--keep FOLDER] [-v]

The cases are those of tf_cases/, the first of each operator, and programs with lists of tensors and spectra. What the converter refuses,
computes itself or says with operators of its own is left out. Complex tensors are two inputs and two outputs, their parts. The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tf_cases import case  # noqa: E402
from tf_ops import compare, modules, run, tf, variants, walk  # noqa: E402
from tensorflow.lite.python import schema_py_generated as schema  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def build(op, case, dtype, seed):
    """A model with one call of an operator, the arrays of its inputs, and what TensorFlow makes of them."""
    random = np.random.default_rng(seed)
    arrays = []

    def given(spec):
        array = spec.make(random, dtype)
        if spec.weight:
            return tf.constant(array)
        parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
        arrays.extend(parts)
        return tuple(range(len(arrays) - len(parts), len(arrays)))

    args = {name: walk(value, given) for name, value in case.args.items()}
    tensors = {name for name, value in case.args.items() if args[name] is not value}

    @tf.function(input_signature=[tf.TensorSpec(a.shape, a.dtype if a.dtype != object else tf.string, name=f"x{i}") for i, a in enumerate(arrays)])
    def call(*xs):
        given = lambda places: xs[places[0]] if len(places) == 1 else tf.complex(*(xs[i] for i in places))  # noqa: E731
        fill = lambda v: [fill(item) for item in v] if isinstance(v, list) else given(v) if isinstance(v, tuple) else v  # noqa: E731
        made = getattr(tf.raw_ops, op)(**{n: fill(v) if n in tensors else v for n, v in args.items()})
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        results = [part for r in results[: case.options["results"]] for part in ([tf.math.real(r), tf.math.imag(r)] if r.dtype.is_complex else [r])]
        return [tf.identity(r) for r in results]

    return converted(call, [tf.lite.OpsSet.SELECT_TF_OPS]), arrays, [v.numpy() for v in call(*map(tf.constant, arrays))]


def converted(call, ops):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], call)
    converter.target_spec.supported_ops = ops
    converter._experimental_lower_tensor_list_ops = False
    return converter.convert()


def of_list(*elements):
    return tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=elements)


def running_sums(x):
    total, sums = tf.zeros(tf.shape(x)[1:]), of_list(None, 3)
    for i in tf.range(tf.shape(x)[0]):
        total += x[i]
        sums = sums.write(i, total)
    return sums.stack()


def fibonacci(x):
    made = tf.TensorArray(tf.float32, size=9, clear_after_read=False, element_shape=(3,)).write(0, x).write(1, x * 2)
    for i in tf.range(2, 9):
        made = made.write(i, made.read(i - 1) + made.read(i - 2))
    return made.gather([8, 3]), made.concat()


def until_large(x):
    made, i = of_list(3), 0
    while tf.reduce_max(x) < 100.0:
        x = x * 2.0 + 1.0
        made = made.write(i, x)
        i += 1
    return made.stack(), i


def nested_lists(x):
    made = of_list(4, 3)
    for i in tf.range(tf.shape(x)[0]):
        inner = of_list(3)
        for j in tf.range(4):
            inner = inner.write(j, x[i] * tf.cast(j, tf.float32))
        made = made.write(i, inner.stack())
    return made.stack()


def chosen(x):
    made = of_list(3)
    for i in tf.range(5):
        if tf.reduce_sum(x) > 0.0:
            made = made.write(i, x * tf.cast(i, tf.float32))
        else:
            made = made.write(i, -x)
    return made.stack()


def spectrogram(x):
    return tf.abs(tf.signal.stft(x, 16, 8, 16))


def filtered(x):
    z = tf.signal.rfft(x)
    return tf.signal.irfft(z * tf.exp(tf.complex(tf.zeros_like(tf.math.real(z)), tf.math.angle(z)))), tf.math.real(z), tf.math.imag(z)


def recurrent(layer):
    made = tf.keras.layers.Bidirectional(layer)
    made.build((None, None, 3))
    return lambda x: made(x)


# Programs by their names, with the sizes of the input as they are declared and as they are given.
PROGRAMS = {
    "running sums": (running_sums, (None, None, 3), (6, 2, 3)),
    "fibonacci": (fibonacci, (3,), (3,)),
    "until large": (until_large, (3,), (3,)),
    "nested lists": (nested_lists, (None, 3), (2, 3)),
    "chosen": (chosen, (3,), (3,)),
    "spectrogram": (spectrogram, (None, 64), (2, 64)),
    "filtered": (filtered, (None, 16), (2, 16)),
    "LSTM": (recurrent(tf.keras.layers.LSTM(5, return_sequences=True)), (None, None, 3), (2, 7, 3)),
    "GRU": (recurrent(tf.keras.layers.GRU(5, return_sequences=True)), (None, 7, 3), (2, 7, 3)),
}


def build_program(name):
    """As `build`, of a whole program."""
    run, declared, given = PROGRAMS[name]
    x = np.random.default_rng(0).standard_normal(given).astype(np.float32)
    call = tf.function(lambda x: [tf.identity(v) for v in tf.nest.flatten(run(x))], input_signature=[tf.TensorSpec(declared, tf.float32, name="x0")])
    return converted(call, [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]), [x], [v.numpy() for v in call(x)]


def jobs():
    """(name, operator that the model must keep, what builds it, options, element type)."""
    for module in modules(None):
        further = [(f"{op} {kind}", op, cases) for kind, table in getattr(module, "FURTHER", {}).items() for op, cases in table.items()]
        for name, op, cases in [*((op, op, cases) for op, cases in module.CASES.items()), *further]:
            if cases:
                _, first, dtype, _, _ = next(variants(name, cases))
                yield name, op, lambda op=op, name=name, first=first, dtype=dtype: build(op, first, dtype, zlib.crc32(name.encode()) % 1000), first.options, dtype
    for name in PROGRAMS:
        yield name, None, lambda name=name: build_program(name), case(rtol=1e-4).options, "float32"


def flex_in(content):
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return {c.customCode.decode()[4:] for c in model.operatorCodes if c.customCode and c.customCode.startswith(b"Flex")}


def quietly(work):
    """Without what the converter prints of operators that it refuses."""
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        return work()
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--third", default="all")
    parser.add_argument("--keep")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    failures, passed, without, ready = [], 0, 0, []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, op, make, case_options, dtype in sorted(jobs(), key=lambda job: job[0]):
            key = zlib.crc32(name.encode())
            if not fnmatch.fnmatch(name, options.only) or (options.third != "all" and key % 3 != int(options.third)):
                continue
            try:
                content, arrays, want = quietly(make)
            except Exception as error:
                if op is None:
                    raise
                without += 1
                if options.v:
                    print(f"none {name}: {str(error).splitlines()[:1]}")
                continue
            if op is not None and op not in flex_in(content):
                without += 1
                continue
            path = folder / f"{key}.tflite"
            path.write_bytes(content)
            ready.append((name, path, arrays, want, case_options, dtype))
        lines = [json.dumps(dict(input=str(path), output=str(path.with_suffix(".onnx")), options={})) for _, path, *_ in ready]
        made = subprocess.run(["node", str(ROOT / "test/interop/convert_tflite.mjs")], input="\n".join(lines) + "\n", capture_output=True, text=True)
        if made.returncode:
            sys.exit(made.stderr)
        for (name, path, arrays, want, case_options, dtype), line in zip(ready, made.stdout.splitlines()):
            try:
                if "refused" in (answer := json.loads(line)):
                    raise AssertionError(answer["refused"])
                got, _ = run(path.with_suffix(".onnx"), arrays)
                compare(got, want, case_options, dtype)
                passed += 1
                if options.v:
                    print(f"ok   {name}")
            except Exception as error:
                failures.append(name)
                print(f"FAIL {name}: {type(error).__name__}: {str(error)[:400]} [{path.stem}]")
    print(f"without an operator of TensorFlow, or refused by the converter: {without}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
