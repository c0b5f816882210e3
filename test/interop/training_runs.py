#!/usr/bin/env python3
"""Recorded training runs of PyTorch, replayed by `omnix train` from a configuration and by ONNX Runtime on the graph of `omnix grad`.

    python test/interop/training_runs.py FOLDER [--only mlp lstm] [--backends reference,cpu] [--steps N] [--forms infer,train,loss,pt2] [--replay]

FOLDER holds cases as make_training.py writes them: the gradients of the first step, each loss, and the last weights are compared.
"""
import argparse
import inspect
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
OMNIX = ["node", str(ROOT / "dist/cli/main.js")]
FORMS = {"infer": "model.infer.onnx", "train": "model.train.onnx", "loss": "model.loss.onnx", "pt2": "model.train.pt2", "dynamo": "model.dynamo.onnx"}
# Written by the exporter in training mode.
EXPORTED_IN_TRAINING = ("train", "loss")
# What of a recorded optimizer is no option of its step.
UNUSED = ("lr", "foreach", "fused", "capturable", "differentiable")


def loss_of(case):
    kinds = {"binary_cross_entropy": "bce", "cross_entropy": "cross_entropy", "mse": "mse", "l1": "l1"}
    name = kinds.get(case["loss"].split("(")[0])
    if name == "cross_entropy" and "all tokens" in case["loss"]:
        return {"name": name, "axis": -1}
    return name


def optimizer_of(case):
    return {"name": case["optimizer"], **{k: v for k, v in case["hyperparameters"].items() if k not in UNUSED and v is not None}}


def as_recorded(folder, form, temporary):
    """The model of a form with the state that the run began with: the exporter has run it once, which moved the running statistics."""
    prefix = "m." if form == "loss" else ""
    start = {prefix + k: v for k, v in load_file(folder / "initial.safetensors").items() if not k.endswith("num_batches_tracked")}
    save_file(start, temporary / "start.safetensors")
    made = temporary / "begun.onnx"
    run("convert", folder / FORMS[form], "--weights", temporary / "start.safetensors", "-o", made, "--overwrite")
    return made


def settings(folder, case, form, output, temporary):
    found = load_file(folder / "grads1.safetensors")
    rates = np.load(folder / "loss.npz")["lr"]
    names = list(found)
    made = dict(
        model=str(as_recorded(folder, form, temporary) if form in EXPORTED_IN_TRAINING else folder / FORMS[form]),
        data=str(folder / "data.npz"),
        batched=True,
        order="order",
        loss="output" if form == "loss" else loss_of(case),
        optimizer=optimizer_of(case),
        schedule={"name": "table", "rates": [float(x) for x in rates], "every": "step"},
        trainable=[("m." if form == "loss" else "") + n for n in names],
        output=str(output),
    )
    if case["clip_grad_norm"]:
        made["clipNorm"] = case["clip_grad_norm"]
    return made


def close(got, want, atol, rtol):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        return f"shape {got.shape}, PyTorch has {want.shape}"
    over = np.abs(got - want) - (atol + rtol * np.abs(want))
    if np.all(over <= 0):
        return None
    at = int(np.argmax(over))
    return f"{got.ravel()[at]} at {at}, PyTorch has {want.ravel()[at]}"


def loose(case, name):
    """A transformer's key biases have a gradient of zero, which Adam amplifies the rounding of."""
    return "transformer" in case["tags"] and "qkv.bias" in name


def run(*arguments):
    done = subprocess.run([*OMNIX, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.strip().splitlines()[-2:]))
    return done.stdout


def judge_losses(losses, folder, want=None):
    recorded = np.load(folder / "loss.npz")
    want = recorded["loss"] if want is None else want
    for k, loss in enumerate(losses):
        if not abs(loss - want[k]) <= recorded["tol"][k]:
            return f"loss of step {k + 1} is {loss}, PyTorch has {want[k]} (tolerance {recorded['tol'][k]:.2e})"
    return None


def judge_weights(made, folder, case, prefix="", final=None):
    t = case["tolerance"]
    for name, want in (final or load_file(folder / "final.safetensors")).items():
        if prefix + name not in made or loose(case, name):
            continue
        problem = close(made[prefix + name], want, t["params_atol"], 1e-3)
        if problem:
            return f"{name} after the last step: {problem}"
    return None


