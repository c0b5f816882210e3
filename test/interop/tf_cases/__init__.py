"""The language of the operator cases: what an operator is called with, by the names of tf.raw_ops.

    CASES = {"Conv2D": [case(input=T(2, 8, 8, 3), filter=W(3, 3, 3, 4), strides=[1, 1, 1, 1], padding="SAME")]}

Tensors are described, not made: values come from a seed, so that a case is the same on every machine.
"""
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class T:
    """A tensor input: normal numbers, or uniform in [low, high) where either is given. Integers lie in [low or -5, high or 6)."""

    shape: tuple
    dtype: str | None = None
    low: float | None = None
    high: float | None = None
    weight: bool = False
    values: tuple | None = None

    def __init__(self, *shape, dtype=None, low=None, high=None, weight=False, values=None):
        for name, value in (("shape", shape), ("dtype", dtype), ("low", low), ("high", high), ("weight", weight), ("values", values)):
            object.__setattr__(self, name, value)

    def make(self, random, default):
        name = self.dtype or default
        if name == "string":
            return np.array(self.values, dtype=object).reshape(self.shape)
        dtype = tf.as_dtype(name).as_numpy_dtype
        if self.values is not None:
            return np.array(self.values).astype(dtype).reshape(self.shape)
        if name == "bool":
            return np.asarray(random.random(self.shape) > 0.5)
        if tf.as_dtype(name).is_complex:
            return np.asarray(random.standard_normal(self.shape) + 1j * random.standard_normal(self.shape)).astype(dtype)
        if tf.as_dtype(name).is_floating:
            if self.low is None and self.high is None:
                return np.asarray(random.standard_normal(self.shape)).astype(dtype)
            low, high = (self.low if self.low is not None else 0.0), (self.high if self.high is not None else 1.0)
            return np.asarray(random.random(self.shape) * (high - low) + low).astype(dtype)
        low = int(self.low) if self.low is not None else (0 if name.startswith("u") else -5)
        high = int(self.high) if self.high is not None else 6
        return np.asarray(random.integers(low, max(high, low + 1), self.shape)).astype(dtype)


def I(*shape, high=6, low=0, dtype="int32", weight=False):
    """An integer tensor input with elements in [low, high): indices."""
    return T(*shape, dtype=dtype, low=low, high=high, weight=weight)


def B(*shape):
    """A bool tensor input."""
    return T(*shape, dtype="bool")


def W(*shape, **options):
    """A tensor that is a constant of the graph, not an input."""
    return T(*shape, weight=True, **options)


def C(*shape, dtype="complex64", **options):
    """A tensor of complex numbers: two inputs of the graph, its parts."""
    return T(*shape, dtype=dtype, **options)


def V(values, dtype=None, weight=False):
    """A tensor input with these elements."""
    made = np.array(values)
    chosen = dtype or ("string" if made.dtype.kind in "US" else "bool" if made.dtype.kind == "b" else "int32" if made.dtype.kind == "i" else "float32")
    return T(*made.shape, dtype=chosen, weight=weight, values=tuple(made.ravel().tolist()))


@dataclass
class Case:
    args: dict
    options: dict = field(default_factory=dict)


def case(*, random=False, rtol=None, types=None, dynamic=True, channels=False, results=None, **args):
    """One call.

    random: only types and shapes are compared.  rtol: of the largest element, 1e-5 otherwise.
    channels: whether the last axis keeps its size where the others are open.
    types: element types that tensors without one get in turn; float32 alone, and for an operator's first case other types too where
    TensorFlow takes them.  dynamic: whether it is also run with open sizes; those of
    tensors with given elements stay.
    results: how many results are looked at; all otherwise.
    """
    return Case(args, {"random": random, "rtol": rtol, "types": types, "dynamic": dynamic, "channels": channels, "results": results})
