import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import plan_for
from support.oracles import MODES, filter_channels, pixels, reals, whole_numbers

from convcli.engine import scratch
from convcli.engine.filter2d import filter2d, im2col, problem
from convcli.engine.filter2d.tiles import TileReader, split_output
from convcli.engine.scratch import row_pitch
from convcli.kernels import load_kernel
from convcli.parallel import parallel_for, set_threads

GAUSSIAN = load_kernel("gaussian:2").matrix
BOX = load_kernel("box:15").matrix
KERNELS = {
    "banded": reals(1, 5, 7),
    "fft": reals(2, 21, 19),
    "rank 1": GAUSSIAN,
    "exact": load_kernel("sharpen").matrix,
    "exact, scaled": BOX,
    "layer": reals(3, 2, 3, 3, 3),
}
MB = 1 << 20


def alone(work: Callable[[int], None], count: int) -> None:
    """Do something while BLAS is kept to one thread: with more, it cuts its products otherwise."""
    set_threads(2)

    def work_if_any(item: int) -> None:
        if item:
            work(item)

    parallel_for(lambda: work_if_any, [count, 0])


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    yield
    set_threads(1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", KERNELS)
def test_threads_change_no_bit(name: str, dtype: Any) -> None:
    image = (pixels(1, 1000, 700, 3, dtype=np.uint16) % 256).astype(dtype)
    results = []

    def compute(count: int) -> None:
        set_threads(count)
        results.append(filter2d(image, KERNELS[name], out_dtype=np.float64))
        plan = plan_for(image, KERNELS[name])
        parts = np.empty(plan.shape)
        plan.run(image, parts.__setitem__)
        results.append(parts)

    for count in (1, 2, 3):
        alone(compute, count)
    for result in results[1:]:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", KERNELS)
def test_every_output_is_given_once_and_may_be_overwritten(name: str, count: int) -> None:
    set_threads(count)
    image = pixels(1, 700, 500, 3)
    plan = plan_for(image, KERNELS[name])
    seen = np.zeros(plan.shape[:2], int)
    result = np.empty(plan.shape)

    def take(tile: Any, sums: Any) -> None:
        assert sums.dtype == plan.sums
        seen[tile] += 1
        assert sums.shape == result[tile].shape
        result[tile] = sums
        sums[:] = 77

    plan.run(image, take)
    assert_array_equal(seen, np.ones(seen.shape))
    assert_array_equal(result, filter2d(image, KERNELS[name], out_dtype=np.float64))


@pytest.mark.parametrize("stride", [1, (2, 3)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", KERNELS)
def test_a_wide_image_is_cut_into_tiles(
    name: str, mode: str, stride: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pixels(1, 41, 203, 3)
    whole = filter2d(image, KERNELS[name], stride=stride, padding_mode=mode, out_dtype=np.float64)
    monkeypatch.setattr(problem, "MAX_REGION_VALUES", 500)
    monkeypatch.setattr(im2col, "TILE_BYTES", 20_000)
    plan = plan_for(image, KERNELS[name], stride=stride, padding_mode=mode)
    if name != "fft":  # which has tiles of its own
        assert plan.algorithm.tile[1] < plan.shape[1] / 2
    parts = np.empty(plan.shape)
    plan.run(image, parts.__setitem__)
    assert_allclose(parts, whole, atol=1e-6 * np.abs(whole).max())


@pytest.mark.parametrize("name", ["exact", "exact, scaled"])
def test_a_row_of_tiles_reads_few_values(name: str) -> None:
    """A thread that keeps them takes little memory of the widest photograph."""
    image = np.broadcast_to(np.uint8(0), (3000, 12_000, 3))
    plan = plan_for(image, KERNELS[name])
    assert plan.algorithm.tile[0] * 12_000 * 3 <= problem.MAX_BAND_VALUES


def test_what_take_raises_is_raised() -> None:
    image = pixels(1, 900, 700, 3)
    plan = plan_for(image, GAUSSIAN)

    def refuse(tile: Any, _: Any) -> None:
        raise RuntimeError(f"no room for {tile[0].start}")

    for count in (1, 2):
        set_threads(count)
        with pytest.raises(RuntimeError, match="no room for"):
            plan.run(image, refuse)


# ---- values that are not finite -----------------------------------------------------------------


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["auto", "im2col", "fft", "separable"])
@pytest.mark.parametrize("kernel", [GAUSSIAN, np.outer(reals(3, 21), reals(4, 21)), reals(4, 5, 5)])
def test_one_wrong_value_reaches_only_what_sees_it(kernel: Any, method: str, wrong: float) -> None:
    if method == "separable" and len(kernel) == 5:
        pytest.skip("not separable")
    image = reals(1, 90, 80)
    clean = filter2d(image, kernel, method=method)
    image[40, 50] = wrong
    result = filter2d(image, kernel, method=method)
    reach = len(kernel) // 2
    around = slice(40 - reach, 41 + reach), slice(50 - reach, 51 + reach)
    assert not np.isfinite(result[around]).any()
    result[around] = clean[around]
    assert_allclose(result, clean, atol=1e-9)


def test_a_weight_of_zero_does_not_see_a_wrong_value() -> None:
    image = reals(1, 9, 9)
    image[4, 4] = np.nan
    result = filter2d(image, [[1.5, 0.0, 0.3], [0.0, 0.0, 0.0], [0.2, 0.0, 1.0]])
    assert np.isnan(result).sum() == 4
    assert np.isfinite(result[4, 4])


def test_a_layer_keeps_a_wrong_value_in_its_place() -> None:
    image = reals(1, 100, 100, 128).astype(np.float32)
    weights = reals(2, 128, 128, 3, 3)
    assert plan_for(image, weights).choice.method == "winograd"
    image[20, 20, 3] = np.nan
    result = filter2d(image, weights)
    assert np.isnan(result[19:22, 19:22]).all()
    assert np.isnan(result).sum() == 9 * 128


def test_sums_that_are_nan_are_no_integers() -> None:
    with pytest.raises(Exception, match="a sum is NaN, which uint8 cannot hold"):
        filter2d(np.array([[1.0, np.nan]]), [[1.0]], out_dtype=np.uint8)
    with (
        pytest.raises(Exception, match="a sum is NaN, which uint8 cannot hold"),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        filter2d(np.full((1, 2), 255, np.uint8), [[3e38, -3e38]], method="im2col")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("name", [*KERNELS, "identity", "third"])
def test_the_image_is_never_written_to(name: str, dtype: Any) -> None:
    image = pixels(1, 60, 50, 3).astype(dtype)
    before = image.copy()
    kernel = KERNELS.get(name, np.full((1, 1), 1 / 3 if name == "third" else 1.0))
    plan = plan_for(image, kernel, padding="valid", integer_output=True)
    plan.run(image, lambda _, sums: sums.fill(77))
    assert_array_equal(image, before)
    filter2d(image, kernel, padding="valid", out_dtype=np.uint8)
    assert_array_equal(image, before)


# ---- padding and memory -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["banded", "fft", "rank 1", "exact", "exact, scaled"])
@pytest.mark.parametrize("size", [(1, 9), (9, 1), (2, 3), (30, 20)])
def test_every_way_pads_images_smaller_than_the_kernel(
    name: str, mode: str, size: tuple[int, int]
) -> None:
    image, kernel = pixels(1, *size), KERNELS[name]
    sides = tuple((side // 2, side // 2) for side in kernel.shape)
    result = filter2d(image, kernel, padding_mode=mode, out_dtype=np.float64)
    exact = filter_channels(image, kernel, mode=mode, sides=sides)
    assert_allclose(result, exact, atol=2e-3)


@pytest.mark.parametrize("name", KERNELS)
def test_memory_beyond_the_result_does_not_grow_with_the_image(name: str) -> None:
    peaks = []
    for height in (3600, 7200):
        image = np.full((height, 600, 3), 100, np.uint8)
        scratch.free.clear()  # what is kept from earlier calls is not counted
        tracemalloc.start()
        try:
            result = filter2d(image, KERNELS[name])
            peaks.append(tracemalloc.get_traced_memory()[1] - result.nbytes)
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + MB
    assert peaks[1] < 64 * MB


@pytest.mark.parametrize("shape", [(1, 600_000, 1), (600_000, 1, 1)])
@pytest.mark.parametrize("name", ["banded", "rank 1", "exact", "exact, scaled", "gaussian:5"])
def test_a_line_takes_no_more_memory_than_a_picture(name: str, shape: tuple[int, ...]) -> None:
    kernel = KERNELS[name] if name in KERNELS else load_kernel(name).matrix
    image = np.full(shape, 100, np.uint8)
    scratch.free.clear()
    tracemalloc.start()
    try:
        result = filter2d(image, kernel)
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()
    assert peak < 24 * MB


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, ">f8"])
@pytest.mark.parametrize("padding", ["same", "valid"])  # in the second, nothing is copied for it
def test_an_image_may_lie_anywhere_in_memory(padding: str, dtype: Any) -> None:
    image = whole_numbers(1, 40, 60, 3).astype(dtype)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    before = image.copy()
    for kernel in (GAUSSIAN, BOX, reals(1, 3, 3), reals(1, 21, 21), reals(1, 2, 3, 3, 3)):
        for lying in (image[::-1, ::2, ::-1], image[:, 5:50], image.transpose(1, 0, 2), planes):
            own = lying.astype(lying.dtype.newbyteorder("="), order="C")
            expected = filter2d(own, kernel, padding=padding)
            assert_array_equal(filter2d(lying, kernel, padding=padding), expected)
    assert_array_equal(image, before)


def test_a_tile_that_is_a_view_of_the_image_is_read_only() -> None:
    image = pixels(1, 30, 20, 3)
    plan = plan_for(image, KERNELS["banded"])
    reader = TileReader(plan.problem, plan.algorithm, image)
    inside, outside = (slice(10, 12), slice(8, 10)), (slice(0, 2), slice(0, 2))
    (_, view), (_, copy) = next(reader.read([inside])), next(reader.read([outside]))
    assert np.shares_memory(view, image)
    assert not view.flags.writeable
    assert not np.shares_memory(copy, image)
    assert image.flags.writeable


class Rows:
    """Rows of an image, (C, H, W), that the next ones overwrite."""

    def __init__(self, image: Any) -> None:
        self.planes = image.transpose(2, 0, 1)
        self.shape, self.dtype = self.planes.shape, image.dtype
        self.last = np.zeros(0, image.dtype)

    def __getitem__(self, key: Any) -> Any:
        self.last[...] = 0
        self.last = self.planes[key].copy()
        return self.last


@pytest.mark.parametrize("size", [(7, 5), (7, 50)])  # of a tile: a few side by side, and whole rows
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", KERNELS)
def test_a_region_is_the_same_of_an_image_and_of_rows(name: str, dtype: Any, size: Any) -> None:
    image = pixels(4, 40, 23, 3).astype(dtype)
    plan = plan_for(image, KERNELS[name])
    algorithm = plan.algorithm
    pads = (*plan.problem.pads, (0, 0))
    padded = np.pad(image, pads, mode="edge").astype(algorithm.region_dtype)
    high, wide = plan.problem.extent
    for source in (image, Rows(image)):
        reader = TileReader(plan.problem, algorithm, source)
        for tiles in split_output(plan.problem.output, size):
            for (rows, columns), region in reader.read(tiles):
                seen = slice(rows.start, rows.stop + high - 1)
                wanted = padded[seen, columns.start : columns.stop + wide - 1]
                assert_array_equal(region, wanted, strict=True)
                if algorithm.copies_regions:
                    assert not np.shares_memory(region, image)
                    values, itemsize = region[0].size, region.itemsize
                    pitch = row_pitch(values, itemsize) if region.dtype.kind == "f" else values
                    assert len(region) == 1 or region.strides[0] == pitch * itemsize


def test_rows_of_one_tile_are_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image = pixels(4, 40, 23, 3)
    plan = plan_for(image, KERNELS["banded"])
    reader = TileReader(plan.problem, plan.algorithm, Rows(image))
    monkeypatch.setattr(TileReader, "_read_band", None)  # what several tiles are cut from
    groups = split_output(plan.problem.output, (7, 50))
    assert [len(list(reader.read(tiles))) for tiles in groups] == [1] * 6


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("out", [np.int16, np.uint8, np.float32])
@pytest.mark.parametrize("name", ["sobel-x", "sharpen", "identity", "laplacian-8", "box:15"])
def test_sums_go_into_a_result_of_any_type(name: str, out: Any, count: int) -> None:
    set_threads(count)
    image = pixels(3, 50, 31, 3)
    weights = load_kernel(name).matrix
    wanted = np.empty((50, 31, 3))
    plan_for(image, weights).run_into(image, wanted)
    if out is not np.float32:
        wanted = np.clip(np.rint(wanted), np.iinfo(out).min, np.iinfo(out).max)
    plan = plan_for(image, weights, integer_output=out is not np.float32)
    for result in (np.empty(wanted.shape, out), np.empty(wanted.shape[::-1], out).T):
        plan.run_into(image, result)
        assert_allclose(result, wanted.astype(out), rtol=1e-6)
