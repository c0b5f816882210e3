"""Models of one operation of keras.ops each, or of a few that belong together: name -> function that builds the model."""
import keras
import numpy as np
from keras import ops

CASES = {}


def op(name, function, *shapes, dtype="float32", batch=None):
    """A function over inputs; with `batch` that many examples, else as many as there are."""

    def build():
        inputs = [keras.Input(batch_shape=(batch, *shape), dtype=dtype) for shape in shapes]
        return keras.Model(inputs, function(*inputs))

    CASES[f"op_{name}"] = build


def fixed(name, function, *shapes, dtype="float32"):
    """A function over inputs all of whose sizes are known."""

    def build():
        inputs = [keras.Input(batch_shape=shape, dtype=dtype) for shape in shapes]
        return keras.Model(inputs, function(*inputs))

    CASES[f"op_{name}"] = build


ONE = (4, 3)
for name in ("arctan2 fmax fmin fmod mod floor_divide heaviside hypot logaddexp logaddexp2 add subtract multiply divide divide_no_nan power maximum minimum equal "
             "not_equal less less_equal greater greater_equal logical_and logical_or logical_xor isclose true_divide").split():
    op(name, lambda x, y, name=name: getattr(ops, name)(ops.abs(x) if name == "power" else x, y), ONE, ONE)
for name in "add subtract multiply mod floor_divide gcd lcm bitwise_and bitwise_or bitwise_xor maximum equal true_divide".split():
    op(f"{name}_int", lambda x, y, name=name: getattr(ops, name)(x, y + 1), ONE, ONE, dtype="int32")
for name in ("abs absolute fabs negative sign square exp exp2 expm1 sqrt rsqrt reciprocal log log1p log2 log10 sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh "
             "floor ceil trunc isnan isinf isfinite isposinf isneginf isreal signbit cbrt deg2rad rad2deg sinc angle real imag conj conjugate copy logical_not erf erfc erfinv i0 nan_to_num stop_gradient").split():
    scale = 0.2 if name in ("arcsin", "arccos", "arctanh", "erfinv") else 1.0
    op(name, lambda x, name=name, scale=scale: getattr(ops, name)((ops.abs(x) + 0.5 if "log" in name or "sqrt" in name else x) * scale), ONE)
op("arccosh", lambda x: ops.arccosh(ops.abs(x) + 1.0), ONE)
op("allclose", lambda x, y: [ops.allclose(x, x + 1e-9), ops.allclose(x, y)], ONE, ONE)
op("isclose_nan", lambda x: ops.isclose(x / ops.zeros_like(x) * 0, x / ops.zeros_like(x) * 0, equal_nan=True), ONE)
op("round", lambda x: [ops.round(x), ops.round(x * 37, 1)], ONE)
op("bitwise_not", lambda x: [ops.bitwise_not(x), ops.bitwise_invert(x), ops.bitwise_left_shift(x, 2), ops.bitwise_right_shift(x - 5, 1), ops.left_shift(x, 1), ops.right_shift(x, 1)], ONE, dtype="int32")
op("ldexp", lambda x: ops.ldexp(x, np.array([1, 2, -1], "int32")), ONE)
op("cast", lambda x: [ops.cast(x, "int32"), ops.saturate_cast(x * 300, "uint8"), ops.convert_to_tensor(x), ops.array(x)], ONE)
op("where", lambda x, y: [ops.where(x > 0, x, y), ops.where(x > y, 1.0, y), ops.where(x > 0, x, np.arange(3, dtype="float32"))], ONE, ONE)
op("select", lambda x, y: ops.select([x > 0.5, x < -0.5], [x, y], 3.0), ONE, ONE)
op("clip", lambda x: ops.clip(x, -0.5, 0.7), ONE)

