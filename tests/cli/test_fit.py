"""`fit`: what `apply` made is found again, and written so that `apply` makes it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES, Finished, here
from support.hostile import command

from convcli import filter2d, load_kernel

KEYS = [
    *("kernel", "bias", "rms", "explained", "nearest", "errors", "bias_error"),
    *("pairs", "pixels", "clipped", "total"),
]
RNG = np.random.default_rng(1)
WIDTH = 80


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small photograph."""
    Image.open(SAMPLES / "cat.jpg").crop((150, 100, 310, 220)).save(tmp_path / "cat.png")
    return tmp_path


def run(folder: Path, *arguments: str | Path) -> Finished:
    done = here(*arguments, cwd=folder)
    assert done.code == 0, done.stderr
    return done


def document(folder: Path, *arguments: str | Path) -> Any:
    found = json.loads(run(folder, "fit", *arguments, "--json").text)
    assert list(found) == KEYS
    return found


def refused(folder: Path, *arguments: str | Path, code: int) -> str:
    before = sorted(folder.rglob("*"))
    done = here("fit", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (code, b""), done.text
    assert done.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
    return done.stderr


def pixels(path: Path) -> NDArray[Any]:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("spec", ["sharpen", "gaussian-5x5", "roberts-1", "unsharp:1:1.5"])
def test_a_kernel_that_was_applied_is_found_and_applied_again(folder: Path, spec: str) -> None:
    run(folder, "apply", "cat.png", "-k", spec, "--bias", "10", "-o", "after.png", "-q")
    size = load_kernel(spec).size
    text = run(
        folder, "fit", "cat.png", "after.png", "-k", f"{size[0]}x{size[1]}", "--bias",
        "-o", "found.json",
    ).text  # fmt: skip
    assert f"nearest kernel with a name: {spec}, " in text
    found = load_kernel(folder / "found.json")
    assert found.bias == pytest.approx(10, abs=0.1)
    assert_allclose(found.matrix, load_kernel(spec).matrix, atol=2e-2)
    run(folder, "apply", "cat.png", "-k", "found.json", "-o", "again.png", "-q")
    first, second = (pixels(folder / name).astype(int) for name in ("after.png", "again.png"))
    assert np.abs(first - second).max() <= 1


def test_the_document_holds_what_was_found(folder: Path) -> None:
    run(folder, "apply", "cat.png", "-k", "emboss", "-o", "after.png", "-q")
    found = document(folder, "cat.png", "after.png", "-k", "3")
    assert found["kernel"] == load_kernel("emboss").matrix.tolist()
    assert (found["bias"], found["bias_error"], found["pairs"]) == (0.0, None, 1)
    assert found["nearest"] == {"name": "emboss", "distance": 0.0}
    assert np.shape(found["errors"]) == (3, 3)
    assert found["explained"] == pytest.approx(1)
    assert found["rms"] == pytest.approx(0, abs=1e-9)
    assert found["pixels"] + found["clipped"] == found["total"] == 158 * 118 * 3
    assert found["clipped"] > 0


def test_a_kernel_file_on_standard_output_is_all_that_is_there(folder: Path) -> None:
    done = run(folder, "fit", "cat.png", "cat.png", "-k", "1", "-o", "-")
    assert json.loads(done.text) == {"kernel": [[1.0]], "bias": 0.0}


@pytest.mark.parametrize("size", ["1", "3", "5", "9", "15", "2x16", "16x2"])
def test_the_text_fits_eighty_columns(folder: Path, size: str) -> None:
    run(folder, "apply", "cat.png", "-k", "gaussian:1.5", "-o", "after.png", "-q")
    text = run(folder, "fit", "cat.png", "after.png", "-k", size).text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "explains " in text
    height = int(size.partition("x")[0])
    assert ("standard errors" in text) == (size != "2x16")
    rows = [line for line in text.splitlines() if line.lstrip(" -")[:1].isdigit()]
    assert len(rows) >= height or size == "2x16"


def test_weights_that_are_uncertain_are_said_to_be(folder: Path) -> None:
    noise = RNG.normal(size=(7, 7))
    np.save(folder / "a.npy", noise)
    np.save(folder / "b.npy", RNG.normal(size=(7, 7)))
    text = run(folder, "fit", "a.npy", "b.npy", "-k", "3").text
    for words in ("uncertain", "no kernel with a name is near", "a larger -k or --bias"):
        assert words in text
    np.save(folder / "a.npy", noise[:5, :5])
    text = run(folder, "fit", "a.npy", "a.npy", "-k", "3").text
    assert "no more values than unknowns" in text


def test_without_its_border_after_is_smaller(folder: Path) -> None:
    run(folder, "apply", "cat.png", "-k", "blur", "-p", "valid", "-o", "after.png", "-q")
    assert document(folder, "cat.png", "after.png", "-k", "3")["nearest"]["name"] == "blur"


def test_gray_depth_and_floats(folder: Path) -> None:
    run(folder, "apply", "cat.png", "-k", "blur", "--gray", "-o", "gray.png", "-q")
    assert "--gray converts it first" in refused(folder, "cat.png", "gray.png", "-k", "3", code=1)
    found = document(folder, "cat.png", "gray.png", "-k", "3", "--gray")
    assert found["nearest"]["name"] == "blur"
    deep = RNG.integers(0, 65536, (40, 50), np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    run(folder, "apply", "deep.png", "-k", "sharpen", "-o", "after.png", "-q")
    found = document(folder, "deep.png", "after.png", "-k", "3")
    assert (found["nearest"]["name"], found["clipped"] > 0) == ("sharpen", True)
    run(folder, "apply", "deep.png", "-k", "sharpen", "-o", "after.npy", "-q")
    found = document(folder, "deep.png", "after.npy", "-k", "3")
    assert (found["nearest"]["name"], found["clipped"]) == ("sharpen", 0)
    message = refused(folder, "cat.png", "deep.png", "-k", "3", code=1)
    assert "deep.png: has 16 bits a value, and cat.png 8" in message


def test_folders_are_pairs_by_name(folder: Path) -> None:
    for name in ("before/sub", "after/sub"):
        (folder / name).mkdir(parents=True)
    for index, name in enumerate(("a", "a.2", "sub/a")):
        before = RNG.integers(90, 160, (20 + index, 30), np.uint8)
        Image.fromarray(before).save(folder / "before" / f"{name}.png")
        after = filter2d(before, load_kernel("sharpen"))
        Image.fromarray(after).save(folder / "after" / f"{name}.sharpen.png")
    found = document(folder, "before", "after", "-k", "3")
    assert (found["pairs"], found["nearest"]["name"]) == (3, "sharpen")
    text = run(folder, "fit", "before", "after", "-k", "3").text
    assert "values of 3 pairs" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("cat.png", "cat.png"), 2, "Missing option '-k'"),
        (("cat.png", "cat.png", "-k", "sharpen"), 2, "N or HxW"),
        (("cat.png", "cat.png", "-k", "0"), 2, "at least 1"),
        (("cat.png", "cat.png", "-k", "33"), 2, "1,089 weights"),
        (("cat.png", "cat.png", "-k", "3", "-o", "x.png"), 2, "must end in .json"),
        (("cat.png", "cat.png", "-k", "3", "-f"), 2, "--force goes with"),
        (("cat.png", "cat.png", "-k", "3", "--figure", "x.gif"), 2, "must end in .png or .svg"),
        (("cat.png", "cat.png", "-k", "3", "--theme", "dark"), 2, "--theme goes with --figure"),
        (("cat.png", "cat.png", "-k", "3", "--scale", "2"), 2, "--scale goes with --figure"),
        (("cat.png", "cat.png", "-k", "3", "--json", "-o", "-"), 2, "exclude each other"),
        (("-", "-", "-k", "3"), 2, "standard input is one picture"),
        (("cat.png", "none.png", "-k", "3"), 1, "none.png: no such file"),
        (("cat.png", ".", "-k", "3"), 1, ".: is a folder, and the other is not"),
        (("cat.png", "small.png", "-k", "3"), 1, "small.png: beside cat.png: before is 120x160"),
        (("flat.png", "flat.png", "-k", "3"), 1, "flat.png: the picture before is of one value"),
        (("clear.png", "clear.png", "-k", "3"), 1, "clear.png: is transparent in places"),
        (("nan.npy", "nan.npy", "-k", "3"), 1, "nan.npy: "),
        (("empty", "empty", "-k", "3"), 1, "empty: has no pictures in it"),
        (("one", "two", "-k", "3"), 1, "needs one picture of its name in two; there is none"),
        (("two", "both", "-k", "3"), 1, "both/a.png: has no picture of its name in two"),
        (("cat.png", "cat.png", "-k", "3", "-o", "no/x.json"), 1, "the folder no does not exist"),
        (("cat.png", "cat.png", "-k", "3", "-o", "old.json"), 1, "exists already"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(
    folder: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    Image.new("L", (20, 20), 7).save(folder / "flat.png")
    Image.new("RGB", (60, 50)).save(folder / "small.png")
    Image.new("LA", (20, 20), (7, 9)).save(folder / "clear.png")
    np.save(folder / "nan.npy", np.full((9, 9), np.nan))
    (folder / "old.json").write_text("old")
    for name in ("empty", "one", "two", "both"):
        (folder / name).mkdir()
    for name in ("one/a.png", "two/b.png", "both/a.png", "both/b.png"):
        Image.new("L", (20, 20), 7).save(folder / name)
    assert words in refused(folder, *arguments, code=code)


@pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
def test_the_figure_is_drawn_beside_what_is_printed(folder: Path, name: str) -> None:
    run(folder, "apply", "cat.png", "-k", "sharpen", "-o", "after.png", "-q")
    arguments = ("fit", "cat.png", "after.png", "-k", "3")
    done = run(folder, *arguments, "--figure", name)
    assert done.text == run(folder, *arguments).text
    light = (folder / name).read_bytes()
    assert "exists already" in refused(folder, *arguments[1:], "--figure", name, code=1)
    run(folder, *arguments, "--figure", name, "-f", "--theme", "dark", "--scale", "2")
    assert (folder / name).read_bytes() != light
    if name.endswith(".svg"):
        for words in ("cat.png", "after.png", "nearest: sharpen, the same", "explains 100 %"):
            assert words in light.decode()


def test_an_input_is_never_replaced(folder: Path) -> None:
    for name in ("a.json", "b.png"):
        (folder / name).write_bytes((folder / "cat.png").read_bytes())
    message = refused(folder, "a.json", "b.png", "-k", "3", "-o", "a.json", "-f", code=1)
    assert "an input is never replaced" in message


@pytest.mark.slow
def test_24_megapixels_fit_in_500_megabytes(tmp_path: Path) -> None:
    tile = RNG.integers(0, 256, (200, 300, 3), np.uint8)
    before = np.tile(tile, (20, 20, 1))
    after = filter2d(before, load_kernel("sharpen"))
    for name, values in (("before", before), ("after", after)):
        header = b"P6 6000 4000 255\n"
        (tmp_path / f"{name}.ppm").write_bytes(header + values.tobytes())
    ended = command("fit", "before.ppm", "after.ppm", "-k", "3", "--json", cwd=tmp_path)
    assert ended.code == 0
    assert json.loads(ended.stdout)["nearest"] == {"name": "sharpen", "distance": 0.0}
    assert ended.megabytes < 500
    assert ended.seconds < 20
