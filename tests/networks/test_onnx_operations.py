"""Nodes of every kind, read as operations of the notation that make what ONNX's evaluator makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator
from support.onnx_models import model, node, save, weight
from support.peers import require_peer

from convcli import load_network
from convcli.errors import ArgumentError
from convcli.networks import read_onnx

MAP = (1, 6, 8, 10)
FLAT = (1, 24)
SIGNAL = (1, 4, 12)
INT = np.int64


def chain(*nodes: Any, shape: Sequence[int] = MAP, opset: int = 21, **weights: Any) -> Any:
    """Return a model of one input `x` and one output `y`."""
    return model(nodes, {"x": shape}, weights=weights, opset=opset)


def reshape_back(
    before: Sequence[int], order: Sequence[int], after: Sequence[int], **more: Any
) -> Any:
    """Return a model that reshapes, transposes and reshapes, as exporters write shuffles."""
    return chain(
        node("Reshape", "x a", "r"),
        node("Transpose", "r", "t", perm=order),
        node("Reshape", "t b", "y"),
        a=np.array(before, INT),
        b=np.array(after, INT),
        **more,
    )


def gelu(*, half_first: bool) -> Any:
    numbers: dict[str, Any] = {
        "r": np.float32(2**0.5), "one": np.float32(1), "h": np.float32(0.5)
    }  # fmt: skip
    start = [node("Div", "x r", "d"), node("Erf", "d", "e"), node("Add", "e one", "p")]
    if half_first:
        return chain(*start, node("Mul", "x h", "s"), node("Mul", "s p", "y"), **numbers)
    return chain(*start, node("Mul", "x p", "s"), node("Mul", "s h", "y"), **numbers)


def standardize(*, axes: Sequence[int], by_power: bool, opset: int = 13, **more: Any) -> Any:
    """Return a model with a layer normalization in its parts."""
    two = np.float32(2)
    square = node("Pow", "d two", "q") if by_power else node("Mul", "d d", "q")
    settings: dict[str, Any] = {} if opset >= 18 else {"axes": axes}
    last = "" if opset < 18 else " axes"
    numbers: dict[str, Any] = {"two": two, "eps": np.float32(1e-3), "axes": np.array(axes, INT)}
    return chain(
        node("ReduceMean", f"x{last}", "m", **settings), node("Sub", "x m", "d"), square,
        node("ReduceMean", f"q{last}", "v", **settings), node("Add", "v eps", "p"),
        node("Sqrt", "p", "r"), node("Div", "d r", "n"), node("Mul", "n s", "k"),
        node("Add", "k b", "y"), opset=opset, **numbers, **more,
    )  # fmt: skip


# Each with the operations that it is read as.
MODELS: dict[str, tuple[Any, str]] = {
    "conv": (
        chain(node("Conv", "x w b", "y", strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2]),
              w=weight(4, 6, 3, 2), b=weight(4)),
        "conv",
    ),
    "grouped": (chain(node("Conv", "x w", "y", group=3), w=weight(9, 2, 3, 3)), "conv"),
    "depthwise": (chain(node("Conv", "x w", "y", group=6), w=weight(6, 1, 3, 3)), "conv"),
    "same": (
        chain(node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[3, 3]),
              w=weight(4, 6, 4, 4)),
        "conv",
    ),
    "signal": (
        chain(node("Conv", "x w b", "y", pads=[2, 0], strides=[2]), shape=SIGNAL,
              w=weight(5, 4, 3), b=weight(5)),
        "conv",
    ),
    "transposed": (
        chain(node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1],
                   output_padding=[1, 0]), w=weight(6, 4, 3, 3), b=weight(4)),
        "tconv",
    ),
    "maxpool": (
        chain(node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])),
        "maxpool",
    ),
    "ceil": (
        chain(node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
        "maxpool",
    ),
    "avgpool": (
        chain(node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1])), "avgpool"
    ),
    "avgpool with padding": (
        chain(node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                   count_include_pad=1)),
        "avgpool",
    ),
    "global pools": (
        chain(node("GlobalMaxPool", "x", "m"), node("GlobalAveragePool", "x", "a"),
              node("Concat", "m a", "y", axis=1)),
        "globalmaxpool globalavgpool concat",
    ),
    "mean of positions": (
        chain(node("ReduceMean", "x axes", "y", keepdims=0), axes=np.array([2, -1], INT)),
        "globalavgpool flatten",
    ),
    "mean of rows": (
        chain(node("ReduceMean", "x axes", "y"), axes=np.array([2], INT)), "adaptiveavgpool"
    ),
    "largest of old": (
        chain(node("ReduceMax", "x", "y", axes=[3, 2]), opset=12), "globalmaxpool"
    ),
    "elementwise": (
        chain(node("Sigmoid", "x", "a"), node("HardSigmoid", "a", "b", alpha=0.25),
              node("Neg", "b", "c"), node("Exp", "c", "d"),
              node("LeakyRelu", "d", "e", alpha=0.3), node("Elu", "e", "y")),
        "sigmoid hardsigmoid neg exp leaky-relu elu",
    ),
    "clip": (
        chain(node("Clip", "x lo hi", "a"), node("Clip", "a zero", "b"),
              node("Clip", "b zero six", "y"), lo=np.float32(-1.5),
              hi=np.float32(2), zero=np.float32(0), six=np.float32(6)),
        "clip relu relu6",
    ),
    "clip of old": (chain(node("Clip", "x", "y", min=-0.5, max=1.0), opset=10), "clip"),
    "prelu": (chain(node("PRelu", "x s", "y"), s=weight(6, 1, 1)), "prelu"),
    "gelu": (gelu(half_first=False), "gelu"),
    "gelu, halved first": (gelu(half_first=True), "gelu"),
    "hardswish by parts": (
        chain(node("HardSigmoid", "x", "h", alpha=1 / 6, beta=0.5), node("Mul", "x h", "y")),
        "hardsigmoid mul",
    ),
    "square": (chain(node("Pow", "x two", "y"), two=np.float32(2)), "square"),
    "scale and shift": (
        chain(node("Mul", "x s", "a"), node("Add", "a t", "y"), s=weight(6, 1, 1),
              t=weight(1, 6, 1, 1)),
        "affine affine",
    ),
    "numbers": (
        chain(node("Sub", "x m", "a"), node("Div", "a d", "b"), node("Sub", "one b", "y"),
              m=np.float32(0.5), d=weight(6, 1, 1), one=np.float32(1)),
        "affine affine neg affine",
    ),
    "joins": (
        chain(node("Relu", "x", "r"), node("GlobalAveragePool", "x", "g"), node("Mul", "g r", "m"),
              node("Sub", "m x", "s"), node("Max", "s r x", "y")),
        "relu globalavgpool mul sub max",
    ),
    "batch normalization": (
        chain(node("BatchNormalization", "x s b m v", "y", epsilon=1e-3), s=weight(6), b=weight(6),
              m=weight(6), v=np.abs(weight(6))),
        "bn",
    ),
    "instance normalization": (
        chain(node("InstanceNormalization", "x s b", "y"), s=weight(6), b=weight(6)), "instancenorm"
    ),
    "group normalization by parts": (
        chain(node("Reshape", "x g", "r"), node("InstanceNormalization", "r s b", "n"),
              node("Reshape", "n back", "y"), g=np.array([0, 3, -1], INT), s=np.ones(3, np.float32),
              b=np.zeros(3, np.float32), back=np.array(MAP, INT)),
        "groupnorm",
    ),
    "layer normalization": (
        chain(node("LayerNormalization", "x s b", "y", axis=1), s=weight(6, 8, 10),
              b=weight(6, 8, 10)),
        "layernorm",
    ),
    "layer normalization in parts": (
        standardize(axes=[1], by_power=True, s=weight(6, 1, 1), b=weight(1, 6, 1, 1)),
        "layernorm affine affine",
    ),
    "layer normalization in parts, of a later set": (
        standardize(axes=[1], by_power=False, opset=18, s=weight(6, 1, 1), b=weight(6, 1, 1)),
        "layernorm affine affine",
    ),
    "layer normalization in parts, of positions": (
        standardize(axes=[-1, -2], by_power=False, s=weight(6, 1, 1), b=weight(6, 1, 1)),
        "layernorm affine affine",
    ),
    "standardization": (chain(node("MeanVarianceNormalization", "x", "y", axes=[2, 3])),
                        "layernorm"),
    "softmax": (chain(node("Softmax", "x", "y", axis=1)), "softmax"),
    "softmax of old": (chain(node("Softmax", "x", "y"), shape=FLAT, opset=11), "softmax"),
    "logarithm of softmax": (chain(node("LogSoftmax", "x", "y", axis=1)), "softmax"),
    "linear": (
        chain(node("Gemm", "x w b", "y", transB=1, alpha=0.5, beta=2.0), shape=FLAT,
              w=weight(7, 24), b=weight(7)),
        "linear",
    ),
    "product and sum": (
        chain(node("MatMul", "x w", "p"), node("Add", "p b", "y"), shape=FLAT, w=weight(24, 7),
              b=weight(7)),
        "linear",
    ),
    "channels last": (
        chain(node("Transpose", "x", "t", perm=[0, 2, 3, 1]),
              node("LayerNormalization", "t s h", "n"),
              node("MatMul", "n w", "p"), node("Add", "p b", "q"), node("Relu", "q", "r"),
              node("Transpose", "r", "y", perm=[0, 3, 1, 2]),
              s=weight(6), h=weight(6), w=weight(6, 9), b=weight(9)),
        "layernorm conv relu",
    ),
    "tokens": (
        chain(node("Reshape", "x a", "f"), node("Transpose", "f", "t", perm=[0, 2, 1]),
              node("MatMul", "t w", "p"), node("Transpose", "p", "u", perm=[0, 2, 1]),
              node("Reshape", "u b", "y"), a=np.array([0, 0, -1], INT),
              b=np.array([1, 5, 8, 10], INT), w=weight(6, 5)),
        "conv",
    ),
    "channelshuffle": (
        reshape_back((1, 3, 2, 8, 10), (0, 2, 1, 3, 4), (1, -1, 8, 10)), "channelshuffle"
    ),
    "pixelshuffle by parts": (
        reshape_back((1, 2, 2, 2, 3, 4), (0, 1, 4, 2, 5, 3), (1, 2, 6, 8), shape=(1, 8, 3, 4)),
        "pixelshuffle",
    ),
    "pixelunshuffle by parts": (
        reshape_back((1, 6, 4, 2, 5, 2), (0, 1, 3, 5, 2, 4), (1, 24, 4, 5)), "pixelunshuffle"
    ),
    "depth to space": (
        chain(node("DepthToSpace", "x", "a", blocksize=2),
              node("SpaceToDepth", "a", "b", blocksize=2),
              node("DepthToSpace", "b", "y", blocksize=2, mode="CRD"), shape=(1, 8, 3, 4)),
        "pixelshuffle pixelunshuffle pixelshuffle",
    ),
    "computed reshape": (
        chain(node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0),
              node("Unsqueeze", "n zeros", "u"), node("Concat", "u rest", "to", axis=0),
              node("Reshape", "x to", "y"), zero=np.array(0, INT), zeros=np.array([0], INT),
              rest=np.array([-1], INT)),
        "flatten",
    ),
    "pad": (
        chain(node("Pad", "x p v", "a"), node("Pad", "a q", "b", mode="reflect"),
              node("Relu", "b", "y"), p=np.array([0, 0, 1, 2, 0, 0, 0, 1], INT),
              v=np.float32(1.5), q=np.array([0, 0, 2, 0, 0, 0, 1, 1], INT)),
        "pad pad relu",
    ),
    "slice": (
        chain(node("Slice", "x st en ax", "a"), node("Slice", "a s2 e2 a2 step", "y"),
              st=np.array([1, -5], INT), en=np.array([5, 1 << 40], INT), ax=np.array([1, 3], INT),
              s2=np.array([1, 0], INT), e2=np.array([100, 100], INT), a2=np.array([2, 3], INT),
              step=np.array([2, 3], INT)),
        "slice crop crop maxpool",
    ),
    "split": (
        chain(node("Split", "x parts", "a b", axis=1), node("Relu", "b", "c"),
              node("Concat", "c a", "y", axis=1), parts=np.array([2, 4], INT)),
        "slice slice relu concat",
    ),
    "gather": (
        chain(node("Gather", "x places", "y", axis=1), places=np.array([1, 3, 5], INT)), "slice"
    ),
    "resize": (
        chain(node("Resize", "x _ s", "a", mode="linear"), node("Resize", "a _ _ z", "y",
              mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
              s=np.array([1, 1, 2, 1.5], np.float32), z=np.array([1, 6, 10, 9], INT)),
        "upsample resize",
    ),
    "cast and identity": (
        chain(node("Identity", "x", "a"), node("Cast", "a", "b", to=TensorProto.FLOAT),
              node("Dropout", "b", "y")),
        "identity identity dropout",
    ),
}  # fmt: skip


# Those that ONNX's own evaluator does otherwise, or not at all.
FOR_RUNTIME: dict[str, tuple[Any, str]] = {
    "transposed to a shape": (
        chain(node("ConvTranspose", "x w", "y", strides=[2, 2], output_shape=[16, 20]),
              w=weight(6, 4, 3, 3)),
        "tconv",
    ),
    "lrn": (chain(node("LRN", "x", "y", size=3, alpha=0.1)), "lrn"),
    "negative padding": (
        chain(node("Pad", "x p", "y"), p=np.array([0, 0, -1, -1, 0, 0, 0, -2], INT)), "crop"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_node_makes_what_onnx_makes(tmp_path: Path, name: str) -> None:
    proto, operations = MODELS[name]
    compare(proto, operations, tmp_path, ReferenceEvaluator(proto).run)


@pytest.mark.peers
@pytest.mark.parametrize("name", sorted(FOR_RUNTIME))
def test_a_node_makes_what_the_runtime_makes(tmp_path: Path, name: str) -> None:
    runtime = require_peer("onnxruntime")
    proto, operations = FOR_RUNTIME[name]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    compare(
        proto, operations, tmp_path, runtime.InferenceSession(save(proto, tmp_path), options).run
    )


def compare(proto: Any, operations: str, folder: Path, run: Callable[..., Any]) -> None:
    """Compare a model with what another program makes of it."""
    path = save(proto, folder)
    network = load_network(path)
    assert [layer.op for layer in network.layers] == operations.split()
    shape = [side.dim_value for side in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    (wanted,) = run(None, {"x": x})
    found = network.run(x[0] if len(shape) != 3 else x[0][:, np.newaxis])
    if len(shape) == 3:
        found = found[:, 0]
    assert found.shape == wanted.shape[1:]
    np.testing.assert_allclose(found, wanted[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_what_lies_between_nodes_can_be_an_output_too(tmp_path: Path, name: str) -> None:
    proto = ModelProto()
    proto.CopyFrom(MODELS[name][0])
    made = list(dict.fromkeys(output for node in proto.graph.node for output in node.output))
    known = {output.name for output in proto.graph.output}
    proto.graph.output.extend(
        helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        for output in made
        if output not in known
    )
    shape = [side.dim_value for side in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    wanted = dict(zip(made, ReferenceEvaluator(proto).run(made, {"x": x}), strict=True))
    network = load_network(save(proto, tmp_path))
    for output, layer in network.outputs.items():
        try:
            found = network.run(x[0] if len(shape) != 3 else x[0][:, np.newaxis], layer)
        except ArgumentError as error:  # what only with its neighbors has an operation
            if "known from its file alone" not in str(error):
                raise
            continue
        if any(repr(output) in note for note in network.notes):  # it has other axes
            found = found.transpose(1, 2, 0)
        found = found.reshape(wanted[output].shape)
        np.testing.assert_allclose(found, wanted[output], rtol=1e-4, atol=1e-5)


def test_a_concatenation_along_a_negative_axis_has_its_size_in_old_sets(tmp_path: Path) -> None:
    proto = chain(node("Concat", "x x", "y", axis=-1), opset=9)
    network = read_onnx(save(proto, tmp_path))
    assert [(layer.op, layer.value("out")) for layer in network.layers] == [("opaque", (6, 8, 20))]
    (note,) = network.notes
    assert note.startswith("operations of which only shape and costs are known")


def test_parts_of_a_normalization_that_others_take_stay_apart(tmp_path: Path) -> None:
    proto = standardize(axes=[1], by_power=True, s=weight(6, 1, 1), b=weight(6, 1, 1))
    proto.graph.output.append(onnx.helper.make_empty_tensor_value_info("v"))
    operations = [layer.op for layer in read_onnx(save(proto, tmp_path)).layers]
    assert "layernorm" not in operations
    assert "sqrt" in operations


# ---- what has no operation -----------------------------------------------------------------------


def test_what_has_no_operation_is_opaque_with_its_costs_and_a_note(tmp_path: Path) -> None:
    nodes = [
        node("Einsum", "x w", "e", equation="bchw,cd->bdhw", name="mix"),
        node("Relu", "e", "r"),
        node("Shape", "r", "s"),
        node("ConstantOfShape", "s", "zeros"),
        node("Atan", "r", "y"),
        node("Sin", "zeros", "unused"),
    ]
    path = save(model(nodes, {"x": MAP}, weights={"w": weight(6, 5)}), tmp_path)
    network = read_onnx(path)
    assert [layer.op for layer in network.layers] == ["opaque", "relu", "opaque"]
    mix = network.layers[0]
    assert (mix.name, mix.value("out"), mix.value("params")) == ("mix", (5, 8, 10), 30)
    (note,) = network.notes
    assert note.startswith("operations of which only shape and costs are known, and not what they")
    assert note.endswith(": 1 Atan, 1 Einsum")


@pytest.mark.parametrize(
    ("proto", "macs", "params"),
    [
        (chain(node("MatMul", "x w", "y"), w=weight(10, 7)), 6 * 8 * 10 * 7, 70),
        (chain(node("MatMul", "x x", "y"), shape=(1, 4, 9, 9)), 4 * 9 * 9 * 9, 0),
        (
            chain(node("Conv", "x w", "y"), shape=(1, 2, 5, 6, 7), w=weight(4, 2, 3, 3, 3)),
            4 * 3 * 4 * 5 * 2 * 27,
            4 * 2 * 27,
        ),
        (
            chain(node("Gemm", "x w", "y", transA=1), shape=(24, 3), w=weight(24, 5)),
            3 * 24 * 5 // 24,
            120,
        ),
    ],
    ids=["matrix", "two maps", "volume", "turned"],
)
def test_products_of_an_opaque_layer_are_counted(
    tmp_path: Path, proto: Any, macs: int, params: int
) -> None:
    (layer,) = read_onnx(save(proto, tmp_path)).layers
    assert layer.op == "opaque"
    assert layer.value("params") == params
    if proto.graph.node[0].op_type != "Gemm":
        assert layer.value("macs") == macs


def test_functions_control_flow_and_other_domains_are_opaque(tmp_path: Path) -> None:
    nodes = [
        node("Special", "x w", "a", domain="com.example"),
        node("Relu", "a", "y"),
    ]
    proto = model(nodes, {"x": MAP}, weights={"w": weight(3)})
    proto.graph.value_info.add().CopyFrom(proto.graph.input[0])
    proto.graph.value_info[0].name = "a"
    network = read_onnx(save(proto, tmp_path))
    special = network.layers[0]
    assert (special.op, special.value("out"), special.value("params")) == ("opaque", MAP[1:], 3)


# ---- names, weights and layouts ------------------------------------------------------------------


def test_names_that_the_notation_does_not_hold_are_replaced_and_stay_different(
    tmp_path: Path,
) -> None:
    nodes = [
        node("Relu", "x", "a", name="act+1"),
        node("Relu", "a", "b", name="act,1"),
        node("Relu", "b", "c", name="input"),
        node("Relu", "c", "y", name="input"),
    ]
    network = read_onnx(save(model(nodes, {"x": MAP}), tmp_path))
    assert [layer.name for layer in network.layers] == ["act_1", "act_1_2", "input_", "input__2"]


def test_an_input_in_rows_and_columns_of_channels_is_a_map(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "c"),
        node("Transpose", "c", "y", perm=[0, 2, 3, 1]),
    ]
    network = read_onnx(
        save(model(nodes, {"x": (1, 8, 9, 3)}, weights={"w": weight(4, 3, 3, 3)}), tmp_path)
    )
    assert network.inputs == {"x": (3, 8, 9)}
    assert [layer.op for layer in network.layers] == ["conv"]
    assert "the output 'y' has other axes in the file" in network.notes[0]


def test_quantized_maps_and_weights_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w8 s8 z8", "w", axis=0),
        node("Conv", "d w", "y"),
    ]
    weights: dict[str, Any] = {
        "s": np.float32(0.1), "z": np.uint8(128), "z8": np.zeros(4, np.int8),
        "w8": np.arange(24, dtype=np.int8).reshape(4, 6, 1, 1),
        "s8": np.array([1, 2, 3, 4], np.float32),
    }  # fmt: skip
    network = read_onnx(save(model(nodes, {"x": MAP}, weights=weights), tmp_path))
    assert [layer.op for layer in network.layers] == ["identity", "conv"]
    assert "quantization" in network.notes[0]
    scaled = weights["w8"] * weights["s8"].reshape(4, 1, 1, 1)
    np.testing.assert_array_equal(network.weights["y"]["weight"], scaled)


def test_quantized_values_that_are_an_output_are_not_those_before(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    weights = {"s": np.float32(0.25), "z": np.array(3, np.uint8)}
    network = read_onnx(save(model(nodes, {"x": MAP}, "q y", weights), tmp_path))
    assert [layer.op for layer in network.layers] == ["opaque", "identity"]


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_weights_of_other_types_are_floats(tmp_path: Path, dtype: int) -> None:
    values = np.array([0.5, -2, 1.25], np.float32)
    proto = chain(node("Conv", "x w b", "y"), w=weight(3, 6, 1, 1), b=values)
    import onnx

    bias = onnx.helper.make_tensor("b", dtype, [3], values)
    proto.graph.initializer[1].CopyFrom(bias)
    found = read_onnx(save(proto, tmp_path)).weights["y"]["bias"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype == (np.float64 if dtype == TensorProto.DOUBLE else np.float32)


def test_a_batch_is_left_out_and_maps_are_walked_one_by_one(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("Reshape", "c s", "f"),
        node("Gemm", "f m", "y"),
    ]
    weights = {"w": weight(4, 6, 1, 1), "s": np.array([5, 320], INT), "m": weight(320, 2)}
    network = read_onnx(save(model(nodes, {"x": (5, 6, 8, 10)}, weights=weights), tmp_path))
    assert network.inputs == {"x": (6, 8, 10)}
    assert [layer.op for layer in network.layers] == ["conv", "flatten", "linear"]
