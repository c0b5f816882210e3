#!/usr/bin/env python3
"""Makes the models of this folder with real PyTorch: weights from a fixed seed, references from eager PyTorch.

    python models/export.py [OUT]        needs torch 2.15, torchvision, transformers, onnx, onnxscript and numpy

Each model gets a folder with model.pt2 (torch.export), model.onnx (torch.onnx.export), inputs.npz and outputs.npz, and a row in
manifest.json. Batch sizes, and lengths of text, are dynamic.
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


def slim_mobilenet():
    from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

    settings, last = _mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.25)
    return MobileNetV3(settings, last, num_classes=10)


def vit_block():
    from torchvision.models.vision_transformer import VisionTransformer

    model = VisionTransformer(image_size=32, patch_size=8, num_layers=1, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10)
    nn.init.normal_(model.heads.head.weight, std=0.1)
    nn.init.normal_(model.class_token, std=0.1)
    return model


def bert_block():
    from transformers import BertConfig, BertModel

    class Padded(nn.Module):
        """The mask of padding is given as the layers add it, so that nothing is looked up in it."""

        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, token_type_ids, attention_mask):
            mask = (1.0 - attention_mask[:, None, None, :].float()) * -1e9
            result = self.model(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=mask)
            return result.last_hidden_state, result.pooler_output

    config = BertConfig(vocab_size=200, hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=128, max_position_embeddings=64)
    return Padded(BertModel(config))


def gpt2_block():
    from transformers import GPT2Config, GPT2LMHeadModel

    class Causal(nn.Module):
        """The causal mask is given as the layers add it, so that nothing is looked up in it."""

        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            length = input_ids.shape[1]
            mask = torch.full((length, length), -1e9).triu(1)[None, None]
            return self.model(input_ids=input_ids, attention_mask=mask).logits

    config = GPT2Config(vocab_size=200, n_embd=64, n_layer=1, n_head=4, n_positions=64, use_cache=False, bos_token_id=1, eos_token_id=2)
    return Causal(GPT2LMHeadModel(config))


def padded_text():
    mask = torch.ones(2, 12, dtype=torch.int64)
    mask[1, 9:] = 0
    types = torch.zeros_like(mask)
    types[:, 6:] = 1
    return {"input_ids": torch.randint(0, 200, (2, 12)), "token_type_ids": types, "attention_mask": mask}


BATCH = {0: "batch"}
TEXT = {0: "batch", 1: "sequence"}
# Name: how it is made, sample inputs, their open axes, names of the outputs, what it is.
MODELS = {
    "simple-nn": (simple_nn, lambda: {"input": torch.randn(4, 2)}, BATCH, ["output"], "Linear 2-10, ReLU, Linear 10-1, Sigmoid"),
    "slim-resnet18": (SlimResNet, lambda: {"x": torch.randn(2, 3, 64, 64)}, BATCH, ["output"], "residual CNN with BatchNorm, ResNet-18 at 1/8 width"),
    "slim-mobilenet-v3": (slim_mobilenet, lambda: {"x": torch.randn(2, 3, 64, 64)}, BATCH, ["output"],
                          "inverted-residual CNN with squeeze-excite and hard-swish, MobileNetV3-Small at 1/4 width"),
    "vit-block": (vit_block, lambda: {"x": torch.randn(2, 3, 32, 32)}, BATCH, ["output"], "vision transformer of one block"),
    "bert-block": (bert_block, padded_text, TEXT, ["last_hidden_state", "pooler_output"], "BERT of one block, padded text"),
    "gpt2-block": (gpt2_block, lambda: {"input_ids": torch.randint(0, 200, (2, 12))}, TEXT, ["logits"], "GPT-2 of one block"),
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


def export(folder, make, sample, axes, output_names):
    torch.manual_seed(0)
    model = settle(make())
    inputs = sample()
    arguments = tuple(inputs.values())
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"batch": torch.export.Dim("batch", min=1, max=4096), "sequence": torch.export.Dim("sequence", min=2, max=64)}
    shapes = tuple({axis: sizes[name] for axis, name in axes.items()} for _ in arguments)
    program = torch.export.export(model, arguments, dynamic_shapes=shapes, strict=False)
    for graph in [m.graph for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]:
        for node in graph.nodes:
            if node.stack_trace:
                node.meta["stack_trace"] = without_folders(node.stack_trace)
    torch.export.save(program, folder / "model.pt2")
    torch.onnx.export(model, arguments, folder / "model.onnx", dynamo=True, external_data=False, opset_version=18, verbose=False,
                      input_names=list(inputs), output_names=output_names, dynamic_shapes=shapes)
    exported = onnx.load(folder / "model.onnx")
    for node in exported.graph.node:
        for entry in node.metadata_props:
            entry.value = without_folders(entry.value)
    onnx.save(exported, folder / "model.onnx")
    with torch.no_grad():
        outputs = model(*arguments)
    np.savez(folder / "inputs.npz", **{name: value.numpy() for name, value in inputs.items()})
    np.savez(folder / "outputs.npz", **dict(zip(output_names, [t.numpy() for t in (outputs if isinstance(outputs, tuple) else (outputs,))])))
    return sum(p.numel() for p in model.parameters())


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    rows = []
    for name, (make, sample, axes, output_names, what) in MODELS.items():
        parameters = export(out / name, make, sample, axes, output_names)
        rows.append({"name": name, "what": what, "files": ["model.pt2", "model.onnx"], "parameters": parameters, "torch": torch.__version__.split("+")[0]})
    (out / "manifest.json").write_text(json.dumps(rows, indent=2) + "\n")


main()
