"""Every explanation of a transposed convolution holds the inputs and weights that meet there."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import paint, reals, seeds, transposes, whole_numbers
from support.peers import require_peer

from convcli.arithmetic.geometry import window
from convcli.engine.explain import explain_convolution
from convcli.errors import ArgumentError, ShapeError

Transpose = tuple[dict[str, Any], tuple[int, int], tuple[int, int]]


def oracle(asked: dict[str, Any]) -> dict[str, Any]:
    """The settings as the oracle names them."""
    return {("sides" if name == "padding" else name): value for name, value in asked.items()}


@settings(max_examples=100)
@given(transposes(), seeds, st.booleans())
def test_each_output_is_the_sum_of_what_meets_there(
    transpose: Transpose, seed: int, flip: bool
) -> None:
    asked, kernel, size = transpose
    image, weights = whole_numbers(seed, *size), whole_numbers(seed + 1, *kernel)
    applied = weights[::-1, ::-1] if flip else weights
    shape = window(kernel, transposed=True, **asked)
    whole = paint(image[None, None], applied[None, None], **oracle(asked))[0, 0]
    for at in np.ndindex(*shape.output(size)):
        (found,) = explain_convolution(image, weights, at, shape, flip=flip, bias=0.5)
        assert found.value == whole[at] + 0.5
        rows, columns = found.taps
        meetings = [
            [(i, u), (j, v)]
            for i, j, u, v in product(*map(range, (*size, *kernel)))
            if (i * asked["stride"][0] + u * asked["dilation"][0] - asked["padding"][0][0],
                j * asked["stride"][1] + v * asked["dilation"][1] - asked["padding"][1][0]) == at
        ]  # fmt: skip
        pairs = [list(zip(*taps, strict=True)) for taps in (rows, columns)]
        assert sorted(map(list, product(*pairs))) == sorted(meetings)
        assert_array_equal(found.window[0], image[np.ix_(rows.positions, columns.positions)]
                           if found.window.size else found.window[0])  # fmt: skip
        assert_array_equal(found.products, found.window * found.kernel)
        assert not found.is_padding.any()


@settings(max_examples=25)
@given(transposes(), seeds)
def test_a_layer_sums_over_its_inputs_and_has_a_value_for_each_map(
    transpose: Transpose, seed: int
) -> None:
    asked, kernel, size = transpose
    image, weights = reals(seed, 2, *size), reals(seed + 1, 2, 3, *kernel)
    shape = window(kernel, transposed=True, **asked)
    whole = paint(image[None], weights, **oracle(asked))[0]
    for at in ((0, 0), tuple(side - 1 for side in shape.output(size))):
        found = explain_convolution(image.transpose(1, 2, 0), weights, (at[0], at[1]), shape)
        assert_allclose([one.value for one in found], whole[:, at[0], at[1]], atol=1e-9)
        (summed,) = explain_convolution(
            image.transpose(1, 2, 0), weights[:, 0], (at[0], at[1]), shape
        )
        assert summed.value == pytest.approx(found[0].value)


def test_an_output_that_nothing_meets_is_the_bias() -> None:
    shape = window(1, stride=3, transposed=True, output_padding=2)
    (found,) = explain_convolution(np.ones((2, 2)), np.ones((1, 1)), (5, 5), shape, bias=0.5)
    assert (found.window.shape, found.total, found.value) == ((1, 0, 0), 0.0, 0.5)


def test_channels_each_by_itself_have_an_output_each() -> None:
    image = np.stack([np.ones((2, 2)), 2 * np.ones((2, 2))], axis=2)
    found = explain_convolution(image, np.full((2, 2), 3), (1, 1), window(2, transposed=True))
    assert [one.value for one in found] == [12, 24]


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 2, 2, 2)])
def test_a_kernel_of_other_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="sums over 3 channels; the image has 2"):
        explain_convolution(np.ones((2, 2, 2)), np.ones(shape), (0, 0), window(2, transposed=True))


def test_the_last_output_is_the_last_position_that_there_is() -> None:
    shape = window(3, stride=2, padding=1, transposed=True, output_padding=1)
    with pytest.raises(ArgumentError, match=r"no output at 8,0: rows are 0\.\.7"):
        explain_convolution(np.ones((4, 4)), np.ones((3, 3)), (8, 0), shape)
    assert explain_convolution(np.ones((4, 4)), np.ones((3, 3)), (7, 7), shape)[0].value == 1


@pytest.mark.peers
def test_every_output_is_that_of_pytorch() -> None:
    torch = require_peer("torch")
    image, weights = reals(1, 2, 4, 3), reals(2, 2, 3, 3, 2)
    asked: dict[str, Any] = {
        "stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (2, 1)
    }  # fmt: skip
    whole = torch.nn.functional.conv_transpose2d(
        torch.tensor(image[None]), torch.tensor(weights), **asked
    )[0].numpy()
    shape = window((3, 2), transposed=True, **asked)
    for at in np.ndindex(*whole.shape[1:]):
        found = explain_convolution(image.transpose(1, 2, 0), weights, at, shape)
        assert_allclose([one.value for one in found], whole[:, at[0], at[1]])
