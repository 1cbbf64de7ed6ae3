"""Rows of whole commands, from file to file; each tool with its own settings for PNG."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.checks import same_interiors, within_levels
from benchmarks.peers import magick
from benchmarks.photo import Workplace
from benchmarks.processes import convcli, peak_bytes, run
from benchmarks.row import Profile, Row
from benchmarks.timing import Contest, Gauge, Verdict

CAT = Path(__file__).parents[2] / "samples" / "cat.jpg"
SMALL_MEGAPIXELS = 2.0

# One process has as many threads as there are cores, unless told otherwise.
ALONE = {
    ("--jobs", "1", "--threads", "1"): (0.6, 0.52),
    ("--jobs", "1"): (None, None),
}


def rows(profile: Profile) -> list[Row]:
    whole = f"whole command, {profile.megapixels:g} MP JPEG to PNG, sharpen"
    started = 'python -c "import {}"'.format
    return [
        Row(whole, "vips conv", beside(profile, vips), "vips", 0.95, 0.6, is_command=True),
        Row(
            whole,
            "ImageMagick -morphology Convolve",
            beside(profile, image_magick),
            "magick",
            0.15,
            0.1,
            is_command=True,
        ),
        Row(
            "whole command, 450x300 JPEG to PNG, sharpen",
            started("click, numpy, PIL.Image"),
            small,
            "",
            1.3,
            1.1,
            is_command=True,
        ),
        Row(
            "convcli shape --h 224 --k 3 --json",
            started("click"),
            shape,
            "",
            1.25,
            1.1,
            is_command=True,
        ),
        Row(
            "convcli design within 10 million parameters",
            started("click"),
            design,
            "",
            4.0,
            2.0,
            is_command=True,
        ),
        Row(
            f"peak memory, {profile.large_megapixels:g} MP JPEG to PNG, sharpen",
            "",
            memory(profile),
            "",
            260.0,
            200.0,
            is_command=True,
        ),
        *(
            Row(
                f"{profile.files} files of {SMALL_MEGAPIXELS:g} MP, --jobs 2",
                f"the same with {' '.join(alone)}",
                many(profile, alone),
                "",
                *targets,
                is_command=True,
                most_runs=2,
            )
            for alone, targets in ALONE.items()
        ),
    ]


def sharpen(source: Path, target: Path) -> list[str]:
    return [*convcli(), "apply", str(source), "-k", "sharpen", "-o", str(target), "-f", "-q"]


def beside(profile: Profile, peer: Any) -> Any:
    def prepare(place: Workplace) -> Contest:
        source, folder = place.jpeg(profile.megapixels), place.folder
        ours, theirs = folder / "ours.png", folder / "theirs.png"
        other = peer(source, theirs)

        def made(command: list[str], target: Path) -> Path:
            run(*command, folder=folder)
            return target

        return Contest(
            lambda: made(sharpen(source, ours), ours),
            lambda: made(other, theirs),
            same_interiors,
        )

    return prepare


def vips(source: Path, target: Path) -> list[str]:
    matrix = target.with_name("sharpen.mat")
    matrix.write_text("3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n")
    return ["vips", "conv", str(source), str(target), str(matrix)]


def image_magick(source: Path, target: Path) -> list[str]:
    kernel = "3x3: 0,-1,0 -1,5,-1 0,-1,0"
    return [str(magick()), str(source), "-morphology", "Convolve", kernel, str(target)]


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


def memory(profile: Profile) -> Any:
    def prepare(place: Workplace) -> Gauge:
        source, target = place.jpeg(profile.large_megapixels), place.folder / "ours.png"

        def check(_: Any) -> Verdict:
            from convcli import filter2d, load_kernel

            wanted = filter2d(np.asarray(Image.open(source)), load_kernel("sharpen"))
            return within_levels(0)(np.asarray(Image.open(target)), wanted)

        return Gauge(
            lambda: peak_bytes(*sharpen(source, target), folder=place.folder),
            check,
            "MB",
            lambda peak: peak / 1e6,
        )

    return prepare


def many(profile: Profile, alone: tuple[str, ...]) -> Any:
    def prepare(place: Workplace) -> Contest:
        source, inputs = place.jpeg(SMALL_MEGAPIXELS), place.folder / "inputs"
        inputs.mkdir(exist_ok=True)
        names = [inputs / f"{number:03}.jpg" for number in range(profile.files)]
        for name in names:
            shutil.copyfile(source, name)

        def with_jobs(*options: str) -> list[Path]:
            folder = place.folder / "".join(options)
            command: list[str | Path] = [*convcli(), "apply", *names, "-k", "sharpen", "-f", "-q"]
            run(*command, "--output-dir", folder, *options, folder=place.folder)
            return sorted(folder.iterdir())

        return Contest(lambda: with_jobs("--jobs", "2"), lambda: with_jobs(*alone), same_files)

    return prepare


def same_files(ours: list[Path], theirs: list[Path]) -> Verdict:
    same = [path.name for path in ours] == [path.name for path in theirs] and all(
        one.read_bytes() == other.read_bytes() for one, other in zip(ours, theirs, strict=True)
    )
    return Verdict(same, f"{len(ours)} files, " + ("the same bytes" if same else "not the same"))
