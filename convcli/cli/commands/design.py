"""`convcli design`: a stack of layers for a budget."""

from __future__ import annotations

from typing import Any

import click

from convcli.arithmetic import design as designing
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
    block: str = option(
        "Stack", "--block", click.Choice(tuple(BLOCKS)), "What it is made of.", default="plain"
    )

    format: str | None = opt.format_option(FORMATS)
    json: bool = flag("Output", "--json", "Short for --format json.")


@opt.command(DesignOptions)
def design(**values: Any) -> None:
    """Design a stack of layers for a budget.

    What it prints is a network file: `convcli shape --net -` audits it. It takes the fewest layers
    that use 99 % of the parameters; where none do, the most parameters. Maps are halved by stride 2
    and their channels doubled.

    \b
    convcli design --input 3x224x224 --params 100k --rf 64 --out 14
    convcli design --input 3x32x32 --params 1M --rf 32 --format torch
    """
    options = DesignOptions(**values)
    layout = opt.choose_format(options.format, FORMATS, is_json=options.json)
    names = ("params", "field", "output", "macs", "width")
    budget = Budget(**{name: getattr(options, name) for name in names})
    stack = designing.design(options.input, budget, block=options.block)
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
        },
    }


def network_text(stack: Walk, budget: Budget) -> str:
    """Return a design as a network file, with comments on how far it fits the budget."""
    field = format_size(stack.layers[-1].receptive_field)
    share = stack.params / budget.params
    return (
        f"# {stack.params:,} of {budget.params:,} parameters ({share:.1%}), {stack.macs:,} MACs\n"
        f"# receptive field {field} ({budget.field} asked), output {format_shape(stack.output)}\n"
        f"# chosen: {designing.OBJECTIVE}\n"
        + format_network(stack.input, [report.layer for report in stack.layers])
    )
