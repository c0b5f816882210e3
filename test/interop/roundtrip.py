"""Reads and writes ONNX models with `omnix convert` and compares the messages before and after, field by field.

Usage: roundtrip.py [--cli COMMAND] FILE...
Prints the first path that differs for each model that does, then the totals. Exits with 1 if any differs.
"""

import argparse
import pathlib
import shlex
import subprocess
import sys
import tempfile

import onnx
from onnx.external_data_helper import load_external_data_for_model


def tensors(graph):
    """Every tensor of the graph and of the graphs nested in it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from tensors_of_nodes(graph.node)


def tensors_of_nodes(nodes):
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for graph in (attribute.g, *attribute.graphs):
                yield from tensors(graph)


def load(path):
    """The model with external data loaded. Where the data is kept is no part of the model."""
    model = onnx.load(path, load_external_data=False)
    load_external_data_for_model(model, str(path.parent))
    bodies = [tensor for function in model.functions for tensor in tensors_of_nodes(function.node)]
    for tensor in (*tensors(model.graph), *bodies):
        if tensor.HasField("data_location") and tensor.data_location == onnx.TensorProto.DEFAULT:
            tensor.ClearField("data_location")
    return model


def difference(a, b, path=""):
    """The path of the first field in which two messages differ, with both contents; None where they are equal."""
    for field in a.DESCRIPTOR.fields:
        where = f"{path}.{field.name}".lstrip(".")
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.is_repeated:
            if len(x) != len(y):
                return f"{where}: {len(x)} entries, then {len(y)}"
            pairs = ((f"{where}[{i}]", p, q) for i, (p, q) in enumerate(zip(x, y)))
        else:
            if a.HasField(field.name) != b.HasField(field.name):
                return f"{where}: {'present' if a.HasField(field.name) else 'absent'} before, not after"
            # An absent message would be compared with its default, and a type that holds itself without end.
            pairs = [(where, x, y)] if a.HasField(field.name) else []
        for place, p, q in pairs:
            if field.message_type is not None:
                found = difference(p, q, place)
            else:
                found = None if p == q or (p != p and q != q) else f"{place}: {p!r:.80}, then {q!r:.80}"
            if found:
                return found
    return None


def compare(source, written):
    before, after = load(source), load(written)
    if before.SerializeToString(deterministic=True) == after.SerializeToString(deterministic=True):
        return None
    return difference(before, after) or "fields that the schema does not have"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cli", default="node dist/cli/main.js", help="the command that has `convert IN -o OUT`")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for source in options.files:
            written = pathlib.Path(folder, f"{passed + failed}.onnx")
            command = [*shlex.split(options.cli), "convert", str(source), "-o", str(written)]
            done = subprocess.run(command, capture_output=True, text=True)
            problem = done.stderr.strip() if done.returncode else compare(source, written)
            written.unlink(missing_ok=True)
            if problem:
                failed += 1
                print(f"{source}: {problem}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
