"""The walk through a network: shapes, receptive fields, parameters and MACs, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from convcli.arithmetic.frameworks import check_rules, differences
from convcli.arithmetic.graph import INPUT, input_indices
from convcli.arithmetic.layers import (
    Layer,
    output_shape,
)
from convcli.arithmetic.notation import format_layer, parse_layer
from convcli.arithmetic.receptive_field import ReceptiveField, union
from convcli.arithmetic.values import Pair, Shape, as_number, format_shapes
from convcli.errors import ArgumentError, ShapeError

Fields: TypeAlias = tuple[ReceptiveField, ReceptiveField]  # along the rows, along the columns

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer, and what is known of it at its place.

    Parameters
    ----------
    name : str
        Its own, or its operation and a number.
    layer : Layer
    inputs : tuple of Shape
        The shapes that it takes.
    places : tuple of int
        The layers that it takes them from; -1 is the network's input.
    output : Shape
        (C, H, W), or (N,) once flat.
    sights : (Sight, Sight)
        What its outputs see of the network's input.
    coverage : (int, int)
        The most rows and columns of the input that any output sees, padding left out.
    dropped : (int, int)
        Rows and columns of its padded input that no window reaches.
    params, macs : int
    is_map : bool
        Whether it is still a feature map: no flattening, global or adaptive pool before it.
    notes : tuple of str
        What the user would want to know.
    """

    name: str
    layer: Layer
    inputs: tuple[Shape, ...]
    places: tuple[int, ...]
    output: Shape
    fields: Fields
    coverage: Pair
    dropped: Pair
    params: int
    macs: int
    is_map: bool
    notes: tuple[str, ...] = ()

    @property
    def receptive_field(self) -> Pair:
        """Rows and columns of the input that an output sees, padding counted."""
        return self.fields[0].receptive_field, self.fields[1].receptive_field

    @property
    def jump(self) -> tuple[Fraction, Fraction]:
        """Rows and columns of the input from one output to the next."""
        return self.fields[0].jump, self.fields[1].jump

    @property
    def start(self) -> tuple[Fraction, Fraction]:
        """The row and the column of the input that output (0, 0) is centred on."""
        return self.fields[0].start, self.fields[1].start

    @property
    def effective_padding(self) -> tuple[Fraction, Fraction]:
        """How far output (0, 0) sees beyond the input, at the top and on the left."""
        return self.fields[0].effective_padding, self.fields[1].effective_padding

    @property
    def bytes(self) -> int:
        """What its output takes as float32."""
        return FLOAT_BYTES * math.prod(self.output)


@dataclass(frozen=True, slots=True)
class Walk:
    """A network walked through.

    Parameters
    ----------
    name : str
    input : (C, H, W)
    layers : tuple of Walked
    """

    name: str
    input: Shape
    layers: tuple[LayerReport, ...]

    @property
    def params(self) -> int:
        """Trained numbers of all layers."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions and linear layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def bytes(self) -> int:
        """What all outputs take as float32."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def output(self) -> Shape:
        """The network's output."""
        return self.layers[-1].output

    @property
    def last_map(self) -> LayerReport | None:
        """The last feature map, before global or adaptive pooling or flattening."""
        return next((layer for layer in reversed(self.layers) if layer.is_map), None)

    @property
    def notes(self) -> list[str]:
        """What the user would want to know, with the layer that it is of."""
        return [
            f"layer {place} ({format_layer(walked.layer)}): {note}"
            for place, walked in enumerate(self.layers, start=1)
            for note in walked.notes
        ]


def walk(
    layers: Sequence[Layer | str],
    input_shape: Shape,
    *,
    name: str = "network",
    framework: str | None = None,
) -> Walk:
    """Walk through a stack or network of layers.

    Parameters
    ----------
    layers : sequence of Layer or str
        In the notation; a layer with `kernel=` must have that kernel's size put in as `k`.
    input_shape : (C, H, W)
    name : str
        What the network is called.
    framework : {"torch", "tf", "onnx"}, optional
        Whose rules must hold; without one, all that the notation says.

    Raises
    ------
    ArgumentError
        For a layer that cannot take its input, with its place, its input's shape and the formula
        that failed; and for one that the framework does not have.

    Examples
    --------
    >>> found = walk(["conv:7,s=2,p=3,c=64", "maxpool:3,s=2,p=1"], (3, 224, 224))
    >>> found.output, found.params, found.layers[-1].receptive_field
    ((64, 56, 56), 9472, (11, 11))
    """
    if len(input_shape) != 3:
        raise ShapeError(f"the input must be (C, H, W), not {tuple(input_shape)}")
    shape = tuple(as_number(side, "the input's side", least=1) for side in input_shape)
    if not layers:
        raise ArgumentError("a network has one layer at least")
    stack = [parse_layer(layer) if isinstance(layer, str) else layer for layer in layers]
    walker = _Walker(shape, framework)
    for layer, places in zip(stack, input_indices(stack), strict=True):
        walker.step(layer, places)
    return Walk(name, shape, tuple(walker.walked))


