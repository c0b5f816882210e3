#!/usr/bin/env python3
"""Losses, optimizers, clipping and schedules one by one beside PyTorch: our graphs run by ONNX Runtime over several steps.

    python test/interop/training_parts.py [--only 'adam*'] [--record test/fixtures/training.json]

`--record` writes PyTorch's numbers for the unit tests instead. Each loss is compared with its gradients, each optimizer with its parameters after every step, each schedule with its rates.
"""
import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler as S

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
STEPS = 15
weights = [0.5, 2.0, 1.5, 0.25, 1.0]


def randn(r, *shape):
    return r.standard_normal(shape).astype(np.float32)


def loss_cases():
    """(what we are asked for, PyTorch's function, outputs, targets)"""
    r = np.random.default_rng(0)
    prob = lambda *s: r.uniform(0.02, 0.98, s).astype(np.float32)
    soft = lambda *s: torch.softmax(torch.from_numpy(randn(r, *s)), 1).numpy()
    labels = lambda *s: r.integers(0, 5, s).astype(np.int64)
    ignoring = lambda *s: np.where(r.uniform(size=s) < 0.3, -100, labels(*s)).astype(np.int64)
    signs = lambda *s: np.where(r.uniform(size=s) < 0.5, 1, -1).astype(np.float32)
    W = torch.tensor(weights)
    near = randn(r, 4, 3)
    cases = []

    def add(loss, fn, outputs, targets):
        cases.append((loss, fn, outputs, targets))

    for how in ("mean", "sum"):
        x, t = randn(r, 4, 3), randn(r, 4, 3)
        add(f"mse:reduction={how}", lambda x, t, how=how: F.mse_loss(x, t, reduction=how), [x], [t])
        add(f"l1:reduction={how}", lambda x, t, how=how: F.l1_loss(x, t, reduction=how), [x], [t])
        for beta in (0, 0.5, 1):
            add(f"smooth_l1:beta={beta},reduction={how}", lambda x, t, how=how, beta=beta: F.smooth_l1_loss(x, t, reduction=how, beta=beta), [x], [t])
        add(f"huber:delta=0.7,reduction={how}", lambda x, t, how=how: F.huber_loss(x, t, reduction=how, delta=0.7), [x], [t])
        p, b = prob(4, 5), (r.uniform(size=(4, 5)) < 0.5).astype(np.float32)
        add(f"bce:reduction={how}", lambda x, t, how=how: F.binary_cross_entropy(x, t, reduction=how), [p], [b])
        add({"name": "bce", "weight": weights, "reduction": how}, lambda x, t, how=how: F.binary_cross_entropy(x, t, W, reduction=how), [p], [prob(4, 5)])
        z = 5 * randn(r, 4, 5)
        add(f"BCEWithLogitsLoss:reduction={how}", lambda x, t, how=how: F.binary_cross_entropy_with_logits(x, t, reduction=how), [z], [b])
        add({"name": "bce_with_logits", "pos_weight": weights, "weight": weights, "reduction": how}, lambda x, t, how=how: F.binary_cross_entropy_with_logits(x, t, W, pos_weight=W, reduction=how), [z], [b])
        for smoothing in (0, 0.1):
            more = dict(label_smoothing=smoothing, reduction=how)
            fn = lambda x, t, more=more, **k: F.cross_entropy(x, t, **more, **k)
            add({"name": "cross_entropy", **more}, fn, [randn(r, 6, 5)], [labels(6)])
            add({"name": "cross_entropy", **more}, fn, [randn(r, 6, 5)], [ignoring(6)])
            add({"name": "cross_entropy", "weight": weights, **more}, lambda x, t, fn=fn: fn(x, t, weight=W), [randn(r, 6, 5)], [ignoring(6)])
            add({"name": "cross_entropy", "ignore_index": 2, "weight": weights, **more}, lambda x, t, fn=fn: fn(x, t, weight=W, ignore_index=2), [randn(r, 2, 5, 3, 4)], [labels(2, 3, 4)])
            add({"name": "cross_entropy", "soft": True, **more}, fn, [randn(r, 6, 5)], [soft(6, 5)])
            add({"name": "cross_entropy", "soft": True, "weight": weights, **more}, lambda x, t, fn=fn: fn(x, t, weight=W), [randn(r, 2, 5, 3)], [soft(2, 5, 3)])
            add({"name": "cross_entropy", **more}, fn, [randn(r, 5)], [np.array(3)])
        add({"name": "cross_entropy", "axis": -1, "reduction": how}, lambda x, t, how=how: F.cross_entropy(x.flatten(0, 1), t.flatten(), reduction=how), [randn(r, 2, 6, 5)], [ignoring(2, 6)])
        logs = np.log(soft(6, 5))
        add({"name": "nll", "reduction": how}, lambda x, t, how=how: F.nll_loss(x, t, reduction=how), [logs], [labels(6)])
        add({"name": "nll", "weight": weights, "reduction": how}, lambda x, t, how=how: F.nll_loss(x, t, W, reduction=how), [logs], [ignoring(6)])
        q = soft(6, 5)
        q[0, 0] = 0
        add(f"kl_div:reduction={how}", lambda x, t, how=how: F.kl_div(x, t, reduction=how), [logs], [q])
        add({"name": "KLDivLoss", "log_target": True, "reduction": how}, lambda x, t, how=how: F.kl_div(x, t, reduction=how, log_target=True), [logs], [np.log(soft(6, 5))])
        for margin in (0, 0.3):
            add(f"cosine_embedding:margin={margin},reduction={how}", lambda x, y, t, how=how, margin=margin: F.cosine_embedding_loss(x, y, t, margin=margin, reduction=how), [near, near + randn(r, 4, 3)], [signs(4)])
        add(f"hinge_embedding:margin=0.8,reduction={how}", lambda x, t, how=how: F.hinge_embedding_loss(x, t, margin=0.8, reduction=how), [randn(r, 4, 3)], [signs(4, 3)])
    add("kl_div:reduction=batchmean", lambda x, t: F.kl_div(x, t, reduction="batchmean"), [logs], [q])
    edges = np.array([[0.0, 1.0, 0.5]], np.float32)
    add("bce", F.binary_cross_entropy, [edges], [np.array([[1.0, 0.0, 1.0]], np.float32)])

    def distilled(x, teacher, t):
        soft = F.kl_div(F.log_softmax(x / 3, 1), F.log_softmax(teacher / 3, 1), log_target=True, reduction="batchmean") * 9
        return 0.7 * soft + 0.3 * F.cross_entropy(x, t)

    add("distillation:temperature=3,alpha=0.7", distilled, [randn(r, 6, 5), randn(r, 6, 5)], [labels(6)])
    return cases


