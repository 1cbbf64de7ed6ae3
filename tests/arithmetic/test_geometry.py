import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.oracles import PADDING_NAMES, Geometry, count_windows, geometries, pairs, sides_of_axis
from support.peers import require_peer

from convcli.arithmetic.geometry import Axis, Window, effective_kernel, formula, output_size, window
from convcli.errors import ArgumentError, ShapeError

# Dumoulin and Visin (2016): i, k, s, p, o
PUBLISHED = [
    (4, 3, 1, 0, 2),
    (5, 4, 1, 2, 6),
    (5, 3, 1, 1, 5),
    (5, 3, 1, 2, 7),
    (5, 3, 2, 0, 2),
    (5, 3, 2, 1, 3),
    (6, 3, 2, 1, 3),
]


# ---- published figures -------------------------------------------------------------------------


@pytest.mark.parametrize(("i", "k", "s", "p", "o"), PUBLISHED)
def test_convolutions_of_dumoulin_and_visin(i: int, k: int, s: int, p: int, o: int) -> None:
    assert output_size(i, k, stride=s, padding=p) == o


@pytest.mark.parametrize(("i", "k", "s", "p", "o"), PUBLISHED)
def test_their_transposes_come_back_to_the_input(i: int, k: int, s: int, p: int, o: int) -> None:
    dropped = window(k, stride=s, padding=p).dropped((i, i))
    back = window(k, stride=s, padding=p, transposed=True, output_padding=dropped)
    assert back.output((o, o)) == (i, i)


def test_a_dilated_convolution_of_dumoulin_and_visin() -> None:
    assert output_size(7, 3, dilation=2) == 3


def test_the_last_row_of_six_is_dropped() -> None:
    assert window(3, stride=2, padding=1).dropped((6, 6)) == (1, 1)
    assert window(3, stride=2, padding=1).dropped((5, 6)) == (0, 1)


def test_rounding_up_drops_nothing_that_a_window_can_reach() -> None:
    assert window(2, stride=2).dropped((5, 5)) == (1, 1)
    assert window(2, stride=2, ceil_mode=True).dropped((5, 5)) == (0, 0)
    assert window(1, stride=2, ceil_mode=True).dropped((12, 12)) == (1, 1)


@pytest.mark.parametrize(
    ("k", "p", "s", "o"),
    [(3, 0, 1, 30), (3, 1, 1, 32), (3, 1, 2, 16), (2, 0, 2, 16), (7, 3, 2, 16)],
)
def test_what_common_layers_make_of_32(k: int, p: int, s: int, o: int) -> None:
    assert output_size(32, k, stride=s, padding=p) == o


@pytest.mark.parametrize(
    ("i", "k", "s", "p", "o"), [(9, 4, 4, 2, 3), (12, 1, 2, 0, 6), (5, 2, 2, 1, 3), (5, 3, 3, 1, 2)]
)
def test_a_ceil_pool_starts_its_last_window_inside(i: int, k: int, s: int, p: int, o: int) -> None:
    assert output_size(i, k, stride=s, padding=p, ceil_mode=True) == o


@pytest.mark.parametrize(
    ("i", "k", "s", "o", "sides"),
    [(224, 3, 2, 112, (0, 1)), (224, 7, 2, 112, (2, 3)), (13, 6, 5, 3, (1, 2))],
)
def test_same_puts_the_odd_one_after(i: int, k: int, s: int, o: int, sides: Any) -> None:
    assert output_size(i, k, stride=s, padding="same") == o
    assert window(k, stride=s, padding="same").pads((i, i)) == (sides, sides)
    lower = sides[::-1]
    assert window(k, stride=s, padding="same-lower").pads((i, i)) == (lower, lower)


# ---- what always holds -------------------------------------------------------------------------


@given(geometries())
def test_the_output_has_as_many_places_as_windows_stop_at(geometry: Geometry) -> None:
    made = window(geometry.kernel, **geometry.settings)
    assert made.pads(geometry.size) == geometry.sides
    assert made.output(geometry.size) == geometry.output
    for axis, sides in enumerate(geometry.sides):
        padding = sides if not isinstance(geometry.padding, str) else geometry.padding
        assert geometry.output[axis] == output_size(
            geometry.size[axis],
            geometry.kernel[axis],
            stride=geometry.stride[axis],
            padding=padding,
            dilation=geometry.dilation[axis],
        )


