#!/usr/bin/env python3
"""Time and memory of training steps beside PyTorch, eager, on the CPU: forward, backward and AdamW, round by round in turns.

    python bench/training.py [--only mlp cnn] [--rounds 5] [--threads 1] [--backend cpu] [--json FILE]

The ratio is PyTorch's median time over ours: above 1 we are faster. Memory is the most that each process took, PyTorch's without what
importing it takes.
"""
import argparse
import json
import multiprocessing as mp
import resource
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[1]


def models():
    """name: (module, input, target); targets are classes, or numbers for a mean squared error."""
    import torch.nn as nn

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = nn.LSTM(32, 128, batch_first=True), nn.Linear(128, 10)

        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    class Block(nn.Module):
        def __init__(self, d=256, heads=4):
            super().__init__()
            self.heads = heads
            self.n1, self.qkv, self.o = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.n2, self.f1, self.f2, self.act = nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.Linear(4 * d, d), nn.GELU()

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = (z.view(b, t, self.heads, d // self.heads).transpose(1, 2) for z in self.qkv(self.n1(x)).chunk(3, -1))
            a = (q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5).softmax(-1) @ v
            x = x + self.o(a.transpose(1, 2).reshape(b, t, d))
            return x + self.f2(self.act(self.f1(self.n2(x))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks, self.head = nn.Sequential(*[Block() for _ in range(4)]), nn.Linear(256, 10)

        def forward(self, x):
            return self.head(self.blocks(x).mean(1))

    class Residual(nn.Module):
        def __init__(self, i, o, s):
            super().__init__()
            self.c1, self.b1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
            self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            self.act = nn.ReLU()
            self.down = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)) if s != 1 or i != o else nn.Identity()

        def forward(self, x):
            return self.act(self.b2(self.c2(self.act(self.b1(self.c1(x))))) + self.down(x))

    def resnet18():
        stages = [Residual(i, o, s) for i, o, s in ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))]
        return nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))

    def cnn():
        return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))

    def mlp():
        return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

    return {
        "mlp": (mlp, (64, 784), 10),
        "cnn": (cnn, (32, 1, 28, 28), 10),
        "lstm": (Last, (32, 20, 32), 10),
        "transformer": (Transformer, (8, 64, 256), 10),
        "resnet18": (resnet18, (8, 3, 224, 224), 1000),
    }


def theirs(name, folder, threads, pipe):
    """PyTorch in a process of its own: exports the model, then so many steps as it is asked for."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    make, shape, classes = models()[name]
    model = make().train()
    r = np.random.default_rng(0)
    x, t = r.standard_normal(shape).astype(np.float32), r.integers(0, classes, shape[0])
    np.savez(folder / "data.npz", x=x, target=t)
    torch.onnx.export(model, torch.from_numpy(x), folder / "net.onnx", dynamo=False, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False, input_names=["x"], output_names=["y"], opset_version=17, verbose=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    optimizer = torch.optim.AdamW(model.parameters())
    x, t = torch.from_numpy(x), torch.from_numpy(t)
    pipe.send("ready")
    while (count := pipe.recv()) is not None:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), t)
            loss.backward()
            optimizer.step()
            times.append(1000 * (time.perf_counter() - start))
        pipe.send(dict(times=times, loss=float(loss), peak=(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024))


def measure(name, a):
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        ours_pipe, their_pipe = mp.get_context("spawn").Pipe()
        peer = mp.get_context("spawn").Process(target=theirs, args=(name, folder, a.threads, their_pipe))
        peer.start()
        ours_pipe.recv()
        command = ["node", str(ROOT / "bench/training.mjs"), folder / "net.onnx", folder / "data.npz", "cross_entropy", a.backend, str(a.threads)]
        node = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        json.loads(node.stdout.readline())
        times = {"omnix": [], "torch": []}
        for round in range(a.rounds + 1):
            ours_pipe.send(a.steps)
            torch = ours_pipe.recv()
            node.stdin.write(f"{a.steps}\n")
            node.stdin.flush()
            omnix = json.loads(node.stdout.readline())
            if round > 0:  # The first round warms up.
                times["torch"] += torch["times"]
                times["omnix"] += omnix["times"]
        ours_pipe.send(None)
        node.stdin.close()
        node.wait()
        peer.join()
        ours, peers = (statistics.median(times[k]) for k in ("omnix", "torch"))
        return dict(model=name, omnix_ms=ours, torch_ms=peers, ratio=peers / ours, omnix_peak=omnix["peak"], torch_peak=torch["peak"], omnix_loss=omnix["loss"], torch_loss=torch["loss"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--only", nargs="*", default=["mlp", "cnn", "lstm", "transformer", "resnet18"])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--steps", type=int, default=3, help="steps in a round")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--backend", default="cpu")
    ap.add_argument("--json")
    a = ap.parse_args()
    rows = []
    print(f"{'model':12} {'omnix':>10} {'PyTorch':>10} {'ratio':>6} {'memory':>9} {'PyTorch':>9}  loss of both")
    for name in a.only:
        r = measure(name, a)
        rows.append(r)
        mb = lambda b: f"{b / 1e6:.0f} MB"
        print(f"{name:12} {r['omnix_ms']:7.1f} ms {r['torch_ms']:7.1f} ms {r['ratio']:6.2f} {mb(r['omnix_peak']):>9} {mb(r['torch_peak']):>9}  {r['omnix_loss']:.5f} {r['torch_loss']:.5f}", flush=True)
    if a.json:
        Path(a.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
