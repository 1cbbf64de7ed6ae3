"""Rows of many files at once: `--jobs 2` beside what others take for a folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.checks import same_interiors
from benchmarks.photo import Workplace
from benchmarks.processes import MAGICK_KERNEL, convcli, run, write_vips_matrix
from benchmarks.row import Profile, Row, Targets, everywhere
from benchmarks.timing import Contest, Verdict

MEGAPIXELS = 2.0

# Two processes of one thread each, which is the quickest there.
_OPENCV_POOL = """
import cv2, multiprocessing, numpy, pathlib, sys
inputs, outputs = map(pathlib.Path, sys.argv[1:])
kernel = numpy.float32([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
def sharpen(path):
    cv2.setNumThreads(1)
    image = cv2.imread(str(path))
    made = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    cv2.imwrite(str(outputs / path.with_suffix(".png").name), made)
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        pool.map(sharpen, sorted(inputs.iterdir()))
"""

Command: TypeAlias = Callable[[Path, Path], list[str]]


def rows(profile: Profile) -> list[Row]:
    work = f"{profile.files} files of {MEGAPIXELS:g} MP, --jobs 2"

    def row(peer: str, make: Command, needs: str, targets: Targets, most_runs: int) -> Row:
        prepare, runs = beside(profile.files, make), most_runs if profile.is_full else 1
        return Row(work, peer, prepare, needs, targets, is_command=True, most_runs=runs)

    slowest = [
        row("mogrify", mogrify_all, "mogrify", everywhere(0.12, 0.1), 1),
        row("the same with --jobs 1 --threads 1", one_core, "", everywhere(0.6, 0.52), 1),
    ]
    return [
        row("xargs -P2 vips conv", xargs_vips, "vips", everywhere(0.35, 0.3), 2),
        row("multiprocessing and OpenCV", opencv_pool, "cv2", everywhere(1.05, 0.95), 3),
        *(replace(each, is_extra=True) for each in slowest),
    ]


def beside(files: int, peer: Command) -> Any:
    def prepare(place: Workplace) -> Contest:
        source, inputs = place.jpeg(MEGAPIXELS), place.folder / f"inputs-{files}"
        inputs.mkdir(exist_ok=True)
        for number in range(files):
            shutil.copyfile(source, inputs / f"{number:03}.jpg")
        ours, theirs = place.folder / "ours", place.folder / "theirs"
        command = apply_all(inputs, ours, "--jobs", "2")
        other = peer(inputs, theirs)

        def make(command: list[str], folder: Path) -> list[Path]:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            run(*command, folder=place.folder)
            return sorted(folder.iterdir())

        return Contest(lambda: make(command, ours), lambda: make(other, theirs), same_files)

    return prepare


def apply_all(inputs: Path, outputs: Path, *told: str) -> list[str]:
    paths = map(str, sorted(inputs.iterdir()))
    typed = ("-k", "sharpen", "--name", "{stem}.png", "--output-dir", str(outputs), "-f", "-q")
    return [*convcli(), "apply", *paths, *typed, *told]


def one_core(inputs: Path, outputs: Path) -> list[str]:
    return apply_all(inputs, outputs, "--jobs", "1", "--threads", "1")


def xargs_vips(inputs: Path, outputs: Path) -> list[str]:
    matrix = write_vips_matrix(outputs.parent)
    each = f"vips conv '{inputs}/%.jpg' '{outputs}/%.png' '{matrix}'"
    return ["sh", "-c", f"ls '{inputs}' | sed s/.jpg// | xargs -P2 -I% {each}"]


def mogrify_all(inputs: Path, outputs: Path) -> list[str]:
    settings = ("-morphology", "Convolve", MAGICK_KERNEL, "-format", "png", "-path", str(outputs))
    return ["mogrify", *settings, *map(str, sorted(inputs.iterdir()))]


def opencv_pool(inputs: Path, outputs: Path) -> list[str]:
    script = outputs.with_name("pool.py")  # what processes start from must be a file
    script.write_text(_OPENCV_POOL)
    return [sys.executable, str(script), str(inputs), str(outputs)]


def same_files(ours: list[Path], theirs: list[Path]) -> Verdict:
    """The inputs are copies of one: the names and the first files are compared."""
    names = [path.name for path in ours]
    if not names or names != [path.name for path in theirs]:
        return Verdict(False, f"{len(ours)} files are not the {len(theirs)} of the other")
    sizes = [{path.stat().st_size for path in paths} for paths in (ours, theirs)]
    verdict = same_interiors(ours[0], theirs[0])
    words = f"{len(names)} files; {verdict.words}"
    return Verdict(verdict.passed and [len(each) for each in sizes] == [1, 1], words)
