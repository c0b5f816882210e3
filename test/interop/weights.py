#!/usr/bin/env python3
"""Checkpoints there and back, judged by those who define them: PyTorch and the safetensors package write files, `omnix weights` writes them
in every format it has, and the same packages find the same tensors in them, bit by bit. At last weights are put into an exported program,
and the converted model computes what PyTorch computes with them.

    python test/interop/weights.py
"""
import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
DTYPES = """float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128
float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu""".split()
IN_NUMPY = set("float64 float32 float16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128".split())
passed = failed = 0


def judge(name, problem):
    global passed, failed
    passed, failed = passed + (problem is None), failed + (problem is not None)
    if problem is not None:
        print(f"{name}: {problem}")


def omnix(*args):
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def bits(tensor):
    tensor = tensor.detach().contiguous().reshape(-1)
    return tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def difference(want, got):
    if set(want) != set(got):
        return f"tensors {sorted(set(want) ^ set(got))[:5]} are in one only"
    for name, tensor in want.items():
        other = got[name]
        if tensor.dtype != other.dtype or tensor.shape != other.shape or bits(tensor) != bits(other):
            return f"{name}: {tensor.dtype}{list(tensor.shape)} became {other.dtype}{list(other.shape)}"
    return None


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5))


def types():
    generator = torch.Generator().manual_seed(1)
    made = {}
    for name in DTYPES:
        dtype = getattr(torch, name)
        raw = torch.randint(0, 2 if name == "bool" else 120, (3, 4 * torch.empty((), dtype=dtype).element_size()), generator=generator, dtype=torch.uint8)
        made[f"types.{name}"] = raw.view(dtype)
    made["scalar"] = torch.tensor(3.5)
    made["empty"] = torch.empty(0, 3)
    made["turned"] = torch.arange(6.0).reshape(2, 3).t()
    made["part"] = torch.arange(10)[3:7]
    made["spread"] = torch.ones(1).expand(4)
    return made


def sources(folder):
    """Files that the frameworks write, with the tensors in them by name."""
    net = network()
    state = dict(net.state_dict())
    nested = {"epoch": 3, "model": state, "types": types(), "rates": [0.1, torch.ones(2)]}
    flat = {f"model.{k}": v for k, v in state.items()} | {f"types.{k}": v for k, v in types().items()} | {"rates.1": torch.ones(2)}
    for form in (True, False):
        end = "" if form else "_before_1.6"
        for name, value, wanted in (("state", state, state), ("module", net, state), ("nested", nested, flat)):
            path = folder / f"{name}{end}.pth"
            torch.save(value, path, _use_new_zipfile_serialization=form)
            yield path, wanted
    arrays = {
        "f4": np.arange(6, dtype="f4").reshape(2, 3), "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.arange(3, dtype=">f8"), "empty": np.zeros((0, 3), "f2"), "scalar": np.array(3.0),
    }
    values = {"epoch": np.int64(3), "loss": np.float64(0.5), "half": np.float16(2), "name": np.str_("a"), "on": np.bool_(True),
              "z": np.complex64(1j), "dtype": np.dtype("f4"), "counts": Counter("abca"), "set": {1, 2}, "bytes": b"a\xff",
              "array": bytearray(b"ab"), "complex": 1 + 2j, "scheme": torch.per_tensor_affine, "quantized": torch.qint8}
    wanted = {k: torch.from_numpy(np.ascontiguousarray(v.astype(v.dtype.newbyteorder("=")))).reshape(v.shape) for k, v in arrays.items()}
    for name, options in (("numpy", {}), ("numpy_5", {"pickle_protocol": 5}), ("numpy_before_1.6", {"_use_new_zipfile_serialization": False})):
        torch.save({"arrays": arrays, "values": values}, folder / f"{name}.pth", **options)
        yield folder / f"{name}.pth", {f"arrays.{k}": v for k, v in wanted.items()}
    whole = {k: v.contiguous().clone() for k, v in (state | types()).items() if v.dtype != torch.complex128}
    save_file(whole, folder / "all.safetensors", metadata={"format": "pt"})
    yield folder / "all.safetensors", whole
    halves = list(whole)
    parts = {"model-1.safetensors": halves[::2], "model-2.safetensors": halves[1::2]}
    for name, keys in parts.items():
        save_file({k: whole[k] for k in keys}, folder / name)
    index = {"metadata": {}, "weight_map": {k: name for name, keys in parts.items() for k in keys}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    yield folder / "model.safetensors.index.json", whole


def written(path, wanted, folder):
    listed = {row["name"]: row["dims"] for row in json.loads(omnix("weights", path, "--json"))["results"]["weights"]}
    judge(f"{path.name} listed", None if listed == {k: list(v.shape) for k, v in wanted.items()} else "names or shapes differ")
    out = folder / "out.pth"
    omnix("weights", path, "-o", out, "--overwrite")
    judge(f"{path.name} to .pth", difference(wanted, torch.load(out, weights_only=True)))
    if torch.complex128 not in {t.dtype for t in wanted.values()}:
        out = folder / "out.safetensors"
        omnix("weights", path, "-o", out, "--overwrite")
        judge(f"{path.name} to .safetensors", difference(wanted, load_file(out)))
    if all(str(t.dtype).split(".")[1] in IN_NUMPY for t in wanted.values()):
        out = folder / "out.npz"
        omnix("weights", path, "-o", out, "--overwrite")
        arrays = np.load(out)
        judge(f"{path.name} to .npz", difference(wanted, {k: torch.from_numpy(arrays[k]) for k in arrays.files}))


def swapped(folder):
    """Other weights of the same architecture, under the names that a wrapper gives them, into an exported program."""
    net = network().eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    torch.export.save(torch.export.export(net, (x,)), folder / "net.pt2")
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1.5).add_(0.01)
        want = net(x).numpy()
    wrapped = {f"module.{k}": v.contiguous() for k, v in net.state_dict().items()}
    save_file(wrapped, folder / "tuned.safetensors")
    omnix("convert", folder / "net.pt2", "-o", folder / "tuned.onnx", "--weights", folder / "tuned.safetensors", "--rename", "module.*=*")
    session = onnxruntime.InferenceSession(folder / "tuned.onnx")
    got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    judge("weights put into a program", None if np.allclose(got, want, rtol=1e-4, atol=1e-5) else f"off by {np.abs(got - want).max()}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, wanted in list(sources(folder)):
            try:
                written(path, wanted, folder)
            except RuntimeError as error:
                judge(path.name, str(error))
        try:
            swapped(folder)
        except RuntimeError as error:
            judge("weights put into a program", str(error))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
