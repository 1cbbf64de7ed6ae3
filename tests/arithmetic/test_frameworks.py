"""Differences between frameworks, which are noted or refused, and code for PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.design import Shape, blocks
from support.peers import require_peer

from convcli.arithmetic.design import design
from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.shortest_stack import Budget
from convcli.errors import ArgumentError

SAME_WITH_A_STRIDE = "conv:3,s=2,p=same"
SAME_LOWER = "conv:4,p=same-lower"
CEIL = "maxpool:3,s=2,ceil"
HAVE = {
    SAME_WITH_A_STRIDE: {"tf", "onnx"},
    SAME_LOWER: {"onnx"},
    CEIL: {"torch", "onnx"},
    "conv:3,p=same": {"torch", "tf", "onnx"},
    "conv:3,s=2": {"torch", "tf", "onnx"},
    "maxpool:3,s=2": {"torch", "tf", "onnx"},
}
CASES = [(layer, framework) for layer in HAVE for framework in ("torch", "tf", "onnx")]
IN_THE_FRAMEWORK = [case for case in CASES if case[1] in HAVE[case[0]]]
NOT_IN_THE_FRAMEWORK = [case for case in CASES if case[1] not in HAVE[case[0]]]


def notes(layer: str, framework: str | None = None, side: int = 8) -> list[str]:
    return walk([layer], (1, side, side), framework=framework).notes


@pytest.mark.parametrize(("layer", "framework"), IN_THE_FRAMEWORK)
def test_what_a_framework_has_is_the_same_under_its_rules(layer: str, framework: str) -> None:
    found = walk([layer], (1, 8, 8), framework=framework)
    assert found.layers == walk([layer], (1, 8, 8)).layers


@pytest.mark.parametrize(("layer", "framework"), NOT_IN_THE_FRAMEWORK)
def test_a_framework_refuses_what_it_does_not_have(layer: str, framework: str) -> None:
    with pytest.raises(ArgumentError, match=r"^layer 2 \(.*\) on 1x8x8: (PyTorch|TensorFlow) has"):
        walk(["relu", layer], (1, 8, 8), framework=framework)


@pytest.mark.parametrize(("layer", "framework"), IN_THE_FRAMEWORK)
def test_what_would_be_different_elsewhere_is_said(layer: str, framework: str) -> None:
    others = {"torch": "PyTorch", "tf": "TensorFlow", "onnx": "ONNX"}
    text = " ".join(notes(layer, framework))
    for other, name in others.items():
        assert (name in text) == (other not in HAVE[layer])


def test_without_a_framework_every_difference_is_said() -> None:
    (note,) = notes(SAME_WITH_A_STRIDE)
    assert note.startswith(f"layer 1 ({SAME_WITH_A_STRIDE}): PyTorch has no same padding")
    assert note.endswith("there it is p=0.1.0.1")
    assert len(notes(SAME_LOWER)) == 2
    assert notes("conv:3,p=1") == []


def test_a_ceil_that_changes_nothing_is_not_worth_a_word() -> None:
    assert notes(CEIL, side=9) == []
    (note,) = notes(CEIL, side=8)
    assert note.endswith("rounding down gives 3x3 there instead of 4x4")


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(3, 20))
def test_the_padding_that_is_named_instead_does_the_same(k: int, s: int, d: int, side: int) -> None:
    layer = f"conv:{k},s={s},d={d},p=same"
    said = notes(layer, side=side)
    assert bool(said) == (s > 1)  # PyTorch has no same padding with a stride
    for note in said:
        padding = note.rpartition("p=")[2]
        instead = walk([layer.replace("same", padding)], (1, side, side))
        there = walk([layer], (1, side, side))
        assert instead.output == there.output
        assert instead.layers[0].effective_padding == there.layers[0].effective_padding


@settings(max_examples=100)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(3, 20))
def test_rounding_down_gives_what_is_said(k: int, s: int, p: int, side: int) -> None:
    text = f"maxpool:{k},s={s},p={p},ceil"
    assume(k <= side + 2 * p)
    down = walk([text.removesuffix(",ceil")], (1, side, side)).output
    up = walk([text], (1, side, side))
    said = [note for note in up.notes if "rounding down gives" in note]
    assert bool(said) == (down != up.output)
    if said:
        assert f"rounding down gives {down[1]}x{down[2]} there" in said[0]


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(ArgumentError, match="none of torch, tf, onnx"):
        walk([parse_layer("relu")], (1, 8, 8), framework="jax")


# ---- code for PyTorch ----------------------------------------------------------------------------


@pytest.mark.peers
@settings(max_examples=15)
@given(
    blocks,
    st.tuples(st.integers(1, 3), st.integers(12, 32), st.integers(12, 32)),
    st.integers(1000, 50_000),
    st.integers(5, 20),
)
def test_the_code_builds_the_same_stack(block: str, shape: Shape, params: int, field: int) -> None:
    torch = require_peer("torch")
    found = design(shape, Budget(params=params, field=field), block=block)
    names: dict[str, Any] = {}
    exec(format_torch(found), names)
    model = names["model"]
    assert sum(weights.numel() for weights in model.parameters()) == found.params
    assert tuple(model(torch.zeros(1, *shape)).shape[1:]) == found.output
    assert len(model) == len(found.layers)


@pytest.mark.parametrize(
    "layer",
    [
        "abs",
        "maxpool:2,p=2",
        "avgpool:2,d=2",
        "maxpool:2,p=same",
        "avgpool:3,p=0.1.0.1",
        "conv:3,p=same",
        "conv:3,p=0.1.0.1",
    ],
)
def test_what_is_not_written_as_code_is_refused(layer: str) -> None:
    with pytest.raises(ArgumentError, match="PyTorch"):
        format_torch(walk([layer], (1, 8, 8)))


def test_rectangular_and_grouped_convolutions_are_written_as_they_are() -> None:
    code = format_torch(walk(["conv:3x5,s=1x2,p=1x2,d=2,g=2,c=4,nobias"], (2, 20, 20)))
    assert "nn.Conv2d(2, 4, (3, 5), stride=(1, 2), padding=(1, 2), dilation=2" in code
    assert "groups=2, bias=False)" in code
