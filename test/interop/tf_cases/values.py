"""Cases of pretended quantisation, strings and boxes."""
from . import T, V, W, case

QUANTISED = [dict(num_bits=n, narrow_range=narrow) for n in (8, 4, 16) for narrow in (False, True)]
RANGES = [(-6.0, 6.0), (-1.0, 3.0), (0.5, 4.0), (-4.0, -0.5), (0.0, 6.0)]
WORDS = V(["one", "", "1.5", "Zwölf", "-7"], dtype="string")


def per_channel(weight, **options):
    return case(inputs=T(3, 5, 4), min=V([-1.0, -2.0, 0.5, -0.25], weight=weight), max=V([1.0, 0.5, 3.0, 4.0], weight=weight), channels=True, **options)


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
    "StringJoin": [case(inputs=[WORDS, WORDS], separator=s) for s in ("", ", ")] + [case(inputs=[WORDS, V("x", dtype="string"), WORDS])],
    "StaticRegexFullMatch": [case(input=WORDS, pattern=p) for p in ("[a-z]*", "-?[0-9]+", "Zw.*")],
    "RegexFullMatch": [case(input=WORDS, pattern=V("[a-z]+", dtype="string", weight=True))],
    "StringToNumber": [case(string_tensor=V(["1", "-2.5", "1e3"], dtype="string"), out_type="float32"), case(string_tensor=V(["1", "-25"], dtype="string"), out_type="int64")],
    "AsString": [case(input=T(2, 3, dtype=t, high=100)) for t in ("int32", "int64")],
    "CombinedNonMaxSuppression": [detection(), detection(sets=3), detection(total=40), detection(pad_per_class=True, total=40), detection(clip_boxes=False), detection(threshold=float("-inf")), detection(threshold=0.95)],
}
