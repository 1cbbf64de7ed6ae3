"""`.npy` files: headers that lie are refused, and rows are what NumPy reads."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.errors import GridError
from convcli.grids.npy import CHANGED, CUT, load_npy, open_rows

MOST = 1 << 20
VALUES = np.random.default_rng(0).integers(0, 255, (7, 5, 3))


def npy(header: str, content: bytes = bytes(4096)) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + content


def with_header(**fields: object) -> bytes:
    header = {"descr": "'<f8'", "fortran_order": "False", "shape": "(2, 2)", **fields}
    return npy("{" + ", ".join(f"'{name}': {text}" for name, text in header.items()) + "}")


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"shape": "(True, True)"}, "its shape is (True, True)"),
        ({"shape": "(1, True)"}, "its shape is"),
        ({"shape": "(-2, -2)"}, "its shape is (-2, -2)"),
        ({"shape": "(-2, 2)"}, "its shape is"),
        ({"shape": f"({10**18}, 0)"}, "is empty"),
        ({"shape": f"({10**25}, 2)"}, "its shape is"),
        ({"shape": f"(0, {10**3000})"}, "its shape is"),
        ({"shape": f"({2**61}, {2**61}, {2**61})"}, "numbers; the most is"),
        ({"shape": "(" + "1, " * 60 + ")"}, "its shape is"),
        ({"shape": "(2.0, 2)"}, "is not a .npy array"),
        ({"shape": "[2, 2]"}, "is not a .npy array"),
        ({"shape": "(512, 512)"}, "is cut short: its header says (512, 512)"),
        ({"descr": "'|O'"}, "holds object, not real numbers"),
        ({"descr": "[('a', '<f8'), ('b', '<i4')]"}, "not real numbers"),
        ({"descr": "('<f8', (2, 2))"}, "not real numbers"),
        ({"descr": "'<c16'"}, "not real numbers"),
        ({"descr": "'<M8[s]'"}, "not real numbers"),
        ({"descr": "'<U4'"}, "not real numbers"),
        ({"descr": "'<f16'"}, "not real numbers"),
        ({"descr": "'V0'"}, "not real numbers"),
        ({"fortran_order": "2"}, "is not a .npy array"),
        ({"more": "1"}, "is not a .npy array"),
    ],
    ids=lambda value: ascii(str(value))[:40],
)
def test_a_header_that_lies_is_refused(fields: dict[str, object], cause: str) -> None:
    with pytest.raises(GridError) as caught:
        load_npy(io.BytesIO(with_header(**fields)), "x.npy", MOST)
    assert cause in caught.value.cause
    assert len(caught.value.cause) < 200


ARRAYS: list[Any] = [
    VALUES.astype(dtype, order=order)
    for dtype in ("<f4", ">f4", "<i8", ">u2", "?", "<f2")
    for order in ("C", "F")
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays_are_what_numpy_reads(array: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for values in (array, array[:, :, 0]):
        np.save(path, values)
        with path.open("rb") as stream:
            loaded = load_npy(stream, "x.npy", MOST)
        expected = np.load(path)
        np.testing.assert_array_equal(loaded, expected)
        assert loaded.dtype == expected.dtype
        with open_rows(str(path), MOST) as rows:
            planes = np.atleast_3d(expected).transpose(2, 0, 1)
            assert (rows.shape, rows.dtype) == (planes.shape, expected.dtype)
            for part in (slice(2, 5), slice(1, 7, 3), slice(3, 3), np.array([6, 0, 1, 1, 5])):
                np.testing.assert_array_equal(rows[..., part, 1:4], planes[:, part, 1:4])


@pytest.mark.parametrize("size", [100, 5000])
def test_a_file_that_shrinks_is_an_error(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((100, 100)))
    with open_rows(str(path), MOST) as rows:
        os.truncate(path, size)
        with pytest.raises(GridError, match=CUT):
            rows[..., 60:70, :]
    np.save(path, np.zeros((100, 100)))
    with path.open("rb", buffering=0) as stream:
        header = stream.read(128)

        class Shrinking(io.BytesIO):
            def readinto(self, target: Any) -> int:  # noqa: ARG002  # as its base has it
                return 0

        with pytest.raises(GridError, match=CUT):
            load_npy(Shrinking(header + bytes(80_000)), "x.npy", MOST)


def test_a_file_that_changes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((10, 10)))
    with open_rows(str(path), MOST) as rows:
        rows.check_unchanged()
        np.save(path, np.ones((10, 10)))
        os.utime(path, (1, 1))
        with pytest.raises(GridError, match=CHANGED):
            rows.check_unchanged()
