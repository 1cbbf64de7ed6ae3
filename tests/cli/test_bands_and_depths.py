"""Bands that are neither gray nor RGB stay one picture; `--depth` says how values are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import here
from support.peers import require_peer

from convcli.images.read import open_frames

KINDS = ("u1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8")


def noise(shape: tuple[int, ...], kind: str, seed: int = 0) -> NDArray[Any]:
    generator = np.random.default_rng(seed)
    if kind[0] == "f":
        return generator.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    low, high = max(info.min, -(1 << 52)), min(info.max, 1 << 52)
    return generator.integers(low, high, shape, kind, endpoint=True)


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    done = here("apply", *arguments, cwd=folder)
    assert done.code == code, done.stderr
    return done.stderr


def save_pages(path: Path, pages: list[NDArray[Any]], **options: Any) -> None:
    tifffile = require_peer("tifffile")
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            is_rgb = page.shape[2:] == (3,)
            kind = "rgb" if is_rgb else "minisblack"
            planes = "contig" if page.shape[2:] > (1,) else None
            stored = page[:, :, 0] if page.shape[2:] == (1,) else page
            writer.write(stored, photometric=kind, planarconfig=planes, metadata=None, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_changes_no_number_of_bands_and_pages(tmp_path: Path, kind: str) -> None:
    tifffile = require_peer("tifffile")
    pages = [noise((6, 7 + bands, bands), kind, bands) for bands in (2, 4, 5, 3, 1)]
    save_pages(tmp_path / "in.tif", pages)
    assert run(tmp_path, "in.tif", "-k", "identity", "-q") == ""
    expected = {"u1": "u1", "u2": "u2", "f8": "f8", "u4": "f8", "i4": "f8", "i8": "f8"}
    with tifffile.TiffFile(tmp_path / "in.identity.tif") as file:
        assert len(file.pages) == len(pages)
        for found, page in zip(file.pages, pages, strict=True):
            np.testing.assert_array_equal(np.atleast_3d(found.asarray()), page)
            assert found.dtype == np.dtype(expected.get(kind, "f4"))
            assert found.photometric == (2 if page.shape[2] == 3 else 1)
            assert set(found.extrasamples) <= {0}
    with open_frames(str(tmp_path / "in.identity.tif")) as source:
        for index, page in enumerate(pages):
            picture = source.read(index)
            np.testing.assert_array_equal(picture.values, page)
            assert picture.alpha is None


def test_bands_and_alpha_are_told_apart(tmp_path: Path) -> None:
    tifffile = require_peer("tifffile")
    values = noise((8, 9, 5), "u1")
    extra = ["unspecified"] * 3 + ["unassalpha"]
    tifffile.imwrite(
        tmp_path / "in.tif", values, photometric="minisblack", planarconfig="contig",
        extrasamples=extra, metadata=None,
    )  # fmt: skip
    assert run(tmp_path, "in.tif", "-k", "identity", "-o", "out.tif") == ""
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        found, stored = file.pages.first, file.pages.first.asarray()
    assert found.extrasamples == (0, 0, 0, 2)
    is_seen = values[:, :, 4] > 0
    np.testing.assert_array_equal(stored[is_seen], values[is_seen])


@pytest.mark.parametrize(("bands", "kind"), [(2, "u1"), (4, "u2"), (7, "f4")])
def test_bands_are_one_tiff_by_default(tmp_path: Path, bands: int, kind: str) -> None:
    tifffile = require_peer("tifffile")
    values = noise((6, 7, bands), kind)
    save_pages(tmp_path / "in.tif", [values])
    run(tmp_path, "in.tif", "-k", "0 1", "-k", "identity", "-p", "valid")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.custom.tif", "in.identity.tif", "in.tif",
    ]  # fmt: skip
    found = tifffile.imread(tmp_path / "in.custom.tif")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values[:, 1:])
    # The second run finds what the first one made, and a dry run says what a run does.
    again = run(tmp_path, "in.tif", "-k", "identity", code=1)
    assert "in.identity.tif: exists" in again
    skipping = run(tmp_path, "in.tif", "-k", "identity", "--skip-existing")
    assert "1 of 1 inputs skipped" in skipping
    gray = run(tmp_path, "in.tif", "-k", "identity", "--gray")
    assert gray == "" or kind == "f4"
    assert (tmp_path / "in.identity.png").exists()


def test_bands_that_a_format_cannot_hold_are_refused(tmp_path: Path) -> None:
    save_pages(tmp_path / "in.tif", [noise((6, 7, 2), "u1")])
    save_pages(tmp_path / "pages.tif", [noise((6, 7, 2), "u1")] * 2)
    said = run(tmp_path, "in.tif", "-k", "identity", "-o", "out.png", code=1)
    assert said == (
        "convcli: in.tif: its 2 channels do not fit one PNG; put {kernel} in the output's name for "
        "a file each, or write .tif or .npy\n"
    )
    said = run(tmp_path, "pages.tif", "-k", "identity", "-o", "{kernel}.png", code=1)
    assert said == (
        "convcli: pages.tif: its frames have 2 channels, and those of a PNG are gray or RGB; "
        "write .tif\n"
    )
    assert not list(tmp_path.glob("*.png"))


def test_feature_maps_of_a_layer_are_pictures_by_default(tmp_path: Path) -> None:
    Image.fromarray(noise((6, 7, 3), "u1")).save(tmp_path / "in.png")
    np.save(tmp_path / "bank.npy", np.ones((4, 3, 3, 3)))
    run(tmp_path, "in.png", "-k", "bank.npy", "-q")
    assert len(list(tmp_path.glob("in.bank-?.png"))) == 4
    run(tmp_path, "in.png", "-k", "bank.npy", "-o", "maps.tif", "-q")
    assert require_peer("tifffile").imread(tmp_path / "maps.tif").shape == (6, 7, 4)


# ---- --depth -------------------------------------------------------------------------------------


def read_tiff(path: Path) -> NDArray[Any]:
    found: NDArray[Any] = require_peer("tifffile").imread(path)
    return found


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("depth", ["8", "16", "float"])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_a_result_has_the_depth_that_is_asked_for(
    tmp_path: Path, kind: str, depth: str, bands: int
) -> None:
    values = noise((8, 9, bands), kind)
    save_pages(tmp_path / "in.tif", [values])
    typed = ("in.tif", "-k", "1 1 1", "--normalize", "-p", "valid", "--depth", depth)
    assert run(tmp_path, *typed, "-o", "out.tif") == ""
    found = np.atleast_3d(read_tiff(tmp_path / "out.tif"))
    means = (values[:, :-2].astype(float) + values[:, 1:-1] + values[:, 2:]) / 3
    if depth == "float":
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, means, rtol=1e-6)
        return
    white = (1 << int(depth)) - 1
    assert found.dtype == np.dtype(f"u{int(depth) // 8}")
    np.testing.assert_allclose(found, means * white / np.iinfo(kind).max, atol=0.5001)


def test_sixteen_bits_and_back_are_the_same_picture(tmp_path: Path) -> None:
    values = noise((8, 9, 4), "u1")
    values[values[:, :, 3] == 0] = 0
    Image.fromarray(values).save(tmp_path / "in.png")
    assert run(tmp_path, "in.png", "-k", "identity", "--depth", "16", "-o", "deep.tif") == ""
    np.testing.assert_array_equal(read_tiff(tmp_path / "deep.tif"), values.astype(int) * 257)
    assert run(tmp_path, "deep.tif", "-k", "identity", "--depth", "8", "-o", "back.png") == ""
    with Image.open(tmp_path / "back.png") as image:
        np.testing.assert_array_equal(image, values)
    # Real numbers keep the input's units, and alpha beside them.
    assert run(tmp_path, "in.png", "-k", "identity", "--depth", "float") == ""
    found = read_tiff(tmp_path / "in.identity.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :, 3], values[:, :, 3])
    is_seen = values[:, :, 3] > 0
    np.testing.assert_allclose(found[is_seen], values[is_seen], rtol=1e-6)


def test_real_numbers_are_not_clipped(tmp_path: Path) -> None:
    values = noise((8, 9), "u1")
    Image.fromarray(values).save(tmp_path / "in.png")
    assert run(tmp_path, "in.png", "-k", "-1 0 1", "-p", "valid", "--depth", "float") == ""
    found = read_tiff(tmp_path / "in.custom.tif")
    np.testing.assert_array_equal(found, values[:, 2:].astype(float) - values[:, :-2])


def test_grids_are_stretched_to_the_depth_that_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.array([[0.0, 0.5, 1.0]]))
    for depth, levels in (("8", [0, 128, 255]), ("16", [0, 32768, 65535])):
        name = f"{depth}.png"
        run(tmp_path, "in.npy", "-k", "identity", "--depth", depth, "-o", name)
        with Image.open(tmp_path / name) as image:
            assert np.asarray(image).tolist() == [levels]
    run(tmp_path, "in.npy", "-k", "identity", "--depth", "16", "-o", "out.tif")
    assert read_tiff(tmp_path / "out.tif").tolist() == [[0, 32768, 65535]]


@pytest.mark.parametrize("depth", ["8", "16", "float"])
def test_frames_have_the_depth_that_is_asked_for(tmp_path: Path, depth: str) -> None:
    pages = [noise((5, 6), "u2", seed) for seed in range(3)]
    save_pages(tmp_path / "in.tif", pages)
    assert run(tmp_path, "in.tif", "-k", "identity", "--depth", depth) == ""
    name = "in.identity.png" if depth == "8" else "in.identity.tif"
    with open_frames(str(tmp_path / name)) as source:
        found = [source.read(index).values[:, :, 0] for index in range(source.frame_count)]
    scale = 257 if depth == "8" else 1
    for values, page in zip(found, pages, strict=True):
        np.testing.assert_allclose(values, page / scale, atol=0.5001 if depth == "8" else 0)
    frames = [Image.fromarray(noise((5, 6), "u1", seed)) for seed in range(3)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    run(tmp_path, "in.gif", "-k", "identity", "--depth", depth, "--name", f"gif{depth}.tif")
    kinds = {"8": np.uint8, "16": np.uint16, "float": np.float32}
    assert read_tiff(tmp_path / f"gif{depth}.tif").dtype == kinds[depth]


def test_what_is_tiff_by_default_is_found_again(tmp_path: Path) -> None:
    first, second = (b"P5 %d 3 9\n" % width + bytes(3 * width) for width in (3, 4))
    (tmp_path / "in.pgm").write_bytes(first + second)
    frames = [Image.fromarray(noise((5, 6), "u1", seed)) for seed in range(3)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    for typed in (("in.pgm",), ("in.gif", "--depth", "16", "-f")):
        run(tmp_path, *typed, "-k", "identity")
        assert (tmp_path / "in.identity.tif").exists()
        arguments = [one for one in typed if one != "-f"]
        said = run(tmp_path, *arguments, "-k", "identity", "--skip-existing")
        assert "1 of 1 inputs skipped" in said


REFUSED = {
    ("--depth", "16", "-o", "out.jpg"): "--depth 16 goes with PNG, ",
    ("--depth", "float", "-o", "out.png"): "--depth float goes with TIFF",
    ("--depth", "8", "-o", "out.npy"): "--depth 8 goes with PNG, ",
    ("--depth", "float", "--range", "clamp"): "--range goes with pixels of 8 or 16 bits, and ",
    ("--depth", "12"): "'12' is not one of '8', '16', 'float'",
    ("--depth", "16", "--print"): "--depth 16 goes with PNG, ",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_depths_that_go_with_nothing_are_refused(tmp_path: Path, typed: tuple[str, ...]) -> None:
    said = run(tmp_path, "in.png", "-k", "identity", *typed, code=2)
    assert REFUSED[typed] in said


def test_a_region_has_the_depth_that_is_asked_for(tmp_path: Path) -> None:
    values = noise((8, 9), "u1")
    Image.fromarray(values).save(tmp_path / "in.png")
    typed = ("in.png", "-k", "-1 0 1", "--region", "4x3+2+1", "-q")
    expected = values.astype(float)
    expected[1:4, 2:6] = expected[1:4, 3:7] - expected[1:4, 1:5]
    for depth, scale in (("8", 1), ("16", 257), ("float", 1)):
        run(tmp_path, *typed, "--depth", depth, "-o", f"{depth}.tif")
        clipped = expected if depth == "float" else expected.clip(0, 255)
        np.testing.assert_array_equal(read_tiff(tmp_path / f"{depth}.tif"), clipped * scale)


def test_degrees_fill_the_depth_that_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(noise((8, 9), "u1")).save(tmp_path / "in.png")
    typed = ("in.png", "-k", "sobel-x", "-k", "sobel-y", "--combine", "direction", "-q")
    for depth in ("8", "16", "float"):
        run(tmp_path, *typed, "--depth", depth, "-o", f"{depth}.tif")
    degrees = read_tiff(tmp_path / "float.tif")
    np.testing.assert_allclose(read_tiff(tmp_path / "8.tif"), degrees / 360 * 255, atol=0.51)
    np.testing.assert_allclose(read_tiff(tmp_path / "16.tif"), degrees / 360 * 65535, atol=0.6)
