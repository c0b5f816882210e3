"""Nested graphs, and networks of several operators."""
import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def write(case):
    rng = np.random.default_rng(9)
    f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    value = helper.make_tensor_value_info
    node = helper.make_node

    for taken in (True, False):
        then = helper.make_graph([node("Mul", ["x0", "x1"], ["a"])], "then", [], [value("a", FLOAT, [3])])
        other = helper.make_graph([node("Sin", ["x0"], ["b"])], "other", [], [value("b", FLOAT, [3])])
        case.model(f"If_{taken}", [node("If", ["x2"], ["y0"], then_branch=then, else_branch=other)], [f(3), f(3), np.array(taken)], lambda x, w, c: x * w if c else torch.sin(x), outputs=["y0"])

    # h = tanh(x W + h R), kept for each step.
    step = helper.make_graph(
        [node("MatMul", ["x", "x1"], ["a"]), node("MatMul", ["h", "x2"], ["b"]), node("Add", ["a", "b"], ["s"]), node("Tanh", ["s"], ["n"]), node("Identity", ["n"], ["o"])],
        "step", [value("h", FLOAT, [2, 4]), value("x", FLOAT, [2, 3])], [value("n", FLOAT, [2, 4]), value("o", FLOAT, [2, 4])])

    def scanned(x, w, r, h, reverse=False):
        made = []
        for t in reversed(range(5)) if reverse else range(5):
            h = torch.tanh(x[t] @ w + h @ r)
            made.append(h)
        return h, torch.stack(made[::-1] if reverse else made)

    inputs = [f(5, 2, 3), f(3, 4), f(4, 4), f(2, 4)]
    case.model("Scan_forward", [node("Scan", ["x3", "x0"], ["y0", "y1"], body=step, num_scan_inputs=1)], inputs, scanned, outputs=["y0", "y1"])
    case.model("Scan_reverse", [node("Scan", ["x3", "x0"], ["y0", "y1"], body=step, num_scan_inputs=1, scan_input_directions=[1], scan_output_directions=[1])], inputs,
               lambda *x: scanned(*x, reverse=True), outputs=["y0", "y1"])

    # Doubling until the sum is large: the number of rounds is found in the run.
    body = helper.make_graph(
        [node("Mul", ["s", "x1"], ["next"]), node("ReduceSum", ["next"], ["sum"], keepdims=0), node("Less", ["sum", "limit"], ["on"]), node("Sin", ["next"], ["kept"])],
        "body", [value("i", INT, []), value("c", BOOL, []), value("s", FLOAT, [3])], [value("on", BOOL, []), value("next", FLOAT, [3]), value("kept", FLOAT, [3])],
        [helper.make_tensor("limit", FLOAT, [], [50.0])])

    def looped(x, w, *_):
        kept = []
        while True:
            x = x * w
            kept.append(torch.sin(x))
            if x.sum() >= 50:
                return x, torch.stack(kept)

    positive = np.array([1.0, 1.5, 2.0], np.float32)
    case.model("Loop_early_exit", [node("Loop", ["x2", "x3", "x0"], ["y0", "y1"], body=body)], [positive, np.array([1.8, 1.6, 2.1], np.float32), np.array(20), np.array(True)], looped,
               constant=(2, 3), outputs=["y0", "y1"])

    # An If inside of a Loop.
    even = helper.make_graph([node("Mul", ["s", "x1"], ["p"])], "even", [], [value("p", FLOAT, [3])])
    odd = helper.make_graph([node("Add", ["s", "x1"], ["q"])], "odd", [], [value("q", FLOAT, [3])])
    mixed = helper.make_graph(
        [node("Mod", ["i", "two"], ["rest"]), node("Equal", ["rest", "zero"], ["isEven"]), node("If", ["isEven"], ["next"], then_branch=even, else_branch=odd), node("Identity", ["c"], ["on"])],
        "mixed", [value("i", INT, []), value("c", BOOL, []), value("s", FLOAT, [3])], [value("on", BOOL, []), value("next", FLOAT, [3])],
        [helper.make_tensor("two", INT, [], [2]), helper.make_tensor("zero", INT, [], [0])])

    def alternated(x, w, *_):
        for i in range(4):
            x = x * w if i % 2 == 0 else x + w
        return x

    case.model("Loop_with_If", [node("Loop", ["x2", "x3", "x0"], ["y0"], body=mixed)], [f(3), f(3), np.array(4), np.array(True)], alternated, constant=(2, 3), outputs=["y0"])

    nodes = [node("Conv", ["x0", "x1"], ["a"], pads=[1, 1, 1, 1]), node("BatchNormalization", ["a", "x2", "x3", "x4", "x5"], ["b"], training_mode=0), node("Relu", ["b"], ["c"]),
             node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["d"], ["e"]), node("Gemm", ["e", "x6", "x7"], ["g"], transB=1),
             node("SoftmaxCrossEntropyLoss", ["g", "x8"], ["y0"])]
    network = lambda x, w, s, b, m, v, l, c, t: F.cross_entropy(F.linear(F.max_pool2d(F.relu(F.batch_norm(F.conv2d(x, w, padding=1), m, v, s, b)), 2).flatten(1), l, c), t)
    case.model("network_convolution", nodes, [f(2, 3, 6, 6), f(4, 3, 3, 3), f(4), f(4), f(4), np.abs(f(4)) + 0.5, f(5, 36), f(5), np.array([1, 3])], network, constant=(4, 5), outputs=["y0"], open=(0, 8))
