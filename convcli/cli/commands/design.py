"""`convcli design`: a stack of layers for a budget."""

from __future__ import annotations

from typing import Any

import click

from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network_design import design as design_network
from convcli.arithmetic.shortest_stack import BLOCKS
from convcli.arithmetic.values import Pair, Shape, format_shape, suggest_channels_first
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import format_json, log, print_data

FORMATS = ("network", "json", "torch")


class DesignOptions(opt.DeclaredOptions):
    """The options of `design`, as they were typed."""

    input: Shape = option(
        "Stack", "--input", opt.SHAPE, "Shape of the stack's input.", required=True
    )
    params: int = option(
        "Stack", "--params", opt.COUNT, "The most parameters, like 100k or 1.5M.", required=True
    )
    field: int = option(
        "Stack", "--rf", opt.POSITIVE, "The receptive field to reach.", required=True
    )
    output: Pair | None = option("Stack", "--out", opt.SIZE, "The size to end at.")
    macs: int | None = option("Stack", "--macs", opt.COUNT, "The most multiply-accumulates.")
    width: int | None = option("Stack", "--width", opt.POSITIVE, "Channels of the first maps.")
    multiple_of: int = option(
        "Stack", "--multiple-of", opt.POSITIVE, "What the channels are multiples of.", default="1"
    )
    decoder: bool = flag(
        "Stack", "--decoder", "An encoder, and a decoder back to the input's size, as U-Net has."
    )
    block: str = option(
        "Stack", "--block", click.Choice(tuple(BLOCKS)), "What it is made of.", default="plain"
    )

    format: str | None = opt.format_option(FORMATS)
    json: bool = flag("Output", "--json", "Short for --format json.")


@opt.command(DesignOptions)
def design(**values: Any) -> None:
    """Design a stack of layers for a budget.

    What it prints is a network file: `convcli shape --net -` audits it. It takes the fewest layers
    that use 98 % of the parameters (90 % with --multiple-of); where none do, the most parameters.

    Strides of 2 shrink the maps (of 3, or windows without padding, where the size asked for needs
    them), and channels double with each. Where such a stack would be more than twice as long, the
    windows are dilated instead, twice as far from layer to layer.

    \b
    convcli design --input 3x224x224 --params 100k --rf 64 --out 14
    convcli design --input 3x512x512 --params 1M --rf 400 --out 512
    convcli design --input 3x256x256 --params 1M --rf 99 --multiple-of 8 --decoder
    convcli design --input 3x32x32 --params 1M --rf 32 --format torch
    """
    options = DesignOptions(**values)
    layout = opt.choose_format(options.format, FORMATS, is_json=options.json)
    found = design_network(
        options.input, params=options.params, rf=options.field, out=options.output,
        macs=options.macs, width=options.width, multiple_of=options.multiple_of,
        block=options.block, decoder=options.decoder,
    )  # fmt: skip
    if layout == "torch":
        print_data(format_torch(found.network))
    else:
        print_data(format_json(found.to_dict()) if layout == "json" else found.text)
    question = suggest_channels_first(options.input)
    if question:
        log(f"input {format_shape(options.input)}: {question}")
