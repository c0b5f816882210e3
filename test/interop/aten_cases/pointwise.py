"""Pointwise overloads: functions of one tensor, arithmetic on mixed types, comparisons, bits, activations, special functions."""
import math

import torch

from . import B, I, T, V, W, case

inf, nan = math.inf, math.nan
f16, f64 = torch.float16, torch.float64
i8, i16, i32, i64, u8 = torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8

CASES = {}


def add(names, *cases, overload="default"):
    """The same cases for several names."""
    for name in names.split():
        for which in overload.split():
            CASES[f"{name}.{which}"] = list(cases)


# Functions of one tensor.
EDGES = V([-inf, -2.5, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5, inf, nan])
SMALL = V([-0.5, -1e-3, -1e-5, -1e-7, -1e-10, 0.0, 1e-10, 1e-7, 1e-5, 1e-3, 0.5])
for group, low, high in (
    ("acos arccos asin arcsin atanh arctanh", -1, 1),
    ("acosh arccosh", 1, 9),
    ("asinh arcsinh atan arctan cos cosh deg2rad erf special_erf exp exp2 special_exp2 rad2deg sigmoid special_expit sin sinh tan tanh", -5, 5),
    ("log log2 log10 reciprocal rsqrt sqrt", 0.1, 9),
):
    add(group, case(T(2, 3, low=low, high=high)), case(T(low=low, high=high)), case(T(4, low=low, high=high), types=(f16,)), case(EDGES))
add("sinc special_sinc", case(T(2, 3, low=-3, high=3)), case(T()), case(V([-1.0, 0.0, 1e-6, 0.5, nan])))
add("expm1 special_expm1 log1p special_log1p", case(T(2, 3, low=-0.9, high=9)), case(T(low=0, high=2)), case(SMALL), case(EDGES), case(V([1e-5, 3e-5, 2e-6])), case(V([1e-8, 3e-8])), case(V([20.0, 80.0, 1e20])), case(T(4, low=0.1), types=(f16,)))
add("abs absolute neg negative sign sgn", case(T(2, 3)), case(T()), case(V([-inf, -0.5, -0.0, 0.0, inf])), case(T(3, low=0), types=(u8, i8, i16)))
add("positive conj conj_physical resolve_conj resolve_neg real", case(T(2, 3)), case(T()))
add("ceil floor round trunc fix", case(T(2, 3, low=-9, high=9)), case(T()), case(EDGES), case(T(3, low=0), types=(u8, i8)))
add("frac", case(T(2, 3, low=-9, high=9)), case(T()), case(V([-1.5, -0.0, 2.0, inf, nan])))
add("round", case(T(2, 3, low=-99, high=99), decimals=2), case(T(5, low=-999, high=999), decimals=-2), case(T(), decimals=0), case(V([0.125, 0.375, -0.125]), decimals=2), overload="decimals")
add("special_round", case(T(2, 3, low=-99, high=99)), case(T(2, 3, low=-99, high=99), decimals=1))
add("square", case(T(2, 3)), case(T()), case(T(3), types=(u8, i8, torch.bool)))
add("signbit isnan isinf isposinf isneginf isfinite isreal", case(T(2, 3)), case(T()), case(V([-inf, -1.0, -0.0, 0.0, 1.0, inf, nan])), case(T(3, low=-2), types=(i8, i16, torch.bool)))
add("nan_to_num", case(EDGES), case(EDGES, 1.0, 2.0, -3.0), case(EDGES, posinf=7.0), case(T(2, 3)), case(V([nan, inf, -inf], dtype=f64)), case(V([nan, inf, -inf], dtype=f16)))
add("logical_not", case(T(2, 3, low=-1)), case(B()), case(V([0.0, 0.5, nan])), case(T(3), types=(u8, i8)))
add("bitwise_not", case(T(2, 3), types=(i32, i64, u8, i8, i16, torch.bool)), case(B(2)))
add("angle", case(T(2, 3)), case(T()), case(EDGES))
add("logit special_logit", case(T(2, 3, low=0.01, high=0.99)), case(T(2, 3), 0.1), case(V([0.0, 1.0, 0.5, 2.0])), case(T(low=0.2, high=0.8), 0.25))

