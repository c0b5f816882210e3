"""What onnx.checker says of mutants: anchors.py DIR, which run.ts --write filled. Writes DIR/anchors.json.

Every model is judged in a process of its own, with ten seconds and 4 GB, because some make the checker hang or crash.
"""

import json
import os
import pathlib
import resource
import signal
import sys

import onnx


def verdict(data):
    try:
        onnx.checker.check_model(data, full_check=True)
        return {"checker": None}
    except Exception as error:  # its errors are the answer
        return {"checker": f"{type(error).__name__}: {error}"[:400]}


def judged(path):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        signal.alarm(10)
        result = verdict(path.read_bytes())
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or not text:
        return {"checker": None, "crash": True}
    return json.loads(text)


def main(folder):
    folder = pathlib.Path(folder)
    names = json.loads((folder / "ours.json").read_text())
    results = {name: judged(folder / f"{name}.onnx") for name in names}
    (folder / "anchors.json").write_text(json.dumps(results))


main(sys.argv[1])