for name in "sum prod max min amax amin ptp any all mean var std count_nonzero logsumexp nansum nanprod nanmax nanmin nanmean nanvar nanstd median".split():

    def over(x, name=name):
        function = getattr(ops, name)
        y = ops.where(x > 1, x / ops.zeros_like(x) * 0, x) if name.startswith("nan") else x
        if name == "count_nonzero":
            return [function(x > 0), function(ops.relu(x), axis=1), function(ops.relu(x), axis=(1, 2))]
        return [function(y, axis=-1), function(y, axis=1, keepdims=True), function(y, axis=(1, 2))]

    op(name, over, (4, 5))
op("max_initial", lambda x: [ops.max(x, axis=1, initial=0.3), ops.min(x, axis=1, initial=0.1)], ONE)
op("sum_int", lambda x: [ops.sum(x, axis=1), ops.mean(x, axis=1), ops.prod(x, axis=1), ops.max(x, axis=1), ops.cumsum(x, axis=1)], ONE, dtype="int32")
op("argmax", lambda x: [ops.argmax(x, axis=1), ops.argmin(x, axis=-1, keepdims=True), ops.argmax(x), ops.nanargmax(x, axis=1), ops.nanargmin(x, axis=1)], ONE)
op("average", lambda x: [ops.average(x, axis=1), ops.average(x, axis=1, weights=np.array([1.0, 2.0, 3.0, 4.0], "float32")), ops.average(x)], ONE)
op("average_weights", lambda x, y: ops.average(x, axis=1, weights=ops.abs(y) + 0.1), ONE, ONE)
op("cumulative", lambda x: [ops.cumsum(x, axis=1), ops.cumprod(x, axis=-1), ops.cumsum(x), ops.nancumsum(x, axis=1), ops.nancumprod(x, axis=1)], ONE)
op("diff", lambda x: [ops.diff(x), ops.diff(x, n=2, axis=1)], (5, 4))
op("trapezoid", lambda x: [ops.trapezoid(x), ops.trapezoid(x, dx=0.5, axis=1)], ONE)
fixed("corrcoef", lambda x: ops.corrcoef(x), (3, 6))
op("bincount", lambda x: ops.bincount(x, minlength=12), (7,), dtype="int32")
op("moments", lambda x: [*ops.moments(x, axes=[1]), *ops.moments(x, axes=[1, 2], keepdims=True)], (4, 5))
for order in (None, 1, 2, 3, "inf", 0):
    op(f"norm_{order}", lambda x, order=order: ops.norm(x, ord=float("inf") if order == "inf" else order, axis=-1), ONE)
op("norm_matrix", lambda x: [ops.norm(x, axis=(1, 2)), ops.norm(x, ord="fro", axis=(1, 2), keepdims=True), ops.norm(x, ord=1, axis=(1, 2))], ONE)

op("sort", lambda x: [ops.sort(x), ops.sort(x, axis=1), ops.argsort(x), ops.argsort(x, axis=1)], (4, 5))
op("top_k", lambda x: list(ops.top_k(x, 2)), (4, 5))
op("quantile", lambda x: [ops.quantile(x, 0.3, axis=1), ops.quantile(x, [0.1, 0.5], axis=-1), ops.quantile(x, [0.25], axis=(1, 2), keepdims=True), ops.percentile(x, 40.0, axis=1)], (4, 5))
op("quantile_methods", lambda x: [ops.quantile(x, 0.3, axis=1, method="lower"), ops.quantile(x, 0.3, axis=1, method="higher")], (4, 5))
op("digitize", lambda x: ops.digitize(x, np.array([-1.0, 0.0, 0.5], "float32")), ONE)
fixed("searchsorted", lambda x, y: [ops.searchsorted(ops.sort(x), y), ops.searchsorted(ops.sort(x), y, side="right")], (6,), (5,))
op("isin", lambda x: [ops.isin(x, np.array([1, 3, 5], "int32")), ops.isin(x, [2, 3], invert=True)], (7,), dtype="int32")
fixed("unravel_index", lambda x: list(ops.unravel_index(x, (3, 4))), (7,), dtype="int32")
fixed("in_top_k", lambda x: ops.in_top_k(ops.argmax(x[:, ::-1], axis=1), x, 2), (5, 4))

