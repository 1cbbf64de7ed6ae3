"""`convcli fit`: the kernel that turned one picture into another."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import numpy as np

from convcli.arithmetic.values import Pair, format_shape
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import escape_control, format_json, log_notes, print_data
from convcli.cli.pictures import STYLE_OPTIONS, PictureOptions
from convcli.engine.arrays import Array
from convcli.engine.fit import Fit, check_fit_size, fit_pairs
from convcli.engine.scratch import even_size
from convcli.errors import ArgumentError, FileError
from convcli.files import STDIN, STDOUT
from convcli.files.output import atomic_write, check_output
from convcli.images import ReadSettings
from convcli.kernels.nearest import Nearest, find_nearest
from convcli.pipeline.pairs import PicturePairs, ReadOptions, find_pairs

KERNEL_SUFFIX = ".json"  # of the format of kernels that holds a bias
MAX_WIDTH = 80  # of the weights, in characters
MAX_DECIMALS = 6
MAX_COLUMNS = 15  # of a kernel whose weights are printed
SAME = 1e-9  # the distance of a kernel that is the same but for rounding errors
UNCERTAIN = 0.1  # a standard error, relative to the largest weight, that is pointed out
EXPLAINED = 0.98  # a share below which something else than this kernel was at work
FAR = 0.5  # the distance of the nearest kernel with a name from which it is none to speak of


class FitOptions(PictureOptions):
    """The inputs and the options of `fit`, as they were typed."""

    before: str
    after: str

    gray: bool = flag("Input", "--gray", "Convert color pictures before to gray first.")
    keep_damaged: bool = opt.keep_damaged_option("Input")
    timeout: float | None = opt.timeout_option("Input", "reading one picture may take")

    kernel: Pair = option("Kernel", opt.KERNEL, opt.SIZE, "Size of the kernel.", required=True)
    bias: bool = flag("Kernel", "--bias", "Fit a number that is added to every sum, too.")

    output: str | None = option(
        "Output", "-o --output", opt.PATH, "A .json file that --kernel reads, or - for standard "
        "output."
    )  # fmt: skip
    figure: str | None = option(
        "Output", "--figure", opt.PATH, "Draw both pictures, the kernel, and what it does not "
        "explain: .png or .svg; of several pairs, the first."
    )  # fmt: skip
    force: bool = flag("Output", "-f --force", "Replace an existing file.")
    json: bool = flag("Output", "--json", "Print a JSON object.")
    restrict: str | None = opt.restrict_option("Output")


@opt.command(FitOptions, no_args_is_help=True)
@click.argument("before", metavar="BEFORE", type=opt.FILE)
@click.argument("after", metavar="AFTER", type=opt.FILE)
def fit(**values: Any) -> None:
    """Find the kernel that turned one picture into another, by least squares.

    Of the weights it says how certain they are, how much of AFTER they explain, and the named
    kernel that is nearest. One kernel is fitted to all channels. The border is left out, and what
    8 or 16 bits clipped. BEFORE and AFTER may be folders: files of one name are a pair.

    \b
    convcli fit cat.jpg sharper.png -k 3
    convcli fit cat.jpg after.png -k 5 --bias -o kernel.json
    convcli apply dog.jpg -k kernel.json
    """
    options = FitOptions(**values)
    _check(options)
    paths = find_pairs(options.before, options.after)
    inputs = [path for pair in paths for path in pair]
    for path in (options.output, options.figure):
        if path not in (None, STDOUT):
            check_output(path, force=options.force, inputs=inputs)
    settings = ReadSettings(keep_damaged=options.keep_damaged)
    reading = ReadOptions(settings, options.timeout, is_gray=options.gray)
    pairs = PicturePairs(paths, reading, options.kernel)
    try:
        found = fit_pairs(pairs, options.kernel, bias=options.bias)
    except ArgumentError as error:
        raise FileError(options.before, str(error)) from error
    for path, notes in pairs.notes.items():
        log_notes(path, notes)
    nearest = find_nearest(found.kernel, found.errors)
    if options.figure is not None:
        _write_figure(options.figure, options, pairs, found, nearest)
    if options.output is not None:
        with atomic_write(options.output, force=options.force) as stream:
            stream.write(_kernel_file(found))
    if options.json:
        print_data(format_json(_document(found, nearest, len(paths))))
    elif options.output != STDOUT:
        print_data(_text(found, nearest, len(paths)))


def _check(options: FitOptions) -> None:
    """Raise for options that contradict each other, or would have no effect."""
    check_fit_size(options.kernel)
    if options.before == options.after == STDIN:
        raise click.UsageError("standard input is one picture: give BEFORE or AFTER as a file")
    if options.figure is None:
        opt.refuse_typed(STYLE_OPTIONS, "goes with --figure")
    elif Path(options.figure).suffix.lower() not in opt.FIGURE_SUFFIXES:
        raise click.UsageError(
            f"figure {options.figure!r} must end in {' or '.join(opt.FIGURE_SUFFIXES)}"
        )
    if options.force and options.output in (None, STDOUT) and options.figure is None:
        raise click.UsageError("--force goes with --output FILE or --figure")
    if options.json and options.output == STDOUT:
        raise click.UsageError("--json and -o - exclude each other: both are standard output")
    if options.output not in (None, STDOUT):
        suffix = Path(os.fspath(options.output)).suffix.lower()
        if suffix != KERNEL_SUFFIX:
            raise click.UsageError(f"output {options.output!r} must end in {KERNEL_SUFFIX}")


def _write_figure(
    path: str, options: FitOptions, pairs: PicturePairs, found: Fit, nearest: Nearest | None
) -> None:
    """Draw the first pair, and what the kernel makes of it."""
    from convcli.pictures.fit_figure import FittedPair, draw_fit_figure

    before, after = pairs.read(0)
    names = (Path(pairs.paths[0].before).name, Path(pairs.paths[0].after).name)
    white = after.white if before.depth and after.depth else None
    notes = [f"explains {100 * found.explained:.6g} % of {names[1]}"]
    if nearest is not None and nearest.distance < FAR:
        notes.append(f"nearest: {_describe_nearest(nearest)}")
    content = draw_fit_figure(
        FittedPair(names, before.values, after.values, white),
        found,
        suffix=Path(path).suffix.lower(),
        notes=tuple(notes),
        style=options.style,
    )
    with atomic_write(path, force=options.force) as stream:
        stream.write(content)


def _describe_nearest(nearest: Nearest) -> str:
    """Return the name of the nearest kernel, and how far it is."""
    distance = f"{100 * nearest.distance:.2g} % away" if nearest.distance > SAME else "the same"
    return f"{escape_control(nearest.name)}, {distance}"


def _kernel_file(found: Fit) -> bytes:
    """Return a kernel file, in which the weights are exact."""
    rows = ",\n".join(f"  {json.dumps(row)}" for row in found.kernel.tolist())
    return f'{{"kernel": [\n{rows}\n ],\n "bias": {json.dumps(found.bias)}}}\n'.encode()


def _document(found: Fit, nearest: Nearest | None, pairs: int) -> dict[str, Any]:
    """Return what was found for JSON."""
    return {
        "kernel": found.kernel.tolist(),
        "bias": found.bias,
        "rms": found.rms,
        "explained": found.explained,
        "nearest": None if nearest is None else nearest._asdict(),
        "errors": None if found.errors is None else found.errors.tolist(),
        "bias_error": found.bias_error,
        "pairs": pairs,
        "pixels": found.pixels,
        "clipped": found.clipped,
        "total": found.total,
    }


def _text(found: Fit, nearest: Nearest | None, pairs: int) -> str:
    """Return what was found, for a reader."""
    largest = float(np.abs(found.kernel).max())
    lines = [_describe_data(found, pairs), "", *_format_weights(found), ""]
    if found.bias_error is not None:
        lines.append(f"bias: {found.bias:.6g}, standard error {found.bias_error:.2g}")
    elif found.bias:
        lines.append(f"bias: {found.bias:.6g}")
    lines.append(
        f"explains {100 * found.explained:.6g} % of AFTER; rms of the rest {found.rms:.4g}"
    )
    if nearest is not None and nearest.distance < FAR:
        lines.append(f"nearest kernel with a name: {_describe_nearest(nearest)}")
    else:
        lines.append("no kernel with a name is near")
    if found.errors is None:
        lines.append("there are no more values than unknowns: how certain they are is not known")
    elif found.errors.max() > UNCERTAIN * largest:
        lines.append("the weights are uncertain: more detail in BEFORE, or more pairs, tell more")
    if found.explained < EXPLAINED:
        lines.append("a larger -k or --bias may explain more, unless it was no convolution")
    return "\n".join(lines)


def _describe_data(found: Fit, pairs: int) -> str:
    """Return how many values the kernel was fitted to."""
    taken = found.pixels + found.clipped
    of_pairs = f" of {pairs:,} pairs" if pairs > 1 else ""
    text = f"{format_shape(found.kernel.shape)} kernel from {found.pixels:,} values{of_pairs}"
    if found.clipped:
        text += f", {found.clipped:,} more left out as clipped"
    if taken < found.total:
        text += f"\ndrawn from {found.total:,}, at random"
    return text


def _format_weights(found: Fit) -> list[str]:
    """Return the weights and their standard errors, as blocks that fit the width."""
    if found.kernel.shape[1] > MAX_COLUMNS:
        low, high = found.kernel.min(), found.kernel.max()
        return [f"weights from {low:.6g} to {high:.6g}; --json and -o hold them"]
    blocks = [("weights", _format_matrix(found.kernel, _decimals(found)))]
    if found.errors is not None:
        blocks.append(("standard errors", [[f"{x:.1e}" for x in row] for row in found.errors]))
    parts = [part for title, cells in blocks for part in _fold(title, cells)]
    if len(parts) == len(blocks) == 2:
        (first, second), gap = parts, "    "
        width = max(map(len, first))
        if width + len(gap) + max(map(len, second)) <= MAX_WIDTH:
            return [
                f"{left:<{width}}{gap}{right}" for left, right in zip(first, second, strict=True)
            ]
    return [line for index, part in enumerate(parts) for line in ([""] if index else []) + part]


def _decimals(found: Fit) -> int | None:
    """Return how many decimals of the weights are certain, by and large; None: all digits."""
    largest = float(np.abs(found.kernel).max())
    if not 1e-3 <= largest < 1e6:
        return None
    error = 0.0 if found.errors is None else float(found.errors.max())
    if error <= 0:
        return MAX_DECIMALS
    return min(max(1 - int(np.floor(np.log10(error))), 0), MAX_DECIMALS)


def _format_matrix(matrix: Array, decimals: int | None) -> list[list[str]]:
    """Return the weights as text; no zero has a sign."""
    if decimals is None:
        return [[f"{value + 0.0:.6g}" for value in row] for row in matrix.tolist()]
    rounded = matrix.round(decimals) + 0.0
    return [[f"{value:.{decimals}f}" for value in row] for row in rounded.tolist()]


def _fold(title: str, cells: list[list[str]]) -> list[list[str]]:
    """Return lines of right-aligned cells under a title; of a wide matrix, parts of its columns."""
    width = max(len(cell) for row in cells for cell in row)
    columns = len(cells[0])
    count = even_size(columns, (MAX_WIDTH + 2) // (width + 2))
    parts = []
    for start in range(0, columns, count):
        stop = min(start + count, columns)
        heading = title if columns <= count else f"{title}, columns {start} to {stop - 1}"
        rows = ["  ".join(cell.rjust(width) for cell in row[start:stop]) for row in cells]
        parts.append([heading, *rows])
    return parts