def lion(parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
    """Lion by the formulas of its paper, which PyTorch does not have."""

    class Lion(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self):
            for g in self.param_groups:
                for p in g["params"]:
                    m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                    p.mul_(1 - g["lr"] * weight_decay)
                    p.add_(torch.sign(betas[0] * m + (1 - betas[0]) * p.grad), alpha=-g["lr"])
                    m.mul_(betas[1]).add_(p.grad, alpha=1 - betas[1])

    return Lion(parameters, {"lr": lr})


def optimizer_cases():
    """(name, options, PyTorch's class); the options of both are the same."""
    o = torch.optim
    rows = [
        ("sgd", o.SGD, [dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, momentum=0.9, dampening=0.3), dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)]),
        ("adam", o.Adam, [dict(), dict(lr=0.01, betas=[0.8, 0.98], eps=1e-7), dict(lr=0.01, amsgrad=True, weight_decay=0.1), dict(lr=0.01, decoupled_weight_decay=True, weight_decay=0.1)]),
        ("adamw", o.AdamW, [dict(), dict(lr=0.01, weight_decay=0.3, amsgrad=True)]),
        ("nadam", o.NAdam, [dict(), dict(lr=0.01, weight_decay=0.1, momentum_decay=0.01), dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)]),
        ("radam", o.RAdam, [dict(), dict(lr=0.01, weight_decay=0.1, betas=[0.9, 0.9]), dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True)]),
        ("adamax", o.Adamax, [dict(), dict(lr=0.01, weight_decay=0.1)]),
        ("adadelta", o.Adadelta, [dict(), dict(lr=0.5, rho=0.8, weight_decay=0.1)]),
        ("adagrad", o.Adagrad, [dict(), dict(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5)]),
        ("rmsprop", o.RMSprop, [dict(), dict(lr=0.01, alpha=0.9, momentum=0.5), dict(lr=0.01, centered=True, weight_decay=0.1), dict(lr=0.01, centered=True, momentum=0.9)]),
        ("lion", lion, [dict(lr=0.01), dict(lr=0.01, betas=[0.8, 0.9], weight_decay=0.1)]),
    ]
    cases = [(name, options, cls) for name, cls, all in rows for options in all]
    return cases + [(name, {**all[-1], "maximize": True}, cls) for name, cls, all in rows if name != "lion"]