def replay(folder, case, form, backend, steps, temporary):
    output = temporary / "trained.safetensors"
    made = settings(folder, case, form, output, temporary)
    made |= {"backend": backend, "log": str(temporary / "log.jsonl"), "overwrite": True}
    if steps:
        made["steps"] = steps
    (temporary / "run.json").write_text(json.dumps(made))
    run("train", "--config", temporary / "run.json")
    events = [json.loads(line) for line in (temporary / "log.jsonl").read_text().splitlines()]
    losses = [e["loss"] for e in events if e["kind"] == "step"]
    whole = steps is None or steps >= case["steps"]
    if len(losses) != (case["steps"] if whole else steps):
        return f"{len(losses)} steps of {case['steps']}"
    prefix = "m." if form == "loss" else ""

    def judge(want=None, final=None):
        return judge_losses(losses, folder, want) or (judge_weights(load_file(output), folder, case, prefix, final) if whole else None)

    problem = judge()
    if problem and any(judge(*branch) is None for branch in branches(folder, case, len(losses))):
        print(f"note {case['name']} {form} on {backend}: {problem}; it goes as PyTorch does from a start one rounding away", flush=True)
        return None
    return problem


def branches(folder, case, steps):
    """
    Losses and last weights of PyTorch's own runs from starts where each weight is moved by one rounding. An activation within rounding of the
    kink of a ReLU has either of two gradients, and both continuations are right. None where PyTorch does not repeat its recorded run.
    """
    if "model.train.pt2" not in case["formats"] or judge_losses(in_pytorch(folder, case, steps)[0], folder):
        return
    for seed in range(16):
        yield in_pytorch(folder, case, steps, seed)


def pytorch_loss(case):
    import torch.nn.functional as functions

    name = case["loss"].split("(")[0]
    made = getattr(functions, {"mse": "mse_loss", "l1": "l1_loss"}.get(name, name))
    return (lambda out, target: made(out.flatten(0, -2), target.flatten())) if "all tokens" in case["loss"] else made


def in_pytorch(folder, case, steps, seed=None):
    import torch

    torch.set_num_threads(1)
    model = torch.export.load(folder / "model.train.pt2").module()
    start = {k: torch.from_numpy(v) for k, v in load_file(folder / "initial.safetensors").items()}
    model.load_state_dict(start, strict=False)
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.nextafter(p, p + (2 * torch.randint(0, 2, p.shape, generator=generator) - 1)))
    loss_of_step = pytorch_loss(case)
    optimizer = getattr(torch.optim, case["optimizer"])
    accepted = inspect.signature(optimizer).parameters
    optimizer = optimizer(model.parameters(), **{k: v for k, v in case["hyperparameters"].items() if k in accepted and v is not None})
    data, rates = np.load(folder / "data.npz"), np.load(folder / "loss.npz")["lr"]
    losses = []
    for k in range(steps):
        batch = {n: torch.from_numpy(data[n][data["order"][k]]) for n in data.files if n != "order"}
        target = batch.pop("target")
        for group in optimizer.param_groups:
            group["lr"] = float(rates[k])
        optimizer.zero_grad()
        made = loss_of_step(model(*batch.values()), target)
        made.backward()
        if case["clip_grad_norm"]:
            torch.nn.utils.clip_grad_norm_(model.parameters(), case["clip_grad_norm"])
        optimizer.step()
        losses.append(float(made.detach()))
    return losses, {k: v.detach().numpy() for k, v in model.state_dict().items() if k in start and v.is_floating_point()}


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    # What is fused sums in another order, and a batch-normalised network amplifies that beyond PyTorch's own drift.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def call(s, feeds):
    names = {x.name for x in [*s.get_inputs(), *s.get_overridable_initializers()]}
    given = {k: np.asarray(v) for k, v in feeds.items() if k in names}
    return dict(zip([o.name for o in s.get_outputs()], s.run(None, given)))


def spelt(chosen):
    """A choice as the command line takes it."""
    if isinstance(chosen, str):
        return chosen
    value = lambda v: str(v).lower() if isinstance(v, bool) else json.dumps(v).replace(" ", "") if isinstance(v, list) else repr(v)
    return chosen["name"] + ":" + ",".join(f"{k}={value(v)}" for k, v in chosen.items() if k != "name")


def grad_arguments(folder, case, form, temporary):
    s = settings(folder, case, form, "", temporary)
    more = ["--clip-norm", s["clipNorm"]] if "clipNorm" in s else []
    return [s["model"], "--loss", spelt(s["loss"]), "--optimizer", spelt(s["optimizer"]), "--trainable", ",".join(s["trainable"]), *more]


