"""Rows of the most memory that a command holds at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.checks import within_levels
from benchmarks.photo import Workplace
from benchmarks.processes import convcli, peak_bytes
from benchmarks.row import Profile, Row, Targets, everywhere
from benchmarks.timing import Gauge, Verdict

NET_LAYERS = 20
NET_MEGAPIXELS = 4.0
LINE_PIXELS = 2_000_000
TARGETS_MB = {24.0: (190.0, 150.0), 100.0: (480.0, 450.0)}
LINE_TARGETS_MB = (150.0, 120.0)


def rows(profile: Profile) -> list[Row]:
    def row(work: str, prepare: Any, targets: Targets) -> Row:
        return Row(f"peak memory, {work}", "", prepare, targets=targets, is_command=True)

    made = [
        row(
            f"{megapixels:g} MP JPEG to PNG, sharpen",
            photo(megapixels),
            everywhere(*TARGETS_MB[megapixels]) if megapixels in TARGETS_MB else {},
        )
        for megapixels in profile.memory_megapixels
    ]
    made.append(row(f"1x{LINE_PIXELS:,} PNG, gaussian:5", line, everywhere(*LINE_TARGETS_MB)))
    stack = row(f"{NET_LAYERS} layers of --net, {NET_MEGAPIXELS:g} MP", net, {})
    return [*made, replace(stack, is_extra=True)]


def peak_megabytes(source: Path, target: Path, kernel: str) -> Gauge:
    """The most that `apply` holds, of a picture whose result is checked."""
    typed = ("apply", source, "-k", kernel, "-o", target, "-f", "-q", "--max-pixels", "1000000000")

    def check(_: Any) -> Verdict:
        from convcli import filter2d, load_kernel

        wanted = filter2d(np.asarray(Image.open(source)), load_kernel(kernel))
        return within_levels(1)(np.asarray(Image.open(target)), wanted)

    return Gauge(
        lambda: peak_bytes(*convcli(), *typed, folder=target.parent),
        check,
        "MB",
        lambda peak: peak / 1e6,
    )


def photo(megapixels: float) -> Any:
    def prepare(place: Workplace) -> Gauge:
        return peak_megabytes(place.jpeg(megapixels), place.folder / "ours.png", "sharpen")

    return prepare


def line(place: Workplace) -> Gauge:
    """A picture of one row, which no cut into bands of rows makes smaller."""
    source = place.folder / "line.png"
    values = np.random.default_rng(8).integers(0, 256, (1, LINE_PIXELS, 3), np.uint8)
    Image.fromarray(values).save(source)
    return peak_megabytes(source, place.folder / "line-ours.png", "gaussian:5")


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
