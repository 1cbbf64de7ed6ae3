"""`convcli design`: a stack of layers for a budget."""

from __future__ import annotations

from typing import Any

import click

from convcli.arithmetic.design import design as design_stack
from convcli.arithmetic.design import min_used
from convcli.arithmetic.encoder_decoder import design_encoder_decoder
from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import Walk
from convcli.arithmetic.notation import format_layer, format_network
from convcli.arithmetic.shortest_stack import BLOCKS, Budget
from convcli.arithmetic.values import Pair, Shape, format_shape, format_size
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import format_json, print_data

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
    names = ("params", "field", "output", "macs", "width", "multiple_of")
    budget = Budget(**{name: getattr(options, name) for name in names})
    design_network = design_encoder_decoder if options.decoder else design_stack
    stack = design_network(options.input, budget, block=options.block)
    if layout == "torch":
        print_data(format_torch(stack))
    elif layout == "json":
        print_data(format_json(design_document(stack, budget)))
    else:
        print_data(network_text(stack, budget))


def design_document(stack: Walk, budget: Budget) -> dict[str, Any]:
    """Return a design for JSON."""
    return {
        "layers": [format_layer(report.layer) for report in stack.layers],
        "params": stack.params,
        "macs": stack.macs,
        "receptive_field": stack.layers[-1].receptive_field,
        "output": stack.output,
        "budget": {
            "params": budget.params,
            "rf": budget.field,
            "macs": budget.macs,
            "out": budget.output,
            "width": budget.width,
            "multiple_of": budget.multiple_of,
        },
    }


def network_text(stack: Walk, budget: Budget) -> str:
    """Return a design as a network file, with comments on how far it fits the budget."""
    field = stack.layers[-1].receptive_field
    share = stack.params / budget.params
    remark = ""
    if any(seen > side for seen, side in zip(field, stack.input[1:], strict=True)):
        remark = f"# the receptive field is larger than the {format_shape(stack.input[1:])} input\n"
    chosen = f"the fewest layers that use {100 * min_used(budget):.0f} % of the parameters"
    return (
        f"# {stack.params:,} of {budget.params:,} parameters ({share:.1%}), {stack.macs:,} MACs\n"
        f"# receptive field {format_size(field)} ({budget.field} asked), "
        f"output {format_shape(stack.output)}\n{remark}"
        f"# chosen: {chosen}; where none do, the most parameters\n"
        + format_network(stack.input, [report.layer for report in stack.layers])
    )
