#!/usr/bin/env python3
"""Exports fresh models with real PyTorch, converts them with the command line, and lets onnx.checker, ONNX Runtime and PyTorch judge.

    python test/interop/export_fresh.py [--third 0|1|2|all] [--cli "node dist/cli/main.js"]

Each case is run at two batch sizes. The last line is `N passed, N failed`.
"""
import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]


class Fn(nn.Module):
    def __init__(self, run, **modules):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *x):
        return self.run(self, *x)


def inplace(m, x):
    y = m.conv(x)
    y.relu_()
    y += 1.5
    y *= 0.5
    return torch.flatten(y, 1)


def residual(m, x):
    return F.relu(m.bn(m.conv(x)) + x).mean((2, 3))


def several(m, x):
    a = m.fc(x)
    return torch.sigmoid(a), a.softmax(-1), F.gelu(a, approximate="tanh")


def activations(m, x):
    return [F.leaky_relu(x, 0.2), F.elu(x, 0.7), F.silu(x), F.hardtanh(x, -0.5, 0.7), F.relu6(x * 9), F.hardswish(x * 4),
            F.hardsigmoid(x * 4), F.mish(x), torch.erf(x), torch.exp(x), torch.rsqrt(x.abs() + 1), x.clamp(-0.3, 0.4), torch.where(x > 0, x, x * 2)]


def rearrange(m, x):
    y = x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1]).transpose(1, 2)
    return y, torch.cat([y, y * 2], dim=1).sum(-1), x.flatten(2).mean(-1, keepdim=True).squeeze(-1)


IMAGE = (3, 12, 10)
CASES = {
    "linear without bias": (nn.Linear(7, 5, bias=False), (7,)),
    "linear over rank 3": (nn.Linear(7, 5), (4, 7)),
    "mlp with layer norm": (nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.3), nn.Linear(16, 3), nn.LogSoftmax(1)), (6,)),
    "layer norm over two axes without weights": (nn.LayerNorm([5, 6], elementwise_affine=False), (5, 6)),
    "conv1d dilated": (nn.Conv1d(3, 8, 3, dilation=2, padding=2), (3, 20)),
    "conv2d strided and grouped": (nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=3), IMAGE),
    "conv3d": (nn.Conv3d(2, 4, 2), (2, 5, 6, 7)),
    "depthwise separable with batch norm": (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU6(), nn.Conv2d(3, 8, 1)), IMAGE),
    "pooling": (nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, 1, 1, count_include_pad=False), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()), IMAGE),
    "adaptive pooling that divides": (nn.AdaptiveAvgPool2d((4, 5)), IMAGE),
    "batch norm 1d without weights": (nn.BatchNorm1d(6, affine=False), (6,)),
    "in-place chain": (Fn(inplace, conv=nn.Conv2d(3, 4, 3)), IMAGE),
    "residual": (Fn(residual, conv=nn.Conv2d(3, 3, 3, padding=1), bn=nn.BatchNorm2d(3)), IMAGE),
    "several outputs": (Fn(several, fc=nn.Linear(7, 4)), (7,)),
    "activations": (Fn(activations), (3, 9)),
    "rearranging": (Fn(rearrange), IMAGE),
    "channels-last weights": (nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), IMAGE),
    "tied weights": (Fn(lambda m, x: m.b(F.relu(m.a(x))), a=(_l := nn.Linear(6, 6)), b=_l), (6,)),
    "float64": (nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double(), (4,)),
}


def arrays_of(result):
    return [t.detach().numpy() for t in (result if isinstance(result, (tuple, list)) else [result])]


def close(got, want):
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} outputs, expected {len(want)}")
    for i, (g, w) in enumerate(zip(got, want)):
        if g.shape != w.shape or g.dtype != w.dtype:
            raise AssertionError(f"output {i} is {g.dtype}{g.shape}, expected {w.dtype}{w.shape}")
        worst = float(np.max(np.abs(g - w), initial=0)) / max(1e-6, float(np.max(np.abs(w), initial=0)))
        if worst > 1e-5:
            raise AssertionError(f"output {i} differs by {worst:.1e} of the largest")


def judge(name, model, shape, cli, folder):
    torch.manual_seed(abs(hash(name)) % 1000)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    model = model.eval()
    kind = next((p.dtype for p in model.parameters()), torch.float32)
    batches = [torch.randn(n, *shape, dtype=kind) for n in (3, 2)]
    program = torch.export.export(model, (batches[0],), dynamic_shapes=({0: torch.export.Dim("batch")},) if not isinstance(model, Fn) else {"x": ({0: torch.export.Dim("batch")},)}, strict=False)
    torch.export.save(program, folder / "model.pt2")
    subprocess.run([*cli, "convert", str(folder / "model.pt2"), "-o", str(folder / "model.onnx")], check=True, capture_output=True, text=True, timeout=60)
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    for x in batches:
        want = arrays_of(model(x))
        close(session.run(None, {session.get_inputs()[0].name: x.numpy()}), want)
        np.savez(folder / "in.npz", **{session.get_inputs()[0].name: x.numpy()})
        run = [*cli, "run", str(folder / "model.onnx"), "--inputs", str(folder / "in.npz"), "-o", str(folder / "out.npz"), "--overwrite"]
        subprocess.run(run, check=True, capture_output=True, text=True, timeout=60)
        close(list(np.load(folder / "out.npz").values()), want)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--third", default="all")
    parser.add_argument("--cli", default=f"node {ROOT / 'dist' / 'cli' / 'main.js'}")
    options = parser.parse_args()
    passed = failed = 0
    for i, (name, (model, shape)) in enumerate(CASES.items()):
        if options.third != "all" and i % 3 != int(options.third):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                judge(name, model, shape, options.cli.split(), Path(folder))
                passed += 1
                print(f"ok   {name}")
            except subprocess.CalledProcessError as error:
                failed += 1
                print(f"FAIL {name}: exit {error.returncode}: {error.stderr.strip()[:400]}")
            except Exception as error:
                failed += 1
                print(f"FAIL {name}: {type(error).__name__}: {str(error)[:300]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
