"""Small Keras models, one or two layers each: name -> function that builds the model. Weights are random numbers, also those of normalisations."""
import keras
import numpy as np
from keras import layers, ops

from . import operations as each_operation

CASES = dict(each_operation.CASES)
# Keras cannot read these back from HDF5: operations stand there without their module.
NOT_HDF5 = {"operations", "picked", "adapted_lookup", *each_operation.CASES}
# These are also saved with their weights in several files.
SHARDED = {"nested_models", "shared_layer", "masked_lstm"}
# TensorFlow takes the weights of the kernel from a table.
TOLERANCES = {"resizing_bicubic": 5e-3}


def one(name, make, *shapes, dtype="float32"):
    """A layer over one input, or over a list of several."""

    def build():
        inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
        return keras.Model(inputs, make()(inputs[0] if len(inputs) == 1 else inputs))

    CASES[name] = build


def graph(function):
    """A model by a function that returns inputs and outputs."""
    CASES[function.__name__] = lambda: keras.Model(*function())
    return function


L = layers
for name in ("relu leaky_relu relu6 softmax celu elu selu softplus softsign squareplus soft_shrink sparse_plus silu gelu glu tanh tanh_shrink sigmoid "
             "sparse_sigmoid exponential hard_sigmoid hard_silu hard_tanh hard_shrink linear mish log_softmax log_sigmoid sparsemax").split():
    one(f"activation_{name}", lambda name=name: L.Activation(name), (3, 8))
one("relu_all", lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.3), (8,))
one("relu_threshold", lambda: L.ReLU(threshold=0.3), (8,))
one("leaky_relu", lambda: L.LeakyReLU(0.2), (8,))
one("elu", lambda: L.ELU(0.7), (8,))
one("prelu", lambda: L.PReLU(), (4, 3))
one("prelu_shared", lambda: L.PReLU(shared_axes=[1, 2]), (5, 4, 3))
one("softmax_axes", lambda: L.Softmax(axis=[1, 2]), (4, 3))
one("dense", lambda: L.Dense(5, activation="gelu"), (4,))
one("dense_no_bias", lambda: L.Dense(5, use_bias=False), (None, 4))
one("dense_int", lambda: L.Dense(5), (4,), dtype="int32")
one("dense_mixed", lambda: L.Dense(5, dtype="mixed_float16"), (4,))
one("dense_float64", lambda: L.Dense(5, dtype="float64"), (4,))
one("einsum_dense", lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d"), (None, 4))
one("einsum_dense_two", lambda: L.EinsumDense("...x,xyz->...yz", output_shape=(2, 3), bias_axes="yz", activation="tanh"), (5, 4))
one("embedding", lambda: L.Embedding(10, 4), (6,), dtype="int32")
one("identity", lambda: L.Identity(), (6,))
for padding in ("valid", "same", "causal"):
    one(f"conv1d_{padding}", lambda padding=padding: L.Conv1D(5, 3, padding=padding, dilation_rate=2), (12, 4))
for padding in ("valid", "same"):
    one(f"conv2d_{padding}", lambda padding=padding: L.Conv2D(6, (3, 2), strides=2, padding=padding, activation="relu"), (9, 8, 4))
    one(f"conv2d_open_{padding}", lambda padding=padding: L.Conv2D(6, 3, strides=2, padding=padding), (None, None, 4))
    one(f"conv3d_{padding}", lambda padding=padding: L.Conv3D(3, 2, strides=2, padding=padding), (5, 6, 7, 2))
    one(f"depthwise1d_{padding}", lambda padding=padding: L.DepthwiseConv1D(3, padding=padding, depth_multiplier=2), (9, 4))
    one(f"depthwise2d_{padding}", lambda padding=padding: L.DepthwiseConv2D(3, strides=2, padding=padding, depth_multiplier=2), (9, 8, 3))
    one(f"separable1d_{padding}", lambda padding=padding: L.SeparableConv1D(5, 3, padding=padding), (9, 4))
    one(f"separable2d_{padding}", lambda padding=padding: L.SeparableConv2D(5, 3, padding=padding, depth_multiplier=2), (9, 8, 3))
    for stride in (1, 2, 3):
        one(f"conv2d_transpose_{padding}_{stride}", lambda padding=padding, stride=stride: L.Conv2DTranspose(4, (3, 2), strides=stride, padding=padding), (5, 6, 3))
    one(f"conv1d_transpose_{padding}", lambda padding=padding: L.Conv1DTranspose(4, 4, strides=2, padding=padding), (None, 3))
    one(f"conv3d_transpose_{padding}", lambda padding=padding: L.Conv3DTranspose(2, 3, strides=2, padding=padding), (3, 4, 3, 2))
    for kind in ("Max", "Average"):
        one(f"{kind}_pool1d_{padding}", lambda kind=kind, padding=padding: getattr(L, f"{kind}Pooling1D")(3, strides=2, padding=padding), (8, 4))
        one(f"{kind}_pool2d_{padding}", lambda kind=kind, padding=padding: getattr(L, f"{kind}Pooling2D")((3, 2), padding=padding), (8, 7, 4))
        one(f"{kind}_pool2d_open_{padding}", lambda kind=kind, padding=padding: getattr(L, f"{kind}Pooling2D")(3, strides=2, padding=padding), (None, None, 4))
        one(f"{kind}_pool3d_{padding}", lambda kind=kind, padding=padding: getattr(L, f"{kind}Pooling3D")(2, padding=padding), (4, 5, 6, 2))
one("conv2d_groups", lambda: L.Conv2D(6, 3, groups=2), (7, 7, 4))
one("conv2d_transpose_output_padding", lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1), (5, 6, 3))
for kind in ("Max", "Average"):
    for rank, shape in ((1, (6, 4)), (2, (6, 5, 4)), (3, (4, 5, 3, 2))):
        one(f"global_{kind}_{rank}", lambda kind=kind, rank=rank: getattr(L, f"Global{kind}Pooling{rank}D")(), shape)
        one(f"global_{kind}_{rank}_keep", lambda kind=kind, rank=rank: getattr(L, f"Global{kind}Pooling{rank}D")(keepdims=True), shape)
        one(f"adaptive_{kind}_{rank}", lambda kind=kind, rank=rank: getattr(L, f"Adaptive{kind}Pooling{rank}D")(3), shape)
