#!/usr/bin/env python3
"""Edited models judged by the standard's checker and by ONNX Runtime: a model cut in two, its halves and their merger compute what the
whole does; so do models with other names, fixed sizes, and functions replaced by their nodes. Distances of weights are those of NumPy.

    python test/interop/edit.py [MODEL.onnx ...]

Without arguments the models of models/ are taken. Build first: node scripts/prepare.mjs.
"""
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, parser

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/interop"))
from optimised import feeds  # noqa: E402

warnings.filterwarnings("ignore")


def omnix(*args):
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"omnix {' '.join(map(str, args))[:200]} ended with {done.returncode}: {done.stderr[-600:]}")
    return done


def checked(path):
    """The model of a file that the standard's checker finds valid, shapes included."""
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(path)


def run(path, values):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Another graph is optimised in another way, which would be a difference of the runtime's.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {i.name: values[i.name] for i in session.get_inputs()})))


def same(got, want):
    assert set(got) == set(want), f"outputs {sorted(got)}, expected {sorted(want)}"
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


def inputs_of(model):
    weights = {t.name for t in model.graph.initializer}
    return [v.name for v in model.graph.input if v.name not in weights]


def cut(model):
    """The values that cross the middle of the graph, and the inputs that its second half reads, captures included."""

    def reads(node):
        yield from node.input
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                for inner in graph.node:
                    yield from reads(inner)
                yield from (o.name for o in graph.output)

    nodes = model.graph.node
    middle = len(nodes) // 2
    made = {name for node in nodes[:middle] for name in node.output if name}
    later = {name for node in nodes[middle:] for name in reads(node)} | {o.name for o in model.graph.output}
    own = set(inputs_of(model))
    return sorted(made & later), sorted(own & later)


def halves(path, scratch, values, want):
    model = onnx.load(path)
    crossing, direct = cut(model)
    first, second, whole = scratch / "first.onnx", scratch / "second.onnx", scratch / "whole.onnx"
    omnix("extract", path, "-o", first, *(word for name in crossing for word in ("--outputs", name)))
    omnix("extract", path, "-o", second, *(word for name in [*crossing, *direct] for word in ("--inputs", name)))
    assert len(checked(first).graph.node) < len(model.graph.node) and len(checked(second).graph.node) < len(model.graph.node)
    made = run(first, values)
    later = run(second, {**values, **made})
    same(later, want)
    omnix("merge", first, second, "-o", whole, "--prefix-b", "b/", *(word for name in crossing for word in ("--connect", f"{name}={name}")))
    joined = checked(whole)
    assert [o.version for o in joined.opset_import] == [o.version for o in model.opset_import]
    both = run(whole, {**values, **{f"b/{name}": values[name] for name in direct}})
    same({name.removeprefix("b/"): array for name, array in both.items()}, want)
    return len(crossing)


def renamed(path, scratch, values, want):
    model, out = onnx.load(path), scratch / "renamed.onnx"
    names = inputs_of(model)
    sizes = sorted({d.dim_param for v in model.graph.input for d in v.type.tensor_type.shape.dim if d.dim_param.isidentifier()})
    words = [word for name in names for word in ("--input", f"{name}=in.{name}")]
    words += [word for name in want for word in ("--output", f"{name}=out.{name}")]
    words += [word for name in sizes for word in ("--dim", f"{name}=size_{name}")]
    omnix("rename", path, "-o", out, *words)
    assert len(checked(out).graph.node) == len(model.graph.node)
    got = run(out, {f"in.{name}": array for name, array in values.items()})
    same({name.removeprefix("out."): array for name, array in got.items()}, want)
    left = {d.dim_param for v in onnx.load(out).graph.input for d in v.type.tensor_type.shape.dim}
    assert not left & set(sizes), left


def shaped(path, scratch, values, want):
    out = scratch / "shaped.onnx"
    omnix("set-shape", path, "-o", out, *(word for name, array in values.items() for word in ("--shape", f"{name}:{list(array.shape)}".replace(" ", ""))))
    model = checked(out)
    assert len(model.graph.node) == len(onnx.load(path).graph.node)
    same(run(out, values), want)
    for info in model.graph.output:
        dims = info.type.tensor_type.shape.dim
        for d, size in zip(dims, want[info.name].shape, strict=True):
            assert not d.HasField("dim_value") or d.dim_value == size, f"{info.name}: {dims}, made {want[info.name].shape}"
    known = [d.HasField("dim_value") for info in model.graph.output for d in info.type.tensor_type.shape.dim]
    return f"{sum(known)} of {len(known)} output sizes known"


FUNCTIONS = """
<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
agraph (float[N, 8] x, bool c) => (float[N, 8] y)
{
    h = local.gelu <slope = 0.25> (x)
    g, unused = local.both (h, x)
    k = local.choose (g, c)
    y = local.gelu (k)
}
<domain: "local", opset_import: ["" : 17]>
gelu <slope: float = 0.5> (a) => (b)
{
    s = LeakyRelu <alpha: float = @slope> (a)
    e = Erf (s)
    b = Mul (e, a)
}
<domain: "local", opset_import: ["" : 17, "local" : 1]>
both (a, b) => (d, e)
{
    s = local.gelu <slope = 0.125> (a)
    d = Add (s, b)
    e = Sub (s, b)
}
<domain: "local", opset_import: ["" : 17]>
choose (a, c) => (b)
{
    b = If (c) <
        then_branch = one () => (t) { t = Neg (a) },
        else_branch = two () => (f) { f = Abs (a) }
    >
}
"""


