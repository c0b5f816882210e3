#!/usr/bin/env python3
"""Makes the models of this folder with real PyTorch: weights from a fixed seed, references from eager PyTorch.

    python models/export.py [OUT]        needs torch 2.15, onnx, onnxscript and numpy

Each model gets a folder with model.pt2 (torch.export), model.onnx (torch.onnx.export), inputs.npz and outputs.npz, and a row in
manifest.json. Batch sizes are dynamic.
"""
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn as nn

warnings.filterwarnings("ignore")


class Block(nn.Module):
    """A residual block of two 3x3 convolutions, with a projection where the size changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class SlimResNet(nn.Module):
    """ResNet-18's plan at an eighth of its width, for 64x64 images and ten classes."""

    def __init__(self, width=8, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(*(
            nn.Sequential(Block(before, after, 1 if i == 0 else 2), Block(after, after, 1))
            for i, (before, after) in enumerate(zip([width] + widths, widths))
        ))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.stages(x)), 1))


def simple_nn():
    return nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())


MODELS = {
    "simple-nn": (simple_nn, "input", lambda: torch.randn(4, 2), "Linear 2-10, ReLU, Linear 10-1, Sigmoid"),
    "slim-resnet18": (SlimResNet, "x", lambda: torch.randn(2, 3, 64, 64), "residual CNN with BatchNorm, ResNet-18 at 1/8 width"),
}


def without_folders(trace):
    """File names of a stack trace without the folders of the machine that made it."""
    return re.sub(r'File "(?:[^"]*site-packages/|[^"]*/)', 'File "', trace)


def settle(model):
    """Give normalisation layers statistics and weights that matter."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, std=0.1)
    return model.eval()


def export(folder, make, input_name, sample):
    torch.manual_seed(0)
    model = settle(make())
    x = sample()
    folder.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},), strict=False)
    for node in program.graph.nodes:
        if node.stack_trace:
            node.meta["stack_trace"] = without_folders(node.stack_trace)
    torch.export.save(program, folder / "model.pt2")
    torch.onnx.export(model, (x,), folder / "model.onnx", dynamo=True, external_data=False, opset_version=18, verbose=False,
                      input_names=[input_name], output_names=["output"], dynamic_shapes=({0: batch},))
    exported = onnx.load(folder / "model.onnx")
    for node in exported.graph.node:
        for entry in node.metadata_props:
            entry.value = without_folders(entry.value)
    onnx.save(exported, folder / "model.onnx")
    with torch.no_grad():
        y = model(x)
    np.savez(folder / "inputs.npz", **{input_name: x.numpy()})
    np.savez(folder / "outputs.npz", output=y.numpy())
    return sum(p.numel() for p in model.parameters())


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    rows = []
    for name, (make, input_name, sample, what) in MODELS.items():
        parameters = export(out / name, make, input_name, sample)
        rows.append({"name": name, "what": what, "files": ["model.pt2", "model.onnx"], "parameters": parameters, "torch": torch.__version__.split("+")[0]})
    (out / "manifest.json").write_text(json.dumps(rows, indent=2) + "\n")


main()