one("batch_norm", lambda: L.BatchNormalization(), (6, 5, 4))
one("batch_norm_plain", lambda: L.BatchNormalization(scale=False, center=False, axis=1), (6, 4))
one("layer_norm", lambda: L.LayerNormalization(), (6, 4))
one("layer_norm_axes", lambda: L.LayerNormalization(axis=[1, 2], center=False), (6, 5, 4))
one("layer_norm_all_but_one", lambda: L.LayerNormalization(axis=[1]), (6, 5))
one("group_norm", lambda: L.GroupNormalization(2), (6, 5, 4))
one("group_norm_instance", lambda: L.GroupNormalization(-1), (6, 4))
one("rms_norm", lambda: L.RMSNormalization(), (6, 4))
one("unit_norm", lambda: L.UnitNormalization(), (6, 4))
one("spectral_norm", lambda: L.SpectralNormalization(L.Dense(5)), (4,))
for name in ("Flatten", "Dropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization"):
    one(name.lower(), lambda name=name: getattr(L, name)(*([0.3] if name in ("Dropout", "GaussianNoise", "AlphaDropout") else [])), (4, 3))
one("flatten_open", lambda: L.Flatten(), (None, 3))
one("reshape", lambda: L.Reshape((2, -1)), (4, 3))
one("permute", lambda: L.Permute((3, 1, 2)), (4, 3, 2))
one("repeat_vector", lambda: L.RepeatVector(3), (4,))
one("cropping1d", lambda: L.Cropping1D((1, 2)), (7, 3))
one("cropping2d", lambda: L.Cropping2D(((1, 2), (0, 1))), (7, 6, 3))
one("cropping3d", lambda: L.Cropping3D(1), (4, 5, 6, 2))
one("zero_padding1d", lambda: L.ZeroPadding1D((1, 2)), (7, 3))
one("zero_padding2d", lambda: L.ZeroPadding2D(((1, 2), (0, 1))), (None, 6, 3))
one("zero_padding3d", lambda: L.ZeroPadding3D(1), (4, 5, 6, 2))
one("up_sampling1d", lambda: L.UpSampling1D(2), (None, 3))
one("up_sampling2d", lambda: L.UpSampling2D((2, 3)), (4, 5, 3))
one("up_sampling2d_bilinear", lambda: L.UpSampling2D(2, interpolation="bilinear"), (None, 5, 3))
one("up_sampling3d", lambda: L.UpSampling3D(2), (2, 3, 4, 2))
for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
    one(f"merge_{name}", lambda name=name: getattr(L, name)(), (4, 3), (4, 3))
