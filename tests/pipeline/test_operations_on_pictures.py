"""Every operation without weights, on pictures: their alpha, and values of which it makes none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.command import here
from support.pipeline import compute_pictures, make_plan

from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.notation import parse_layer
from convcli.images import Picture

SIZE = (8, 12)


def takes_pictures(name: str) -> bool:
    operation = OPERATIONS[name]
    layer = parse_layer(operation.example)
    return operation.is_for_images and not (operation.is_join or operation.needs_weights(layer))


# By their examples, if those take three channels.
OWN = {
    "groupnorm": "groupnorm:3,noscale,noshift", "layernorm": "layernorm:noscale,noshift",
    "channelshuffle": "channelshuffle:3", "slice": "slice:1..3", "pixelshuffle": "pixelshuffle:1",
    "avgpool": "avgpool:3,s=2",  # with alpha, padding is transparent
    "log": "clip:1:inf log", "exp": "clip:-inf:80 exp",
}  # fmt: skip
NAMES = [name for name in OPERATIONS if takes_pictures(name) or name in ("groupnorm", "layernorm")]
STACKS = [OWN.get(name, OPERATIONS[name].example).split() for name in NAMES]
REFUSE_ALPHA = [stack for stack in STACKS if OPERATIONS[stack[-1].partition(":")[0]].alpha_refusal]
TAKE_ALPHA = [stack for stack in STACKS if stack not in REFUSE_ALPHA]


def make_pixels(seed: int, channels: int, least: int = 0) -> Any:
    return np.random.default_rng(seed).integers(least, 256, (*SIZE, channels), np.uint8)


def compute(colors: Any, layers: list[str], alpha: Any = None) -> Picture:
    (found,) = compute_pictures(Picture(colors, 8, alpha), make_plan([], layers))
    return found


@pytest.mark.parametrize("layers", TAKE_ALPHA, ids=" ".join)
def test_hidden_colors_have_no_part_in_what_is_seen(layers: list[str]) -> None:
    colors, alpha = make_pixels(1, 3), make_pixels(2, 1)
    alpha[2:5, 3:9] = 0
    others = np.where(alpha == 0, make_pixels(3, 3), colors)
    found, other = compute(colors, layers, alpha), compute(others, layers, alpha)
    np.testing.assert_array_equal(found.values, other.values)
    np.testing.assert_array_equal(found.alpha, other.alpha)


def test_what_is_hidden_has_no_logarithm_and_needs_none() -> None:
    colors, alpha = make_pixels(1, 3, least=1), make_pixels(2, 1, least=1)
    colors[2:5, 3:9] = alpha[2:5, 3:9] = 0
    found = compute(colors, ["log"], alpha)
    expected = np.where(alpha == 0, 0, np.log(np.maximum(colors, 1.0)))
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-4)
    assert np.isfinite(compute(colors, ["log", "avgpool:3,s=1"], alpha).values).all()


@pytest.mark.parametrize("layers", TAKE_ALPHA, ids=" ".join)
def test_colors_that_are_opaque_are_as_without_alpha(layers: list[str]) -> None:
    colors = make_pixels(1, 3)
    opaque = compute(colors, layers, np.full((*SIZE, 1), 255, np.uint8))
    np.testing.assert_allclose(opaque.values, compute(colors, layers).values, rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("layers", REFUSE_ALPHA, ids=" ".join)
def test_what_alpha_has_no_meaning_for_is_refused(tmp_path: Path, layers: list[str]) -> None:
    Image.fromarray(make_pixels(1, 4)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-l", layers[-1], "-o", "out.png", cwd=tmp_path)
    reason = OPERATIONS[layers[-1].partition(":")[0]].alpha_refusal
    assert done.code == 1
    assert done.stderr.endswith(f"has no meaning for a picture with alpha: {reason}\n")


@pytest.mark.parametrize(
    ("op", "value", "why"),
    [
        ("log", 0, "above 0 alone, and its input holds others; a layer like clip:1:inf"),
        ("sqrt", -1, "of 0 or more alone, and its input holds others; a layer like clip:0:inf"),
        ("exp", 800, "up to 88 alone, and its input holds others; a layer like clip:-inf:88"),
    ],
)
def test_values_without_a_result_are_refused_in_a_line(
    tmp_path: Path, op: str, value: float, why: str
) -> None:
    np.save(tmp_path / "in.npy", np.array([[1.0, value]]))
    done = here("apply", "in.npy", "-l", op, "-o", "out.npy", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert (
        done.stderr == f"convcli: in.npy: {op} is finite for values {why} before it leaves none\n"
    )
    clipped = why.rpartition(" ")[2]
    again = here("apply", "in.npy", "-l", clipped, "-l", op, "--print", "-q", cwd=tmp_path)
    assert again.code == 0
    assert np.isfinite(again.rows).all()


def test_a_large_picture_is_no_flat_one() -> None:
    colors = np.random.default_rng(5).integers(100, 140, (400, 400, 1), np.uint8)
    plan = make_plan([], ["instancenorm"])
    (found,) = compute_pictures(Picture(colors, 8), plan, with_errors=True)
    assert found.values.max() - found.values.min() > 3 > 100 * found.error


@pytest.mark.parametrize("layer", ["bn", "affine", "layernorm", "groupnorm:3", "prelu", "linear:2"])
def test_what_needs_weights_is_refused(tmp_path: Path, layer: str) -> None:
    Image.fromarray(make_pixels(1, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-l", layer, cwd=tmp_path)
    assert done.code == 2
    assert f"layer {layer!r} has no" in done.stderr
