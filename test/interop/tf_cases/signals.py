"""Cases of complex numbers and Fourier transforms. Complex tensors are two inputs and two outputs, their parts."""
from . import B, C, I, T, V, case

PAIR = dict(x=C(2, 3, 4), y=C(2, 3, 4))
BROADCAST = dict(x=C(2, 3, 4), y=C(4))
OF_ONE = [case(input=C(2, 3, 4)), case(input=C(7))]
TO_REAL = [*OF_ONE, case(input=C(2, 5, dtype="complex128"), Tout="float64")]


def transforms(rank, real=False):
    """Of the last `rank` axes: powers of two, other lengths, and with axes before them."""
    name = {"dtype": "float32"} if real else {"dtype": "complex64"}
    sizes = [(8, 12, 5)[-rank:], (4, 6, 7)[-rank:], (2, 3, 4, 6, 9)[-rank - 2 :]]
    return [case(input=T(*shape, **name), rtol=1e-4) for shape in sizes] + [case(input=T(*shape, dtype="float64" if real else "complex128"), rtol=1e-6) for shape in sizes[:1]]


def with_lengths(rank, real):
    """Transforms between numbers and half a spectrum, of lengths up to what the input has."""
    made = []
    for c in transforms(rank, real):
        sizes = c.args["input"].shape[-rank:]
        most = [*sizes[:-1], sizes[-1] if real else 2 * sizes[-1] - 1]
        further = {"Tcomplex" if real else "Treal": ("complex128" if real else "float64") if c.args["input"].dtype in ("float64", "complex128") else ("complex64" if real else "float32")}
        for less in (0, 1, 2):
            length = V([max(1, n - less) for n in most], dtype="int32", weight=True)
            made.append(type(c)({**c.args, "fft_length": length, **further}, c.options))
    return made


CASES = {
    "Complex": [case(real=T(2, 3), imag=T(2, 3)), case(real=T(2, 3), imag=T(3)), case(real=T(2, dtype="float64"), imag=T(2, dtype="float64"), Tout="complex128")],
    "Real": TO_REAL,
    "Imag": TO_REAL,
    "Angle": TO_REAL,
    "Conj": [*OF_ONE, case(input=C(2, 5, dtype="complex128"))],
    "ComplexAbs": [case(x=C(2, 3, 4)), case(x=C(2, 5, dtype="complex128"), Tout="float64"), case(x=C(3, weight=True))],
    "FFT": transforms(1),
    "IFFT": transforms(1),
    "FFT2D": transforms(2),
    "IFFT2D": transforms(2),
    "FFT3D": transforms(3),
    "IFFT3D": transforms(3),
    "RFFT": with_lengths(1, real=True),
    "RFFT2D": with_lengths(2, real=True),
    "RFFT3D": with_lengths(3, real=True),
    "IRFFT": with_lengths(1, real=False),
    "IRFFT2D": with_lengths(2, real=False),
    "IRFFT3D": with_lengths(3, real=False),
}

# Operators that have cases of numbers elsewhere, of complex numbers.
OF_COMPLEX = {
    "Cast": [case(x=C(2, 3), DstT="complex128"), case(x=T(2, 3), DstT="complex64"), case(x=C(2, 3), DstT="float32"), case(x=I(2, 3), DstT="complex64")],
    "Mul": [case(**PAIR), case(**BROADCAST), case(x=C(2, 3), y=C(3, weight=True))],
    "RealDiv": [case(**PAIR), case(**BROADCAST)],
    "AddV2": [case(**PAIR), case(**BROADCAST)],
    "Sub": [case(**PAIR)],
    "Neg": [case(x=C(2, 3))],
    "Square": [case(x=C(2, 3))],
    "Reciprocal": [case(x=C(2, 3))],
    "Exp": [case(x=C(2, 3))],
    "Log": [case(x=C(2, 3))],
    "Equal": [case(**PAIR)],
    "NotEqual": [case(**PAIR)],
    "MatMul": [case(a=C(2, 3), b=C(3, 4)), case(a=C(3, 2), b=C(4, 3), transpose_a=True, transpose_b=True)],
    "BatchMatMulV2": [case(x=C(5, 2, 3), y=C(5, 3, 4)), case(x=C(5, 3, 2), y=C(5, 4, 3), adj_x=True, adj_y=True)],
    "Sum": [case(input=C(2, 3, 4), axis=V([1], weight=True)), case(input=C(2, 3, 4), axis=V([0, 2], weight=True), keep_dims=True)],
    "Mean": [case(input=C(2, 3, 4), axis=V([1], weight=True))],
    "Reshape": [case(tensor=C(2, 6), shape=V([3, -1], weight=True))],
    "Transpose": [case(x=C(2, 3, 4), perm=V([2, 0, 1], weight=True))],
    "ConjugateTranspose": [case(x=C(2, 3), perm=V([1, 0], weight=True))],
    "ConcatV2": [case(values=[C(2, 3), C(2, 3)], axis=V(1, weight=True))],
    "Pack": [case(values=[C(2, 3), C(2, 3)], axis=1)],
    "Unpack": [case(value=C(2, 3), num=3, axis=1)],
    "Slice": [case(input=C(4, 5), begin=V([1, 2], weight=True), size=V([2, 3], weight=True))],
    "StridedSlice": [case(input=C(4, 5), begin=V([1, 0], weight=True), end=V([4, 5], weight=True), strides=V([2, 1], weight=True))],
    "GatherV2": [case(params=C(4, 5), indices=I(3, high=4), axis=V(0, weight=True))],
    "Pad": [case(input=C(2, 3), paddings=V([[1, 0], [0, 2]], weight=True))],
    "Tile": [case(input=C(2, 3), multiples=V([2, 1], weight=True))],
    "SelectV2": [case(condition=B(2, 3), t=C(2, 3), e=C(2, 3))],
    "ZerosLike": [case(x=C(2, 3))],
    "OnesLike": [case(x=C(2, 3))],
    "Shape": [case(input=C(2, 3))],
}

FURTHER = {"complex": OF_COMPLEX}