op("split", lambda x: [*ops.split(x, 3, axis=-1), *ops.split(x, [1, 2], axis=1), *ops.array_split(x, 3, axis=1), *ops.hsplit(x, 2), *ops.unstack(x, axis=1)], (4, 6))
op("dsplit", lambda x: ops.dsplit(x, 2), (3, 4))
op("joined", lambda x, y: [ops.hstack([x, y]), ops.vstack([x, y]), ops.dstack([x, y]), ops.append(x, y, axis=1), ops.append(x, y), ops.stack([x, y], axis=2), ops.concatenate([x, y], axis=-1)], ONE, ONE)
fixed("broadcast_to", lambda x: ops.broadcast_to(x, (5, 4, 3)), (4, 1))
op("turned", lambda x: [ops.roll(x, 1, axis=1), ops.roll(x, (1, -2), axis=(1, 2)), ops.rot90(x, axes=(1, 2)), ops.rot90(x, k=-1, axes=(1, 2)), ops.fliplr(x), ops.flipud(x), ops.flip(x, axis=1), ops.ravel(x), ops.swapaxes(x, 1, 2), ops.moveaxis(x, 1, -1), ops.transpose(x, (0, 2, 1))], (4, 5))
op("rot90_twice", lambda x: ops.rot90(x, k=2, axes=(1, 2)), (4, 4))
op("roll_all", lambda x: ops.roll(x, 3), ONE, batch=2)
for mode in "constant reflect symmetric".split():
    op(f"pad_{mode}", lambda x, mode=mode: ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode=mode), (4, 5))
op("pad_value", lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=2.5), ONE)
op("tile", lambda x: [ops.tile(x, (1, 2, 3)), ops.tile(x, 2), ops.repeat(x, 2, axis=1), ops.repeat(x, [1, 2, 0], axis=2)], ONE)
op("repeat_all", lambda x: ops.repeat(x, 2), ONE, batch=2)
op("take_along_axis", lambda x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1), ONE)
op("take", lambda x: [ops.take(x, [0, -1], axis=1), x[:, 0], x[:, 1:3, ..., None], x[..., ::-1]], ONE)
op("triangles", lambda x: [ops.tril(x), ops.triu(x, 1), ops.tril(x, -1)], (4, 5))
op("diagonals", lambda x: [ops.diagonal(x, axis1=1, axis2=2), ops.diagonal(x, offset=1, axis1=1, axis2=2), ops.diagonal(x, offset=-2, axis1=1, axis2=2), ops.trace(x, axis1=1, axis2=2)], (4, 5))
fixed("diag", lambda x, y: [ops.diag(x), ops.diag(x, k=1), ops.diag(y), ops.diag(y, k=-1), ops.diagflat(y, k=-2)], (4,), (3, 4))
op("filled", lambda x: [ops.zeros_like(x), ops.ones_like(x, dtype="int32"), ops.full_like(x, 2.5), ops.size(x), ops.ndim(x)], ONE)
fixed("meshgrid", lambda x, y: [*ops.meshgrid(x, y), *ops.meshgrid(x, y, indexing="ij")], (3,), (4,))
fixed("vander", lambda x: [ops.vander(x), ops.vander(x, 3, increasing=True)], (4,))
op("linspace", lambda x, y: [ops.linspace(x, y, 5), ops.linspace(x, y, 4, endpoint=False, axis=-1), ops.logspace(x, y, 3), ops.geomspace(ops.abs(x) + 0.5, ops.abs(y) + 0.5, 3)], ONE, ONE)
op("expanded", lambda x: [ops.expand_dims(x, (1, -1)), ops.squeeze(ops.expand_dims(x, 1)), ops.reshape(x, (-1, 12))], ONE)

