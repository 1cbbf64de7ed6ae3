"""A network for a budget, and what there is to say of it: as `convcli design` prints it."""

from __future__ import annotations

from typing import Any

from convcli.arithmetic.design import design as design_stack
from convcli.arithmetic.design import min_used
from convcli.arithmetic.encoder_decoder import design_encoder_decoder
from convcli.arithmetic.notation import format_layer, format_network
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.shortest_stack import Budget
from convcli.arithmetic.values import (
    Pair,
    Shape,
    as_map_shape,
    as_number,
    as_pair,
    format_shape,
    format_size,
    suggest_channels_first,
)
from convcli.errors import ConvError
from convcli.records import NamedTuple


class Design(NamedTuple):
    """A network that keeps a budget.

    Parameters
    ----------
    network : Walk
    budget : Budget
    """

    network: Walk
    budget: Budget

    @property
    def text(self) -> str:
        """A network file, with comments on how far it fits the budget."""
        network, budget = self
        field = network.layers[-1].receptive_field
        share, remark = network.params / budget.params, ""
        if any(seen > side for seen, side in zip(field, network.input[1:], strict=True)):
            size = format_shape(network.input[1:])
            remark = f"# the receptive field is larger than the {size} input\n"
        chosen = f"the fewest layers that use {100 * min_used(budget):.0f} % of the parameters"
        return (
            f"# {network.params:,} of {budget.params:,} parameters ({share:.1%}), "
            f"{network.macs:,} MACs\n"
            f"# receptive field {format_size(field)} ({budget.field} asked), "
            f"output {format_shape(network.output)}\n{remark}"
            f"# chosen: {chosen}; where none do, the most parameters\n"
            + format_network(network.input, [report.layer for report in network.layers])
        )

    def to_dict(self) -> dict[str, Any]:
        """Return its document, as `design --json` prints it."""
        network, budget = self
        return {
            "layers": [format_layer(report.layer) for report in network.layers],
            "params": network.params,
            "macs": network.macs,
            "receptive_field": list(network.layers[-1].receptive_field),
            "output": list(network.output),
            "budget": {
                "params": budget.params,
                "rf": budget.field,
                "macs": budget.macs,
                "out": None if budget.output is None else list(budget.output),
                "width": budget.width,
                "multiple_of": budget.multiple_of,
            },
        }

    def __repr__(self) -> str:
        """Return the table of the network's layers."""
        return repr(self.network)


def design(
    input_shape: Shape,
    *,
    params: int,
    rf: int,
    out: int | Pair | None = None,
    macs: int | None = None,
    width: int | None = None,
    multiple_of: int = 1,
    block: str = "plain",
    decoder: bool = False,
) -> Design:
    """Design a network for a budget.

    It has the fewest layers that use nearly all of the parameters; where none do, the most
    parameters.

    Parameters
    ----------
    input_shape : (C, H, W)
    params : int
        The most parameters.
    rf : int
        The receptive field to reach.
    out : int or (height, width), optional
        The size to end at.
    macs : int, optional
        The most multiply-accumulates.
    width : int, optional
        Channels of the first maps.
    multiple_of : int
        What the channels are multiples of.
    block : {"plain", "bottleneck", "separable"}
        What it is made of.
    decoder : bool
        Whether it is an encoder, and a decoder back to the input's size, as U-Net has.

    Raises
    ------
    ConvError
        If no such network keeps the budget; the message says by how much which bound fails.

    Examples
    --------
    >>> found = design((3, 32, 32), params=10_000, rf=20)
    >>> found.network.params, found.network.output, found.to_dict()["receptive_field"]
    (9908, (26, 4, 4), [31, 31])
    """
    numbers = {"macs": macs, "width": width}
    budget = Budget(
        params=as_number(params, "params", least=1),
        field=as_number(rf, "rf", least=1),
        output=None if out is None else as_pair(out, "out"),
        multiple_of=as_number(multiple_of, "multiple_of", least=1),
        **{
            name: as_number(value, name, least=1)
            for name, value in numbers.items()
            if value is not None
        },
    )
    shape = as_map_shape(input_shape)
    design_network = design_encoder_decoder if decoder else design_stack
    try:
        return Design(design_network(shape, budget, block=block), budget)
    except ConvError as error:
        question = suggest_channels_first(shape)
        if not question:
            raise
        raise type(error)(f"{error}; {question}") from None
