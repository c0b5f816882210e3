"""Cases of pretended quantisation, strings and boxes."""
from . import T, V, W, case

QUANTISED = [dict(num_bits=n, narrow_range=narrow) for n in (8, 4, 16) for narrow in (False, True)]
RANGES = [(-6.0, 6.0), (-1.0, 3.0), (0.5, 4.0), (-4.0, -0.5), (0.0, 6.0)]
WORDS = V(["one", "", "1.5", "Zwölf", "-7"], dtype="string")


def per_channel(weight, **options):
    return case(inputs=T(3, 5, 4), min=V([-1.0, -2.0, 0.5, -0.25], weight=weight), max=V([1.0, 0.5, 3.0, 4.0], weight=weight), channels=True, **options)


GIVEN = [(-6.0, 6.0), (-1.0, 3.0), (0.5, 4.0), (-4.0, -0.5), (0.0, 0.0)]


def steps(op, **options):
    """Quantisation and back: a range from numbers, or from a given one, known or not."""
    bits = (lambda n: dict(num_bits=V(n, weight=True))) if op.endswith("V3") else (lambda n: dict(num_bits=n))
    modes = [{}] if op.endswith("V3") else [dict(round_mode=m) for m in ("HALF_TO_EVEN", "HALF_UP")]
    x = T(3, 40, low=-8, high=8)
    ends = lambda low, high, weight: dict(input_min=V(low, weight=weight), input_max=V(high, weight=weight))
    free = [case(input=x, **ends(0.0, 0.0, True), range_given=False, signed_input=s, **bits(n), **m) for s in (True, False) for n in (8, 4) for m in modes]
    given = [case(input=x, **ends(low, high, w), range_given=True, signed_input=s, narrow_range=s, **bits(8), **modes[0]) for low, high in GIVEN for w in (True, False) for s in (True, False)]
    lists = ([-1.0, -2.0, 0.5, -0.25], [1.0, 0.5, 3.0, 4.0])
    # Only V3 takes ranges of channels.
    ranges = (True, False) if op.endswith("V3") else (False,)
    channels = [case(input=T(3, 4, 5), **ends(*lists, w), range_given=r, axis=1, narrow_range=n, **bits(8), **modes[-1], dynamic=False) for w in (True, False) for r in ranges for n in (True, False)]
    return [*free, *given, *channels]


def detection(**options):
    sets, classes = options.pop("sets", 1), 3
    return case(
        boxes=T(2, 20, sets, 4, low=-0.1, high=1.2), scores=T(2, 20, classes, low=0, high=1), max_output_size_per_class=V(4, weight=True), max_total_size=V(options.pop("total", 9), weight=True),
        iou_threshold=V(0.4, weight=True), score_threshold=V(options.pop("threshold", 0.3), weight=True), dynamic=False, **options,
    )


CASES = {
    "FakeQuantWithMinMaxArgs": [case(inputs=T(3, 40, low=-8, high=8), min=low, max=high, **q) for low, high in RANGES[:2] for q in QUANTISED],
    "FakeQuantWithMinMaxVars": [case(inputs=T(3, 40, low=-8, high=8), min=V(low, weight=w), max=V(high, weight=w), **q) for low, high in RANGES for q in QUANTISED[:4] for w in (True, False)],
    "FakeQuantWithMinMaxVarsPerChannel": [per_channel(w, **q) for q in QUANTISED for w in (True, False)],
    **{op: steps(op) for op in ("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")},
    "StringJoin": [case(inputs=[WORDS, WORDS], separator=s) for s in ("", ", ")] + [case(inputs=[WORDS, V("x", dtype="string"), WORDS])],
    "StaticRegexFullMatch": [case(input=WORDS, pattern=p) for p in ("[a-z]*", "-?[0-9]+", "Zw.*")],
    "RegexFullMatch": [case(input=WORDS, pattern=V("[a-z]+", dtype="string", weight=True))],
    "StringToNumber": [case(string_tensor=V(["1", "-2.5", "1e3"], dtype="string"), out_type="float32"), case(string_tensor=V(["1", "-25"], dtype="string"), out_type="int64")],
    "AsString": [case(input=T(2, 3, dtype=t, high=100)) for t in ("int32", "int64")],
    "CombinedNonMaxSuppression": [detection(), detection(sets=3), detection(total=40), detection(pad_per_class=True, total=40), detection(clip_boxes=False), detection(threshold=float("-inf")), detection(threshold=0.95)],
}
