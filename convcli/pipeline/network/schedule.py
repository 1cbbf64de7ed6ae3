"""Which layers of a network run for what is asked of it, on which inputs, and in what memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.notation import INPUT, format_layer, input_indices, last_uses
from convcli.arithmetic.operations import Operation, Resampling
from convcli.arithmetic.values import Shape, Sides, format_shapes
from convcli.engine.arrays import Array
from convcli.engine.operations.convolution import plan_conv
from convcli.engine.operations.in_place import IN_PLACE
from convcli.errors import ArgumentError
from convcli.parallel import get_threads
from convcli.records import NamedTuple

# Layers that multiply and add, into whose weights and bias another's scale and shift can go.
_FOLDING = ("conv", "tconv", "linear")
_FOLDED = ("bn", "affine")
_FINISHING = ("conv",)  # of which an elementwise layer can change each part, as it is summed
MAX_INCLUDED = 16  # layers in the one before them
THREAD_SCRATCH_BYTES = 12 << 20  # of a convolution: columns, or the transforms of Winograd's tiles
TEMPORARIES = 2  # maps of its output's size that any other function makes on its way


Slices: TypeAlias = tuple[slice, slice]  # of rows, of columns


class View(NamedTuple):
    """The parts of its inputs that a task takes, and of its output that it gives.

    Parameters
    ----------
    inputs : tuple of (slice, slice)
        Of each input, as far as it is known.
    positions : (ndarray or None, ndarray or None)
        The rows and columns of the first input's part, once padded, that are gathered from it.
    pads : ((top, bottom), (left, right))
        What `pad` adds to the first input's part.
    output : (slice, slice)
    resampling : (Resampling, Resampling), optional
        How the rows and the columns of the first input's part are resampled.
    """

    inputs: tuple[Slices, ...]
    positions: tuple[Array | None, Array | None]
    pads: Sides
    output: Slices
    resampling: tuple[Resampling, Resampling] | None = None


class Task(NamedTuple):
    """A layer that runs, and those that are folded into it.

    Parameters
    ----------
    name : str
    layer : Layer
    number : int
        The layer's index.
    folded : tuple of int
        The normalizations after it that its weights include.
    finishing : tuple of Layer
        The elementwise layers after that, which run on each part of its output.
    output : int
        The index of the layer whose output it computes: the last of all these.
    inputs : tuple of int
        The layers whose outputs it takes.
    like : tuple of int
        The layers of whose outputs it takes nothing but the shape.
    view : View, optional
        Where it runs for a part of its map.
    """

    name: str
    layer: Layer
    number: int
    folded: tuple[int, ...]
    finishing: tuple[Layer, ...]
    output: int
    inputs: tuple[int, ...]
    like: tuple[int, ...] = ()
    view: View | None = None


class Schedule(NamedTuple):
    """The layers that run for some outputs, in order.

    Parameters
    ----------
    tasks : tuple of Task
    targets : tuple of int
        The layers whose outputs were asked for.
    shapes : mapping
        The shape of each layer's output by its index; `INPUT` is the network's first input.
    missing : frozenset of int
        The network's inputs that they need and that were not given; there are no tasks then.
    """

    tasks: tuple[Task, ...]
    targets: tuple[int, ...]
    shapes: Mapping[int, Shape]
    missing: frozenset[int] = frozenset()

    @property
    def last_uses(self) -> dict[int, int]:
        """The position of the last task that takes an output; outputs asked for are not here."""
        uses, kept = last_uses([task.inputs for task in self.tasks]), {*self.targets}
        return {index: user for index, user in uses.items() if index not in kept}

    def peak_values(self) -> int:
        """Return the most values that are kept at a time, with those that a function makes."""
        last_use = self.last_uses
        used = {index for task in self.tasks for index in task.inputs}
        sizes = {index: math.prod(shape) for index, shape in self.shapes.items()}
        produced = {task.output for task in self.tasks}
        alive = sum(sizes[index] for index in (used | {*self.targets}) - produced)
        peak = alive
        for position, task in enumerate(self.tasks):
            freed = {index for index in task.inputs if last_use.get(index) == position}
            size = sizes[task.output]
            overwrites = task.layer.op in IN_PLACE and task.inputs[0] in freed
            if not overwrites:
                temporaries = 0 if task.layer.operation.is_window else TEMPORARIES
                peak = max(peak, alive + size * (1 + temporaries))
            alive += size - sum(sizes[index] for index in freed)
        return peak

    def conv_methods(self, dtype: np.dtype[Any]) -> dict[str, int]:
        """Return how many convolutions each method computes: `winograd`, `im2col by rows`, ...

        The one that computes the most comes first.
        """
        methods = (
            plan_conv(task.layer, self.shapes[task.inputs[0]], self.shapes[task.output], dtype)
            for task in self.tasks
            if task.layer.op == "conv"
        )
        names = (
            method.name if method.tile else f"{method.name} {method.layout}" for method in methods
        )
        return dict(Counter(names).most_common())

    def scratch_bytes(self) -> int:
        """Return the memory of all threads that does not grow with the input."""
        return get_threads() * THREAD_SCRATCH_BYTES


def plan_schedule(
    layers: Sequence[Layer],
    names: Sequence[str],
    inputs: Mapping[int, Shape],
    targets: Sequence[int],
) -> Schedule:
    """Find the layers that run for some outputs.

    Parameters
    ----------
    layers : sequence of Layer
    names : sequence of str
        What they are called.
    inputs : mapping
        The shapes of the network's inputs: `INPUT`, and the layers `input`, by their indices.
    targets : sequence of int
        The layers whose outputs are asked for.

    Raises
    ------
    ArgumentError
        If a layer that is needed cannot take its input, with its name.
    """
    indices = input_indices(layers)
    taken = {
        user: sources[:1] if layers[user].like else sources for user, sources in enumerate(indices)
    }
    is_input = {INPUT} | {i for i, layer in enumerate(layers) if layer.operation.is_source}
    reached = _reach(targets, dict(enumerate(indices)))
    missing = frozenset(is_input.intersection(reached).difference(inputs))
    if missing:
        return Schedule((), tuple(targets), inputs, missing)
    shapes = dict(inputs)
    for index in reached:
        if index in is_input:
            continue
        found = [shapes[source] for source in indices[index]]
        with attribute_to_layer(names[index], layers[index], found):
            shapes[index] = output_shape(layers[index], found)
    running = [index for index in _reach(targets, taken) if index not in is_input]
    chains = _find_chains(layers, running, taken, targets)
    included = {index for chain in chains.values() for index in chain}
    tasks = tuple(
        Task(
            names[index],
            _with_numbers(layers[index], [shapes[source] for source in indices[index]]),
            index,
            tuple(one for one in chains.get(index, ()) if layers[one].op in _FOLDED),
            tuple(layers[one] for one in chains.get(index, ()) if layers[one].op not in _FOLDED),
            chains.get(index, (index,))[-1],
            taken[index],
            indices[index][len(taken[index]) :],
        )
        for index in running
        if index not in included
    )
    return Schedule(tasks, tuple(targets), shapes)


@contextmanager
def attribute_to_layer(name: str, layer: Layer, inputs: Sequence[Shape] = ()) -> Iterator[None]:
    """Raise what is wrong with a layer with its name, and with the shapes of its inputs."""
    try:
        yield
    except ArgumentError as error:
        where = f"layer {name} ({format_layer(layer._replace(name=None, sources=()))})"
        on = f" on {format_shapes(inputs)}" if inputs else ""
        raise type(error)(f"{where}{on}: {error}") from None


def _with_numbers(layer: Layer, inputs: Sequence[Shape]) -> Layer:
    """Return a layer with its padding in numbers, where that depends on a kernel's origin."""
    if layer.origin is None:
        return layer
    _, height, width = inputs[0]
    return layer._replace(padding=layer.window.pads((height, width)), origin=None)