# Special functions.
TAILS = V([-9.0, -4.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 4.0, 6.0, 9.0])
TAILS64 = V([-9.0, -4.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 4.0, 6.0, 9.0], dtype=f64)
add("erfc special_erfc special_erfcx special_ndtr special_log_ndtr", case(T(2, 3)), case(T()), case(TAILS), case(V([2.0, 3.0, 2.5])), case(V([5.0, 5.1, 5.2])), case(V([8.0, 8.5, 9.0])), case(TAILS64, rtol=1e-13), case(V([6.0, 9.0], dtype=f64), rtol=1e-12))
add("erfinv special_erfinv", case(T(2, 3, low=-0.999, high=0.999)), case(T(low=0)), case(V([-1.0, 0.0, 1.0, 2.0, nan, 1e-6])), case(V([0.9999999, -0.99999, 0.5])), case(V([1e-6, 3e-6])), case(V([0.1, -0.9, 0.9999999999], dtype=f64), rtol=1e-10))
add("special_ndtri", case(T(2, 3, low=0.001, high=0.999)), case(T(low=0.1)), case(V([0.0, 1.0, 1e-30, 1e-6, 0.5])), case(V([1e-250, 1e-9, 0.3], dtype=f64), rtol=1e-10))
add("special_entr", case(T(2, 3)), case(T(low=0.1)), case(V([-1.0, 0.0, 0.5, nan, inf])))
add("i0 special_i0 special_i0e special_i1 special_i1e special_modified_bessel_i0 special_modified_bessel_i1", case(T(2, 3, low=-9, high=9)), case(T()), case(V([0.0, 1e-6, -1e-4])), case(V([20.0, 50.0, -70.0])), case(V([0.5, 3.0, -30.0], dtype=f64), rtol=1e-11))
GAMMA = V([-170.3, -30.7, -2.5, -1.5, -0.5, 0.001, 0.5, 1.0, 1.5, 2.0, 3.0, 10.0])
POLES = V([-inf, -2.0, -1.0, 0.0, inf, nan])
add("lgamma special_gammaln", case(T(2, 3, low=0.1, high=5)), case(T(low=1, high=3)), case(GAMMA), case(POLES), case(V([1e6, 1e20, 1e37])), case(V([1e-20, 1.5, 0.9])), case(V([0.4, 5.5, -7.3, 1e100], dtype=f64), rtol=1e-13), case(V([1.1, 2.1, 1.9, 0.9])))
add("digamma special_digamma special_psi", case(T(2, 3, low=0.1, high=5)), case(T(low=1, high=3)), case(V([-30.7, -2.5, -0.5, 0.5, 1.0, 1.4616, 3.0, 1e6])), case(POLES), case(V([0.4, 5.5, -7.3, 1e10], dtype=f64), rtol=1e-12))
# PyTorch's own trigamma is right to nine digits.
for name in ("polygamma", "special_polygamma"):
    add(name, case(0, T(2, 3, low=0.1, high=5)), case(1, T(2, 3, low=0.1, high=5)), case(1, T(low=1, high=3)), case(1, V([-7.3, -0.5, 0.3, 9.0, 1e4])), case(1, V([0.4, 30.0], dtype=f64), rtol=1e-9))
add("mvlgamma special_multigammaln", case(T(2, 3, low=2, high=5), 3), case(T(low=2, high=3), 1))

