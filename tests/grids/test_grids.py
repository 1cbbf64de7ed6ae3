"""Grids of numbers: text and `.npy` files to values, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convcli.errors import GridError
from convcli.grids import NUMBER_SUFFIXES, open_grid, write_grid
from convcli.images.read import read_input

Array = NDArray[Any]


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_a_grid_is_read_from_text_and_from_npy(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2.5\n-3,4e2\n")
    (tmp_path / "a.txt").write_text("# numbers\n1 2.5\n\n-3   4e2 # more\n")
    np.save(tmp_path / "a.npy", [[1.0, 2.5], [-3.0, 400.0]])
    for suffix in ("csv", "txt", "npy"):
        picture = read_input(f"{tmp_path}/a.{suffix}")
        np.testing.assert_array_equal(picture.values[..., 0], [[1, 2.5], [-3, 400]])
        assert (picture.depth, picture.notes) == (None, ())


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">f4", "<f8", "?"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 5)])
def test_an_npy_keeps_its_type_and_its_channels(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    array = noise(*shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    values = read_input(f"{tmp_path}/a.npy").values
    np.testing.assert_array_equal(values, np.atleast_3d(array))
    assert values.dtype == array.dtype.newbyteorder("=")


def test_an_npy_of_python_2_is_read_without_a_warning(tmp_path: Path) -> None:
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (2L, 3L), }".ljust(118) + b"\n"
    content = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(content + np.arange(6, dtype="<i4").tobytes())
    values = read_input(f"{tmp_path}/a.npy").values
    np.testing.assert_array_equal(values[..., 0], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3, 4), (0, 3)])
def test_a_grid_has_two_or_three_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(GridError):
        read_input(f"{tmp_path}/a.npy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no numbers"),
        ("1,2\n3\n", "line 2 has 1 numbers, the first row has 2"),
        ("1,two\n", "line 1, column 3: 'two' is not a number"),
        ("1,nan\n", "line 1, column 3: 'nan' is not a number"),
        ("1,0x10\n", "line 1"),
        ("1,1_000\n", "line 1"),
        ("1,1e999\n", "too large"),
    ],
)
def test_a_bad_grid_is_refused_by_line_and_word(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(GridError, match=words):
        read_input(f"{tmp_path}/a.csv")


@pytest.mark.parametrize("suffix", NUMBER_SUFFIXES)
def test_numbers_that_are_written_are_read_back(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4)) * 10.0 ** np.arange(-200, 200, 100)
    with (tmp_path / f"a{suffix}").open("wb") as stream:
        write_grid(stream, values, suffix)
    with open_grid(f"{tmp_path}/a{suffix}", max_values=12) as grid:
        assert (grid.shape, grid.dtype) == ((3, 4), np.dtype(np.float64))
        np.testing.assert_array_equal(grid.read(), values)


def test_more_numbers_than_allowed_are_refused(tmp_path: Path) -> None:
    for suffix in NUMBER_SUFFIXES:
        with (tmp_path / f"a{suffix}").open("wb") as stream:
            write_grid(stream, np.zeros((3, 4)), suffix)
        with (
            pytest.raises(GridError, match="holds 12 numbers; the most is 11"),
            open_grid(f"{tmp_path}/a{suffix}", max_values=11),
        ):
            pass