@given(geometries())
def test_dropped_and_reached_positions_are_the_padded_input(geometry: Geometry) -> None:
    dropped = window(geometry.kernel, **geometry.settings).dropped(geometry.size)
    for axis in range(2):
        last = (geometry.output[axis] - 1) * geometry.stride[axis]
        reached = last + (geometry.kernel[axis] - 1) * geometry.dilation[axis] + 1
        assert reached + dropped[axis] == geometry.size[axis] + sum(geometry.sides[axis])
        assert dropped[axis] < geometry.stride[axis] or geometry.stride[axis] == 1


@given(geometries(forms=("number", "pair", "sides", "valid")))
def test_rounding_up_adds_the_window_that_hangs_over(geometry: Geometry) -> None:
    made = window(geometry.kernel, **geometry.settings, ceil_mode=True)
    counted = tuple(
        count_windows(
            geometry.size[axis],
            geometry.kernel[axis],
            geometry.stride[axis],
            geometry.sides[axis],
            geometry.dilation[axis],
            ceil=True,
        )
        for axis in range(2)
    )
    if min(counted) > 0:
        assert made.output(geometry.size) == counted
    else:  # a window of padding alone, and of the far one
        with pytest.raises(ShapeError):
            made.output(geometry.size)


@pytest.mark.peers
def test_pools_have_the_sizes_of_torch() -> None:
    torch = require_peer("torch")
    grid = product(range(1, 11), range(1, 5), range(1, 5), range(3), (1, 2, 3), (False, True))
    for i, k, s, p, d, ceil in grid:
        if 2 * p > k:
            continue  # torch refuses
        try:
            plane = torch.empty(1, i, 1, device="meta")
            pooled = torch.nn.functional.max_pool2d(plane, (k, 1), (s, 1), (p, 0), (d, 1), ceil)
            expected = pooled.shape[1]
        except RuntimeError:
            expected = 0
        axis = Axis(size=i, kernel=k, stride=s, before=p, after=p, dilation=d, ceil_mode=ceil)
        assert max(axis.output, 0) == expected, axis


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 6), st.integers(1, 3))
def test_same_is_the_least_padding_that_gives_a_place_to_every_step(
    i: int, k: int, s: int, d: int
) -> None:
    for name in ("same", "same-lower"):
        made = window(k, stride=s, padding=name, dilation=d)
        sides = made.pads((i, i))[0]
        assert made.output((i, i)) == (-(-i // s),) * 2
        assert sides == sides_of_axis(name, i, k, s, d)


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 3))
def test_full_lets_every_overlap_count(i: int, k: int, d: int) -> None:
    assert output_size(i, k, padding="full", dilation=d) == i + d * (k - 1)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), pairs(0, 4), st.integers(1, 3))
def test_a_transposed_convolution_undoes_the_size(
    i: int, k: int, s: int, sides: tuple[int, int], d: int
) -> None:
    forward = Axis(size=i, kernel=k, stride=s, before=sides[0], after=sides[1], dilation=d)
    assume(forward.output >= 1)
    back = Axis(
        size=forward.output,
        kernel=k,
        stride=s,
        before=sides[0],
        after=sides[1],
        dilation=d,
        transposed=True,
        output_padding=forward.dropped,
    )
    assert back.output == i
    assert back.dropped == 0


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_same_of_a_transposed_convolution_multiplies_by_the_stride(
    i: int, k: int, s: int, d: int
) -> None:
    for name in ("same", "same-lower"):
        made = window(k, stride=s, padding=name, dilation=d, transposed=True)
        if effective_kernel(k, d) < s:
            with pytest.raises(ShapeError, match=f"spans the stride {s}, not"):
                made.output((i, i))
        else:
            assert made.output((i, i)) == (i * s, i * s)
            # what the convolution pads is what its transpose cuts off
            forward = window(k, stride=s, padding=name, dilation=d)
            assert made.pads((i, i)) == forward.pads((i * s, i * s))


def test_sizes_are_exact_beyond_any_float() -> None:
    huge = 10**30 + 1
    assert output_size(huge, 3) == huge - 2
    assert output_size(huge, 3, stride=2, padding=1) == (huge + 1) // 2
    assert output_size(huge, 1, stride=2, ceil_mode=True) == (huge + 1) // 2


def test_the_axes_of_a_window_do_not_mix() -> None:
    made = window((3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 4))
    assert made == Window(kernel=(3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 4))
    assert made.output((8, 9)) == (4, 7)
    rows, columns = made.axes((8, 9))
    assert (rows.size, rows.kernel, rows.stride, rows.dilation) == (8, 3, 2, 1)
    assert (columns.size, columns.kernel, columns.stride, columns.dilation) == (9, 2, 1, 4)
    assert (rows.effective_kernel, columns.effective_kernel) == (3, 5)