# Arithmetic on two operands of mixed types.
MIXED = (
    case(T(2, 3), T(2, 3)),
    case(T(2, 3), T(3)),
    case(T(), T(2, 1)),
    case(T(2, 3, dtype=i32), T(3)),
    case(T(2, 3), T(3, dtype=f64)),
    case(T(2, 3), T(dtype=f64)),
    case(T(3, dtype=i64), T(dtype=i32)),
    case(T(3, dtype=f16), T(3)),
)
SCALARS = (case(T(2, 3), 2.5), case(T(), 2), case(T(3, dtype=i32), 3), case(T(3, dtype=i32), 2.0), case(T(3, dtype=f64), 3), case(T(3, dtype=f16), 0.5))
SIGNED = (*MIXED, case(V([-7, -6, 7, 6, 0, 5]), V([3, -3, -3, 3, 2, 5])), case(T(3, dtype=i8), V([2, -3, 3], dtype=i8)))
BYTES = (case(T(3, dtype=u8), T(3, dtype=i8)), case(B(2), I(2)), case(B(2), T(2)))
add("add", *MIXED, *BYTES, case(T(2, 3), T(3), alpha=2.5), case(T(2, 3, dtype=i32), T(3, dtype=i64), alpha=2), case(B(3), B(3)), overload="Tensor")
add("sub subtract rsub", *MIXED, case(T(2, 3), T(3), alpha=2), case(T(2, 3, dtype=i32), T(3, dtype=i64), alpha=2), overload="Tensor")
add("add sub subtract rsub", *SCALARS, case(T(2, 3), 2, 3), case(T(2, 3), 2.5, 0.5), overload="Scalar")
add("mul multiply", *MIXED, *BYTES, case(B(3), B(3)), overload="Tensor")
add("mul multiply", *SCALARS, case(B(3), True), overload="Scalar")
add("div divide true_divide", *MIXED, *BYTES, case(V([1, -3, 7]), V([2, 2, -3])), case(V([1.0, -1.0, 0.0]), V([0.0, 0.0, 0.0])), overload="Tensor")
add("div divide true_divide", *SCALARS, case(T(3, dtype=i64), 4), overload="Scalar")
NONZERO = V([[3, -3, -3], [3, 2, 5]])
QUOTIENTS = (V([[-7, -6, 7], [6, 0, -5]]), V([[-7, -6, 7], [6, 0, -5]], dtype=i32), V([[-7.5, -6.0, 7.25], [6.0, 0.0, -5.0]]), V([[-7.5, -6.0, 7.25], [6.0, 0.0, -5.0]], dtype=f64), V([[-7.5, -6.0, 7.25], [6.0, 0.0, -5.0]], dtype=f16))
RESTS = (
    case(T(2, 3, low=-9, high=9), T(2, 3, low=1, high=5)),
    *(case(q, NONZERO) for q in QUOTIENTS),
    case(QUOTIENTS[2], V([3.0, -2.5, 0.7])),
    case(V([1.0, -1.0, 6.0]), V([0.1, 0.1, -0.1])),
    case(T(low=-9), T(3, low=1, high=4)),
    case(V([7, 9, 200], dtype=u8), V([2, 3, 7], dtype=u8)),
    case(V([-7, 9, 100], dtype=i8), V([2, -2, 7], dtype=i8)),
)
RESTS_BY = (case(T(2, 3, low=-9, high=9), 2), *(case(q, 3) for q in QUOTIENTS), *(case(q, -2) for q in QUOTIENTS), case(QUOTIENTS[2], 0.7), case(QUOTIENTS[0], 2.5), case(QUOTIENTS[2], -0.7), case(T(), 2.0))
ZEROS = (case(V([1.0, -1.0, 0.0, inf, -2.0, 3.0]), V([0.0, 0.0, 0.0, 2.0, inf, -inf])),)
add("floor_divide", *RESTS, *ZEROS)
add("remainder fmod", *RESTS, *ZEROS, overload="Tensor")
add("floor_divide remainder fmod", *RESTS_BY, overload="Scalar")
CASES["remainder.Scalar_Tensor"] = [case(7, T(2, 3, low=1, high=5)), case(-7.5, T(3, low=1, high=5)), case(7, V([3, -2])), case(7, V([3.5, -2.5]))]


def with_mode(cases):
    return [case(*c.args, rounding_mode=mode) for mode in ("floor", "trunc", None) for c in cases]


add("div divide", *with_mode((*RESTS, *ZEROS)), overload="Tensor_mode")
add("div divide", *with_mode(RESTS_BY), overload="Scalar_mode")

