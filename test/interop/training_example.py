#!/usr/bin/env python3
"""Networks trained by `omnix train` beside PyTorch from the same start: the example of the README, a frozen part, adapters, dropped units.

    python test/interop/training_example.py
"""
import copy
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
OMNIX = ["node", str(ROOT / "dist/cli/main.js")]
X, Y = np.array([[1, 2], [3, 4], [5, 6]], np.float32), np.array([0, 1, 0], np.int64)


def run(*arguments):
    done = subprocess.run([*OMNIX, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.strip().splitlines()[-2:]))


def export(model, example, path, training=False):
    mode = torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(model, example, path, dynamo=False, training=mode, do_constant_folding=False, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch"}}, opset_version=17, verbose=False)


def losses_of(path):
    return [e["loss"] for e in map(json.loads, path.read_text().splitlines()) if e["kind"] == "step"]


def near(what, got, want, rtol=1e-4, atol=1e-6):
    if not np.allclose(got, want, rtol=rtol, atol=atol):
        worst = np.max(np.abs(np.asarray(got) - np.asarray(want)))
        return f"{what}: the largest difference is {worst}"
    return None


def outputs(path, x):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    s = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return s.run(None, {s.get_inputs()[0].name: x})[0]


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())


def readme(folder, schedule, form, backend):
    """Binary cross entropy, Adam, 1,000 epochs; PyTorch's losses, and the trained model as PyTorch and ONNX Runtime load it."""
    model = small_network()
    start = copy.deepcopy(model)
    np.savez(folder / "data.npz", x=X, target=Y)
    if form == "onnx":
        export(start.eval(), torch.from_numpy(X), folder / "net.onnx")
    else:
        torch.export.save(torch.export.export(start.eval(), (torch.from_numpy(X),), dynamic_shapes=({0: torch.export.Dim("n", min=2)},)), folder / "net.pt2")
    more = ["--schedule", "step:30,0.1"] if schedule else []
    arguments = ["--data", folder / "data.npz", "--loss", "bce", "--optimizer", "adam", "--lr", "0.001", "--epochs", "1000", *more, "--backend", backend, "--log", folder / "log.jsonl"]
    run("train", folder / f"net.{form}", *arguments, "-o", folder / "trained.onnx")
    got = losses_of(folder / "log.jsonl")
    run("train", folder / f"net.{form}", *arguments, "-o", folder / "trained.safetensors")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    steps = torch.optim.lr_scheduler.StepLR(optimizer, 30, 0.1) if schedule else None
    want = []
    for _ in range(1000):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(Y).float()[:, None])
        loss.backward()
        optimizer.step()
        if steps:
            steps.step()
        want.append(float(loss))
    loaded = small_network()
    loaded.load_state_dict(load_file(folder / "trained.safetensors"))
    with torch.no_grad():
        expected, ours = model(torch.from_numpy(X)).numpy(), loaded(torch.from_numpy(X)).numpy()
    runtime = outputs(folder / "trained.onnx", X)
    return (
        near("losses", got, want, rtol=1e-5)
        or near("outputs in PyTorch", ours, expected)
        or near("outputs in ONNX Runtime", runtime, expected)
    )


def blobs(count, width, classes, seed=0):
    r = np.random.default_rng(seed)
    x = r.standard_normal((count, width)).astype(np.float32)
    return x, (x @ r.standard_normal((width, classes))).argmax(1).astype(np.int64)


