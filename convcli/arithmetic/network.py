"""The walk through a network: shapes, receptive fields, parameters and MACs, layer by layer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType

from convcli.arithmetic.coverage import CoverageOfWalk, MapState
from convcli.arithmetic.fields import Fields, fields_of_input, join_notes, output_fields
from convcli.arithmetic.frameworks import differences
from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.layers import OPERATIONS, Layer, output_shape
from convcli.arithmetic.notation import (
    INPUT,
    INPUT_KEYWORD,
    MAX_KNOWN,
    format_layer,
    input_indices,
    layer_names,
    parse_layer,
    parse_network,
    set_input_shapes,
)
from convcli.arithmetic.operations import AxisMap, Parts, WholeAxis
from convcli.arithmetic.receptive_field import JumpError
from convcli.arithmetic.reports import LayerReport, Walk
from convcli.arithmetic.values import (
    Shape,
    as_input_shape,
    format_shapes,
    map_size,
    suggest_channels_first,
)
from convcli.errors import ArgumentError, LimitError
from convcli.records import NamedTuple

_SPACES = re.compile(r"(?<![,\s])\s+")  # between layers, whose items may have some after a comma
UNKNOWN_FROM_HERE = "what it depends on is unknown, and so is the receptive field of what takes it"
# Of the largest number of every layer, all layers together. To write a number takes the square of
# its digits: one of so many bits counts twice.
MAX_NUMBER_BITS = 1 << 24
LONG_NUMBER_BITS = 1 << 15
MAX_LOOKUPS = 1 << 21  # of intervals that the receptive fields of all layers are made of
BRANCH_LOOKUPS = 8  # what a branch of a join takes, in lookups
PHASE_LOOKUPS = 4  # what a phase takes beside its lookups, in lookups


def walk(
    layers: str | Sequence[Layer | str],
    input_shape: Shape | Mapping[str, Shape] | None = None,
    *,
    name: str | None = None,
    framework: str | None = None,
    counted: Mapping[str, int] = MappingProxyType({}),
) -> Walk:
    """Infer the shapes, receptive fields and costs of a network, layer by layer.

    Parameters
    ----------
    layers : str or sequence of Layer or str
        In the notation; a layer with `kernel=` must have the kernel's size as its `kernel`. Text is
        the name of a well-known network, layers with spaces between, or what a network file holds.
    input_shape : (C, H, W) or (N,), or mapping of str to such, optional
        If left out, that of the well-known network, or of the text's line `input CxHxW`. Of several
        inputs, by their names: the first, which is `input` to the layers, and those of `input`
        layers, which have their own shapes otherwise.
    name : str, optional
        The name of the network.
    framework : {"torch", "tf", "onnx"}, optional
        The framework whose rules the layers must follow.
    counted : mapping of str to int, optional
        By a layer's name, how many of its parameters are those of an earlier layer.

    Raises
    ------
    ArgumentError
        If a layer cannot take its input, with its number, the input's shape and the formula that
        failed, or if the framework does not have it.

    Examples
    --------
    >>> found = walk(["conv:7,s=2,p=3,c=64", "maxpool:3,s=2,p=1"], (3, 224, 224))
    >>> found.output, found.params, found.layers[-1].receptive_field
    ((64, 56, 56), 9472, (11, 11))
    >>> walk("resnet18").params, walk("conv:3,p=1 relu maxpool:2", (3, 32, 32)).output
    (11689512, (3, 16, 16))
    """
    if isinstance(layers, str):
        own_name, own_shape, layers = _read_network(layers)
        name, input_shape = name or own_name, own_shape if input_shape is None else input_shape
    elif layers and all(isinstance(layer, int) for layer in layers):
        raise ArgumentError("the layers come first, then the input's shape")
    if input_shape is None:
        raise ArgumentError("the input's shape is missing: give (C, H, W)")
    if not layers:
        raise ArgumentError("a network has one layer at least")
    stack = [parse_layer(layer) if isinstance(layer, str) else layer for layer in layers]
    stack, shape, input_names = _apply_input_shapes(stack, input_shape)
    is_known = True
    outputs = {INPUT: MapState.of_input(shape, INPUT_KEYWORD)}
    reports: list[LayerReport] = []
    effort, coverage = _Effort(), CoverageOfWalk()
    names, sources = layer_names(stack), input_indices(stack)
    for index, (layer, indices) in enumerate(zip(stack, sources, strict=True)):
        try:
            report, outputs[index] = _report(
                layer, names[index], indices, outputs, framework=framework, coverage=coverage
            )
            effort.add(report)
            if report.name in counted:
                report = _without_shared(report, counted[report.name])
        except ArgumentError as error:
            inputs = [outputs[source].shape for source in indices]
            raise _locate(error, index, layer, inputs, shape) from None
        if report.fields is None and is_known:
            is_known, report = False, report._replace(notes=(*report.notes, UNKNOWN_FROM_HERE))
        reports.append(report)
    return Walk(name or "network", shape, tuple(reports), input_names=input_names)


def _apply_input_shapes(
    stack: list[Layer], shapes: Shape | Mapping[str, Shape]
) -> tuple[list[Layer], Shape, tuple[str, ...]]:
    """Return the layers, the shape of the first input, and the names of all if there are some."""
    if not isinstance(shapes, Mapping):
        return stack, as_input_shape(shapes), ()
    stack, others = set_input_shapes(stack, shapes)
    further = tuple(str(layer.name) for layer in stack if layer.operation.is_source)
    if len(others) != 1:
        known = "".join(f", and {name}" for name in further)
        found = " and ".join(map(repr, others)) or "none"
        raise ArgumentError(f"the inputs are one of any name{known}; {found} would be the one")
    return stack, as_input_shape(shapes[others[0]]), (others[0], *further)


def _without_shared(report: LayerReport, shared: int) -> LayerReport:
    """Return the report of a layer without the parameters that an earlier layer has."""
    note = f"{shared:,} of its parameters are an earlier layer's, and count once"
    return report._replace(params=report.params - shared, notes=(*report.notes, note))


def _read_network(text: str) -> tuple[str | None, Shape | None, Sequence[Layer | str]]:
    """Return the name and the input's shape, where a text says them, and the layers."""
    if "\n" in text:
        return None, *parse_network(text)
    words = _SPACES.split(text.strip())
    if len(words) > 1 or ":" in text or text.strip() in OPERATIONS:
        return None, None, words
    from convcli.arithmetic.zoo import zoo_network

    if PurePath(words[0]).suffix:
        raise ArgumentError(f"{words[0]!r} is no network: convcli.load_network reads files")
    return words[0], *zoo_network(words[0])


