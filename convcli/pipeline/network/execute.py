"""Run the layers of a network on one image: maps are freed after their last use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array
from convcli.engine.operations import Weights, find_function
from convcli.engine.operations.convolution import run_conv
from convcli.engine.operations.in_place import IN_PLACE, overwrite
from convcli.engine.operations.resizing import resample_as
from convcli.engine.padding import pad2d
from convcli.pipeline.network.schedule import Schedule, Task, View, attribute_to_layer

if TYPE_CHECKING:
    from convcli.pipeline.network.weights import PreparedWeights

MAX_OWNERS = 64  # maps alive, among which it is looked up whether one shares another's memory


def run_schedule(
    schedule: Schedule, inputs: Mapping[int, Array], weights: PreparedWeights
) -> dict[int, Array]:
    """Return the outputs that a schedule is for, by the indices of their layers.

    Parameters
    ----------
    schedule : Schedule
    inputs : mapping
        The network's inputs by their indices, as the schedule's shapes have them, of one type.
    weights : PreparedWeights
    """
    dtype = np.result_type(*inputs.values())
    last_use = schedule.last_uses
    values = dict(inputs)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for position, task in enumerate(schedule.tasks):
            arguments = [values[index] for index in task.inputs]
            for index in set(task.inputs):
                if last_use.get(index) == position:
                    del values[index]
            free = _find_free(arguments, [*values.values(), *inputs.values()])
            like = [_only_shape(schedule.shapes[index], dtype) for index in task.like]
            prepared = weights.of(task, schedule, dtype)
            with attribute_to_layer(task.name, task.layer):
                if task.view is not None:
                    arguments = _cut_inputs(task, task.view, arguments)
                result = _run_in_place(task, arguments, free, schedule, prepared)
                if result is None:
                    result = _run_task(task, [*arguments, *like], prepared)
            if task.view is not None:
                result = result[(slice(None), *task.view.output)]
            values[task.output] = result
            del arguments, result  # which keep the maps that were released
    return {index: values[index] for index in schedule.targets}


def _run_task(task: Task, inputs: Sequence[Array], weights: Weights) -> Array:
    if task.view is not None and task.view.resampling is not None:
        return resample_as(task.layer, inputs[0], task.view.resampling)
    if not task.finishing:
        return find_function(task.layer.operation)(task.layer, inputs, weights)

    def finish(part: Array) -> None:
        for layer in task.finishing:
            overwrite(layer, part)

    return run_conv(task.layer, inputs, weights, finish)


def _run_in_place(
    task: Task, inputs: list[Array], free: list[bool], schedule: Schedule, weights: Weights
) -> Array | None:
    """Return the output of a task in the memory of an input that is free, or None if none can be.

    The inputs of a join are then taken in another order.
    """
    function = IN_PLACE.get(task.layer.op)
    shape = schedule.shapes[task.output]
    for index, (target, is_free) in enumerate(zip(inputs, free, strict=True)):
        if function and is_free and target.shape == shape and target.flags.writeable:
            function(task.layer, target, [*inputs[:index], *inputs[index + 1 :]], weights)
            return target
    return None


def _cut_inputs(task: Task, view: View, inputs: Sequence[Array]) -> list[Array]:
    """Return the parts of the inputs that a task takes."""
    parts = [
        values[:, rows, cols] for values, (rows, cols) in zip(inputs, view.inputs, strict=True)
    ]
    for axis, positions in enumerate(view.positions, start=1):
        if positions is not None:
            parts[0] = parts[0].take(positions, axis)
    parts[0] = pad2d(parts[0], view.pads, task.layer.mode)
    return parts


def _only_shape(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return a map of which nothing but the shape is used; it takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _find_free(inputs: Sequence[Array], others: Sequence[Array]) -> list[bool]:
    """Return which inputs of a task have memory that nobody else will read."""
    if len(others) + len(inputs) > MAX_OWNERS:
        return [False] * len(inputs)
    return [
        not any(np.may_share_memory(one, other) for other in (*others, *inputs) if other is not one)
        and sum(other is one for other in (*others, *inputs)) == 1
        for one in inputs
    ]
