from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import MODES, convolve, reals, seeds, whole_numbers
from support.peers import require_peer

import convcli.engine.conv2d.winograd as room
from convcli.arithmetic.geometry import Window, window
from convcli.engine.conv2d import conv2d
from convcli.engine.conv2d.problem import WINOGRAD_TILES as TILES
from convcli.engine.conv2d.problem import ConvProblem, choose_conv_method
from convcli.engine.conv2d.winograd import run_winograd, transform
from convcli.engine.cost import ConvSize
from convcli.errors import ArgumentError
from convcli.parallel import set_threads

KERNELS = [kernel for kernel in product(TILES, TILES) if kernel != (1, 1)]
ALL = [(kernel, tile) for kernel in KERNELS for tile in product(TILES[kernel[0]], TILES[kernel[1]])]
TOLERANCE = 1e-5  # of the largest sum of absolute products
modes = st.sampled_from(MODES)
small = st.integers(0, 3)
sides = st.tuples(st.tuples(small, small), st.tuples(small, small))


@pytest.fixture(autouse=True)
def one_thread_again() -> Iterator[None]:
    yield
    set_threads(1)


def tiled(x: Any, weight: Any, tile: tuple[int, int], padding: Any, mode: str = "zero") -> Any:
    """Maps by tiles of this size, whatever they would cost."""
    shape = window(weight.shape[2:], padding=padding)
    layer = ConvProblem(x, weight, None, shape, mode=mode)
    maps = np.full((len(x), len(weight), *layer.output), np.nan, np.float32)
    assert run_winograd(layer, tile, maps) == []
    return maps


def assert_near(maps: Any, x: Any, weight: Any, **asked: Any) -> None:
    """Hold maps to the loops, and what they are off to the size of what was added up."""
    exact = convolve(x, weight, **asked)
    magnitude = convolve(np.abs(x), np.abs(weight), **asked).max()
    assert_allclose(maps, exact, rtol=0, atol=TOLERANCE * magnitude)


# ---- the matrices ------------------------------------------------------------------------------


@pytest.mark.parametrize(("outputs", "taps"), [(1, 1), (2, 3), (4, 3), (2, 5), (3, 4), (4, 2)])
def test_a_transform_correlates(outputs: int, taps: int) -> None:
    before, weights, after = transform(outputs, taps)
    assert before.shape == (outputs + taps - 1,) * 2
    x, w = reals(1, outputs + taps - 1), reals(2, taps)
    assert_allclose(after @ ((weights @ w) * (before @ x)), np.correlate(x, w), atol=1e-13)


def test_the_matrices_are_those_in_print() -> None:
    """Lavin and Gray's for F(4, 3), section 4.3."""
    before, weights, after = transform(4, 3)
    assert_array_equal(
        before,
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
    )
    assert_allclose(24 * weights[3:5], [[1, 2, 4], [1, -2, 4]])
    assert_array_equal(after[3], [0, 1, -1, 8, -8, 1])


# ---- the layer ---------------------------------------------------------------------------------


@given(
    kernel_tile=st.sampled_from(ALL),
    counts=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5)),
    size=st.tuples(st.integers(3, 11), st.integers(3, 11)),
    padding=sides,
    mode=modes,
    seed=seeds,
    cut=st.tuples(st.sampled_from([1, 3000, 1 << 21]), st.integers(1, 4), st.integers(1, 2)),
)
@settings(max_examples=200)
def test_tiles_of_any_size_are_the_loops(
    *, kernel_tile: Any, counts: Any, size: Any, padding: Any, mode: str, seed: int, cut: Any
) -> None:
    (kernel, tile), (n, c_in, c_out) = kernel_tile, counts
    x = reals(seed, n, c_in, *size).astype(np.float32)
    weight = reals(seed + 1, c_out, c_in, *kernel).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(
            ("_BLOCK_BYTES", "_BLOCK_FILTERS", "_MIN_BLOCK_ROWS"), cut, strict=True
        ):
            patch.setattr(room, name, value)
        maps = tiled(x, weight, tile, padding, mode)
    assert_near(maps, x, weight, sides=padding, mode=mode)


