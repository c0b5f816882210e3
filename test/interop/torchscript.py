#!/usr/bin/env python3
"""Programs of torch.jit, traced, scripted and frozen: converted, and judged by PyTorch and ONNX Runtime.

    python test/interop/torchscript.py [--only 'loop*'] [--third 0|1|2|all] [--vision] [--keep FOLDER] [-v]

Every program is one below, of the language TorchScript has; --vision adds torchvision's architectures, scripted and frozen. Each runs on
two sets of inputs. The last line is `N passed, N failed`.
"""
import argparse
import fnmatch
import math
import subprocess
import sys
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import Dict, Final, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from wheels import fetch  # noqa: E402

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
rand = torch.randn
PROGRAMS = {}


def program(*inputs, ways=("script", "trace", "freeze")):
    """Adds a module under its name with the sets of inputs that it runs on."""

    def add(kind):
        PROGRAMS[kind.__name__] = (kind, inputs, ways)
        return kind

    return add


@program((rand(2, 6),), (rand(5, 6),))
class InPlaceViews(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[:, 0] = 1.0
        y[:, 1:3].add_(2.0)
        z = y.view(-1, 3)
        z.mul_(2)
        y[0].zero_()
        return y, z


@program((rand(3, 4),), (rand(3, 4) - 5,), ways=("script", "freeze"))
class BranchOnData(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            y = x * 2
            n = 1
        else:
            y = x - 1
            n = 2
        return y + n


@program((rand(3, 4),), (rand(3, 4) - 5,), ways=("script", "freeze"))
class BranchWritesInPlace(nn.Module):
    def forward(self, x):
        y = x.clone()
        v = y[0]
        if x.sum() > 0:
            v.add_(1)
        else:
            y[1].mul_(3)
        return y, v


@program((rand(3, 4), torch.tensor(3)), (rand(3, 4), torch.tensor(0)), ways=("script", "freeze"))
class LoopByData(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, n):
        total = 0.0
        for i in range(int(n.item())):
            x = torch.tanh(self.fc(x)) + i
            total += 0.5
        return x * total


@program((rand(7, 2, 4),), (rand(3, 2, 4),), ways=("script", "freeze"))
class LoopOverTime(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 5)

    def forward(self, x):
        h = torch.zeros(x.size(1), 5)
        for t in range(x.size(0)):
            h = self.cell(x[t], h)
        return h


@program((rand(7, 2, 4),), (rand(3, 2, 4),), ways=("script", "freeze"))
class LoopCollects(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 5)

    def forward(self, x):
        outputs: List[Tensor] = []
        h = torch.zeros(x.size(1), 5)
        c = torch.zeros(x.size(1), 5)
        for t in range(x.size(0)):
            h, c = self.cell(x[t], (h, c))
            outputs.append(h)
        return torch.stack(outputs), h


@program((rand(6, 4),), (rand(2, 4),), ways=("script", "freeze"))
class LoopWritesRows(nn.Module):
    def forward(self, x):
        y = torch.zeros_like(x)
        for i in range(x.size(0)):
            y[i] = x[i] * i
        return y


@program((rand(2, 4) * 10,), (rand(2, 4) * 0.1,), ways=("script", "freeze"))
class WhileByData(nn.Module):
    def forward(self, x):
        k = 0
        while bool(x.abs().max() > 1.0) and k < 50:
            x = x / 2
            k += 1
        return x, torch.tensor(k)


@program((rand(2, 4) * 10,), (rand(2, 4) * 0.1,), ways=("script", "freeze"))
class BreakAndContinue(nn.Module):
    def forward(self, x):
        total = torch.zeros(4)
        for i in range(10):
            if i == 2:
                continue
            total = total + x * i
            if bool(total.sum() > 20.0):
                break
        return total


@program((rand(3, 4),), (rand(1, 4),), ways=("script", "freeze"))
class EarlyReturn(nn.Module):
    def pick(self, x: Tensor) -> Tensor:
        if bool(x.mean() > 0):
            return x + 1
        if bool(x.max() > 1):
            return x * 2
        return x

    def forward(self, x):
        return self.pick(x) * 3


@program((rand(3, 4),), (rand(5, 4),), ways=("script", "freeze"))
class ForksAndContexts(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def part(self, x: Tensor, k: int) -> Tensor:
        return self.fc(x) * k

    def forward(self, x):
        waiting: List[torch.jit.Future[Tensor]] = []
        for i in range(3):
            waiting.append(torch.jit.fork(self.part, x + i, i + 1))
        with torch.no_grad():
            y = torch.jit.wait(waiting[0])
            if bool(x.sum() > 0):
                y = y + 1
        return y + torch.jit.wait(waiting[1]), torch.jit.wait(waiting[2])


@program((rand(3, 4), rand(3, 4)), (rand(5, 4), rand(5, 4)), ways=("script", "freeze"))
class NestedResults(nn.Module):
    def forward(self, x, y):
        inner: Dict[str, Tuple[Tensor, List[Tensor]]] = {"p": (x, [y, x + y]), "q": (y, [x])}
        return {"a": inner["p"], "b": inner["q"]}, [x * 2, y * 2]


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


@program((rand(3, 4),), (rand(5, 4),), ways=("script", "freeze"))
class NamedResult(nn.Module):
    def forward(self, x):
        return Pair(x + 1, x.sum(1))


@program((rand(3, 4),), (rand(5, 4),), ways=("script", "freeze"))
class DictResult(nn.Module):
    def forward(self, x):
        out: Dict[str, Tensor] = {}
        out["a"] = x * 2
        if "b" not in out:
            out["b"] = x.mean(dim=1)
        return {k: v + 1 for k, v in out.items()}


@program((rand(3, 4),), (rand(5, 4),))
class Containers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.named = nn.ModuleDict({"x": nn.ReLU(), "y": nn.Tanh()})
        self.scales = [0.5, 1.0, 2.0]

    def forward(self, x):
        ys = []
        for i, layer in enumerate(self.layers):
            x = layer(x) * self.scales[i]
            ys.append(x)
        for name, act in self.named.items():
            x = act(x)
        return torch.cat(ys + [x], dim=1)


@program((rand(3, 4),), (rand(5, 4),), ways=("script", "freeze"))
class Optionals(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale: Optional[float] = 2.0
        self.bias: Optional[Tensor] = None

    def helper(self, x: Tensor, mask: Optional[Tensor] = None, mode: str = "sum") -> Tensor:
        if mask is not None:
            x = x.masked_fill(mask, 0.0)
        if mode == "sum":
            return x.sum(1)
        elif mode == "mean":
            return x.mean(1)
        raise ValueError("mode {}".format(mode))

    def forward(self, x, y: Optional[Tensor] = None):
        scale = self.scale
        if scale is not None:
            x = x * scale
        if y is None:
            y = torch.ones_like(x)
        return self.helper(x + y, x > 0, "mean")


@program((rand(2, 3, 8, 8),), (rand(4, 3, 8, 8),))
class Resize(nn.Module):
    def forward(self, x):
        a = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        b = nn.functional.interpolate(x, size=[5, 5], mode="nearest")
        return a, b, nn.functional.avg_pool2d(x, 2), nn.functional.max_pool2d(x, 3, 2, 1)


@program((rand(2, 3, 9, 7),), (rand(1, 3, 12, 5),), ways=("script", "trace"))
class ShapeArithmetic(nn.Module):
    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c * h, w).transpose(1, 2)
        pad = (4 - h % 4) % 4
        x = nn.functional.pad(x, [0, pad, 0, 1])
        return x.flatten(1), torch.arange(w) * 2 + h // 2


@program((rand(2, 10, 16),), (rand(3, 4, 16),))
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x)


@program((rand(2, 10, 16), rand(2, 5, 16)), (rand(3, 4, 16), rand(3, 6, 16)))
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), 1)

    def forward(self, x, memory):
        return self.decoder(x, memory)


