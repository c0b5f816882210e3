#!/usr/bin/env python3
"""`omnix convert --dtype`: float16 models judged by ONNX Runtime, bfloat16 models by the standard's reference evaluator.

    python test/interop/narrow.py [--dtype fp16|bf16] [--corpus FOLDER] [MODEL.onnx ...]

Without models those of models/ are taken, and for fp16 some of those in the folders of FOLDER. A converted model has to pass the standard's checker with shapes, to
have float32 inputs and outputs with --keep-io-types and none without, and to compute what the original computes in float32: outputs differ
by at most 5e-3 (float16) or 5e-2 (bfloat16) of the largest number in them. ONNX Runtime's processor has hardly any kernel of bfloat16 and
does not convert around those it lacks, so that it cannot judge that type. Build first: node scripts/prepare.mjs.
"""
import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/interop"))
from simplify import inputs_for, operators, run  # noqa: E402

warnings.filterwarnings("ignore")
BOUNDS = {"fp16": 5e-3, "bf16": 5e-2}
CASES = """bert_tiny bilstm_multilayer control_flow_cond control_flow_scripted conv3d_video distilbert_tiny dlrm gpt2_tiny gru_seq lenet
lstm_classifier mobilenet_v2 multihead_attention ops_activation ops_reduction resnet18 super_resolution t5_tiny unet vit_tiny""".split()
FLOATS = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16"}


def convert(path, out, dtype, *options):
    command = ["node", ROOT / "dist/cli/main.js", "convert", path, "-o", out, "--overwrite", "--dtype", dtype, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-400:])
    onnx.checker.check_model(str(out), full_check=True)
    return onnx.load(out)


def float_types(model):
    values = [*model.graph.input, *model.graph.output]
    return {FLOATS[v.type.tensor_type.elem_type] for v in values if v.type.tensor_type.elem_type in FLOATS}


def run_reference(path, values):
    session = ReferenceEvaluator(str(path))
    return dict(zip(session.output_names, session.run(None, values)))


def judge(path, out, dtype):
    """The largest difference of an output relative to the largest number in it, and how many Casts were added."""
    assert float_types(convert(path, out, dtype)) <= {dtype}
    model = onnx.load(path)
    made = convert(path, out, dtype, "--keep-io-types")
    assert float_types(made) == float_types(model)
    values = inputs_for(path, model)
    want = run(path, values)
    got = run(out, values) if dtype == "fp16" else run_reference(out, values)
    worst = 0.0
    for name, array in want.items():
        if array.dtype.kind != "f" or array.size == 0:
            continue
        assert np.isfinite(got[name]).all() or not np.isfinite(array).all(), f"{name} is not finite"
        worst = max(worst, float(np.abs(got[name] - array).max() / max(1e-9, np.abs(array).max())))
    return worst, operators(made)["Cast"] - operators(model)["Cast"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--corpus")
    parser.add_argument("--dtype", choices=BOUNDS, default="fp16")
    args = parser.parse_args()
    corpus = Path(args.corpus) if args.corpus else ROOT / "models"
    some = [path for case in CASES for path in sorted((corpus / case).glob("model.[dt]*.onnx")) if "23" not in path.name]
    models = args.models or [*sorted((ROOT / "models").glob("*/*.onnx")), *(some if args.dtype == "fp16" else [])]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in map(str, models):
            label = "/".join(Path(path).parts[-2:])
            try:
                worst, casts = judge(path, Path(folder) / "half.onnx", args.dtype)
                ok = worst <= BOUNDS[args.dtype]
                failed += not ok
                print(f"{label:45} {worst:.1e}  {casts:+d} Casts  {'ok' if ok else 'FAIL'}")
            except Exception as error:  # noqa: BLE001 every failure is a row of its own
                failed += 1
                print(f"{label:45} FAILED {type(error).__name__}: {str(error)[:200]}")
    print(f"{len(models) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