@given(
    kernel=st.sampled_from(KERNELS),
    counts=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5)),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    padding=sides,
    mode=modes,
    seed=seeds,
)
def test_conv2d_takes_it_where_it_is_asked_to(
    *, kernel: Any, counts: Any, size: Any, padding: Any, mode: str, seed: int
) -> None:
    n, c_in, c_out = counts
    x = reals(seed, n, c_in, *size).astype(np.float32)
    weight = reals(seed + 1, c_out, c_in, *kernel).astype(np.float32)
    bias = whole_numbers(seed, c_out)
    asked = {"padding": padding, "padding_mode": mode, "method": "winograd"}
    maps = conv2d(x, weight, bias, **asked)
    assert maps.dtype == np.float32
    assert_near(maps - bias[:, np.newaxis, np.newaxis], x, weight, sides=padding, mode=mode)


@pytest.mark.peers
@pytest.mark.parametrize("method", ["auto", "winograd"])
def test_a_layer_of_a_network_is_torchs(method: str) -> None:
    torch = require_peer("torch")
    x = reals(1, 2, 64, 30, 27).astype(np.float32)
    weight, bias = reals(2, 96, 64, 3, 3).astype(np.float32), reals(3, 96).astype(np.float32)
    expected = torch.nn.functional.conv2d(*map(torch.from_numpy, (x, weight, bias)), padding=1)
    maps = conv2d(x, weight, bias, padding=1, method=method)
    largest = np.abs(expected.numpy()).max()
    assert_allclose(maps, expected.numpy(), rtol=0, atol=2e-5 * largest)


@pytest.mark.parametrize("size", [(1, 6, 9, 8), (1, 6, 61, 10), (3, 6, 9, 70)])
def test_many_filters_are_computed_some_at_a_time(size: tuple[int, ...]) -> None:
    x, weight = reals(1, *size).astype(np.float32), reals(2, 150, 6, 3, 3).astype(np.float32)
    maps = conv2d(x, weight, method="winograd")
    assert_allclose(maps, conv2d(x, weight, method="im2col"), rtol=0, atol=5e-4)


# ---- digits ------------------------------------------------------------------------------------


def badly_scaled(kind: str, seed: int) -> tuple[Any, Any]:
    x, weight = reals(seed, 1, 48, 13, 14), reals(seed + 1, 4, 48, 3, 3)
    powers = np.random.default_rng(seed + 2).uniform(-4, 4, 13 * 14)
    if kind == "an offset":
        x += 1000
    elif kind == "channels":
        x *= 10 ** powers[:48, np.newaxis, np.newaxis]
        weight *= 10 ** powers[48:96, np.newaxis, np.newaxis]
    elif kind == "pixels":
        x *= 10 ** powers.reshape(13, 14)
    elif kind == "a spike":
        x[0, :, 6, 6] *= 1e6
    elif kind == "an edge kernel":
        x, weight = x / 100 + 255, weight - weight.mean((2, 3), keepdims=True)
    elif kind == "minute":
        x *= 1e-30
    elif kind == "huge":
        x *= 1e30
    return x.astype(np.float32), weight.astype(np.float32)


@pytest.mark.parametrize(
    "kind",
    ["random", "an offset", "channels", "pixels", "a spike", "an edge kernel", "minute", "huge"],
)
@pytest.mark.parametrize("tile", list(product(TILES[3], TILES[3])))
def test_digits_are_lost_within_what_is_promised(kind: str, tile: tuple[int, int]) -> None:
    x, weight = badly_scaled(kind, 5)
    layer = ConvProblem(x, weight, None, window(3, padding=1))
    maps = np.empty((1, 4, 13, 14), np.float32)
    if run_winograd(layer, tile, maps):  # squares that overflow are taken for infinite values
        assert kind == "huge"
        maps = conv2d(x, weight, padding=1, method="winograd")
    assert_near(maps, x, weight, sides=((1, 1), (1, 1)))
    exact = convolve(x, weight, sides=((1, 1), (1, 1)))
    assert_allclose(maps, exact, rtol=0, atol=2e-5 * np.abs(exact).max())


def test_whole_numbers_stay_exact_in_small_tiles() -> None:
    x = whole_numbers(1, 2, 5, 9, 8).astype(np.float32)
    weight = whole_numbers(2, 3, 5, 3, 3).astype(np.float32)
    sides = ((1, 1), (1, 1))
    assert_array_equal(tiled(x, weight, (2, 2), 1), convolve(x, weight, sides=sides))


