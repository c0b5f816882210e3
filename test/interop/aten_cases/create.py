"""Making tensors: filled, counted, random; and casts."""
import torch

from . import B, I, T, V, W, case

f16, bf16, f32, f64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
i64, i32, i16, i8, u8, b8 = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
ALL = (f32, f64, f16, i64, i32, i16, i8, u8, b8)


def rand(*args, **kwargs):
    return case(*args, random=True, **kwargs)


SIZED = [case([2, 3]), case([]), case([0, 3]), case([40, 50]), *(case([2, 2], dtype=t) for t in (f64, f16, i64, i32, u8, b8))]
LIKE = [case(T(2, 3)), case(T()), case(T(40, 50)), *(case(T(2, 3), dtype=t) for t in (f64, f16, i64, i32, u8, b8))]
CASTS = [case(T(2, 3, low=0, high=100), t) for t in (f64, f16, i64, i32, i16, i8, u8, b8)] + [
    case(V([-2.9, -0.5, 0.0, 0.5, 1.5, 2.7]), i64),
    case(V([-2.9, -0.5, 0.0, 0.5, 1.5, 2.7]), b8),
    case(T(3, dtype=i64), f32),
    case(B(3), f32),
    case(B(3), i64),
    case(T(3, dtype=f16), f64),
]
CASTS_BY_NAME = [case(T(2, 3, low=0, high=100)), case(T(dtype=i64, low=0, high=100)), case(B(3))]
WINDOW = [case(8), case(1), case(0), case(9, dtype=f64), case(2)]
PERIODIC = [case(8, True), case(8, False), case(1, True), case(1, False), case(5, False, dtype=f64), case(2, False)]
SPACED = [
    case(0, 1, 5),
    case(3.5, -2, 6),
    case(1, 2, 1),
    case(1, 2, 0),
    case(0, 10, 4, dtype=i64),
    case(-5, 5, 7, dtype=i32),
    case(0, 3, 5, dtype=f64),
    case(0, 1, 4, dtype=f16),
]
EYE = [case(3), case(0), case(40), case(4, dtype=i64), case(4, dtype=b8), case(40, dtype=f16), case(33, dtype=i64)]
EYE_M = [case(3, 5), case(5, 2), case(40, 30), case(3, 5, dtype=i32), case(40, 50, dtype=b8)]
RANDINT = [rand(5, [2, 3]), rand(5, []), rand(7, [3], dtype=i32), rand(7, [3], dtype=f32)]
RANDINT_LOW = [rand(-3, 5, [2, 3]), rand(2, 5, [4], dtype=i32)]

