#!/usr/bin/env python3
"""Full-size exported programs to ONNX: time, peak memory and node count beside torch.onnx.export, and a check by ONNX Runtime.

    python bench/exported.py [--only resnet18 ...] [--no-peer] [--folder FOLDER]

Needs torch, torchvision, transformers, onnx, onnxscript, onnxruntime and a build of the library. Programs are exported once, into
FOLDER (BENCH_FOLDER, else a folder of the system's temporary one), with random weights. Both converters start as a process of their own
and read the same .pt2 file.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BATCH = {0: "batch"}


def vision(name):
    import torch
    import torchvision

    model = getattr(torchvision.models, name)(weights=None).eval()
    if name.startswith("vit"):
        torch.nn.init.normal_(model.heads.head.weight, std=0.1)
    return model, (torch.randn(2, 3, 224, 224),)


def transformer(kind):
    import torch
    import transformers

    config, model = {
        "bert-base": (transformers.BertConfig(), transformers.BertModel),
        "gpt2": (transformers.GPT2Config(use_cache=False), transformers.GPT2LMHeadModel),
        "llama-1b": (transformers.LlamaConfig(hidden_size=2048, intermediate_size=5632, num_hidden_layers=18, num_attention_heads=32, num_key_value_heads=4,
                                              vocab_size=32000, use_cache=False), transformers.LlamaForCausalLM),
    }[kind]
    ids = torch.randint(0, 1000, (2, 24))
    return Result(model(config).eval()), (ids, torch.ones_like(ids))


def Result(model):
    import torch

    class First(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask)[0]

    return First()


MODELS = {
    "resnet18": vision, "resnet50": vision, "mobilenet_v3_large": vision, "efficientnet_b0": vision, "vit_b_16": vision,
    "bert-base": transformer, "gpt2": transformer, "llama-1b": transformer,
}


def make(name, folder):
    import numpy as np
    import torch

    torch.manual_seed(0)
    model, inputs = MODELS[name](name)
    sizes = {0: torch.export.Dim.AUTO} if MODELS[name] is vision else {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    with torch.no_grad():
        want = model(*inputs)
        program = torch.export.export(model, inputs, dynamic_shapes=tuple(dict(sizes) for _ in inputs), strict=False)
    torch.export.save(program, folder / f"{name}.pt2")
    np.savez(folder / f"{name}.npz", *[t.numpy() for t in inputs], want=want.numpy())


def peer(source, target):
    import torch

    torch.onnx.export(torch.export.load(source), (), target, dynamo=True, optimize=True, external_data=True, verbose=False)


def measured(command):
    """Seconds and peak resident MB of a process."""
    start = time.time()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            log.seek(0)
            return None, log.read().decode(errors="replace").strip()[-300:]
    return time.time() - start, usage.ru_maxrss / 1024


def nodes(path):
    import onnx

    return len(onnx.load(path, load_external_data=False).graph.node)


def check(name, folder, path):
    import numpy as np
    import onnxruntime as ort

    arrays = np.load(folder / f"{name}.npz")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = [arrays[k] for k in arrays.files if k != "want"]
    got = session.run(None, dict(zip([i.name for i in session.get_inputs()], inputs)))[0]
    return float(np.max(np.abs(got - arrays["want"])) / np.max(np.abs(arrays["want"])))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(MODELS))
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("BENCH_FOLDER", Path(tempfile.gettempdir()) / "omnix-bench")))
    parser.add_argument("--step", nargs=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.step:
        step, name = options.step
        make(name, options.folder) if step == "make" else peer(options.folder / f"{name}.pt2", options.folder / "peer" / f"{name}.onnx")
        return
    itself = [sys.executable, __file__, "--folder", str(options.folder), "--step"]
    print(f"{'model':20} {'weights':>9} | {'omnix':>8} {'peak':>8} {'nodes':>6} {'÷ largest':>9} | {'torch':>8} {'peak':>8} {'nodes':>6} | {'faster':>7}")
    for name in options.only:
        source = options.folder / f"{name}.pt2"
        if not source.exists():
            subprocess.run([*itself, "make", name], check=True, capture_output=True)
        ours, theirs = options.folder / "ours" / f"{name}.onnx", options.folder / "peer" / f"{name}.onnx"
        for path in (ours, theirs):
            path.parent.mkdir(exist_ok=True)
        seconds, peak = measured(["node", str(ROOT / "dist" / "cli" / "main.js"), "convert", str(source), "-o", str(ours), "--external-data", "--overwrite"])
        if seconds is None:
            print(f"{name:20} FAIL {peak}")
            continue
        off = check(name, options.folder, ours)
        row = f"{name:20} {source.stat().st_size / 1e6:6.0f} MB | {seconds:6.2f} s {peak:5.0f} MB {nodes(ours):6} {off:9.1e} |"
        if not options.no_peer:
            seconds2, peak2 = measured([*itself, "peer", name])
            row += f" FAIL {peak2}" if seconds2 is None else f" {seconds2:6.1f} s {peak2:5.0f} MB {nodes(theirs):6} | {seconds2 / seconds:6.1f}x"
        print(row, flush=True)


main()
