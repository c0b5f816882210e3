"""Compares proto/onnx.proto with the descriptor of the installed `onnx` package, in both directions."""

import pathlib
import re
import sys

from google.protobuf import descriptor_pb2
from onnx import onnx_data_pb2, onnx_ml_pb2

D = descriptor_pb2.FieldDescriptorProto
SCALARS = {value: name[5:].lower() for name, value in D.Type.items()}
TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][\w.]*|\d+|\S')


def facts_of_descriptor(file):
    """Every fact of the descriptor as a set of tuples."""
    facts = {("package", file.package)}

    def enum(scope, e):
        facts.update(("enum", scope + e.name, v.name, v.number) for v in e.value)

    def message(scope, m):
        name = scope + m.name
        facts.add(("message", name))
        for f in m.field:
            kind = f.type_name.removeprefix("." + file.package + ".") or SCALARS[f.type]
            oneof = m.oneof_decl[f.oneof_index].name if f.HasField("oneof_index") else ""
            repeated = f.label == D.LABEL_REPEATED
            facts.add(("field", name, f.number, f.name, kind, repeated, f.options.packed, oneof))
        for r in m.reserved_range:
            facts.update(("reserved", name, n) for n in range(r.start, r.end))
        facts.update(("reserved", name, n) for n in m.reserved_name)
        for e in m.enum_type:
            enum(name + ".", e)
        for nested in m.nested_type:
            message(name + ".", nested)

    for e in file.enum_type:
        enum("", e)
    for m in file.message_type:
        message("", m)
    return facts


def facts_of_text(text):
    """The same facts read from the proto file."""
    tokens = TOKEN.findall(re.sub(r"//.*", "", text))
    facts, fields, position = set(), [], 0

    def until(end):
        nonlocal position
        start = position
        while tokens[position] != end:
            position += 1
        position += 1
        return tokens[start : position - 1]

    def body(scope, kind, oneof=""):
        nonlocal position
        while tokens[position] != "}":
            word = tokens[position]
            if word in ("message", "enum", "oneof"):
                name = tokens[position + 1]
                position += 3
                if word == "oneof":
                    body(scope, kind, name)
                else:
                    inner = f"{scope}.{name}".lstrip(".")
                    if word == "message":
                        facts.add(("message", inner))
                    body(inner, word)
                position += 1
                continue
            row = until(";")
            if kind == "enum":
                facts.add(("enum", scope, row[0], int(row[2])))
            elif word == "reserved":
                facts.update(("reserved", scope, n) for n in reserved(row[1:]))
            elif word == "package":
                facts.add(("package", row[1]))
            elif word != "syntax":
                label = "optional" if oneof else row.pop(0)
                packed = row[4:] == ["[", "packed", "=", "true", "]"]
                fields.append((scope, int(row[3]), row[1], row[0], label == "repeated", packed, oneof))

    def reserved(row):
        if row[0].startswith('"'):
            return [t.strip('"') for t in row if t != ","]
        spans = [t.split() for t in " ".join(row).split(",")]
        return [n for s in spans for n in range(int(s[0]), int(s[-1]) + 1)]

    tokens.append("}")
    body("", "file")
    named = {f[1] for f in facts if f[0] in ("message", "enum")}
    for scope, number, name, kind, *rest in fields:
        parts = scope.split(".")
        scopes = [".".join(parts[:n] + [kind]) for n in range(len(parts), -1, -1)]
        facts.add(("field", scope, number, name, next((s for s in scopes if s in named), kind), *rest))
    return facts


def main():
    theirs = set()
    for module in (onnx_ml_pb2, onnx_data_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        theirs |= facts_of_descriptor(file)
    path = pathlib.Path(__file__).parents[2] / "proto" / "onnx.proto"
    ours = facts_of_text(path.read_text())
    for fact in sorted(theirs ^ ours, key=str):
        print("missing:" if fact in theirs else "extra:", *fact)
    failed = len(theirs ^ ours)
    print(f"{len(theirs & ours)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
