#!/usr/bin/env python3
"""Models for bench/executor.mjs and bench/webgpu, exported by PyTorch with random weights, and their inputs.

    python bench/executor_models.py FOLDER [NAME ...]

Needs torch, torchvision, transformers, onnx and onnxscript, and onnxruntime for models that it quantises. What is there already is not made again.
"""
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

IMAGE = (1, 3, 224, 224)


def vision(name, **options):
    import torchvision

    return getattr(torchvision.models, name)(weights=None, **options).eval(), (torch.randn(IMAGE),)


def vit():
    from torchvision.models.vision_transformer import VisionTransformer

    model = VisionTransformer(image_size=224, patch_size=16, num_layers=4, num_heads=12, hidden_dim=768, mlp_dim=3072).eval()
    nn.init.normal_(model.heads.head.weight, std=0.1)
    return model, (torch.randn(IMAGE),)


def bert(layers=12):
    import transformers

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = transformers.BertModel(transformers.BertConfig(num_hidden_layers=layers), add_pooling_layer=False)

        def forward(self, input_ids, attention_mask):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]

    return Encoder().eval(), (torch.randint(0, 30000, (1, 128)), torch.ones(1, 128, dtype=torch.int64))


class Block(nn.Module):
    """A block of GPT-2 that attends to a cache of keys and values."""

    def __init__(self, width=768, heads=12):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, keys, values):
        batch, steps, width = x.shape
        q, k, v = (t.view(batch, steps, self.heads, width // self.heads).transpose(1, 2) for t in self.attention(self.ln_1(x)).chunk(3, -1))
        k, v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
        x = x + self.project(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, steps, width))
        return x + self.down(nn.functional.gelu(self.up(self.ln_2(x)), approximate="tanh")), k, v


class Decoder(nn.Module):
    """One step of GPT-2 small; each layer's cache goes in and comes out longer by one."""

    def __init__(self, layers=12, width=768, words=50257):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(1024, width)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids, place, keys, values):
        x = self.words(ids) + self.places(place)
        more_keys, more_values = [], []
        for block, k, v in zip(self.blocks, keys.unbind(0), values.unbind(0)):
            x, k, v = block(x, k, v)
            more_keys.append(k), more_values.append(v)
        return self.norm(x) @ self.words.weight.T, torch.stack(more_keys), torch.stack(more_values)


def gpt2(layers=12):
    cache = torch.randn(layers, 1, 12, 128, 64)
    return Decoder(layers).eval(), (torch.tensor([[7]]), torch.tensor([[128]]), cache, torch.randn_like(cache)), {"ids": {}, "place": {}, "keys": {3: "past"}, "values": {3: "past"}}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(128, 256, num_layers=2, batch_first=True), nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class UNet(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128)):
        super().__init__()
        pair = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())
        self.down = nn.ModuleList(pair(a, b) for a, b in zip((3, *widths), widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths, widths[1:]))
        self.join = nn.ModuleList(pair(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for up, join, skip in reversed(list(zip(self.up, self.join, skips))):
            x = join(torch.cat([up(x), skip], 1))
        return torch.sigmoid(self.head(x))


class SuperResolution(nn.Module):
    def __init__(self, scale=3):
        super().__init__()
        sizes = [(1, 64, 5), (64, 64, 3), (64, 32, 3), (32, scale**2, 3)]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, k, padding=k // 2) for a, b, k in sizes)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        for conv in self.convs[:-1]:
            x = torch.relu(conv(x))
        return self.shuffle(self.convs[-1](x))


def product():
    layer = nn.Linear(1024, 1024, bias=False)
    return layer.eval(), (torch.randn(1024, 1024),)


def convolution():
    return nn.Conv2d(64, 64, 3, padding=1).eval(), (torch.randn(8, 64, 56, 56),)


MODELS = {
    "matmul_1024": product,
    "conv_3x3": convolution,
    "resnet18": lambda: vision("resnet18"),
    "resnet50": lambda: vision("resnet50"),
    "mobilenet_v2": lambda: vision("mobilenet_v2"),
    "mobilenet_v3_large": lambda: vision("mobilenet_v3_large"),
    "efficientnet_b0": lambda: vision("efficientnet_b0"),
    "vit_b_16_4": vit,
    "bert_base_128": bert,
    "gpt2_decode": gpt2,
    "bert_4_128": lambda: bert(4),
    "gpt2_4_decode": lambda: gpt2(4),
    "lstm": lambda: (Recurrent().eval(), (torch.randn(1, 50, 128),)),
    "unet": lambda: (UNet().eval(), (torch.randn(1, 3, 128, 128),)),
    "super_resolution": lambda: (SuperResolution().eval(), (torch.randn(1, 1, 112, 112),)),
}


def static_int8(source, target, inputs):
    """QuantizeLinear and DequantizeLinear around layers, weights by channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter([inputs])

        def get_next(self):
            return next(self.left, None)

    quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def four_bits(source, target, inputs):
    """MatMulNBits with a scale for 32 weights."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), False)


# Models that ONNX Runtime makes of others.
QUANTIZED = {"resnet50_int8": ("resnet50", static_int8), "gpt2_decode_int4": ("gpt2_decode", four_bits)}


def quantize(folder, name):
    source, make = QUANTIZED[name]
    inputs = dict(np.load(folder / f"{source}.npz"))
    make(folder / f"{source}.onnx", folder / f"{name}.onnx", inputs)
    np.savez(folder / f"{name}.npz", **inputs)
    print(name, flush=True)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or [*MODELS, *QUANTIZED]:
        target = folder / f"{name}.onnx"
        if target.exists():
            continue
        if name in QUANTIZED:
            quantize(folder, name)
            continue
        torch.manual_seed(0)
        model, inputs, *sizes = MODELS[name]()
        with torch.no_grad():
            model(*inputs)
            torch.onnx.export(model, inputs, target, dynamo=True, optimize=True, external_data=False, verbose=False, dynamic_shapes=sizes[0] if sizes else None)
        import onnx

        names = [i.name for i in onnx.load(target).graph.input]
        np.savez(folder / f"{name}.npz", **{n: t.numpy() for n, t in zip(names, inputs)})
        print(name, flush=True)


main()
