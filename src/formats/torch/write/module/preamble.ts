// The parts of a written module that are the same for every model.

/** What stands before the classes. `title` is a literal of Python. */
export const imports = (helpers: readonly (keyof typeof controlFlow)[]): string => `import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
${helpers.includes('loop') ? '\nfrom torch._higher_order_ops.while_loop import while_loop\n' : ''}
HERE = Path(__file__).resolve().parent
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "C64": torch.complex64,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "BOOL": torch.bool,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
}


def read_safetensors(path):
    """The tensors of a safetensors file by name: a header in JSON, then their bytes."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        dtype, (begin, end) = DTYPES[entry["dtype"]], entry["data_offsets"]
        if begin == end:
            tensors[name] = torch.empty(entry["shape"], dtype=dtype)
        else:
            flat = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=start + begin).clone()
            tensors[name] = flat.view(dtype).reshape(entry["shape"])
    return tensors
${helpers.map(h => `\n\n${controlFlow[h]}`).join('')}`;

/** Control flow that the run decides, in Python and in exported programs. */
export const controlFlow = {
  branch: `def branch(condition, on_true, on_false, operands):
    """The results of one of two functions."""
    if torch.compiler.is_compiling():
        return torch.cond(condition, on_true, on_false, operands)
    return on_true(*operands) if condition else on_false(*operands)
`,
  loop: `def loop(is_another, body, carried, operands):
    """What the rounds of a loop carry, after the last one."""
    if torch.compiler.is_compiling():
        return while_loop(lambda *c: is_another(*c, *operands), lambda *c: body(*c, *operands), carried)
    while is_another(*carried, *operands):
        carried = body(*carried, *operands)
    return carried
`,
} as const;

/** How the class of the whole model gets its weights. */
export const loadWeights = [
  'def load_weights(self, path=HERE / "model.safetensors"):',
  '    """Take the weights of a file, each of them, and give the module back in evaluation mode."""',
  '    self.load_state_dict(read_safetensors(path), assign=True)',
  '    return self.eval()',
];

/** What stands after the classes. */
export const judge = `def references():
    """The stored inputs, and the outputs expected for them."""
    tensors = read_safetensors(HERE / "reference.safetensors")
    stored = {kind: [name for name in tensors if name.startswith(kind)] for kind in ("input.", "output.")}
    place = lambda name: int(name.split(".")[1])
    inputs, outputs = [tuple(tensors[name] for name in sorted(names, key=place)) for names in stored.values()]
    return inputs, outputs


def difference(got, want):
    """How far a tensor is from another, in parts of what is tolerated; 1 and less is equal."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return float("inf")
    if want.numel() == 0:
        return 0.0
    if not (want.is_floating_point() or want.is_complex()):
        return 0.0 if torch.equal(got, want) else float("inf")
    tolerance = 2e-2 if want.dtype in (torch.float16, torch.bfloat16) else 1e-4
    a, b = [t.to(torch.complex128 if t.is_complex() else torch.float64) for t in (got, want)]
    finite = torch.isfinite(b)
    if not torch.equal(finite, torch.isfinite(a)) or not torch.equal(torch.nan_to_num(a[~finite]), torch.nan_to_num(b[~finite])):
        return float("inf")
    if not finite.any():
        return 0.0
    return float((a - b)[finite].abs().max() / (tolerance * max(1.0, float(b[finite].abs().max()))))


def main():
    model = Model().load_weights()
    if not (HERE / "reference.safetensors").exists():
        print("there are no stored inputs and outputs to compare with")
        return 1
    inputs, expected = references()
    with torch.no_grad():
        made = model(*inputs)
    made = made if isinstance(made, tuple) else (made,)
    failed = len(made) != len(expected)
    for i, (got, want) in enumerate(zip(made, expected)):
        far = difference(got, want)
        failed = failed or not far <= 1
        print(f"output {i}: {str(want.dtype)[6:]}{list(want.shape)}, {far:.2g} of the tolerance")
    print("FAILED: other numbers than expected" if failed else "ok: the expected numbers")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
`;
