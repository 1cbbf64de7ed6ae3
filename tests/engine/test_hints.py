"""Arguments in another order, and axes in another order: the error says what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcli
from convcli.arithmetic.notation import parse_layer
from convcli.errors import ArgumentError, ShapeError

HEIGHT, WIDTH = 24, 32
SWAPPED = "x and weight seem to be swapped"
LAST_X, LAST_BATCH = r"x\.transpose\(2, 0, 1\)\?", r"x\.transpose\(0, 3, 1, 2\)\?"
LAST_WEIGHT = r"weight\.transpose\(3, 2, 0, 1\)\?"
FIRST_IMAGE, SWAPPED_IMAGE = r"image\.transpose\(1, 2, 0\)\?", "image and kernel seem to be swapped"
ARRAY_FIRST = "the array comes first, then the size of the kernel"


def backward(x: Any, weight: Any, **settings: Any) -> Any:
    return convcli.conv2d_backward(np.ones((1, 1, 1)), x, weight, **settings)


def transposed_backward(x: Any, weight: Any, **settings: Any) -> Any:
    return convcli.conv_transpose2d_backward(np.ones((1, 1, 1)), x, weight, **settings)


CONVOLUTIONS = (convcli.conv2d, convcli.conv2d_naive, backward)
TRANSPOSED = (convcli.conv_transpose2d, transposed_backward)


@pytest.mark.parametrize("function", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("x", "weight", "groups", "hint"),
    [
        ((8, 3, 5, 5), (3, HEIGHT, WIDTH), 1, SWAPPED),
        ((8, 3, 5, 5), (2, 3, HEIGHT, WIDTH), 1, SWAPPED),
        ((8, 1, 5, 5), (2, 8, HEIGHT, WIDTH), 8, SWAPPED),
        ((HEIGHT, WIDTH, 3), (8, 3, 5, 5), 1, LAST_X),
        ((2, HEIGHT, WIDTH, 3), (8, 3, 5, 5), 1, LAST_BATCH),
        ((HEIGHT, WIDTH, 4), (8, 2, 5, 5), 2, LAST_X),
        ((25, WIDTH, 4), (8, 2, 5, 5), 2, LAST_X),  # of which groups do not divide the height
        ((3, HEIGHT, WIDTH), (5, 5, 3, 8), 1, LAST_WEIGHT),
        ((HEIGHT, WIDTH), (8, 1, 5, 5), 1, r"x\[np\.newaxis\]"),
        ((1, HEIGHT, WIDTH), (5, 5), 1, r"weight\[np\.newaxis, np\.newaxis\]"),
    ],
)
def test_a_convolution_says_what_was_meant(
    function: Callable[..., Any], x: Any, weight: Any, groups: int, hint: str
) -> None:
    with pytest.raises(ShapeError, match=hint):
        function(np.ones(x), np.ones(weight), groups=groups)


@pytest.mark.parametrize("function", TRANSPOSED)
@pytest.mark.parametrize(
    ("x", "weight", "hint"),
    [
        ((8, 3, 5, 5), (8, 4, 4), SWAPPED),
        ((8, 3, 5, 5), (2, 8, 4, 4), SWAPPED),
        ((HEIGHT, WIDTH, 8), (8, 3, 5, 5), LAST_X),
        ((2, HEIGHT, WIDTH, 8), (8, 3, 5, 5), LAST_BATCH),
        ((8, HEIGHT, WIDTH), (5, 5, 3, 8), LAST_WEIGHT),
        ((HEIGHT, WIDTH), (1, 8, 5, 5), r"x\[np\.newaxis\]"),
        ((1, HEIGHT, WIDTH), (5, 5), r"weight\[np\.newaxis, np\.newaxis\]"),
    ],
)
def test_a_transposed_convolution_says_what_was_meant(
    function: Callable[..., Any], x: Any, weight: Any, hint: str
) -> None:
    with pytest.raises(ShapeError, match=hint):
        function(np.ones(x), np.ones(weight))


@pytest.mark.parametrize(
    ("image", "kernel", "padding", "hint"),
    [
        ((3, 3), (HEIGHT, WIDTH, 3), "same", SWAPPED_IMAGE),
        ((3, 5), (HEIGHT, WIDTH), "valid", SWAPPED_IMAGE),
        ((3, 5, 5), (HEIGHT, WIDTH, 3), "same", SWAPPED_IMAGE),
        ((8, 3, 5, 5), (HEIGHT, WIDTH, 3), "same", SWAPPED_IMAGE),
        ((3, HEIGHT, WIDTH), (3, 5, 5), "same", FIRST_IMAGE),
        ((3, HEIGHT, WIDTH), (8, 3, 5, 5), "same", FIRST_IMAGE),
        ((3, HEIGHT, WIDTH), (5, 5), "valid", FIRST_IMAGE),
    ],
)
def test_a_filter_says_what_was_meant(image: Any, kernel: Any, padding: str, hint: str) -> None:
    with pytest.raises(ShapeError, match=hint):
        convcli.filter2d(np.ones(image), np.ones(kernel), padding=padding)


@pytest.mark.parametrize("function", [convcli.max_pool2d, convcli.avg_pool2d, convcli.im2col])
def test_a_pool_says_what_was_meant(function: Callable[..., Any]) -> None:
    for size in (2, (2, 3)):
        with pytest.raises(ShapeError, match=ARRAY_FIRST):
            function(size, np.ones((3, 6, 6)))
    with pytest.raises(ShapeError, match=r"x\[np\.newaxis\]"):
        function(np.ones((6, 6)), 2)


def test_sizes_and_layers_say_which_comes_first() -> None:
    with pytest.raises(ShapeError, match=r"empty.*; the size comes first, then the kernel"):
        convcli.output_size(3, 224)
    with pytest.raises(ShapeError, match=r"= 0$"):
        convcli.output_size(4, 3, dilation=2)
    for layers in (["conv:3"], "resnet18", ["conv:3", "relu", "conv:3"]):
        with pytest.raises(ArgumentError, match="the layers come first, then the input's shape"):
            convcli.walk((3, 224, 224), layers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layers", "filters"),
    [(["conv:3,c=4,name=first"], 4), (["conv:3,p=1,c=3,name=first", "add:from=input+first"], 3)],
)
def test_a_network_says_what_was_meant(layers: list[str], filters: int) -> None:
    stack = [parse_layer(layer) for layer in layers]
    weights = {"first": {"weight": np.ones((filters, 3, 3, 3)), "bias": np.ones(filters)}}
    network = convcli.Network("n", stack, inputs={"x": (3, 9, 8)}, weights=weights)
    assert network.run(np.ones((3, HEIGHT, WIDTH))).ndim == 3
    for shape, hint in [((9, 8, 3), LAST_X), ((2, 9, 8, 3), LAST_BATCH)]:
        for run in (network.run, lambda x: network.run_tiles(x, 4)):
            with pytest.raises(ShapeError, match=hint) as refusal:
                run(np.ones(shape))
            assert str(refusal.value).count("did you mean") == 1
    with pytest.raises(ShapeError) as refusal:
        network.run(np.ones((4, 9, 8)))
    assert "did you mean" not in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convcli.conv2d(np.ones((4, 9, 9)), np.ones((2, 3, 3, 3))), "in 1 groups"),
        (lambda: convcli.conv2d(np.ones((1, 2, 9)), np.ones((1, 1, 3, 3))), "= 0"),
        (lambda: convcli.filter2d(np.ones((9, 9, 4)), np.ones((3, 3, 3))), "image has 4"),
    ],
)
def test_what_is_merely_wrong_has_no_hint(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=f"{message}$"):
        call()


shapes = st.lists(st.integers(0, 5), max_size=5).map(tuple)


@given(shapes, shapes, st.integers(1, 3))
@settings(max_examples=50)
def test_hints_change_no_result_and_no_kind_of_error(x: Any, weight: Any, groups: int) -> None:
    """Whatever the shapes: an array, or an error of one line that names what was wrong."""
    calls: list[Callable[[], Any]] = [
        lambda: convcli.conv2d(np.ones(x), np.ones(weight), groups=groups),
        lambda: convcli.conv_transpose2d(np.ones(x), np.ones(weight), groups=groups),
        lambda: convcli.filter2d(np.ones(x), np.ones(weight)),
        lambda: convcli.max_pool2d(np.ones(x), weight[:2] or 1),
    ]
    for call in calls:
        message = ""
        try:
            call()
        except ArgumentError as error:
            message = str(error)
        assert "\n" not in message
