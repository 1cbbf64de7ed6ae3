"""Whose rules hold where frameworks differ, and what is said of the others."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.errors import ArgumentError

SAME_WITH_A_STRIDE = "conv:3,s=2,p=same"
SAME_LOWER = "conv:4,p=same-lower"
CEIL = "maxpool:3,s=2,ceil"
HAVE = {
    SAME_WITH_A_STRIDE: {"tf", "onnx"},
    SAME_LOWER: {"onnx"},
    CEIL: {"torch", "onnx"},
    "conv:3,p=same": {"torch", "tf", "onnx"},
    "conv:3,s=2,p=1": {"torch", "tf", "onnx"},
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
