#!/usr/bin/env python3
"""Writes the standard's backend tests, as the onnx package carries them, to disk: a folder a case.

    python test/conformance/write_cases.py FOLDER [--only 'test_add*' ...] [--pack test/conformance/selection.zip | --check]

A case is `model.onnx`, `case.json` and `data.onnx`, a model that holds nothing but the tensors of the case as initializers. `case.json`
says the kind, the tolerances, and of each data set the inputs and outputs in order, as trees: `{"tensor": NAME}`, `{"sequence": [...]}`,
`{"optional": TREE or null}`, `{"map": {"keys": ..., "values": ...}}`.

--pack also writes an archive of a selection, for every operator the smallest cases that the folder then holds, those of own_cases.py too;
--check compares the committed one with that. With `--only -` nothing else is written.
"""
import argparse
import collections
import fnmatch
import json
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import DATA_DIR, load_node_model_tests
from onnx.backend.test.runner import Runner

warnings.filterwarnings("ignore")


class Data:
    """Tensors under names, and the trees that name them."""

    def __init__(self):
        self.tensors = []

    def add(self, tensor):
        kept = TensorProto()
        kept.CopyFrom(tensor)
        kept.name = f"t{len(self.tensors)}"
        self.tensors.append(kept)
        return {"tensor": kept.name}

    def tree(self, value):
        if value is None:
            return {"optional": None}
        if isinstance(value, TensorProto):
            return self.add(value)
        if isinstance(value, dict):
            return {"map": {"keys": self.tree(np.array(list(value.keys()))), "values": self.tree(np.array(list(value.values())))}}
        if isinstance(value, (list, tuple)):
            return {"sequence": [self.tree(item) for item in value]}
        return self.add(numpy_helper.from_array(np.asarray(value)))

    def proto(self, message):
        if isinstance(message, onnx.TensorProto):
            return self.add(message)
        if isinstance(message, onnx.SequenceProto):
            items = message.tensor_values or message.sequence_values or message.optional_values or message.map_values
            return {"sequence": [self.proto(item) for item in items]}
        if isinstance(message, onnx.OptionalProto):
            field = {1: "tensor_value", 3: "sequence_value", 4: "map_value", 5: "optional_value"}.get(message.elem_type)
            return {"optional": self.proto(getattr(message, field)) if field else None}
        raise TypeError(type(message))


def write(folder, name, kind, model, sets, data, rtol, atol):
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if isinstance(model, Path):
        shutil.copy(model, target / "model.onnx")
    else:
        onnx.save(model, target / "model.onnx")
    graph = helper.make_graph([], "data", [], [], initializer=data.tensors)
    onnx.save(helper.make_model(graph, ir_version=max(13, onnx.IR_VERSION)), target / "data.onnx")
    (target / "case.json").write_text(json.dumps({"name": name, "kind": kind, "rtol": rtol, "atol": atol, "sets": sets}) + "\n")




def node_cases(folder, wanted):
    for case in load_node_model_tests():
        if not wanted(case.name):
            continue
        data = Data()
        sets = [{"inputs": [data.tree(x) for x in inputs], "outputs": [data.tree(y) for y in outputs]} for inputs, outputs in case.data_sets]
        # An optional that is given is written as such: the data are bare arrays.
        for made in sets:
            for trees, infos in ((made["inputs"], case.model.graph.input), (made["outputs"], case.model.graph.output)):
                for i, info in enumerate(infos):
                    if i < len(trees) and info.type.HasField("optional_type") and "optional" not in trees[i]:
                        trees[i] = {"optional": trees[i]}
        write(folder, case.name, "node", case.model, sets, data, case.rtol, case.atol)
        yield case.name


def read_proto(path, info):
    kind = info.type.WhichOneof("value") if info is not None else "tensor_type"
    message = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}.get(kind, onnx.TensorProto)()
    message.ParseFromString(path.read_bytes())
    return message