WHOLE = V([[-2, -1, 0], [1, 2, 3]])
POWERS = (case(T(2, 3, low=0.1, high=3), T(2, 3, low=-2, high=2)), case(T(2, 3, low=0.1, high=3), T(3)), case(T(low=1, high=2), T(2, 1)), case(WHOLE, V([0, 1, 3])), case(WHOLE, V([-1, -2, -3])), case(WHOLE, V([1, 2, 3], dtype=i32)), case(WHOLE, V([0.0, 2.0, 1.0])), case(V([2, 3], dtype=u8), V([7, 5], dtype=u8)), case(V([2, -3], dtype=i8), V([6, 3], dtype=i8)))
POWERS_BY = (case(T(2, 3, low=0.1, high=3), 2), *(case(T(2, 3, low=0.1, high=3), n) for n in (0, 1, 3, 0.5, -0.5, -1, -2, 2.5, 4.0, 1 / 3)), case(WHOLE, 0), case(WHOLE, 2), case(WHOLE, 5), case(V([3000001, -3000001]), 3), case(WHOLE, 1), case(WHOLE, 0.5), case(WHOLE, 2.0), case(V([2, 3], dtype=i8), 4), case(T(), 2), case(B(3), 2))
BASES = (case(2, T(2, 3)), case(2.5, T(2, 3)), case(1, T(3)), case(2, V([0, 1, 5])), case(2.5, V([0, 1, 5])), case(3, T()))
add("pow float_power", *POWERS, overload="Tensor_Tensor")
add("pow float_power", *POWERS_BY, overload="Tensor_Scalar")
add("pow float_power", *BASES, overload="Scalar")
add("pow_", *POWERS[:2], overload="Tensor")
add("pow_", *POWERS_BY[:4], overload="Scalar")
add("float_power_", case(T(2, 3, dtype=f64, low=0.1), T(2, 3)), overload="Tensor")
add("float_power_", case(T(2, 3, dtype=f64, low=0.1), 2.5), overload="Scalar")

CORNERS = V([-inf, -2.0, -0.0, 0.0, 2.0, inf, nan])
GRID = (V([[-inf], [-2.0], [-0.0], [0.0], [2.0], [inf], [nan]]), CORNERS)
add("atan2 arctan2", *MIXED, case(*GRID), case(I(2, 3), I(3)))
add("hypot", *MIXED[:3], case(T(2, 3), T(3, dtype=f64)), case(V([1e30, 0.0, 3.0, 1e-30]), V([1e30, 0.0, -4.0, 0.0])), case(V([inf, 2.0]), V([inf, -inf])))
add("copysign", *MIXED, case(V([-2.0, 2.0, inf]), V([0.0, -0.0, -1.0])), case(I(3), I(3, low=-3)), overload="Tensor")
add("copysign", *SCALARS, case(T(3), -1.0), case(T(3), -0.0), case(I(3), -2), overload="Scalar")
add("logaddexp logaddexp2", *MIXED[:3], case(T(2, 3), T(3, dtype=f64)), case(V([inf, -inf, inf, -inf, 100.0, 0.0]), V([inf, -inf, -inf, 3.0, 99.0, 1e-3])))
LOGS = (case(T(2, 3), T(2, 3, low=0.1, high=3)), case(T(2, 3), T(3, low=0.1)), case(T(), T(2, 1, low=0.1)), case(I(3), T(3, low=0.1)), case(V([0.0, 0.0, 0.0, 1.0, nan, 0.0]), V([0.0, nan, inf, 0.0, 1.0, 2.0])), case(I(3), I(3, low=1)))
LOGS_BY = (case(T(2, 3), 2.5), case(T(), 2), case(I(3), 2), case(V([0.0, 1.0, nan]), 0))
LOGS_OF = (case(2.5, T(2, 3, low=0.1)), case(0, V([0.0, nan, 1.0])), case(2, I(3, low=1)), case(0.0, T(low=0.1)))
for name, overloads in (("xlogy", ("Tensor", "Scalar_Other", "Scalar_Self")), ("special_xlogy", ("default", "other_scalar", "self_scalar")), ("special_xlog1py", ("default", "other_scalar", "self_scalar"))):
    for which, cases in zip(overloads, (LOGS, LOGS_BY, LOGS_OF)):
        add(name, *cases, overload=which)
