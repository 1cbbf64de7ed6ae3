"""Files that are damaged, contradict themselves or want too much: one line for what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support.onnx_models import model, node, save, weight

from convcli.errors import FileError
from convcli.networks import read_onnx
from convcli.networks.onnx import inference

W = weight(4, 3, 3, 3)
IMAGE = {"x": (1, 3, 8, 8)}


def conv_model(**attributes: Any) -> Any:
    return model([node("Conv", "x w", "y", **attributes)], IMAGE, weights={"w": W})


def initializer(change: Callable[[Any], None]) -> Any:
    """Return a model of one convolution whose weights are changed."""
    proto = conv_model()
    change(proto.graph.initializer[0])
    return proto


def external(tensor: Any, **entries: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def refused(path: str) -> str:
    with pytest.raises(FileError) as refusal:
        read_onnx(path)
    assert refusal.value.path == path
    assert "\n" not in str(refusal.value)
    return refusal.value.cause


# ---- what is no model ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"layers of a network\n" * 9, "is no ONNX file"),
        (bytes(1000), "is no ONNX file"),
        (conv_model().SerializeToString()[:-40], "is no ONNX file, or it is damaged"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "is no ONNX file"),
        (b"\x3a" * 5000, "is no ONNX file"),
    ],
    ids=["empty", "text", "zeros", "truncated", "no graph", "nested"],
)
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert cause in refused(str(path))


@pytest.mark.parametrize("op", ["Erf", "Conv", "Reshape", "Concat", "Add", "MatMul", "Split", "If"])
def test_a_node_without_its_inputs_is_no_fault_of_the_program(tmp_path: Path, op: str) -> None:
    nodes = [node(op, "", "a"), node("Add", "x a", "y")]
    try:
        read_onnx(save(model(nodes, IMAGE), tmp_path))
    except FileError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either may happen


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    assert "no such file" in refused(str(tmp_path / "none.onnx"))
    assert "directory" in refused(str(tmp_path))


# ---- graphs that contradict themselves -----------------------------------------------------------

GRAPHS = {
    "cycle": (
        model([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")], IMAGE),
        "depends on its own output",
    ),
    "missing": (model([node("Add", "x none", "y")], IMAGE), "takes 'none', which nothing makes"),
    "no output": (model([node("Relu", "x", "a")], IMAGE), "nothing makes its output 'y'"),
    "twice": (
        model([node("Relu", "x", "y"), node("Abs", "x", "y")], IMAGE),
        "makes 'y', which is made already",
    ),
    "over an input": (
        model([node("Relu", "x", "x"), node("Abs", "x", "y")], IMAGE),
        "makes 'x', which is made already",
    ),
    "constant": (
        model([node("Relu", "w", "y")], {}, weights={"w": W}),
        "has no input that its outputs depend on",
    ),
    "old": (model([node("Relu", "x", "y")], IMAGE, opset=5), "is of operator set 5"),
    "channels": (
        model([node("Conv", "x w", "y")], {"x": (1, 5, 8, 8)}, weights={"w": W}),
        "node 1 (Conv, 'y'): its weight is 4x3x3x3, and its input takes 4x5x3x3",
    ),
    "too small": (
        model([node("Conv", "x w", "y")], {"x": (1, 3, 2, 2)}, weights={"w": W}),
        "node 1 (Conv, 'y')",
    ),
    "bias": (
        model([node("Conv", "x w b", "y")], IMAGE, weights={"w": W, "b": weight(5)}),
        "its bias is 5, and its input takes 4",
    ),
    "reshape": (
        model([node("Reshape", "x s", "y")], IMAGE, weights={"s": np.array([7, -1])}),
        "node 1 (Reshape, 'y'): the values of (1, 3, 8, 8) do not fill (7, 27)",
    ),
    "negative reshape": (
        model([node("Reshape", "x s", "y")], IMAGE, weights={"s": np.array([-5, 8])}),
        "node 1 (Reshape, 'y')",
    ),
    "order": (model([node("Transpose", "x", "y", perm=[0, 1, 1, 9])], IMAGE), "is no order"),
    "window": (
        model([node("Conv", "x w", "y", kernel_shape=[5, 3])], IMAGE, weights={"w": W}),
        "its kernel_shape is [5, 3], and its weight (4, 3, 3, 3)",
    ),
    "sizes": (
        model([node("Relu", "z", "r"), node("Mul", "x r", "y")], {**IMAGE, "z": (1, 3, 9, 8)}),
        "node 2 (Mul, 'y'): (1, 3, 8, 8) and (1, 3, 9, 8) do not spread over each other",
    ),
    "size of a number": (
        model([node("Add", "x b", "y")], IMAGE, weights={"b": weight(5)}),
        "(1, 3, 8, 8) and (5,) do not spread over each other",
    ),
} | {
    f"axis of {op}": (
        model([node(op, inputs, "y", **settings)], IMAGE, weights={"a": np.array([7])}),
        "its input has 4 axes, and none is 7",
    )
    for op, inputs, settings in (
        ("Concat", "x x", {"axis": 7}), ("Softmax", "x", {"axis": 7}), ("ReduceMean", "x a", {}),
        ("Squeeze", "x a", {}), ("Split", "x", {"axis": 7}),
        ("Resize", "x _ a", {"axes": [7]}),
    )
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(GRAPHS))
def test_a_graph_that_contradicts_itself_is_refused(tmp_path: Path, case: str) -> None:
    proto, cause = GRAPHS[case]
    assert cause in refused(save(proto, tmp_path))


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [0, 0]},
        {"strides": [-1, 1]},
        {"strides": [1]},
        {"dilations": [0, 1]},
        {"pads": [-9, -9, 0, 0]},
        {"pads": [1]},
        {"group": 0},
        {"group": -3},
        {"group": 7},
        {"auto_pad": "SIDEWAYS"},
        {"strides": "ab"},
        {"kernel_shape": [1 << 62, 1 << 62]},
        {"strides": [1 << 62, 1 << 62]},
        {"pads": [1 << 62] * 4},
    ],
    ids=str,
)
def test_attributes_that_no_operation_has_give_a_line_or_an_opaque_layer(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    path = save(conv_model(**attributes), tmp_path)
    try:
        network = read_onnx(path)
    except FileError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either may happen
    else:
        assert network.layers[0].op in ("conv", "opaque")


# ---- arrays --------------------------------------------------------------------------------------


def negative(tensor: Any) -> None:
    tensor.dims[0] = -4


def huge(tensor: Any) -> None:
    tensor.dims[0] = 1 << 40


def short(tensor: Any) -> None:
    tensor.raw_data = tensor.raw_data[:-1]


def long(tensor: Any) -> None:
    tensor.raw_data += b"\0"


def text(tensor: Any) -> None:
    tensor.data_type = TensorProto.STRING


def unknown(tensor: Any) -> None:
    tensor.data_type = 999


def wider(tensor: Any) -> None:
    tensor.data_type = TensorProto.DOUBLE


def empty(tensor: Any) -> None:
    tensor.ClearField("raw_data")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (negative, "the array 'w' has the shape (-4, 3, 3, 3)"),
        (huge, "the array 'w' states 118,747,255,799,808 bytes, and has 432"),
        (short, "the array 'w' states 432 bytes, and has 431"),
        (long, "the array 'w' states 432 bytes, and has 433"),
        (wider, "the array 'w' states 864 bytes, and has 432"),
        (text, "the array 'w' holds no numbers"),
        (unknown, "the array 'w' holds no numbers"),
        (empty, "the array 'w' states 108 values, and has 0"),
    ],
)
def test_an_array_that_is_not_what_it_states_is_refused(
    tmp_path: Path, change: Callable[[Any], None], cause: str
) -> None:
    assert refused(save(initializer(change), tmp_path)) == cause


# ---- arrays in other files -----------------------------------------------------------------------


def test_data_beside_the_model_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    proto = initializer(lambda tensor: external(tensor, location="w.bin", offset="8", length="432"))
    (tmp_path / "w.bin").write_bytes(bytes(8) + W.tobytes())
    network = read_onnx(save(proto, tmp_path))
    np.testing.assert_array_equal(network.weights["y"]["weight"], W)


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/passwd", "sub/../../w.bin", "link", "out/w.bin", ""]
)
def test_no_data_outside_the_folder_of_the_model_are_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    (folder / "link").symlink_to(tmp_path / "w.bin")
    (folder / "out").symlink_to(tmp_path)
    proto = initializer(lambda tensor: external(tensor, location=location))
    assert "which is not in its folder" in refused(save(proto, folder))


@pytest.mark.parametrize(
    ("entries", "cause"),
    [
        ({"location": "none.bin"}, "which is not there"),
        ({"location": "w.bin"}, "end beyond the end of 'w.bin'"),
        ({"location": "w.bin", "offset": "-8"}, "should have 432 bytes"),
        ({"location": "w.bin", "length": "431"}, "should have 432 bytes, not 431"),
        ({"location": "w.bin", "offset": "x"}, "have no numbers as their place"),
    ],
)
def test_data_that_are_not_there_are_named(
    tmp_path: Path, entries: dict[str, str], cause: str
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(431))
    assert cause in refused(save(initializer(lambda tensor: external(tensor, **entries)), tmp_path))


# ---- costs ---------------------------------------------------------------------------------------


def test_shapes_of_any_size_are_computed_without_their_arrays(tmp_path: Path) -> None:
    nodes = [
        node("ConstantOfShape", "s", "w"),
        node("Conv", "x w", "y"),
    ]
    proto = model(
        nodes, {"x": (1, 1 << 40, 3, 3)}, weights={"s": np.array([1 << 40, 1 << 40, 3, 3])}
    )
    network = read_onnx(save(proto, tmp_path))
    assert network.layers[0].channels == 1 << 40
    with pytest.raises(MemoryError):
        _ = network.weights["y"]


@pytest.mark.parametrize("op", ["Expand", "Tile", "Range", "ConstantOfShape", "OneHot"])
def test_arithmetic_of_shapes_makes_no_large_arrays(tmp_path: Path, op: str) -> None:
    many = np.array([1 << 50], np.int64)
    nodes = {
        "Expand": [node("Expand", "one many", "z")],
        "Tile": [node("Tile", "one many", "z")],
        "Range": [node("Range", "zero most step", "z")],
        "ConstantOfShape": [node("ConstantOfShape", "many", "z")],
        "OneHot": [node("OneHot", "one most pair", "z")],
    }[op]
    weights = {
        "one": np.ones(1, np.int64), "many": many, "zero": np.array(0), "step": np.array(1),
        "most": np.array(1 << 50), "pair": np.array([0, 1]),
    }  # fmt: skip
    proto = model([*nodes, node("Add", "x z", "y")], {"x": (1, 1)}, weights=weights)
    path = save(proto, tmp_path)
    try:
        read_onnx(path)
    except FileError as error:
        assert "\n" not in str(error)  # noqa: PT017  # either may happen


def test_a_chain_of_many_nodes_is_read_within_seconds(tmp_path: Path) -> None:
    count = 20_000
    names = ["x", *map(str, range(count)), "y"]
    nodes = [node("Relu", before, after) for before, after in pairwise(names)]
    path = save(model(nodes[::-1], IMAGE), tmp_path)
    begun = time.process_time()
    assert len(read_onnx(path).layers) == count + 1
    assert time.process_time() - begun < 8


def test_nodes_that_no_output_depends_on_are_left_out(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "y"), node("Conv", "x none", "z"), node("Sin", "z", "dead")]
    network = read_onnx(save(model(nodes, IMAGE), tmp_path))
    assert [layer.op for layer in network.layers] == ["relu"]
    assert network.notes == ()


def test_a_shape_that_nothing_says_is_noted_and_refuses_nothing(tmp_path: Path) -> None:
    nodes = [
        node("NonZero", "x", "places"),
        node("Transpose", "places", "pairs", perm=[1, 0]),
        node("Reshape", "pairs size", "y"),
    ]
    path = save(model(nodes, IMAGE, weights={"size": np.array([-1, 7])}), tmp_path)
    network = read_onnx(path)
    assert network.layers[0].op == "opaque"
    assert "node 1 (NonZero, 'places')" in network.notes[0]
    assert network.notes[-1].endswith("1 NonZero, 1 Reshape, 1 Transpose")


@pytest.mark.parametrize("deed", ["import os; os.abort()", "import time; time.sleep(60)"])
def test_a_node_that_ends_or_stalls_the_inference_of_shapes_ends_that_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    monkeypatch.setattr(inference, "WORKER", deed)
    monkeypatch.setattr(inference, "ANSWER_TIMEOUT_S", 0.2)
    nodes = [node("Einsum", "x", "a", equation="bchw->bch"), node("TopK", "a k", "y _")]
    network = read_onnx(save(model(nodes, IMAGE, weights={"k": np.array([1])}), tmp_path))
    assert [layer.op for layer in network.layers] == ["opaque", "opaque"]
    assert "node 1 (Einsum, 'a')" in network.notes[0]
