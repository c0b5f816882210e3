#!/usr/bin/env python3
"""Operators of TensorFlow in TensorFlow Lite models: the real converter keeps them (SELECT_TF_OPS), and ONNX Runtime runs what the library
makes of the model, beside TensorFlow.

    python test/interop/tflite_flex.py [--only 'Conv*'] [--third 0|1|2|all] [--keep FOLDER] [-v]

The cases are those of tf_cases/, the first of each operator. What the converter refuses, computes itself or says with operators of its own
is left out. The last line is `N passed, N failed`.
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
        arrays.append(array)
        return len(arrays) - 1

    args = {name: walk(value, given) for name, value in case.args.items()}
    tensors = {name for name, value in case.args.items() if args[name] is not value}

    @tf.function(input_signature=[tf.TensorSpec(a.shape, a.dtype if a.dtype != object else tf.string, name=f"x{i}") for i, a in enumerate(arrays)])
    def call(*xs):
        fill = lambda v: [fill(item) for item in v] if isinstance(v, list) else xs[v] if isinstance(v, int) else v  # noqa: E731
        made = getattr(tf.raw_ops, op)(**{n: fill(v) if n in tensors else v for n, v in args.items()})
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        return [tf.identity(r) for r in results[: case.options["results"]]]

    concrete = call.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], call)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert(), arrays, [v.numpy() for v in call(*map(tf.constant, arrays))]


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
        for op, cases in sorted((op, cases) for module in modules(None) for op, cases in module.CASES.items()):
            key = zlib.crc32(op.encode())
            if not cases or not fnmatch.fnmatch(op, options.only) or (options.third != "all" and key % 3 != int(options.third)):
                continue
            _, case, dtype, _, _ = next(variants(op, cases))
            try:
                content, arrays, want = quietly(lambda: build(op, case, dtype, key % 1000))
            except Exception as error:
                without += 1
                if options.v:
                    print(f"none {op}: {str(error).splitlines()[:1]}")
                continue
            if op not in flex_in(content):
                without += 1
                continue
            path = folder / f"{key}.tflite"
            path.write_bytes(content)
            ready.append((op, path, arrays, want, case.options, dtype))
        lines = [json.dumps(dict(input=str(path), output=str(path.with_suffix(".onnx")), options={})) for _, path, *_ in ready]
        made = subprocess.run(["node", str(ROOT / "test/interop/convert_tflite.mjs")], input="\n".join(lines) + "\n", capture_output=True, text=True)
        if made.returncode:
            sys.exit(made.stderr)
        for (op, path, arrays, want, case_options, dtype), line in zip(ready, made.stdout.splitlines()):
            try:
                if "refused" in (answer := json.loads(line)):
                    # Lists and complex numbers go from operator to operator in more than one tensor, which no edge of these models does.
                    if "which holds more than tensors" in answer["refused"]:
                        without += 1
                        continue
                    raise AssertionError(answer["refused"])
                got, _ = run(path.with_suffix(".onnx"), arrays)
                compare(got, want, case_options, dtype)
                passed += 1
                if options.v:
                    print(f"ok   {op}")
            except Exception as error:
                failures.append(op)
                print(f"FAIL {op}: {type(error).__name__}: {str(error)[:400]} [{path.stem}]")
    print(f"without an operator of TensorFlow on tensors alone, or refused by the converter: {without}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
