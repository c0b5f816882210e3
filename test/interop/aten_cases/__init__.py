"""The language of the operator cases: what an ATen overload is called with.

    CASES = {"conv2d.default": [case(T(2, 3, 8, 8), W(4, 3, 3, 3), W(4), padding=[1, 1])]}

Arguments are positional or by name, as in the overload's schema. Tensors are described, not made: values come from a seed, so that a
case is the same on every machine.
"""
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class T:
    """A tensor input: normal numbers, or uniform in [low, high) where either is given. Integers lie in [low or -5, high or 6)."""

    shape: tuple
    dtype: torch.dtype | None = None
    low: float | None = None
    high: float | None = None
    weight: bool = False
    values: tuple | None = None

    def __init__(self, *shape, dtype=None, low=None, high=None, weight=False, values=None):
        for name, value in (("shape", shape), ("dtype", dtype), ("low", low), ("high", high), ("weight", weight), ("values", values)):
            object.__setattr__(self, name, value)

    def make(self, generator, default):
        dtype = self.dtype or default
        if self.values is not None:
            return torch.tensor(list(self.values) if self.shape != () else self.values[0], dtype=dtype).reshape(self.shape)
        if dtype == torch.bool:
            return torch.rand(self.shape, generator=generator) > 0.5
        if dtype.is_floating_point:
            if self.low is None and self.high is None:
                return torch.randn(self.shape, generator=generator, dtype=torch.float64).to(dtype)
            low, high = (self.low if self.low is not None else 0.0), (self.high if self.high is not None else 1.0)
            return (torch.rand(self.shape, generator=generator, dtype=torch.float64) * (high - low) + low).to(dtype)
        low = int(self.low) if self.low is not None else (0 if dtype == torch.uint8 else -5)
        high = int(self.high) if self.high is not None else 6
        return torch.randint(low, max(high, low + 1), self.shape, generator=generator).to(dtype)


def I(*shape, high=6, low=0):
    """An int64 tensor input with elements in [low, high): indices."""
    return T(*shape, dtype=torch.int64, low=low, high=high)


def B(*shape):
    """A bool tensor input."""
    return T(*shape, dtype=torch.bool)


def W(*shape, **options):
    """A tensor that is a weight of the model, not an input."""
    return T(*shape, weight=True, **options)


def V(values, dtype=None, weight=False):
    """A tensor input with these elements."""
    made = torch.tensor(values, dtype=dtype)
    return T(*made.shape, dtype=made.dtype, weight=weight, values=tuple(made.flatten().tolist()))


@dataclass
class Case:
    args: tuple
    kwargs: dict
    options: dict = field(default_factory=dict)


def case(*args, random=False, rtol=None, types=None, dynamic=True, results=None, **kwargs):
    """One call.

    random: only types and shapes are compared.  rtol: of the largest element, 1e-5 otherwise.
    types: element types that tensors without one get in turn; float32 alone, and for an overload's first case also float64, int64, int32
    and bool where eager PyTorch takes them.  dynamic: whether the first case is exported once more with open sizes.
    results: how many results are looked at; all otherwise. The others are for gradients only and have no conversion.
    """
    return Case(args, kwargs, {"random": random, "rtol": rtol, "types": types, "dynamic": dynamic, "results": results})