class _Walker:
    """The walk so far."""

    def __init__(self, input_shape: Shape, framework: str | None) -> None:
        self.walked: list[LayerReport] = []
        self._input = input_shape
        self._framework = framework
        self._counts: dict[str, int] = {}

    def step(self, layer: Layer, places: tuple[int, ...]) -> None:
        """Go through one more layer."""
        inputs = tuple(self._shape(place) for place in places)
        try:
            if self._framework is not None:
                check_rules(layer, self._framework)
            output = output_shape(layer, inputs)
            seen = [self._sights(place) for place in places]
            fields = _output_fields(layer, inputs, seen)
            params = layer.operation.parameters(layer, inputs[0])
        except ArgumentError as error:
            where = f"layer {len(self.walked) + 1} ({format_layer(layer)})"
            raise type(error)(f"{where} on {format_shapes(inputs)}: {error}") from None
        self.walked.append(
            LayerReport(
                name=self._name(layer),
                layer=layer,
                inputs=inputs,
                places=places,
                output=output,
                fields=fields,
                coverage=self._coverage(fields, output),
                dropped=_dropped(layer, inputs[0]),
                params=params,
                macs=layer.operation.macs(layer, inputs[0], output),
                is_map=not layer.operation.ends_map and all(map(self._is_map, places)),
                notes=(
                    *_alignment_notes(layer, seen),
                    *differences(layer, inputs[0], self._framework),
                ),
            )
        )

    def _shape(self, place: int) -> Shape:
        return self._input if place == INPUT else self.walked[place].output

    def _sights(self, place: int) -> Fields:
        if place == INPUT:
            return ReceptiveField.of_input(), ReceptiveField.of_input()
        return self.walked[place].fields

    def _is_map(self, place: int) -> bool:
        return place == INPUT or self.walked[place].is_map

    def _coverage(self, fields: Fields, output: Shape) -> Pair:
        outputs = output[1:] if len(output) == 3 else (1, 1)
        rows, columns = (
            sight.coverage(size, count)
            for sight, size, count in zip(fields, self._input[1:], outputs, strict=True)
        )
        return rows, columns

    def _name(self, layer: Layer) -> str:
        if layer.name is not None:
            return layer.name
        self._counts[layer.op] = self._counts.get(layer.op, 0) + 1
        return f"{layer.op}{self._counts[layer.op]}"


def _output_fields(layer: Layer, inputs: Sequence[Shape], before: Sequence[Fields]) -> Fields:
    """What the outputs of a layer see, given what its inputs see."""
    if layer.operation.is_join:
        return union([fields[0] for fields in before]), union([fields[1] for fields in before])
    axes = layer.operation.axes(layer, inputs)
    if axes is None:
        return before[0]
    rows, columns = before[0]
    after_rows = rows.after(axes[0])
    is_alike = rows == columns and axes[0] == axes[1]
    return after_rows, after_rows if is_alike else columns.after(axes[1])


def _dropped(layer: Layer, shape: Shape) -> Pair:
    return layer.window.dropped((shape[1], shape[2])) if layer.operation.is_window else (0, 0)


def _alignment_notes(layer: Layer, branches: Sequence[Fields]) -> tuple[str, ...]:
    """Whether a join's branches are centered on different pixels."""
    if not layer.operation.is_join:
        return ()
    for side, axis in enumerate(("rows", "columns")):
        starts = sorted({branch[side].start for branch in branches})
        if len(starts) > 1:
            found = " and ".join(map(str, starts))
            return (f"its branches are not aligned: their first {axis} are centred on {found}",)
    return ()