add("ldexp", case(T(2, 3), I(2, 3)), case(T(), I(3)), case(I(3), I(3)), case(T(3), T(3)), case(T(3, dtype=f64), T(3, dtype=i32, low=-3)), overload="Tensor")
add("lerp", case(T(2, 3), T(2, 3), T(2, 3)), case(T(2, 3), T(3), T()), case(T(), T(), T()), case(V([1e8, -1e8]), V([1.0, 2.0]), V([1.0, 1.0])), overload="Tensor")
add("lerp", case(T(2, 3), T(2, 3), 0.25), case(T(2, 3), T(3), 0.75), case(T(), T(), 2), case(V([1e8, -1e8]), V([1.0, 2.0]), 1.0), overload="Scalar")
add("addcmul", case(T(2, 3), T(2, 3), T(3)), case(T(2, 3), T(2, 3), T(2, 1), value=2), case(T(3), T(3), T(), value=0.5), case(I(3), I(3), I(3), value=2), case(T(3), I(3), T(3, dtype=f64)))
add("addcdiv", case(T(2, 3), T(2, 3), T(3, low=1, high=2)), case(T(2, 3), T(2, 3), T(2, 1, low=1, high=2), value=2), case(T(), T(), T(low=1, high=2), value=0.5))

# Comparisons and choices.
ORDER = (*MIXED, case(V([1, 2, 3]), V([3, 2, 1])), case(B(6), V([True, False, True, False, True, False])), case(V([1, 2, 3], dtype=i32), V([1.5, 2.0, 2.5])), case(CORNERS, V([-inf, 2.0, 0.0, -0.0, 2.0, nan, nan])), case(V([1, 2], dtype=u8), V([2, 2], dtype=i8)))
ORDER_BY = (case(T(2, 3), 0.5), case(T(), 0), case(V([1, 2, 3]), 2), case(V([1, 2, 3]), 1.5), case(B(3), True), case(V([1, 2, 3], dtype=u8), 2), case(V([1.0, nan]), inf))
add("eq ne not_equal lt less le less_equal gt greater ge greater_equal", *ORDER, overload="Tensor")
add("eq ne not_equal lt less le less_equal gt greater ge greater_equal", *ORDER_BY, overload="Scalar")
add("logical_and logical_or logical_xor", case(B(2, 3), B(3)), case(T(2, 3, low=-1), T(3)), case(I(2, 3, high=2), T(3)), case(B(), B(2)), case(V([0.0, nan, 0.5]), V([1, 0, 2])))
add("maximum minimum fmax fmin", *ORDER)
add("max min", *ORDER, overload="other")
CLOSE = (V([1.0, 1.0, inf, inf, nan, 0.0, -inf]), V([1.0 + 1e-6, 1.1, inf, -inf, nan, 1e-9, 1.0]))
add("isclose", case(*CLOSE), case(*CLOSE, equal_nan=True), case(*CLOSE, rtol=0.5), case(*CLOSE, rtol=0.0, atol=0.0), case(T(2, 3), T(3), atol=1.0), case(V([1, 2, 3]), V([1, 3, 5]), atol=1.0), case(T(), T()), case(B(3), B(3)))
add("heaviside", case(T(2, 3), T(3)), case(CORNERS, V([5.0])), case(I(3, low=-2), I(3)), case(T(), T()), case(B(3), B(3)))
add("where", case(B(2, 3), T(2, 3), T(3)), case(B(), T(3), T()), case(B(3), T(3, dtype=i32), T(3)), case(B(3), T(3, dtype=f64), T()), case(B(3), B(3), B(3)), case(B(2, 1), I(3), I()), overload="self")
add("where", case(B(2, 3), T(2, 3), 2.5), case(B(3), I(3), 2.5), case(B(3), I(3), 2), case(B(), T(3, dtype=f64), 2), case(B(3), B(3), 2), overload="ScalarOther")
add("where", case(B(2, 3), 2.5, T(2, 3)), case(B(3), 2.5, I(3)), case(B(3), 2, I(3)), case(B(), inf, T(3, dtype=f16)), overload="ScalarSelf")
add("where", case(B(2, 3), 2.5, 1.0), case(B(3), 2, 1), case(B(), 2, 1.5), case(B(3), True, False), overload="Scalar")
add("masked_fill", case(T(2, 3), B(3), 2.5), case(T(2, 3), B(2, 3), -inf), case(I(2, 3), B(2, 3), 2), case(T(3), B(2, 3), 1), case(T(), B(), 1), case(B(3), B(3), True), case(T(3, dtype=f16), B(3), -65504.0), overload="Scalar")
add("masked_fill", case(T(2, 3), B(3), T()), case(I(2, 3), B(2, 3), I()), case(T(3), B(2, 3), I()), case(T(), B(), T(dtype=f64)), overload="Tensor")
add("clamp clip", case(T(2, 3), -0.5, 0.5), case(T(2, 3), 0), case(T(2, 3), max=0.5), case(I(3, low=-5), -1, 2), case(I(3, low=-5), 0.5), case(T(3, dtype=f64), 0, 1), case(T(), 1.0, -1.0), case(T(3), types=(i8, u8), min=1, max=2), case(T(3, dtype=f16), -0.5, 0.5))
add("clamp clip", case(T(2, 3), T(3), T(3)), case(T(2, 3), T(3)), case(T(2, 3), None, T()), case(I(3), I(3), T(3)), case(T(3), T(dtype=f64), T(2, 1)), overload="Tensor")
add("clamp_min clamp_max", case(T(2, 3), 0.5), case(I(3, low=-5), 1), case(I(3, low=-5), 0.5), case(T(), 0))
add("clamp_min clamp_max", case(T(2, 3), T(3)), case(T(3), T()), case(I(3), T(3)), overload="Tensor")
add("hardtanh", case(T(2, 3)), case(T(2, 3, low=-9, high=9), -2.0, 3.0), case(T(), 0, 0.5), case(I(3, low=-5), -2, 3), case(T(3), types=(f16,)))
add("threshold", case(T(2, 3), 0.1, 20.0), case(T(), 0, 0), case(I(3, low=-5), 1, -7), case(V([nan, 1.0, 0.5]), 0.5, 2.0))

