"""`shape --net model.onnx`: the layers of the file, its notes, and sizes that it leaves open."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.command import Finished, here
from support.onnx_models import model, node, save, weight

import convcli
from convcli.errors import ArgumentError


@pytest.fixture
def siamese(tmp_path: Path) -> str:
    """A model of two inputs, of which one has any size, that share a convolution."""
    nodes = [
        node("Conv", "left w b", "l", pads=[1, 1, 1, 1]),
        node("Conv", "right w b", "r", pads=[1, 1, 1, 1]),
        node("Concat", "l r", "y", axis=1),
    ]
    inputs: dict[str, Sequence[int | str]] = {
        "left": ("n", 3, "height", "width"),
        "right": (1, 3, 8, 8),
    }
    weights = {"w": weight(4, 3, 3, 3), "b": weight(4)}
    return save(model(nodes, inputs, weights=weights), tmp_path, "siamese.onnx")


@pytest.fixture
def stack(tmp_path: Path) -> str:
    nodes = [
        node("Conv", "x w", "c", strides=[2, 2], name="/stem/Conv"),
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "y"),
    ]
    proto = model(nodes, {"x": ("n", 3, "h", "w")}, weights={"w": weight(4, 3, 3, 3)})
    return save(proto, tmp_path, "stack.onnx")


def shape(*options: str, code: int = 0) -> Finished:
    done = here("shape", *options, cwd=Path())
    assert done.code == code, done.stderr
    return done


def document(*options: str) -> Any:
    return json.loads(shape(*options, "--json").text)


def test_a_file_is_walked_with_the_names_of_its_nodes(stack: str) -> None:
    found = document("--net", stack, "--input", "3x9x9")
    assert found["name"] == "stack"
    assert [layer["name"] for layer in found["layers"]] == ["/stem/Conv", "r", "y"]
    assert [layer["output"] for layer in found["layers"]] == [[4, 4, 4], [4, 4, 4], [4, 1, 1]]
    assert found["total"]["params"] == 4 * 3 * 9
    assert found["total"]["macs"] == 4 * 3 * 9 * 16
    assert found["total"]["receptive_field"] == [3, 3]


def test_several_inputs_and_formulas_are_shown(stack: str) -> None:
    found = document("--net", stack, "--input", "3x9x9,3x17x17")
    assert [row["total"]["output"] for row in found] == [[4, 1, 1], [4, 1, 1]]
    assert (
        "floor((9 + 0 + 0 - 1*(3 - 1) - 1) / 2) + 1"
        in shape("--net", stack, "--input", "3x9x9", "--explain").text
    )


def test_a_size_that_is_left_open_is_asked_for_by_its_name(stack: str, siamese: str) -> None:
    assert shape("--net", stack, code=2).stderr == (
        "convcli: the input 'x' leaves its height and width open: give --input 3xHxW\n"
    )
    with pytest.raises(ArgumentError, match=r"open: give input_shapes=\{'x': \(3, H, W\)\}$"):
        convcli.load_network(stack)
    assert convcli.load_network(stack, {"input": (3, 9, 9)}).inputs == {"x": (3, 9, 9)}
    assert shape("--net", siamese, code=2).stderr == (
        "convcli: the input 'left' leaves its height and width open: give --input left=3xHxW\n"
    )


@pytest.mark.parametrize("sizes", ["left=3x8x8", "left=1x3x8x8+right=3x8x8", "3x8x8"])
def test_inputs_are_given_by_name_with_the_batch_or_without(siamese: str, sizes: str) -> None:
    found = document("--net", siamese, "--input", sizes)
    assert found["total"]["output"] == [8, 8, 8]


def test_inputs_and_outputs_have_the_names_of_the_file(tmp_path: Path) -> None:
    nodes = [node("Relu", "a/1", "mid"), node("Add", "mid b/2", "sum")]
    shapes = {"a/1": (1, 3, 8, 8), "b/2": (1, 3, 8, 8)}
    path = save(model(nodes, shapes, outputs="mid sum"), tmp_path, "two.onnx")
    found = document("--net", path)
    assert found["inputs"] == {"a/1": [3, 8, 8], "b/2": [3, 8, 8]}
    assert found["outputs"] == {"mid": [3, 8, 8], "sum": [3, 8, 8]}
    walked = convcli.load_network(path).walk()
    assert (walked.inputs, walked.outputs) == (
        {"a/1": (3, 8, 8), "b/2": (3, 8, 8)}, {"mid": (3, 8, 8), "sum": (3, 8, 8)}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("left=4x8x8", "the input 'left' is 3xHxW, not 4x8x8"),
        ("left=3x8x8+right=3x9x8", "the input 'right' is 3x8x8, not 3x9x8"),
        ("left=3x8x8+up=3x9x8", "has no input 'up'; it has left, right"),
        ("left=3x8", "the input 'left' is 3xHxW, not 3x8"),
    ],
)
def test_a_size_that_the_file_does_not_have_is_refused(
    siamese: str, sizes: str, message: str
) -> None:
    done = shape("--net", siamese, "--input", sizes, code=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == b""


def test_shared_weights_count_once_and_are_named(siamese: str) -> None:
    done = shape("--net", siamese, "--input", "left=3x8x8", "--json")
    found = json.loads(done.text)
    assert [layer["params"] for layer in found["layers"] if layer["op"] == "conv"] == [112, 0]
    assert found["total"]["params"] == 112
    assert "112 of its parameters are an earlier layer's, and count once" in done.stderr


def test_a_file_without_the_extra_says_what_to_install(stack: str) -> None:
    with patch.dict(sys.modules, {"onnx": None}):
        done = shape("--net", stack, code=1)
    assert done.stderr.startswith(f"convcli: {stack}: ")
    assert ".[onnx]" in done.stderr
    assert done.stderr.count("\n") == 1