def _reach(targets: Sequence[int], sources: Mapping[int, Sequence[int]]) -> list[int]:
    """Return the layers that outputs depend on, in order; `INPUT` is the network's first input."""
    found = set[int]()
    waiting = list(targets)
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting.extend(sources.get(index, ()))
    return sorted(found)


def _find_chains(
    layers: Sequence[Layer],
    running: Sequence[int],
    sources: Mapping[int, Sequence[int]],
    targets: Sequence[int],
) -> dict[int, tuple[int, ...]]:
    """Return the layers that can be included in the one before them, in order.

    These are normalizations, and then elementwise layers, where no other layer takes what lies
    between, and it is not asked for.
    """
    uses = Counter(source for index in running for source in sources[index])
    kept = {*targets}
    chains: dict[int, tuple[int, ...]] = {}
    first_of: dict[int, int] = {}  # the layer that each is included in
    for index in running:
        source = sources[index][0] if sources[index] else INPUT
        first = first_of.get(source, source)
        if first == INPUT or uses[source] > 1 or source in kept:
            continue
        chain = chains.get(first, ())
        if len(chain) < MAX_INCLUDED and _can_include(
            layers[index], [layers[one] for one in (first, *chain)]
        ):
            first_of[index], chains[first] = first, (*chain, index)
    return chains


def _can_include(layer: Layer, before: Sequence[Layer]) -> bool:
    """Whether a layer can be included in the first of those before it, with the others."""
    first, operation = before[0], layer.operation
    if layer.op in _FOLDED:
        return first.op in _FOLDING and all(one.op in _FOLDED for one in before[1:])
    is_alike = operation.family == "elementwise" and operation.weights is Operation.weights
    return is_alike and first.op in _FINISHING
