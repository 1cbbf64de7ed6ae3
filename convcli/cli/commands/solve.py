"""`convcli solve`: the layers that take one size to another."""

from __future__ import annotations

import sys
from typing import Any

import click

from convcli.arithmetic import solve as search
from convcli.arithmetic.layers import LayerSize
from convcli.arithmetic.solve_stacks import MAX_DEPTH, solve_stacks
from convcli.arithmetic.values import Pair
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import print_data
from convcli.cli.tables import format_stacks, format_sweep
from convcli.errors import ConvError

sys.set_int_max_str_digits(0)  # before anything is parsed: exact for any integer that can be typed

RANGE0, RANGE1 = opt.integer_range(least=0), opt.integer_range(least=1)


class SolveOptions(opt.DeclaredOptions):
    """The options of `solve`, as they were typed."""

    height: int = option("Sizes", "--h", opt.POSITIVE, "Input height.", required=True)
    width: int | None = option("Sizes", "--w", opt.POSITIVE, "Input width; default: the height.")
    out: Pair = option("Sizes", "--out", opt.SIZE, "The size to get.", required=True)

    kernel: range = option("Ranges to try", opt.KERNEL, RANGE1, "Kernel sizes.", default="1..11")
    stride: range = option("Ranges to try", opt.STRIDE, RANGE1, "Strides.", default="1..8")
    padding: range | None = option(
        "Ranges to try", opt.PADDING, RANGE0, "Paddings; default: up to half the kernel."
    )
    dilation: range = option("Ranges to try", opt.DILATION, RANGE1, "Dilations.", default="1")
    pool: str | None = option(
        "Ranges to try", "--pool", click.Choice(("max", "avg")), "Pools instead of convolutions."
    )
    ceil: bool = flag("Ranges to try", "--ceil", "Round a pool's size up.")
    transposed: bool = flag("Ranges to try", "--transposed", "Transposed convolutions.")
    output_padding: range | None = option(
        "Ranges to try", "--output-padding", RANGE0, "Output paddings; default: all that the "
        "stride allows."
    )  # fmt: skip

    layers: int | None = option(
        "Ranges to try", "--layers", click.IntRange(1, MAX_DEPTH), "Find stacks of up to so many "
        "layers: the best of each depth."
    )  # fmt: skip

    exact: bool = flag("Output", "--exact", "Only where no row or column is dropped.")
    format: str | None = opt.format_option(opt.FORMATS)
    json: bool = flag("Output", "--json", "Short for --format json: a list.")

    @property
    def op(self) -> str:
        """The operation of the layers."""
        if self.pool is not None:
            return f"{self.pool}pool"
        return "tconv" if self.transposed else "conv"


@opt.command(SolveOptions)
def solve(**values: Any) -> None:
    """Find the convolutions, pools or stacks that take a size to another, best first.

    Best is what an engineer would pick: no gaps and nothing left over, the same padding on both
    sides, an odd kernel padded by half of it or not at all, no dilation, a small kernel and stride;
    of pools, windows side by side. Ranges are A..B, both ends tried.

    \b
    convcli solve --h 224 --out 112
    convcli solve --h 112 --out 56 --pool max
    convcli solve --h 28 --out 224 --transposed --s 2..8
    convcli solve --h 16000 --w 1 --out 49x1 --layers 4
    """
    options = SolveOptions(**values)
    if options.output_padding is not None and not options.transposed:
        raise click.UsageError("--output-padding goes with --transposed")
    if options.ceil and options.pool is None:
        raise click.UsageError("--ceil goes with --pool: a convolution rounds down")
    if options.pool is not None and options.transposed:
        raise click.UsageError("--pool and --transposed exclude each other")
    layout = opt.choose_format(options.format, opt.FORMATS, is_json=options.json)
    size = (options.height, options.height if options.width is None else options.width)
    names = ("kernel", "stride", "padding", "dilation", "output_padding")
    ranges = search.Ranges(**{name: getattr(options, name) for name in names})
    rules: dict[str, Any] = {"op": options.op, "ceil": options.ceil, "exact": options.exact}
    if options.layers is not None:
        stacks = solve_stacks(size, options.out, ranges, max_layers=options.layers, **rules)
        if not stacks:
            raise ConvError(f"nothing in these ranges: no stack of up to {options.layers} layers")
        print_data(format_stacks(stacks, layout))
        return
    solutions: list[LayerSize] = search.solve(size, options.out, ranges, **rules)
    if not solutions:
        raise ConvError(_nearest_text(size, options.out, ranges, rules))
    print_data(format_sweep(solutions, layout))


def _nearest_text(size: Pair, output: Pair, ranges: search.Ranges, rules: dict[str, Any]) -> str:
    """Say that nothing was found, and what can be reached instead."""
    texts = []
    for side, length, wanted in zip(("height", "width"), size, output, strict=True):
        near = search.nearest_outputs(length, wanted, ranges, **rules)
        if wanted not in near:
            nearest = " and ".join(map(str, near)) or "none"
            texts.append(f"{side} {wanted} cannot be reached from {length}; nearest: {nearest}")
    return f"nothing in these ranges: {'; '.join(texts)}; --layers tries stacks"
