"""TIFFs through the whole command: pages of any type, channels and size stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import here
from support.peers import require_peer

SHAPES = ((1, 5), (5, 1), (1, 1), (1, 5, 3), (5, 1, 3), (1, 1, 3), (6, 7, 3))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("pages", [1, 2])
def test_pages_keep_their_shape_and_values(tmp_path: Path, dtype: str, pages: int) -> None:
    """Those one pixel high or wide, too."""
    tifffile = require_peer("tifffile")
    for shape in SHAPES:
        values = np.random.default_rng(pages).integers(0, 200, (pages, *shape)).astype(dtype)
        with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
            for page in values:
                photometric = "rgb" if page.ndim == 3 else "minisblack"
                writer.write(page, photometric=photometric, metadata=None, contiguous=False)
        typed = ("apply", "in.tif", "-k", "identity", "-f")
        done = here(*typed, "-o", "out.tif", cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        with tifffile.TiffFile(tmp_path / "out.tif") as file:
            found = [page.asarray() for page in file.pages]
        np.testing.assert_array_equal(found, values)
        assert found[0].dtype == values.dtype
        last = ("--frame", str(pages - 1), "-o", "out.npy")
        assert here(*typed, *last, cwd=tmp_path).code == 0
        np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values[-1])


def test_bands_are_filtered_one_by_one(tmp_path: Path) -> None:
    tifffile = require_peer("tifffile")
    values = np.random.default_rng(0).integers(0, 256, (6, 7, 5), np.uint8)
    for number, planes in enumerate(("contig", "separate")):
        stored = values if planes == "contig" else np.moveaxis(values, 2, 0)
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, stored, photometric="minisblack", planarconfig=planes, metadata=None)
        typed = ("apply", path.name, "-k", "0 1", "-p", "valid")
        assert here(*typed, "-o", f"{number}.npy", cwd=tmp_path).code == 0
        np.testing.assert_array_equal(np.load(tmp_path / f"{number}.npy"), values[:, 1:])
        assert here(*typed, cwd=tmp_path).code == 0
        found = tifffile.imread(tmp_path / f"{number}.custom.tif")
        np.testing.assert_array_equal(found, values[:, 1:])
    named = ("apply", "0.tif", "-k", "0 1", "-p", "valid", "-o", "{stem}.{kernel}.png")
    assert here(*named, cwd=tmp_path).code == 0
    for band in range(5):
        with Image.open(tmp_path / f"0.custom-{band}.png") as image:
            np.testing.assert_array_equal(image, values[:, 1:, band])
