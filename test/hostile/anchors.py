"""What onnx.checker and onnxruntime say of models that `npm run hostile -- --write DIR` laid out, as JSON: python anchors.py DIR OUT.json

Each model and tool has a process of its own, with limits on time and address space: some models crash or occupy a tool for ever.
"""

import json
import os
import resource
import signal
import sys

SECONDS = 10
BYTES = 6 << 30


def check(path):
    import onnx

    onnx.checker.check_model(path, full_check=True)


def run(path):
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}
    feeds = {}
    for i in session.get_inputs():
        dims = [d if isinstance(d, int) and d >= 0 else 2 for d in i.shape]
        feeds[i.name] = np.ones(dims, types.get(i.type, np.float32))
    session.run(None, feeds)


TOOLS = {"checker": check, "onnxruntime": run}


def ask(tool, path):
    """The verdict of a tool in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(SECONDS)
        try:
            TOOLS[tool](path)
            answer = ("accepts", "")
        except BaseException as error:  # whatever a tool raises is its answer
            answer = ("refuses", f"{type(error).__name__}: {error}"[:300])
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if text:
        verdict, message = json.loads(text)
    else:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        verdict, message = ("hangs", f"{SECONDS} s") if number == signal.SIGALRM else ("crashes", f"signal {number}")
    return {"verdict": verdict, "message": message}


def main(folder, out):
    # Loaded once; each child has them from the fork.
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401

    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    answers = {}
    for case in cases:
        path = os.path.join(folder, case["path"])
        answers[case["id"]] = {tool: ask(tool, path) for tool in TOOLS}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(answers, file, indent=1)
    print(f"{len(answers)} models")


if __name__ == "__main__":
    main(*sys.argv[1:])
