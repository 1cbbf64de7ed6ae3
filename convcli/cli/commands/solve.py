"""`convcli solve`: the convolutions that take one size to another."""

from __future__ import annotations

import sys
from typing import Any

import click

from convcli.arithmetic import solve as search
from convcli.arithmetic.values import Pair
from convcli.cli.options import (
    FORMATS,
    POSITIVE,
    RANGE0,
    RANGE1,
    SIZE,
    choose_format,
    dilation_option,
    format_option,
    json_option,
    kernel_option,
    padding_option,
    stride_option,
)
from convcli.cli.output import print_data
from convcli.cli.tables import format_sweep
from convcli.errors import ConvError

sys.set_int_max_str_digits(0)  # before anything is parsed: exact for any integer that can be typed


@click.command()
@click.option("--h", "height", type=POSITIVE, required=True, help="Input height.")
@click.option("--w", "width", type=POSITIVE, help="Input width; default: the height.")
@click.option("--out", "output", type=SIZE, required=True, help="The size to get.")
@kernel_option(RANGE1, default="1..11", show_default=True, help="Kernel sizes to try.")
@stride_option(RANGE1, default="1..8", show_default=True, help="Strides to try.")
@padding_option(RANGE0, help="Paddings to try; default: up to half the kernel.")
@dilation_option(RANGE1, default="1", show_default=True, help="Dilations to try.")
@click.option("--transposed", is_flag=True, help="Transposed convolutions.")
@click.option(
    "--output-padding",
    type=RANGE0,
    help="Output paddings to try; default: all that the stride allows.",
)
@click.option("--exact", is_flag=True, help="Only where no row or column is dropped.")
@format_option(FORMATS)
@json_option("Short for --format json: a list.")
def solve(
    *,
    height: int,
    width: int | None,
    output: Pair,
    form: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Find the convolutions that take a size to another, best first.

    Best is what an engineer would pick: no gaps and nothing left over, an odd kernel padded by half
    of it or not at all, no dilation, a small kernel and stride. Ranges are A..B, both ends tried.

    \b
    convcli solve --h 224 --out 112
    convcli solve --h 28 --out 224 --transposed --s 2..8
    """
    size = (height, height if width is None else width)
    rules = {name: settings.pop(name) for name in ("transposed", "exact")}
    if settings["output_padding"] is not None and not rules["transposed"]:
        raise click.UsageError("--output-padding goes with --transposed")
    ranges = search.Ranges(**settings)
    solutions = search.solve(size, output, ranges, **rules)
    if not solutions:
        raise ConvError(_nearest_text(size, output, ranges, rules))
    print_data(format_sweep(solutions, choose_format(form, as_json=as_json, default=FORMATS[0])))


def _nearest_text(size: Pair, output: Pair, ranges: search.Ranges, rules: dict[str, bool]) -> str:
    """Say that nothing was found, and which sizes can be reached instead."""
    texts = []
    for side, length, wanted in zip(("height", "width"), size, output, strict=True):
        near = search.nearest_outputs(length, wanted, ranges, **rules)
        if wanted not in near:
            nearest = " and ".join(map(str, near)) or "none"
            texts.append(f"{side} {wanted} cannot be reached from {length}; nearest: {nearest}")
    return f"nothing in these ranges: {'; '.join(texts)}"