def check_alignment(layers: Sequence[Layer], shapes: Mapping[int, Shape]) -> None:
    """Check that the outputs of all layers that are joined lie equally far apart.

    Parameters
    ----------
    layers : sequence of Layer
    shapes : mapping
        The output shape of each layer by its index, and of the input by `INPUT`.

    Raises
    ------
    ShapeError
        As `walk`.
    """
    fields: dict[int, Fields | None] = {INPUT: fields_of_input()}
    for index, (layer, indices) in enumerate(zip(layers, input_indices(layers), strict=True)):
        inputs = [shapes[source] for source in indices]
        try:
            before = [fields[source] for source in indices] or [fields_of_input()]
            axes = layer.operation.axes(layer, inputs)
            fields[index] = output_fields(layer, axes, inputs, shapes[index], before)
        except ArgumentError as error:
            raise _locate(error, index, layer, inputs) from None


def _locate(
    error: ArgumentError,
    index: int,
    layer: Layer,
    inputs: Sequence[Shape],
    network_input: Shape = (),
) -> ArgumentError:
    """Return the error of a layer with its number and its inputs; ask about an unusual shape."""
    where = f"layer {index + 1} ({format_layer(layer)}) on {format_shapes(inputs)}"
    question = suggest_channels_first(network_input)
    return type(error)(f"{where}: {error}" + (f"; {question}" if question else ""))