@program((rand(5, 2, 8),), (rand(3, 4, 8),))
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True)
        self.gru = nn.GRU(12, 4)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        z, n = self.gru(y)
        return z, h, c, n


@program((rand(3, 4),), (rand(5, 4),), ways=("script", "trace"))
class Counts(nn.Module):
    """Writes its own buffers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x):
        self.seen.add_(x.sum(0))
        return x + self.seen


@program((rand(3, 4),), (rand(3, 4),), (rand(3, 4),), ways=("script",))
class Rebinds(nn.Module):
    """Hands a tensor, a pair and a number from call to call."""

    pair: Optional[Tuple[Tensor, Tensor]]

    def __init__(self):
        super().__init__()
        self.total = torch.zeros(3, 4)
        self.pair = None
        self.calls = 0
        self.cell = nn.LSTMCell(4, 4)

    def forward(self, x):
        pair = self.pair
        if pair is None:
            pair = (torch.zeros_like(x), torch.zeros_like(x))
        pair = self.cell(x, pair)
        self.pair = pair
        self.total = self.total + pair[0] * float(self.calls)
        self.calls += 1
        return self.total, pair[0]


@program((rand(3, 4), rand(3, 4)), (rand(2, 4), rand(2, 4)), ways=("script", "freeze"))
class TupleInput(nn.Module):
    def forward(self, pair: Tuple[Tensor, Tensor]):
        a, b = pair
        return a @ b.t()


@program((rand(4, 6),), (rand(2, 6),), ways=("script", "freeze"))
class Comprehension(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x):
        parts = self.fc(x).split(2, dim=1)
        ys = [p * float(i) for i, p in enumerate(parts)]
        sizes = [int(p.size(1)) for p in parts]
        assert sum(sizes) == 6
        return torch.cat(ys[::-1] if False else ys, 1), torch.tensor(sizes)


@torch.jit.script
def helper(x: Tensor, factor: float, flags: List[bool]) -> Tensor:
    for flag in flags:
        if flag:
            x = x * factor
    return x


@program((rand(4, 6),), (rand(2, 6),))
class FreeFunction(nn.Module):
    def forward(self, x):
        return helper(x, 1.5, [True, False, True])


@program((torch.randint(0, 50, (2, 9)),), (torch.randint(0, 50, (3, 4)),))
class TokensToLogits(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16, padding_idx=0)
        self.norm = nn.LayerNorm(16)
        self.register_buffer("positions", torch.arange(32))

    def forward(self, ids):
        mask = ids.eq(0)
        x = self.embed(ids) + self.positions[: ids.size(1)].unsqueeze(0).unsqueeze(-1) * 0.01
        x = self.norm(x).masked_fill(mask.unsqueeze(-1), 0.0)
        scores = torch.einsum("bqd,bkd->bqk", x, x)
        causal = torch.ones(ids.size(1), ids.size(1), dtype=torch.bool).tril()
        return torch.softmax(scores.masked_fill(~causal, float("-inf")), -1) @ x


@program((rand(2, 4, 6, 6),), (rand(3, 4, 6, 6),))
class ConvFamily(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.BatchNorm2d(8), nn.ReLU6(), nn.ConvTranspose2d(8, 4, 2, stride=2),
            nn.GroupNorm(2, 4), nn.PReLU(), nn.InstanceNorm2d(4, affine=True), nn.Dropout(), nn.AdaptiveAvgPool2d((3, 2)), nn.Flatten())

    def forward(self, x):
        return self.net(x)


@program((torch.rand(3, 5),), (torch.rand(3, 5) + 1,), ways=("script", "freeze"))
class NestedControl(nn.Module):
    def forward(self, x):
        y = torch.zeros(5)
        for i in range(3):
            row = x[i]
            if bool(row.sum() > 2.5):
                for j in range(2):
                    row = row + j
                    if bool(row.max() > 1.5):
                        row = row * 0.5
            else:
                row = -row
            y = y + row
        return y


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


@program((rand(2, 4),), (rand(6, 4),), ways=("script", "freeze"))
class StringsAndNumbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.mode = "max"
        self.k = 3

    def forward(self, x):
        n = 0
        for c in ["a", "b", "max"]:
            if c == self.mode:
                n += self.k * 2
        n = max(n, 4) % 5 + abs(-2) + (7 // 2) + int(2.7) + int(round(1.5))
        return x * n + float(n) / 2, min([3, 1, 2]) + x.size(0)


BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.5, 0.5, 4.5, 4.0], [6.0, 6.0, 9.0, 9.0], [6.1, 6.0, 9.0, 9.2], [1.0, 7.0, 3.0, 9.0]])


@torch.jit.script
class BoxCoder:
    """Boxes by their distances from anchors."""

    def __init__(self, weights: Tuple[float, float], clip: float):
        self.weights = weights
        self.clip = clip

    def areas(self, boxes: Tensor) -> Tensor:
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    def decode(self, codes: Tensor, anchors: Tensor) -> Tensor:
        wx, wy = self.weights
        sizes = anchors[:, 2:] - anchors[:, :2]
        centres = anchors[:, :2] + 0.5 * sizes
        moved = codes[:, :2] / torch.tensor([wx, wy]) * sizes + centres
        grown = torch.exp(torch.clamp(codes[:, 2:], max=self.clip)) * sizes
        return torch.cat([moved - 0.5 * grown, moved + 0.5 * grown], dim=1)


@program((BOXES, torch.tensor([0.9, 0.8, 0.7, 0.95, 0.2])), (BOXES.flip(0), torch.tensor([0.1, 0.6, 0.3, 0.75, 0.5])), ways=("script", "freeze"))
class Detector(nn.Module):
    """Boxes above a score, the best of those that overlap, one after the other; a list of dictionaries."""

    def __init__(self):
        super().__init__()
        self.threshold = 0.25
        self.overlap = 0.5

    def suppressed(self, boxes: Tensor, scores: Tensor) -> Tensor:
        coder = BoxCoder((1.0, 1.0), 4.0)
        order = torch.argsort(scores, descending=True)
        areas = coder.areas(boxes)
        kept: List[Tensor] = []
        while order.numel() > 0:
            best = order[0]
            kept.append(best)
            rest = order[1:]
            low = torch.max(boxes[best, :2], boxes[rest, :2])
            high = torch.min(boxes[best, 2:], boxes[rest, 2:])
            common = (high - low).clamp(min=0).prod(dim=1)
            order = rest[common / (areas[best] + areas[rest] - common) <= self.overlap]
        return torch.stack(kept)

    def forward(self, boxes: Tensor, scores: Tensor) -> List[Dict[str, Tensor]]:
        result: List[Dict[str, Tensor]] = []
        chosen = torch.where(scores > self.threshold)[0]
        boxes, scores = boxes[chosen], scores[chosen]
        keep = self.suppressed(boxes, scores)
        result.append({"boxes": boxes[keep], "scores": scores[keep]})
        return result


@program((rand(5, 4) * 0.1, BOXES), (rand(5, 4), BOXES + 1), ways=("script", "freeze"))
class Coded(nn.Module):
    """An object of a class of the program's own, made in the run."""

    def forward(self, codes: Tensor, anchors: Tensor):
        coder = BoxCoder(weights=(10.0, 5.0), clip=0.2)
        boxes = coder.decode(codes, anchors)
        return boxes, coder.areas(boxes)


