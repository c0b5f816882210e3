#!/usr/bin/env python3
"""Derived gradients beside PyTorch's autograd: models of one node or a few, made here; their gradients run in ONNX Runtime, once in
operators of the standard alone and once with functions, and are compared with what PyTorch says in float64. Those of the models of models/
are compared with how their outputs change.

    python test/interop/gradients.py [--only 'Conv*'] [--third 0|1|2|all] [--folder FOLDER] [--backend webgpu]
"""
import argparse
import fnmatch
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/interop"))
warnings.filterwarnings("ignore")
torch.manual_seed(0)
FAMILIES = ("pointwise", "tensors", "layers", "control")


class Cases:
    """Writes cases; a family module calls it once a case."""

    def __init__(self, folder, wanted):
        self.folder, self.wanted, self.expected = folder, wanted, {}

    def __call__(self, op, label, inputs, reference, *, constant=(), open=(), outputs=1, opset=21, rtol=1e-3, types=None, **attributes):
        """`inputs` are arrays, None where one is left out; floats are differentiated by, but for those at the places of `constant`, which
        become initializers. `reference` says the same in PyTorch, of tensors in float64. `open` are inputs whose first axis is also left
        open in a second writing; `outputs` a count, or a string of 1 and 0 where some are left out; `types` theirs, where
        not all are floats."""
        marks = "1" * outputs if isinstance(outputs, int) else outputs
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        node = helper.make_node(op, names, [f"y{i}" if m == "1" else "" for i, m in enumerate(marks)], **attributes)
        self.model(f"{op}_{label}", [node], inputs, reference, constant=constant, open=open, outputs=[o for o in node.output if o], opset=opset, rtol=rtol, types=types)

    def model(self, name, nodes, inputs, reference, *, outputs, constant=(), open=(), opset=21, rtol=1e-3, types=None):
        """The same for nodes over inputs x0, x1, …"""
        for suffix, free in (("", ()), ("_open", open)):
            if (suffix and not open) or not self.wanted(name + suffix):
                continue
            infos, initializers = [], []
            for i, x in enumerate(inputs):
                if x is None:
                    continue
                if i in constant:
                    initializers.append(numpy_helper.from_array(x, f"x{i}"))
                    continue
                # Equal sizes have one name.
                dims = [f"n{d}" if i in free and k == 0 else d for k, d in enumerate(x.shape)]
                infos.append(helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(x.dtype), dims))
            graph = helper.make_graph(nodes, "g", infos, [helper.make_tensor_value_info(y, t, None) for y, t in zip(outputs, types or [1] * len(outputs))], initializers)
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
            at = self.folder / (name + suffix)
            at.mkdir(parents=True)
            wrt = [f"x{i}" for i, x in enumerate(inputs) if x is not None and i not in constant and x.dtype == np.float32]
            onnx.save(model, at / "model.onnx")
            (at / "case.json").write_text(json.dumps({"wrt": wrt, "opset": max(21, opset)}))
            self.expected[name + suffix] = (inputs, constant, wrt, outputs, reference, rtol)


def autograd(inputs, constant, wrt, reference):
    """The outputs, what they were weighed with, and the gradients."""
    tensors = [None if x is None else torch.tensor(x).double() if x.dtype == np.float32 else torch.tensor(x) for x in inputs]
    leaves = {f"x{i}": t.requires_grad_() for i, t in enumerate(tensors) if f"x{i}" in wrt}
    made = reference(*tensors)
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    rng = np.random.default_rng(len(wrt))
    seeds = [rng.standard_normal(tuple(y.shape)).astype(np.float32) for y in made]
    real = [(y, torch.tensor(s).double()) for y, s in zip(made, seeds) if y.is_floating_point()]
    sum((y * s).sum() for y, s in real).backward()
    zero = lambda t: torch.zeros_like(t) if t.grad is None else t.grad
    return made, seeds, {name: zero(t).numpy() for name, t in leaves.items()}


def run_ort(path, feeds):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    outputs = [o.name for o in session.get_outputs()]
    return dict(zip(outputs, session.run(None, {k: v for k, v in feeds.items() if k in names})))


