"""`explain --transposed` and `--backward`: what they write is true, or refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.command import SAMPLES, here
from support.oracles import convolve, pad, paint

GRID = SAMPLES / "grid5.csv"
CAT, BANK = SAMPLES / "cat.jpg", SAMPLES / "kernels" / "bank.npy"
TRANSPOSED = ("-k", "1 2 3; 4 5 6; 7 8 9", "-s", "2", "-p", "1", "--transposed")
BACKWARD = (
    "-k",
    "1 -2; 0 3",
    "-s",
    "2x1",
    "-p",
    "1.0.0.1",
    "--padding-mode",
    "reflect",
    "--backward",
)


def explained(folder: Path, *arguments: str | Path) -> str:
    done = here("explain", *arguments, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    return done.text


def document(folder: Path, *arguments: str | Path) -> Any:
    return json.loads(explained(folder, *arguments, "--json"))


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done = here("explain", *arguments, cwd=folder)
    assert (done.code, done.stdout) == (code, b""), done.text
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- transposed --------------------------------------------------------------------------------


def test_the_inputs_and_the_weights_that_meet_stand_side_by_side(tmp_path: Path) -> None:
    assert explained(tmp_path, GRID, *TRANSPOSED, "--at", "1,1").splitlines() == [
        "Y[1,1] = sum(W[2::-2, 2::-2] * X[0:2, 0:2]) = 24",
        "",
        "X[0:2, 0:2]   W[2::-2, 2::-2]   products",
        "1  2        * 9  7            =  9  14",
        "0  1          3  1               0   1",
        "",
        "9 + 14 + 0 + 1 = 24",
    ]


def test_every_output_of_a_transposed_convolution_is_explained(tmp_path: Path) -> None:
    grid, kernel = np.loadtxt(GRID, delimiter=","), np.arange(1.0, 10).reshape(3, 3)
    whole = paint(
        grid[None, None], kernel[None, None], stride=(2, 2), sides=((1, 1),) * 2,
        output_padding=(1, 1),
    )[0, 0]  # fmt: skip
    asked = [word for at in np.ndindex(*whole.shape) for word in ("--at", f"{at[0]},{at[1]}")]
    found = document(tmp_path, GRID, *TRANSPOSED, "--output-padding", "1", *asked)
    assert_allclose([one["value"] for one in found], whole.ravel())
    for one in found:
        window = grid[np.ix_(one["rows"], one["columns"])]
        assert one["window"] == window.tolist()
        assert one["kernel"] == kernel[np.ix_(one["kernel_rows"], one["kernel_columns"])].tolist()
        assert one["products"] == np.multiply(one["window"], one["kernel"]).tolist()
        assert one["slice"] == [[axis[0], axis[-1] + 1] for axis in (one["rows"], one["columns"])]


def test_it_is_what_apply_makes_of_a_color_picture(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text("[[1, 2], [3, 4]]")
    layer = "tconv:kernel=k.json,s=2,p=0"
    assert here("apply", CAT, "-l", layer, "-o", "y.npy", cwd=tmp_path).code == 0
    found = document(tmp_path, CAT, "-k", "k.json", "-s", "2", "--transposed", "--at", "9,20")
    assert [one["value"] for one in found] == np.load(tmp_path / "y.npy")[9, 20].tolist()


def test_an_output_that_nothing_meets_says_so(tmp_path: Path) -> None:
    options = (GRID, "-k", "ones:1", "-s", "2", "--transposed", "--at", "1,0", "--bias", "0.5")
    head, _, note = explained(tmp_path, *options).splitlines()
    assert head == "Y[1,0] = 0 + 0.5 = 0.5"
    assert note == "No value meets a weight there."
    assert document(tmp_path, *options)["window"] == []


# ---- backward ----------------------------------------------------------------------------------


def test_the_gradients_of_a_sum_add_up(tmp_path: Path) -> None:
    text = explained(tmp_path, GRID, "-k", "sobel-x", "--backward", "--at", "1,2")
    assert text.splitlines()[:8] == [
        "L = sum(Y): dL/dY is ones(3x3)",
        "",
        "dL/dX[1,2] = sum(W[1::-1, 2::-1] * dL/dY[0:2, 0:3]) = 0",
        "",
        "dL/dY[0:2, 0:3]   W[1::-1, 2::-1]   products",
        "1  1  1         *  2   0  -2      =  2   0  -2",
        "1  1  1            1   0  -1         1   0  -1",
        "",
    ]
    sums = re.findall(r"^(dL/d\S+) = sum\(.*\) = (\S+)$", text, re.MULTILINE)
    grid = np.loadtxt(GRID, delimiter=",")
    assert sums[1:-1] == [
        (f"dL/dW[{u},{v}]", f"{grid[u : u + 3, v : v + 3].sum():g}")
        for u in range(3) for v in range(3)
    ]  # fmt: skip
    assert sums[-1] == ("dL/db", "9")
    for line in text.splitlines():
        if re.match(r"^\(?-?[0-9.]+\)? \+", line):
            left, right = line.split(" = ")
            assert eval(left) == float(right)


def test_gradients_are_the_differences_that_apply_makes(tmp_path: Path) -> None:
    """Both gradients are linear: a step of 1 in an input or a weight changes the loss by them."""
    grid, kernel = np.loadtxt(GRID, delimiter=","), np.array([[1.0, -2], [0, 3]])
    grad = np.arange(15.0).reshape(3, 5) - 7
    np.savetxt(tmp_path / "grad.csv", grad, delimiter=",")

    def loss(x: Any, w: Any) -> float:
        padded = pad(x, ((1, 0), (0, 1)), "reflect")
        y = convolve(padded[None, None], w[None, None], stride=(2, 1))[0, 0]
        return float((grad * y).sum())

    asked = [word for at in np.ndindex(*grid.shape) for word in ("--at", f"{at[0]},{at[1]}")]
    found = document(tmp_path, GRID, *BACKWARD, "--grad", "grad.csv", *asked)
    for one in found["dx"]:
        moved = grid.copy()
        moved[tuple(one["at"])] += 1
        assert one["value"] == loss(moved, kernel) - loss(grid, kernel)
        assert one["grad"] == grad[np.ix_(one["rows"], one["columns"])].tolist()
        assert one["kernel"] == kernel[np.ix_(one["kernel_rows"], one["kernel_columns"])].tolist()
        assert np.sum(one["products"]) == one["value"]
    assert [one["at"] for one in found["weights"]] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for one in found["weights"]:
        moved = kernel.copy()
        moved[tuple(one["at"])] += 1
        assert one["value"] == loss(grid, moved) - loss(grid, kernel)
        assert one["value"] == found["dweight"][one["at"][0]][one["at"][1]]
        assert one["grad"] == grad.tolist()
        assert one["products"] == np.multiply(one["window"], one["grad"]).tolist()
    assert found["dbias"] == grad.sum()


def test_a_layer_over_colors_has_a_gradient_for_every_channel(tmp_path: Path) -> None:
    found = document(tmp_path, CAT, "-k", BANK, "--backward", "--at", "3,4")
    kernel = np.load(BANK)
    assert [one["channel"] for one in found["dx"]] == [0, 1, 2]
    assert_allclose([one["value"] for one in found["dx"]], kernel.sum(axis=(0, 2, 3)), atol=1e-12)
    assert np.shape(found["dweight"]) == kernel.shape
    assert len(found["dbias"]) == len(kernel)
    assert found["weights"] is None  # too many to read
    text = explained(tmp_path, CAT, "-k", BANK, "--backward", "--at", "3,4")
    assert "those of dL/dW are left out" in text
    assert "sum(W[:, 1, 2::-1, 2::-1] * dL/dY[1:4, 2:5, :])" in text


def test_a_gradient_file_is_named_and_its_errors_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("1,2,3\n4,5,6\n7,8,9\n")
    options = (GRID, "-k", "ones:3", "--backward", "--at", "0,0", "--grad", "g.csv")
    assert "dL/dY is G, 3x3, from g.csv" in explained(tmp_path, *options)
    said = refused(tmp_path, *options, "-p", "1", code=1)
    assert said.startswith("convcli: g.csv: the gradient of the output must be 5x5")
    said = refused(tmp_path, GRID, "-k", "ones:3", "--backward", "--at", "5,0", code=1)
    assert said.endswith("there is no input at 5,0: rows are 0..4, columns 0..4\n")
    assert str(GRID) in said


# ---- what is refused ---------------------------------------------------------------------------

AT = ("--at", "0,0")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("-k", "ones:3", "--output-padding", "1", *AT), "--output-padding goes with"),
        (("-k", "ones:3", "--transposed", "--output-padding", "1", *AT), "below the stride"),
        (("-k", "ones:3", "--transposed", "--padding-mode", "zero", *AT), "--padding-mode"),
        (("-k", "ones:3", "--transposed", "--im2col"), "--im2col goes without --transposed"),
        (("-k", "ones:3", "--transposed", "--backward", *AT), "--backward goes without"),
        (("-k", "ones:3", "--backward"), "give the input's position"),
        (("-k", "ones:3", "--backward", "--im2col"), "--im2col has no part in gradients"),
        (("-k", "ones:3", "--backward", "--bias", "1", *AT), "--bias"),
        (("-k", "ones:3", "--grad", "g.csv", *AT), "--grad goes with --backward"),
        (("--pool", "max:2", "--backward", *AT), "--backward"),
        (("--pool", "max:2", "--transposed", *AT), "--transposed"),
        (("--pool", "max:2", "--grad", "g.csv", *AT), "--grad"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_before_a_file_is_opened(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, "missing.csv", *options)


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "-", "-k", "ones:3", "--backward", "--grad", "-", *AT)
    assert "standard input is read once" in said


def test_channels_that_share_a_kernel_have_no_gradient_of_their_own(tmp_path: Path) -> None:
    said = refused(tmp_path, CAT, "-k", "blur", "--backward", *AT, code=1)
    assert "3 channels, each of which is filtered by itself" in said
    assert explained(tmp_path, CAT, "-k", "blur", "--backward", "--gray", *AT)