def frozen(folder):
    """A convolutional network with batch normalisation: the first layers stay, clipped gradients, a plateau, label smoothing."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    r = np.random.default_rng(0)
    x, t = r.standard_normal((24, 3, 8, 8)).astype(np.float32), r.integers(0, 4, 24)
    np.savez(folder / "data.npz", x=x, target=t)
    export(copy.deepcopy(model).eval(), torch.from_numpy(x[:2]), folder / "net.onnx")
    run(
        *["train", folder / "net.onnx", "--data", folder / "data.npz", "--no-shuffle", "--batch", "6", "--epochs", "5"],
        *["--loss", "cross_entropy:label_smoothing=0.1", "--optimizer", "nadam:weight_decay=0.01", "--lr", "0.01", "--clip-norm", "0.5"],
        *["--schedule", "plateau:patience=1,factor=0.5", "--freeze", "0.*", "--log", folder / "log.jsonl", "-o", folder / "trained.onnx"],
    )
    for p in model[0].parameters():
        p.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.NAdam(trained, lr=0.01, weight_decay=0.01)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    want = []
    for _ in range(5):
        for k in range(0, 24, 6):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.from_numpy(x[k : k + 6])), torch.from_numpy(t[k : k + 6]), label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 0.5)
            optimizer.step()
            want.append(float(loss))
        plateau.step(np.mean(want[-4:]))
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    return near("losses", losses_of(folder / "log.jsonl"), want) or near("outputs", outputs(folder / "trained.onnx", x), expected, rtol=1e-3, atol=1e-4)


class Adapted(nn.Module):
    """A Linear layer with an adapter, as PEFT computes it."""

    def __init__(self, linear, a, b, scale):
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), scale
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)

    def forward(self, x):
        return self.linear(x) + (x @ self.a.T @ self.b.T) * self.scale


def adapters(folder):
    """Adapters of rank 2 from the same start, and the model with them merged."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 3))
    x, t = blobs(30, 5, 3)
    np.savez(folder / "data.npz", x=x, target=t)
    export(copy.deepcopy(model).eval(), torch.from_numpy(x[:2]), folder / "net.onnx")
    common = ["train", folder / "net.onnx", "--data", folder / "data.npz", "--no-shuffle", "--batch", "10", "--loss", "cross_entropy", "--optimizer", "adamw", "--lr", "0.02", "--lora", "rank=2,alpha=6"]
    run(*common, "--steps", "1", "-o", folder / "first.safetensors")
    run(*common, "--epochs", "4", "--log", folder / "log.jsonl", "-o", folder / "lora.safetensors")
    run(*common, "--epochs", "4", "-o", folder / "merged.onnx")
    # The start: nothing is added, so that the first loss is that of the model; A is what a rate of zero leaves.
    run(*common, "--steps", "1", "-o", folder / "start.safetensors", "--lr", "0")
    start, last = load_file(folder / "start.safetensors"), load_file(folder / "lora.safetensors")
    for i in (0, 2):
        a, b = (start[f"base_model.model.{i}.lora_{n}.weight"] for n in "AB")
        model[i] = Adapted(model[i], a.clone(), b.clone(), 3.0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    want = []
    for _ in range(4):
        for k in range(0, 30, 10):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.from_numpy(x[k : k + 10])), torch.from_numpy(t[k : k + 10]))
            loss.backward()
            optimizer.step()
            want.append(float(loss))
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    return (
        near("losses", losses_of(folder / "log.jsonl"), want)
        or near("adapter", last["base_model.model.2.lora_B.weight"].numpy(), model[2].b.detach().numpy(), rtol=1e-3, atol=1e-5)
        or near("outputs of the merged model", outputs(folder / "merged.onnx", x), expected, rtol=1e-3, atol=1e-4)
    )


def dropped(folder):
    """The same units are dropped by us and by ONNX Runtime, in every step anew."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 40), nn.Dropout(0.3), nn.ReLU(), nn.Linear(40, 3))
    x, t = blobs(8, 5, 3)
    np.savez(folder / "data.npz", x=x, target=t)
    export(model.train(), torch.from_numpy(x), folder / "net.onnx", training=True)
    run("train", folder / "net.onnx", "--data", folder / "data.npz", "--no-shuffle", "--epochs", "6", "--loss", "cross_entropy", "--optimizer", "sgd:momentum=0.9", "--lr", "0.1", "--seed", "9", "--log", folder / "log.jsonl", "-o", folder / "trained.onnx")
    run("grad", folder / "net.onnx", "--loss", "cross_entropy", "--optimizer", "sgd:momentum=0.9", "-o", folder / "step.onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    s = ort.InferenceSession(str(folder / "step.onnx"), options, providers=["CPUExecutionProvider"])
    carried, losses = {}, []
    for k in range(6):
        feeds = {"x": x, "target": t, "learning_rate": np.array(0.1, np.float32), "step": np.array(k), "seed": np.array(9), **carried}
        made = dict(zip([o.name for o in s.get_outputs()], s.run(None, feeds)))
        carried = {n[:-5]: v for n, v in made.items() if n.endswith(".next")}
        losses.append(float(made["loss"]))
    model.load_state_dict({n: torch.from_numpy(v) for n, v in carried.items() if "::" not in n})
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    return near("losses", losses_of(folder / "log.jsonl"), losses) or near("outputs, with nothing dropped", outputs(folder / "trained.onnx", x), expected, atol=1e-5)


CASES = {
    "the example": lambda f: readme(f, False, "onnx", "cpu"),
    "the example with a schedule": lambda f: readme(f, True, "onnx", "cpu"),
    "the example of .pt2 on the reference backend": lambda f: readme(f, True, "pt2", "reference"),
    "frozen layers": frozen,
    "adapters": adapters,
    "dropped units": dropped,
}


def main():
    failed = 0
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                problem = case(Path(folder))
            except Exception as e:
                problem = f"{type(e).__name__}: {e}"
        failed += problem is not None
        print(f"{'ok' if problem is None else 'FAILED'} {name}{'' if problem is None else ': ' + problem}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
