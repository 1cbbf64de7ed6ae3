"""`convcli design`: a stack of layers for a budget."""

from __future__ import annotations

from typing import Any

import click

from convcli.arithmetic import design as designing
from convcli.arithmetic.frameworks import format_torch
from convcli.arithmetic.network import Walk
from convcli.arithmetic.notation import format_layer, format_network
from convcli.arithmetic.shortest_stack import BLOCKS, Budget
from convcli.arithmetic.values import Shape, format_shape, format_size
from convcli.cli.options import (
    COUNT,
    POSITIVE,
    SHAPE,
    SIZE,
    choose_format,
    format_option,
    json_option,
)
from convcli.cli.output import format_json, print_data

FORMATS = ("network", "json", "torch")


@click.command()
@click.option("--input", "shape", type=SHAPE, required=True, help="Shape of the stack's input.")
@click.option("--params", type=COUNT, required=True, help="The most parameters, like 100k or 1.5M.")
@click.option("--rf", "field", type=POSITIVE, required=True, help="The receptive field to reach.")
@click.option("--out", "output", type=SIZE, help="The size to end at.")
@click.option("--macs", type=COUNT, help="The most multiply-accumulates.")
@click.option("--width", type=POSITIVE, help="Channels of the first maps.")
@click.option(
    "--block",
    type=click.Choice(tuple(BLOCKS)),
    default="plain",
    show_default=True,
    help="What the stack is made of.",
)
@format_option(FORMATS)
@json_option("Short for --format json.")
def design(*, shape: Shape, block: str, form: str | None, as_json: bool, **bounds: Any) -> None:
    """Design a stack of layers for a budget.

    What it prints is a network file: `convcli shape --net -` audits it. It takes the fewest layers
    that use 99 % of the parameters; where none do, the most parameters. Maps are halved by stride 2
    and their channels doubled.

    \b
    convcli design --input 3x224x224 --params 100k --rf 64 --out 14
    convcli design --input 3x32x32 --params 1M --rf 32 --format torch
    """
    budget = Budget(**bounds)
    layout = choose_format(form, as_json=as_json, default=FORMATS[0])
    stack = designing.design(shape, budget, block=block)
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
