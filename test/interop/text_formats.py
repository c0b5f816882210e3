#!/usr/bin/env python3
"""The textual forms of ONNX against the onnx package, in both directions: what it writes is read here, and what is written here it reads.

    python test/interop/text_formats.py [--sample N] [FILE.onnx ...]

Without files a sample of the conformance models and the smaller models of the corpus are taken. Build first: node scripts/prepare.mjs.

`read`: the package writes a model as protobuf text, as protobuf JSON (with both kinds of field names) and in the textual syntax; each
becomes binary here, and has to be the message that the package reads from the same text.
`write`: each form is written here, read by the package, and has to be the model it was written from. The textual syntax has no raw data
and no place for descriptions: there tensors are compared by their elements, and what a warning named is left out of the comparison. What the package reads from our
textual syntax, we have to read from it too: its own printer leaves out some element types.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx.printer
from google.protobuf import json_format, text_format
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("OMNIX_CACHE", Path.home() / ".cache/omnix"))
sys.path.insert(0, str(ROOT / "test/interop"))
from roundtrip import difference  # noqa: E402

warnings.filterwarnings("ignore")
DEPTH = 200


def to_json(model):
    return json_format.MessageToJson(model)


def to_own_json(model):
    return json_format.MessageToJson(model, preserving_proto_field_name=True)


# Each form: its extension, how the package writes it, and how it reads it.
FORMS = {
    "textproto": (".textproto", text_format.MessageToString, lambda text: text_format.Parse(text, onnx.ModelProto())),
    "json": (".onnxjson", to_json, lambda text: json_format.Parse(text, onnx.ModelProto(), max_recursion_depth=DEPTH)),
    "json, own names": (".json", to_own_json, lambda text: json_format.Parse(text, onnx.ModelProto(), max_recursion_depth=DEPTH)),
    "onnxtxt": (".onnxtxt", onnx.printer.to_text, onnx.parser.parse_model),
}
WRITTEN = ("textproto", "json", "onnxtxt")


def sample(count):
    """Models spread evenly over the conformance cases, and those of the corpus that are small."""
    cases = sorted(CACHE.glob("conformance/*/model.onnx"))
    step = max(1, len(cases) // count) if count else 1
    small = [path for path in sorted(CACHE.glob("corpus/**/*.onnx")) if path.stat().st_size < 200_000]
    return cases[::step] + small


def every_type():
    """A model with an initializer of each element type, in its typed field and as raw data, and with what few models have."""
    tensors = []
    for name, code in onnx.TensorProto.DataType.items():
        if code == onnx.TensorProto.UNDEFINED:
            continue
        values = [b'a"\\\\', b""] if code == onnx.TensorProto.STRING else [1, 0, 1]
        tensors.append(onnx.helper.make_tensor(f"typed {name}", code, [len(values)], values))
        if code != onnx.TensorProto.STRING:
            tensors.append(numpy_helper.from_array(numpy_helper.to_array(tensors[-1]), f"raw_{name}"))
    for name, values in (("float", [np.nan, -np.inf, -0.0, 1e-45, 3.4028235e38]), ("double", [np.nan, -0.0, 5e-324, 1e308])):
        tensors.append(numpy_helper.from_array(np.array(values, np.float32 if name == "float" else np.float64), name))
    limits = [np.iinfo(kind) for kind in (np.int8, np.int64, np.uint64)]
    tensors += [numpy_helper.from_array(np.array([kind.min, kind.max], kind.dtype), f"limits of {kind.dtype}") for kind in limits]
    text = """<ir_version: 13, opset_import: ["" : 26, "my.own" : 1], domain: "d", model_version: 7, metadata_props: ["a \\"quote": "b"]>
        "a graph" (float[N, "a b", ?, 3] x, seq(optional(int64[])) s, map(string, float) m, sparse_tensor(double[2]) p, float[] c) => (float y) {
          ["a/b"] y, "" = my.own.F:v <k: floats = [1, 2.5, -inf], e: ints = [], s: string = "é\n", t: type_proto = seq(float[2])> (x, "", c)
          z = If (c) <then_branch: graph = t (float[1] i = {1}) => (float o) { o = Relu (x) }, else_branch: graph = e () => (float o) { o = Relu (x) }>
        }
        <domain: "my.own", overload: "v", opset_import: ["" : 26], doc_string: "doc">
        F <k, e, s: string = "d", t> (a, b, float[2] c) => (d) <float d> { d = LeakyRelu <alpha: float = @k> (a) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(tensors)
    return model


def convert(pairs):
    """Convert every pair of files in one process; a report for each."""
    lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
    done = subprocess.run(["node", str(ROOT / "test/interop/convert_list.mjs")], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(want, got):
    if want.SerializeToString(deterministic=True) == got.SerializeToString(deterministic=True):
        return None
    return difference(want, got)


def package_text(form, model):
    """The package's own text of a model, and the message that it reads from it; None where it cannot read what it wrote."""
    _, write, read = FORMS[form]
    try:
        text = write(model)
        return text, read(text)
    except Exception:
        return None


def judge_read(models, folder, report):
    pairs, wanted = [], []
    for index, (path, model) in enumerate(models):
        for form, (extension, *_) in FORMS.items():
            made = package_text(form, model)
            if made is None:
                report.skip(f"{form}: not read back by the package")
                continue
            text, message = made
            source = Path(folder, f"{index}{form[-5:]}{extension}")
            source.write_text(text, encoding="utf-8")
            pairs.append((source, source.with_suffix(".onnx")))
            wanted.append((path, form, message))
    for (_, target), (path, form, message), result in zip(pairs, wanted, convert(pairs)):
        what = f"read {form}: {path}"
        if "dropped" in result:
            report.add(what, compare(message, onnx.load(target, load_external_data=False)))
        elif "crashed" in result or not is_invalid(message):
            report.add(what, str(result)[:400])
        else:
            report.skip("read: a model that is not valid")


def is_invalid(model):
    """The textual syntax drops what the package's printer does not print, such as elements of few bits."""
    try:
        onnx.checker.check_model(model)
        return False
    except Exception:
        return True


def judge_write(models, folder, report):
    pairs, wanted, again = [], [], []
    for index, (path, model) in enumerate(models):
        for form in WRITTEN:
            pairs.append((path, Path(folder, f"{index}{FORMS[form][0]}")))
            wanted.append((path, form, model))
    for (_, target), (path, form, model), result in zip(pairs, wanted, convert(pairs)):
        what = f"write {form}: {path}"
        if form == "onnxtxt" and all("the textual syntax" in reason for reason in result.get("refused", ["no"])):
            report.skip(f"write onnxtxt: {re.sub(r'[0-9]+', 'N', result['refused'][0])[:70]}")
            continue
        if "dropped" not in result:
            report.add(what, str(result)[:400])
            continue
        try:
            got = FORMS[form][2](target.read_text(encoding="utf-8"))
        except Exception as error:
            report.add(what, f"the package does not read it: {str(error)[:300]}")
            continue
        if form == "onnxtxt":
            report.add(what, compare(plain(model, result["dropped"]), plain(got, result["dropped"])))
            again.append((path, target, got))
        else:
            report.add(what, compare(model, got))
    back = [(target, target.with_suffix(".back.onnx")) for _, target, _ in again]
    for (path, _, message), (_, target), result in zip(again, back, convert(back)):
        read = "dropped" in result and onnx.load(target, load_external_data=False)
        report.add(f"write onnxtxt and read: {path}", compare(message, read) if read else str(result)[:400])


def plain(model, dropped):
    """A copy without the differences that say nothing: where elements are kept, empty texts, and what the warnings named."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    fields = {m for text in dropped for m in re.findall(r"no words for (\w+) of (\w+)", text)}
    labels = any("have to be identifiers" in text for text in dropped)
    strip(copy, fields, labels)
    return copy


def strip(message, fields, labels):
    kind = message.DESCRIPTOR.name
    for field, owner in fields:
        if owner.split(".")[-1] == kind:
            message.ClearField(field)
    if kind == "TensorProto" and message.data_location != onnx.TensorProto.EXTERNAL:
        elements(message)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else (value,):
                strip(item, fields, labels)
        elif value == "":
            message.ClearField(field.name)
    if kind == "AttributeProto" and labels:
        for inner in (message.t, message.g, *message.tensors, *message.graphs):
            inner.ClearField("name")
        for name in ("t", "g"):
            if not getattr(message, name).ListFields():
                message.ClearField(name)


def elements(tensor):
    """Elements as raw data, or as strings."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return
    raw = numpy_helper.to_array(tensor).tobytes() if not tensor.HasField("raw_data") else tensor.raw_data
    packed = numpy_helper.to_array(tensor)
    for name in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "data_location"):
        tensor.ClearField(name)
    tensor.raw_data = packed.tobytes() if packed.size else raw


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = {}

    def add(self, what, problem):
        if problem is None:
            self.passed += 1
            return
        self.failed += 1
        if self.failed <= 40:
            print(f"{what}: {problem}")

    def skip(self, reason):
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=300, help="how many conformance models; 0 for all")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    report = Report()
    models = [(path, onnx.load(path, load_external_data=False)) for path in options.files or sample(options.sample)]
    with tempfile.TemporaryDirectory() as folder:
        models.append((Path(folder, "every-type.onnx"), every_type()))
        onnx.save(models[-1][1], models[-1][0])
        judge_read(models, folder, report)
        judge_write(models, folder, report)
    for reason, count in sorted(report.skipped.items()):
        print(f"skipped {count}: {reason}")
    print(f"{len(models)} models, each in {len(FORMS)} forms read and {len(WRITTEN)} written")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
