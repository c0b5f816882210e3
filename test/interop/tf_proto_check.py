"""Compares the field tables of proto/tensorflow.proto with the descriptors of the installed TensorFlow: every message, field and enum value that
is read here has to be one of its own, with the same number and type. Build first.

    python test/interop/tf_proto_check.py

The last line is `N passed, N failed`.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from google.protobuf import descriptor_pool  # noqa: E402
from google.protobuf.descriptor import FieldDescriptor as D  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2, tensor_bundle_pb2, trackable_object_graph_pb2  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2]
TABLES = """
import * as all from './dist/src/formats/tensorflow/proto.gen.js';
const { tensorflowSchema: messages, ...rest } = all;
console.log(JSON.stringify({ messages, enums: rest }));
"""
# Of Keras, whose files are written by a package of its own.
ELSEWHERE = ("KerasMetadata",)
SCALARS = {getattr(D, f"TYPE_{name.upper()}"): name for name in ("double float int64 uint64 int32 fixed64 fixed32 bool string bytes uint32 sfixed32 sfixed64 sint32 sint64").split()}


def type_of(field):
    """As the tables say it."""
    if field.type == D.TYPE_ENUM:
        return "enum"
    if field.type != D.TYPE_MESSAGE:
        return SCALARS[field.type]
    of = field.message_type
    if of.GetOptions().map_entry:
        return f"{of.containing_type.full_name}.{field.name}_entry"
    return of.full_name


def message_of(pool, name):
    """The descriptor of a message; that of the entries of a map has another name there."""
    if not name.endswith("_entry"):
        return pool.FindMessageTypeByName(f"tensorflow.{name}")
    owner, field = name[: -len("_entry")].rsplit(".", 1)
    return pool.FindMessageTypeByName(f"tensorflow.{owner}").fields_by_name[field].message_type


def main():
    done = subprocess.run(["node", "--input-type=module", "-e", TABLES], capture_output=True, text=True, check=True, cwd=ROOT)
    tables = json.loads(done.stdout)
    pool = descriptor_pool.Default()
    passed, wrong = 0, []

    def compare(what, ours, theirs):
        nonlocal passed
        if ours == theirs:
            passed += 1
        else:
            wrong.append(f"{what}: {ours}, in TensorFlow {theirs}")

    for name, rows in tables["messages"].items():
        if name.startswith(ELSEWHERE):
            continue
        try:
            fields = {f.number: f for f in message_of(pool, name).fields}
        except KeyError:
            wrong.append(f"{name}: there is no such message")
            continue
        for number, field, kind, label, *_ in rows:
            found = fields.get(number)
            theirs = found and (found.name, type_of(found).removeprefix("tensorflow."), found.is_repeated)
            compare(f"{name}.{field}", (field, kind, label != "optional"), theirs)
    for name, values in tables["enums"].items():
        theirs = dict((v.name, v.number) for v in pool.FindEnumTypeByName(f"tensorflow.{name.replace('_', '.')}").values)
        for value, number in values.items():
            compare(f"{name}.{value}", number, theirs.get(value))
    for line in wrong:
        print(line)
    print(f"{passed} passed, {len(wrong)} failed")
    return 1 if wrong or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
