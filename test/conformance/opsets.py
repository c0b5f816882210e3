#!/usr/bin/env python3
"""Judges what test/conformance/opsets.ts wrote: every model by onnx.checker and, where ONNX Runtime runs it, by the case's outputs;
beside it what onnx.version_converter makes of the same models.

    python test/conformance/opsets.py CASES OUT [--report FILE] [--json FILE] [--no-converter]

A failure is a model that was written but computes something else than the original in ONNX Runtime or in the reference backend, or that
onnx.checker refuses though it takes the original. A refusal with its reason is none.
"""
import argparse
import collections
import json
import os
import pickle
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
from onnx import numpy_helper

warnings.filterwarnings("ignore")


def datum(tree, tensors):
    if "tensor" in tree:
        return tensors[tree["tensor"]]
    if "sequence" in tree:
        return [datum(item, tensors) for item in tree["sequence"]]
    if "optional" in tree:
        return None if tree["optional"] is None else datum(tree["optional"], tensors)
    keys, values = datum(tree["map"]["keys"], tensors), datum(tree["map"]["values"], tensors)
    return dict(zip(keys.tolist(), values.tolist()))


def differs(got, want, rtol, atol):
    if want is None:
        return got is not None
    if isinstance(want, list):
        return not isinstance(got, list) or len(got) != len(want) or any(differs(g, w, rtol, atol) for g, w in zip(got, want))
    if isinstance(want, dict):
        return got != want and not np.allclose(sorted(got.values()), sorted(want.values()), rtol, atol)
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return True
    if want.dtype.kind in "OUS":
        return [str(x) for x in got.ravel()] != [str(x) for x in want.ravel()]
    return not np.allclose(got.astype(np.float64) if got.dtype.kind != "c" else got, want.astype(np.float64) if want.dtype.kind != "c" else want, rtol=max(rtol, 1e-3), atol=atol, equal_nan=True)


def run(model, folder, case):
    """`same`, `other`, or `not run`."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / "data.onnx").graph.initializer}
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        for one in case["sets"]:
            feeds = {n: datum(t, tensors) for n, t in zip(names, one["inputs"])}
            made = session.run(None, feeds)
            for got, tree in zip(made, one["outputs"]):
                if differs(got, datum(tree, tensors), case["rtol"], case["atol"]):
                    return "other"
    except Exception as error:  # what ONNX Runtime throws has no common class
        return "not run: " + re.sub(r"\s+", " ", str(error))[:160]
    return "same"


def checked(model):
    try:
        onnx.checker.check_model(model, full_check=False)
        return None
    except Exception as error:
        return str(error).strip().split("\n")[0][:160]


def judge(job):
    name, cases, out, opsets = job
    folder = cases / name
    case = json.loads((folder / "case.json").read_text())
    original = onnx.load(folder / "model.onnx")
    result = {"original": {"ort": run(original.SerializeToString(), folder, case), "check": checked(original)}}
    for opset in opsets:
        row = result[opset] = {}
        path = out / opset / f"{name}.onnx"
        if path.exists():
            row["check"] = checked(onnx.load(path))
            row["ort"] = run(path.read_bytes(), folder, case)
        theirs = out / "converter" / opset / f"{name}.onnx"
        if theirs.exists():
            row["converter"] = run(theirs.read_bytes(), folder, case)
    return result


def apart(jobs, work, lost):
    """The results of `work` on each job, made by children: one that is ended by a library loses only the job it was at."""
    results = []
    while len(results) < len(jobs):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            with os.fdopen(write, "wb") as file:
                for job in jobs[len(results):]:
                    pickle.dump(work(job), file)
                    file.flush()
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as file:
            while True:
                try:
                    results.append(pickle.load(file))
                except EOFError:
                    break
        os.waitpid(child, 0)
        if len(results) < len(jobs):
            results.append(lost)
    return results


def convert(job):
    source, target, opset = job
    try:
        target.write_bytes(onnx.version_converter.convert_version(onnx.load(source), int(opset)).SerializeToString())
    except Exception:
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--json", type=Path, help="the numbers of the table")
    parser.add_argument("--no-converter", action="store_true", help="leave onnx.version_converter out")
    args = parser.parse_args()
    ours = json.loads((args.out / "ours.json").read_text())
    names, opsets = list(ours), [o for o in next(iter(ours.values())) if o != "original"]
    if not args.no_converter and not (args.out / "converter").exists():
        for opset in opsets:
            (args.out / "converter" / opset).mkdir(parents=True)
        jobs = [(args.cases / name / "model.onnx", args.out / "converter" / o / f"{name}.onnx", o) for name in names for o in opsets]
        apart(jobs, convert, False)
    lost = {o: {"ort": "not run: ended the process"} for o in ["original", *opsets]}
    results = dict(zip(names, apart([(name, args.cases, args.out, opsets) for name in names], judge, lost)))
    print_tables(ours, results, opsets, args)


def print_tables(ours, results, opsets, args):
    passed, failures, lines, counts = 0, [], [], {}
    print(f"{len(ours)} models")
    print(f"{'opset':>6} {'written':>8} {'same here':>10} {'of':>5} {'same in ORT':>12} {'of':>5}   {'converter':>9} {'same in ORT':>12} {'of':>5}")
    for opset in opsets:
        count = counts[opset] = collections.Counter()
        for name, row in ours.items():
            one, runtime, before = row[opset], results[name].get(opset, {}), results[name]["original"]
            if "refused" in one:
                lines.append(f"{opset} {name}: refused: {one['refused']}")
            else:
                count["written"] += 1
                wrong = verdict(one, runtime, before, count)
                if wrong:
                    failures.append(f"{opset} {name}: {wrong}")
                else:
                    passed += 1
            if "converter" in runtime:
                count["converter"] += 1
                if before["ort"] == "same":
                    count["their runs"] += 1
                    count["their same"] += runtime["converter"] == "same"
        print(f"{opset:>6} {count['written']:>8} {count['same here']:>10} {count['here']:>5} {count['same in ORT']:>12} {count['in ORT']:>5}   {count['converter']:>9} {count['their same']:>12} {count['their runs']:>5}")
        reasons = collections.Counter(re.sub(r"opset \d+ cannot say it: ", "", r).split(";")[0][:110] for r in (row[opset].get("refused") for row in ours.values()) if r)
        for reason, n in reasons.most_common(8):
            print(f"         {n:>5} {reason}")
    for line in failures:
        print(line)
    if args.report:
        args.report.write_text("\n".join(lines + failures) + "\n")
    if args.json:
        before = sum(r["original"]["ort"] == "same" for r in results.values())
        args.json.write_text(json.dumps({"models": len(ours), "in ORT": before, "opsets": counts}, indent=1, sort_keys=True) + "\n")
    print(f"{passed} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


def verdict(one, runtime, before, count):
    """What is wrong with a model that was written; counts what ran."""
    if one.get("ours") is not None:
        count["here"] += 1
        if one["ours"] != "same":
            return "reference backend: " + one["ours"]
        count["same here"] += 1
    if before["ort"] == "same" and not runtime["ort"].startswith("not run"):
        count["in ORT"] += 1
        if runtime["ort"] != "same":
            return "ONNX Runtime: another result"
        count["same in ORT"] += 1
    if before.get("check") is None and runtime.get("check"):
        return "onnx.checker: " + runtime["check"]
    return None


if __name__ == "__main__":
    main()
