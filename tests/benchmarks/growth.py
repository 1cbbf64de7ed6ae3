"""Rows without a peer: how time grows with the picture and the kernel, and memory with both."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.checks import right_at_spots, within_levels
from benchmarks.filters import dense_kernel
from benchmarks.photo import Workplace
from benchmarks.processes import convcli, peak_bytes
from benchmarks.row import Profile, Row
from benchmarks.timing import Gauge, MissingError, Verdict

NET_LAYERS = 20
NET_MEGAPIXELS = 4.0
GRID_SIDE = 32768  # of float32: 4 GiB
DISK_BYTES = 12e9
STACK_PAGES, STACK_SIDE = 238, 2048  # 2 GB
FEW_PAGES = 3
GROWTH_BYTES = 24 << 20  # of memory, from few pages to all


def rows(profile: Profile) -> list[Row]:
    large = profile.kernel_megapixels
    made = [
        Row(f"growth: {name}, {megapixels:g} MP", "", timed(kernel, megapixels))
        for name, kernel in (("sharpen", "sharpen"), ("dense 7x7", 7))
        for megapixels in profile.growth_megapixels
    ]
    made += [
        Row(f"growth: dense {k}x{k}, {large:g} MP", "", timed(k, large))
        for k in profile.growth_sizes
    ]
    if profile.is_full:
        made += [
            Row(
                f"peak memory, {NET_LAYERS} layers of --net, {NET_MEGAPIXELS:g} MP",
                "",
                net,
                is_command=True,
            ),
            Row("peak memory, grid of 4 GiB, gaussian-5x5", "", grid, is_command=True),
            Row(
                f"peak memory, {STACK_PAGES} 16-bit pages of {STACK_SIDE}x{STACK_SIDE}, "
                "gaussian-5x5",
                "",
                stack,
                is_command=True,
                most_runs=1,
            ),
        ]
    return made


def timed(kernel: str | int, megapixels: float) -> Any:
    def prepare(place: Workplace) -> Gauge:
        import convcli

        image = place.photo(megapixels)
        weights = dense_kernel(kernel) if isinstance(kernel, int) else convcli.load_kernel(kernel)
        return Gauge(
            lambda: convcli.filter2d(image, weights),
            lambda made: right_at_spots(image, np.asarray(weights), made),
            "s/MP",
            per=image.shape[0] * image.shape[1] / 1e6,
        )

    return prepare


def net(place: Workplace) -> Gauge:
    """How many maps of the picture's size, as float32, a stack holds at its worst.

    What the command takes for a picture of one pixel is no map's, and left out.
    """
    source, target = place.png(NET_MEGAPIXELS), place.folder / "net.png"
    stack = place.folder / "stack.net"
    stack.write_text("conv:kernel=blur\n" * NET_LAYERS)
    pixel = place.folder / "pixel.png"
    Image.new("RGB", (1, 1)).save(pixel)

    def peak(path: Path) -> int:
        typed = ("apply", path, "--net", stack, "-o", target, "-f", "-q")
        return peak_bytes(*convcli(), *typed, folder=place.folder)

    def check(_: Any) -> Verdict:
        from convcli import filter2d, load_kernel

        values = np.asarray(Image.open(source)).astype(np.float32)
        kernel = load_kernel("blur")
        for _layer in range(NET_LAYERS):
            # A layer pads with zeros unless it says otherwise.
            values = filter2d(values, kernel, padding_mode="zero")
        return within_levels(1)(np.asarray(Image.open(target)), np.rint(values).astype(np.uint8))

    def more() -> int:
        without = peak(pixel)
        return peak(source) - without  # the picture last: its result is checked

    height, width = Image.open(source).size[::-1]
    one_map = height * width * 3 * 4
    return Gauge(
        more,
        check,
        "maps",
        lambda taken: taken / one_map,
    )


def grid(place: Workplace) -> Gauge:
    """A grid larger than the memory that it may take, from file to file."""
    if shutil.disk_usage(place.folder).free < DISK_BYTES:
        raise MissingError("the disk has under 12 GB free")
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
    if shutil.disk_usage(place.folder).free < DISK_BYTES:
        raise MissingError("the disk has under 12 GB free")
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