def runner_on(backend):
    """The same by a backend of ours, in a process of its own."""
    process = subprocess.Popen(["node", str(ROOT / "dist/test/interop/run_lines.js"), backend], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(path, feeds):
        names = {i.name for i in onnx.load(path).graph.input}
        given, made = path.with_suffix(".inputs.npz"), path.with_suffix(".outputs.npz")
        np.savez(given, **{k: v for k, v in feeds.items() if k in names})
        process.stdin.write(json.dumps(dict(model=str(path), inputs=str(given), outputs=str(made))) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return dict(np.load(made))

    return run


def judge(run, at, inputs, constant, wrt, outputs, reference, rtol):
    """What is wrong, or nothing."""
    made, seeds, gradients = autograd(inputs, constant, wrt, reference)
    feeds = {f"x{i}": x for i, x in enumerate(inputs) if x is not None and i not in constant}
    feeds |= {f"{name}.seed": seed for name, seed in zip(outputs, seeds)}
    for form in ("plain", "functions"):
        if (at / f"{form}.error").exists():
            return f"{form}: {(at / f'{form}.error').read_text()}"
        ours = run(at / f"{form}.onnx", feeds)
        pairs = [(name, ours[name], y.detach().numpy()) for name, y in zip(outputs, made) if y.is_floating_point()]
        pairs += [(f"{name}.grad", ours[f"{name}.grad"], g) for name, g in gradients.items()]
        for name, got, want in pairs:
            if got.shape != want.shape:
                return f"{form}: {name} is {got.shape}, expected {want.shape}"
            scale = max(1.0, float(np.abs(want).max(initial=0)))
            if not np.allclose(got, want, rtol=rtol, atol=rtol * 0.1 * scale, equal_nan=True):
                return f"{form}: {name} differs by {np.abs(got - want).max():.3g} of {scale:.3g}"
    return None


def write_models(folder, wanted):
    """The models of models/, by all of their weights."""
    names = [p.name for p in sorted((ROOT / "models").iterdir()) if (p / "model.onnx").exists() and wanted(f"model_{p.name}")]
    for name in names:
        at = folder / f"model_{name}"
        shutil.copytree(ROOT / "models" / name, at)
        (at / "case.json").write_text(json.dumps({"opset": 21}))
    return names


def judge_model(run, at):
    """Along its gradient the sum of a model's outputs grows by the gradient's length; what is wrong, or nothing."""
    stored = np.load(at / "inputs.npz")
    for form in ("plain", "functions"):
        if (at / f"{form}.error").exists():
            return f"{form}: {(at / f'{form}.error').read_text()}"
        model = onnx.load(at / f"{form}.onnx")
        feeds = {i.name: stored[i.name] for i in model.graph.input}
        made = run(at / f"{form}.onnx", feeds)
        gradients = {name.removesuffix(".grad"): g.astype(np.float64) for name, g in made.items() if name.endswith(".grad")}
        length = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        outputs = [name for name in made if not name.endswith(".grad")]

        def total(by):
            for t in model.graph.initializer:
                if t.name in gradients:
                    moved = weights[t.name] + by / length * gradients[t.name]
                    t.CopyFrom(numpy_helper.from_array(moved.astype(weights[t.name].dtype), t.name))
            onnx.save(model, at / "moved.onnx")
            after = run(at / "moved.onnx", feeds)
            return sum(after[name].astype(np.float64).sum() for name in outputs)

        # Rounding spoils small steps, bends of the function large ones.
        errors = [abs((total(by) - total(-by)) / (2 * by) / length - 1) for by in (1e-3, 1e-2, 1e-1)]
        if not min(errors) < 5e-3:
            return f"{form}: {len(gradients)} gradients of length {length:.4g}, the outputs change otherwise by {min(errors):.2g}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["*"])
    parser.add_argument("--third", default="all")
    parser.add_argument("--backend", help="run the gradients on this backend of ours instead of ONNX Runtime")
    parser.add_argument("--folder", type=Path, help="where the cases are written and kept")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    seen = [0]

    def wanted(name):
        seen[0] += 1
        return any(fnmatch.fnmatch(name, p) for p in args.only) and (args.third == "all" or seen[0] % 3 == int(args.third))

    cases = Cases(folder, wanted)
    for family in FAMILIES:
        importlib.import_module(f"gradient_cases.{family}").write(cases)
    models = write_models(folder, wanted)
    subprocess.run(["node", str(ROOT / "dist/test/interop/gradients.js"), str(folder)], check=True)
    run = runner_on(args.backend) if args.backend else run_ort
    failed = 0
    checks = [(name, lambda at, facts=facts: judge(run, at, *facts)) for name, facts in cases.expected.items()] + [(f"model_{name}", lambda at: judge_model(run, at)) for name in models]
    for name, check in checks:
        try:
            wrong = check(folder / name)
        except Exception as error:
            wrong = f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
        if wrong:
            failed += 1
            print(f"FAIL {name}: {wrong}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    if not args.folder:
        shutil.rmtree(folder)
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
