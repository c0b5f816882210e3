#!/usr/bin/env python3
"""`omnix simplify` beside onnxsim and OnnxSlim: how many nodes each leaves, in what time, and whether ours still computes the same.

    python test/interop/simplify.py [--cache FILE] [--corpus FOLDER] [MODEL.onnx ...]

Without models those of models/ are taken, and those in the folders of FOLDER. Nodes are counted in nested graphs and functions too; Constant nodes
are not, as they are only another place for a weight. Ours is judged by the standard's checker and by ONNX Runtime: the same outputs for the
same inputs without the runtime's own optimisation, the same signature, opsets and IR version. A row that leaves more nodes than the better
of the two peers is marked with `more` and the operators that differ. Peers that are not installed are left out; their counts can be kept
in FILE. Build first: node scripts/prepare.mjs.
"""
import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/interop"))
from optimised import feeds  # noqa: E402

warnings.filterwarnings("ignore")
PEERS = {
    "onnxsim": "import onnx, onnxsim, sys; model, ok = onnxsim.simplify(onnx.load(sys.argv[1])); onnx.save(model, sys.argv[2])",
    "onnxslim": "import onnx, onnxslim, sys; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
}


def operators(model):
    """How often each operator occurs, Constant nodes left out."""
    counts = collections.Counter()

    def count(nodes):
        for node in nodes:
            if node.op_type != "Constant":
                counts[node.op_type] += 1
            for attribute in node.attribute:
                for graph in [attribute.g, *attribute.graphs]:
                    count(graph.node)

    count(model.graph.node)
    for function in model.functions:
        count(function.node)
    return counts


def peer(name, path, folder):
    """Operators and seconds; undefined where the peer fails or takes more than two minutes."""
    out = Path(folder) / f"{name}.onnx"
    out.unlink(missing_ok=True)
    started = time.time()
    try:
        subprocess.run([sys.executable, "-c", PEERS[name], path, out], capture_output=True, check=True, timeout=120)
        return {"ops": operators(onnx.load(out, load_external_data=False)), "seconds": time.time() - started}
    except (subprocess.SubprocessError, OSError):
        return None


def ours(path, folder, *options):
    out = Path(folder) / "ours.onnx"
    started = time.time()
    command = ["node", ROOT / "dist/cli/main.js", "simplify", path, "-o", out, "--overwrite", "--no-check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-400:])
    return out, time.time() - started


def run(path, values):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, values)))


def inputs_for(path, model):
    """The arrays beside the model where they fit, else random ones."""
    wanted = [v.name for v in model.graph.input if v.name not in {t.name for t in model.graph.initializer}]
    beside = Path(path).parent / "inputs.npz"
    if beside.exists():
        arrays = dict(np.load(beside))
        if set(wanted) <= set(arrays):
            return {name: arrays[name] for name in wanted}
        if len(arrays) == len(wanted):
            return dict(zip(wanted, arrays.values()))
    return feeds(model)


def signature(model):
    return [[v.SerializeToString() for v in values] for values in (model.graph.input, model.graph.output)]


def judge(path, out):
    """The largest difference of an output relative to the largest number in it, as text. Errors where anything else is different."""
    before, after = onnx.load(path), onnx.load(out)
    onnx.checker.check_model(str(out), full_check=True)
    assert [v.name for v in before.graph.input] == [v.name for v in after.graph.input], "the inputs differ"
    assert signature(before) == signature(after), "the signature differs"
    assert before.ir_version == after.ir_version, f"IR version {before.ir_version} became {after.ir_version}"
    opset = [next(o.version for o in m.opset_import if o.domain in ("", "ai.onnx")) for m in (before, after)]
    assert opset[0] == opset[1], f"opset {opset[0]} became {opset[1]}"
    values = inputs_for(path, before)
    worst = 0.0
    try:
        want = run(path, values)
    except Exception as error:  # noqa: BLE001 what the runtime lacks is no fault of the result
        return f"not run: the runtime refuses the original ({type(error).__name__})"
    got = run(out, values)
    assert list(want) == list(got)
    for name, array in want.items():
        if array.dtype.kind != "f":
            np.testing.assert_array_equal(got[name], array, err_msg=name)
            continue
        np.testing.assert_allclose(got[name], array, rtol=1e-3, atol=1e-4 * max(1, np.abs(array).max(initial=0)), err_msg=name)
        worst = max(worst, float(np.abs(got[name] - array).max(initial=0) / max(1e-9, np.abs(array).max(initial=0))))
    return f"{worst:.1e}"


def differing(own, other):
    names = sorted({*own, *other})
    return " ".join(f"{n}{own.get(n, 0) - other.get(n, 0):+d}" for n in names if own.get(n, 0) != other.get(n, 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--cache")
    parser.add_argument("--corpus")
    args = parser.parse_args()
    corpus = sorted(Path(args.corpus).glob("*/*.onnx")) if args.corpus else []
    models = args.models or [*sorted((ROOT / "models").glob("*/*.onnx")), *corpus]
    cache = json.loads(Path(args.cache).read_text()) if args.cache and Path(args.cache).exists() else {}
    print(f"{'model':45} {'before':>6} {'ours':>6} {'sim':>6} {'slim':>6}  {'s':>5} {'s sim':>5} {'s slim':>6}  max Δ/max")
    more, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for path in map(str, models):
            label = "/".join(Path(path).parts[-2:])
            if path not in cache:
                cache[path] = {name: peer(name, path, folder) for name in PEERS}
                if args.cache:
                    Path(args.cache).write_text(json.dumps(cache))
            before = sum(operators(onnx.load(path, load_external_data=False)).values())
            others = [cache[path][name] for name in PEERS]
            counts = [str(sum(o["ops"].values())) if o else "-" for o in others]
            seconds = [f"{o['seconds']:.1f}" if o else "-" for o in others]
            try:
                out, took = ours(path, folder)
                own = operators(onnx.load(out, load_external_data=False))
                verdict = judge(path, out)
            except Exception as error:  # noqa: BLE001 every failure is a row of its own
                failed.append(label)
                print(f"{label:45} {before:6} FAILED {type(error).__name__}: {str(error)[:300]}")
                continue
            total = sum(own.values())
            print(f"{label:45} {before:6} {total:6} {counts[0]:>6} {counts[1]:>6}  {took:5.1f} {seconds[0]:>5} {seconds[1]:>6}  {verdict}")
            best = min((o["ops"] for o in others if o), key=lambda ops: sum(ops.values()), default=None)
            if best and total > sum(best.values()):
                more.append(label)
                print(f"    more: {differing(own, best)}")
    print(f"{len(more)} with more nodes than the better peer")
    print(f"{len(models) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