def _report(
    layer: Layer,
    name: str,
    indices: tuple[int, ...],
    outputs: Mapping[int, MapState],
    *,
    framework: str | None,
    coverage: CoverageOfWalk,
) -> tuple[LayerReport, MapState]:
    """Return the report of a layer that takes the outputs at these indices, and its output."""
    if layer.operation.is_source:
        took = [MapState.of_input(layer.value("shape"), name)]
    else:
        took = [outputs[index] for index in indices]
    inputs = tuple([one.shape for one in took])
    before = [one.fields for one in took]
    input_size, origins = took[0].input_size, took[0].origins
    if len(took) > 1:
        height, width = (max(one.input_size[side] for one in took) for side in (0, 1))
        input_size, origins = (height, width), origins.union(*(one.origins for one in took))
    bare = layer._replace(name=None, sources=()) if layer.name or layer.sources else layer
    sizes = _measure(bare, inputs, framework)
    axes, output = sizes.axes, sizes.output
    alignment = join_notes(before, inputs, output) if layer.operation.is_join else ()
    fields = seen = None
    try:
        fields = output_fields(layer, axes, inputs, output, before)
    except JumpError as error:  # between positions of different inputs there is no distance
        if len(origins) == 1:
            raise
        alignment = (f"{error}, on different inputs",)
    if fields is not None:
        seen = coverage.of_layer(layer, axes, took, output, fields)
    report = LayerReport(
        name=name,
        layer=layer,
        inputs=inputs,
        indices=indices,
        output=output,
        fields=fields,
        coverage=None if fields is None or seen is None else coverage.count(seen, fields),
        dropped=(0, 0) if axes is None else (axes[0].dropped, axes[1].dropped),
        params=sizes.params,
        macs=sizes.macs,
        is_map=_is_map(axes, took, output),
        input_size=input_size,
        has_holes=seen is not None and coverage.has_holes(seen),
        notes=(*alignment, *sizes.notes),
    )
    return report, MapState(output, fields, seen, report.is_map, input_size, origins)


class _Effort:
    """The work that the layers so far have taken: large numbers, and fields of many phases."""

    def __init__(self) -> None:
        self._bits = self._lookups = 0

    def add(self, report: LayerReport) -> None:
        """Count a layer.

        Raises
        ------
        LimitError
            If all layers together take too long.
        """
        rows, columns = report.fields or fields_of_input()
        largest = max(*report.output, rows.step, rows.receptive_field)
        if columns is not rows:
            largest = max(largest, columns.step, columns.receptive_field)
        bits = largest.bit_length()
        self._bits += bits + bits * bits // LONG_NUMBER_BITS
        if self._bits > MAX_NUMBER_BITS:
            raise LimitError("so many layers with numbers of so many digits take too long")
        self._lookups += BRANCH_LOOKUPS * (len(report.indices) - 1)
        fields = (rows,) if columns is rows else (rows, columns)
        for field, taps in zip(fields, report.layer.kernel or (2, 2), strict=False):
            phases = len(field.phases)
            if phases > 1:
                lookups = max(min(taps, 2 * phases), len(report.indices))
                self._lookups += phases * (lookups + PHASE_LOOKUPS)
        if self._lookups > MAX_LOOKUPS:
            raise LimitError("to follow the receptive fields of so many layers takes too long")


class _Sizes(NamedTuple):
    """What follows from a layer and the shapes of its inputs alone."""

    output: Shape
    axes: tuple[AxisMap, AxisMap] | None
    params: int
    macs: int
    notes: tuple[str, ...]


@lru_cache(maxsize=MAX_KNOWN)
def _measure(layer: Layer, inputs: tuple[Shape, ...], framework: str | None) -> _Sizes:
    if framework is not None:
        from convcli.arithmetic.framework_rules import check_rules

        check_rules(layer, inputs[0], framework)
    operation = layer.operation
    output = output_shape(layer, inputs)
    return _Sizes(
        output,
        operation.axes(layer, inputs),
        operation.parameters(layer, inputs[0]),
        operation.macs(layer, inputs[0], output),
        differences(layer, inputs[0], framework),
    )


def _is_map(axes: tuple[AxisMap, AxisMap] | None, took: Sequence[MapState], output: Shape) -> bool:
    """Return whether an output is a feature map: not gathered from one, or spread again."""
    if len(output) != 3:
        return False
    axis = None if axes is None else axes[0]
    has_map = any(one.is_map for one in took)
    if has_map and (axis is None or type(axis) is Axis):
        return True
    if isinstance(axis, Parts):
        return False
    is_gathered = isinstance(axis, WholeAxis) and not axis.has_own
    is_larger = math.prod(output[1:]) > max(math.prod(map_size(one.shape)) for one in took)
    can_spread = not isinstance(axis, Axis) or axis.transposed
    return (has_map and not is_gathered) or (is_larger and can_spread)
