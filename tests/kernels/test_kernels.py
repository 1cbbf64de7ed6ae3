"""Loading kernels by SPEC: names, families, rows of numbers and files."""

from __future__ import annotations

import re

import numpy as np
import pytest

from convcli import ConvError, Kernel, load_kernel
from convcli.arithmetic.notation import parse_layer
from convcli.errors import KernelError, LimitError
from convcli.kernels import kernel_path
from convcli.kernels.answers import ANSWERS
from convcli.kernels.bank import bank
from convcli.kernels.parametric import FAMILIES


@pytest.mark.parametrize(
    "spec",
    [
        *("0,-1,0; -1,5,-1; 0,-1,0", "0 -1 0;-1 5 -1;0 -1 0", "0 -1 0\n-1 5 -1\n0 -1 0\n"),
        *(" 0,-1 0;; -1 5 -1; 0 -1 0; ", "0 -1 0; -1e0 50e-1 -1.; 0 -1 -.0"),
    ],
)
def test_rows_of_numbers_may_be_written_in_many_ways(spec: str) -> None:
    kernel = load_kernel(spec)
    np.testing.assert_array_equal(kernel.matrix, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    assert kernel.name == "custom"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("1 2; 3", "row 2 has 1"),
        ("1 2; 3 --4", "row 2"),
        ("1,,2; 3,4,5", "row 1"),
        ("1 1e999", "too large"),
        ("", "unknown kernel"),
        (";", "unknown kernel"),
        ("blurr", "'blur'"),
        ("gausian:2", "'gaussian'"),
        ("3", "box:3"),
        ("3x5", "ones:3x5"),
        ("kernels/mine.xml", r"\.json"),
        ("blur:2", "'blur' has no parameters"),
        ("emboss:45", "'emboss' has no parameters"),
        ("gausian:2.5", "'gaussian'"),
        ("mine.xml", r"\.json"),
        ("sharp", "try sharpen, or sharpen:0.5"),
        ("Sharp:1.5", "sharpen:1.5"),
        ("average:3", "a mean is box:3"),
        ("mean:5x3", "a mean is box:5x3"),
        ("mean:[red]{}", "a mean is box:3"),
        ("box blur", "a mean is box:3"),
        ("box_blur:7", "a mean is box:7"),
        ("gauss:2.5", "try gaussian:2.5"),
        ("edge", "outline, or sobel-x and sobel-y"),
        ("laplacian", "laplacian-4, laplacian-8"),
        ("mexican-hat:2", "log:2"),
        *(
            (name, "not a convolution")
            for name in ("median:3", "bilateral", "dilate:3", "erode", "max:3", "min", "canny")
        ),
    ],
)
def test_what_is_no_kernel_is_answered_with_a_way_out(spec: str, words: str) -> None:
    with pytest.raises(KernelError, match=words) as caught:
        load_kernel(spec)
    assert caught.value.exit_code == 2


def test_a_kernel_may_have_one_row_one_column_or_one_weight() -> None:
    assert load_kernel("1 2 3").size == (1, 3)
    assert load_kernel("1; 2; 3").size == (3, 1)
    assert load_kernel("1.5").size == (1, 1)


def test_an_inline_kernel_has_a_limit_too() -> None:
    with pytest.raises(ConvError, match="1001"):
        load_kernel(" ".join(["1"] * 10_002))


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("k.csv", "k.csv"),
        ("a/k.JSON", "a/k.JSON"),
        ("@k", "k"),
        ("@k.csv", "k.csv"),
        ("gaussian:1.5", None),
        ("1.5", None),
        ("sobel-x", None),
    ],
)
def test_a_file_is_known_by_its_suffix_or_an_at_sign(spec: str, path: str | None) -> None:
    assert kernel_path(spec) == path


def test_the_shape_of_a_kernel_is_known_by_its_spec() -> None:
    assert load_kernel("gaussian:1.5").matrix.shape == (11, 11)
    assert load_kernel("ones:2x3").matrix.shape == (2, 3)


def test_what_an_answer_names_is_a_kernel_and_its_names_are_not() -> None:
    taken = [*bank(), *FAMILIES]
    for answer in ANSWERS:
        for name in answer.names.split():
            assert name not in taken
            with pytest.raises(KernelError, match=re.escape(answer.text.split("{}")[0])):
                load_kernel(name)
        said = answer.text.format(answer.parameter)
        specs = [word for word in re.split(r"[ ,]+", said) if word.partition(":")[0] in taken]
        layers = re.findall(r"-l (\S+)", said)
        assert specs or layers
        for spec in specs:
            load_kernel(spec)
        for layer in layers:
            parse_layer(layer)


# ---- Kernel ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "center"), [((3, 3), (1, 1)), ((2, 4), (0, 1)), ((1, 5), (0, 2)), ((7, 3, 3), (1, 1))]
)
def test_the_origin_is_the_center_and_of_an_even_side_the_one_before_it(
    shape: tuple[int, ...], center: tuple[int, int]
) -> None:
    assert Kernel("k", np.ones(shape)).anchor == center


def test_a_kernel_is_an_array_to_numpy() -> None:
    kernel = load_kernel("sobel-x")
    np.testing.assert_array_equal(np.asarray(kernel), kernel.matrix)
    assert np.asarray(kernel, np.float32).dtype == np.float32


def test_a_kernel_keeps_its_own_copy_of_the_weights() -> None:
    weights = np.ones((2, 2))
    kernel = Kernel("k", weights)
    weights[0, 0] = 9
    assert kernel.matrix[0, 0] == 1


def test_a_normalized_kernel_sums_to_one() -> None:
    kernel = Kernel("k", np.array([[1.0, 2.0], [3.0, -8.0]]), origin=(1, 1), bias=3.0)
    normal = kernel.normalized()
    np.testing.assert_allclose(normal.matrix, np.array([[1, 2], [3, -8]]) / -2)
    assert (normal.sum, normal.origin, normal.bias) == (1, (1, 1), 3)


@pytest.mark.parametrize("matrix", [[[1.0, -1.0]], [[0.1, 0.2, -0.3]], [[0.0]]])
def test_weights_that_sum_to_nothing_cannot_be_normalized(matrix: list[list[float]]) -> None:
    with pytest.raises(KernelError, match="zero"):
        Kernel("k", np.array(matrix)).normalized()


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (1, 1, 1, 1, 1)])
def test_a_kernel_has_two_to_four_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(KernelError, match="axes"):
        Kernel("k", np.ones(shape))


def test_a_kernel_has_at_most_1001_a_side_unless_it_is_separable() -> None:
    with pytest.raises(LimitError, match="1001"):
        Kernel("k", np.eye(1002))
    with pytest.raises(LimitError, match="10001"):
        Kernel("k", np.ones((1, 10_002)))
