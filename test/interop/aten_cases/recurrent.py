"""Recurrent layers and cells."""
import torch

from . import T, W, case

# ONNX Runtime has recurrent kernels for no other type.
FLOATS = (torch.float32,)



def params(gates, inputs, hidden, layers=1, directions=1, biases=True):
    """Weights in the order in which PyTorch lists them."""
    made = []
    for layer in range(layers):
        for _ in range(directions):
            made += [W(gates * hidden, inputs if layer == 0 else hidden * directions), W(gates * hidden, hidden)]
            made += [W(gates * hidden), W(gates * hidden)] if biases else []
    return made


def layer(gates, *, steps=4, batch=3, inputs=5, hidden=6, layers=1, directions=1, biases=True, batch_first=False, dropout=0.0, train=False, zeros=False):
    x = T(batch, steps, inputs) if batch_first else T(steps, batch, inputs)

    def state():
        shape = (layers * directions, batch, hidden)
        return T(*shape, weight=True, values=(0.0,) * (layers * directions * batch * hidden)) if zeros else T(*shape)

    hx = [state(), state()] if gates == 4 else state()
    weights = params(gates, inputs, hidden, layers, directions, biases)
    return case(x, hx, weights, biases, layers, dropout, train, directions == 2, batch_first, types=FLOATS)


def layers(gates):
    return [
        layer(gates),
        layer(gates, layers=2, directions=2, batch_first=True),
        layer(gates, layers=3, biases=False, dropout=0.5),
        layer(gates, directions=2, zeros=True, steps=1),
        layer(gates, batch_first=True, batch=1, dropout=0.5, train=True),
        layer(gates, layers=2, directions=2, biases=False, hidden=1),
    ]


def cell(gates, batch=3, inputs=5, hidden=6, biases=2):
    state = T(batch, hidden)
    bias = [W(gates * hidden)] * biases
    return case(T(batch, inputs), [state, T(batch, hidden)] if gates == 4 else state, W(gates * hidden, inputs), W(gates * hidden, hidden), *bias)


def cells(gates):
    return [cell(gates), cell(gates, biases=0), cell(gates, batch=1, inputs=1, biases=1), cell(gates, hidden=1)]


CASES = {
    "lstm.input": layers(4),
    "gru.input": layers(3),
    "rnn_tanh.input": layers(1),
    "rnn_relu.input": layers(1),
    "lstm_cell.default": cells(4),
    "gru_cell.default": cells(3),
    "rnn_tanh_cell.default": cells(1),
    "rnn_relu_cell.default": cells(1),
}

# What run_decompositions() leaves of an LSTM on a CPU; the last result is a workspace.
CASES["mkldnn_rnn_layer.default"] = [
    case(T(5, 2, 3), W(16, 3), W(16, 4), W(16), W(16), T(1, 2, 4), T(1, 2, 4), False, [], 2, 4, 1, True, False, False, False, results=3, types=[torch.float32])
]