def test_numbers_may_be_those_of_numpy() -> None:
    size, kernel, stride, padding = map(np.int64, (5, 3, 2, 1))
    assert output_size(size, kernel, stride=stride, padding=padding) == 3  # type: ignore[arg-type]


# ---- formulas ----------------------------------------------------------------------------------


@given(
    st.builds(
        Axis,
        size=st.integers(1, 50),
        kernel=st.integers(1, 9),
        stride=st.integers(1, 5),
        before=st.integers(0, 5),
        after=st.integers(0, 5),
        dilation=st.integers(1, 3),
        transposed=st.booleans(),
        output_padding=st.just(0),
        ceil_mode=st.just(False),
    )
)
def test_the_formula_with_its_numbers_gives_the_size(axis: Axis) -> None:
    assert eval(formula(axis), {"floor": math.floor}) == axis.output


def test_formulas_name_rounding_and_output_padding() -> None:
    pool = Axis(size=9, kernel=2, stride=2, ceil_mode=True)
    assert formula(pool) == "ceil((9 + 0 + 0 - 1*(2 - 1) - 1) / 2) + 1"
    back = Axis(size=3, kernel=3, stride=2, before=1, after=1, transposed=True, output_padding=1)
    assert formula(back) == "(3 - 1)*2 - 1 - 1 + 1*(3 - 1) + 1 + 1"


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 0}, "kernel size must be at least 1, not 0"),
        ({"kernel": (3, -2)}, "kernel size must be at least 1, not -2"),
        ({"kernel": 2.5}, "kernel size must be a whole number, not 2.5"),
        ({"kernel": (1, 2, 3)}, r"kernel size must be one number or two, not \(1, 2, 3\)"),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (1, 1.5)}, "stride must be a whole number, not 1.5"),
        ({"stride": True}, "stride must be a whole number, not True"),
        ({"dilation": 0}, "dilation must be at least 1, not 0"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding 'some' is none of valid, same, same-lower, full"),
        ({"padding": (1, 2, 3, 4)}, r"padding must be N, .*, not \(1, 2, 3, 4\)"),
        ({"transposed": True, "output_padding": -1}, "output padding must be at least 0, not -1"),
        ({"output_padding": 1}, "output padding 1 must be below"),
        ({"transposed": True, "output_padding": 1}, r"output padding 1 .* \(here 1 and 1\)"),
        (
            {"transposed": True, "stride": (1, 2), "output_padding": (0, 2)},
            r"output padding 2 .* \(here 2 and 1\)",
        ),
    ],
)
def test_a_wrong_number_is_refused_by_its_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{message}"):
        window(settings.pop("kernel", 3), **settings)


def test_output_padding_may_reach_up_to_the_stride_or_the_dilation() -> None:
    by_stride = window(3, stride=3, transposed=True, output_padding=2)
    by_dilation = window(3, dilation=4, transposed=True, output_padding=3)
    assert by_stride.output((2, 2)) == (8, 8)
    assert by_dilation.output((2, 2)) == (13, 13)


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (2, {}, r"height floor\(\(2 \+ 0 \+ 0 - 1\*\(3 - 1\) - 1\) / 1\) \+ 1 = 0"),
        (4, {"dilation": 3, "padding": 1}, r"\(4 \+ 1 \+ 1 - 3\*\(3 - 1\) - 1\) .* = 0"),
    ],
)
def test_an_empty_output_is_refused_with_its_formula(
    size: int, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        output_size(size, 3, **settings)


def test_the_side_that_is_too_short_is_named() -> None:
    with pytest.raises(ShapeError, match="the output would be empty: width"):
        window(3).output((5, 2))


@pytest.mark.parametrize("size", [0, -4, 2.5, "7"])
def test_an_input_has_a_size(size: Any) -> None:
    with pytest.raises(ArgumentError, match=f"size must be .*{size}"):
        output_size(size, 3)


@pytest.mark.parametrize("name", PADDING_NAMES)
def test_a_window_wider_than_the_input_fits_where_padding_grows_with_it(name: str) -> None:
    if name == "valid":
        with pytest.raises(ShapeError):
            output_size(1, 9, padding=name)
    else:
        assert output_size(1, 9, padding=name) == (9 if name == "full" else 1)
