"""A selection against a loop over pixels; what is outside of it is equal to the bit."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate
from support.pipeline import compute_pictures, filter_selected

from convcli.arithmetic.layers import Layer
from convcli.batch import Job
from convcli.errors import ArgumentError, ImageError, NotationError
from convcli.files.restriction import restrict
from convcli.images import DEFAULT_SETTINGS, Picture
from convcli.images.quantize import quantize
from convcli.kernels import Kernel
from convcli.pipeline import fused
from convcli.pipeline.blend import Weights
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan, make_convolution
from convcli.pipeline.selection import (
    Mask,
    Region,
    Selection,
    parse_channels,
    parse_region,
    parse_threshold,
)
from convcli.pipeline.selector import open_mask, to_weights

KERNELS = {
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "average": np.full((2, 3), 1 / 6),
    "edges": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "identity": np.ones((1, 1)),
}
MODES = ["zero", "replicate", "reflect", "circular"]
LUMA = [Fraction(299, 1000), Fraction(587, 1000), Fraction(114, 1000)]


def convolution(name: str, mode: str = "replicate") -> Plan:
    layer = Layer(op="conv", padding="same", mode=mode)
    return Plan(kernels=(make_convolution(layer, Kernel(name, KERNELS[name]), "auto"),))


@st.composite
def pictures(
    draw: st.DrawFn,
    *,
    channels: tuple[int, ...] = (1, 2, 3, 5),
    depths: tuple[int | None, ...] = (8, 16),
    can_have_alpha: bool = True,
) -> Picture:
    height, width = draw(st.tuples(st.integers(3, 6), st.integers(3, 6)))
    depth = draw(st.sampled_from(depths))
    shape = height, width, draw(st.sampled_from(channels))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if depth is None:
        return Picture(rng.normal(0, 1, shape))
    dtype = np.uint8 if depth == 8 else np.uint16
    white = 2**depth - 1
    values = rng.integers(0, white + 1, shape, dtype)
    alpha = None
    if can_have_alpha and draw(st.booleans()):
        levels = np.array([0, 1, white // 3, white], dtype)
        alpha = rng.choice(levels, (height, width, 1))
    return Picture(values, depth, alpha)


@st.composite
def selections(draw: st.DrawFn, picture: Picture) -> tuple[Selection, Weights | None]:
    height, width = picture.size
    regions = []
    for _ in range(draw(st.integers(0, 2))):
        left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        sides = draw(st.tuples(st.integers(1, width - left), st.integers(1, height - top)))
        regions.append(Region(*sides, left, top))
    names = [str(index) for index in range(picture.values.shape[2])]
    if picture.alpha is not None:
        names.append("alpha")
    channels = tuple(draw(st.lists(st.sampled_from(names), unique=True)))
    threshold = draw(st.sampled_from([0.0, 0.4, 30.0, 900.0]))
    weights = None
    if draw(st.booleans()):
        levels = draw(st.lists(st.sampled_from([0, 1, 100, 254, 255]), min_size=1))
        weights = Weights(np.resize(np.array(levels, np.uint8), (height, width, 1)), 255.0)
    return Selection(tuple(regions), None, channels, threshold), weights


def is_inside(selection: Selection, row: int, column: int) -> bool:
    inside = [
        region.left <= column < region.left + region.width
        and region.top <= row < region.top + region.height
        for region in selection.regions
    ]
    return any(inside) or not inside


def blend_pixel(
    old: list[float],
    new: list[float],
    alphas: tuple[float, float] | None,
    weight: float,
    selection: Selection,
) -> tuple[list[float], float | None]:
    """One pixel by the definition; `alphas` are the old and the new one."""
    names = selection.channels
    own = lifted = None if alphas is None else alphas[0]
    share = weight
    if alphas is not None and own is not None:
        if "alpha" in names or not names:
            filtered = own if abs(alphas[1] - own) < selection.threshold else alphas[1]
            lifted = weight * filtered + (1 - weight) * own
            if 0 < weight < 1:
                share = weight * filtered / lifted if lifted else 0.0
        elif alphas[1] <= 0.5:
            share = 0.0
    colors = []
    for channel, (before, after) in enumerate(zip(old, new, strict=True)):
        is_chosen = str(channel) in names or not names
        is_kept = not is_chosen or abs(after - before) < selection.threshold
        colors.append(before if is_kept else share * after + (1 - share) * before)
    return colors, lifted


@settings(max_examples=60)
@given(st.data())
def test_a_selection_is_what_a_loop_makes(data: st.DataObject) -> None:
    picture = data.draw(pictures(depths=(8, 16, None)))
    selection, weights = data.draw(selections(picture))
    plan = convolution(data.draw(st.sampled_from([*KERNELS])), data.draw(st.sampled_from(MODES)))
    (filtered,) = compute_pictures(picture, plan)
    result = filter_selected(picture, plan._replace(selection=selection), weights)
    for row, column in np.ndindex(*picture.size):
        pixel = row, column
        weight = 1.0 if weights is None else float(weights.values[row, column, 0]) / 255
        weight *= is_inside(selection, row, column)
        alphas = None
        if picture.alpha is not None and filtered.alpha is not None:
            alphas = float(picture.alpha[row, column, 0]), float(filtered.alpha[row, column, 0])
        old, new = picture.values[pixel].tolist(), filtered.values[pixel].tolist()
        colors, alpha = blend_pixel(old, new, alphas, weight, selection)
        got = result.values[pixel].tolist()
        if weight in (0, 1):
            assert got == colors
        assert got == pytest.approx(colors, rel=1e-5, abs=1e-3)
        if alpha is not None:
            assert picture.alpha is not None
            assert result.alpha is not None
            assert result.alpha[row, column, 0] == pytest.approx(alpha, rel=1e-5, abs=1e-3)
            if weight == 0:
                assert result.alpha[row, column, 0] == picture.alpha[row, column, 0]


@settings(max_examples=60)
@given(st.data())
def test_what_is_outside_is_written_as_it_was(data: st.DataObject) -> None:
    picture = data.draw(pictures())
    selection, weights = data.draw(selections(picture))
    policy = data.draw(st.sampled_from(["clamp", "abs", "offset", "rescale"]))
    plan = convolution(data.draw(st.sampled_from([*KERNELS])))
    result = filter_selected(picture, plan._replace(selection=selection), weights, policy)
    pixels = quantize(result.values, "clamp", picture.depth or 8).pixels
    outside = np.zeros(picture.size, bool)
    for pixel in np.ndindex(*picture.size):
        outside[pixel] = not is_inside(selection, *pixel)
    if weights is not None:
        outside |= weights.values[:, :, 0] == 0
    assert (pixels[outside] == picture.values[outside]).all()
    for channel in range(picture.values.shape[2]):
        if selection.channels and str(channel) not in selection.channels:
            assert (pixels[:, :, channel] == picture.values[:, :, channel]).all()
    if result.alpha is not None and picture.alpha is not None:
        alpha = quantize(result.alpha, "clamp", picture.depth or 8).pixels
        assert (alpha[outside] == picture.alpha[outside]).all()
        if selection.channels and "alpha" not in selection.channels:
            assert (alpha == picture.alpha).all()


@settings(max_examples=40)
@given(st.data())
def test_luma_leaves_chroma_as_it_is(data: st.DataObject) -> None:
    picture = data.draw(pictures(channels=(3,), can_have_alpha=False))
    selection, weights = data.draw(selections(picture))
    selection = selection._replace(channels=("luma",))
    name = data.draw(st.sampled_from([*KERNELS]))
    result = filter_selected(picture, convolution(name)._replace(selection=selection), weights)
    exact = np.array([[exact_luma(pixel) for pixel in row] for row in picture.values])
    lumas = exact.astype(float)
    origin = [-1 if side % 2 == 0 else 0 for side in KERNELS[name].shape]
    filtered = correlate(lumas, KERNELS[name], mode="nearest", origin=origin)
    for row, column in np.ndindex(*picture.size):
        old, new = picture.values[row, column].tolist(), result.values[row, column].tolist()
        assert all(0 <= value <= picture.white and value == int(value) for value in new)
        for channel in (0, 2):  # differences to luma, of which Cr and Cb are multiples
            difference = old[channel] - exact_luma(old)
            assert int(new[channel]) - exact_luma([*map(int, new)]) == difference
        weight = 1.0 if weights is None else float(weights.values[row, column, 0]) / 255
        weight *= is_inside(selection, row, column)
        change = filtered[row, column] - lumas[row, column]
        if abs(abs(change) - selection.threshold) < 1e-2:
            continue
        change = 0.0 if abs(change) < selection.threshold else weight * change
        limited = min(max(change, -min(old)), picture.white - max(old))
        assert abs(new[0] - old[0] - limited) <= 0.5 + 2e-2


def exact_luma(pixel: Any) -> Fraction:
    return sum((w * int(value) for w, value in zip(LUMA, pixel, strict=True)), Fraction())


def test_luma_of_equal_channels_is_gray() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (6, 7, 1), np.uint8)
    plan = convolution("sharpen")._replace(selection=Selection(channels=("luma",)))
    alone = filter_selected(Picture(gray, 8), plan)
    colors = filter_selected(Picture(np.repeat(gray, 3, axis=2), 8), plan)
    assert (quantize(alone.values, "clamp", 8).pixels == colors.values).all()


def test_identity_of_luma_changes_nothing_even_in_linear_light() -> None:
    colors = np.random.default_rng(2).integers(0, 256, (6, 7, 3), np.uint8)
    layer = Layer(op="conv", padding="same")
    kernel = Kernel("identity", np.ones((1, 1)))
    plan = Plan(
        kernels=(make_convolution(layer, kernel, "auto"),),
        linear=True,
        selection=Selection(channels=("luma",)),
    )
    assert (filter_selected(Picture(colors, 8), plan).values == colors).all()


def test_colors_of_an_alpha_that_stays_are_those_of_the_window() -> None:
    """A window of which half is invisible: its color is that of the visible half."""
    values = np.zeros((3, 4, 3), np.uint8)
    values[:, 2:] = 200
    alpha = np.array([[0, 0, 255, 255]] * 3, np.uint8)[:, :, np.newaxis]
    plan = convolution("average")._replace(selection=Selection(channels=("0", "1", "2")))
    result = filter_selected(Picture(values, 8, alpha), plan)
    assert result.values[:, :, 0].round(3).tolist() == [[0, 200, 200, 200]] * 3
    assert result.alpha is not None
    assert (result.alpha == alpha).all()


def test_a_mask_mixes_what_is_visible() -> None:
    """Half of an opaque red and half of nothing is red, whatever color nothing has."""
    values = np.array([[[255.0], [0.0], [0.0]]] * 3)
    alpha = np.array([[[255], [0], [0]]] * 3, np.uint8)
    picture = Picture(values.astype(np.uint8), 8, alpha)
    weights = Weights(np.full((3, 3, 1), 128, np.uint8), 255.0)
    plan = convolution("average")._replace(selection=Selection())
    result = filter_selected(picture, plan, weights)
    assert result.alpha is not None
    assert result.alpha[1, 1, 0] == pytest.approx(128 / 255 * 85)
    assert result.values[1, 1, 0] == pytest.approx(255)


def test_rescaled_bounds_are_those_of_what_is_selected() -> None:
    values = np.zeros((4, 6, 1), np.uint8)
    values[:, 3:] = 100  # an edge of 400 at columns 2 and 3, and of -1000 outside of the region
    values[0, 0] = 250
    plan = convolution("edges")._replace(selection=Selection((Region(3, 2, 2, 2),)))
    result = filter_selected(Picture(values, 8), plan, policy="rescale")
    assert result.values[2:, 2:5, 0].tolist() == [[255, 255, 0]] * 2


@pytest.mark.parametrize(
    ("name", "channels", "has_alpha", "had"),
    [
        ("r", 1, False, "it has gray and no alpha"),
        ("alpha", 3, False, "it has r, g, b and no alpha"),
        ("3", 3, True, "it has r, g, b and alpha"),
        ("b", 5, False, "it has channels 0 to 4 and no alpha"),
        ("luma", 2, True, "it has channels 0 to 1 and alpha"),
    ],
)
def test_a_channel_that_is_missing_is_named(
    name: str, channels: int, has_alpha: bool, had: str
) -> None:
    with pytest.raises(ArgumentError, match=f"--channels {name}: {had}"):
        Selection(channels=(name,)).choose(channels, has_alpha=has_alpha)


@pytest.mark.parametrize(
    "text",
    ["", "10x10", "10x10+1", "0x5+0+0", "5x0+0+0", "-1x5+0+0", "5x5-1+0", "5x5+0+0 ", "1e3x1+0+0",
     "9999999999x1+0+0", "٣x1+0+0", "5,5+0+0"],
)  # fmt: skip
def test_a_malformed_region_is_refused(text: str) -> None:
    with pytest.raises(NotationError, match=r"^it must "):
        parse_region(text)


@pytest.mark.parametrize(
    "text",
    ["", "r,", "R", "x", "r,r", "0,00", "luma,r", "luma,0", "-1", "9999999", "a", "luma,luma"],
)
def test_malformed_channels_are_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_channels(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "", "x", "-0.001"])
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotationError, match=r"^it must be "):
        parse_threshold(text)


def test_what_is_typed_is_read() -> None:
    assert parse_region("640x480+10+20") == Region(640, 480, 10, 20)
    assert parse_channels("alpha,luma") == ("alpha", "luma")
    assert parse_channels("2,00") == ("2", "0")
    assert parse_threshold("3.5") == 3.5


def test_a_worker_elsewhere_finds_the_mask_and_reads_it_once(tmp_path: Path) -> None:
    mask = Mask("m.png")
    plan = convolution("sharpen")._replace(selection=Selection(mask=mask))
    target = OutputTarget("out.png", ("sharpen",))
    job = Job(source="in.png", plan=plan, target=target, working_dir=str(tmp_path))
    sent: Job = pickle.loads(pickle.dumps(job.resolve()))
    assert sent.plan.selection is not None
    assert sent.plan.selection.mask == Mask(str(tmp_path / "m.png"), mask.key)
    typed = job._replace(plan=plan._replace(selection=Selection(mask=Mask("-"))))
    assert typed.resolve().plan == typed.plan


def test_a_color_that_is_filtered_away_stays() -> None:
    """Sharpening leaves no alpha at the middle, whose own stays: its color does, too."""
    values = np.full((3, 3, 3), 90, np.uint8)
    alpha = np.full((3, 3, 1), 255, np.uint8)
    alpha[1, 1] = 100
    values[1, 1] = 60
    picture = Picture(values, 8, alpha)
    plan = convolution("sharpen")._replace(selection=Selection(channels=("0", "1", "2")))
    assert filter_selected(picture, plan).values[1, 1].tolist() == [60, 60, 60]


def test_what_is_invisible_or_outside_counts_for_no_range() -> None:
    values = np.zeros((3, 8, 1), np.uint8)
    values[:, 2:4], values[:, 4:6], values[:, 6:] = 100, 150, 0
    alpha = np.full((3, 8, 1), 255, np.uint8)
    alpha[:, 2:4] = 0
    plan = convolution("identity")._replace(selection=Selection((Region(6, 3, 0, 0),)))
    result = filter_selected(Picture(values, 8, alpha), plan, policy="rescale")
    assert result.values[0, [0, 1, 4, 5, 6], 0].tolist() == [0, 0, 255, 255, 0]
    values[:, :2] = 100
    result = filter_selected(Picture(values, 8, alpha), plan, policy="rescale")
    assert result.values[0, [0, 1, 4, 5, 6], 0].tolist() == [0, 0, 255, 255, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_a_white_mask_in_color_is_white(dtype: Any) -> None:
    depth = None if np.dtype(dtype).kind == "f" else 8 * np.dtype(dtype).itemsize
    levels = np.linspace(0, 1, 256) if depth is None else np.arange(2**depth)
    values = levels.astype(dtype)[:, np.newaxis, np.newaxis].repeat(3, axis=2)
    weights = to_weights(Picture(values, depth), "mask.png").read_rows(slice(None))
    assert (weights[0], weights[-1]) == (0, 1)
    assert weights.ravel() == pytest.approx(levels / levels[-1])


def test_a_mask_that_is_kept_is_restricted_as_well(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.eye(3))
    (tmp_path / "inner").mkdir()
    mask = Mask(str(tmp_path / "mask.npy"))
    with open_mask(mask, DEFAULT_SETTINGS) as reader:
        assert reader is not None
        first = reader.read((3, 3), 1, 0)
    (tmp_path / "mask.npy").unlink()
    with open_mask(mask, DEFAULT_SETTINGS) as reader:
        assert reader is not None
        assert reader.read((3, 3), 1, 0) is first
    with (
        restrict(str(tmp_path / "inner")),
        pytest.raises(ImageError, match="leads outside"),
        open_mask(mask, DEFAULT_SETTINGS),
    ):
        pass


def test_a_selection_is_not_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "MIN_STREAMED_BYTES", 1)
    np.save(tmp_path / "in.npy", np.zeros((4, 4)))
    target = OutputTarget(str(tmp_path / "out.npy"), ("sharpen",))
    plan = convolution("sharpen")
    assert fused.can_stream(str(tmp_path / "in.npy"), plan, target)
    plan = plan._replace(selection=Selection((Region(1, 1, 0, 0),)))
    assert not fused.can_stream(str(tmp_path / "in.npy"), plan, target)
