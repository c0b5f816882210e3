from . import State, W, X, case


def lstm_inputs(batch, steps, features, units, out, *, cifg=False, peephole=False, projection=False, norm=False, bias=True, major=False):
    n = None
    gate = lambda *s: W(*s)  # noqa: E731
    return [
        X(*((steps, batch, features) if major else (batch, steps, features))),
        n if cifg else gate(units, features), gate(units, features), gate(units, features), gate(units, features),
        n if cifg else gate(units, out), gate(units, out), gate(units, out), gate(units, out),
        gate(units) if peephole and not cifg else n, gate(units) if peephole else n, gate(units) if peephole else n,
        n if cifg else gate(units), gate(units), gate(units), gate(units),
        gate(out, units) if projection else n, n,
        State(batch, out), State(batch, units),
        *([n if cifg else gate(units), gate(units), gate(units), gate(units)] if norm else [n] * 4),
    ]


def sequence(**kw):
    options = dict(fusedActivationFunction=4, timeMajor=kw.get("major", False), cellClip=kw.pop("clip", 0.0), projClip=kw.pop("proj_clip", 0.0))
    out = 3 if kw.get("projection") else 4
    return case("UNIDIRECTIONAL_SEQUENCE_LSTM", lstm_inputs(2, 5, 3, 4, out, **kw), ("UnidirectionalSequenceLSTMOptions", options), dynamic=False, version=1)


def both(merge, projection=False):
    fw = lstm_inputs(2, 5, 3, 4, 4)
    bw = lstm_inputs(2, 5, 3, 4, 4)
    inputs = [fw[0], *fw[1:18], *bw[1:18], *fw[18:20], *bw[18:20], *[None] * 9]
    return case("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, ("BidirectionalSequenceLSTMOptions", dict(fusedActivationFunction=4, mergeOutputs=merge, timeMajor=False)), out=[None] if merge else [None, None], dynamic=False)


CASES = [
    sequence(), sequence(major=True), sequence(cifg=True), sequence(peephole=True), sequence(cifg=True, peephole=True), sequence(projection=True, proj_clip=0.5),
    sequence(norm=True), sequence(clip=0.3), sequence(norm=True, projection=True, cifg=True, peephole=True),
    case("LSTM", [X(2, 3), *lstm_inputs(2, 5, 3, 4, 4)[1:20]], ("LSTMOptions", dict(fusedActivationFunction=4)), dynamic=False),
    case("LSTM", [X(2, 3), *lstm_inputs(2, 5, 3, 4, 3, projection=True, peephole=True)[1:20]], ("LSTMOptions", dict(fusedActivationFunction=4)), dynamic=False),
    case("LSTM", [X(2, 3), X(2, 4), W(16, 7), W(16), X(2, 4)], ("LSTMOptions", dict(fusedActivationFunction=4, kernelType=1)), out=[None] * 4, dynamic=False, version=2),
    both(False),  # Merged, the kernel reads memory that it never wrote.
    *[case("UNIDIRECTIONAL_SEQUENCE_RNN", [X(*((5, 2, 3) if m else (2, 5, 3))), W(4, 3), W(4, 4), W(4), State(2, 4)], ("SequenceRNNOptions", dict(fusedActivationFunction=a, timeMajor=m)), dynamic=False)
      for a in (1, 3, 4) for m in (False, True)],
    *[case("BIDIRECTIONAL_SEQUENCE_RNN", [X(2, 5, 3), W(4, 3), W(4, 4), W(4), State(2, 4), W(4, 3), W(4, 4), W(4), State(2, 4), None, None, None],
           ("BidirectionalSequenceRNNOptions", dict(fusedActivationFunction=4, mergeOutputs=m)), out=[None] if m else [None, None], dynamic=False) for m in (False, True)],
    case("RNN", [X(2, 3), W(4, 3), W(4, 4), W(4), State(2, 4)], ("RNNOptions", dict(fusedActivationFunction=4)), dynamic=False),
    case("SVDF", [X(2, 3), W(8, 3), W(8, 5), W(4), State(2, 40)], ("SVDFOptions", dict(rank=2, fusedActivationFunction=1)), dynamic=False),
    case("SVDF", [X(2, 3), W(4, 3), W(4, 5), None, State(2, 20)], ("SVDFOptions", dict(rank=1)), dynamic=False),
]
