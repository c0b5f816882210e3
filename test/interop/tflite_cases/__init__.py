"""The language of the cases in this folder: operators of TensorFlow Lite as small models.

Each module has a list CASES. A case is an operator with inputs and options:

    case("CONV_2D", [X(1, 5, 6, 3), W(4, 3, 3, 3, axis=0), B(4)], ("Conv2DOptions", dict(strideW=1, strideH=1)), quant=True)

X is an input of the model, K a constant with given content, W and B weights and biases; None leaves an input out. `quant` adds the
operator in int8, uint8 and int16, with ranges measured on the float model; `same` says that the output must be quantised like the first
input, `out_q` that its scale and zero point are fixed by type. `types` adds other element types; `dynamic` a model whose sizes are open.
"""
from dataclasses import dataclass, field

import numpy as np


@dataclass
class X:
    """An input of the model: random in a range, or given."""

    shape: tuple
    dtype: str | None = None
    low: float = -2.0
    high: float = 2.0
    value: object = None

    def __init__(self, *shape, dtype=None, low=-2.0, high=2.0, value=None):
        self.shape, self.dtype, self.low, self.high, self.value = shape, dtype, low, high, value

    def make(self, rng, dtype):
        kind = self.dtype or dtype
        if self.value is not None:
            return np.asarray(self.value).astype(kind)
        if kind == "bool":
            return rng.random(self.shape) < 0.5
        if np.dtype(kind).kind in "iu":
            low = max(self.low, 0) if np.dtype(kind).kind == "u" else self.low
            return rng.integers(int(np.floor(low * 3)), int(np.ceil(self.high * 3)) + 1, self.shape).astype(kind)
        return rng.uniform(self.low, self.high, self.shape).astype(kind)


@dataclass
class K:
    """A constant."""

    value: object
    dtype: str | None = None

    def make(self, rng, dtype):
        return np.asarray(self.value, dtype=self.dtype or ("int32" if np.asarray(self.value).dtype.kind == "i" else None))


class W(X):
    """Weights: a random constant, symmetric and by channel along `axis` where quantised."""

    def __init__(self, *shape, axis=None, **kw):
        super().__init__(*shape, low=-1, high=1, **kw)
        self.axis = axis


class B(W):
    """A bias: its scale is that of the first input times that of the weights."""


class State(X):
    """A variable tensor, zero at first."""


@dataclass
class Case:
    op: str
    inputs: list
    options: tuple | None = None
    out: list = field(default_factory=lambda: [None])
    quant: bool = False
    kinds: tuple = ("int8", "uint8", "int16")
    same: bool = False
    out_q: dict = field(default_factory=dict)
    types: tuple = ()
    plain: bool = True
    #: Shapes that the file must say of outputs.
    shapes: list | None = None
    dynamic: bool = True
    version: int = 1
    rtol: float = 1e-5
    atol: float = 1e-5
    steps: int = 1
    hybrid: bool = False
    custom: bytes | None = None
    #: Judged by the usual kernels: the reference kernel is wrong.
    usual: bool = False
    #: "after_rfft": the operator takes what RFFT2D gives.
    behind: str | None = None
    #: What the operator computes, where the interpreter has no kernel for it, or one of its kernels is wrong.
    expected: object = None


def case(op, inputs, options=None, **kw):
    out = kw.pop("out", None)
    if out is not None:
        kw["out"] = [out] if isinstance(out, str) else out
    return Case(op, inputs, options, **kw)


#: Operators whose cases are whole models (see test/interop/tflite_models.py), and those that draw random numbers.
ELSEWHERE = [
    "IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_REDUCE", "CALL", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "RFFT2D", "DENSIFY",
]