# Bits.
BITS = (case(T(2, 3), T(2, 3), types=(i32, i64, u8, i8, i16, torch.bool)), case(I(2, 3), I(3)), case(I(2, 1), T(3, dtype=i32)), case(I(), I()), case(B(3), I(3)), case(T(3, dtype=i32), T(dtype=i64)))
BITS_BY = (case(T(2, 3), 5, types=(i32, i64, u8)), case(I(), -2), case(B(3), True), case(B(3), 3))
add("bitwise_and bitwise_or bitwise_xor __and__ __or__ __xor__", *BITS, overload="Tensor")
add("bitwise_and bitwise_or bitwise_xor __and__ __or__ __xor__", *BITS_BY, overload="Scalar")
add("bitwise_and bitwise_or bitwise_xor", case(5, T(2, 3), types=(i32, i64, u8)), case(True, B(3)), overload="Scalar_Tensor")
add("__iand__ __ior__ __ixor__", case(I(2, 3), I(3)), case(B(3), B(3)), overload="Tensor")
add("__iand__ __ior__ __ixor__", case(I(2, 3), 5), case(B(3), True), overload="Scalar")
FAR = V([-9, 9, -1, 1, -(2**40), 2**62, 7])
SHIFTS = (case(T(6), V([0, 1, 2, 7, 3, 1]), types=(i32, i64, i8)), case(FAR, V([1, 2, 63, 63, 3, 62, 62])), case(FAR, V([64, 65, 64, 100, -1, -5, 70])), case(V([1, 128, 255], dtype=u8), V([1, 7, 8], dtype=u8)), case(I(2, 3), I(3)), case(I(), I()), case(V([-5, 5, 2**30], dtype=i32), V([31, 30, 32], dtype=i32)))
SHIFTS_BY = tuple(case(FAR, n) for n in (0, 1, 5, 62, 63, 64)) + tuple(case(V([-5, 5, 2**30], dtype=i32), n) for n in (1, 30, 31, 32)) + tuple(case(V([1, 128, 255], dtype=u8), n) for n in (0, 1, 7, 8))
add("bitwise_left_shift bitwise_right_shift __lshift__ __rshift__", *SHIFTS, overload="Tensor")
add("bitwise_left_shift bitwise_right_shift", *SHIFTS_BY, overload="Tensor_Scalar")
add("__lshift__ __rshift__", *SHIFTS_BY, overload="Scalar")
add("bitwise_left_shift bitwise_right_shift", case(5, I(2, 3)), case(-5, V([0, 1, 70])), overload="Scalar_Tensor")
add("__ilshift__ __irshift__", case(I(2, 3), I(3)), overload="Tensor")
add("__ilshift__ __irshift__", case(I(2, 3), 2), overload="Scalar")

