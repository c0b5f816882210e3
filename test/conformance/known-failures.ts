// Cases of the committed selection that do not pass, each with its reason. A case that passes must leave this list.
const gradient = 'Gradient of ai.onnx.preview.training is a derivation of graphs, which is not built yet';

export const knownFailures: Readonly<Record<string, string | undefined>> = {
  test_gradient_of_add: gradient,
  test_gradient_of_add_and_mul: gradient,
};
