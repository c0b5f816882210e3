#!/usr/bin/env python3
"""Writes cases of our own for operators that the standard's backend tests leave out, in the form of write_cases.py.

    python test/conformance/own_cases.py FOLDER [--only 'test_own_scaler*' ...]

Expected values come from ONNX Runtime; from onnx's ReferenceEvaluator where that has no kernel; where neither can take an input,
from the definition, written out beside the case.
"""
import argparse
import fnmatch
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from write_cases import Data, write

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(4)

FLOAT, DOUBLE, INT64, INT32, INT16, STRING, FLOAT16 = (
    getattr(TensorProto, name) for name in ("FLOAT", "DOUBLE", "INT64", "INT32", "INT16", "STRING", "FLOAT16")
)
ML = "ai.onnx.ml"
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
cases = {}


def text(*items):
    return np.array(items, dtype=object)


def f32(*rows):
    return np.array(rows if len(rows) > 1 else rows[0], np.float32)


def vector(name, kind, values):
    return helper.make_tensor(name, kind, [len(values)], values)


def of_map(key, value):
    return helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))


def of_maps(key, value):
    return helper.make_sequence_type_proto(of_map(key, value))


def by_ort(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def by_ort_on_floats(model, feeds):
    """For integers that it has no kernel for."""
    model.graph.input[0].type.tensor_type.elem_type = FLOAT
    outputs = by_ort(model, {name: value.astype(np.float32) for name, value in feeds.items()})
    model.graph.input[0].type.tensor_type.elem_type = INT64
    return outputs


def by_ort_renumbered(model, feeds):
    """In TreeEnsemble the standard numbers SOFTMAX 1 and LOGISTIC 2; ONNX Runtime has them the other way round."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for attribute in other.graph.node[0].attribute:
        if attribute.name == "post_transform":
            attribute.i = {1: 2, 2: 1}.get(attribute.i, attribute.i)
    return by_ort(other, feeds)


def by_reference(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def info(name, kind, value=None):
    """A type: of an array, or an element type of any shape, or a whole type."""
    if not isinstance(kind, int):
        return helper.make_value_info(name, kind)
    return helper.make_tensor_value_info(name, kind, None if value is None else [None] * np.ndim(value))


def kind_of(value):
    return STRING if value.dtype == object else helper.np_dtype_to_tensor_dtype(value.dtype)


def case(name, op, feeds, outputs, *, domain=ML, version=1, opset=18, types={}, by=by_ort, rtol=1e-5, atol=1e-6, **attributes):
    """A model of one node. `by` gives the outputs from the model and its feeds."""

    def make():
        node = helper.make_node(op, list(feeds), [f"out{i}" for i in range(len(outputs))], domain=domain, **attributes)
        graph = helper.make_graph(
            [node],
            name,
            [info(key, types[key]) if key in types else info(key, kind_of(value), value) for key, value in feeds.items()],
            [info(f"out{i}", kind) for i, kind in enumerate(outputs)],
        )
        imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, version)] if domain else [])
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        made = by(model, feeds)
        # The signature of a model gives ranks.
        for output, value in zip(model.graph.output, made):
            if output.type.HasField("tensor_type"):
                output.type.tensor_type.shape.dim.extend(onnx.TensorShapeProto.Dimension() for _ in np.shape(value))
                output.type.tensor_type.shape.SetInParent()
        return model, made, rtol, atol

    assert f"test_own_{name}" not in cases, name
    cases[f"test_own_{name}"] = (make, feeds)


def tree(data, value):
    """As Data.tree, with maps of strings."""
    if isinstance(value, dict):
        lists = ([*value.keys()], [*value.values()])
        keys, values = (np.array(items, dtype=object if isinstance(items[0], str) else None) for items in lists)
        return {"map": {"keys": data.tree(keys), "values": data.tree(values)}}
    if isinstance(value, (list, tuple)):
        return {"sequence": [tree(data, item) for item in value]}
    return data.tree(value)


# Features.

TABLE = np.random.RandomState(1).randn(5, 4).astype(np.float32)

case("array_feature_extractor_vector", "ArrayFeatureExtractor", {"X": f32(1, 2, 3, 4), "Y": np.array([[3, 0, 3]])}, [FLOAT])
case(
    "array_feature_extractor_strings", "ArrayFeatureExtractor",
    {"X": text("a", "b", "c", "d", "e", "f", "g", "h").reshape(2, 2, 2), "Y": np.array([1])}, [STRING],
)
case("array_feature_extractor_int32", "ArrayFeatureExtractor", {"X": np.arange(12, dtype=np.int32).reshape(3, 4), "Y": np.array([2, 1])}, [INT32])
case("binarizer_double", "Binarizer", {"X": TABLE.astype(np.float64)}, [DOUBLE], by=by_reference, threshold=0.25)
case("binarizer_int64", "Binarizer", {"X": np.array([[-1, 0, 1, 2]])}, [INT64], by=by_reference, threshold=0.5)
case("feature_vectorizer", "FeatureVectorizer", {"A": TABLE, "B": TABLE[:, :2]}, [FLOAT], inputdimensions=[4, 2])
case("feature_vectorizer_cut_and_filled", "FeatureVectorizer", {"A": TABLE, "B": TABLE[:, :2]}, [FLOAT], inputdimensions=[3, 4])
case("feature_vectorizer_vectors", "FeatureVectorizer", {"A": f32(1, 2, 3), "B": f32(4, 5)}, [FLOAT], inputdimensions=[3, 2])
case("feature_vectorizer_int64", "FeatureVectorizer", {"A": np.array([[1, 2], [3, 4]]), "B": np.array([[5], [6]])}, [FLOAT], inputdimensions=[2, 1])
case("feature_vectorizer_double", "FeatureVectorizer", {"A": TABLE.astype(np.float64)}, [FLOAT], inputdimensions=[4])

HOLES = f32([1, np.nan, 3], [np.nan, 5, -0.0], [0, np.nan, np.nan])
case("imputer_nan", "Imputer", {"X": HOLES}, [FLOAT], imputed_value_floats=[7.0, 8.0, 9.5], replaced_value_float=float("nan"))
case("imputer_zero_by_one_value", "Imputer", {"X": HOLES}, [FLOAT], imputed_value_floats=[-1.25], replaced_value_float=0.0)
case("imputer_int64", "Imputer", {"X": np.array([[1, -9, 2**60], [-9, 4, 5]])}, [INT64], imputed_value_int64s=[10, 20, 30], replaced_value_int64=-9)
case("imputer_int64_beyond_doubles", "Imputer", {"X": np.array([[2**60 + 1, 2**60]])}, [INT64], imputed_value_int64s=[2**61 + 1], replaced_value_int64=2**60 + 1)
case("imputer_double", "Imputer", {"X": HOLES.astype(np.float64)}, [DOUBLE], by=by_reference, imputed_value_floats=[7.0, 8.0, 9.5], replaced_value_float=float("nan"))

for norm in ("MAX", "L1", "L2"):
    rows = np.concatenate([TABLE, np.zeros((1, 4), np.float32), -np.abs(TABLE[:1])])
    case(f"normalizer_{norm.lower()}", "Normalizer", {"X": rows}, [FLOAT], norm=norm)
    case(f"normalizer_{norm.lower()}_vector_double", "Normalizer", {"X": rows[0].astype(np.float64)}, [FLOAT], norm=norm)
    case(f"normalizer_{norm.lower()}_int64", "Normalizer", {"X": np.array([[3, -4, 0], [0, 0, 0], [-1, -2, -2]])}, [FLOAT], norm=norm)

for name, x in (("float", TABLE), ("double", TABLE.astype(np.float64)), ("int64", np.arange(8).reshape(2, 4)), ("int32", np.arange(8, dtype=np.int32).reshape(2, 4))):
    case(f"scaler_{name}", "Scaler", {"X": x}, [FLOAT], offset=[0.5, -1.0, 0.0, 2.0], scale=[2.0, 0.1, 1.0, -3.0])
case("scaler_one_for_all", "Scaler", {"X": TABLE}, [FLOAT], offset=[0.5], scale=[0.25])
case("scaler_vector", "Scaler", {"X": TABLE[0]}, [FLOAT], offset=[0.5, -1.0, 0.0, 2.0], scale=[2.0, 0.1, 1.0, -3.0])

# Labels.

ANIMALS = ["cat", "dog", "", "übung"]
case("category_mapper_strings", "CategoryMapper", {"X": text("dog", "", "bird", "übung")}, [INT64], cats_strings=ANIMALS, cats_int64s=[5, -6, 2**60 + 1, 7], default_int64=99)
case("category_mapper_ints", "CategoryMapper", {"X": np.array([[7, 5], [0, 2**60 + 1]])}, [STRING], cats_strings=ANIMALS, cats_int64s=[5, -6, 2**60 + 1, 7], default_string="none")
case("category_mapper_defaults", "CategoryMapper", {"X": text("bird")}, [INT64], cats_strings=ANIMALS, cats_int64s=[1, 2, 3, 4])

case("label_encoder_1_strings", "LabelEncoder", {"X": text("dog", "cat", "bird")}, [INT64], classes_strings=["cat", "dog"], default_int64=-7)
case("label_encoder_1_ints", "LabelEncoder", {"X": np.array([1, 0, 2])}, [STRING], classes_strings=["cat", "dog"], default_string="none")
pairs = {
    "string_float": ("keys_strings", ["a", "b"], "values_floats", [1.5, -2.5], text("b", "z", "a"), FLOAT, {"default_float": 0.25}),
    "float_string": ("keys_floats", [1.5, -2.5], "values_strings", ["a", "b"], f32(-2.5, 1.5, 0), STRING, {"default_string": "?"}),
    "int_float": ("keys_int64s", [1, 2**60 + 1], "values_floats", [1.5, 2.5], np.array([[2**60 + 1, 2**60], [1, 1]]), FLOAT, {}),
    "float_int": ("keys_floats", [0.1, float("nan")], "values_int64s", [10, 2**60 + 1], f32(0.1, np.nan, 0.2), INT64, {}),
    "int_string": ("keys_int64s", [1, 2], "values_strings", ["a", "b"], np.array([2, 3]), STRING, {}),
    "string_string": ("keys_strings", ["a"], "values_strings", ["A"], text("a", "b").reshape(2, 1), STRING, {}),
    "float_float": ("keys_floats", [1.0, 0.0], "values_floats", [2.0, 3.0], f32(1, -0.0, 5), FLOAT, {}),
    "int_int": ("keys_int64s", [1, -1], "values_int64s", [-1, 1], np.array([1, -1, 0]), INT64, {"default_int64": 5}),
}
for name, (keys, k, values, v, x, out, more) in pairs.items():
    # Only since version 4 is a NaN said to match.
    for version in (4,) if name == "float_int" else (2, 4):
        case(f"label_encoder_{version}_{name}", "LabelEncoder", {"X": x}, [out], version=version, **{keys: k, values: v, **more})
case(
    "label_encoder_tensors_double", "LabelEncoder", {"X": np.array([0.1, np.nan, 7.0])}, [DOUBLE], version=4,
    keys_tensor=vector("k", DOUBLE, [0.1, float("nan")]), values_tensor=vector("v", DOUBLE, [1e-300, 2.5]), default_tensor=vector("d", DOUBLE, [-1.5]),
)
case(
    "label_encoder_tensors_int16", "LabelEncoder", {"X": text("a", "b", "c")}, [INT16], version=4,
    keys_tensor=vector("k", STRING, [b"a", b"b"]), values_tensor=vector("v", INT16, [-5, 300]), default_tensor=vector("d", INT16, [9]),
)

case("one_hot_encoder_ints", "OneHotEncoder", {"X": np.array([[3, 5], [2**60 + 1, 4]])}, [FLOAT], cats_int64s=[3, 4, 5, 2**60 + 1])
case("one_hot_encoder_missing", "OneHotEncoder", {"X": np.array([3, 8])}, [FLOAT], cats_int64s=[3, 4, 5], zeros=1)
case("one_hot_encoder_strings", "OneHotEncoder", {"X": text("dog", "bird", "")}, [FLOAT], cats_strings=ANIMALS)
case("one_hot_encoder_floats_truncate", "OneHotEncoder", {"X": f32([1.7, -2.5, 0.5])}, [FLOAT], cats_int64s=[1, -2, 0])
case("one_hot_encoder_double_strict", "OneHotEncoder", {"X": np.array([[1.0], [2.0]])}, [FLOAT], cats_int64s=[2, 1], zeros=0)

# Maps.

FLOATS = {4: 1.75, 1: -2.5, 0: 1e10}
for to, out in (("TO_FLOAT", FLOAT), ("TO_INT64", INT64), ("TO_STRING", STRING)):
    for form in ("DENSE", "SPARSE"):
        case(f"cast_map_{to.lower()}_{form.lower()}", "CastMap", {"X": FLOATS}, [out], types={"X": of_map(INT64, FLOAT)}, cast_to=to, map_form=form, max_map=4)
# The Python binding takes no maps of strings.
WORDS = {3: "7", 0: "-2"}
case("cast_map_strings_to_int64", "CastMap", {"X": WORDS}, [INT64], types={"X": of_map(INT64, STRING)}, by=lambda *_: [np.array([[-2, 7]])], cast_to="TO_INT64")
case("cast_map_strings_to_float_sparse", "CastMap", {"X": WORDS}, [FLOAT], types={"X": of_map(INT64, STRING)}, by=lambda *_: [f32([-2, 0, 0, 7, 0]).reshape(1, 5)], cast_to="TO_FLOAT", map_form="SPARSE", max_map=5)
case("cast_map_strings_to_strings", "CastMap", {"X": WORDS}, [STRING], types={"X": of_map(INT64, STRING)}, by=lambda *_: [text("-2", "7").reshape(1, 2)], cast_to="TO_STRING")

# It takes maps of float32 only.
VOCABULARY = ["a", "c", "b", "z"]
case("dict_vectorizer_float", "DictVectorizer", {"X": {"a": 4.0, "c": -8.5, "other": 1.0}}, [FLOAT], types={"X": of_map(STRING, FLOAT)}, string_vocabulary=VOCABULARY)
case("dict_vectorizer_double", "DictVectorizer", {"X": {"a": 0.1, "z": 1e300}}, [DOUBLE], types={"X": of_map(STRING, DOUBLE)}, by=lambda *_: [np.array([[0.1, 0, 0, 1e300]])], string_vocabulary=VOCABULARY)
case("dict_vectorizer_int64", "DictVectorizer", {"X": {"a": 4, "z": 2**60 + 1}}, [INT64], types={"X": of_map(STRING, INT64)}, by=lambda *_: [np.array([[4, 0, 0, 2**60 + 1]])], string_vocabulary=VOCABULARY)
case("dict_vectorizer_int_keys", "DictVectorizer", {"X": {2**60 + 1: 4.5, -1: 2.0}}, [FLOAT], types={"X": of_map(INT64, FLOAT)}, int64_vocabulary=[-1, 2**60, 2**60 + 1])
case("dict_vectorizer_int_keys_double", "DictVectorizer", {"X": {7: 0.1}}, [DOUBLE], types={"X": of_map(INT64, DOUBLE)}, by=lambda *_: [np.array([[0.1, 0.0]])], int64_vocabulary=[7, 8])
case("dict_vectorizer_strings", "DictVectorizer", {"X": {7: "x"}}, [STRING], types={"X": of_map(INT64, STRING)}, by=lambda *_: [text("", "x").reshape(1, 2)], int64_vocabulary=[8, 7])

case("zip_map_strings", "ZipMap", {"X": TABLE}, [of_maps(STRING, FLOAT)], classlabels_strings=ANIMALS)
case("zip_map_ints", "ZipMap", {"X": TABLE}, [of_maps(INT64, FLOAT)], classlabels_int64s=[3, -1, 2**60 + 1, 0])
case("zip_map_vector", "ZipMap", {"X": TABLE[0]}, [of_maps(INT64, FLOAT)], classlabels_int64s=[3, -1, 2, 0])

# Linear models.

WEIGHTS = np.random.RandomState(2).randn(12).astype(np.float32).tolist()
for by in TRANSFORMS:
    at = {"coefficients": WEIGHTS, "intercepts": [0.1, -0.2, 0.3], "post_transform": by}
    case(f"linear_classifier_3_{by.lower()}", "LinearClassifier", {"X": TABLE}, [INT64, FLOAT], classlabels_ints=[7, 8, 9], multi_class=1, **at)
    case(f"linear_regressor_3_{by.lower()}", "LinearRegressor", {"X": TABLE}, [FLOAT], targets=3, **at)
    if by != "PROBIT":
        one = {**at, "coefficients": WEIGHTS[:4], "intercepts": [0.1]}
        case(f"linear_classifier_one_score_{by.lower()}", "LinearClassifier", {"X": TABLE}, [STRING, FLOAT], classlabels_strings=["no", "yes"], **one)
    case(f"linear_regressor_1_{by.lower()}", "LinearRegressor", {"X": TABLE}, [FLOAT], coefficients=WEIGHTS[:4], intercepts=[0.4], post_transform=by, targets=1)
for name, x in (("double", TABLE.astype(np.float64)), ("int64", np.arange(8).reshape(2, 4)), ("int32", np.arange(8, dtype=np.int32).reshape(2, 4)), ("vector", TABLE[1])):
    case(f"linear_classifier_{name}", "LinearClassifier", {"X": x}, [STRING, FLOAT], coefficients=WEIGHTS, intercepts=[0.1, -0.2, 0.3], classlabels_strings=["x", "y", "z"])
case("linear_regressor_without_intercepts", "LinearRegressor", {"X": TABLE}, [FLOAT], coefficients=WEIGHTS[:8], targets=2)

# Support vectors.

VECTORS = np.random.RandomState(3).randn(6, 4).astype(np.float32)
DUAL = np.random.RandomState(4).randn(12).astype(np.float32).tolist()
KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.3, 0.5, 3.0], "RBF": [0.4, 0.0, 0.0], "SIGMOID": [0.2, -0.1, 0.0]}
for kernel, params in KERNELS.items():
    at = {"kernel_type": kernel, "kernel_params": params, "support_vectors": VECTORS.flatten().tolist()}
    two = {**at, "coefficients": DUAL[:6], "rho": [0.15], "vectors_per_class": [4, 2], "classlabels_ints": [3, 9]}
    three = {**at, "coefficients": DUAL, "rho": [0.15, -0.2, 0.1], "vectors_per_class": [1, 3, 2], "classlabels_strings": ["x", "y", "z"]}
    case(f"svm_classifier_2_{kernel.lower()}", "SVMClassifier", {"X": TABLE}, [INT64, FLOAT], **two)
    case(f"svm_classifier_3_{kernel.lower()}", "SVMClassifier", {"X": TABLE}, [STRING, FLOAT], **three)
    # Coupling ends by a threshold, so its sums in another precision may differ.
    case(f"svm_classifier_2_{kernel.lower()}_probabilities", "SVMClassifier", {"X": TABLE}, [INT64, FLOAT], rtol=1e-4, prob_a=[-1.2], prob_b=[0.1], **two)
    case(f"svm_classifier_3_{kernel.lower()}_probabilities", "SVMClassifier", {"X": TABLE}, [STRING, FLOAT], rtol=1e-4, prob_a=[-1.2, -0.8, -2.0], prob_b=[0.1, 0.0, -0.3], **three)
    case(f"svm_regressor_{kernel.lower()}", "SVMRegressor", {"X": TABLE}, [FLOAT], coefficients=DUAL[:6], rho=[0.3], n_supports=6, **at)
for by in ("SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
    at = {"kernel_type": "RBF", "kernel_params": KERNELS["RBF"], "support_vectors": VECTORS.flatten().tolist(), "post_transform": by}
    case(f"svm_classifier_2_{by.lower()}", "SVMClassifier", {"X": TABLE}, [INT64, FLOAT], coefficients=DUAL[:6], rho=[0.15], vectors_per_class=[4, 2], classlabels_ints=[3, 9], **at)
    case(f"svm_classifier_3_{by.lower()}", "SVMClassifier", {"X": TABLE}, [INT64, FLOAT], coefficients=DUAL, rho=[0.15, -0.2, 0.1], vectors_per_class=[1, 3, 2], classlabels_ints=[3, 9, 4], **at)
for count in (2, 3):
    for by in ("NONE", "SOFTMAX"):
        case(
            f"svm_classifier_linear_machine_{count}_{by.lower()}", "SVMClassifier", {"X": TABLE.astype(np.float64)}, [INT64, FLOAT],
            coefficients=WEIGHTS[: 4 * count], rho=[0.25], classlabels_ints=[3, 9, 4][:count], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], post_transform=by,
        )
case("svm_classifier_positive_linear_machine", "SVMClassifier", {"X": np.abs(TABLE)}, [INT64, FLOAT], coefficients=np.abs(WEIGHTS[:8]).tolist(), rho=[-0.5], classlabels_ints=[3, 9], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0])
case("svm_regressor_linear_machine", "SVMRegressor", {"X": TABLE}, [FLOAT], coefficients=WEIGHTS[:4], rho=[0.3], n_supports=0, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0])
case("svm_regressor_one_class", "SVMRegressor", {"X": TABLE}, [FLOAT], coefficients=DUAL[:6], rho=[0.3], n_supports=6, one_class=1, kernel_type="RBF", kernel_params=KERNELS["RBF"], support_vectors=VECTORS.flatten().tolist())

# Trees.

POINTS = np.random.RandomState(5).randn(20, 3).astype(np.float32)
BRANCHES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")


def forest(trees, depth, *, modes=("BRANCH_LEQ",), outputs=1, positive=False, votes=1, seed=0, only=None):
    """Random trees: the attributes of nodes, and lists of votes as (tree, node, output, weight)."""
    rng = np.random.RandomState(seed)
    at = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    weights = []

    def add(treeid, level, count):
        nodeid = count[0]
        count[0] += 1
        leaf = level == 0 or (level < depth and rng.rand() < 0.2)
        place = len(at["nodeids"])
        row = (treeid, nodeid, 0 if leaf else rng.randint(3), 0.0 if leaf else float(np.float32(rng.randn() / 2)), "LEAF" if leaf else modes[rng.randint(len(modes))], 0, 0, rng.randint(2))
        for key, value in zip(at, row):
            at[key].append(value)
        if leaf:
            for output in rng.choice(outputs, size=votes, replace=False):
                weight = np.float32(rng.rand() / trees if positive else rng.randn())
                weights.append((treeid, nodeid, int(output if only is None else only), float(weight)))
        else:
            at["truenodeids"][place] = add(treeid, level - 1, count)
            at["falsenodeids"][place] = add(treeid, level - 1, count)
        return nodeid

    for treeid in range(trees):
        add(treeid, depth, [0])
    return {f"nodes_{key}": value for key, value in at.items()}, weights


def votes_as(prefix, weights, as_tensor=False):
    treeids, nodeids, ids, values = (list(column) for column in zip(*weights))
    values = {f"{prefix}_weights_as_tensor": vector("w", DOUBLE, values)} if as_tensor else {f"{prefix}_weights": values}
    return {f"{prefix}_treeids": treeids, f"{prefix}_nodeids": nodeids, f"{prefix}_ids": ids, **values}


def regressor(name, x=POINTS, *, version=3, targets=1, base=None, doubles=False, aggregate="SUM", by="NONE", drop=(), judge=by_ort, **of):
    nodes, weights = forest(4, 3, outputs=targets, **of)
    if doubles:
        nodes["nodes_values_as_tensor"] = vector("s", DOUBLE, nodes.pop("nodes_values"))
    at = {**nodes, **votes_as("target", weights, doubles), "n_targets": targets, "aggregate_function": aggregate, "post_transform": by}
    if base:
        at.update({"base_values_as_tensor": vector("b", DOUBLE, base)} if doubles else {"base_values": base})
    for key in drop:
        del at[key]
    case(f"tree_ensemble_regressor_{name}", "TreeEnsembleRegressor", {"X": x}, [FLOAT], version=version, by=judge, **at)


def classifier(name, labels, x=POINTS, *, version=3, base=None, doubles=False, by="NONE", judge=by_ort, **of):
    nodes, weights = forest(4, 3, outputs=len(labels), **of)
    if doubles:
        nodes["nodes_values_as_tensor"] = vector("s", DOUBLE, nodes.pop("nodes_values"))
    at = {**nodes, **votes_as("class", weights, doubles), "post_transform": by}
    if base:
        at.update({"base_values_as_tensor": vector("b", DOUBLE, base)} if doubles else {"base_values": base})
    isText = isinstance(labels[0], str)
    at["classlabels_strings" if isText else "classlabels_int64s"] = labels
    case(f"tree_ensemble_classifier_{name}", "TreeEnsembleClassifier", {"X": x}, [STRING if isText else INT64, FLOAT], version=version, by=judge, **at)


MISSING = np.where(np.random.RandomState(6).rand(20, 3) < 0.3, np.float32(np.nan), POINTS)
for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
    regressor(f"1_{aggregate.lower()}", aggregate=aggregate, base=[0.5], seed=1)
    regressor(f"3_{aggregate.lower()}", aggregate=aggregate, targets=3, votes=2, base=[0.5, -1.0, 0.0], seed=2)
for by in TRANSFORMS:
    regressor(f"1_post_{by.lower()}", by=by, positive=True, seed=3)
    regressor(f"3_post_{by.lower()}", by=by, targets=3, votes=3, positive=True, seed=4)
for mode in BRANCHES:
    # Whole numbers, so that values equal thresholds.
    regressor(f"missing_{mode.lower()}", np.round(MISSING), modes=(mode,), seed=5)
regressor("mixed_modes", np.round(MISSING), modes=BRANCHES, seed=6)
regressor("untracked", MISSING, drop=("nodes_missing_value_tracks_true",), seed=7)
regressor("1_opset_1", version=1, seed=8)
regressor("double", POINTS.astype(np.float64), doubles=True, base=[0.1], seed=9)
regressor("double_with_floats", POINTS.astype(np.float64), seed=9)
regressor("int64", np.random.RandomState(7).randint(-2, 3, (9, 3)), seed=10, judge=by_ort_on_floats)

for by in TRANSFORMS:
    classifier(f"3_{by.lower()}", [7, 8, 9], by=by, votes=3, positive=True, seed=11)
    if by != "PROBIT":
        classifier(f"2_positive_{by.lower()}", [7, 8], by=by, positive=True, only=0, seed=12)
        classifier(f"2_signed_{by.lower()}", ["no", "yes"], by=by, only=0, seed=13)
    if by != "SOFTMAX_ZERO":
        classifier(f"2_second_{by.lower()}", [7, 8], by=by, only=1, positive=True, seed=14)
classifier("3_some_votes", ["x", "y", "z"], votes=2, seed=15)
classifier("3_base", ["x", "y", "z"], votes=3, base=[0.5, -0.5, 2.0], seed=16)
classifier("2_base", [7, 8], only=0, base=[0.25], seed=17)
# Of two classes that both have votes ONNX Runtime names 1 or 0, whatever the labels are, by the second score alone.
classifier("2_both", [7, 8], votes=2, seed=18, judge=by_reference)
classifier("2_both_logistic", ["no", "yes"], votes=2, by="LOGISTIC", seed=18, judge=by_reference)
classifier("1_label", [1], seed=18)
classifier("missing", [7, 8, 9], np.round(MISSING), modes=BRANCHES, votes=3, seed=19)
classifier("double", [7, 8, 9], POINTS.astype(np.float64), doubles=True, votes=3, seed=20)
classifier("int64", [7, 8, 9], np.random.RandomState(8).randint(-2, 3, (9, 3)), votes=3, seed=21)
classifier("int32_opset_1", [7, 8, 9], np.random.RandomState(8).randint(-2, 3, (9, 3)).astype(np.int32), version=1, votes=3, seed=21)
classifier("big_labels", [2**60 + 1, -5, 2**62 - 1], votes=3, seed=22)


def ensemble(name, x=POINTS, *, kind=FLOAT, targets=2, aggregate=1, by=0, members=None, missing=True, judge=by_ort, rtol=1e-5, **of):
    """The trees above in the layout of TreeEnsemble: nodes and leaves numbered apart."""
    nodes, weights = forest(3, 3, outputs=targets, **of)
    inner = [i for i, mode in enumerate(nodes["nodes_modes"]) if mode != "LEAF"]
    place = {(nodes["nodes_treeids"][i], nodes["nodes_nodeids"][i]): k for k, i in enumerate(inner)}
    leaf = {(tree, node): k for k, (tree, node, _, _) in enumerate(weights)}
    modes = [BRANCHES.index(nodes["nodes_modes"][i]) for i in inner]
    sets = []
    for k in range(len(modes) if members else 0):
        if k % 2 == 0:
            modes[k] = 6
            sets += [*members[k % len(members)], float("nan")]
    child = lambda way: [(nodes["nodes_treeids"][i], nodes[f"nodes_{way}nodeids"][i]) for i in inner]
    at = {"aggregate_function": aggregate, "post_transform": by, "n_targets": targets}
    at["nodes_featureids"] = [nodes["nodes_featureids"][i] for i in inner]
    at["nodes_modes"] = vector("m", TensorProto.UINT8, modes)
    at["nodes_splits"] = vector("s", kind, [nodes["nodes_values"][i] for i in inner])
    for way in ("true", "false"):
        at[f"nodes_{way}nodeids"] = [leaf[c] if c in leaf else place[c] for c in child(way)]
        at[f"nodes_{way}leafs"] = [int(c in leaf) for c in child(way)]
    if missing:
        at["nodes_missing_value_tracks_true"] = [int(nodes["nodes_missing_value_tracks_true"][i]) for i in inner]
    at["leaf_targetids"] = [target for _, _, target, _ in weights]
    at["leaf_weights"] = vector("w", kind, [weight for _, _, _, weight in weights])
    at["tree_roots"] = [place[(tree, 0)] for tree in range(3)]
    if members:
        at["membership_values"] = vector("v", kind, sets)
    case(f"tree_ensemble_{name}", "TreeEnsemble", {"X": x}, [kind], version=5, by=judge, rtol=rtol, **at)


for number, aggregate in enumerate(("average", "sum", "min", "max")):
    ensemble(aggregate, aggregate=number, seed=23)
for number, by in enumerate(TRANSFORMS):
    ensemble(f"post_{by.lower()}", by=number, positive=True, seed=24, judge=by_ort_renumbered)
ensemble("1_target", targets=1, seed=25)
ensemble("double", POINTS.astype(np.float64), kind=DOUBLE, seed=26)
# The reference sums in float16.
ensemble("float16", POINTS.astype(np.float16), kind=FLOAT16, seed=27, judge=by_reference, rtol=2e-3)
ensemble("modes_missing", np.round(MISSING), modes=BRANCHES, seed=28)
ensemble("members", np.round(POINTS), members=[[0.0, 1.0], [-1.0], [2.0, -2.0, 0.0]], seed=29)
ensemble("members_missing", np.round(MISSING), members=[[0.0, 1.0], [-1.0], [2.0, -2.0, 0.0]], missing=False, seed=30)

# Optimizer steps.

TRAINING = "ai.onnx.preview.training"


def steps(name, op, groups, count, step, kind=np.float32, **attributes):
    rng = np.random.RandomState(31)
    shapes = [(2, 3), (4,)]
    feeds = {"R": np.array(0.1, np.float32), "T": np.array(step)}
    for group in range(groups):
        for k in range(count):
            feeds[f"{'xgvh'[group]}{k}"] = np.abs(rng.randn(*shapes[k])).astype(kind)
    out = [DOUBLE if kind == np.float64 else FLOAT] * (count * (groups - 1))
    case(name, op, feeds, out, domain=TRAINING, by=by_reference, **attributes)


steps("adagrad_double", "Adagrad", 3, 1, 3, np.float64, decay_factor=0.1, epsilon=1e-5, norm_coefficient=0.01)
steps("adagrad_two", "Adagrad", 3, 2, 3, decay_factor=0.1, epsilon=1e-5, norm_coefficient=0.01)
steps("adam_first_step", "Adam", 4, 1, 0, alpha=0.8, beta=0.95, norm_coefficient_post=0.1)
steps("adam_two", "Adam", 4, 2, 5, norm_coefficient=0.01)
steps("momentum_first_step", "Momentum", 3, 1, 0, alpha=0.9, beta=0.5, mode="standard", norm_coefficient=0.1)
steps("momentum_nesterov_two", "Momentum", 3, 2, 2, alpha=0.9, beta=0.5, mode="nesterov", norm_coefficient=0.1)

# Operators of ai.onnx that the standard's tests leave out. What is drawn at random has one possible value.

IMAGE = np.random.RandomState(32).randn(1, 2, 8, 8).astype(np.float32)
case("global_lp_pool", "GlobalLpPool", {"X": IMAGE}, [FLOAT], domain="")
case("global_lp_pool_3", "GlobalLpPool", {"X": IMAGE}, [FLOAT], domain="", p=3)
case("max_roi_pool", "MaxRoiPool", {"X": IMAGE, "rois": f32([0, 1, 1, 6, 5], [0, 0, 0, 7, 7])}, [FLOAT], domain="", pooled_shape=[2, 3], spatial_scale=1.0)
case("max_roi_pool_scaled", "MaxRoiPool", {"X": IMAGE, "rois": f32([0, 2, 2, 12, 10], [0, 0, 6, 3, 14])}, [FLOAT], domain="", pooled_shape=[3, 2], spatial_scale=0.5)
case("random_normal", "RandomNormal", {}, [FLOAT], domain="", by=lambda *_: [np.full((2, 3), 2.5, np.float32)], shape=[2, 3], mean=2.5, scale=0.0)
case("random_normal_like", "RandomNormalLike", {"X": IMAGE}, [DOUBLE], domain="", by=lambda *_: [np.full(IMAGE.shape, 2.5)], dtype=DOUBLE, mean=2.5, scale=0.0)
case("random_uniform", "RandomUniform", {}, [FLOAT], domain="", by=lambda *_: [np.full((2, 3), 3, np.float32)], shape=[2, 3], low=3.0, high=3.0)
case("multinomial", "Multinomial", {"X": f32([-1e30, 0, -1e30], [0, -1e30, -1e30])}, [INT32], domain="", by=lambda *_: [np.array([[1] * 4, [0] * 4], np.int32)], sample_size=4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=["*"])
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    written, failed = 0, 0
    for name, (make, feeds) in cases.items():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in args.only):
            continue
        try:
            model, outputs, rtol, atol = make()
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
            failed += 1
            continue
        data = Data()
        sets = [{"inputs": [tree(data, value) for value in feeds.values()], "outputs": [tree(data, value) for value in outputs]}]
        write(args.folder, name, "own", model, sets, data, rtol, atol)
        written += 1
    print(f"{written} cases in {args.folder}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
