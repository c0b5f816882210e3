#!/usr/bin/env python3
"""Runs every mapped ATen overload: real PyTorch exports a call of it, the library converts it, ONNX Runtime runs the result.

    python test/interop/aten.py [--only 'conv*'] [--family layers] [--third 0|1|2|all] [--keep FOLDER] [-v]

Cases are in aten_cases/, a file a family; see its __init__ for the language. Each overload also runs in other element types, and with
open sizes. Where ONNX Runtime has no kernel for a type, the onnx package's reference evaluator judges. The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import importlib
import pkgutil
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
import aten_cases  # noqa: E402
import op_cases  # noqa: E402
from aten_cases import Case, T  # noqa: E402

warnings.filterwarnings("ignore")
OTHER_TYPES = (torch.float64, torch.int64, torch.int32, torch.bool)


def walk(value, visit):
    """`value` with every described tensor replaced."""
    if isinstance(value, T):
        return visit(value)
    if isinstance(value, (list, tuple)):
        return type(value)(walk(item, visit) for item in value)
    return value


class Call(torch.nn.Module):
    """Calls one overload; inputs arrive in the order in which the case names them."""

    def __init__(self, op, case, dtype, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.op, self.case, self.inputs, self.weights = op, case, [], 0
        self.plan = {}

        def make(spec):
            made = spec.make(generator, dtype)
            if spec.weight:
                self.register_buffer(f"w{self.weights}", made)
                self.weights += 1
                return ("weight", f"w{self.weights - 1}")
            self.inputs.append(made)
            return ("input", len(self.inputs) - 1)

        class Slot(tuple):
            pass

        self.slot = Slot
        self.args = walk(tuple(case.args), lambda spec: Slot(make(spec)))
        self.kwargs = {k: walk(v, lambda spec: Slot(make(spec))) for k, v in case.kwargs.items()}

    def fill(self, value, inputs):
        if isinstance(value, self.slot):
            kind, key = value
            return inputs[key] if kind == "input" else getattr(self, key)
        if isinstance(value, (list, tuple)):
            return type(value)(self.fill(item, inputs) for item in value)
        return value

    def forward(self, *inputs):
        args = list(self.fill(self.args, inputs))
        written = [i for i, a in enumerate(self.op._schema.arguments[: len(args)]) if a.alias_info and a.alias_info.is_write]
        for i in written:
            args[i] = args[i].clone()
        result = self.op(*args, **{k: self.fill(v, inputs) for k, v in self.kwargs.items()})
        return flat(result)[: self.case.options["results"]] + [args[i] for i in written if isinstance(args[i], torch.Tensor)]


def flat(result):
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in flat(item)]
    return [] if result is None else [result]


def overload(name):
    base, _, which = name.partition(".")
    return getattr(getattr(torch.ops.aten, base), which or "default")


def variants(name, cases):
    """(label, module, whether sizes are open) of each case of an overload."""
    op = overload(name)
    for i, case in enumerate(cases):
        types = case.options["types"] or ((torch.float32, *OTHER_TYPES) if i == 0 else (torch.float32,))
        untyped = []
        walk([*case.args, *case.kwargs.values()], lambda spec: untyped.append(spec) if spec.dtype is None else None)
        for j, dtype in enumerate(types if untyped else types[:1]):
            label = f"{name} #{i}" + (f" {str(dtype).removeprefix('torch.')}" if j else "")
            required = j == 0 or case.options["types"]
            yield label, case, dtype, False, required
            if i == 0 and j == 0 and case.options["dynamic"]:
                yield f"{label} dynamic", case, dtype, True, required


def export(module, dynamic, path):
    inputs = tuple(module.inputs)
    shapes = None
    if dynamic:
        axes = [{d: torch.export.Dim.AUTO for d, n in enumerate(t.shape) if n > 1} for t in inputs]
        if not any(axes):
            return None
        shapes = {"inputs": tuple(axes)}
    program = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
    torch.export.save(program, path)
    return program


def run(path, inputs):
    return op_cases.run(path, {f"inputs_{i}": v for i, v in enumerate(inputs)})


def compare(got, want, options, dtype):
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} outputs, expected {len(want)}")
    for i, (g, w) in enumerate(zip(got, want)):
        number = not isinstance(w, torch.Tensor)
        w = np.asarray(w) if number else w.detach().numpy()
        g = np.asarray(g)
        if number:
            g = g.reshape(w.shape)
        elif g.shape != w.shape or g.dtype != w.dtype:
            raise AssertionError(f"output {i} is {g.dtype}{g.shape}, expected {w.dtype}{w.shape}")
        if options["random"] or w.size == 0:
            continue
        if w.dtype.kind not in "f":
            if not np.array_equal(g, w):
                raise AssertionError(f"output {i}: {int(np.sum(g != w))} of {w.size} elements differ: {g.ravel()[:6]}, expected {w.ravel()[:6]}")
            continue
        if not np.array_equal(np.isnan(g), np.isnan(w)):
            raise AssertionError(f"output {i}: NaN in other places")
        finite = np.isfinite(w)
        if not np.array_equal(g[~finite & ~np.isnan(w)], w[~finite & ~np.isnan(w)]):
            raise AssertionError(f"output {i}: infinities differ")
        if finite.any():
            worst = float(np.max(np.abs(g[finite].astype(np.float64) - w[finite]))) / max(1e-6, float(np.max(np.abs(w[finite].astype(np.float64)))))
            limit = options["rtol"] or (1e-2 if dtype == torch.float16 else 1e-5)
            if worst > limit:
                raise AssertionError(f"output {i} differs by {worst:.1e} of the largest: {g.ravel()[:6]}, expected {w.ravel()[:6]}")


def modules(only):
    return [importlib.import_module(f"aten_cases.{m.name}") for m in pkgutil.iter_modules(aten_cases.__path__) if only is None or m.name == only]


def families(only):
    for module in modules(only):
        yield from module.CASES.items()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--family")
    parser.add_argument("--third", default="all")
    parser.add_argument("--keep")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        ready = {}
        known = set(name for module in modules(options.family) for name in getattr(module, "WITHOUT_CPU_KERNEL", ()))
        for name, cases in families(options.family):
            known.add(name)
            if not fnmatch.fnmatch(name, options.only):
                continue
            for label, case, dtype, dynamic, required in variants(name, cases):
                key = zlib.crc32(label.encode())
                if options.third != "all" and key % 3 != int(options.third):
                    continue
                try:
                    torch.manual_seed(0)
                    module = Call(overload(name), case, dtype, key % 1000).eval()
                    with torch.no_grad():
                        want = flat(module(*[t.clone() for t in module.inputs]))
                except Exception as error:
                    if required:
                        failures.append((label, f"eager PyTorch: {type(error).__name__}: {str(error).splitlines()[0][:200]}"))
                    continue
                try:
                    if export(module, dynamic, folder / f"{key}.pt2") is None:
                        continue
                except Exception as error:
                    if required and not dynamic:
                        failures.append((label, f"torch.export: {type(error).__name__}: {str(error).splitlines()[0][:200]}"))
                    continue
                ready[str(key)] = (label, [t.numpy() for t in module.inputs], want, case.options, dtype, required)
        return op_cases.judged(folder, ready, failures, "rows", known, options, run, compare)


if __name__ == "__main__":
    sys.exit(main())
