"""Rows of whole commands, from file to file; each tool with its own settings for PNG."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.checks import same_interiors, same_jpegs, within_largest, within_levels
from benchmarks.photo import Workplace
from benchmarks.processes import convcli, image_magick, opencv, run, sharpen, vips
from benchmarks.row import Profile, Row, everywhere
from benchmarks.timing import Contest, Verdict

CAT = Path(__file__).parents[2] / "samples" / "cat.jpg"
QUALITY = 90  # of JPEG, from which on colors are kept for every pixel
OPENCV_JPEG = (1, QUALITY, 7, 0x111111)  # IMWRITE_JPEG_QUALITY, and SAMPLING_FACTOR of 4:4:4

Command: TypeAlias = Callable[[Path, Path], list[str]]
Check: TypeAlias = Callable[[Path, Path], Verdict]


class Tool(NamedTuple):
    """A peer: its name in the table, and in `peers.py` where it may be missing."""

    name: str
    needs: str = ""


VIPS = Tool("vips conv", "vips")
OPENCV = Tool("OpenCV script", "cv2")
MAGICK = Tool("ImageMagick -morphology Convolve", "magick")
FILTERING = Tool('python -c "import click, numpy, PIL.Image"')  # what filtering cannot do without
PARSING = Tool('python -c "import click"')


def rows(profile: Profile) -> list[Row]:
    whole = f"whole command, {profile.megapixels:g} MP JPEG to "
    deep = f"whole command, {profile.deep_megapixels:g} MP "

    def row(name: str, peer: Tool, prepare: Any, at_most: float, aim: float) -> Row:
        targets = everywhere(at_most, aim)
        return Row(name, peer.name, prepare, peer.needs, targets, is_command=True)

    def beside(suffix: str, peer: Command, check: Check = same_interiors, *told: str) -> Any:
        return sharpening(profile.megapixels, suffix, peer, check, *told)

    as_ours = opencv(*OPENCV_JPEG)
    return [
        row(f"{whole}PNG, sharpen", VIPS, beside("png", vips), 0.46, 0.37),
        row(f"{whole}PNG, sharpen", OPENCV, beside("png", opencv()), 0.75, 0.65),
        row(f"{whole}PNG, sharpen", MAGICK, beside("png", image_magick), 0.22, 0.2),
        row(
            f"{whole}JPEG, sharpen",
            OPENCV,
            beside("jpg", as_ours, same_jpegs, "--quality", str(QUALITY)),
            1.25,
            1.0,
        ),
        row(f"{whole}TIFF, sharpen", OPENCV, beside("tif", opencv()), 0.8, 0.5),
        row(f"{deep}16-bit gray TIFF to TIFF, gaussian:2", OPENCV, gray_tiff(profile), 1.5, 1.0),
        row(f"{deep}float32 .npy to .npy, gaussian:2", OPENCV, float_grid(profile), 1.5, 1.0),
        row("whole command, 450x300 JPEG to PNG, sharpen", FILTERING, small, 1.28, 1.15),
        row("convcli shape --h 224 --k 3 --json", PARSING, shape, 1.25, 1.1),
        replace(
            row("convcli design within 10 million parameters", PARSING, design, 4.0, 2.0),
            is_extra=True,
        ),
    ]


def sharpening(
    megapixels: float, suffix: str, peer: Command, check: Check, *told: str
) -> Callable[[Workplace], Contest]:
    """Sharpen a photograph into a file, as a peer does."""

    def prepare(place: Workplace) -> Contest:
        source, folder = place.jpeg(megapixels), place.folder
        ours, theirs = folder / f"ours.{suffix}", folder / f"theirs.{suffix}"
        return contest(sharpen(source, ours, *told), ours, peer(source, theirs), theirs, check)

    return prepare


def contest(ours: list[str], our: Path, theirs: list[str], their: Path, check: Check) -> Contest:
    """Run two commands, each of which writes a file."""

    def make(command: list[str], target: Path) -> Path:
        run(*command, folder=target.parent)
        return target

    return Contest(lambda: make(ours, our), lambda: make(theirs, their), check)


_BLUR = """
made = cv2.GaussianBlur(image, (13, 13), 2, borderType=cv2.BORDER_REPLICATE)
"""
_BLUR_TIFF = f"""
import cv2, sys
image = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)
{_BLUR}
cv2.imwrite(sys.argv[2], made)
"""
_BLUR_GRID = f"""
import cv2, numpy, sys
image = numpy.load(sys.argv[1])
{_BLUR}
numpy.save(sys.argv[2], made)
"""


def blur(source: Path, target: Path) -> list[str]:
    return [*convcli(), "apply", str(source), "-k", "gaussian:2", "-o", str(target), "-f", "-q"]


def gray_tiff(profile: Profile) -> Any:
    def prepare(place: Workplace) -> Contest:
        source = place.folder / "gray.tif"
        Image.fromarray(place.gray16(profile.deep_megapixels)).save(source)
        ours, theirs = place.folder / "ours-gray.tif", place.folder / "theirs-gray.tif"
        script = [sys.executable, "-c", _BLUR_TIFF, str(source), str(theirs)]
        return contest(blur(source, ours), ours, script, theirs, same_interiors)

    return prepare


def float_grid(profile: Profile) -> Any:
    def prepare(place: Workplace) -> Contest:
        source = place.folder / "floats.npy"
        np.save(source, place.gray16(profile.deep_megapixels).astype(np.float32))
        ours, theirs = place.folder / "ours-floats.npy", place.folder / "theirs-floats.npy"
        script = [sys.executable, "-c", _BLUR_GRID, str(source), str(theirs)]

        def check(our: Path, their: Path) -> Verdict:
            return within_largest(np.load(our), np.load(their))

        return contest(blur(source, ours), ours, script, theirs, check)

    return prepare


def only_import(place: Workplace, modules: str) -> Any:
    return lambda: run(sys.executable, "-c", f"import {modules}", folder=place.folder)


def small(place: Workplace) -> Contest:
    target = place.folder / "cat.png"

    def ours() -> Path:
        run(*sharpen(CAT, target), folder=place.folder)
        return target

    def check(made: Path, _: Any) -> Verdict:
        from convcli import filter2d, load_kernel

        wanted = filter2d(np.asarray(Image.open(CAT)), load_kernel("sharpen"))
        return within_levels(0)(np.asarray(Image.open(made)), wanted)

    return Contest(ours, only_import(place, "click, numpy, PIL.Image"), check)


def shape(place: Workplace) -> Contest:
    command = [*convcli(), "shape", "--h", "224", "--k", "3", "--json"]

    def check(printed: bytes, _: Any) -> Verdict:
        output = json.loads(printed)["output"]
        return Verdict(output == [222, 222], f"output {output}")

    return Contest(lambda: run(*command, folder=place.folder), only_import(place, "click"), check)


def design(place: Workplace) -> Contest:
    asked = ("--input", "3x224x224", "--params", "10M", "--rf", "64", "--out", "14")
    command = [*convcli(), "design", *asked, "--json"]

    def check(printed: bytes, _: Any) -> Verdict:
        params = json.loads(printed)["params"]
        return Verdict(9 * 10**6 <= params <= 10**7, f"{params:,} parameters")

    return Contest(lambda: run(*command, folder=place.folder), only_import(place, "click"), check)
