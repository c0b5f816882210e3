#!/usr/bin/env python3
"""Folders in the layout of the standard's backend tests, written by the standard's own package, are read and judged by check-data:
tensors, sequences and optionals pass, and a changed output does not.

    python test/interop/data_sets.py
"""
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test.loader as loader
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
CASES = [
    "test_abs",
    "test_add_uint8",
    "test_cast_FLOAT_to_BFLOAT16",
    "test_equal_string",
    "test_identity_sequence",
    "test_if_opt",
    "test_if_seq",
    "test_loop13_seq",
    "test_loop16_seq_none",
    "test_optional_get_element_optional_sequence",
    "test_optional_get_element_optional_tensor",
    "test_optional_has_element_empty_optional_input",
    "test_sequence_insert_at_front",
    "test_split_to_sequence_1",
]


def message(value, info):
    kind = info.type.WhichOneof("value")
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    return value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value), info.name)


def write(folder, case, change=lambda value: value):
    onnx.save(case.model, folder / "model.onnx")
    for i, (inputs, outputs) in enumerate(case.data_sets):
        into = folder / f"test_data_set_{i}"
        into.mkdir()
        for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", map(change, outputs), case.model.graph.output)):
            for k, (value, info) in enumerate(zip(values, infos)):
                (into / f"{kind}_{k}.pb").write_bytes(message(value, info).SerializeToString())


def changed(value):
    """Another value of the same kind."""
    if isinstance(value, list):
        return value[:-1]
    if isinstance(value, onnx.TensorProto):
        other = onnx.TensorProto.FromString(value.SerializeToString())
        other.dims[0] += 1
        other.raw_data += other.raw_data[: len(other.raw_data) // (other.dims[0] - 1)]
        return other
    if value is None:
        return np.zeros(3, np.float32)
    array = np.asarray(value)
    return ~array if array.dtype == bool else array + np.ones_like(array)


def judge(folder):
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), "check-data", str(folder)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    warnings.filterwarnings("ignore")
    known = {case.name: case for case in loader.load_model_tests(kind="node")}
    failed = 0
    for name in CASES:
        for change, expected in ((lambda value: value, 0), (changed, 1)):
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder), known[name], change)
                code, said = judge(folder)
            if code != expected:
                failed += 1
                print(f"FAIL {name}: ended with {code}, expected {expected}\n{said[-500:]}")
    print(f"{2 * len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