def schedule_cases():
    seq = lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.125, 1.0, 7), S.CosineAnnealingLR(o, 20, 0.01), S.ExponentialLR(o, 0.9)], [8, 28])
    chained = lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 5), S.ExponentialLR(o, 0.9)])
    return [
        ("step:30,0.1", lambda o: S.StepLR(o, 30, 0.1)),
        ({"name": "MultiStepLR", "milestones": [5, 5, 20], "gamma": 0.5}, lambda o: S.MultiStepLR(o, [5, 5, 20], 0.5)),
        ("exponential:0.95", lambda o: S.ExponentialLR(o, 0.95)),
        ("constant:0.3,7", lambda o: S.ConstantLR(o, 0.3, 7)),
        ("linear", lambda o: S.LinearLR(o)),
        ("linear:start_factor=0.1,end_factor=0.5,total_iters=30", lambda o: S.LinearLR(o, 0.1, 0.5, 30)),
        ("polynomial:40,2", lambda o: S.PolynomialLR(o, 40, 2.0)),
        ("cosine:T_max=20,eta_min=0.01", lambda o: S.CosineAnnealingLR(o, 20, 0.01)),
        ("CosineAnnealingWarmRestarts:T_0=7", lambda o: S.CosineAnnealingWarmRestarts(o, 7)),
        ("cosine_annealing_warm_restarts:T_0=5,T_mult=2,eta_min=0.001", lambda o: S.CosineAnnealingWarmRestarts(o, 5, 2, 0.001)),
        ("one_cycle:max_lr=0.8,total_steps=80", lambda o: S.OneCycleLR(o, 0.8, 80, cycle_momentum=False)),
        ("one_cycle:max_lr=0.8,total_steps=80,anneal_strategy=linear,three_phase", lambda o: S.OneCycleLR(o, 0.8, 80, anneal_strategy="linear", three_phase=True, cycle_momentum=False)),
        ("cyclic:base_lr=0.01,max_lr=0.5,step_size_up=6,step_size_down=11", lambda o: S.CyclicLR(o, 0.01, 0.5, 6, 11, cycle_momentum=False)),
        ("cyclic:base_lr=0.01,max_lr=0.5,step_size_up=6,mode=triangular2", lambda o: S.CyclicLR(o, 0.01, 0.5, 6, mode="triangular2", cycle_momentum=False)),
        ("cyclic:base_lr=0.01,max_lr=0.5,step_size_up=6,mode=exp_range,gamma=0.99", lambda o: S.CyclicLR(o, 0.01, 0.5, 6, mode="exp_range", gamma=0.99, cycle_momentum=False)),
        ("warmup:steps=10,start_factor=0.1", lambda o: S.LinearLR(o, 0.1, 1.0, 10)),
        ({"name": "sequential", "schedules": ["linear:0.125,1,7", "cosine:T_max=20,eta_min=0.01", "exponential:0.9"], "milestones": [8, 28]}, seq),
        ({"name": "chained", "schedules": ["constant:0.1,5", "exponential:0.9"]}, chained),
        ("plateau:patience=3,factor=0.5", lambda o: S.ReduceLROnPlateau(o, patience=3, factor=0.5)),
        ("ReduceLROnPlateau:mode=max,patience=2,threshold=0.01,threshold_mode=abs,cooldown=4,min_lr=0.002", lambda o: S.ReduceLROnPlateau(o, mode="max", patience=2, threshold=0.01, threshold_mode="abs", cooldown=4, min_lr=0.002)),
    ]


class Verdicts:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, problem):
        self.passed += problem is None
        self.failed += problem is not None
        if problem is not None:
            print(f"FAILED {what}: {problem}")


