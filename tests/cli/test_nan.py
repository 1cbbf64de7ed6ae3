"""`--nan`: what becomes of NaN in grids and float pictures, and what cannot be written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from support.command import here

ADVICE = "apply --nan keep or --nan skip takes NaN"


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """A grid of 4x3 with NaN at one place, in every format that holds it."""
    tifffile = pytest.importorskip("tifffile")
    values = np.arange(12.0).reshape(4, 3)
    values[1, 2] = np.nan
    np.save(tmp_path / "in.npy", values)
    np.savetxt(tmp_path / "in.csv", values, delimiter=",")
    (tmp_path / "in.txt").write_text("0 1 2\n3 4 NaN\n6 7 8\n9 10 11\n")
    tifffile.imwrite(tmp_path / "in.tif", values.astype(np.float32))
    scale = b"-1.0\n"
    pixels = values[::-1].astype("<f4").tobytes()
    (tmp_path / "in.pfm").write_bytes(b"Pf\n3 4\n" + scale + pixels)
    return tmp_path


SOURCES = ("in.npy", "in.csv", "in.txt", "in.tif", "in.pfm")


@pytest.mark.parametrize("source", SOURCES)
def test_nan_is_refused_kept_or_skipped(grid: Path, source: str) -> None:
    done = here("apply", source, "-k", "ones:3", "-p", "valid", "--print", cwd=grid)
    assert (done.code, done.text) == (1, "")
    assert done.stderr.endswith(f"{ADVICE}\n")
    assert done.stderr.count("\n") == 1
    for nan, expected in (("keep", ["nan", "nan"]), ("skip", ["34.875", "65.25"])):  # of 31 and 58
        arguments = ("-k", "ones:3", "-p", "valid", "--nan", nan, "--print")
        done = here("apply", source, *arguments, cwd=grid)
        assert (done.code, done.text.split(), done.stderr) == (0, expected, "")


@pytest.mark.parametrize("output", ["out.npy", "out.csv", "out.tif"])
def test_nan_is_written_and_read_again(grid: Path, output: str) -> None:
    done = here("apply", "in.npy", "-k", "identity", "--nan", "keep", "-o", output, cwd=grid)
    assert (done.code, done.stderr) == (0, "")
    done = here("apply", output, "-k", "ones:1", "--nan", "keep", "--print", cwd=grid)
    assert done.code == 0
    found = np.loadtxt(io.StringIO(done.text))
    expected = np.full((4, 3), np.nan)
    rows, columns = np.indices((4, 3))
    is_far = (abs(rows - 1) > 1) | (abs(columns - 2) > 1)
    expected[is_far] = np.arange(12.0).reshape(4, 3)[is_far]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("output", ["out.png", "out.jpg"])
def test_pixels_hold_no_nan(grid: Path, output: str) -> None:
    done = here("apply", "in.tif", "-k", "box:3", "--nan", "keep", "-o", output, cwd=grid)
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert "in.tif: its map holds 6 NaN, which pixels of 8 bits cannot; write .npy" in done.stderr
    assert not (grid / output).exists()
    done = here("apply", "in.tif", "-k", "box:3", "--nan", "skip", "-o", output, cwd=grid)
    assert done.code == 0, done.stderr


def test_what_is_flat_but_for_nan_is_mid_gray(tmp_path: Path) -> None:
    values = np.full((9, 9), 0.1)
    values[4, 4] = np.nan
    np.save(tmp_path / "in.npy", values)
    done = here("apply", "in.npy", "-k", "gaussian:1", "--nan", "skip", "-o", "x.png", cwd=tmp_path)
    assert "every value is 0.1, but for rounding errors; drawn as mid-gray" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-k", "sobel-x"), 2, "kernel 'sobel-x' sums to 0, and --nan skip divides by the sum"),
        (("-k", "1,-1"), 2, "kernel '1,-1' sums to 0"),
        (("-l", "conv:kernel=sobel-y"), 2, "kernel 'sobel-y' sums to 0"),
        (("-k", "edge.csv"), 1, "edge.csv: sums to 0, and --nan skip"),
        (("-l", "tconv:kernel=ones:2"), 2, "spreads each value, and --nan skip leaves values out"),
    ],
)
def test_what_cannot_be_renormalized_is_refused(
    grid: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (grid / "edge.csv").write_text("1,-1\n")
    done = here("apply", "in.npy", *arguments, "--nan", "skip", "--print", cwd=grid)
    assert (done.code, done.text, done.stderr.count("\n")) == (code, "", 1)
    assert message in done.stderr
    assert here("apply", "in.npy", *arguments, "--nan", "keep", "--print", cwd=grid).code == 0


def test_infinity_and_kernels_are_refused_as_before(grid: Path) -> None:
    np.save(grid / "infinite.npy", [[1.0, np.inf], [np.nan, 1.0]])
    done = here("apply", "infinite.npy", "-k", "box:3", "--nan", "keep", "--print", cwd=grid)
    assert done.stderr == (
        "convcli: infinite.npy: holds NaN or infinity, which no filter can use\n"
    )
    for kernel in ("in.npy", "in.csv"):
        done = here("apply", "in.npy", "-k", kernel, "--nan", "keep", "--print", cwd=grid)
        assert (done.code, "--nan" in done.stderr) == (1, False)


def test_layers_see_nan_and_a_figure_draws_it(grid: Path) -> None:
    layers = ("-l", "relu", "-l", "maxpool:2,s=1", "-l", "conv:kernel=ones:2,p=valid")
    done = here("apply", "in.npy", *layers, "--nan", "keep", "--print", cwd=grid)
    assert done.text == "nan\nnan\n"
    done = here("apply", "in.npy", *layers, "--nan", "skip", "--print", cwd=grid)
    assert [float(number) for number in done.text.split()] == pytest.approx([22, 28 * 4 / 3])
    figure = ("--figure", "f.svg")
    done = here("apply", "in.npy", "-k", "ones:3", "--nan", "keep", *figure, cwd=grid)
    assert done.code == 0
    assert "6 NaN, in purple" in (grid / "f.svg").read_text()