def numbered(folder, stem):
    return sorted(folder.glob(f"{stem}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))


def disk_cases(folder, kind, wanted):
    for case in sorted((Path(DATA_DIR) / kind).iterdir()):
        if not (case / "model.onnx").exists() or not wanted(case.name):
            continue
        model = onnx.load(case / "model.onnx")
        facts = json.loads((case / "data.json").read_text()) if (case / "data.json").exists() else {}
        data, sets = Data(), []
        for one in sorted(case.glob("test_data_set*")):
            names = {t.name for t in model.graph.initializer}
            infos = {"input": [v for v in model.graph.input if v.name not in names], "output": list(model.graph.output)}
            trees = {
                stem: [data.proto(read_proto(p, infos[stem][i] if i < len(infos[stem]) else None)) for i, p in enumerate(numbered(one, stem))]
                for stem in ("input", "output")
            }
            sets.append({"inputs": trees["input"], "outputs": trees["output"]})
        write(folder, case.name, kind, case / "model.onnx", sets, data, facts.get("rtol", 1e-3), facts.get("atol", 1e-7))
        yield case.name


def light_cases(folder, wanted):
    """Whole networks with weights that formulas make; the input is the one that the standard's runner makes."""
    for path in sorted((Path(DATA_DIR) / "light").glob("*.onnx")):
        name = f"test_{path.stem}"
        if not wanted(name):
            continue
        model = onnx.load(path)
        weights = {t.name for t in model.graph.initializer}
        inputs = [Runner.generate_dummy_data(v, name=name) for v in model.graph.input if v.name not in weights]
        data = Data()
        output = TensorProto()
        output.ParseFromString((path.parent / f"{path.stem}_output_0.pb").read_bytes())
        sets = [{"inputs": [data.tree(x) for x in inputs], "outputs": [data.add(output)]}]
        write(folder, name, "light", path, sets, data, 1e-3, 1e-7)
        yield name


PER_OPERATOR = 2
LARGEST = 12_000
SELECTION = Path(__file__).parent / "selection.zip"


def operators_in(graph):
    """Domain and type of every node, in nested graphs too."""
    for node in graph.node:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from operators_in(inner)


def selected(folder):
    """Names of the smallest cases of each operator."""
    cases = []
    for case in folder.iterdir():
        if (case / "model.onnx").exists() and (size := sum(p.stat().st_size for p in case.iterdir())) <= LARGEST:
            cases.append((size, case.name, set(operators_in(onnx.load(case / "model.onnx").graph))))
    counts, names = collections.Counter(), []
    for _, name, operators in sorted(cases, key=lambda c: c[:2]):
        if any(counts[o] < PER_OPERATOR for o in operators):
            counts.update(operators)
            names.append(name)
    return sorted(names)


def pack(folder, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in selected(folder):
            for path in sorted((folder / name).iterdir()):
                archive.writestr(zipfile.ZipInfo(f"{name}/{path.name}"), path.read_bytes(), zipfile.ZIP_DEFLATED)


def contents(archive):
    with zipfile.ZipFile(archive) as z:
        return {name: z.read(name) for name in z.namelist()}


def alike(one, other):
    """Whether two files of arrays are the same but for last bits, which are the processor's."""
    a, b = (onnx.load_from_string(data) for data in (one, other))
    arrays = [[(t.name, numpy_helper.to_array(t)) for t in model.graph.initializer] for model in (a, b)]
    for model in (a, b):
        del model.graph.initializer[:]
    if a != b or len(arrays[0]) != len(arrays[1]):
        return False
    for (name, x), (other_name, y) in zip(*arrays):
        if name != other_name or x.dtype != y.dtype or x.shape != y.shape:
            return False
        if not (np.allclose(x, y, rtol=1e-6, atol=1e-7, equal_nan=True) if x.dtype.kind in "fc" else np.array_equal(x, y)):
            return False
    return True


def same(one, other):
    """What must be equal: all of it, but for last bits, and for the numbers of our own cases, which are longer sums."""
    return list(one) == list(other) and all(
        data == other[name] or (name.endswith("/data.onnx") and (name.startswith("test_own_") or alike(data, other[name]))) for name, data in one.items()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=["*"])
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--check", action="store_true", help="whether the committed selection is what would be packed")
    args = parser.parse_args()
    wanted = lambda name: any(fnmatch.fnmatch(name, pattern) for pattern in args.only)
    args.folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for cases in (
        node_cases(args.folder, wanted),
        *(disk_cases(args.folder, kind, wanted) for kind in ("simple", "pytorch-converted", "pytorch-operator")),
        light_cases(args.folder, wanted),
    ):
        count += sum(1 for _ in cases)
    print(f"{count} cases in {args.folder}", file=sys.stderr)
    if args.pack:
        pack(args.folder, args.pack)
    if args.check:
        with tempfile.TemporaryDirectory() as folder:
            pack(args.folder, Path(folder) / "selection.zip")
            is_same = same(contents(Path(folder) / "selection.zip"), contents(SELECTION))
        print("1 passed, 0 failed" if is_same else "the selection is out of date: run with --pack\n0 passed, 1 failed")
        sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