def difference(got, want, rtol=1e-5, atol=1e-6):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        return f"shape {got.shape}, PyTorch has {want.shape}"
    ok = np.isclose(got, want, rtol=rtol, atol=atol)
    return None if ok.all() else f"{got[~ok].ravel()[0]}, PyTorch has {want[~ok].ravel()[0]}"


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def judge_loss(path, fn, outputs, targets):
    given = [torch.tensor(x, requires_grad=True) for x in outputs]
    loss = fn(*given, *[torch.tensor(t) for t in targets])
    loss.backward()
    feeds = {f"output{i}": x for i, x in enumerate(outputs)} | {f"target{i}": t for i, t in enumerate(targets)}
    s = session(path)
    names = [o.name for o in s.get_outputs()]
    made = dict(zip(names, s.run(None, feeds)))
    problem = difference(made["loss"], loss.detach().numpy())
    for i, x in enumerate(given):
        want = x.grad.numpy()
        # At a probability of 0 or 1 PyTorch gives 1e12 for what has no slope.
        inside = np.abs(want) < 1e10
        problem = problem or (difference(made[f"gradient{i}"][inside], want[inside]) if f"gradient{i}" in made else "no gradient")
    return problem


def judge_optimizer(folder, i, cls, options, gradients, start, groups, clip):
    facts = json.loads((folder / f"optimizer-{i}.json").read_text())
    params = {n: torch.tensor(v, requires_grad=True) for n, v in start.items()}
    opts = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    if groups:
        taken = {n for g in groups for n in params if n in g["match"]}
        listed = [{"params": [p for n, p in params.items() if n not in taken]}] + [{"params": [params[n] for n in g["match"]], **{k: v for k, v in g.items() if k != "match"}} for g in groups]
        opt = cls(listed, **opts)
    else:
        opt = cls(list(params.values()), **opts)
    s = session(folder / f"optimizer-{i}.onnx")
    ours = dict(start)
    dtype = next(iter(start.values())).dtype
    state = {x["name"]: np.full(() if x["scalar"] else start[x["parameter"]].shape, x["initial"], np.float32 if x["scalar"] else dtype) for x in facts["state"]}
    base = [g["lr"] for g in opt.param_groups]
    for k in range(STEPS):
        factor = 1 / (1 + k)
        for g, lr in zip(opt.param_groups, base):
            g["lr"] = lr * factor
        for n, p in params.items():
            p.grad = torch.tensor(gradients[k][n])
        if "norm" in clip:
            torch.nn.utils.clip_grad_norm_(list(params.values()), clip["norm"], clip.get("normType", 2.0) if clip.get("normType") != "inf" else float("inf"))
        if "value" in clip:
            torch.nn.utils.clip_grad_value_(list(params.values()), clip["value"])
        opt.step()
        feeds = {**ours, **{f"{n}.grad": g for n, g in gradients[k].items()}, **state, "step": np.array(k, np.int64)}
        for x in facts["rates"]:
            feeds[x["name"]] = np.array(x["lr"] * factor, np.float32)
        known = {x.name for x in s.get_inputs()}
        made = dict(zip([o.name for o in s.get_outputs()], s.run(None, {n: v for n, v in feeds.items() if n in known})))
        ours = {n: made[f"{n}.next"] for n in ours}
        state = {n: made[f"{n}.next"] for n in state}
        for n, p in params.items():
            problem = difference(ours[n], p.detach().numpy(), rtol=2e-6, atol=2e-7)
            if problem:
                return f"{n} after step {k + 1}: {problem}"
    return None


def judge_schedule(rates, make, metrics):
    p = torch.nn.Parameter(torch.zeros(1))
    opt = torch.optim.SGD([p], lr=0.4)
    schedule = make(opt)
    want = []
    for k, metric in enumerate(metrics):
        want.append(opt.param_groups[0]["lr"])
        opt.step()
        if k + 1 < len(metrics):
            schedule.step(metric) if isinstance(schedule, S.ReduceLROnPlateau) else schedule.step()
    return difference(rates, want, rtol=1e-12, atol=1e-15)


def rounded(x):
    return np.vectorize(lambda v: float(f"{v:.8g}"))(np.asarray(x, np.float64)).tolist()