# Activations.
WIDE = T(4, 5, low=-9, high=9)
HALF = case(T(3), types=(f16,))
add("relu relu6 leaky_relu elu selu celu silu mish gelu hardsigmoid hardswish hardshrink softshrink softplus log_sigmoid log_sigmoid_forward rrelu", case(WIDE), case(T()), case(T(2, 3, 4)), HALF)
CASES["relu.default"] += [case(T(3), types=(i8, u8, i32))]
CASES["relu6.default"] += [case(T(3, low=0, high=9), types=(i8, u8, i32))]
CASES["leaky_relu.default"] += [case(WIDE, 0.2), case(WIDE, 2)]
CASES["elu.default"] += [case(WIDE, 2.0), case(WIDE, 1.5, 1.1), case(WIDE, 1.5, 1.1, 0.7), case(WIDE, 0.5, 1, 2.0), case(T(3, dtype=f64), 1.5, 1.1, 0.7), case(WIDE, 1.6732632423543772, 1.0507009873554805)]
CASES["celu.default"] += [case(WIDE, 2.0), case(WIDE, 0.3), case(T(3, dtype=f64), 0.3)]
CASES["gelu.default"] += [case(WIDE, approximate="tanh")]
CASES["hardshrink.default"] += [case(WIDE, 2.0), case(WIDE, 0)]
CASES["softshrink.default"] += [case(WIDE, 2.0), case(WIDE, 0)]
CASES["softplus.default"] += [case(WIDE, 2), case(WIDE, 0.5, 1.0), case(WIDE, 1, 3), case(V([-100.0, 100.0, 0.0])), case(V([20.5, 19.5], dtype=f64), rtol=1e-15)]
CASES["log_sigmoid.default"] += [case(V([-100.0, 100.0, 0.0]))]
CASES["rrelu.default"] += [case(WIDE, 0.1, 0.5)]
add("rrelu_with_noise", case(WIDE, T(4, 5)), case(WIDE, T(4, 5), 0.1, 0.5))
add("rrelu_with_noise_functional", case(WIDE, T(4, 5)))
add("prelu", case(T(2, 3, 4), W(3)), case(T(2, 3, 4, 4), W(1)), case(T(2, 3), W(3)), case(T(4), W(1)), case(T(2, 3), T()), case(T(), W(1)), case(T(2, 3, 4), T(3)))
add("_prelu_kernel", case(T(2, 3, 4), W(1, 3, 1)), case(T(2, 3), W(1, 1)))
add("glu", case(T(4, 6)), case(T(4, 6), 0), case(T(2, 3, 4), -1), case(T(8)))
add("dropout feature_dropout alpha_dropout feature_alpha_dropout", case(T(2, 3), 0.5, False), case(T(), 0.1, False))
CASES["dropout.default"] += [case(T(2, 3), 0.0, True)]
add("native_dropout", case(T(2, 3), 0.5, False), case(T(), 0.1, False))