# ---- what is not finite ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 2, 7, 11), (0, 3, 12, 15)])
@pytest.mark.parametrize("cut", [1, 1 << 21])
def test_what_is_no_number_spreads_as_far_as_the_kernel(
    value: float, place: tuple[int, ...], cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_BLOCK_BYTES", cut)
    monkeypatch.setattr(room, "_MIN_BLOCK_ROWS", 1)
    x = reals(1, 2, 4, 13, 16).astype(np.float32)
    weight = np.abs(reals(2, 5, 4, 3, 3)).astype(np.float32) / 8
    x[place] = value
    with np.errstate(all="ignore"):
        maps = conv2d(x, weight, padding=1, method="winograd")
        expected = conv2d(x, weight, padding=1, method="im2col")
    met = np.abs(expected) > 1e30
    assert_array_equal(np.isnan(maps), np.isnan(expected))
    assert_array_equal(maps[met], expected[met])
    rest = np.isfinite(expected) & ~met
    assert_allclose(maps[rest], expected[rest], rtol=0, atol=1e-4)


def test_weights_that_are_no_numbers_do_not_reach_other_maps() -> None:
    x, weight = reals(1, 1, 3, 9, 9).astype(np.float32), reals(2, 4, 3, 3, 3).astype(np.float32)
    weight[2, 1, 0, 2] = np.nan
    maps = conv2d(x, weight, padding=1, method="winograd")
    expected = conv2d(x, weight, padding=1, method="im2col")
    assert_array_equal(np.isnan(maps), np.isnan(expected))
    assert_allclose(maps, expected, atol=1e-4)


# ---- threads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(3, 20, 16, 15), (1, 20, 40, 15)])
@pytest.mark.parametrize("filters", [5, 150])
def test_threads_change_no_bit(size: tuple[int, ...], filters: int) -> None:
    x = reals(1, *size).astype(np.float32)
    weight = reals(2, filters, size[1], 3, 3).astype(np.float32)
    alone = conv2d(x, weight, padding=1, method="winograd")
    set_threads(2)  # from two on, BLAS has one thread and sums in one order
    by_two = conv2d(x, weight, padding=1, method="winograd")
    set_threads(3)
    for _ in range(3):
        assert_array_equal(conv2d(x, weight, padding=1, method="winograd"), by_two)
    assert_allclose(alone, by_two, rtol=0, atol=1e-5 * np.abs(by_two).max())


# ---- the choice --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "asked", "kernel", "reason"),
    [
        (np.float64, {}, 3, "Winograd loses digits"),
        (np.float32, {"stride": (1, 2)}, 3, "its stride is 1x2"),
        (np.float32, {"dilation": 2}, 3, "its dilation is 2"),
        (np.float32, {"groups": 2}, 3, "it has 2 groups"),
        (np.float32, {}, 5, "its kernel is 5x5"),
        (np.float32, {}, 1, "its kernel is 1x1"),
    ],
)
def test_where_it_cannot_be_taken_it_says_why(
    dtype: Any, asked: dict[str, Any], kernel: int, reason: str
) -> None:
    groups = asked.get("groups", 1)
    x, weight = np.ones((1, 4, 9, 9), dtype), np.ones((4, 4 // groups, kernel, kernel))
    with pytest.raises(ArgumentError, match=f"'winograd' cannot compute this layer: {reason}"):
        conv2d(x, weight, method="winograd", **asked)
    shape = window(kernel, **{key: asked[key] for key in asked if key != "groups"})
    size = ConvSize(1, 4, 4, shape.output((9, 9)), shape, groups, np.dtype(dtype))
    choice = choose_conv_method(size)
    assert choice.name == "im2col"
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("images", "filters", "name"),
    [
        ((8, 64, 56, 56), (64, 64, 3, 3), "winograd"),
        ((1, 128, 100, 100), (128, 128, 3, 3), "winograd"),
        ((1, 256, 14, 14), (256, 256, 3, 3), "im2col"),  # too few positions for so many filters
        ((1, 64, 56, 56), (64, 64, 3, 3), "im2col"),  # 0.9 times its cost: not worth its many calls
        ((1, 3, 1024, 1024), (16, 3, 3, 3), "im2col"),  # too few channels to pay
        ((1, 1, 5, 5), (1, 1, 3, 3), "im2col"),
    ],
)
def test_it_is_chosen_where_its_products_are_worth_its_transforms(
    images: Any, filters: Any, name: str
) -> None:
    shape = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    (batch, c_in, *size), c_out = images, filters[0]
    assert choose_conv_method(ConvSize(batch, c_in, c_out, size, shape)).name == name


def test_auto_keeps_the_digits_of_float64() -> None:
    x, weight = reals(1, 1, 64, 20, 20), reals(2, 64, 64, 3, 3)
    maps = conv2d(x, weight, padding=1)
    assert_allclose(maps, conv2d(x, weight, padding=1, method="im2col"), rtol=1e-12, atol=1e-10)
    assert maps.dtype == np.float64