op("matmul", lambda x, y: [ops.matmul(x, ops.transpose(y, (0, 2, 1))), ops.einsum("abc,adc->abd", x, y), x @ np.ones((3, 2), "float32")], ONE, ONE)
fixed("dot", lambda x, y, z: [ops.dot(x, y), ops.dot(y, z), ops.inner(x, ops.transpose(y)), ops.outer(x, z), ops.vdot(z, z), ops.kron(x, y), ops.tensordot(x, y, 1), ops.tensordot(x, y, [[1], [0]])], (3, 4), (4, 5), (5,))
op("cross", lambda x, y: [ops.cross(x, y), ops.cross(x, y, axis=1)], (3, 3), (3, 3))
op("cross_two", lambda x, y: ops.cross(x, y), (2,), (2,))
op("cdist", lambda x, y: ops.cdist(x, y), (4, 3), (5, 3))
for mode in "valid same full".split():
    fixed(f"correlate_{mode}", lambda x, y, mode=mode: ops.correlate(x, y, mode=mode), (9,), (4,))
op("determinants", lambda x: [ops.det(x), *ops.slogdet(x)], (3, 3))
op("logdet", lambda x: ops.logdet(ops.matmul(x, ops.transpose(x, (0, 2, 1))) + 2 * np.eye(3, dtype="float32")), (3, 3))

R = np.random.default_rng(3)
KERNEL = R.normal(size=(3, 2, 4, 6)).astype("float32")
for padding in ("valid", "same"):
    op(f"conv_{padding}", lambda x, padding=padding: ops.conv(x, KERNEL, strides=2, padding=padding), (9, 8, 4))
    op(f"depthwise_conv_{padding}", lambda x, padding=padding: ops.depthwise_conv(x, KERNEL[..., :2], strides=1, padding=padding), (9, 8, 4))
    op(f"pools_{padding}", lambda x, padding=padding: [ops.max_pool(x, 3, 2, padding=padding), ops.average_pool(x, (3, 2), padding=padding)], (9, 8, 4))
op("separable_conv", lambda x: ops.separable_conv(x, KERNEL[..., :2], R.normal(size=(1, 1, 8, 5)).astype("float32"), strides=1), (9, 8, 4))
op("adaptive_pools", lambda x: [ops.adaptive_max_pool(x, (3, 2)), ops.adaptive_average_pool(x, (3, 2))], (9, 8, 4))
op("batch_normalization", lambda x: ops.batch_normalization(x, np.ones(3, "float32"), np.full(3, 2.0, "float32"), axis=-1, offset=np.arange(3, dtype="float32"), scale=np.full(3, 0.5, "float32")), ONE)
op("layer_normalization", lambda x: [ops.layer_normalization(x), ops.layer_normalization(x, np.full(3, 0.5, "float32"), np.ones(3, "float32")), ops.layer_normalization(x, axis=(1, 2))], ONE)
op("rms_normalization", lambda x: [ops.rms_normalization(x), ops.rms_normalization(x, np.full(3, 0.5, "float32"))], ONE)
op("normalize", lambda x: [ops.normalize(x), ops.normalize(x, axis=1, order=3), ops.normalize(x, axis=1, order=1)], ONE)
op("one_hot", lambda x: [ops.one_hot(x - 1, 8), ops.one_hot(x, 8, axis=1), ops.multi_hot(x, 11)], (4,), dtype="int32")
op("binary_crossentropy", lambda x, y: [ops.binary_crossentropy(ops.sigmoid(x), ops.sigmoid(y)), ops.binary_crossentropy(ops.sigmoid(x), y, from_logits=True)], ONE, ONE)
op("categorical_crossentropy", lambda x, y: [ops.categorical_crossentropy(ops.softmax(x), ops.softmax(y)), ops.categorical_crossentropy(ops.softmax(x), y, from_logits=True)], ONE, ONE)
op("sparse_categorical_crossentropy", lambda x, y: [ops.sparse_categorical_crossentropy(ops.argmax(x, axis=-1), ops.softmax(y)), ops.sparse_categorical_crossentropy(ops.argmax(x, axis=-1), y, from_logits=True)], ONE, ONE)
op("psnr", lambda x, y: ops.psnr(x, y, 2.0), ONE, ONE)
op("dot_product_attention", lambda x, y: [ops.dot_product_attention(x, y, y), ops.dot_product_attention(x, y, y, scale=0.3, is_causal=True)], (5, 2, 4), (5, 2, 4))
op("space_to_depth", lambda x: [ops.space_to_depth(x, 2), ops.depth_to_space(ops.space_to_depth(x, 2), 2)], (4, 6, 3))
op("unfold", lambda x: [ops.unfold(x, (2, 3), stride=2, padding=1), ops.unfold(x, 2)], (3, 6, 7))
op("fold", lambda x: ops.fold(ops.unfold(x, 2, stride=1), (6, 7), 2), (3, 6, 7))

