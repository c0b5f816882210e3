"""Types that onnx.shape_inference finds, one JSON file for each model: inferred.py OUT FILE...

OUT/index.json maps each file to its result: {"types": {name: type}} of the main graph, or {"error": text}. A type is
["tensor", element code, [size or name or null] or null] or ["seq"|"optional", type] or ["other"].
"""

import json
import multiprocessing
import pathlib
import sys

import onnx


def spell(t):
    kind = t.WhichOneof("value")
    if kind == "tensor_type":
        tensor = t.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = [
                d.dim_value if d.HasField("dim_value") else d.dim_param or None
                for d in tensor.shape.dim
            ]
        return ["tensor", tensor.elem_type, shape]
    if kind in ("sequence_type", "optional_type"):
        return [kind[:3], spell(getattr(t, kind).elem_type)]
    return ["other"]


def inferred(path):
    try:
        model = onnx.load(path, load_external_data=False)
        done = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # its errors are the answer
        return {"error": str(error)[:400]}
    graph = done.graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    return {"types": {v.name: spell(v.type) for v in infos if v.type.WhichOneof("value")}}


def main(out, files):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(1, maxtasksperchild=500) as pool:
        results = dict(zip(files, pool.imap(inferred, files)))
    (out / "index.json").write_text(json.dumps(results))


if __name__ == "__main__":
    names = sys.argv[2:] or [line.strip() for line in sys.stdin]
    main(sys.argv[1], names)
