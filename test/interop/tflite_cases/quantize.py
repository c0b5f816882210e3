from . import K, X, case

CASES = [
    case("FAKE_QUANT", [X(3, 5)], ("FakeQuantOptions", dict(min=-1.0, max=1.5, numBits=8)), version=2, rtol=1e-4, atol=1e-4),
    case("FAKE_QUANT", [X(3, 5)], ("FakeQuantOptions", dict(min=0.5, max=1.5, numBits=4)), version=2, rtol=1e-4, atol=1e-4),
    case("QUANTIZE", [X(3, 5)], quant="quantize", plain=False, dynamic=False, kinds=("int8", "uint8", "int16")),
    case("DEQUANTIZE", [X(3, 5)], quant="dequantize", plain=False, dynamic=False, kinds=("int8", "uint8", "int16"), version=2),
    case("DEQUANTIZE", [X(3, 5, dtype="float16")], out="float32", version=3),
]