op("colours", lambda x: [ops.image.rgb_to_grayscale(ops.sigmoid(x)), ops.image.rgb_to_hsv(ops.sigmoid(x)), ops.image.hsv_to_rgb(ops.sigmoid(x))], (4, 5, 3))
op("resize", lambda x: [ops.image.resize(x, (6, 9)), ops.image.resize(x, (6, 9), interpolation="nearest")], (4, 5, 3))
op("edges", lambda x: [ops.image.crop_images(x, 1, 1, target_height=2, target_width=3), ops.image.crop_images(x, 1, 0, 1, 2), ops.image.pad_images(x, 1, 2, target_height=8, target_width=9), ops.image.pad_images(x, 1, 0, 1, 2)], (4, 5, 3))
op("gaussian_blur", lambda x: [ops.image.gaussian_blur(x, (3, 3), (1.0, 2.0)), ops.image.gaussian_blur(x, (5, 5), (0.7, 0.7))], (8, 9, 3))
op("sobel_edges", lambda x: ops.image.sobel_edges(x), (6, 7, 3))
for padding in ("valid", "same"):
    op(f"extract_patches_{padding}", lambda x, padding=padding: [ops.image.extract_patches(x, (3, 2), padding=padding), ops.image.extract_patches(x, 3, strides=1, padding=padding)], (8, 9, 3))

fixed("scatter", lambda x: ops.scatter(np.array([[0], [2], [2]], "int32"), x, (4, 3)), (3, 3))
for reduction in (None, "add", "max", "min", "mul"):
    fixed(f"scatter_update_{reduction}", lambda x, y, reduction=reduction: ops.scatter_update(x, np.array([[0], [2]], "int32"), y, reduction=reduction), (4, 3), (2, 3))
fixed("slice", lambda x: [ops.slice(x, (1, 0), (2, 3)), ops.slice_update(x, (1, 1), ops.ones_like(x)[:2, :2])], (4, 3))
for name in ("segment_sum", "segment_max", "segment_min", "segment_prod"):
    fixed(name, lambda x, name=name: getattr(ops, name)(x, np.array([0, 2, 2, 1], "int32"), num_segments=3), (4, 3))

op("extract_sequences", lambda x: ops.extract_sequences(x, 4, 3), (13,))
op("rfft", lambda x: [*ops.rfft(x), *ops.rfft(x, 12)], (8,))
op("irfft", lambda x: [ops.irfft(ops.rfft(x)), ops.irfft(ops.rfft(x), 7)], (8,))
op("fft", lambda x, y: [*ops.fft((x, y)), *ops.fft2((x, y)), *ops.ifft2((x, y))], (4, 6), (4, 6))
op("stft", lambda x: [*ops.stft(x, 8, 4, 16), *ops.stft(x, 6, 5, 8, window="hamming", center=False), *ops.stft(x, 8, 4, 8, window=None)], (40,))

