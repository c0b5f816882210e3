"""Other weights swapped into converted programs, judged by PyTorch and ONNX Runtime; the bytes are those of converting the other weights.

A program of torch.export gets other weights by PyTorch, whose numbers are what the swapped files must compute.

    python test/interop/swap.py [--corpus DIR]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
# How each target is made of a source, beside its format.
WAYS = {"onnx": [], "pt2": [], "onnx --no-fuse": ["--no-fuse"]}
passed = failed = 0


def judge(name, problem):
    global passed, failed
    passed, failed = passed + (problem is None), failed + (problem is not None)
    if problem is not None:
        print(f"{name}: {problem}", flush=True)


def omnix(*args):
    done = subprocess.run(["node", str(ROOT / "dist/cli/main.js"), *map(str, args), "-q"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[:500])


def other_weights(program):
    """The weights of the program changed in place; as a file of weights holds them, shared memory once."""
    generator = torch.Generator().manual_seed(3)
    seen, kept = set(), {}
    with torch.no_grad():
        for name, tensor in program.state_dict.items():
            if tensor.data_ptr() in seen and tensor.numel() > 0:
                continue
            seen.add(tensor.data_ptr())
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.1 * torch.rand(tensor.shape, generator=generator)).add_(0.01)
            kept[name] = tensor.detach().contiguous().clone()
    kept |= {name: tensor.detach().contiguous().clone() for name, tensor in program.constants.items() if isinstance(tensor, torch.Tensor)}
    return kept


def flat(outputs):
    leaves = torch.utils._pytree.tree_leaves(outputs)
    return [leaf.detach().numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def farthest(wanted, found):
    if len(wanted) != len(found):
        return f"{len(found)} outputs, expected {len(wanted)}"
    for i, (want, got) in enumerate(zip(wanted, found)):
        if want.shape != got.shape:
            return f"output {i} has the shape {got.shape}, expected {want.shape}"
        scale = max(1.0, float(np.abs(want).max())) if want.size else 1.0
        if not np.allclose(got, want, rtol=1e-3, atol=1e-4 * scale):
            return f"output {i} is off by {np.abs(got - want).max()}"
    return None


def computed(path, inputs):
    if path.suffix == ".pt2":
        return flat(torch.export.load(path).module()(*(torch.from_numpy(x) for x in inputs)))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {given.name: x for given, x in zip(session.get_inputs(), inputs)})


def case(source, folder):
    name = source.parent.name
    inputs = list(np.load(source.parent / "inputs.npz").values())
    program = torch.export.load(source)
    save_file(other_weights(program), folder / "other.safetensors")
    # A graph has the name of the file that it was read from.
    other = folder / "other" / source.name
    other.parent.mkdir()
    torch.export.save(program, other)
    wanted = flat(program.module()(*(torch.from_numpy(x) for x in inputs)))
    for way, options in WAYS.items():
        suffix = way.split()[0]
        # A .pt2 holds its own name, so each file has one and the same, in a folder of its own.
        first, swapped, again = (folder / place / f"m.{suffix}" for place in ("first", "swapped", "again"))
        for path in (first, swapped, again):
            path.parent.mkdir(exist_ok=True)
        try:
            omnix("convert", source, "-o", first, "--map", folder / "map.json", "--overwrite", *options)
            omnix("swap-weights", first, "--map", folder / "map.json", "--weights", folder / "other.safetensors", "-o", swapped, "--overwrite")
            omnix("convert", other, "-o", again, "--overwrite", *options)
            judge(f"{name} to {way}", None if swapped.read_bytes() == again.read_bytes() else "not the bytes of converting the weights")
            judge(f"{name} to {way}, computed", farthest(wanted, computed(swapped, inputs)))
        except RuntimeError as error:
            judge(f"{name} to {way}", str(error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=Path, help="a folder with more cases")
    args = parser.parse_args()
    sources = sorted((ROOT / "models").glob("*/model.pt2")) + (sorted(args.corpus.glob("*/model.pt2")) if args.corpus else [])
    for source in sources:
        with tempfile.TemporaryDirectory() as folder:
            case(source, Path(folder))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
