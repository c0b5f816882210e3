"""What the suites of operator cases share: models run by ONNX Runtime, or by the onnx package's reference evaluator where that has no kernel,
and the end of a suite, which converts a folder of programs, judges them and says what failed."""
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_KERNEL = ("NOT_IMPLEMENTED", "Could not find an implementation", "NotImplemented")


def run(path, feeds):
    """Outputs, and which of the two made them; what the model does not take of `feeds` is left out."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {i.name for i in session.get_inputs()}
        return session.run(None, {k: v for k, v in feeds.items() if k in names}), "ort"
    except Exception as error:
        if not any(text in str(error) for text in WITHOUT_KERNEL):
            raise
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(path))
        return evaluator.run(None, {k: v for k, v in feeds.items() if k in evaluator.input_names}), "onnx"


def judged(folder, ready, failures, rows, known, options, run, compare):
    """
    Convert the programs in `folder` and judge each of `ready`: key -> (label, inputs, wanted, options of the case, element type, whether it must
    work). Where every case runs, each row of the table that the answer calls `rows` must be `known`. The exit status.
    """
    passed, refused, judges = 0, 0, {"ort": 0, "onnx": 0}
    convert = subprocess.run(["node", str(ROOT / "test" / "interop" / "convert_all.mjs"), str(folder)], capture_output=True, text=True)
    if convert.returncode != 0:
        raise SystemExit(convert.stderr)
    answer = json.loads(convert.stdout.splitlines()[-1])
    if options.third == "all" and options.only == "*" and options.family is None:
        failures += [(row, "is mapped and has no case") for row in answer[rows] if row not in known]
    for key, (label, inputs, want, case_options, dtype, required) in ready.items():
        try:
            if not required and answer["errors"].get(key, "").startswith("E2001"):
                refused += 1
                continue
            if key in answer["errors"]:
                raise AssertionError(answer["errors"][key])
            got, judge = run(folder / f"{key}.onnx", inputs)
            compare(got, want, case_options, dtype)
            passed += 1
            judges[judge] += 1
            if options.v:
                print(f"ok   {label}")
        except Exception as error:
            failures.append((label, f"{type(error).__name__}: {str(error)[:400]} [{key}]"))
    for label, why in failures:
        print(f"FAIL {label}: {why}")
    print(f"judged by ONNX Runtime {judges['ort']}, by the onnx package {judges['onnx']}; refused in other element types: {refused}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not passed else 0
