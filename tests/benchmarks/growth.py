"""Rows without a peer: how time grows with the picture and the kernel, and memory with both."""

from __future__ import annotations

import shutil
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
