"""Padding modes by the words of other libraries, wherever the library takes a mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support.oracles import whole_numbers

import convcli
from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import PADDING_ALIASES, PADDING_MODES
from convcli.engine.explain import explain_convolution
from convcli.engine.explain_matrices import explain_im2col
from convcli.errors import ArgumentError

IMAGE = whole_numbers(1, 2, 4, 5)
KERNEL = whole_numbers(2, 3, 3)
WEIGHT = whole_numbers(3, 3, 2, 3, 3)
WINDOW = Window(kernel=(3, 3), padding=((2, 2), (1, 1)))
CALLS: dict[str, Callable[..., Any]] = {
    "conv2d": lambda **mode: convcli.conv2d(IMAGE, WEIGHT, padding=(2, 1), **mode),
    "conv2d_naive": lambda **mode: convcli.conv2d_naive(IMAGE, WEIGHT, padding=(2, 1), **mode),
    "conv2d_backward": lambda **mode: convcli.conv2d_backward(
        whole_numbers(4, 3, 6, 5), IMAGE, WEIGHT, padding=(2, 1), **mode
    )[1],
    "pad2d": lambda **mode: convcli.pad2d(IMAGE, (2, 3), **mode),
    "filter2d": lambda **mode: convcli.filter2d(IMAGE[0], KERNEL, **mode),
    "explain_convolution": lambda **mode: (
        explain_convolution(IMAGE[0], KERNEL, (0, 0), WINDOW, **mode)[0].value
    ),
    "explain_im2col": lambda **mode: explain_im2col(IMAGE[0, :, :, None], KERNEL, WINDOW, **mode)[
        "product"
    ],
}
INTERNAL = {"explain_convolution": explain_convolution, "explain_im2col": explain_im2col}


def mode_parameter(function: Any) -> str | None:
    """The name of the parameter that is a padding mode, if a function has one."""
    if not callable(function) or inspect.isclass(function):
        return None
    names = inspect.signature(function).parameters
    return next((name for name in ("padding_mode", "mode") if name in names), None)


FUNCTIONS = {name: getattr(convcli, name) for name in convcli.__all__} | INTERNAL
PARAMETERS = {
    name: parameter
    for name, function in FUNCTIONS.items()
    if (parameter := mode_parameter(function)) is not None
}


def test_every_function_that_takes_a_mode_is_tried() -> None:
    assert sorted(PARAMETERS.keys() - CALLS.keys()) == []
    assert {"conv2d", "conv2d_naive", "filter2d", "pad2d"} <= PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(("word", "mode"), [*PADDING_ALIASES.items(), ("constant:0", "zero")])
def test_a_word_of_another_library_means_what_it_means_there(
    name: str, word: str, mode: str
) -> None:
    call, parameter = CALLS[name], PARAMETERS[name]
    found = call(**{parameter: word})
    assert_array_equal(found, call(**{parameter: mode}))
    others = [other for other in PADDING_MODES if other != mode]
    assert not all(np.array_equal(found, call(**{parameter: other})) for other in others)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("word", ["valid", "Zero", "", "constant", None, 3, ["edge"]])
def test_any_other_word_is_refused_with_those_that_are_known(name: str, word: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"^padding mode .* is none of zero, reflect, replicate"
    ):
        CALLS[name](**{PARAMETERS[name]: word})