def judge_gradients(folder, case, form, temporary):
    """The gradients of the first batch, by ONNX Runtime."""
    run("grad", *grad_arguments(folder, case, form, temporary), "--form", "parts", "-o", temporary / "parts.onnx", "--overwrite")
    data, want = np.load(folder / "data.npz"), load_file(folder / "grads1.safetensors")
    batch = {k: data[k][data["order"][0]] for k in data.files if k != "order"}
    start = load_file(folder / "initial.safetensors")
    prefix = "m." if form == "loss" else ""
    named = {prefix + k: v for k, v in start.items()}
    sums = {f"{prefix}{k}.grad": np.zeros_like(v) for k, v in want.items()}
    made = call(session(temporary / "parts.gradients.onnx"), {**batch, **named, **sums, "scale": np.float32(1), "step": np.int64(0), "seed": np.int64(0)})
    ahead = call(session(temporary / "parts.forward.onnx"), {**batch, **named})
    back = call(session(temporary / "parts.backward.onnx"), {**batch, **named, **{k: v for k, v in ahead.items() if k.startswith("saved.")}})
    t = case["tolerance"]
    for name, g in want.items():
        for what, got in (("gradients", made[f"{prefix}{name}.grad.next"]), ("backward", back[f"{prefix}{name}.grad"])):
            problem = close(got, g, t["grads_atol"], t["grads_rtol"])
            if problem:
                return f"{what} of {name}: {problem}"
    return None


def judge_step(folder, case, form, inline, steps, temporary):
    """The exported step, by ONNX Runtime: what it gives goes in again."""
    run("grad", *grad_arguments(folder, case, form, temporary), *(["--inline"] if inline else []), "-o", temporary / "step.onnx", "--overwrite")
    data, recorded = np.load(folder / "data.npz"), np.load(folder / "loss.npz")
    s = session(temporary / "step.onnx")
    carried, losses = {}, []
    count = min(steps or case["steps"], case["steps"])
    for k in range(count):
        batch = {n: data[n][data["order"][k]] for n in data.files if n != "order"}
        made = call(s, {**batch, **carried, "learning_rate": np.float32(recorded["lr"][k]), "step": np.int64(k), "seed": np.int64(0)})
        carried = {n[: -len(".next")]: v for n, v in made.items() if n.endswith(".next")}
        losses.append(float(made["loss"]))
    prefix = "m." if form == "loss" else ""
    return judge_losses(losses, folder) or (judge_weights(carried, folder, case, prefix) if count == case["steps"] else None)


def in_onnx_runtime(folder, case, form, steps):
    steps_of = lambda inline: lambda t: judge_step(folder, case, form, inline, steps, t)
    jobs = [(f"{form} step in ONNX Runtime{' inline' if inline else ''}", steps_of(inline)) for inline in (False, True)]
    return [(f"{form} gradients", lambda t: judge_gradients(folder, case, form, t)), *jobs]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("folder", type=Path)
    ap.add_argument("--only", nargs="*")
    ap.add_argument("--backends", default="reference,cpu")
    ap.add_argument("--forms", default="infer,train,loss,pt2")
    ap.add_argument("--steps", type=int, help="stop each run after so many steps")
    ap.add_argument("--replay", action="store_true", help="leave ONNX Runtime out, which has nothing to do with backends")
    a = ap.parse_args()
    passed = failed = 0
    for path in sorted(a.folder.glob("*/case.json")):
        case, folder = json.loads(path.read_text()), path.parent
        if a.only and case["name"] not in a.only:
            continue
        forms = [f for f in a.forms.split(",") if FORMS[f] in case["formats"]]
        jobs = []
        for i, form in enumerate(forms):
            # Every form on one backend; the first on all of them, and by ONNX Runtime.
            for backend in a.backends.split(",") if i == 0 else a.backends.split(",")[-1:]:
                jobs.append((f"{form} on {backend}", lambda t, f=form, b=backend: replay(folder, case, f, b, a.steps, t)))
        if not a.replay:
            jobs += in_onnx_runtime(folder, case, forms[0], a.steps)
        for what, job in jobs:
            with tempfile.TemporaryDirectory() as name:
                try:
                    problem = job(Path(name))
                except Exception as e:
                    problem = f"{type(e).__name__}: {e}"
            passed += problem is None
            failed += problem is not None
            print(f"{'ok' if problem is None else 'FAILED'} {case['name']} {what}{'' if problem is None else ': ' + problem[:400]}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