def functions(scratch):
    path, out = scratch / "functions.onnx", scratch / "inlined.onnx"
    model = parser.parse_model(FUNCTIONS)
    onnx.save(model, path)
    omnix("inline", path, "-o", out)
    flat, theirs = checked(out), onnx.inliner.inline_local_functions(model)
    assert not flat.functions and not [o for o in flat.opset_import if o.domain == "local"]
    assert sorted(n.op_type for n in flat.graph.node) == sorted(n.op_type for n in theirs.graph.node)
    for c in (True, False):
        values = {"x": np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32), "c": np.array(c)}
        same(run(out, values), run(path, values))
    print("ok   functions: inlined")


def opsets(scratch):
    """A model of opset 11 in front of one of 17: Squeeze's axes move, the values stay."""
    types = helper.make_tensor_value_info
    x, y = types("x", TensorProto.FLOAT, ["N", 1, 4]), types("y", TensorProto.FLOAT, ["N", 4])
    first = helper.make_graph([helper.make_node("Squeeze", ["x"], ["y"], axes=[1])], "first", [x], [y])
    z = types("z", TensorProto.FLOAT, ["M", 4])
    second = helper.make_graph([helper.make_node("Softmax", ["y"], ["z"])], "second", [types("y", TensorProto.FLOAT, ["M", 4])], [z])
    for name, graph, opset, version in (("a", first, 11, 6), ("b", second, 17, 8)):
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=version), scratch / f"{name}.onnx")
    omnix("merge", scratch / "a.onnx", scratch / "b.onnx", "-o", scratch / "ab.onnx", "--connect", "y=y")
    merged = checked(scratch / "ab.onnx")
    assert (merged.ir_version, merged.opset_import[0].version) == (8, 17)
    values = {"x": np.random.default_rng(1).standard_normal((3, 1, 4)).astype(np.float32)}
    same(run(scratch / "ab.onnx", values), run(scratch / "b.onnx", run(scratch / "a.onnx", values)))
    print("ok   merge: opset 11 before 17")


def differences(scratch):
    """Distances of changed weights of several types against NumPy's, and nothing else reported."""
    rng, arrays = np.random.default_rng(2), {}
    for kind in ("float32", "float16", "float64", "int8", "int64", "uint16", "bfloat16"):
        values = rng.integers(-100, 100, (7, 9)) if "int" in kind else rng.standard_normal((7, 9))
        dtype = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16) if kind == "bfloat16" else np.dtype(kind)
        before = np.abs(values).astype(dtype) if kind == "uint16" else values.astype(dtype)
        after = before.copy()
        after[2, 3:5] += np.asarray(3, dtype)
        arrays[kind] = (before, after)
    for name, which in (("before", 0), ("after", 1)):
        weights = [numpy_helper.from_array(pair[which], kind) for kind, pair in arrays.items()]
        nodes = [helper.make_node("Identity", [kind], [f"{kind}_out"]) for kind in arrays]
        outputs = [helper.make_tensor_value_info(f"{w.name}_out", w.data_type, w.dims) for w in weights]
        graph = helper.make_graph(nodes, "g", [], outputs, weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), scratch / f"{name}.onnx")
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), "diff", scratch / "before.onnx", scratch / "after.onnx", "--json"], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["results"]
    assert done.returncode == 1 and found["nodes"]["same"] == len(arrays) and not found["facts"], found
    said = {w["name"]: w["distance"] for w in found["weights"]["changed"]}
    for kind, pair in arrays.items():
        before, after = (a.astype(np.float64) for a in pair)
        np.testing.assert_allclose(said[kind]["maxAbs"], np.abs(after - before).max(), rtol=1e-12)
        np.testing.assert_allclose(said[kind]["relative"], np.linalg.norm(after - before) / np.linalg.norm(before), rtol=1e-12)
    print("ok   diff: distances of weights")


def values_for(path):
    beside = path.parent / "inputs.npz"
    model = onnx.load(path)
    if beside.exists():
        arrays = np.load(beside)
        names = inputs_of(model)
        if sorted(arrays.files) == sorted(names):
            return {name: arrays[name] for name in names}
        if len(arrays.files) == len(names):
            return {name: arrays[given] for name, given in zip(names, arrays.files)}
    return feeds(model)


def main():
    paths = [Path(p) for p in sys.argv[1:]] or sorted((ROOT / "models").glob("*/model.onnx"))
    passed, failed = 3, 0
    with tempfile.TemporaryDirectory() as folder:
        functions(Path(folder))
        opsets(Path(folder))
        differences(Path(folder))
    for path in paths:
        label = f"{path.parent.name}/{path.name}"
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            try:
                values = values_for(path)
                want = run(path, values)
            except Exception as error:
                print(f"skip {label}: ONNX Runtime does not run it: {str(error)[:160]}", flush=True)
                continue
            for what in (halves, renamed, shaped):
                try:
                    said = what(path, scratch, values, want)
                    passed += 1
                    print(f"ok   {label}: {what.__name__}{'' if said is None else f', {said}'}", flush=True)
                except Exception as error:  # the rest is judged all the same
                    failed += 1
                    print(f"FAIL {label}: {what.__name__}: {str(error)[:700]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
