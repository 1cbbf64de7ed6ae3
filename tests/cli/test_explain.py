"""`explain`: what it writes down is true, adds up, and is what `apply` makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES, Finished, convcli, here
from support.oracles import MODES, convolve, pad

KEYS = ["at", "slice", "window", "kernel", "products", "sum", "bias", "value"]
GRID = SAMPLES / "grid5.csv"
KERNELS = SAMPLES / "kernels"
NUMBER = r"\(?-?[0-9.e+-]+\)?"


def explained(folder: Path, *arguments: str | Path) -> str:
    done = here("explain", *arguments, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    return done.text


def documents(folder: Path, *arguments: str | Path) -> Any:
    return json.loads(explained(folder, *arguments, "--json"))


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done: Finished = here("explain", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (code, b""), done.text
    assert done.stderr.count("\n") == 1
    return done.stderr


def grid() -> NDArray[Any]:
    return np.loadtxt(GRID, delimiter=",")


# ---- text --------------------------------------------------------------------------------------


def test_window_kernel_and_products_stand_side_by_side(tmp_path: Path) -> None:
    done = convcli("explain", GRID, "-k", "sobel-x", "--at", "0,1", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.text.splitlines() == [
        "Y[0,1] = sum(W * X[0:3, 1:4]) = 0",
        "",
        "X[0:3, 1:4]   W            products",
        "2  0  1       -1   0   1   -2   0   1",
        "1  3  1     * -2   0   2 = -2   0   2",
        "1  0  2       -1   0   1   -1   0   2",
        "",
        "(-2) + 0 + 1 + (-2) + 0 + 2 + (-1) + 0 + 2 = 0",
    ]


@pytest.mark.parametrize("options", [(), ("-p", "same"), ("-p", "2", "-s", "2", "-d", "2")])
@pytest.mark.parametrize("bias", ["0", "-2.5"])
def test_the_sum_that_is_written_down_adds_up(
    tmp_path: Path, options: tuple[str, ...], bias: str
) -> None:
    text = explained(tmp_path, GRID, "-k", "sharpen", "--at", "1,0", "--bias", bias, *options)
    head, last = text.splitlines()[0], text.splitlines()[-1]
    left, right = last.split(" = ")
    assert eval(left) == float(right) == float(head.rpartition(" = ")[2])


def test_padding_stands_in_brackets(tmp_path: Path) -> None:
    text = explained(tmp_path, GRID, "-k", "ones:3", "--at", "0,3", "-p", "1.2.0.3")
    rows = [re.findall(NUMBER, line)[:3] for line in text.splitlines()[3:6]]
    assert rows == [["(1)", "(2)", "(2)"], ["1", "2", "(2)"], ["1", "0", "(0)"]]


def test_several_positions_come_in_the_order_that_they_were_asked_for(tmp_path: Path) -> None:
    text = explained(tmp_path, GRID, "-k", "ones:3", "--at", "2,1", "--at", "0, 0")
    assert re.findall(r"^Y\[.*?\]", text, re.MULTILINE) == ["Y[2,1]", "Y[0,0]"]


def test_every_channel_is_explained_and_told_apart(tmp_path: Path) -> None:
    text = explained(tmp_path, SAMPLES / "cat.jpg", "-k", "blur", "--at", "7,9")
    pixels = np.asarray(Image.open(SAMPLES / "cat.jpg"), float)[7:10, 9:12]
    blur = np.outer([1, 2, 1], [1, 2, 1]) / 16
    values = (pixels * blur[:, :, np.newaxis]).sum((0, 1))
    heads = [line for line in text.splitlines() if line.startswith("Y")]
    assert_allclose([float(line.rpartition(" = ")[2]) for line in heads], values, rtol=1e-5)
    assert len({line.partition(" = ")[0] for line in heads}) == 3


def test_a_kernel_that_sums_channels_shows_them_all(tmp_path: Path) -> None:
    kernel = KERNELS / "luma-edges.json"
    text = explained(tmp_path, SAMPLES / "cat.jpg", "-k", kernel, "--at", "20,30")
    assert [line for line in text.splitlines() if line.startswith("channel")] != []
    assert len(re.findall(r"^channel [012]", text, re.MULTILINE)) == 3
    left, right = text.splitlines()[-1].split(" = ")
    assert left.count(" + ") == 26
    assert eval(left) == pytest.approx(float(right), abs=0.01)


def test_a_true_convolution_shows_the_kernel_as_it_is_applied(tmp_path: Path) -> None:
    found = documents(tmp_path, GRID, "-k", "1 2; 3 4", "--flip", "--at", "0,0")
    assert found["kernel"] == [[4, 3], [2, 1]]


@pytest.mark.parametrize(
    ("pool", "at", "head"),
    [
        ("max:2", "1,1", "Y[1,1] = max(X[2:4, 2:4]) = 2"),
        ("avg:2,s=1", "0,0", "Y[0,0] = mean(X[0:2, 0:2]) = 4 / 4 = 1"),
        ("avg:3,p=1,s=2,ceil,nopad", "0,0", "Y[0,0] = mean(X[-1:2, -1:2]) = 4 / 4 = 1"),
        ("avg:2,ceil", "2,2", "Y[2,2] = mean(X[4:6, 4:6]) = 1 / 1 = 1"),
        ("max:2,d=2,s=1", "0,0", "Y[0,0] = max(X[0:3:2, 0:3:2]) = 2"),
    ],
)
def test_a_pool_is_explained(tmp_path: Path, pool: str, at: str, head: str) -> None:
    assert explained(tmp_path, GRID, "--pool", pool, "--at", at).splitlines()[0] == head


# ---- im2col ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "kernel", "options"),
    [
        ("grid5.csv", "ones:3", ()),
        ("grid5.csv", "sobel-x", ("-p", "1", "-s", "2", "--bias", "3")),
        ("grid5.csv", "1 2; 3 4", ("--flip", "-d", "2")),
        ("rgb.npy", str(KERNELS / "luma-edges.json"), ()),
        ("rgb.npy", str(KERNELS / "bank.npy"), ("-s", "2", "-p", "same")),
    ],
)
def test_the_product_of_kernel_and_columns_is_the_map(
    tmp_path: Path, file: str, kernel: str, options: tuple[str, ...]
) -> None:
    np.save(tmp_path / "rgb.npy", np.random.default_rng(0).integers(0, 9, (6, 5, 3)) * 1.0)
    source = SAMPLES / file if file == "grid5.csv" else tmp_path / file
    padding = () if "-p" in options else ("-p", "valid")
    text = explained(tmp_path, source, "-k", kernel, "--im2col", *options)
    weights, matrix, product = blocks(text)
    bias = 3 if "--bias" in options else 0
    assert_allclose(weights @ matrix + bias, product, atol=0.01, rtol=1e-4)
    made = here("apply", source, "-k", kernel, *options, *padding, "-o", "m.npy", cwd=tmp_path)
    assert made.code == 0, made.stderr
    maps = np.atleast_3d(np.load(tmp_path / "m.npy"))
    assert_allclose(product, maps.reshape(-1, maps.shape[2]).T, atol=0.01, rtol=1e-4)


def blocks(text: str) -> list[NDArray[Any]]:
    """The three matrices, cut out by where their headings stand."""
    head, *lines = text.splitlines()
    starts = [head.index("W  "), head.index("columns  "), head.index("Y  ")]
    found = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        rows = [line[start:end].replace("@", " ").replace("=", " ").split() for line in lines]
        found.append(np.array([[float(word) for word in row] for row in rows if row]))
    shapes = [tuple(map(int, size.split("x"))) for size in re.findall(r"\d+x\d+", head)]
    assert [matrix.shape for matrix in found] == shapes
    return found


def test_a_product_that_nobody_could_read_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, SAMPLES / "cat.jpg", "-k", "ones:3", "--im2col", "--gray", code=1)
    assert "9x133504" in said
    assert "64 columns" in said


def test_im2col_of_a_color_picture_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rgb.npy", np.arange(48.0).reshape(4, 4, 3))
    done = here("explain", "rgb.npy", "-k", "ones:3", "--im2col", cwd=tmp_path)
    assert (done.code, done.text) == (1, "")
    assert "has 3 channels, each of which is filtered by itself" in done.stderr


def test_im2col_as_json_has_weights_columns_and_their_product(tmp_path: Path) -> None:
    done = here("explain", GRID, "-k", "ones:3", "--im2col", "--json", cwd=tmp_path)
    assert done.code == 0
    found = {name: np.array(rows) for name, rows in json.loads(done.text).items()}
    assert_allclose(found["weights"] @ found["columns"], found["product"])
    assert found["columns"].shape == (9, 9)


# ---- JSON --------------------------------------------------------------------------------------


def test_one_output_is_an_object_and_several_are_a_list(tmp_path: Path) -> None:
    one = documents(tmp_path, GRID, "-k", "sobel-x", "--at", "0,1")
    assert list(one) == KEYS
    assert one == {
        "at": [0, 1], "slice": [[0, 3], [1, 4]],
        "window": [[2, 0, 1], [1, 3, 1], [1, 0, 2]],
        "kernel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "products": [[-2, 0, 1], [-2, 0, 2], [-1, 0, 2]],
        "sum": 0, "bias": 0, "value": 0,
    }  # fmt: skip
    two = documents(tmp_path, GRID, "-k", "sobel-x", "--at", "0,1", "--at", "1,1")
    assert two[0] == one
    assert [found["at"] for found in two] == [[0, 1], [1, 1]]
    colors = documents(tmp_path, SAMPLES / "cat.jpg", "-k", "blur", "--at", "0,0")
    assert [list(found) for found in colors] == [KEYS] * 3


def test_matrices_have_a_third_axis_where_channels_are_summed(tmp_path: Path) -> None:
    cat, bank = SAMPLES / "cat.jpg", KERNELS / "bank.npy"
    maps = documents(tmp_path, cat, "-k", bank, "--at", "5,6")
    assert [np.shape(found["window"]) for found in maps] == [(3, 3, 3)] * 4
    for found in maps:
        products = np.multiply(found["window"], found["kernel"])
        assert_allclose(found["products"], products)
        assert found["sum"] == pytest.approx(products.sum())


def test_json_has_no_infinity(tmp_path: Path) -> None:
    done = here("explain", GRID, "--pool", "max:2,p=3,s=1", "--at", "0,0", "--json", cwd=tmp_path)
    found = json.loads(done.text, parse_constant=pytest.fail)
    assert (found["window"], found["value"]) == ([[None, None], [None, None]], None)


# ---- it is what `apply` does -------------------------------------------------------------------

OPTIONS: list[tuple[str, ...]] = [
    ("-k", "sobel-x"),
    ("-k", "gaussian:1", "-p", "same-lower"),
    ("-k", "1 2 3; 4 5 6", "-p", "full", "--padding-mode", "zero"),
    ("-k", "sharpen", "-s", "2x1", "-p", "1.0.2.1"),
    ("-k", "1 2; 3 4", "-d", "1x2", "--flip", "--bias", "-7.5"),
    ("-k", str(KERNELS / "engrave.json"), "-p", "same", "-s", "2"),
    ("-k", str(KERNELS / "engrave.json"), "-p", "same", "--flip"),
    ("-k", str(KERNELS / "vips-blur.mat"), "-p", "3x2"),
    *(("-k", "log-5x5", "-p", "same", "--padding-mode", mode) for mode in MODES),
    ("--pool", "max:2"),
    ("--pool", "max:3,s=2,p=1,ceil"),
    ("--pool", "avg:3,s=2,p=1,ceil"),
    ("--pool", "avg:3,s=2,p=1,nopad"),
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_every_value_is_what_apply_prints(tmp_path: Path, options: tuple[str, ...]) -> None:
    same = () if "-p" in options or "--pool" in options else ("-p", "valid")
    printed = here("apply", GRID, *options, *same, "--print", cwd=tmp_path).rows
    places = [(row, column) for row in range(len(printed)) for column in range(len(printed[0]))]
    asked = [word for row, column in places for word in ("--at", f"{row},{column}")]
    found = documents(tmp_path, GRID, *options, *asked)
    found = found if isinstance(found, list) else [found]
    values = [printed[row][column] for row, column in places]
    assert_allclose([one["value"] for one in found], values, rtol=1e-6, atol=1e-6)
    assert [tuple(one["at"]) for one in found] == places


@pytest.mark.parametrize("options", [(), ("--flip",), ("-s", "2"), ("-d", "2", "-s", "3x1")])
def test_a_kernel_s_origin_lies_on_the_output_s_own_pixel(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    kernel = {"kernel": [[1, 2, 3], [4, 5, 6]], "origin": [0, 2]}
    (tmp_path / "k.json").write_text(json.dumps(kernel))
    given: list[str | Path] = [GRID, "-k", "k.json", "-p", "same", *options]
    printed = here("apply", *given, "--print", cwd=tmp_path).rows
    for row, column in ((0, 0), (1, 2), (len(printed) - 1, len(printed[0]) - 1)):
        found = documents(tmp_path, *given, "--at", f"{row},{column}")
        assert found["value"] == pytest.approx(printed[row][column])


def test_the_numbers_are_those_of_an_oracle(tmp_path: Path) -> None:
    kernel = np.array([[1.0, -2], [0, 3]])
    padded = pad(grid(), ((2, 0), (1, 3)), "reflect")
    expected = convolve(padded[np.newaxis, np.newaxis], kernel[np.newaxis, np.newaxis])[0, 0]
    options = ("-k", "1 -2; 0 3", "-p", "2.0.1.3", "--padding-mode", "reflect")
    for at in ((0, 0), (5, 7), (3, 2)):
        found = documents(tmp_path, GRID, *options, "--at", f"{at[0]},{at[1]}")
        assert found["value"] == expected[at]
        rows, columns = (slice(place, place + 2) for place in at)
        assert found["window"] == padded[rows, columns].tolist()
        assert found["slice"] == [[at[0] - 2, at[0]], [at[1] - 1, at[1] + 1]]


def test_a_gray_picture_is_explained_in_gray(tmp_path: Path) -> None:
    options = (SAMPLES / "cat.jpg", "-k", "identity", "--gray")
    found = documents(tmp_path, *options, "--at", "10,20")
    made = here("apply", *options, "-p", "valid", "-o", "gray.npy", cwd=tmp_path)
    assert made.code == 0
    assert found["value"] == pytest.approx(np.load(tmp_path / "gray.npy")[10, 20], rel=1e-6)


# ---- what is refused ---------------------------------------------------------------------------


def test_a_position_outside_names_what_there_is(tmp_path: Path) -> None:
    said = refused(tmp_path, GRID, "-k", "ones:3", "--at", "3,0", code=1)
    assert said.endswith("there is no output at 3,0: rows are 0..2, columns 0..2\n")
    assert str(GRID) in said


@pytest.mark.parametrize("at", ["1", "-1,0", "a,b", "1.5,0", "1,", "1,2,3", ""])
def test_a_position_that_does_not_read_as_one_is_refused(tmp_path: Path, at: str) -> None:
    assert "--at" in refused(tmp_path, "missing.csv", "-k", "ones:3", f"--at={at}")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "give either --kernel"),
        (("-k", "ones:3", "--pool", "max:2", "--at", "0,0"), "give either --kernel"),
        (("-k", "ones:3"), "--at"),
        (("--pool", "max:2"), "--at"),
        (("-k", "ones:3", "--im2col", "--at", "0,0"), "leave --at out"),
        (("--pool", "max:2", "--im2col"), "--im2col"),
        (("-k", "no-such", "--at", "0,0"), "no-such"),
        (("-k", "ones:3", "--at", "0,0", "-s", "0"), "at least 1"),
        (("-k", "ones:3", "--at", "0,0", "-p", "70000"), "70000"),
        (("--pool", "max:2,s=70000", "--at", "0,0"), "70000"),
    ],
)
def test_what_contradicts_itself_is_refused_before_a_file_is_opened(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, "missing.csv", *options)


@pytest.mark.parametrize(
    "options",
    [("-s", "1"), ("-p", "1"), ("-d", "2"), ("--bias", "3"), ("--flip",),
     ("--padding-mode", "zero")],
)  # fmt: skip
def test_options_that_a_pool_would_not_take_up_are_refused(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    refused(tmp_path, "missing.csv", "--pool", "max:2", "--at", "0,0", *options)


@pytest.mark.parametrize(
    ("kernel", "word"),
    [("ones:7", "empty"), (str(KERNELS / "bank.npy"), "3 channels; the image has 1")],
)
def test_a_kernel_that_does_not_fit_the_input_names_it(
    tmp_path: Path, kernel: str, word: str
) -> None:
    said = refused(tmp_path, GRID, "-k", kernel, "--at", "0,0", code=1)
    assert word in said
    assert str(GRID) in said