@program((rand(1, 3, 9, 10),), (rand(2, 3, 12, 7),), ways=("script", "freeze"))
class Segmenter(nn.Module):
    """A dictionary of results as large as the image, one of them optional."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"low": nn.Conv2d(3, 4, 3, stride=2, padding=1), "high": nn.Conv2d(4, 6, 3, stride=2, padding=1)})
        self.head, self.aux = nn.Conv2d(6, 2, 1), nn.Conv2d(4, 2, 1)
        self.with_aux: Optional[str] = "aux"

    def features(self, x: Tensor) -> Dict[str, Tensor]:
        made: Dict[str, Tensor] = {}
        for name, layer in self.backbone.items():
            x = torch.relu(layer(x))
            made[name] = x
        return made

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        size = x.shape[-2:]
        features = self.features(x)
        result = {"out": nn.functional.interpolate(self.head(features["high"]), size=size, mode="bilinear", align_corners=False)}
        name = self.with_aux
        if name is not None and name in ["aux", "other"]:
            result[name] = nn.functional.interpolate(self.aux(features["low"]), size=size, mode="nearest")
        return result


@program((rand(3, 4, 5), rand(3, 6, 2)), (rand(3, 2, 2), rand(3, 3, 7)), ways=("script",))
class BatchOfImages(nn.Module):
    """Images of several sizes in the corners of one tensor."""

    def largest(self, sizes: List[List[int]]) -> List[int]:
        most = sizes[0]
        for size in sizes[1:]:
            for i, n in enumerate(size):
                most[i] = max(most[i], n)
        return most

    def forward(self, images: List[Tensor]) -> Tuple[Tensor, List[Tuple[int, int]]]:
        most = self.largest([list(image.shape) for image in images])
        batch = images[0].new_full([len(images)] + [most[0], (most[1] + 3) // 4 * 4, int(math.ceil(float(most[2]) / 4) * 4)], 0.0)
        for i in range(batch.shape[0]):
            image = images[i]
            batch[i, : image.shape[0], : image.shape[1], : image.shape[2]].copy_(image)
        sizes: List[Tuple[int, int]] = []
        for image in images:
            sizes.append((image.shape[1], image.shape[2]))
        return batch, sizes


@program((torch.tensor([1, 2]), rand(7, 7)), (torch.tensor([3]), rand(7, 7)), ways=("script", "freeze"))
class Generates(nn.Module):
    """Tokens until one ends the text or there are enough."""

    def __init__(self):
        super().__init__()
        self.most, self.end = 6, 5

    def forward(self, tokens: Tensor, scores: Tensor):
        finished = False
        steps = 0
        while not finished and steps < self.most:
            following = scores[tokens[-1]].argmax(dim=-1, keepdim=True)
            tokens = torch.cat([tokens, following])
            steps += 1
            if following.item() == self.end:
                finished = True
        return tokens, steps


@program((rand(3, 4),), (rand(2, 4),), ways=("script", "freeze"))
class Modes(nn.Module):
    """Strings that decide: compared, looked up, joined, formatted, in assertions and errors."""

    def __init__(self):
        super().__init__()
        self.mode, self.names = "mean:2", ["sum", "mean", "max"]
        self.scales = {"sum": 0.5, "mean": 2.0}

    def reduced(self, x: Tensor, how: str) -> Tensor:
        if how == "sum":
            return x.sum(dim=1)
        elif how == "mean":
            return x.mean(dim=1)
        elif how != "max":
            raise ValueError(f"no reduction {how}")
        return x.amax(dim=1)

    def forward(self, x: Tensor):
        parts = self.mode.split(":")
        assert len(parts) == 2, "a mode and a number"
        made = torch.zeros_like(x[:, 0])
        for name in self.names:
            made = made + self.reduced(x, name) * self.scales.get(name, 1.0)
        if parts[0].startswith("me") and parts[0].upper() == "MEAN" and "x" not in parts[0]:
            made = made * float(parts[1]) + int(parts[1]) ** 3
        label = "{}-{}".format(parts[0], len(self.names)) + "!!"
        return made, len(label), label == "mean-3!!"


@program((rand(4, 3),), (rand(2, 3) - 2,), ways=("script", "freeze"))
class OptionalState(nn.Module):
    """A state that is absent at first, and tensors that may be."""

    def step(self, x: Tensor, state: Optional[Tensor], scale: Optional[float] = None) -> Tuple[Tensor, Optional[Tensor]]:
        if state is None:
            state = torch.zeros_like(x)
        made = torch.tanh(x + state)
        if scale is not None:
            made = made * scale
        return made, made if scale is None else None

    def forward(self, x: Tensor):
        state: Optional[Tensor] = None
        made: List[Tensor] = []
        for i in range(4):
            out, state = self.step(x + i, state, 0.5 if i == 2 else None)
            made.append(out)
        total = torch.stack(made)
        if state is not None:
            total = total + state
        return total, state is None


@program((rand(5, 3),), (rand(5, 3).abs() + 1,), ways=("script", "freeze"))
class ReturnsInLoops(nn.Module):
    """Results that are decided in the middle of loops, by data and by numbers."""

    def first(self, x: Tensor) -> Tensor:
        for i in range(x.shape[0]):
            if bool((x[i] < 0).any()):
                return x[i] * 2
        return x.sum(dim=0)

    def index(self, sizes: List[int], wanted: int) -> int:
        for i, n in enumerate(sizes):
            if n == wanted:
                return i
        return -1

    def forward(self, x: Tensor):
        at = self.index([2, x.shape[1], 7], 3)
        if at < 0:
            return x[0], at
        return self.first(x) + at, at


@program((rand(4, 6),), (rand(7, 6),), ways=("script", "freeze"))
class Lists(nn.Module):
    """What lists and dictionaries can do."""

    def forward(self, x: Tensor):
        sizes = [3, 1, 2]
        sizes.insert(1, 6 - sum(sizes) + 0)
        sizes.extend([4, 4])
        last = sizes.pop()
        sizes.remove(4)
        order = sorted(sizes)
        sizes.reverse()
        doubled = [n * 2 for n in sizes]
        pieces = x.split([1, 2, 3], dim=1)
        named = {str(i): piece.sum(dim=1) for i, piece in enumerate(pieces)}
        total = torch.zeros_like(x[:, 0])
        for (key, value), weight in zip(named.items(), [0.5, 1.0, 2.0]):
            total = total + value * weight * (int(key) + 1)
        if "7" not in named and len(order) == 4:
            total = total * order[-1]
        table = [[float(i * j) for j in range(3)] for i in range(2)]
        return total, sum(doubled) + last, torch.tensor(table), sizes[::-1] == [3, 0, 1, 2], order.index(2), min(order), max(doubled)


@program((rand(4, 6),), (rand(5, 6),), ways=("script", "freeze"))
class Windows(nn.Module):
    """Writes through views of views: parts, rows, masks, places."""

    def forward(self, x: Tensor):
        y = x.clone()
        grid = y.view(-1, 2, 3)
        for i in range(2):
            part = grid.narrow(1, i, 1).squeeze(1)
            part[:, i:].add_(float(i + 1))
            part.t()[0].mul_(0.5)
        y[y > 1] = 1.0
        y[1:3, ::2] = y[1:3, 1::2] * 2
        y[:, -1] += y[:, 0]
        y[torch.tensor([0, 2]), torch.tensor([1, 3])] -= 4.0
        flat = y.flatten()
        flat[2:5].clamp_(min=0.25)
        rest = y.unsqueeze(0).expand(2, -1, -1)
        y.diagonal().zero_()
        y.select(0, 1).copy_(x[0]).sigmoid_()
        return y, grid, flat, rest


class State(NamedTuple):
    h: Tensor
    c: Tensor
    seen: int


@program((rand(5, 2, 3),), (rand(3, 4, 3),), ways=("script", "freeze"))
class NamedState(nn.Module):
    """A named tuple that goes round, with a list in it."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def step(self, x: Tensor, state: State) -> State:
        h, c = self.cell(x, (state.h, state.c))
        return State(h, c, state.seen + x.shape[0])

    def forward(self, x: Tensor):
        state = State(x.new_zeros(x.shape[1], 4), torch.zeros([x.size(1), 4], dtype=x.dtype), 0)
        outs: List[Tensor] = []
        for part in x.unbind(0):
            state = self.step(part, state)
            outs.append(state.h)
        return torch.stack(outs), state.c, state.seen


