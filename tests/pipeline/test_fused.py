"""Grids that go from file to file in parts come out as those that are read whole."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.command import here
from support.process import ended, started, wait_for

from convcli.errors import GridError
from convcli.images.parts import PartWriter, PixelLayout
from convcli.pipeline import fused

Array = NDArray[Any]


@pytest.fixture
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "MIN_STREAMED_BYTES", 0)


def grid(folder: Path, values: Array) -> Array:
    np.save(folder / "in.npy", values)
    return values


@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int16, ">f4"])
@pytest.mark.parametrize("mode", ["zero", "reflect", "replicate", "circular", "symmetric"])
def test_bands_give_what_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, mode: str
) -> None:
    values = grid(tmp_path, (np.random.default_rng(0).random((70, 50, 2)) * 100).astype(kind))
    options = ("-k", "gaussian:1", "--bias", "3", "--padding-mode", mode, "-s", "2")
    assert here("apply", "in.npy", *options, "-o", "banded.npy", cwd=tmp_path).code == 0
    monkeypatch.setattr(fused, "MIN_STREAMED_BYTES", 1 << 40)
    assert here("apply", "in.npy", *options, "-o", "whole.npy", cwd=tmp_path).code == 0
    banded, whole = np.load(tmp_path / "banded.npy"), np.load(tmp_path / "whole.npy")
    assert banded.dtype == whole.dtype
    np.testing.assert_array_equal(banded, whole)
    assert banded.shape == (35, 25, 2)
    assert values.shape == (70, 50, 2)


@pytest.mark.parametrize("kernel", ["gaussian:1", "random:5", "random:15"])
def test_verbose_names_the_rows_that_a_stream_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    grid(tmp_path, np.ones((600, 5000), np.float32))
    typed = ("apply", "in.npy", "-k", kernel, "-o", "out.npy", "-v", "-f")
    whole = here(*typed, cwd=tmp_path).stderr
    assert re.search(r", in tiles of \d+x\d+;", whole)
    monkeypatch.setattr(fused, "MIN_STREAMED_BYTES", 0)
    heights: set[int] = set()
    encode = fused.NumberEncoder.encode

    def watch(encoder: fused.NumberEncoder, top: int, pixels: Array) -> bytes:
        heights.add(len(pixels))
        return encode(encoder, top, pixels)

    monkeypatch.setattr(fused.NumberEncoder, "encode", watch)
    streamed = here(*typed, cwd=tmp_path).stderr
    assert f", in tiles of {max(heights)}x5000;" in streamed


@pytest.mark.parametrize("has_file", [True, False])
def test_parts_are_written_where_they_belong(tmp_path: Path, has_file: bool) -> None:
    values = np.arange(42.0).reshape(7, 6, 1)
    with (tmp_path / "out").open("w+b") if has_file else io.BytesIO() as stream:
        stream.write(b"header")
        encoder = fused.NumberEncoder(stream, "in.npy", 2)
        writer = PartWriter(encoder, PixelLayout((7, 6, 1), values.dtype, has_alpha=False))
        for top in (4, 0, 6, 2):
            writer.encode(top, values[top : top + 2])
        stream.seek(0)
        assert stream.read() == b"header" + values.tobytes()


def test_what_the_system_takes_in_pieces_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:5], at))
    values = np.arange(42.0).reshape(7, 6, 1)
    with (tmp_path / "out").open("w+b") as stream:
        fused.NumberEncoder(stream, "in.npy", 7).encode(0, values)
    assert (tmp_path / "out").read_bytes() == values.tobytes()


def test_a_sum_that_overflows_is_no_fault_of_finite_numbers() -> None:
    encoder = fused.NumberEncoder(io.BytesIO(), "in.npy", 1)
    largest = np.full((1, 2, 1), np.finfo(np.float32).max, np.float32)
    with np.errstate(over="ignore"):
        assert encoder.encode(0, largest) == largest.tobytes()
        with pytest.raises(GridError, match="infinity"):
            encoder.encode(0, np.full((1, 2, 1), -np.inf))


@pytest.mark.usefixtures("every_size")
def test_columns_first_is_read_as_it_is_meant(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(30.0).reshape(5, 6))
    grid(tmp_path, values)
    assert here("apply", "in.npy", "-k", "identity", "-o", "out.npy", cwd=tmp_path).code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)


@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_and_nothing_is_left(tmp_path: Path, value: float) -> None:
    values = np.ones((40, 40))
    values[30, 20] = value
    grid(tmp_path, values)
    done = here("apply", "in.npy", "-k", "blur", "-o", "out.npy", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.npy: holds NaN or infinity")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy"]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (300 << 20,) * 2)
from convcli.cli import main
main()
"""


def test_a_grid_larger_than_the_memory_allowed_goes_through(tmp_path: Path) -> None:
    side = 9_000  # 324 MB of float32 come out
    large = np.lib.format.open_memmap(
        tmp_path / "in.npy", mode="w+", dtype=np.uint8, shape=(side, side)
    )
    large[::997] = 7  # the rest of the file is a hole
    del large
    arguments = ("apply", "in.npy", "-k", "box:3", "-o", "out.npy")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert (found.shape, found.dtype) == ((side, side), np.float32)
    np.testing.assert_allclose(found[996, :5], 7 / 3, rtol=1e-6)


def cut(path: Path) -> None:
    os.truncate(path, 1 << 20)


def change(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(-4, os.SEEK_END)
        stream.write(bytes(4))


@pytest.mark.parametrize("happen", [cut, change])
def test_a_file_that_changes_while_it_streams_is_one_line(
    happen: Callable[[Path], None], tmp_path: Path
) -> None:
    side = 8_000
    large = np.lib.format.open_memmap(
        tmp_path / "in.npy", mode="w+", dtype=np.float32, shape=(side, side)
    )
    large[::997] = 7
    del large
    (tmp_path / "out.npy").write_bytes(b"old")
    arguments = ("apply", "in.npy", "-k", "box:5", "-f", "-o", "out.npy")
    with started(*arguments, cwd=tmp_path) as process:
        wait_for(lambda: list(tmp_path.glob(".convcli-*")), process)
        happen(tmp_path / "in.npy")
        code, stderr, _ = ended(process)
    assert code == 1
    assert stderr in (
        b"convcli: in.npy: was cut short while it was read\n",
        b"convcli: in.npy: was changed while it was read\n",
    )
    assert (tmp_path / "out.npy").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "out.npy"]
