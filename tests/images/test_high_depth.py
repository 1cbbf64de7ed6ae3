"""TIFF of more than 8 bits a channel, read by tifffile alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.command import here
from support.peers import require_peer

from convcli.images import NO_METADATA
from convcli.images.write import write_tiff


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize(
    "shape", [(4, 5, 3), (4, 5, 4), (4, 5, 2), (1, 5, 3), (5, 1, 3), (1, 1, 2)]
)
def test_a_tiff_holds_one_page_of_what_was_written(
    tmp_path: Path, shape: tuple[int, int, int], dtype: type
) -> None:
    tifffile = require_peer("tifffile")
    pixels: NDArray[Any] = np.random.default_rng(0).integers(0, 1 << 16, shape).astype(dtype)
    with (tmp_path / "out.tif").open("wb") as stream:
        write_tiff(stream, pixels, NO_METADATA)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [page.axes for page in file.pages] == ["YXS"]
        np.testing.assert_array_equal(file.pages.first.asarray(), pixels)
        alpha = [tifffile.EXTRASAMPLE.UNASSALPHA] if shape[2] in (2, 4) else []
        assert list(file.pages.first.extrasamples) == alpha


def test_transparent_gray_of_sixteen_bits_is_written_as_gray_and_alpha(tmp_path: Path) -> None:
    tifffile, imagecodecs = require_peer("tifffile"), require_peer("imagecodecs")
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (6, 7, 4), np.uint16)
    pixels[:, :, 1:3] = pixels[:, :, :1]
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(pixels))
    done = here("apply", "in.png", "--gray", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert done.code == 0
    found = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(found[:, :, 1], pixels[:, :, 3])
    is_visible = pixels[:, :, 3] > 2000  # so that rounding after division by alpha changes little
    np.testing.assert_allclose(found[is_visible][:, 0], pixels[is_visible][:, 0], atol=1)
