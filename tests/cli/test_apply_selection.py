"""`apply` with --region, --mask, --channels and --threshold, as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from scipy.ndimage import correlate
from support.apply import Array, drawn, filtered, grid, pixels, usage
from support.command import here
from support.forked import forked
from support.profiles import curv, profile

SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
SHAPE = (12, 10, 3)
BOX = (slice(2, 6), slice(3, 8))
REGION = "5x4+3+2"


def sharpen(values: Array) -> Array:
    """The picture, sharpened and clipped."""
    return np.clip(convolve(values, SHARPEN), 0, np.iinfo(values.dtype).max).astype(values.dtype)


def convolve(values: Array, weights: Array) -> Array:
    """The sums of each channel, exact."""
    weights = weights.reshape(*weights.shape, *(1,) * (values.ndim - 2))
    sums: Array = correlate(values.astype(np.float64), weights, mode="nearest")
    return sums


def save(folder: Path, name: str, values: Array) -> None:
    Image.fromarray(values).save(folder / name)


@pytest.fixture
def mask(tmp_path: Path) -> Array:
    levels = np.zeros(SHAPE[:2], np.uint8)
    levels[4:8], levels[8:] = 100, 255
    save(tmp_path, "mask.png", levels)
    return levels


def test_a_region_alone_is_filtered_and_sees_what_is_around(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    expected = values.copy()
    expected[BOX] = sharpen(values)[BOX]
    result, done = drawn(tmp_path, values, "-k", "sharpen", "--region", REGION)
    assert (result == expected).all()
    assert "were clipped" in done.stderr


@pytest.mark.parametrize(
    "options",
    ["--region 5x4+3+2", "--mask mask.png", "--channels luma", "--channels r,2", "--threshold 9"],
)
@pytest.mark.usefixtures("mask")
def test_a_process_of_its_own_does_the_same(tmp_path: Path, options: str) -> None:
    values = pixels(*SHAPE)
    result, _ = drawn(tmp_path, values, "-k", "sharpen", *options.split())
    command = ("apply", "in.png", "-k", "sharpen", "-q", *options.split(), "-o", "real.png")
    done = forked(*command, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, b"")
    assert (np.asarray(Image.open(tmp_path / "real.png")) == result).all()
    assert (result != values).any()


def test_several_regions_are_all_filtered(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    expected = values.copy()
    expected[:1, :1] = sharpen(values)[:1, :1]
    expected[-2:, -3:] = sharpen(values)[-2:, -3:]
    options = ("--region", "1x1+0+0", "--region", "3x2+7+10")
    assert (drawn(tmp_path, values, "-k", "sharpen", *options)[0] == expected).all()


def test_a_mask_says_how_much(tmp_path: Path, mask: Array) -> None:
    values, share = pixels(*SHAPE), mask[:, :, np.newaxis] / 255
    result, _ = drawn(tmp_path, values, "-k", "blur", "--mask", "mask.png")
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    mixed = share * convolve(values, weights) + (1 - share) * values
    assert np.abs(result - mixed).max() <= 0.5 + 1e-3
    assert (result[:4] == values[:4]).all()
    whole, _ = drawn(tmp_path, values, "-k", "blur")
    assert (result[8:] == whole[8:]).all()


def test_masks_of_any_kind_say_the_same(tmp_path: Path) -> None:
    levels = np.zeros(SHAPE[:2], np.uint8)
    levels[4:8], levels[8:] = 51, 255
    save(tmp_path, "m8.png", levels)
    save(tmp_path, "m16.png", levels.astype(np.uint16) * 257)
    save(tmp_path, "rgb.png", np.repeat(levels[:, :, np.newaxis], 3, axis=2))
    np.save(tmp_path / "m.npy", levels / 255)
    save(tmp_path, "in.png", pixels(*SHAPE))
    results = []
    for name in ("m8.png", "m16.png", "rgb.png", "m.npy"):
        command = ("apply", "in.png", "-k", "box:3", "--mask", name, "-o", "out.png", "-f")
        assert here(*command, cwd=tmp_path).code == 0
        results.append(np.asarray(Image.open(tmp_path / "out.png")))
    assert all((result == results[0]).all() for result in results)


def test_a_threshold_leaves_small_changes_out(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    sharp = convolve(values, SHARPEN)
    expected = values.copy()
    for index in np.ndindex(*SHAPE):
        if abs(int(sharp[index]) - int(values[index])) >= 150:
            expected[index] = min(max(int(sharp[index]), 0), 255)
    result, _ = drawn(tmp_path, values, "-k", "sharpen", "--threshold", "150")
    assert (result == expected).all()


def test_single_channels_and_16_bits(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    expected = values.copy()
    expected[:, :, 1:] = sharpen(values)[:, :, 1:]
    for names in ("g,b", "1,2", "b,1"):
        result, _ = drawn(tmp_path, values, "-k", "sharpen", "--channels", names)
        assert (result == expected).all()
    deep = pixels(*SHAPE[:2], dtype=np.uint16)
    expected = deep.copy()
    expected[BOX] = sharpen(deep)[BOX]
    result, _ = drawn(tmp_path, deep, "-k", "sharpen", "--region", REGION)
    assert (result.dtype, (result == expected).all()) == (np.dtype(np.uint16), True)


def test_alpha_alone_and_all_but_alpha(tmp_path: Path) -> None:
    values = pixels(*SHAPE[:2], 4)
    both, _ = drawn(tmp_path, values, "-k", "blur")
    alpha, _ = drawn(tmp_path, values, "-k", "blur", "--channels", "alpha")
    assert (alpha[:, :, :3] == values[:, :, :3]).all()
    assert (alpha[:, :, 3] == both[:, :, 3]).all()
    colors, _ = drawn(tmp_path, values, "-k", "blur", "--channels", "r,g,b")
    assert (colors[:, :, 3] == values[:, :, 3]).all()
    assert (colors[:, :, :3] == both[:, :, :3]).all()
    luma, _ = drawn(tmp_path, values, "-k", "blur", "--channels", "luma")
    assert (luma[:, :, 3] == values[:, :, 3]).all()
    changes = np.diff(luma[:, :, :3].astype(int) - values[:, :, :3], axis=2)
    assert not changes.any()


@pytest.mark.parametrize(
    "before", ["--gray", "--resize 8x9", "--resize 8x9 --linear --gray", "--gray --linear"]
)
def test_what_is_outside_is_as_resized_and_grayed(tmp_path: Path, before: str) -> None:
    values = pixels(*SHAPE)
    whole, _ = drawn(tmp_path, values, *before.split(), "-k", "blur")
    expected, _ = drawn(tmp_path, values, *before.split(), "-k", "identity")
    expected = expected.copy()
    expected[BOX] = whole[BOX]
    options = (*before.split(), "-k", "blur", "--region", REGION)
    assert (drawn(tmp_path, values, *options)[0] == expected).all()


def test_numbers_outside_are_those_of_the_input(tmp_path: Path) -> None:
    values = grid(6, 7)
    whole = filtered(tmp_path, values, "-k", "sharpen")
    expected = values.copy()
    expected[1:3, 2:5] = whole[1:3, 2:5]
    result = filtered(tmp_path, values, "-k", "sharpen", "--region", "3x2+2+1")
    assert (result == expected).all()
    small = filtered(tmp_path, values, "-k", "sharpen", "--threshold", "6")
    is_small = np.abs(whole - values) < 6
    assert (small == np.where(is_small, values, whole)).all()
    assert is_small.any()


def test_a_range_is_that_of_what_is_filtered(tmp_path: Path) -> None:
    values = pixels(*SHAPE[:2])
    for policy in ("abs", "offset"):
        whole, _ = drawn(tmp_path, values, "-k", "sobel-x", "--range", policy)
        expected = values.copy()
        expected[BOX] = whole[BOX]
        typed = ("--range", policy, "--region", REGION)
        assert (drawn(tmp_path, values, "-k", "sobel-x", *typed)[0] == expected).all()
    options = ("--range", "rescale", "--region", REGION, "--json", "-q")
    result, done = drawn(tmp_path, values, "-k", "sobel-x", *options)
    assert json.loads(done.text)["range"] == "rescale"
    assert (result[BOX].min(), result[BOX].max()) == (0, 255)
    outside = np.ones(values.shape, bool)
    outside[BOX] = False
    assert (result[outside] == values[outside]).all()


def animation(folder: Path, name: str, frames: Array) -> None:
    first, *others = map(Image.fromarray, frames)
    first.save(folder / name, save_all=True, append_images=others, duration=100)


def frames_of(path: Path) -> Array:
    with Image.open(path) as image:
        return np.array([np.asarray(frame) for frame in ImageSequence.Iterator(image)])


def test_frames_have_a_mask_for_each_or_one_for_all(tmp_path: Path) -> None:
    frames = pixels(3, 6, 7, seed=3)
    masks = np.zeros((3, 6, 7), np.uint8)
    for index in range(3):
        masks[index, 2 * index : 2 * index + 2] = 255
    animation(tmp_path, "in.tif", frames)
    animation(tmp_path, "masks.tif", masks)
    save(tmp_path, "mask.png", masks[1])
    command = ("apply", "in.tif", "-k", "sharpen", "-q", "-f", "-o", "out.tif", "--mask")
    sharp = np.array([sharpen(frame) for frame in frames])
    for name, levels in (("masks.tif", masks), ("mask.png", masks[[1, 1, 1]])):
        assert here(*command, name, cwd=tmp_path).code == 0
        expected = np.where(levels == 255, sharp, frames)
        assert (frames_of(tmp_path / "out.tif") == expected).all()
    assert here(*command, "masks.tif", "--frame", "2", cwd=tmp_path).code == 0
    expected = np.where(masks[2] == 255, sharp[2], frames[2])
    assert (frames_of(tmp_path / "out.tif") == expected).all()
    animation(tmp_path, "two.tif", masks[:2])
    done = here(*command, "two.tif", cwd=tmp_path)
    assert (done.code, done.stderr) == (
        1,
        "convcli: two.tif: holds 2 frames, and a mask has one for all or one for each of 3\n",
    )


def test_frames_are_rescaled_alike(tmp_path: Path) -> None:
    frames = np.zeros((2, 4, 6), np.uint8)
    frames[0, :, 3:], frames[1, :, 3:] = 50, 25
    animation(tmp_path, "in.tif", frames)
    command = ("apply", "in.tif", "-k", "sobel-x", "--range", "rescale", "-o", "out.tif")
    done = here(*command, "--region", "2x4+1+0", "--json", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "convcli: in.tif: rescaled 0..200 to 0..255\n")
    assert json.loads(done.text)["range"] == "rescale"
    first, second = frames_of(tmp_path / "out.tif")
    assert first[0].tolist() == [0, 0, 255, 50, 50, 50]
    assert second[0].tolist() == [0, 0, 128, 25, 25, 25]


def test_several_kernels_and_combinations_are_each_blended(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    save(tmp_path, "in.png", values)
    kernels = ("-k", "sobel-x", "-k", "sobel-y")
    command = ("apply", "in.png", *kernels, "-q", "-f")
    names = ("--combine", "magnitude", "-o", "out.png")
    trials: list[tuple[tuple[str, ...], list[str]]] = [
        (names, ["out.png"]),
        (("-o", "{kernel}.png"), ["sobel-x.png", "sobel-y.png"]),
    ]
    for options, outputs in trials:
        assert here(*command, *options, cwd=tmp_path).code == 0
        whole = [np.asarray(Image.open(tmp_path / name)) for name in outputs]
        assert here(*command, *options, "--region", REGION, cwd=tmp_path).code == 0
        for name, filtered_values in zip(outputs, whole, strict=True):
            expected = values.copy()
            expected[BOX] = filtered_values[BOX]
            assert (np.asarray(Image.open(tmp_path / name)) == expected).all()


@pytest.mark.usefixtures("mask")
def test_a_mask_of_several_inputs_may_be_on_standard_input(tmp_path: Path) -> None:
    values = [pixels(*SHAPE, seed=seed) for seed in range(3)]
    for index, own in enumerate(values):
        save(tmp_path, f"{index}.png", own)
    names = [f"{index}.png" for index in range(3)]
    command = ("apply", *names, "-k", "sharpen", "-q", "--channels", "g")
    done = here(*command, "--mask", "mask.png", "--output-dir", "two", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    content = (tmp_path / "mask.png").read_bytes()
    done = here(*command, "--mask", "-", "--output-dir", "one", cwd=tmp_path, stdin=content)
    assert (done.code, done.stderr) == (0, "")
    for index, own in enumerate(values):
        results = [
            np.asarray(Image.open(tmp_path / folder / f"{index}.sharpen.png"))
            for folder in ("one", "two")
        ]
        assert (results[0] == results[1]).all()
        assert (results[0][:4] == own[:4]).all()
        assert (results[0][8:, :, 1] == sharpen(own)[8:, :, 1]).all()


def test_a_dry_run_shows_the_selection_and_checks_the_mask(tmp_path: Path, mask: Array) -> None:
    save(tmp_path, "in.png", pixels(*SHAPE))
    options = ("--region", REGION, "--mask", "mask.png", "--channels", "luma", "--threshold", "2")
    command = ("apply", "in.png", "-k", "sharpen", *options, "--dry-run")
    done = here(*command, cwd=tmp_path)
    assert done.code == 0
    typed = " ".join(options)
    lines = [" ".join(line.split()) for line in done.text.splitlines()]
    assert f"{typed} 12x10x3" in lines
    assert any(line.startswith("sharpen 12x10 ") for line in lines)
    save(tmp_path, "mask.png", mask[:5])
    done = here(*command, cwd=tmp_path)
    cause = "has 10x5 pixels, and the picture that it masks 10x12"
    assert (done.code, done.stderr) == (1, f"convcli: mask.png: {cause}\n")


def test_a_figure_and_numbers_show_what_is_blended(tmp_path: Path) -> None:
    save(tmp_path, "in.png", pixels(4, 5))
    command = ("apply", "in.png", "-k", "sharpen", "--region", "1x1+2+1")
    assert here(*command, "--figure", "figure.svg", cwd=tmp_path).code == 0
    assert "--region 1x1+2+1" in (tmp_path / "figure.svg").read_text()
    rows = np.array(here(*command, "--print", cwd=tmp_path).rows)
    assert np.count_nonzero(rows != np.asarray(Image.open(tmp_path / "in.png"))) == 1


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ("--region 11x1+0+0", "in.png: --region 11x1+0+0 does not lie in the picture of 10x12"),
        ("--region 1x1+0+12", "in.png: --region 1x1+0+12 does not lie in the picture of 10x12"),
        ("--channels alpha", "in.png: --channels alpha: it has r, g, b and no alpha"),
        ("--channels 0,3", "in.png: --channels 3: it has r, g, b and no alpha"),
        ("--mask none.png", "none.png: no such file or directory"),
        ("--mask text.png", "text.png: is no picture of a kind that is read"),
        ("--mask clear.png", "clear.png: is transparent in part, and a mask is gray alone"),
        ("--mask high.npy", "high.npy: has numbers of 0..255, and those of a mask are 0 to 1"),
        ("--mask five.npy", "five.npy: has 5 channels, and a mask is gray or RGB"),
        ("--mask cut.png", "cut.png: "),
        ("--mask in.png -o in.png -f", "in.png: is an input too, and an input is never replaced"),
        ("--mask text.png -o text.png -f", "text.png: is an input too, and an input is"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_picture_is_refused(tmp_path: Path, options: str, cause: str) -> None:
    save(tmp_path, "in.png", pixels(*SHAPE))
    save(tmp_path, "clear.png", pixels(*SHAPE[:2], 4))
    save(tmp_path, "whole.png", pixels(*SHAPE[:2]))
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:90])
    (tmp_path / "text.png").write_text("no picture")
    np.save(tmp_path / "high.npy", np.linspace(0, 255, 120).reshape(SHAPE[:2]))
    np.save(tmp_path / "five.npy", np.zeros((*SHAPE[:2], 5)))
    before = sorted(tmp_path.iterdir())
    command = ("apply", "in.png", "-k", "sharpen", "--keep-damaged")
    done = here(*command, *options.split(), cwd=tmp_path)
    assert (done.code, done.text, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"convcli: {cause}")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (
            "-k sharpen --region 5x5+0+0 --resize 8x4",
            "--region 5x5+0+0 does not lie in the picture of 8x4",
        ),
        (
            "-k sharpen --region 5x5+0+0 --resize 4x",
            "--region 5x5+0+0 does not lie in the picture of 4x",
        ),
        (
            "-k sharpen --region 5x5+0+0 --resize x4",
            "--region 5x5+0+0 does not lie in the picture of x4",
        ),
        ("-k sharpen --region 5x5", "'--region': it must be WxH+X+Y, like 640x480+10+20"),
        ("-k sharpen --region 0x5+1+1", "'--region': it must have a pixel at least"),
        ("-k sharpen --channels red", "'--channels': it must be luma, alpha, or some of r,g,b"),
        ("-k sharpen --channels r,0", "'--channels': it must name a channel once, not 'r,0'"),
        ("-k sharpen --channels 2,1,b", "'--channels': it must name a channel once"),
        ("-k sharpen --channels luma,r", "'--channels': luma changes all colors"),
        ("-k sharpen --threshold -1", "'--threshold': it must be at least 0, not '-1'"),
        ("-k sharpen --threshold nan", "'--threshold': it must be a number"),
        ("--gray --region 5x5+0+0", "--region goes with a filter"),
        ("-k sharpen --gray --channels g", "--gray leaves one channel, and --channels g is"),
        ("-k sharpen --mask -", "standard input can be read once"),
        (
            "-k sharpen --region 1x1+0+0 -s 2",
            "--region needs a map of the picture's shape, and kernel sharpen makes 3x512x512 of 3x",
        ),
        ("-k sharpen -p valid --mask m.png", "--mask needs a map of the picture's shape"),
        ("-k blur --pool max:2 --channels luma", "--channels needs a map of the picture's shape"),
        ("-l globalavgpool --threshold 3", "and layer globalavgpool makes 3x1x1 of 3x1024x1024"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, options: str, cause: str) -> None:
    assert cause in usage(tmp_path, "-" if options[-2:] == " -" else "in.png", *options.split())


@pytest.mark.parametrize("option", ["--mask", "--output", "--output-dir", "--figure"])
def test_an_empty_path_is_refused(tmp_path: Path, option: str) -> None:
    assert f"'{option}'" in usage(tmp_path, "in.png", "-k", "sharpen", option, "")


def test_a_map_of_several_channels_is_refused(tmp_path: Path) -> None:
    save(tmp_path, "in.png", pixels(*SHAPE))
    np.save(tmp_path / "layer.npy", np.ones((2, 3, 3, 3)))
    done = here("apply", "in.png", "-k", "layer.npy", "--region", REGION, cwd=tmp_path)
    assert done.code == 2
    assert "needs a map of the picture's shape, and kernel layer makes 2x1024x1024" in done.stderr


def test_a_map_that_fits_some_pictures_alone_is_refused_for_others(tmp_path: Path) -> None:
    layers = ("-l", "maxpool:2", "-l", "tconv:kernel=ones:2,s=2,p=0", "--region", "1x1+0+0")
    assert drawn(tmp_path, pixels(4, 6), *layers)[0].shape == (4, 6)
    save(tmp_path, "odd.png", pixels(5, 6))
    done = here("apply", "odd.png", *layers, cwd=tmp_path)
    cause = "--region needs a map of the picture's shape, and layer maxpool:2 makes 1x2x3 of 1x5x6"
    assert (done.code, done.stderr) == (1, f"convcli: odd.png: {cause}\n")


@pytest.mark.parametrize("before", ["--resize 50%", "--resize 8x9 --linear"])
def test_luma_of_a_resized_picture(tmp_path: Path, before: str) -> None:
    values = pixels(*SHAPE)
    plain, _ = drawn(tmp_path, values, *before.split(), "-k", "identity")
    options = (*before.split(), "-k", "sharpen", "--channels", "luma")
    result, _ = drawn(tmp_path, values, *options)
    changes = result.astype(int) - plain
    assert changes.any()
    assert not np.diff(changes, axis=2).any()


@pytest.mark.usefixtures("mask")
def test_a_mask_obeys_the_restriction(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    save(inner, "in.png", pixels(*SHAPE))
    (inner / "link.png").symlink_to(tmp_path / "mask.png")
    command = ("apply", "in.png", "-k", "sharpen", "--restrict", ".", "--mask")
    done = here(*command, "../mask.png", cwd=inner)
    assert (done.code, "lies outside" in done.stderr) == (2, True)
    done = here(*command, "link.png", cwd=inner)
    assert (done.code, "link.png: leads outside" in done.stderr) == (1, True)


@pytest.mark.parametrize("policy", ["clamp", "offset", "rescale"])
def test_hidden_colors_outside_are_kept_and_inside_are_black(tmp_path: Path, policy: str) -> None:
    values = pixels(*SHAPE[:2], 4)
    values[:4, :6, 3] = 0
    options = ("-k", "blur", "--region", REGION, "--range", policy)
    result, _ = drawn(tmp_path, values, *options)
    outside = np.ones(SHAPE[:2], bool)
    outside[BOX] = False
    assert (result[outside] == values[outside]).all()
    assert (result[2, 3:5] == 0).all()


def test_luma_in_linear_light_follows_the_profile(tmp_path: Path) -> None:
    values = pixels(*SHAPE)
    options = ("-k", "blur", "--channels", "luma")
    expected, _ = drawn(tmp_path, values, *options)
    content = profile([curv(1.0)] * 3)  # whose values are light
    Image.fromarray(values).save(tmp_path / "in.png", icc_profile=content)
    done = here("apply", "in.png", *options, "--linear", "-o", "light.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(tmp_path / "light.png") as image:
        assert (np.asarray(image) == expected).all()
        assert image.info["icc_profile"] == content
