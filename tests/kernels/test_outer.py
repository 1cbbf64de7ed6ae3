"""Large separable kernels: kept, filtered and shown as a column and a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import here
from support.oracles import pixels

from convcli import Kernel, filter2d, load_kernel
from convcli.engine.filter2d.plan import plan_filter
from convcli.errors import ArgumentError, KernelFileError, LimitError
from convcli.kernels.outer import OuterProduct, factorize

SCIPY = {"replicate": "nearest", "reflect": "mirror", "zero": "constant"}


def by_scipy(image: NDArray[Any], factors: Any, mode: str, value: float = 0.0) -> NDArray[Any]:
    """Correlate down the columns, then along the rows, which are of odd length."""
    result = image.astype(np.float64)
    for axis, weights in enumerate(factors):
        settings: dict[str, Any] = {"mode": SCIPY[mode], "cval": value if axis == 0 else 0.0}
        result = ndimage.correlate1d(result, weights, axis, **settings)
    return result


def lopsided(rows: int = 1203, columns: int = 1005) -> OuterProduct:
    rng = np.random.default_rng(6)
    return OuterProduct(rng.normal(size=rows), rng.normal(size=columns))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tile_reads_little_more_rows_than_the_kernel_spans(channels: int) -> None:
    kernel = lopsided(2001, 9)
    rows, _ = plan_filter((9000, 4000, channels), np.uint8, kernel).algorithm.tile
    assert 100 < rows < 2001 / 4


@pytest.mark.parametrize("spec", ["gaussian:170", "gaussian:0.5:170", "box:1003", "motion:1003"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_a_large_kernel_filters_as_scipy_does(spec: str, dtype: Any) -> None:
    kernel = load_kernel(spec)
    assert kernel.outer is not None
    assert kernel.rank == 1
    assert kernel.sum == pytest.approx(1, abs=1e-12)
    image = (pixels(1, 31, 47, 2).astype(np.float64) * 3).clip(0, 255).astype(dtype)
    for mode in ("replicate", "reflect"):
        found = filter2d(image, kernel, padding_mode=mode)
        assert found.dtype == dtype
        expected = by_scipy(image, kernel.factors, mode)
        tolerance = 0.501 if dtype != np.float64 else 1e-9
        assert np.abs(found - expected).max() <= tolerance


def test_a_large_kernel_may_be_lopsided_flipped_strided_and_normalized() -> None:
    product, image = lopsided(), pixels(2, 20, 30).astype(np.float64)
    column, row = product.factors
    expected = by_scipy(image, (column, row), "zero")
    scale = np.abs(expected).max()
    padding = ((601, 601), (502, 502))
    kernel = Kernel("k", product)
    found = filter2d(image, kernel, padding_mode="zero", padding=padding, stride=(3, 2))
    np.testing.assert_allclose(found, expected[::3, ::2], atol=1e-12 * scale)
    turned = filter2d(image, kernel, padding_mode="zero", flip=True)
    expected = by_scipy(image, (column[::-1], row[::-1]), "zero")
    np.testing.assert_allclose(turned, expected, atol=1e-12 * scale)
    normal = kernel.normalized()
    assert normal.sum == pytest.approx(1)
    assert kernel.sum == pytest.approx(column.sum() * row.sum())


def test_bounds_and_digits_are_those_of_all_weights() -> None:
    image = np.full((4, 5), 200, np.uint8)
    bright = filter2d(image, load_kernel("ones:1003"), padding_mode="replicate")
    assert bright.tolist() == [[255] * 5] * 4  # clamped, not wrapped
    negative = OuterProduct(np.full(1003, -1.0), np.ones(1003))
    assert not filter2d(image, Kernel("k", negative)).any()
    wide = np.full((4, 5), 1 << 40, np.int64)
    with pytest.raises(ArgumentError, match="whole numbers may reach"):
        filter2d(wide, load_kernel("ones:1003"))
    assert filter2d(wide // 1024, load_kernel("ones:1003"))[0, 0] == (1 << 30) * 1003**2


@pytest.mark.parametrize("method", ["im2col", "fft", "naive"])
def test_no_other_method_takes_a_large_kernel(method: str) -> None:
    with pytest.raises(ArgumentError, match=f"'{method}' takes kernels of up to 1001 a side"):
        filter2d(np.ones((3, 3)), load_kernel("gaussian:170"), method=method)


def test_what_is_not_finite_is_refused_where_it_would_spread() -> None:
    image = np.ones((3, 3))
    image[1, 1] = np.inf
    with pytest.raises(ArgumentError, match="NaN or infinity"):
        filter2d(image, load_kernel("gaussian:170"))


def test_a_large_matrix_is_recognized_as_separable_or_refused(tmp_path: Path) -> None:
    product = lopsided()
    matrix = np.outer(*product.factors)
    np.save(tmp_path / "k.npy", matrix)
    kernel = load_kernel(f"{tmp_path}/k.npy")
    assert kernel.outer is not None
    assert kernel.matrix.shape == matrix.shape
    np.testing.assert_allclose(np.outer(*kernel.outer.factors), matrix, atol=1e-12)
    matrix[700, 3] += 1e-3
    assert factorize(matrix) is None
    np.save(tmp_path / "k.npy", matrix)
    with pytest.raises(KernelFileError, match="1203x1005 is too large"):
        load_kernel(f"{tmp_path}/k.npy")
    zeros = Kernel("k", np.zeros((1, 1002)))
    assert (zeros.sum, zeros.rank) == (0, 0)


def test_a_large_kernel_is_not_written_out() -> None:
    kernel = load_kernel("gaussian:1666")  # 0.8 GB
    assert kernel.size == (9997, 9997)
    with pytest.raises(LimitError, match="too large to be written out"):
        np.asarray(kernel)
    assert np.asarray(load_kernel("ones:1x1003")).shape == (1, 1003)


def test_commands_take_a_large_kernel_or_say_why_not(tmp_path: Path) -> None:
    image = np.dstack([pixels(3, 9, 11, 3), np.full((9, 11), 255, np.uint8)])
    image[:4, :, 3] = 0
    Image.fromarray(image).save(tmp_path / "x.png")
    spec = ("-k", "gaussian:0.5:170")
    assert here("apply", "x.png", *spec, "-o", "y.png", cwd=tmp_path).code == 0
    found = np.asarray(Image.open(tmp_path / "y.png"))
    alpha = by_scipy(image[:, :, 3], load_kernel(spec[1]).factors, "replicate")
    assert np.abs(found[:, :, 3] - alpha).max() <= 0.5001
    for also in (("-k", "sobel-x", "--combine", "sum"), ("-l", "maxpool:2"), ("--figure", "f.png")):
        assert here("apply", "x.png", *spec, *also, "-o", "z.npy", "-f", cwd=tmp_path).code == 0
    done = here("kernels", spec[1], "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (document["matrix"], len(document["column"]), len(document["row"])) == (None, 5, 1021)
    done = here("kernels", spec[1], cwd=tmp_path)
    assert "separable" in done.text
    assert len(done.text) < 1000
    done = here("explain", "x.png", *spec, "--at", "0,0", "--gray", "-p", "same", cwd=tmp_path)
    assert done.code == 2
    assert "has 5x1021 weights, and a window of more than 1001 a side is not shown" in done.stderr
    done = here("animate", "x.png", *spec, "-p", "same", "-o", "x.gif", cwd=tmp_path)
    assert done.code == 2
    assert "a kernel of 5x1021 is too large" in done.stderr
    for layer in ("conv:kernel=gaussian:170,c=6", "tconv:kernel=gaussian:170,p=510"):
        done = here("apply", "x.png", "-l", layer, "-o", "z.npy", "-f", cwd=tmp_path)
        assert done.code != 0
        assert done.stderr.count("\n") == 1
