"""A TensorFlow Lite model with MediaPipe's own operators, run by MediaPipe on a picture: what its calculators make of it, as arrays of floats.

    python -I test/interop/mediapipe_run.py PACKAGES MODEL OUTPUTS INPUTS.npz OUTPUTS.npz

PACKAGES is a folder with mediapipe and what its framework needs (`REQUIRED`); OUTPUTS is how many the model has. The picture is `image` of
INPUTS.npz, [height, width, 3] as uint8, of the size of the model's input.
"""
import sys
import types

REQUIRED = ("absl-py", "attrs", "flatbuffers", "protobuf>=4.25.3,<5", "numpy<2")


def framework(packages):
    """The parts of MediaPipe that run graphs, without its solutions, which need libraries for pictures and plots."""
    sys.path.insert(0, packages)
    for name in ("mediapipe", "mediapipe.python"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [f"{packages}/{name.replace('.', '/')}"]
    from mediapipe.python import _framework_bindings, packet_creator, packet_getter

    return _framework_bindings, packet_creator, packet_getter


def graph_of(model, height, width, outputs):
    """Each output goes through a calculator of its own, because Python gets lists of floats but no tensors."""
    from google.protobuf import text_format
    from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401
    from mediapipe.calculators.tensor import image_to_tensor_calculator_pb2, inference_calculator_pb2  # noqa: F401
    from mediapipe.framework import calculator_pb2

    each = lambda text: " ".join(text.format(i=i, next=i + 1) for i in range(outputs))  # noqa: E731
    return text_format.Parse(
        f"""
        input_stream: "image" {each('output_stream: "floats{i}"')}
        node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:resolver" }}
        node {{
          calculator: "ImageToTensorCalculator" input_stream: "IMAGE:image" output_stream: "TENSORS:inputs"
          options {{ [mediapipe.ImageToTensorCalculatorOptions.ext] {{
            output_tensor_width: {width} output_tensor_height: {height} output_tensor_float_range {{ min: 0.0 max: 1.0 }}
          }} }}
        }}
        node {{
          calculator: "InferenceCalculator" input_stream: "TENSORS:inputs" output_stream: "TENSORS:outputs" input_side_packet: "OP_RESOLVER:resolver"
          options {{ [mediapipe.InferenceCalculatorOptions.ext] {{ model_path: "{model}" delegate {{ tflite {{}} }} }} }}
        }}
        node {{
          calculator: "SplitTensorVectorCalculator" input_stream: "outputs" {each('output_stream: "output{i}"')}
          options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {each('ranges: {{ begin: {i} end: {next} }}')} }} }}
        }}
        {each('node {{ calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:output{i}" output_stream: "FLOATS:floats{i}" }}')}
        """,
        calculator_pb2.CalculatorGraphConfig(),
    )


def main():
    packages, model, outputs, given, made = sys.argv[1:6]
    bindings, packet_creator, packet_getter = framework(packages)
    import numpy as np

    image = np.load(given)["image"]
    bindings.resource_util.set_resource_dir("/")
    graph = bindings.calculator_graph.CalculatorGraph(graph_config=graph_of(model, *image.shape[:2], int(outputs)))
    results = {}
    for i in range(int(outputs)):
        graph.observe_output_stream(f"floats{i}", lambda name, packet: results.update({name: np.array(packet_getter.get_float_list(packet), np.float32)}))
    graph.start_run()
    graph.add_packet_to_input_stream("image", packet_creator.create_image_frame(image, image_format=bindings.image_frame.ImageFormat.SRGB).at(0))
    graph.wait_until_idle()
    graph.close_all_packet_sources()
    graph.wait_until_done()
    np.savez(made, *[results[f"floats{i}"] for i in range(int(outputs))])


if __name__ == "__main__":
    main()