def record(path, losses, optimizers):
    """PyTorch's numbers, for losses that are means and short runs of optimizers."""
    made = {"losses": [], "optimizers": []}
    for loss, fn, outputs, targets in losses:
        if "sum" in named(loss):
            continue
        loss_value = fn(*[torch.tensor(x) for x in outputs], *[torch.tensor(t) for t in targets])
        arrays = lambda all: [{"dims": list(np.shape(x)), "data": np.asarray(rounded(x)).ravel().tolist()} for x in all]
        made["losses"].append({"loss": loss, "outputs": arrays(outputs), "targets": arrays(targets), "value": rounded(float(loss_value))})
    r = np.random.default_rng(2)
    for name, options, cls in optimizers:
        start, gradients = r.standard_normal(3).astype(np.float32), r.standard_normal((4, 3)).astype(np.float32)
        p = torch.tensor(start, requires_grad=True)
        opt = cls([p], **{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
        after = []
        for g in gradients:
            p.grad = torch.tensor(g)
            opt.step()
            after.append(rounded(p.detach().numpy()))
        made["optimizers"].append({"optimizer": {"name": name, **options}, "start": rounded(start), "gradients": rounded(gradients), "after": after})
    Path(path).write_text(json.dumps(made, separators=(",", ":")).replace('{"loss"', '\n{"loss"').replace('{"optimizer"', '\n{"optimizer"') + "\n")


def named(chosen):
    return chosen if isinstance(chosen, str) else f"{chosen['name']} {json.dumps({k: v for k, v in chosen.items() if k != 'name'})}"


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--only", default="*")
    ap.add_argument("--record")
    arguments = ap.parse_args()
    only = arguments.only
    if arguments.record:
        return record(arguments.record, loss_cases(), optimizer_cases())
    wanted = lambda chosen: fnmatch.fnmatch(named(chosen), only)
    losses = [c for c in loss_cases() if wanted(c[0])]
    r = np.random.default_rng(1)
    optimizers = []
    for name, options, cls in [c for c in optimizer_cases() if wanted({"name": c[0], **c[1]})]:
        optimizers.append((name, options, cls, np.float32, [], {}, False))
    if only == "*":
        groups = [{"match": ["c"], "lr": 0.5, "weight_decay": 0.0}]
        optimizers += [
            ("adam", dict(lr=0.01), torch.optim.Adam, np.float64, [], {}, True),
            ("sgd", dict(lr=0.01, momentum=0.9, weight_decay=0.1), torch.optim.SGD, np.float32, groups, {}, False),
            ("adamw", dict(lr=0.01), torch.optim.AdamW, np.float32, groups, {"norm": 1.0}, True),
            ("sgd", dict(lr=0.1), torch.optim.SGD, np.float32, [], {"norm": 0.5, "normType": 1.0}, False),
            ("sgd", dict(lr=0.1), torch.optim.SGD, np.float32, [], {"norm": 100.0}, False),
            ("sgd", dict(lr=0.1), torch.optim.SGD, np.float32, [], {"value": 0.3}, True),
        ]
    shapes = {"a": [3, 4], "b": [4], "c": [2, 1, 3]}
    schedules = [c for c in schedule_cases() if wanted(c[0])]
    metrics = [float(x) for x in np.concatenate([np.linspace(1, 0.5, 10), 0.5 + 0.001 * np.sin(np.arange(40)), np.linspace(0.5, 0.2, 30)])]
    spec = {
        "losses": [{"loss": loss, "outputs": [list(x.shape) for x in outputs]} for loss, _, outputs, _ in losses],
        "optimizers": [{"optimizer": {"name": n, **o}, "parameters": shapes, "type": np.dtype(t).name, "groups": g, "clip": c, "inline": i} for n, o, _, t, g, c, i in optimizers],
        "schedules": [{"schedule": s, "base": 0.4, "metrics": metrics} for s, _ in schedules],
    }
    verdict = Verdicts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cases.json").write_text(json.dumps(spec))
        subprocess.run(["node", str(ROOT / "dist/test/interop/training_parts.js"), str(folder / "cases.json"), name], check=True)
        for i, (loss, fn, outputs, targets) in enumerate(losses):
            verdict(named(loss), judge_loss(folder / f"loss-{i}.onnx", fn, outputs, targets))
        for i, (n, options, cls, dtype, groups, clip, _) in enumerate(optimizers):
            tensors = lambda: {k: r.standard_normal(s).astype(dtype) for k, s in shapes.items()}
            start, gradients = tensors(), [tensors() for _ in range(STEPS)]
            verdict(f"{n} {options} {groups} {clip}", judge_optimizer(folder, i, cls, options, gradients, start, groups, clip))
        for (s, make), rates in zip(schedules, json.loads((folder / "rates.json").read_text())):
            verdict(named(s), judge_schedule(rates, make, metrics))
    print(f"{verdict.passed} passed, {verdict.failed} failed")
    sys.exit(verdict.failed > 0)


if __name__ == "__main__":
    main()
