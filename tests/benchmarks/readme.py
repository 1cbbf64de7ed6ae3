"""The README's table, written from results: a column for each machine and each core of its BLAS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.cores import Core
from benchmarks.layers import MEAN
from benchmarks.machine import Machine
from benchmarks.results import Result, ResultError
from benchmarks.tables import number

HEADING = "## How fast\n"
INTRODUCTION = "convcli's time divided by the other's, both with two threads and the same result:"
FOOTNOTE = "`pip install '.[bench]' && python tests/benchmarks` measures."
MISSING = "-"


class Line(NamedTuple):
    """A line of the table: the rows whose figures it shows, by their names and peers."""

    work: str
    peer: str
    rows: tuple[tuple[str, str], ...]


_RGB = "filter2d 12 MP RGB uint8, "
_COMMAND = "whole command, 12 MP JPEG to "
_SCRIPT = "OpenCV script"
LINES = (
    Line(
        "`filter2d`, 12 MP RGB, dense 3×3 / 5×5 / 9×9 / 31×31",
        "OpenCV",
        tuple((f"{_RGB}dense {k}x{k}", "cv2.filter2D") for k in (3, 5, 9, 31)),
    ),
    Line(
        "box:15 / sobel-x / gaussian:2 / gaussian:5",
        "OpenCV's own",
        (
            (f"{_RGB}box:15", "cv2.blur"),
            (f"{_RGB}sobel-x to int16", "cv2.Sobel"),
            (f"{_RGB}gaussian:2", "cv2.GaussianBlur"),
            (f"{_RGB}gaussian:5", "cv2.GaussianBlur"),
        ),
    ),
    Line(
        "`conv2d`, mean of four layers / resnet18",
        "torch / ONNX Runtime",
        ((MEAN, "torch conv2d"), ("network resnet18, 224²", "onnxruntime")),
    ),
    Line(
        "the command, 12 MP JPEG to PNG, sharpen",
        "vips / OpenCV / ImageMagick",
        tuple(
            (f"{_COMMAND}PNG, sharpen", peer)
            for peer in ("vips conv", _SCRIPT, "ImageMagick -morphology Convolve")
        ),
    ),
    Line(
        "to JPEG / TIFF",
        "OpenCV",
        ((f"{_COMMAND}JPEG, sharpen", _SCRIPT), (f"{_COMMAND}TIFF, sharpen", _SCRIPT)),
    ),
    Line(
        "100 files, `--jobs 2`",
        "vips / mogrify / OpenCV",
        tuple(
            ("100 files of 2 MP, --jobs 2", peer)
            for peer in ("xargs -P2 vips conv", "mogrify", "multiprocessing and OpenCV")
        ),
    ),
    Line(
        "450×300 JPEG to PNG",
        "importing click, numpy, Pillow",
        (
            (
                "whole command, 450x300 JPEG to PNG, sharpen",
                'python -c "import click, numpy, PIL.Image"',
            ),
        ),
    ),
)


def write_section(readme: Path, results: list[Result]) -> None:
    """Write the section of a page from results, in place of what it says.

    Raises
    ------
    ResultError
        For quick results, which are of smaller pictures.
    """
    if any(result.is_quick for result in results):
        raise ResultError("a quick result is none for the README")
    text = readme.read_text(encoding="utf-8")
    readme.write_text(replace_section(text, render_section(results)), encoding="utf-8")


def replace_section(text: str, section: str) -> str:
    """Put a section in the place of the one with its heading, up to the next heading."""
    pattern = rf"^{HEADING}.*?(?=^## |\Z)"
    return re.sub(pattern, lambda _: section, text, count=1, flags=re.DOTALL | re.MULTILINE)


def render_section(results: list[Result]) -> str:
    """Return the section with its heading, and an empty line behind it."""
    columns = [(result, core) for result in results for core in result.cores]
    head = ["work", "compared with", *(title(*column) for column in columns)]
    rows = [head, ["---"] * len(head)]
    rows += [
        [line.work, line.peer, *(figures(line, *column) for column in columns)] for line in LINES
    ]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"{HEADING}\n{INTRODUCTION}\n\n{table}\nMedians, on {describe(results)}. {FOOTNOTE}\n\n"


def title(result: Result, core: Core) -> str:
    """Name a column by the processor's maker and the vector units of the core."""
    maker = " ".join(plain_processor(result.machine.processor).split()[:2])
    units = core.units.rpartition(" ")[2]
    return f"{maker}, {units}"


def plain_processor(name: str) -> str:
    """Return a processor's name without marks and clock.

    >>> plain_processor("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz")
    'Intel Xeon Platinum 8481C'
    """
    return " ".join(re.sub(r"\([^)]*\)|\bCPU @.*", " ", name).split())


def figures(line: Line, result: Result, core: Core) -> str:
    found = list(find_figures(line, result, core))
    return " / ".join(found) if set(found) != {MISSING} else MISSING


def find_figures(line: Line, result: Result, core: Core) -> Iterator[str]:
    """Yield a line's figures; what is of no one core belongs to the first."""
    for row, peer in line.rows:
        measure = result.find(row, peer, core.name)
        if measure is None and core == result.cores[0]:
            measure = result.find(row, peer, "")
        if measure is None or measure.ratio is None:
            yield MISSING
        else:
            yield number(round(measure.ratio, 2))


def describe(results: list[Result]) -> str:
    """Name the machines, and the versions that their figures are of, each once."""
    machines: dict[str, list[str]] = {}
    for result in results:
        cores = " and ".join(core.name for core in result.cores)
        counts = f"{result.machine.threads} of {result.machine.cores} cores"
        text = f"{counts} of {plain_processor(result.machine.processor)}, OpenBLAS for {cores}"
        machines.setdefault(list_versions(result.machine), []).append(text)
    return "; ".join(f"{', '.join(names)}: {versions}" for versions, names in machines.items())


def list_versions(machine: Machine) -> str:
    names = {"cv2": "OpenCV", "torch": "torch", "onnxruntime": "ONNX Runtime", "vips": "vips"}
    peers = {name: machine.peers[peer] for peer, name in names.items() if peer in machine.peers}
    versions = {"NumPy": machine.numpy} | peers
    return ", ".join(f"{name} {short_version(version)}" for name, version in versions.items())


def short_version(version: str) -> str:
    """Return the first two numbers of a version.

    >>> short_version("2.13.0+cpu")
    '2.13'
    """
    return ".".join(version.split(".")[:2])
