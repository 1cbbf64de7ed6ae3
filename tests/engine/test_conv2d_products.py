"""Products in blocks, for a BLAS with a kernel for small matrices: the record of one is forced."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import convolve, whole_numbers

from convcli.blas import MAX_SMALL_PRODUCTS, Blas
from convcli.engine.conv2d import conv2d, products
from convcli.engine.conv2d import convolve as convolve_layer
from convcli.engine.conv2d.products import find_block, multiply_into, pad_filters


@pytest.fixture(autouse=True, scope="module")
def _small_kernel() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        blas = Blas("SkylakeX", 64, has_small_kernel=True)
        patch.setattr(products, "find_blas", lambda: blas)
        yield


@given(st.integers(1, 600), st.integers(1, 5000), st.integers(1, 5000))
def test_blocks_stay_below_the_limit_of_the_kernel(
    filters: int, length: int, positions: int
) -> None:
    block = find_block(filters, length, positions)
    if block is None:
        assert filters < 32 or 32 * 32 * length > MAX_SMALL_PRODUCTS
        return
    assert block[0] == 32
    assert block[1] == positions or block[1] % 32 == 0
    assert block[0] * block[1] * length <= MAX_SMALL_PRODUCTS


@pytest.mark.parametrize(
    ("sizes", "block"),
    [
        ((64, 147, 12544), (32, 192)),
        ((64, 147, 240), (32, 128)),  # rather than 192 and 48
        ((64, 576, 49), (32, 49)),  # all at once
        ((512, 4608, 49), None),  # 32 by 32 are too many
        ((31, 147, 240), None),
    ],
)
def test_blocks_of_layers(sizes: tuple[int, int, int], block: tuple[int, int] | None) -> None:
    assert find_block(*sizes) == block


def test_other_kernels_get_whole_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "find_blas", Blas)
    assert find_block(64, 147, 784) is None


@given(
    sizes=st.tuples(st.integers(1, 100), st.integers(1, 60), st.integers(1, 150)),
    limit=st.sampled_from([MAX_SMALL_PRODUCTS, 60_000, 5_000]),
    batch=st.sampled_from([(), (2,), (2, 3)]),
)
def test_products_are_those_of_the_whole_matrices(
    sizes: tuple[int, int, int], limit: int, batch: tuple[int, ...]
) -> None:
    filters, length, positions = sizes
    weights = whole_numbers(1, *batch, filters, length)
    columns = whole_numbers(2, *batch, length, positions)
    maps = np.full((*batch, filters + 1, positions + 3), 99.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "MAX_SMALL_PRODUCTS", limit)
        multiply_into(maps[..., :filters, 2:-1], weights, columns)
    assert_array_equal(maps[..., :filters, 2:-1], np.einsum("...fk,...kl->...fl", weights, columns))
    maps[..., :filters, 2:-1] = 99
    assert (maps == 99).all()


@pytest.mark.parametrize("method", ["im2col", "winograd"])
@pytest.mark.parametrize(
    ("channels", "filters", "size", "asked"),
    [
        (16, 70, (15, 16), {"padding": 1}),  # several blocks, and filters and positions beyond them
        (3, 33, (30, 17), {"stride": 2}),
        (16, 64, (7, 7), {"groups": 2}),
    ],
)
def test_layers_are_the_loops(
    method: str, channels: int, filters: int, size: tuple[int, int], asked: dict[str, Any]
) -> None:
    if method == "winograd" and "padding" not in asked:
        return
    groups = asked.get("groups", 1)
    x = whole_numbers(1, 1, channels, *size)
    weight = whole_numbers(2, filters, channels // groups, 3, 3)
    bias = whole_numbers(3, filters)
    padding, stride = asked.get("padding", 0), asked.get("stride", 1)
    expected = convolve(
        x, weight, groups=groups, stride=(stride, stride), sides=((padding,) * 2,) * 2,
        dilation=(1, 1),
    ) + bias[:, np.newaxis, np.newaxis]  # fmt: skip
    maps = conv2d(x.astype(np.float32), weight, bias, method=method, **asked)
    tolerance = 1e-5 if method == "winograd" else 0
    assert_allclose(maps, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    ("blas", "filters", "count"),
    [(Blas(), 1, 1), (Blas(), 2, 4), (Blas(), 3, 4), (Blas(), 4, 4), (Blas(), 5, 5), (None, 3, 3)],
)
def test_few_filters_are_four_for_avx2(
    monkeypatch: pytest.MonkeyPatch, blas: Blas | None, filters: int, count: int
) -> None:
    if blas is not None:
        monkeypatch.setattr(products, "find_blas", lambda: blas)
    weights = whole_numbers(1, 2, filters, 5)
    padded = pad_filters(weights)
    assert padded.shape == (2, count, 5)
    assert_array_equal(padded[:, :filters], weights)
    assert (padded[:, filters:] == weights[:, -1:]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("has_finish", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [(9, 8), (20, 60)])
def test_layers_of_few_filters_are_the_loops(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], groups: int, has_finish: bool
) -> None:
    monkeypatch.setattr(products, "find_blas", Blas)
    x = whole_numbers(1, 1, 4, *size)
    weight, bias = whole_numbers(2, 3 * groups, 4 // groups, 3, 3), whole_numbers(3, 3 * groups)
    weight = np.where(weight == 0, 1, weight)
    expected = convolve(
        x, weight, groups=groups, stride=(1, 1), sides=((1, 1),) * 2, dilation=(1, 1)
    )
    expected += bias[:, np.newaxis, np.newaxis]
    finish = (lambda sums: np.negative(sums, out=sums)) if has_finish else None
    maps = convolve_layer(x, weight, bias, groups=groups, padding=1, method="im2col", finish=finish)
    assert_array_equal(maps, -expected if has_finish else expected)
    x[0, 0, 4, 5] = np.inf
    maps = convolve_layer(x, weight, bias, groups=groups, padding=1, method="im2col")[0]
    assert np.isinf(maps[:3, 3:6, 4:7]).all()
    assert np.isfinite(maps).sum() == maps.size - 3 * 9
