"""Bounds of rounding errors: flat pictures give flat maps, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.command import here
from support.pipeline import compute_pictures, make_plan

from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.operations import Operation
from convcli.arithmetic.values import Resize
from convcli.errors import ShapeError
from convcli.images import Picture

EDGES = [
    "dog:1:2",
    "dog:3:9",
    "log:1",
    "log:4",
    "frei-chen-x",
    "gabor:8:30",
    "sobel:37",
    "-0.1 0.1",
]
BLURS = ["gaussian:2", "box:7", "disk:4.5", "unsharp:3:5", "motion:9:30"]


SIZES = ((21, 33), (11, 30))


def is_simple(operation: Operation) -> bool:
    """Whether one layer of it takes the pictures here, without a kernel or another layer."""
    layer = parse_layer(operation.example)
    if operation.is_join or operation.needs_weights(layer) or not operation.is_for_images:
        return False
    try:
        for size in SIZES:
            operation.shape(layer, [(1, *size)])
    except ShapeError:
        return False
    return operation.domain is None


LAYERS: list[list[str]] = [
    [], ["abs"], ["leaky-relu:3"], ["tanh"], ["maxpool:3"], ["avgpool:3"], ["magnitude"],
    ["conv:kernel=dog:1:2,p=same,mode=replicate"], ["globalavgpool"],
    ["conv:kernel=box:3,p=same,mode=replicate,name=a", "add:from=a+input"],
    ["conv:kernel=log:1,p=same,mode=replicate,name=a", "concat:from=a+a", "crop:1"],
    ["conv:kernel=box:3,p=same,mode=replicate,name=a", "mul:from=a+input+a", "pad:1,mode=edge"],
    ["conv:kernel=box:3,p=same,mode=replicate,name=a", "sub:from=a+input", "slice:..1"],
    ["abs:name=a", "max:from=a+input", "div:from=a+a"],
    ["globalavgpool:name=g", "min:from=g+input"],
    ["upsample:1.5,mode=bilinear"], ["resize:9x70,mode=bicubic", "upsample:2"],
    ["conv:kernel=box:3,p=same,mode=replicate,name=a", "mean:from=a+input", "pixelunshuffle:1"],
    *([operation.example] for operation in OPERATIONS.values() if is_simple(operation)),
]  # fmt: skip
TYPES = {np.uint8: 8, np.uint16: 16, np.float32: None, np.float64: None}


def span_of(values: Any) -> float:
    return float(values.max()) - float(values.min())


@settings(max_examples=15)
@given(
    st.sampled_from([*EDGES, *BLURS]),
    st.sampled_from(["auto", "im2col", "fft", "naive"]),
    st.sampled_from(LAYERS),
    st.sampled_from([*TYPES]),
    st.floats(0.01, 250),
)
def test_the_map_of_a_flat_picture_spans_no_more_than_its_error(
    kernel: str, method: str, layers: list[str], dtype: Any, shade: float
) -> None:
    picture = Picture(np.full((*SIZES[0], 1), shade).astype(dtype), TYPES[dtype])
    for options in ({}, {"resize": Resize(*SIZES[1])}, {"gray": True, "linear": dtype is np.uint8}):
        plan = make_plan([kernel], layers, method=method, **options)
        (found,) = compute_pictures(picture, plan, with_errors=True)
        assert span_of(found.values) <= found.error


@settings(max_examples=8)
@given(st.sampled_from(BLURS), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_one_color_under_any_alpha_is_flat(kernel: str, shade: int, seed: int) -> None:
    alpha = np.random.default_rng(seed).integers(0, 256, (9, 11, 1), np.uint8)
    picture = Picture(np.full((9, 11, 3), shade, np.uint8), 8, alpha)
    (found,) = compute_pictures(picture, make_plan([kernel]), with_errors=True)
    assert found.alpha is not None
    seen = found.values[found.alpha[:, :, 0] > 0.5]
    assert not seen.size or span_of(seen) <= found.error


@pytest.mark.parametrize("kernel", EDGES)
def test_a_pixel_that_differs_by_one_level_is_seen(kernel: str) -> None:
    values = np.full((40, 40, 1), 128, np.uint8)
    values[20, 20] = 129
    (found,) = compute_pictures(Picture(values, 8), make_plan([kernel]), with_errors=True)
    assert span_of(found.values) > found.error > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("kernel", ["dog:1:2", "log:2"])
def test_a_flat_picture_is_rescaled_to_mid_gray(tmp_path: Path, dtype: Any, kernel: str) -> None:
    values = np.full((40, 40), 128).astype(dtype)
    if dtype in (np.uint8, np.uint16):
        Image.fromarray(values).save(tmp_path / "in.png")
    else:
        np.save(tmp_path / "in.npy", values)
    name = next(tmp_path.glob("in.*")).name
    done = here("apply", name, "-k", kernel, "--range", "rescale", "-o", "out.png", cwd=tmp_path)
    assert done.code == 0
    assert "every value is 0" in done.stderr
    assert "drawn as mid-gray" in done.stderr
    found = np.asarray(Image.open(tmp_path / "out.png"))
    assert (found == (32768 if dtype is np.uint16 else 128)).all()


# ---- visible pixels ------------------------------------------------------------------------------


def test_what_is_invisible_counts_for_no_range(tmp_path: Path) -> None:
    values = np.zeros((6, 6, 4), np.uint8)
    values[:, :3] = (100, 100, 100, 255)
    values[2, 1, :3] = 140
    values[:, 3:] = (255, 0, 255, 0)
    Image.fromarray(values).save(tmp_path / "in.png")
    options = ("-k", "identity", "--range", "rescale", "-o", "out.png")
    done = here("apply", "in.png", *options, cwd=tmp_path)
    assert "rescaled 100..140 to 0..255" in done.stderr
    found = np.asarray(Image.open(tmp_path / "out.png"))
    expected = np.zeros((6, 6, 4), np.uint8)
    expected[:, :3, 3] = 255
    expected[2, 1, :3] = 255
    np.testing.assert_array_equal(found, expected)


def test_what_is_invisible_counts_for_no_share_that_is_clipped(tmp_path: Path) -> None:
    values = np.full((4, 10, 4), (200, 200, 200, 255), np.uint8)
    values[:, 5:, 3] = 0
    Image.fromarray(values).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "2;", "-o", "out.png", cwd=tmp_path)
    assert "100.0% of the values lie outside 0..255" in done.stderr
    for policy in ("offset", "abs", "clamp"):
        options = ("-k", "2;", "--range", policy, "-o", f"{policy}.png")
        here("apply", "in.png", *options, cwd=tmp_path)
        assert not np.asarray(Image.open(tmp_path / f"{policy}.png"))[:, 5:].any()


LOSSLESS: dict[str, list[str]] = {"gif": [], "png": [], "webp": ["--lossless"], "tif": []}


@pytest.mark.parametrize("suffix", [*LOSSLESS])
def test_all_frames_have_one_range_of_what_is_visible(tmp_path: Path, suffix: str) -> None:
    frames = []
    for index, shade in enumerate((50, 200, 100)):
        values = np.zeros((8, 8, 4), np.uint8)
        values[:, :, 3] = 255
        values[:, 4:, :3] = shade
        values[0, :2] = (255, 255, 255, 0) if index else (0, 0, 0, 255)
        frames.append(Image.fromarray(values))
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    options = ("-k", "sobel-x", "--range", "rescale", "-o", f"out.{suffix}", *LOSSLESS[suffix])
    done = here("apply", "in.png", *options, cwd=tmp_path)
    assert (done.code, "rescaled 0..800 to 0..255" in done.stderr) == (0, True), done.stderr
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert getattr(image, "n_frames", 1) == 3
        for index, shade in enumerate((64, 255, 128)):
            image.seek(index)
            assert np.asarray(image.convert("RGB"))[5, 3:5].tolist() == [[shade] * 3] * 2
            if suffix != "gif":  # whose first frame's alpha, as Pillow reads it, is that of all
                assert np.asarray(image.convert("RGBA"))[0, 0, 3] == (0 if index else 255)


def test_frames_of_which_none_is_visible_have_no_range(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (5, 4), (shade, 0, 0, 0)) for shade in (1, 99)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    options = ("-k", "blur", "--range", "rescale", "-o", "out.png")
    done = here("apply", "in.png", *options, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.png") as image:
        assert not np.asarray(image).any()


# ---- the maximum of padding alone ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.npy", "out.csv", "out.tif", "{kernel}.npy"])
def test_minus_infinity_is_written_to_no_file_of_numbers(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "in.npy", np.ones((2, 2)))
    options = ("-l", "maxpool:1,s=1,p=1", "-o", name)
    done = here("apply", "in.npy", *options, cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr.startswith("convcli: in.npy: the maximum of padding alone is infinite")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_minus_infinity_is_black_in_a_picture(tmp_path: Path) -> None:
    Image.new("L", (2, 2), 9).save(tmp_path / "in.png")
    options = ("-l", "maxpool:1,s=1,p=1", "-o", "out.png")
    done = here("apply", "in.png", *options, cwd=tmp_path)
    assert done.code == 0
    assert np.asarray(Image.open(tmp_path / "out.png")).tolist() == [
        [0, 0, 0, 0], [0, 9, 9, 0], [0, 9, 9, 0], [0, 0, 0, 0]
    ]  # fmt: skip
