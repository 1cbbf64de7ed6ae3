from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from support.oracles import MODES, SCIPY_MODES, pad, pairs, pixels, seeds, source, whole_numbers

from convcli.engine import padding
from convcli.engine.arrays import Array
from convcli.engine.padding import PaddedImage, pad2d, pad2d_backward, source_positions
from convcli.engine.scratch import Scratch
from convcli.errors import ArgumentError, ShapeError

modes = st.sampled_from(MODES)


@given(seeds, pairs(1, 5), st.tuples(pairs(0, 12), pairs(0, 12)), modes)
def test_what_stands_beyond_the_border_comes_from_inside(
    seed: int, size: tuple[int, int], sides: Any, mode: str
) -> None:
    x = whole_numbers(seed, *size)
    assert_array_equal(pad2d(x, sides, mode), pad(x, sides, mode))


@given(st.integers(1, 6), pairs(0, 15), modes)
def test_positions_tell_where_each_padded_value_comes_from(
    size: int, sides: tuple[int, int], mode: str
) -> None:
    before, after = sides
    expected = [source(place, size, mode) for place in range(-before, size + after)]
    positions = source_positions(np.arange(-before, size + after), size, mode)
    assert positions.tolist() == [-1 if place is None else place for place in expected]


@given(seeds, st.integers(0, 3), pairs(0, 3), modes)
def test_only_the_last_two_axes_are_padded(
    seed: int, leading: int, padding: tuple[int, int], mode: str
) -> None:
    x = whole_numbers(seed, *(2, 3, 1)[:leading], 3, 2)
    padded = pad2d(x, padding, mode)
    assert padded.shape == (*x.shape[:-2], 3 + 2 * padding[0], 2 + 2 * padding[1])
    for index in np.ndindex(x.shape[:-2]):
        assert_array_equal(padded[index], pad2d(x[index], padding, mode))


@pytest.mark.parametrize(
    ("mode", "row"),
    [
        ("zero", [0, 0, 1, 2, 3, 0, 0]),
        ("reflect", [3, 2, 1, 2, 3, 2, 1]),
        ("replicate", [1, 1, 1, 2, 3, 3, 3]),
        ("circular", [2, 3, 1, 2, 3, 1, 2]),
        ("symmetric", [2, 1, 1, 2, 3, 3, 2]),
    ],
)
def test_the_five_modes(mode: str, row: list[int]) -> None:
    assert_array_equal(pad2d([[1, 2, 3]], (0, 2), mode), [row])
    assert_array_equal(pad2d([[1], [2], [3]], (2, 0), mode), np.transpose([row]))


@pytest.mark.parametrize("mode", MODES)
def test_modes_are_those_of_scipy(mode: str) -> None:
    x = whole_numbers(1, 4, 5)
    delta = np.zeros((7, 9))
    delta[0, 0] = 1  # the value three rows up and four columns to the left
    moved = ndimage.correlate(x, delta, mode=SCIPY_MODES[mode])
    assert_allclose(moved, pad2d(x, ((3, 0), (4, 0)), mode)[:4, :5])


def test_every_form_of_padding() -> None:
    x = np.ones((3, 4))
    assert pad2d(x, 1).shape == (5, 6)
    assert pad2d(x, (1, 2)).shape == (5, 8)
    assert pad2d(x, ((0, 1), (2, 3))).shape == (4, 9)
    assert pad2d(x, "valid").shape == (3, 4)
    assert_array_equal(pad2d(x, ((1, 0), (0, 0)))[0], np.zeros(4))
    assert_array_equal(pad2d(x, ((0, 1), (0, 0)))[-1], np.zeros(4))
    assert_array_equal(pad2d(x, ((0, 0), (1, 0)))[:, 0], np.zeros(3))
    assert_array_equal(pad2d(x, ((0, 0), (0, 1)))[:, -1], np.zeros(3))


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int16, np.float16, np.float32, np.float64]
)
@pytest.mark.parametrize("mode", MODES)
def test_padding_keeps_the_type(dtype: Any, mode: str) -> None:
    assert pad2d(np.ones((2, 2), dtype), 3, mode).dtype == dtype


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_padding_brings_no_new_values(mode: str) -> None:
    x = pixels(3, 3, 4)
    assert set(pad2d(x, 11, mode).flat) <= set(x.flat)


def test_an_unknown_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ArgumentError, match="'odd' is none of zero, reflect, replicate, circ"):
        pad2d([[1]], 1, "odd")
    with pytest.raises(ArgumentError, match="'odd' is none of"):
        source_positions(np.arange(-1, 2), 1, "odd")


def test_an_unknown_mode_is_refused_where_nothing_is_padded() -> None:
    with pytest.raises(ArgumentError, match="'odd' is none of"):
        pad2d([[1]], 0, "odd")


