"""Kernel files: the formats that people have, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import SAMPLES

from convcli import load_kernel
from convcli.errors import KernelError, KernelFileError

MATRIX = [[1, 2.5, -3], [0, 0.5, 1e-3]]


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("k.txt", "1 2.5 -3\n0 .5 1e-3\n"),
        ("k.txt", "# weights\n\n 1\t2.5  -3 # first\r\n0 0.5 0.001"),
        ("k.csv", "1,2.5,-3\n0,0.5,0.001\n"),
        ("k.csv", "1, 2.5, -3\n0, +.5, 1E-3\n"),
        ("k.csv", "\ufeff1,2.5,-3\n0,0.5,0.001\n"),
        ("k.CSV", "1 2.5 -3\n0 0.5 0.001\n"),
        ("k.json", "[[1, 2.5, -3], [0, 0.5, 0.001]]"),
        ("k.json", '{"kernel": [[1, 2.5, -3], [0, 0.5, 1e-3]]}'),
        ("k.mat", "3 2 1 0\n1 2.5 -3\n0 0.5 0.001\n"),
        ("k.mat", "3 2\n1 2.5 -3\n0 0.5 0.001\n"),
    ],
)
def test_every_format_of_text_gives_the_same_numbers(
    tmp_path: Path, name: str, content: str
) -> None:
    kernel = load_kernel(written(tmp_path, name, content))
    np.testing.assert_allclose(kernel.matrix, MATRIX)
    assert (kernel.name, kernel.anchor, kernel.bias) == ("k", (0, 1), 0)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "f2", "i1", ">i8", "?"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_npy_of_any_real_type_gives_its_numbers(
    tmp_path: Path, dtype: str, version: tuple[int, int]
) -> None:
    array = np.array([[0, 1, 0], [1, 0, 1]]).astype(dtype)
    with (tmp_path / "k.npy").open("wb") as stream:
        np.lib.format.write_array(stream, array, version=version)
    matrix = load_kernel(f"{tmp_path}/k.npy").matrix
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3), (5, 4, 2, 3)])
def test_two_three_and_four_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    np.save(tmp_path / "k.npy", array)
    (tmp_path / "k.json").write_text(json.dumps(array.tolist()))
    for name in ("k.npy", "k.json"):
        kernel = load_kernel(f"{tmp_path}/{name}")
        np.testing.assert_array_equal(kernel.matrix, array)
        assert kernel.size == (2, 3)


def test_the_scale_of_vips_divides_and_its_offset_is_a_bias(tmp_path: Path) -> None:
    kernel = load_kernel(written(tmp_path, "k.mat", "2 1 4 100\n1 2\n"))
    np.testing.assert_array_equal(kernel.matrix, [[0.25, 0.5]])
    assert kernel.bias == 100


def test_the_scale_of_json_multiplies(tmp_path: Path) -> None:
    document = {"kernel": [[1, 2]], "scale": 4, "bias": -100, "origin": [0, 1]}
    kernel = load_kernel(written(tmp_path, "k.json", json.dumps(document)))
    np.testing.assert_array_equal(kernel.matrix, [[4, 8]])
    assert (kernel.bias, kernel.origin) == (-100, (0, 1))


def test_an_at_sign_names_a_file_whatever_it_is_called(tmp_path: Path) -> None:
    content = "1 2\n3 4\n"
    for name in ("blur.txt", "@x.csv", "1,2;3,4.txt"):
        path = written(tmp_path, name, content)
        np.testing.assert_array_equal(load_kernel(f"@{path}").matrix, [[1, 2], [3, 4]])


def test_an_at_sign_reads_an_unknown_suffix_as_text(tmp_path: Path) -> None:
    kernel = load_kernel(f"@{written(tmp_path, 'blur', '1 2')}")
    np.testing.assert_array_equal(kernel.matrix, [[1, 2]])
    with pytest.raises(KernelFileError, match="no such file"):
        load_kernel(f"@{tmp_path / 'absent'}")


@pytest.mark.parametrize(
    ("name", "shape", "total"),
    [
        ("ridge.txt", (3, 3), 0),
        ("soft.csv", (5, 5), 1),
        ("engrave.json", (3, 3), 0),
        ("luma-edges.json", (3, 3, 3), 0),
        ("bank.npy", (4, 3, 3, 3), 0),
        ("vips-blur.mat", (3, 3), 1),
    ],
)
def test_the_samples(name: str, shape: tuple[int, ...], total: float) -> None:
    kernel = load_kernel(str(SAMPLES / "kernels" / name))
    assert kernel.matrix.shape == shape
    assert kernel.sum == pytest.approx(total, abs=1e-6)


BROKEN: list[tuple[str, Any, str]] = [
    ("k.txt", "", "no numbers"),
    ("k.txt", "# nothing\n\n", "no numbers"),
    ("k.txt", "1 2\n3\n", "line 2 has 1"),
    ("k.txt", "1 2\n3 x\n", "line 2"),
    ("k.txt", "1 nan\n", "line 1"),
    ("k.txt", "1 inf\n", "line 1"),
    ("k.txt", "1 1e400\n", "line 1"),
    ("k.csv", "1,,2\n", "empty cell"),
    ("k.csv", b"\xff\xfe1,2", "not text"),
    ("k.json", "", "not JSON"),
    ("k.json", "[[1, 2], [3]]", "ragged"),
    ("k.json", "[[1, 2], 3]", "ragged"),
    ("k.json", "[[1, NaN]]", "NaN"),
    ("k.json", "[[1, Infinity]]", "Infinity"),
    ("k.json", "[[1, 1e400]]", "too large"),
    ("k.json", f"[[{'9' * 5000}]]", "digits|too large"),
    ("k.json", f"[[{'9' * 400}]]", "too large"),
    ("k.json", "[" * 100_000, "too deep"),
    ("k.json", "[[[[[1]]]]]", "too deep"),
    ("k.json", "[]", "empty"),
    ("k.json", "[[]]", "empty"),
    ("k.json", "[1, 2]", "axes"),
    ("k.json", "7", "nested lists"),
    ("k.json", '"blur"', "nested lists"),
    ("k.json", '[["1", "2"]]', "must be a number"),
    ("k.json", "[[true, false]]", "must be a number"),
    ("k.json", "{}", "keys"),
    ("k.json", '{"kernel": [[1]], "sclae": 2}', "sclae"),
    ("k.json", '{"kernel": [[1]], "kernel": [[2]]}', "twice"),
    ("k.json", '{"kernel": [[1]], "scale": 0}', "scale of 0"),
    ("k.json", '{"kernel": [[1]], "scale": "2"}', "scale must be a number"),
    ("k.json", '{"kernel": [[1]], "bias": null}', "bias must be a number"),
    ("k.json", '{"kernel": [[1, 2]], "origin": [0, 2]}', "origin"),
    ("k.json", '{"kernel": [[1, 2]], "origin": [-1, 0]}', "origin"),
    ("k.json", '{"kernel": [[1, 2]], "origin": [0]}', "origin"),
    ("k.json", '{"kernel": [[1, 2]], "origin": [0.0, 1]}', "origin"),
    ("k.json", '{"kernel": [[1, 2]], "origin": [false, true]}', "origin"),
    ("k.mat", "", "empty"),
    ("k.mat", "3 3 1\n1 2 3\n", "line 1"),
    ("k.mat", "2 2 0 0\n1 2\n3 4\n", "scale of 0"),
    ("k.mat", "2 3 1 0\n1 2\n3 4\n", "2 columns and 3 rows"),
    ("k.mat", "2 2 1 0\n", "no numbers"),
    ("k.npy", b"", "npy"),
    ("k.npy", b"no array", "npy"),
    ("k.npy", b"\x93NUMPY\x01\x00", "npy"),
]


@pytest.mark.parametrize(("name", "content", "words"), BROKEN)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(KernelFileError, match=words) as caught:
        load_kernel(path)
    assert caught.value.path == path
    assert caught.value.exit_code == 1
    assert "\n" not in caught.value.cause
    assert len(caught.value.cause) < 200


def test_a_scale_and_weights_beyond_all_numbers_are_refused(tmp_path: Path) -> None:
    for name, content in {
        "k.json": '{"kernel": [[1e300]], "scale": 1e300}',
        "k.mat": "1 1 1e-300 0\n1e300\n",
    }.items():
        with pytest.raises(KernelFileError):
            load_kernel(written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1, np.nan]]), "NaN"),
        (np.array([[1, np.inf]]), "infinity"),
        (np.array([[1j]]), "complex"),
        (np.array([["1"]]), "real numbers"),
        (np.zeros((0, 3)), "empty"),
        (np.zeros(3), "axes"),
        (np.ones((1, 1, 1, 1, 1)), "axes"),
        (np.ones((1, 10_002)), "10001"),
        (np.eye(1002), "1001"),
        (np.ones((1, 1, 1002)), "1001"),
    ],
)
def test_arrays_that_are_no_kernel(tmp_path: Path, array: Any, words: str) -> None:
    np.save(tmp_path / "k.npy", array)
    with pytest.raises(KernelFileError, match=words):
        load_kernel(f"{tmp_path}/k.npy")


def test_a_pickle_in_an_npy_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / "k.npy", np.array([[Trap()]], object), allow_pickle=True)
    with pytest.raises(KernelFileError):
        load_kernel(f"{tmp_path}/k.npy")
    assert not (tmp_path / "sprung").exists()


def test_an_npy_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "k.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f8", "fortran_order": False, "shape": (100_000, 100_000)}
        )
    with pytest.raises(KernelFileError, match=r"numbers|cut short"):
        load_kernel(f"{tmp_path}/k.npy")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KernelFileError, match="no such file") as caught:
        load_kernel(f"{tmp_path}/absent.json")
    assert isinstance(caught.value, KernelError)


def test_a_folder_is_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "k.csv").mkdir()
    with pytest.raises(KernelFileError, match="directory"):
        load_kernel(f"{tmp_path}/k.csv")