op("nan_quantiles", lambda x: [ops.nanmedian(x / ops.cast(x < 1, "float32") * ops.cast(x < 1, "float32"), axis=1), ops.nanquantile(ops.sqrt(x), 0.3, axis=-1), ops.nanquantile(ops.sqrt(x), [0.1, 0.5], axis=(1, 2), keepdims=True), ops.nanpercentile(ops.sqrt(x), 40.0, axis=1)], (4, 5))
op("rearrange", lambda x: [ops.rearrange(x, "b h w c -> b (h w) c"), ops.rearrange(x, "b (h p) (w q) c -> b h w (c p q)", p=2, q=3), ops.rearrange(x, "b h w c -> c b w h"), ops.rearrange(x, "b (p h) w c -> (b p) h w c", p=2)], (4, 6, 3), batch=2)
op("ssim", lambda x, y: [ops.image.ssim(x, y), ops.image.ssim(x, y + x, max_val=3.0, filter_size=5, filter_sigma=1.0)], (14, 13, 3), (14, 13, 3))
fixed("ssim_one", lambda x, y: ops.image.ssim(x, y, filter_size=7), (9, 8, 2), (9, 8, 2))
for center in (True, False):
    op(f"istft_center_{center}", lambda x, center=center: ops.istft(ops.stft(x, 12, 4, 16, center=True), 12, 4, 16, center=center), (60,))
op("istft_length", lambda x: [ops.istft(ops.stft(x, 16, 8, 16, window="hamming"), 16, 8, 16, window="hamming", length=50), ops.istft(ops.stft(x, 16, 16, 16, window=None), 16, 16, 16, window=None)], (2, 64))
TURN = np.array([0.8, 0.3, -1.0, -0.25, 0.9, 1.5, 0.01, -0.02], "float32")
for fill in "constant reflect wrap nearest".split():
    op(f"affine_{fill}", lambda x, fill=fill: [ops.image.affine_transform(x, TURN, interpolation=i, fill_mode=fill, fill_value=0.5) for i in ("bilinear", "nearest")], (7, 6, 2))
op("affine_each", lambda x, y: ops.image.affine_transform(x, y * 0.1 + np.array([1, 0, 0, 0, 1, 0, 0, 0], "float32")), (7, 6, 2), (8,))
fixed("affine_one", lambda x: ops.image.affine_transform(x, TURN * np.array([2, 1, 1, 1, 2, 1, 0, 0], "float32")), (7, 6, 3))
CORNERS = np.array([[0, 0], [6, 0.5], [0.25, 5], [5, 6.5]], "float32")
op("perspective", lambda x: [ops.image.perspective_transform(x, CORNERS[None] * s + 0.41, CORNERS[None], interpolation=i, fill_value=1.5) for i, s in (("bilinear", 0.8), ("nearest", 1.13))], (7, 6, 2))
op("perspective_each", lambda x, y: ops.image.perspective_transform(x, y * 0.2 + CORNERS, y * 0.0 + CORNERS), (7, 6, 2), (4, 2))
for fill in "constant nearest wrap reflect".split():
    fixed(f"map_coordinates_{fill}", lambda x, y, fill=fill: [ops.image.map_coordinates(x, y * (1.5 if fill == "reflect" else 4) + 2, order, fill_mode=fill, fill_value=0.5) for order in (0, 1)], (9, 8), (2, 3, 5))
for method in "linear cubic lanczos3 lanczos5".split():
    op(f"scale_and_translate_{method}", lambda x, method=method: [ops.image.scale_and_translate(x, (2, 5, 9, 2), np.array(s, "float32"), np.array([0.5, -1.0], "float32"), (1, 2), method, antialias=a) for s, a in (([0.6, 1.7], True), ([1.3, 0.8], False))], (7, 6, 2), batch=2)
