"""Rows of files larger than the memory they may take: grids of numbers, stacks of pages."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.photo import Workplace
from benchmarks.processes import convcli, peak_bytes, run
from benchmarks.row import Row, everywhere
from benchmarks.timing import Contest, Gauge, MissingError, Verdict

GRID_SIDE = 32768  # of float32: 4 GiB
COPIED_SHAPE = (24576, 30720)  # likewise 3 GB
DISK_BYTES = 12e9
STACK_PAGES, STACK_SIDE = 238, 2048  # 2 GB
FEW_PAGES = 3
GROWTH_BYTES = 24 << 20  # of memory, from few pages to all


def rows() -> list[Row]:
    stack_work = f"{STACK_PAGES} 16-bit pages of {STACK_SIDE}x{STACK_SIDE}, gaussian-5x5"
    return [
        Row(
            "whole command, .npy of 3 GB, sharpen", "dd conv=fsync", beside_dd, "dd",
            everywhere(1.08, 1.0), is_command=True, is_extra=True, most_runs=3,
        ),
        Row(
            "peak memory, grid of 4 GiB, gaussian-5x5", "", grid, is_command=True, is_extra=True,
        ),
        Row(f"peak memory, {stack_work}", "", stack, is_command=True, is_extra=True),
    ]  # fmt: skip


def beside_dd(place: Workplace) -> Contest:
    """A grid that is read, filtered and written, beside one that is copied onto the disk."""
    require_disk(place)
    source, ours, theirs = (place.folder / f"{name}.npy" for name in ("numbers", "ours", "copy"))
    height, width = COPIED_SHAPE
    values = np.lib.format.open_memmap(source, mode="w+", dtype=np.float32, shape=COPIED_SHAPE)
    block = np.random.default_rng(9).standard_normal((height // 24, width), np.float32)
    for part in range(24):
        values[part * len(block) : (part + 1) * len(block)] = block
    values.flush()
    del values
    most = str(2 * height * width)  # padding counts
    typed = ("apply", source, "-k", "sharpen", "-o", ours, "-f", "-q", "--max-pixels", most)
    copy = ("dd", f"if={source}", f"of={theirs}", "bs=1M", "conv=fsync", "status=none")

    def check(_: Any, __: Any) -> Verdict:
        from convcli import load_kernel

        kernel = np.asarray(load_kernel("sharpen"))
        made = np.load(ours, mmap_mode="r")
        wanted = filter_plainly(block[: len(kernel) + 7], kernel)
        apart = np.abs(made[1 : len(wanted) + 1, 1:-1] - wanted).max() / np.abs(wanted).max()
        passed = made.shape == COPIED_SHAPE and apart <= 1e-6
        return Verdict(bool(passed), f"{apart:.1e} of the largest value in {len(wanted)} rows")

    return Contest(
        lambda: run(*convcli(), *typed, folder=place.folder),
        lambda: run(*copy, folder=place.folder),
        check,
    )


def filter_plainly(values: Any, kernel: Any) -> Any:
    """Sum the products of every window in float64: (H, W) -> (H - 2, W - 2) for a kernel of 3x3."""
    windows = np.lib.stride_tricks.sliding_window_view(values.astype(np.float64), kernel.shape)
    return np.einsum("hwij,ij->hw", windows, kernel)


def require_disk(place: Workplace) -> None:
    if shutil.disk_usage(place.folder).free < DISK_BYTES:
        raise MissingError("the disk has under 12 GB free")


def grid(place: Workplace) -> Gauge:
    """A grid larger than the memory that it may take, from file to file."""
    require_disk(place)
    source, target = place.folder / "grid.npy", place.folder / "filtered.npy"
    values = np.lib.format.open_memmap(
        source, mode="w+", dtype=np.float32, shape=(GRID_SIDE, GRID_SIDE)
    )
    random = np.random.default_rng(5)
    written = (0, GRID_SIDE // 2, GRID_SIDE - 100)  # the rest is zeros, which take no disk
    for row in written:
        values[row : row + 100] = random.standard_normal((100, GRID_SIDE), np.float32)
    values.flush()
    del values
    most = str(2 * GRID_SIDE**2)  # padding counts
    typed = ("apply", source, "-k", "gaussian-5x5", "-o", target, "-f", "-q", "--max-pixels", most)

    def check(_: Any) -> Verdict:
        from convcli import filter2d, load_kernel

        read, made = (np.load(path, mmap_mode="r") for path in (source, target))
        apart = 0.0
        for row in written:
            part = slice(max(row - 10, 0), row + 110)  # two rows at its ends see beyond it
            inner = slice(2 if row else 0, -2 if row + 110 < GRID_SIDE else None)
            wanted = filter2d(read[part], load_kernel("gaussian-5x5"))[inner]
            apart = max(apart, float(np.abs(wanted - made[part][inner]).max()))
        passed = made.shape == read.shape and apart <= 1e-6
        return Verdict(passed, f"at most {apart:.1e} off in {len(written)} bands")

    return Gauge(
        lambda: peak_bytes(*convcli(), *typed, folder=place.folder),
        check,
        "MB",
        lambda peak: peak / 1e6,
    )


def stack(place: Workplace) -> Gauge:
    """A stack of pages in a TIFF, whose memory must not grow with their number."""
    require_disk(place)
    source, few, target = (place.folder / f"{name}.tif" for name in ("stack", "few", "filtered"))
    page = np.random.default_rng(5).integers(0, 1 << 16, (STACK_SIDE, STACK_SIDE), np.uint16)
    drawn = (0, STACK_PAGES // 2, STACK_PAGES - 1)
    write_stack(source, page, STACK_PAGES, drawn)
    write_stack(few, page, FEW_PAGES, range(FEW_PAGES))

    def peak(path: Path) -> int:
        most = str(STACK_PAGES * STACK_SIDE**2)
        typed = ("apply", path, "-k", "gaussian-5x5", "-o", target, "-f", "-q", "--max-pixels")
        return peak_bytes(*convcli(), *typed, most, folder=place.folder)

    peaks: list[int] = []

    def measure() -> int:
        peaks[:] = [peak(few), peak(source)]
        return peaks[1]

    def check(_: Any) -> Verdict:
        from convcli import filter2d, load_kernel

        wanted = filter2d(page, load_kernel("gaussian-5x5"))
        with Image.open(target) as made:
            same = getattr(made, "n_frames", 1) == STACK_PAGES
            for index in drawn:
                made.seek(index)
                same &= bool(np.array_equal(np.asarray(made), wanted))
            made.seek(1)
            same &= not np.asarray(made).any()
        growth = peaks[1] - peaks[0]
        words = f"{growth / 1e6:+.0f} MB beside {FEW_PAGES} pages"
        return Verdict(same and growth < GROWTH_BYTES, words)

    return Gauge(measure, check, "MB", lambda taken: taken / 1e6)


def write_stack(path: Path, page: Any, count: int, drawn: Any) -> None:
    """Write pages of 16-bit gray, all but some of which are zeros, which take no disk."""
    height, width = page.shape
    tags = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 277: 1, 278: height}
    directory_bytes = 2 + 12 * (len(tags) + 2) + 4
    step = directory_bytes + directory_bytes % 2 + page.nbytes
    with path.open("wb") as stream:
        stream.write(struct.pack("<2sHI", b"II", 42, 8))
        for index in range(count):
            start = 8 + index * step
            data = start + step - page.nbytes
            entries = sorted({**tags, 273: data, 279: page.nbytes}.items())
            following = start + step if index + 1 < count else 0
            stream.seek(start)
            stream.write(struct.pack("<H", len(entries)))
            stream.write(b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries))
            stream.write(struct.pack("<I", following))
            if index in drawn:
                stream.seek(data)
                stream.write(page.astype("<u2").tobytes())
        stream.truncate(8 + count * step)