one("merge_ranks", lambda: L.Add(), (4, 3), (3,))
one("concatenate_axis", lambda: L.Concatenate(axis=1), (4, 3), (2, 3))
one("dot", lambda: L.Dot(axes=1), (4,), (4,))
one("dot_axes", lambda: L.Dot(axes=(2, 1), normalize=True), (4, 3), (3, 5))
for name, extra in (("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False}), ("SimpleRNN", {})):
    tag = f"{name}{'_before' if extra else ''}".lower()
    one(tag, lambda name=name, extra=extra: getattr(L, name)(5, **extra), (7, 4))
    one(f"{tag}_sequences", lambda name=name, extra=extra: getattr(L, name)(5, return_sequences=True, go_backwards=True, **extra), (None, 4))
    one(f"{tag}_state", lambda name=name, extra=extra: getattr(L, name)(5, return_state=True, use_bias=False, **extra), (7, 4))
    one(f"{tag}_activation", lambda name=name, extra=extra: getattr(L, name)(5, activation="elu", return_sequences=True, **extra), (7, 4))
    for mode in ("concat", "sum", "ave", "mul", None):
        one(f"bidirectional_{tag}_{mode}", lambda name=name, extra=extra, mode=mode: L.Bidirectional(getattr(L, name)(5, return_sequences=mode != "sum", **extra), merge_mode=mode), (7, 4))
one("lstm_hard_sigmoid", lambda: L.LSTM(5, recurrent_activation="hard_sigmoid"), (7, 4))
one("rnn_cell", lambda: L.RNN(L.LSTMCell(5), return_sequences=True), (7, 4))
one("rnn_stacked", lambda: L.RNN([L.GRUCell(5), L.LSTMCell(3), L.GRUCell(4)], return_state=True), (7, 4))
one("conv_lstm1d", lambda: L.ConvLSTM1D(3, 3, padding="same", return_sequences=True), (4, 7, 2))
one("conv_lstm2d", lambda: L.ConvLSTM2D(3, 2, strides=2), (4, 6, 7, 2))
one("conv_lstm3d", lambda: L.ConvLSTM3D(2, 2, go_backwards=True), (3, 4, 4, 4, 2))
one("time_distributed", lambda: L.TimeDistributed(L.Conv2D(3, 2)), (4, 5, 6, 2))
one("time_distributed_open", lambda: L.TimeDistributed(L.Dense(3)), (None, 4))
one("attention", lambda: L.Attention(use_scale=True), (5, 4), (6, 4))
one("attention_concat", lambda: L.Attention(score_mode="concat"), (5, 4), (6, 4), (6, 4))
one("additive_attention", lambda: L.AdditiveAttention(), (5, 4), (6, 4))
one("rescaling", lambda: L.Rescaling(1 / 127.5, offset=-1), (4, 3))
one("normalization", lambda: L.Normalization(mean=[1.0, 2.0, 3.0], variance=[2.0, 1.0, 0.5]), (4, 3))
one("normalization_invert", lambda: L.Normalization(mean=1.5, variance=2.0, invert=True), (4, 3))
one("center_crop", lambda: L.CenterCrop(4, 3), (7, 6, 3))
one("center_crop_larger", lambda: L.CenterCrop(8, 6), (7, 6, 3))
one("resizing", lambda: L.Resizing(5, 9), (7, 6, 3))
one("resizing_nearest", lambda: L.Resizing(5, 9, interpolation="nearest"), (None, 6, 3))
one("resizing_bicubic", lambda: L.Resizing(9, 11, interpolation="bicubic"), (7, 6, 3))
one("discretization", lambda: L.Discretization([-1.0, 0.0, 0.5]), (6,))
for mode in ("one_hot", "multi_hot", "count"):
    one(f"category_encoding_{mode}", lambda mode=mode: L.CategoryEncoding(10, output_mode=mode), (1,) if mode == "one_hot" else (4,), dtype="int32")
one("auto_contrast", lambda: L.AutoContrast(), (6, 5, 3))
for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
    one(f"stft_spectrogram_{mode}", lambda mode=mode: L.STFTSpectrogram(mode, frame_length=8, frame_step=3, window=None, padding="same" if mode == "psd" else "valid", expand_dims=mode == "log"), (30, 2))
one("mel_spectrogram", lambda: L.MelSpectrogram(fft_length=32, sequence_stride=10, num_mel_bins=6, sampling_rate=800, min_freq=20, max_freq=350), (100,))
one("mel_spectrogram_plain", lambda: L.MelSpectrogram(fft_length=32, sequence_length=20, sequence_stride=10, num_mel_bins=6, sampling_rate=800, min_freq=20, power_to_db=False, window="hamming"), (2, 100))
one("string_lookup", lambda: L.StringLookup(vocabulary=["a", "bc", "d"], mask_token=""), (6,), dtype="string")
for mode in ("one_hot", "multi_hot", "count"):
    one(f"string_lookup_{mode}", lambda mode=mode: L.StringLookup(vocabulary=["a", "bc", "d"], output_mode=mode), (1,) if mode == "one_hot" else (6,), dtype="string")
one("integer_lookup", lambda: L.IntegerLookup(vocabulary=[3, 5, 7]), (6,), dtype="int64")
one("integer_lookup_count", lambda: L.IntegerLookup(vocabulary=[3, 5, 7], output_mode="count"), (6,), dtype="int64")
one("string_lookup_invert", lambda: L.StringLookup(vocabulary=["a", "bc", "d"], invert=True), (6,), dtype="int64")
for name, options in {"": {}, "_tiles": dict(tile_grid_size=(3, 4), clip_limit=1.5), "_unit": dict(value_range=(0, 1), tile_grid_size=(2, 2)), "_whole": dict(clip_limit=0, tile_grid_size=(1, 1))}.items():
    one(f"clahe{name}", lambda options=options: keras.Sequential([L.Rescaling(40.0 if "value_range" not in options else 0.2, offset=100.0 if "value_range" not in options else 0.5), L.ContrastLimitedAdaptiveHistogramEqualization(**options)]), (19, 17, 3))
one("clahe_first", lambda: L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2), data_format="channels_first"), (3, 8, 8))
one("random_crop", lambda: L.RandomCrop(5, 5), (7, 6, 3))
one("random_flip", lambda: L.RandomFlip(), (4, 4, 3))


