"""A step is drawn with the numbers of its explanation, on the part of the input around it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracles import MODES, pairs, seeds, whole_numbers

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.layers import Layer
from convcli.engine.explain import explain_convolution, explain_pool, orient_weights
from convcli.errors import LimitError, ShapeError
from convcli.pictures.scene import MAX_SIDE_CELLS, Frame, Scene
from convcli.pictures.step_figure import Step, Subject, cut_axis, make_steps, render_steps
from convcli.pictures.text import format_cell

sides = st.tuples(pairs(0, 4), pairs(0, 4))
shares = st.tuples(st.floats(0, 1), st.floats(0, 1))  # of the rows and columns before one


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """A window of any operation."""
    op = draw(st.sampled_from(["conv", "tconv", "maxpool", "avgpool"]))
    layer = Layer(
        op=op, kernel=draw(pairs(1, 4)), stride=draw(pairs(1, 4)), padding=draw(sides),
        dilation=draw(pairs(1, 3)),
    )  # fmt: skip
    if op == "conv":
        return layer._replace(mode=draw(st.sampled_from([*MODES, "constant:7"])))
    if op == "tconv":
        most = [max(pair) for pair in zip(layer.stride, layer.dilation, strict=True)]
        extra = draw(st.tuples(*(st.integers(0, least - 1) for least in most)))
        return layer._replace(output_padding=extra)
    return layer._replace(ceil=draw(st.booleans()), count_padding=draw(st.booleans()))


def make_subject(layer: Layer, planes: Any, weights: Any) -> Subject:
    """What is drawn of a layer, without the command."""
    image = np.moveaxis(planes, 0, 2)
    if layer.operation.reduction is not None:
        explain: Any = partial(
            explain_pool, image, window=layer.window, op=layer.op,
            count_include_pad=layer.count_padding,
        )  # fmt: skip
        return Subject(layer, planes, explain)
    explain = partial(
        explain_convolution, image, weights, window=layer.window, padding_mode=layer.mode, bias=0.5
    )
    return Subject(layer, planes, explain, orient_weights(weights, layer.window, flip=False))


@settings(max_examples=60, deadline=None)
@given(
    layers(), pairs(1, 40), seeds, st.integers(1, 2), st.tuples(st.floats(0, 1), st.floats(0, 1))
)
def test_a_step_has_the_numbers_of_its_explanation(
    layer: Layer, size: tuple[int, int], seed: int, channels: int, where: tuple[float, float]
) -> None:
    try:
        output = layer.window.output(size)
    except ShapeError:
        assume(False)
    planes = whole_numbers(seed, channels, *size)
    at = (round(where[0] * (output[0] - 1)), round(where[1] * (output[1] - 1)))
    subject = make_subject(layer, planes, whole_numbers(seed + 1, *layer.kernel or ()))
    assume(not subject.explain_at(at=at)[0].is_padding.all())  # nor where nothing meets
    steps = make_steps(subject, at)
    assert len(steps) == channels
    for step, explanation in zip(steps, subject.explain_at(at=at), strict=True):
        scene, number = step
        frame, results = scene.frames[number], [one.result for one in scene.frames]
        assert frame.result == format_cell(explanation.value)
        values = [scene.planes[0][row][column] for row, column in frame.taps]
        counted = np.ones(explanation.window[0].shape, bool)
        counted = counted if explanation.is_counted is None else explanation.is_counted
        window = np.where(counted, explanation.window[0], np.nan).ravel().tolist()
        expected = ["" if math.isnan(value) else format_cell(value) for value in window]
        if layer.op == "tconv":  # of which zeros between the inputs are drawn, too
            values, expected = (
                [one for one in texts if one != "0"] for texts in (values, expected)
            )
        assert values == expected
        if scene.kernel is not None:
            products = np.array(window_of(scene, frame)) * scene.kernel[0].ravel()
            assert products.sum() + 0.5 == explanation.value
        assert_neighbors(step, subject, at, results, explanation.channel)


def window_of(scene: Scene, frame: Frame) -> list[float]:
    """The numbers under the taps, as they are drawn."""
    texts = (scene.planes[0][row][column] for row, column in frame.taps)
    return [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]


def assert_neighbors(
    step: Step, subject: Subject, at: tuple[int, int], results: list[str], channel: int
) -> None:
    """All outputs that are drawn are the engine's at their positions."""
    scene, number = step
    assert scene.is_complete
    assert max(len(scene.kinds), len(scene.kinds[0])) <= MAX_SIDE_CELLS
    columns = scene.output[1]
    corner = at[0] - number // columns, at[1] - number % columns
    for index in {0, number, len(results) - 1}:
        place = (corner[0] + index // columns, corner[1] + index % columns)
        assert results[index] == format_cell(subject.explain_at(at=place)[channel].value)


def test_a_small_input_is_drawn_whole_and_of_a_large_one_what_is_near() -> None:
    assert cut_axis(Axis(size=14, kernel=3, before=1, after=1), 7).inputs == range(14)
    part = cut_axis(Axis(size=1000, kernel=3, before=1, after=1), 500)
    assert (part.outputs, part.inputs) == (range(498, 503), range(497, 504))
    corner = cut_axis(Axis(size=1000, kernel=3, stride=2, before=1, after=1), 0)
    assert (corner.outputs, corner.cells) == (range(3), tuple(range(-1, 6)))
    # At the far end what no window reaches is drawn, too.
    last = cut_axis(Axis(size=1000, kernel=3, stride=2), 498)
    assert (last.inputs.stop, last.axis.output, last.axis.dropped) == (1000, 3, 1)


@pytest.mark.parametrize("stride", [1, 30, 100, 65_536])
def test_far_windows_are_drawn_alone(stride: int) -> None:
    part = cut_axis(Axis(size=10**6, kernel=5, stride=stride), 3)
    assert len(part.cells) <= MAX_SIDE_CELLS
    assert 3 in part.outputs
    assert part.axis.output == len(part.outputs)


def test_what_is_too_large_to_draw_is_refused() -> None:
    with pytest.raises(LimitError, match="window of 65 cells"):
        cut_axis(Axis(size=1000, kernel=65), 3)
    with pytest.raises(LimitError, match="reaches no input"):
        cut_axis(Axis(size=100, kernel=3, before=50), 0)
    planes = np.ones((9, 3, 3))
    subject = make_subject(Layer(op="conv", kernel=(3, 3)), planes, np.ones((9, 3, 3)))
    with pytest.raises(LimitError, match="9 channels are too many"):
        make_steps(subject, (0, 0))


def test_a_layer_has_a_step_for_each_map_with_its_own_weights() -> None:
    planes, weights = whole_numbers(1, 2, 5, 5), whole_numbers(2, 3, 2, 3, 3)
    subject = make_subject(Layer(op="conv", kernel=(3, 3)), planes, weights)
    steps = make_steps(subject, (1, 1))
    assert [step[0].note for step in steps] == ["channel 0", "channel 1", "channel 2"]
    for (scene, _), own in zip(steps, weights, strict=True):
        assert scene.kernel is not None
        assert scene.kernel.tolist() == own.tolist()
    assert render_steps(steps, ".svg").count(b"Y[1,1] of") > 3
