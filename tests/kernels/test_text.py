"""Kernels as text: ImageMagick's kernel strings, brackets and fractions, typed and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.command import here

from convcli import load_kernel
from convcli.errors import ConvError, KernelFileError

# What `convert` 6.9.11 makes of an impulse of 1 in the middle of 5x5 zeros, by
# `-morphology Correlate` and `-morphology Convolve`, each as the rows that are not zero.
MAGICK = [
    ("3x2: 1,2,3 4,5,6",
     {1: [0, 6, 5, 4, 0], 2: [0, 3, 2, 1, 0]}, {2: [0, 1, 2, 3, 0], 3: [0, 4, 5, 6, 0]}),
    ("3x2+0+1: 1,2,3 4,5,6",
     {2: [6, 5, 4, 0, 0], 3: [3, 2, 1, 0, 0]}, {1: [0, 0, 1, 2, 3], 2: [0, 0, 4, 5, 6]}),
    ("3x3: 1,nan,3 4,-,6 0,0,0",
     {2: [0, 6, 0, 4, 0], 3: [0, 3, 0, 1, 0]}, {1: [0, 1, 0, 3, 0], 2: [0, 4, 0, 6, 0]}),
    ("3: 1,2,3 4,5,6 7,8,9",
     {1: [0, 9, 8, 7, 0], 2: [0, 6, 5, 4, 0], 3: [0, 3, 2, 1, 0]},
     {1: [0, 1, 2, 3, 0], 2: [0, 4, 5, 6, 0], 3: [0, 7, 8, 9, 0]}),
    ("4x1: 1,2,3,4", {2: [4, 3, 2, 1, 0]}, {2: [0, 1, 2, 3, 4]}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "correlated", "convolved"), MAGICK)
@pytest.mark.parametrize("as_file", [False, True])
def test_a_kernel_string_filters_as_imagemagick_does(
    tmp_path: Path,
    spec: str,
    correlated: dict[int, list[float]],
    convolved: dict[int, list[float]],
    *,
    as_file: bool,
) -> None:
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    np.save(tmp_path / "x.npy", impulse)
    if as_file:
        (tmp_path / "k.txt").write_text(spec.replace(" ", "\n") + "\n")
        spec = "k.txt"
    for flags, rows in ((["--padding-mode", "zero"], correlated), (["--flip"], convolved)):
        done = here("apply", "x.npy", "-k", spec, "-o", "y.npy", "-f", *flags, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        expected = [rows.get(row, [0.0] * 5) for row in range(5)]
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


@pytest.mark.parametrize(
    ("spec", "matrix", "origin"),
    [
        ("3x3:0,-1,0 -1,5,-1 0,-1,0", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], (1, 1)),
        ("3x1+2+0: 1/4,1/2,1/4,", [[0.25, 0.5, 0.25]], (0, 2)),
        ("2x2: 1,2 3,4", [[1, 2], [3, 4]], (0, 0)),
        ("1x3+0+2: NaN\n-\n-1", [[0], [0], [-1]], (2, 0)),
        ("[2]", [[2]], (0, 0)),
        ("1/9", [[1 / 9]], (0, 0)),
        ("[1 2; 3 4]", [[1, 2], [3, 4]], (0, 0)),
        ("[0, -1/4, 0;\n -.25, 2, -1/4;\n 0, -1/4, 0];",
         [[0, -0.25, 0], [-0.25, 2, -0.25], [0, -0.25, 0]], (1, 1)),
        ("1,2,; 3,4,", [[1, 2], [3, 4]], (0, 0)),
        ("1,5; 2,5", [[1, 5], [2, 5]], (0, 0)),
    ],
)  # fmt: skip
def test_weights_may_be_typed_in_many_ways(
    spec: str, matrix: list[list[float]], origin: tuple[int, int]
) -> None:
    kernel = load_kernel(spec)
    np.testing.assert_array_equal(kernel.matrix, matrix)
    assert (kernel.name, kernel.anchor, kernel.notes) == ("custom", origin, ())


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("3x3: 1,2,3 4,5,6", "3x3: has 6 values, and 3x3 takes 9"),
        ("3x2: 1 2 3 4 5 6 7", "3x2: has 7 values, and 3x2 takes 6"),
        ("3x1+3+0: 1,2,3", "origin .* lies outside 1x3"),
        ("3x1: 1,,3", "empty cell"),
        ("3x1:", "no numbers"),
        ("3x1: 1,x,3", "'x' is not a number"),
        ("0x0: 1", "takes 0"),
        ("99999x1: 1", "too large"),
        ("3x1+1: 1,2,3", "unknown kernel"),
        ("3x1>: 1,2,3", "unknown kernel"),
        ("3x1: 1,2,3; 1x1: 4", "not a number"),
        ("1,5 2,5; 3,5 4,5", "decimal commas or columns"),
        ("[[0,1],[1,0]]", "brackets go around a whole matrix"),
        ("[1 2", "brackets"),
        ("1/0 2", "divides by zero"),
        ("2", r"a size, not weights; .*; \[2\] is a single weight"),
    ],
)
def test_what_is_wrong_with_typed_weights_is_said(spec: str, words: str) -> None:
    with pytest.raises(ConvError, match=words) as caught:
        load_kernel(spec)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("k.txt", "3x3: 1,2,3 4,5,6", "3x3: has 6 values, and 3x3 takes 9"),
        ("k.txt", "99999x9999: 1", "too large"),
        ("k.txt", "1x1+0+1: 1", "origin"),
        ("k.tsv", "1,5\t2,5\n", "decimal commas or columns"),
        ("k.csv", "1/0;2\n", "divides by zero"),
    ],
)
def test_what_is_wrong_with_a_kernel_file_is_said(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(KernelFileError, match=words):
        load_kernel(f"{tmp_path}/{name}")


def test_kernel_files_of_utf_16_and_of_tabs(tmp_path: Path) -> None:
    for name, content in {
        "a.tsv": b"1\t2\n3\t4\n",
        "b.csv": "1,5;2\n3;4\n".encode("utf-16"),
        "c.json": "[[1, 2], [3, 4]]".encode("utf-16"),
        "d.txt": "[1 2; 3 4]".encode("utf-16-be").join([b"\xfe\xff", b""]),
    }.items():
        (tmp_path / name).write_bytes(content)
        expected = [[1.5 if name == "b.csv" else 1, 2], [3, 4]]
        np.testing.assert_array_equal(load_kernel(f"{tmp_path}/{name}").matrix, expected)


NINE = "0 -1 0 -1 5 -1 0 -1 0"


@pytest.mark.parametrize(
    "command",
    [
        ["apply", "x.csv", "-k", NINE, "-o", "y.csv"],
        ["explain", "x.csv", "-k", NINE, "--at", "0,0", "-p", "same"],
        ["kernels", NINE],
    ],
)
def test_nine_numbers_in_one_row_are_noted(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    done = here(*command, cwd=tmp_path)
    note = "1x9: 9 numbers in one row; rows are separated by ;\n"
    assert (done.code, done.stderr) == (0, f"convcli: inline kernel: {note}")


def test_notes_of_kernel_files_and_grids_name_them_once(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(NINE)
    common = ["apply", "x.csv", "-k", "@x.csv", "-k", "@x.csv", "-o", "y.npy", "-f"]
    done = here(*common, cwd=tmp_path)
    note = "x.csv: 1x9: 9 numbers in one row; rows stand in lines of their own"
    assert (done.code, done.stderr) == (0, f"convcli: {note}\nconvcli: {note}\n")
    assert here(*common, "-q", cwd=tmp_path).stderr == ""