@graph
def adapted_lookup():
    """A vocabulary in a file of the archive."""
    layer = L.StringLookup()
    layer.adapt(np.array(["a", "d", "a", "bc"]))
    x = keras.Input((6,), dtype="string")
    return x, layer(x)


@graph
def masked_lstm():
    x = keras.Input((7,), dtype="int32")
    y = L.Embedding(10, 4, mask_zero=True)(x)
    return x, [L.LSTM(5, return_sequences=True)(y), L.GRU(3)(y), L.LSTM(3, go_backwards=True, return_sequences=True)(y)]


@graph
def masked_bidirectional():
    x = keras.Input((7,), dtype="int32")
    y = L.Embedding(10, 4, mask_zero=True)(x)
    return x, L.GlobalAveragePooling1D()(L.Bidirectional(L.LSTM(5, return_sequences=True))(y))


@graph
def masking_layer():
    x = keras.Input((7, 4))
    return x, L.SimpleRNN(5, return_sequences=True)(L.Dense(3)(L.Masking(0.0)(x)))


@graph
def initial_state():
    x, h, c = keras.Input((7, 4)), keras.Input((5,)), keras.Input((5,))
    return [x, h, c], L.LSTM(5, return_state=True, return_sequences=True)(x, initial_state=[h, c])


@graph
def multi_head():
    q, v = keras.Input((5, 6)), keras.Input((7, 4))
    return [q, v], [L.MultiHeadAttention(2, 3, value_dim=4)(q, v), *L.MultiHeadAttention(2, 3, output_shape=8)(q, v, return_attention_scores=True)]


@graph
def multi_head_causal():
    x = keras.Input((5, 6))
    return x, L.MultiHeadAttention(2, 3, use_bias=False)(x, x, use_causal_mask=True)


@graph
def multi_head_masked():
    x = keras.Input((7,), dtype="int32")
    y = L.Embedding(10, 6, mask_zero=True)(x)
    return x, L.MultiHeadAttention(2, 3, dropout=0.1)(y, y)


@graph
def grouped_query():
    x = keras.Input((5, 6))
    return x, L.GroupQueryAttention(3, 4, 2)(x, x)


@graph
def shared_layer():
    x, y = keras.Input((4,)), keras.Input((4,))
    dense = L.Dense(3)
    return [x, y], [dense(x), L.Add()([dense(x), dense(y)])]


@graph
def nested_models():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dense(3)])
    x = keras.Input((4,))
    middle = keras.Model(x, [inner(x), L.Dense(3)(x)])
    z = keras.Input((4,))
    first, second = middle(z)
    return z, L.Dense(2)(L.Concatenate()([first, second, middle(z)[0]]))


@graph
def operations():
    x = keras.Input((4, 3))
    y = ops.transpose(x, (0, 2, 1)) * 2.0 + 1.0
    z = ops.matmul(x, y) / 3.0 - ops.mean(x, axis=-1, keepdims=True)
    return x, [ops.exp(-ops.abs(z)), ops.sum(ops.maximum(z, 0.5), axis=(1, 2)), ops.concatenate([x, ops.square(x)], axis=1), ops.reshape(x, (-1, 12))]


@graph
def picked():
    x = keras.Input((4, 3))
    return x, [x[:, 0], x[:, 1:3, ..., None], x[..., ::-1], x[:, -1, 1], ops.argmax(x, axis=1), ops.argmin(x), ops.take(x, [0, -1], axis=1),
               ops.einsum("abc,adc->abd", x, x)]


@graph
def dictionary_outputs():
    x = keras.Input((4,), name="x")
    return x, {"b": L.Dense(2)(x), "a": L.Dense(3)(x)}