@program((rand(2, 3, 8),), (rand(3, 3, 11),), ways=("script", "freeze"))
class Arithmetic(nn.Module):
    """Whole and broken numbers as Python rounds them, and sizes among them."""

    def forward(self, x: Tensor):
        n = x.shape[2]
        numbers = [-7 // 2, -7 % 3, 7 // -2, int(2**5), n // 3, -n // 3, n % 4, int(-2.7), int(round(2.5)), int(round(3.5)), abs(-n), divmod(n, 3)[1], n >> 1, n & 6, n ^ 1, int(n / 2), int(True)]
        floats = [math.floor(n / 3) + 0.5, math.sqrt(float(n)), math.log(2.0), float(n) ** 0.5, math.fmod(7.5, 2.0), math.pi, math.exp(-1.0), math.ceil(2.1) / 1, float("inf") if n < 0 else 1e-3]
        pads = [0, -n % 4]
        padded = nn.functional.pad(x, pads)
        grouped = padded.reshape(x.shape[0], x.shape[1], -1, 4)
        return torch.tensor(numbers), torch.tensor(floats), grouped.mean(-1), n > 8 and not n == 9


@program((rand(3, 4),), (rand(2, 4),), ways=("script", "freeze"))
class Methods(nn.Module):
    """Calls of exported, unused and static functions, flags of modules, loops over modules with their places."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4)])
        self.register_buffer("scale", torch.tensor(2.0))
        self.debug: bool = False
        self.skip: Final[int] = 1

    @torch.jit.unused
    def shown(self, x: Tensor) -> Tensor:
        print(x.numpy())
        return x

    @torch.jit.export
    def scaled(self, x: Tensor) -> Tensor:
        return x * self.scale

    @staticmethod
    def shifted(x: Tensor, by: float = 1.0) -> Tensor:
        return x + by

    def forward(self, x: Tensor):
        if self.debug:
            x = self.shown(x)
        for i, layer in enumerate(self.layers):
            x = layer(x) if i != 1 else x
        if self.training or torch.jit.is_scripting() and x.requires_grad:
            x = self.shifted(x, by=3.0)
        with torch.no_grad():
            x = self.scaled(self.shifted(x))
        return x


@program((rand(2, 4), rand(2, 4)), (rand(3, 4), rand(3, 4)), ways=("trace",))
class Keywords(nn.Module):
    def forward(self, x, y):
        return torch.addcmul(x, x, y, value=0.5), x.type_as(y), torch.where(x > y, x, y), x.topk(2, dim=1)[0]


def compare(got, want, name):
    if len(got) != len(want):
        raise AssertionError(f"{len(got)} outputs, expected {len(want)}")
    for i, (g, w) in enumerate(zip(got, want)):
        w = np.asarray(w)
        if g.shape != w.shape:
            raise AssertionError(f"output {i}: shape {g.shape}, expected {w.shape}")
        np.testing.assert_allclose(g.astype(np.float64), w.astype(np.float64), rtol=1e-3, atol=1e-4 * max(1.0, np.abs(w).max(initial=0)), err_msg=f"output {i}")


def flat(value):
    if isinstance(value, Tensor):
        return [value.detach().numpy()]
    if isinstance(value, dict):
        return [x for v in value.values() for x in flat(v)]
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in flat(v)]
    return [] if value is None else [np.asarray(value)]


def make(kind, way, inputs):
    torch.manual_seed(0)
    module = kind().eval()
    if way == "trace":
        return torch.jit.trace(module, inputs, check_trace=False)
    scripted = torch.jit.script(module)
    return torch.jit.freeze(scripted) if way == "freeze" else scripted


def session_of(path, *options):
    """A program, converted, in ONNX Runtime."""
    import onnxruntime

    onnx = path.with_suffix(".onnx")
    done = subprocess.run(["node", str(ROOT / "dist" / "cli" / "main.js"), "convert", str(path), "-o", str(onnx), "--overwrite", *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}: {(done.stderr.strip().splitlines() or ['?'])[0][-300:]}")
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return onnxruntime.InferenceSession(str(onnx), settings, providers=["CPUExecutionProvider"])


def judge(session, call, sets):
    """Call by call: what one leaves in an output `X.updated` the next one gets as its input X, which begins with its default or zeros."""
    state = {}
    for i in session.get_inputs()[len(sets[0]):]:
        state[i.name] = np.zeros([d if isinstance(d, int) else len(sets[0][0]) for d in i.shape], np.float32)
    names = [i.name for i in session.get_inputs()]
    outputs = [o.name for o in session.get_outputs()]
    for inputs in sets:
        with torch.no_grad():
            want = flat(call(*[t.clone() for t in inputs]))
        got = session.run(None, {**dict(zip(names, [t.numpy() for t in inputs])), **state})
        compare(got[: len(want)], want, "call")
        state = {name[: -len(".updated")]: value for name, value in zip(outputs, got) if name.endswith(".updated")}


def silero(folder):
    """The silero-vad package's program at both of its rates, 20 chunks each; nothing where the package cannot be had."""
    inside = "silero_vad/data/silero_vad.jit"
    home = fetch("silero-vad==6.2.3", Path.home() / ".cache" / "omnix", lambda name: name == inside)
    if not home:
        return
    path = home / inside
    (folder / "silero.jit").write_bytes(path.read_bytes())
    for rate, samples in ((16000, 512), (8000, 256)):

        def case(rate=rate, samples=samples):
            program = torch.jit.load(str(path))
            session = session_of(folder / "silero.jit", "--input-value", f"sr={rate}", "--input-shape", f"x:batch,{samples}")
            torch.manual_seed(rate)
            judge(session, lambda x: program(x, rate), [(rand(2, samples) * 0.02 * k,) for k in range(20)])

        yield f"silero_vad.{rate}", case


# Programs that take their inputs in one, and what nothing in them says.
GROUPED = {"TupleInput": tuple, "BatchOfImages": list}
OPTIONS = {"Generates": ["--input-shape", "tokens:int64[n]"], "BatchOfImages": ["--input-shape", "images_0:3,h0,w0", "--input-shape", "images_1:3,h1,w1"]}


def cases(folder):
    """Every program in each of its ways."""
    for name, (kind, sets, ways) in PROGRAMS.items():
        for way in ways:
            path = folder / f"{name}.{way}.pt"

            def case(name=name, kind=kind, sets=sets, way=way, path=path):
                group = GROUPED.get(name)
                torch.jit.save(make(kind, way, (group(sets[0]),) if group else sets[0]), str(path))
                loaded = torch.jit.load(str(path))
                judge(session_of(path, *OPTIONS.get(name, [])), (lambda *given: loaded(group(given))) if group else loaded, sets)

            yield f"{name}.{way}", case


def vision():
    import torchvision.models as models

    small = [(rand(2, 3, 64, 64),), (rand(3, 3, 64, 64),)]
    for name in ("alexnet", "densenet121", "googlenet", "mnasnet0_5", "regnet_y_400mf", "shufflenet_v2_x0_5", "efficientnet_v2_s", "convnext_tiny", "swin_t", "maxvit_t", "vit_b_32"):
        sets = [(rand(2, 3, 224, 224),), (rand(3, 3, 224, 224),)] if name in ("vit_b_32", "maxvit_t") else small
        options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        PROGRAMS[name] = ((lambda name=name, options=options: getattr(models, name)(**options)), sets, ("script", "freeze"))
    for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
        PROGRAMS[name] = ((lambda name=name: getattr(models.segmentation, name)(weights=None, weights_backbone=None)), small, ("script", "freeze"))
    PROGRAMS["r3d_18"] = ((lambda: models.video.r3d_18()), [(rand(1, 3, 8, 32, 32),), (rand(2, 3, 8, 32, 32),)], ("script", "freeze"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--third", default="all")
    parser.add_argument("--vision", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    if options.vision:
        vision()
    passed, failures = 0, []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for label, case in (*cases(folder), *silero(folder)):
            if not fnmatch.fnmatch(label, options.only) or (options.third != "all" and zlib.crc32(label.encode()) % 3 != int(options.third)):
                continue
            try:
                case()
                passed += 1
                if options.v:
                    print(f"ok   {label}", flush=True)
            except Exception as error:
                failures.append(label)
                text = " ".join(str(error).split())
                print(f"FAIL {label}: {type(error).__name__}: {text[:400]}", flush=True)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
