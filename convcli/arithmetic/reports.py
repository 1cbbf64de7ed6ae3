"""What is known of a network that was walked through: a report a layer, and their totals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

from convcli.arithmetic.fields import Fields
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import INPUT_KEYWORD, format_layer
from convcli.arithmetic.values import Pair, Shape, format_shape, suggest_channels_first
from convcli.records import NamedTuple

FLOAT_BYTES = 4
MAX_ALIKE = 5  # notes of one kind that are listed
# Of what follows from the fields, which is None where they are unknown: few users meet that.
KnownPair: TypeAlias = Pair | Any
KnownFractions: TypeAlias = tuple[Fraction, Fraction] | Any


class LayerReport(NamedTuple):
    """One layer of a network, and what follows from its inputs.

    Parameters
    ----------
    name : str
        That of the layer, or its operation and a number.
    layer : Layer
    inputs : tuple of Shape
        Their shapes.
    indices : tuple of int
        The layers whose outputs they are; -1 is the network's input. A further input takes none.
    output : Shape
        (C, H, W), or (N,) once flat.
    fields : (ReceptiveField, ReceptiveField), optional
        Which rows and which columns of the network's input its outputs depend on; None if that is
        unknown.
    coverage : (int, int), optional
        The largest number of rows and of columns of the input, without padding, that an output
        really depends on, what strides drop and dilation leaves out not counted; None if that is
        unknown.
    dropped : (int, int)
        Rows and columns of its padded input that no window covers.
    params, macs : int
    is_map : bool
        Whether it is a feature map: no flattening, global or adaptive pool has gathered it, or it
        was spread again since, by upsampling or by a join with a feature map.
    input_size : (int, int)
        The rows and columns of the network's input; of several that it depends on, the most.
    has_holes : bool
        Whether an output depends on nothing of some rows or columns between those that it does.
    notes : tuple of str
        For the user.
    """

    name: str
    layer: Layer
    inputs: tuple[Shape, ...]
    indices: tuple[int, ...]
    output: Shape
    fields: Fields | Any
    coverage: KnownPair
    dropped: Pair
    params: int
    macs: int
    is_map: bool
    input_size: Pair
    has_holes: bool
    notes: tuple[str, ...] = ()

    @property
    def receptive_field(self) -> KnownPair:
        """The rows and columns of the input that an output depends on, padding included.

        Where every output also depends on what is the same for all, as behind a gate, it is that of
        both together, without padding; `local_receptive_field` is that of the window alone.
        """
        if self.fields is None:
            return None
        rows, columns = (
            field.receptive_field if field.constant is None else seen
            for field, seen in zip(self.fields, self.coverage, strict=True)
        )
        return rows, columns

    @property
    def local_receptive_field(self) -> KnownPair:
        """As `receptive_field`, of the window that slides over the input alone."""
        return self._of_both_axes("receptive_field")

    @property
    def has_gate(self) -> bool:
        """Whether every output also depends on what is the same for all of them."""
        return self.fields is not None and any(field.constant for field in self.fields)

    @property
    def sees_whole_input(self) -> bool:
        """Whether an output depends on every row and every column of the input."""
        return self.coverage == self.input_size

    @property
    def jump(self) -> KnownFractions:
        """The distance on the input between neighboring outputs."""
        return self._of_both_axes("jump")

    @property
    def start(self) -> KnownFractions:
        """The center, on the input, of what output (0, 0) depends on."""
        return self._of_both_axes("start")

    @property
    def effective_padding(self) -> KnownFractions:
        """The rows above and the columns left of the input that output (0, 0) depends on."""
        return self._of_both_axes("effective_padding")

    @property
    def bytes(self) -> int:
        """The size of its output as float32."""
        return FLOAT_BYTES * math.prod(self.output)

    def to_dict(self) -> dict[str, Any]:
        """Return its document, as `shape --json` lists it."""
        from convcli.arithmetic.documents import layer_document

        return layer_document(self)

    def __repr__(self) -> str:
        """Return its row as a table."""
        from convcli.arithmetic.tables import report_table

        return report_table(self)

    def _of_both_axes(self, name: str) -> tuple[Any, Any] | Any:
        if self.fields is None:
            return None
        rows, columns = self.fields
        value = getattr(rows, name)
        return value, value if columns is rows else getattr(columns, name)


class Walk(NamedTuple):
    """The reports of all layers of a network.

    Parameters
    ----------
    name : str
    input : (C, H, W) or (N,)
        The shape of its first input.
    layers : tuple of LayerReport
    remarks : tuple of str
        On the file that it was read from, for the user.
    input_names : tuple of str
        Of all inputs, in order; left out, `input` and the names of the layers of further ones.
    output_layers : mapping of str to str
        The name of the layer that makes each output, by the output's name; left out, the layers
        that no other takes are the outputs.
    """

    name: str
    input: Shape
    layers: tuple[LayerReport, ...]
    remarks: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    output_layers: Mapping[str, str] = MappingProxyType({})

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of all inputs by their names."""
        further = [layer for layer in self.layers if layer.layer.operation.is_source]
        names = self.input_names or (INPUT_KEYWORD, *(layer.name for layer in further))
        return dict(zip(names, (self.input, *(layer.output for layer in further)), strict=True))

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shapes of the outputs by their names."""
        if not self.output_layers:
            return {self.layers[index].name: self.layers[index].output for index in self.ends}
        shapes = {layer.name: layer.output for layer in self.layers}
        return {output: shapes[name] for output, name in self.output_layers.items()}

    @property
    def ends(self) -> list[int]:
        """The indices of the layers that make the outputs."""
        if self.output_layers:
            making = set(self.output_layers.values())
            return [index for index, layer in enumerate(self.layers) if layer.name in making]
        taken = {index for layer in self.layers for index in layer.indices}
        return [index for index in range(len(self.layers)) if index not in taken]

    @property
    def params(self) -> int:
        """The number of learned values."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """The multiply-accumulates of convolutions and linear layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def bytes(self) -> int:
        """The size of all outputs as float32."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def output(self) -> Shape:
        """The shape of the last output."""
        return self.layers[-1].output

    @property
    def last_map(self) -> LayerReport | None:
        """The last feature map, before global or adaptive pooling or flattening."""
        return next((layer for layer in reversed(self.layers) if layer.is_map), None)

    def to_dict(self, *, batch: int = 1, dtype: str = "float32") -> dict[str, Any]:
        """Return its document, as `shape --json` prints it; bytes for a batch and a type."""
        from convcli.arithmetic.documents import walk_document
        from convcli.arithmetic.footprint import Storage

        return walk_document(self, Storage(dtype, batch))

    def __repr__(self) -> str:
        """Return a table: a row for every layer, and one for the totals."""
        from convcli.arithmetic.tables import walk_table

        return walk_table(self)

    @property
    def notes(self) -> list[str]:
        """The remarks, a note on an unusual input, and those of the layers, with their layers.

        Of more than `MAX_ALIKE` that differ in nothing but numbers, the first stands for all.
        """
        question = suggest_channels_first(self.input)
        about_input = [f"input {format_shape(self.input)}: {question}"] if question else []
        alike = Counter(_without_numbers(note) for report in self.layers for note in report.notes)
        found = [*self.remarks, *about_input]
        for number, report in enumerate(self.layers, start=1):
            for note in report.notes:
                text = f"layer {number} ({format_layer(report.layer)}): {note}"
                kind = _without_numbers(note)
                if alike[kind] > MAX_ALIKE:
                    more, alike[kind] = alike[kind] - 1, 0
                    found.append(f"{text}; and so on for {more:,} more layers")
                elif alike[kind]:
                    found.append(text)
        return found


def _without_numbers(note: str) -> str:
    return "".join(filter(str.isalpha, note))
