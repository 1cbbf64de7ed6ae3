"""Whole processes: convcli and others as a user starts them, and how much memory they take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks.peers import magick

# As `sharpen` of `convcli kernels`, without a scale.
VIPS_MATRIX = "3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n"
MAGICK_KERNEL = "3x3: 0,-1,0 -1,5,-1 0,-1,0"
OPENCV_SCRIPT = """
import cv2, numpy, sys
image = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)
kernel = numpy.float32([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
made = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
cv2.imwrite(sys.argv[2], made, [*map(int, sys.argv[3:])])
"""

# The largest resident set of what it starts, which counts that of whoever starts it: so a small
# process of its own does. KiB on Linux, bytes elsewhere.
_WEIGH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
if done.returncode:
    sys.exit(done.returncode)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
"""


@cache
def convcli() -> list[str]:
    """The installed script where there is one beside this Python."""
    script = Path(sys.executable).with_name("convcli")
    return [str(script)] if script.exists() else [sys.executable, "-m", "convcli"]


def run(*command: str | Path, folder: Path) -> bytes:
    """Run a command to its end, and give what it printed."""
    done = subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, check=False, timeout=3600
    )
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {message[-300:]}")
    return done.stdout


def peak_bytes(*command: str | Path, folder: Path) -> int:
    """The most memory that a command held at once."""
    return int(run(sys.executable, "-c", _WEIGH, *command, folder=folder).split()[-1])


def sharpen(source: Path, target: Path, *told: str) -> list[str]:
    typed = ("apply", str(source), "-k", "sharpen", "-o", str(target), "-f", "-q", *told)
    return [*convcli(), *typed]


def vips(source: Path, target: Path) -> list[str]:
    return ["vips", "conv", str(source), str(target), str(write_vips_matrix(target.parent))]


def write_vips_matrix(folder: Path) -> Path:
    path = folder / "sharpen.mat"
    path.write_text(VIPS_MATRIX)
    return path


def image_magick(source: Path, target: Path) -> list[str]:
    return [str(magick()), str(source), "-morphology", "Convolve", MAGICK_KERNEL, str(target)]


def opencv(*settings: int) -> Callable[[Path, Path], list[str]]:
    """Return the command of a script in OpenCV, which has some settings for the file it writes."""

    def command(source: Path, target: Path) -> list[str]:
        numbers = map(str, settings)
        return [sys.executable, "-c", OPENCV_SCRIPT, str(source), str(target), *numbers]

    return command
