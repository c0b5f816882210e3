#!/usr/bin/env python3
"""A vision model that knows the digits 0 to 4 gets a head for all ten and is trained on by `omnix train` and by PyTorch, from the same
weights on the same batches: all of its layers, and the head alone. The images are scikit-learn's; its wheel is fetched once into FOLDER,
and where it cannot be fetched nothing is judged. PyTorch computes in float64: its convolutions of float32 are further from that than ours, and
steps make small differences large.

    python test/interop/training_digits.py FOLDER
"""
import argparse
import copy
import gzip
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torchvision.models.resnet import BasicBlock, ResNet

sys.path.insert(0, str(Path(__file__).resolve().parent))
from training_example import export, losses_of, outputs, run  # noqa: E402
from wheels import fetch  # noqa: E402

warnings.filterwarnings("ignore")
torch.set_num_threads(2)
PACKAGE, TABLE = "scikit-learn==1.7.2", "sklearn/datasets/data/digits.csv.gz"
BATCH, EPOCHS, RATE = 32, 3, 0.02
# Half a point, and losses as near as float32 lets them be over the first steps.
MOST_APART, FIRST = 0.005, 10


def digits(table):
    """Images of three channels, 16 by 16, in an order by chance: three quarters to train on, the rest to judge by."""
    with gzip.open(table, "rt") as text:
        rows = np.loadtxt(text, delimiter=",", dtype=np.float32)
    rows = np.random.default_rng(0).permutation(rows)
    x = np.repeat(np.kron(rows[:, :-1].reshape(-1, 1, 8, 8) / 16, np.ones((1, 1, 2, 2), np.float32)), 3, axis=1)
    t = rows[:, -1].astype(np.int64)
    part = len(x) * 3 // 4
    return (x[:part], t[:part]), (x[part:], t[part:])


def train(model, parameters, x, t, epochs, dtype=torch.float32):
    """SGD with momentum on batches in order, the rate falling to nothing; the losses."""
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(x) // BATCH))
    losses = []
    for _ in range(epochs):
        for k in range(0, len(x), BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.from_numpy(x[k : k + BATCH]).to(dtype)), torch.from_numpy(t[k : k + BATCH]))
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss))
    return losses


def pretrained(x, t):
    torch.manual_seed(0)
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5)
    train(model, model.parameters(), x[t < 5], t[t < 5], 2)
    return model


def judge(model, data, held, folder, head_only):
    (x, t), (held_x, held_t) = data, held
    np.savez(folder / "data.npz", x=x, target=t)
    np.savez(folder / "held.npz", x=held_x, target=held_t)
    export(copy.deepcopy(model).eval(), torch.from_numpy(x[:2]), folder / "net.onnx")
    frozen = ["--trainable", "fc.*", "--batch-norm", "frozen"] if head_only else []
    common = ["train", folder / "net.onnx", "--data", folder / "data.npz", "--no-shuffle", "--batch", BATCH, "--replace-head", 10]
    common += ["--loss", "cross_entropy", "--optimizer", "sgd:momentum=0.9", *frozen]
    # A rate of zero leaves the new head as it begins.
    run(*common, "--steps", 1, "--lr", 0, "-o", folder / "start.safetensors")
    judged = ["--validation", folder / "held.npz", "--metrics", "accuracy"]
    schedule = f"cosine:T_max={EPOCHS * -(-len(x) // BATCH)},every=step"
    run(*common, "--epochs", EPOCHS, "--lr", RATE, "--schedule", schedule, *judged, "--log", folder / "log.jsonl", "-o", folder / "trained.onnx")
    got = losses_of(folder / "log.jsonl")

    start = load_file(folder / "start.safetensors")
    ours = (outputs(folder / "trained.onnx", held_x).argmax(1) == held_t).mean()

    own = copy.deepcopy(model)
    own.fc = torch.nn.Linear(512, 10)
    own.fc.load_state_dict({"weight": start["fc.weight"], "bias": start["fc.bias"]})
    own = own.double().train(not head_only)
    want = train(own, (own.fc if head_only else own).parameters(), x, t, EPOCHS, torch.float64)
    own.eval()
    with torch.no_grad():
        accuracy = (own(torch.from_numpy(held_x).double()).argmax(1).numpy() == held_t).mean()
    print(f"   accuracy {ours:.4f}, PyTorch {accuracy:.4f}; last losses {np.mean(got[-20:]):.5f}, PyTorch {np.mean(want[-20:]):.5f}", flush=True)
    if not np.allclose(got[:FIRST], want[:FIRST], rtol=1e-3, atol=1e-4):
        return f"the first losses are {got[:FIRST]}, PyTorch's {want[:FIRST]}"
    return None if abs(ours - accuracy) <= MOST_APART else f"accuracies differ by {abs(ours - accuracy):.4f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    home = fetch(PACKAGE, parser.parse_args().folder, lambda name: name == TABLE)
    if not home:
        print("0 passed, 0 failed")
        return
    data, held = digits(home / TABLE)
    model = pretrained(*data)
    failed = 0
    for name, head_only in {"all layers": False, "the head alone": True}.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                problem = judge(model, data, held, Path(folder), head_only)
            except RuntimeError as error:
                problem = str(error)
        failed += problem is not None
        print(f"{'ok' if problem is None else 'FAILED'} {name}{'' if problem is None else ': ' + problem}", flush=True)
    print(f"{2 - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