@pytest.mark.parametrize("name", ["same", "same-lower", "full"])
def test_a_padding_that_depends_on_a_kernel_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"'{name}' depends on a kernel: give it in numbers"):
        pad2d([[1]], name)


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        (-1, "padding must be at least 0, not -1"),
        (1.5, "padding must be a whole number, not 1.5"),
        ("some", "padding 'some' is none of"),
        ((1, 2, 3), r"padding must be N, .*\(1, 2, 3\)"),
        (((0, 1), (0, -2)), "padding must be at least 0, not -2"),
    ],
)
def test_a_wrong_padding_is_refused_by_its_value(padding: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        pad2d([[1]], padding)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (2, 3, 0)])
def test_there_must_be_something_to_pad(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as refusal:
        pad2d(np.zeros(shape), 1)
    assert str(shape) in str(refusal.value)


@pytest.mark.parametrize("x", [[["a"]], [[1], [2, 3]], [[1j]], [[None]]])
def test_only_real_numbers_are_padded(x: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^x "):
        pad2d(x, 1)


# ---- parts of a padded image ---------------------------------------------------------------------


@given(
    seeds, pairs(1, 5), st.tuples(pairs(0, 9), pairs(0, 9)), modes,
    st.tuples(pairs(0, 30), pairs(0, 30), pairs(1, 3)),
)  # fmt: skip
def test_any_rows_and_columns_are_those_of_the_whole(
    seed: int, size: tuple[int, int], sides: Any, mode: str, cut: Any
) -> None:
    x = whole_numbers(seed, 2, *size)
    whole = pad2d(x, sides, mode)
    (first_row, rows), (first_column, columns), (row_step, column_step) = cut
    some_rows = range(whole.shape[1])[first_row : first_row + rows + 1 : row_step]
    some_columns = range(whole.shape[2])[first_column : first_column + columns + 1 : column_step]
    padded = PaddedImage(x, sides, mode)
    expected = whole[:, list(some_rows)][:, :, list(some_columns)]
    assert_array_equal(padded.region(some_rows, some_columns, Scratch()), expected)
    target = np.full(expected.shape, 99, np.float32)
    padded.copy_into(target, some_rows, some_columns)
    assert_array_equal(target, expected)


class Asked:
    """A row source that keeps what it is asked for."""

    def __init__(self, values: Array) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.sizes: list[tuple[int, ...]] = []

    def __getitem__(self, key: Any) -> Array:
        found: Array = self.values[key]
        self.sizes.append(found.shape)
        return found


@given(
    seeds, st.tuples(st.integers(1, 40), st.integers(1, 5)), pairs(0, 9), modes,
    st.tuples(st.integers(0, 30), st.integers(1, 60), st.integers(1, 3), st.integers(1, 9)),
)  # fmt: skip
def test_rows_are_copied_some_at_a_time(
    seed: int, size: tuple[int, int], above_below: Any, mode: str, cut: Any
) -> None:
    source = Asked(whole_numbers(seed, 2, *size))
    sides, (first, count, step, most) = (above_below, (1, 2)), cut
    whole = pad2d(source.values, sides, mode)
    rows = range(whole.shape[1])[first : first + count : step]
    target = np.full((2, len(rows), whole.shape[2]), 99, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(padding, "MAX_COPIED_BYTES", most * source.values[:, 0].nbytes)
        PaddedImage(source, sides, mode).copy_into(target, rows, range(whole.shape[2]))
    assert_array_equal(target, whole[:, list(rows)])
    # Those beyond the border are listed, and there are no more than the padding has.
    assert max((rows for _, rows, _ in source.sizes), default=0) <= max(most, *above_below)


@pytest.mark.parametrize("mode", ["replicate", "reflect", "symmetric", "zero"])
def test_of_a_long_row_no_more_is_read_than_a_part_of_it_needs(mode: str) -> None:
    source = Asked(np.arange(2000).reshape(1, 2, 1000))
    sides = (1, 1), (1, 1)
    target = np.empty((1, 4, 12), int)
    PaddedImage(source, sides, mode).copy_into(target, range(4), range(990, 1002))
    assert_array_equal(target, pad2d(source.values, sides, mode)[..., 990:1002])
    assert max(columns for _, _, columns in source.sizes) <= 12


def test_a_region_inside_the_image_is_a_view_of_it() -> None:
    x = whole_numbers(1, 2, 6, 7)
    padded = PaddedImage(x, ((1, 1), (2, 2)), "reflect")
    assert np.shares_memory(padded.region(range(1, 7), range(2, 9), Scratch()), x)
    assert not np.shares_memory(padded.region(range(7), range(2, 9), Scratch()), x)


def test_beyond_the_padding_comes_what_more_padding_would_bring() -> None:
    padded = PaddedImage(np.array([[1, 2, 3]]), ((0, 0), (1, 1)), "circular")
    assert padded.region(range(1), range(9), Scratch()).tolist() == [[3, 1, 2, 3, 1, 2, 3, 1, 2]]


@given(st.sampled_from([*MODES, "constant:3"]), pairs(1, 4), pairs(0, 9), pairs(0, 9), seeds)
@settings(max_examples=50)
def test_the_gradient_of_a_padding_is_its_adjoint(
    mode: str, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int], seed: int
) -> None:
    sides = rows, columns
    x = whole_numbers(seed, 2, *size)
    zeros = pad(np.zeros_like(x), sides, mode)  # a constant has no gradient
    grad = whole_numbers(seed + 1, *zeros.shape)
    back = pad2d_backward(grad, sides, mode)
    assert back.shape == x.shape
    assert (grad * (pad(x, sides, mode) - zeros)).sum() == (back * x).sum()
    for index in np.ndindex(*size):  # which decides each value
        unit = np.zeros_like(x)
        unit[(0, *index)] = 1
        assert (grad * (pad(unit, sides, mode) - zeros)).sum() == back[(0, *index)]