CASES = {
    "zeros.default": SIZED,
    "ones.default": SIZED,
    "empty.memory_format": [rand([2, 3]), rand([40, 50], dtype=f64), rand([], dtype=i64)],
    "empty_strided.default": [rand([2, 3], [3, 1]), rand([2, 3], [1, 2], dtype=i64)],
    "empty_permuted.default": [rand([2, 3], [1, 0]), rand([2, 3], [0, 1], dtype=i64)],
    "full.default": [
        case([2, 3], 1.5),
        case([2, 3], 2.0),
        case([2, 3], 7),
        case([2], True),
        case([], -1),
        case([40, 50], 3),
        case([2], float("-inf")),
        case([2], float("nan")),
        case([2], 2**60 + 1),
        case([2], 2.7, dtype=i32),
        case([2], 3, dtype=f16),
        case([2], 1, dtype=b8),
    ],
    "new_zeros.default": [case(T(3), [2, 3]), case(T(3), [2], dtype=i64), case(T(3), [])],
    "new_ones.default": [case(T(3), [2, 3]), case(T(3), [2], dtype=i64), case(T(3, dtype=i32), [40, 50])],
    "new_empty.default": [rand(T(3), [2, 3]), rand(T(3), [2], dtype=i64)],
    "new_empty_strided.default": [rand(T(3), [2, 3], [3, 1]), rand(T(3), [2], [1], dtype=i64)],
    "new_full.default": [case(T(3), [2, 3], 3), case(T(3), [2], 2.5, dtype=f64), case(T(3, dtype=i64), [2], 2.5)],
    "zeros_like.default": LIKE,
    "ones_like.default": LIKE,
    "empty_like.default": [rand(T(2, 3)), rand(T(2, 3), dtype=i64)],
    "full_like.default": [case(T(2, 3), 3), case(T(2, 3), 2.5), case(T(2, 3, dtype=i64), 3.7), case(T(), 1, dtype=b8), case(T(40, 50), -1.5)],
    "zero.default": [case(T(2, 3), types=ALL), case(T())],
    "fill.Scalar": [case(T(2, 3), 3), case(T(2, 3), -1.5), case(T(), 2), case(T(2, dtype=i64), 2.7), case(T(2, dtype=b8), 1)],
    "fill.Tensor": [case(T(2, 3), T()), case(T(2, 3), T(dtype=i64)), case(T(), T()), case(T(2, dtype=i64), V(2.7))],
    "zero_.default": [case(T(2, 3))],
    "fill_.Scalar": [case(T(2, 3), 1.5)],
    "copy_.default": [case(T(2, 3), T(3)), case(T(2, 3, dtype=i64), T(2, 3, dtype=f32))],
    "copy.default": [case(T(2, 3), T(2, 3)), case(T(2, 3), T(3, dtype=i64)), case(T(2, 3), T()), case(T(2, 3, dtype=i64), V([1.7, -1.7, 0.2]))],
    "scalar_tensor.default": [case(3), case(2.5), case(True), case(3, dtype=i64), case(3, dtype=f64), case(1.9, dtype=i32)],
    "to.dtype": CASTS,
    "to.prim_dtype": [case(T(2, 3), t) for t in (f64, i64)],
    "to.device": [case(T(2, 3), "cpu", t) for t in (f32, f64, i64)],
    "to.dtype_layout": [case(T(2, 3)), case(T(2, 3), dtype=f64), case(T(2, 3), dtype=b8, device="cpu")],
    "to.other": [case(T(2, 3), T(2, dtype=i64)), case(T(2, 3), T(4)), case(T(2, 3), B(1))],
    "type_as.default": [case(T(2, 3), T(2, dtype=i64)), case(T(2, 3), T(4)), case(T(2, 3), B(1))],
    "_to_copy.default": [case(T(2, 3)), case(T(2, 3), dtype=f64), case(T(2, 3), dtype=i64), case(T(2, 3), dtype=b8)],
    "_autocast_to_reduced_precision.default": [case(T(2, 3), False, True, f16, bf16, types=(f64, i64)), case(T(2, 3), False, False, f16, bf16), case(T(2, 3), False, True, bf16, f16)],
    "_autocast_to_full_precision.default": [case(T(2, 3, dtype=f16), False, True), case(T(2, 3, dtype=f16), False, False), case(T(2, 3), False, True)],
    **{f"_cast_{name}.default": CASTS_BY_NAME for name in ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double")},
    "item.default": [case(V(2.5)), case(V([3]))],
    "_local_scalar_dense.default": [case(V(2.5)), case(V([3]))],
    "_dim_arange.default": [case(T(2, 3), 1), case(T(2, 3), -2)],
    "arange.default": [case(5), case(4.5), case(5.0), case(0), case(5, dtype=f64), case(5, dtype=f16), case(3000), case(5.5, dtype=i64)],
    "arange.start": [case(2, 7), case(-2, 3.5), case(7, 7), case(2, 7, dtype=i32), case(1.5, 4.5, dtype=i32)],
    "arange.start_step": [case(2, 9, 3), case(9, 2, -2), case(0, 1, 0.3), case(1.5, 9, 2, dtype=i64), case(0, 7, 2, dtype=f32), case(0, 9, 2, dtype=i16)],
    "range.default": [case(1, 4), case(0.5, 4), case(0, 5, dtype=i64)],
    "range.step": [case(1, 4, 0.5), case(5, 1, -2), case(0, 7, 3, dtype=i64)],
    "linspace.default": SPACED,
    "linspace.Tensor_Tensor": [case(T(), T(), 5), case(T(), T(), 4, dtype=f64), case(V(2), V(9), 4, dtype=i64), case(T(), T(), 1)],
    "linspace.Tensor_Scalar": [case(T(), 3, 5), case(V(2), 9.5, 4)],
    "linspace.Scalar_Tensor": [case(-2, T(), 5), case(2.5, V(9), 4)],
    "logspace.default": [case(0, 2, 5), case(0.5, -2, 6, 2.0), case(1, 2, 1), case(1, 2, 0), case(0, 4, 5, 2.0, dtype=i64), case(0, 3, 5, dtype=f64)],
    "logspace.Tensor_Tensor": [case(T(), T(), 5), case(T(), T(), 4, 2.0, dtype=f64)],
    "logspace.Tensor_Scalar": [case(T(), 2, 5), case(V(1), 3, 4, 2.0)],
    "logspace.Scalar_Tensor": [case(-1, T(), 5), case(0.5, V(2), 4, 3.0)],
    "eye.default": EYE,
    "eye.m": EYE_M,
    "hann_window.default": WINDOW,
    "hann_window.periodic": PERIODIC,
    "hamming_window.default": WINDOW,
    "hamming_window.periodic": PERIODIC,
    "hamming_window.periodic_alpha": [case(8, True, 0.5), case(7, False, 0.6)],
    "hamming_window.periodic_alpha_beta": [case(8, True, 0.5, 0.4), case(7, False, 0.6, 0.3)],
    "blackman_window.default": WINDOW[:-1],
    "blackman_window.periodic": PERIODIC[:-1],
    "bartlett_window.default": WINDOW,
    "bartlett_window.periodic": PERIODIC,
    "kaiser_window.default": WINDOW,
    "kaiser_window.periodic": PERIODIC,
    "kaiser_window.beta": [case(8, True, 5.0), case(7, False, 14.0)],
    "rand.default": [rand([2, 3]), rand([]), rand([2], dtype=f64)],
    "rand.generator": [rand([2, 3], generator=None)],
    "randn.default": [rand([2, 3]), rand([]), rand([2], dtype=f64)],
    "randn.generator": [rand([2, 3], generator=None)],
    "rand_like.default": [rand(T(2, 3)), rand(T(2, 3, dtype=i64), dtype=f32), rand(T())],
    "rand_like.generator": [rand(T(2, 3), generator=None)],
    "randn_like.default": [rand(T(2, 3)), rand(T(2, 3, dtype=i64), dtype=f32), rand(T())],
    "randn_like.generator": [rand(T(2, 3), generator=None)],
    "randint.default": RANDINT,
    "randint.generator": [rand(5, [2, 3], generator=None)],
    "randint.low": RANDINT_LOW,
    "randint.low_generator": [rand(-3, 5, [2, 3], generator=None)],
    "randint_like.default": [rand(T(2, 3), 5), rand(T(2, 3), 5, dtype=i64)],
    "randint_like.generator": [rand(T(2, 3), 5, generator=None)],
    "randint_like.low_dtype": [rand(T(2, 3), -2, 5), rand(T(2, 3), 2, 5, dtype=i64)],
    "randint_like.low_generator_dtype": [rand(T(2, 3), -2, 5, generator=None)],
    "randint_like.Tensor": [rand(T(2, 3), V(5)), rand(T(2, 3), V(5), dtype=i64)],
    "random.default": [rand(T(2, 3)), rand(T(2, 3, dtype=i64)), rand(T(2, 3, dtype=u8))],
    "random.to": [rand(T(2, 3), 9)],
    "randperm.default": [rand(5), rand(5, dtype=i32)],
    "randperm.generator": [rand(5, generator=None)],
    "normal_.default": [rand(T(2, 3)), rand(T(2, 3), 1.0, 0.5)],
    "normal_functional.default": [rand(T(2, 3)), rand(T(2, 3), 1.0, 0.5)],
    "normal.Tensor_float": [rand(T(2, 3)), rand(T(2, 3), 0.5)],
    "normal.float_Tensor": [rand(1.0, T(2, 3, low=0.1, high=1))],
    "normal.Tensor_Tensor": [rand(T(2, 3), T(2, 3, low=0.1, high=1)), rand(T(2, 1), T(3, low=0.1, high=1))],
    "normal.float_float": [rand(1.0, 0.5, [2, 3])],
    "log_normal.default": [rand(T(2, 3)), rand(T(2, 3), 0.0, 0.5)],
    "uniform.default": [rand(T(2, 3)), rand(T(2, 3), -1.0, 2.0)],
    "bernoulli.default": [rand(T(2, 3, low=0, high=1))],
    "bernoulli.p": [rand(T(2, 3), 0.3)],
    "bernoulli.Tensor": [rand(T(2, 3), T(2, 3, low=0, high=1)), rand(T(2, 3, dtype=i64), T(3, low=0, high=1))],
    "bernoulli_.float": [rand(T(2, 3)), rand(T(2, 3, dtype=i64), 0.2)],
    "multinomial.default": [
        rand(T(2, 5, low=0.1, high=1), 4, True, types=(f32,)),
        rand(T(2, 5, low=0.1, high=1), 3),
        rand(T(5, low=0.1, high=1), 3),
        rand(T(5, low=0.1, high=1), 7, True),
    ],
    "exponential.default": [rand(T(2, 3)), rand(T(2, 3), 2.0)],
    "geometric.default": [rand(T(2, 3), 0.3), rand(T(2, 3, dtype=i64), 0.3)],
    "cauchy.default": [rand(T(2, 3)), rand(T(2, 3), 1.0, 2.0)],
}
