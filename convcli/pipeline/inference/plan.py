"""How a network runs on inputs of a shape: its outputs, its memory, and its tiles, if any."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array, sum_dtype
from convcli.errors import ArgumentError, ShapeError
from convcli.images import Header
from convcli.networks import is_onnx
from convcli.pipeline.computation import Computation, MapShapes
from convcli.pipeline.inference.step import (
    Factors,
    NetworkStep,
    Sides,
    check_factors,
    input_sides,
    load,
)
from convcli.pipeline.memory import BASE_BYTES, MIN_SCRATCH_BYTES, default_max_memory
from convcli.pipeline.network import Network
from convcli.pipeline.network.schedule import Schedule
from convcli.pipeline.outputs import IMAGE_CHANNELS, OutputTarget, holds_vector
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import preprocessed_dtype, preprocessed_shape
from convcli.records import NamedTuple

PARAMETER_BYTES = 12  # of a file's content, the array made of it, and the one prepared to run
COPIES = 2  # of the input and the outputs: on their scale, and with their channels first
TILES = (4096, 2048, 1024, 512, 256, 128, 64)
MEMORY_SHARE = 0.9  # of what is allowed, as an estimate adds a tenth for gaps
LOST_ALPHA = "its alpha is left out, as the map of the network is no picture of its size"


class NetworkRun(NamedTuple):
    """A network that was loaded for inputs of one shape.

    Parameters
    ----------
    network : Network
    shape : (C, H, W)
        Of its input.
    names : tuple of str
        Of the outputs.
    outputs : tuple of Shape
        (C, H, W) or (N,) each.
    dtype : dtype
        In which it is computed.
    scale, mean, std : tuple of float
        One for all channels, or one for each.
    tile : int, optional
        None for the whole at once.
    bytes : int
        About the most memory that it takes.
    notes : tuple of str
        For the user.
    methods : tuple of mapping
        For each output, how many convolutions each method computes; in tiles, of the middle one.
    """

    network: Network
    shape: Shape
    names: tuple[str, ...]
    outputs: tuple[Shape, ...]
    dtype: np.dtype[Any]
    scale: Factors
    mean: Factors
    std: Factors
    tile: int | None = None
    bytes: int = 0
    notes: tuple[str, ...] = ()
    methods: tuple[Mapping[str, int], ...] = ()

    def title(self, name: str) -> str:
        """Return what an output is called."""
        tiles = "" if self.tile is None else f" in tiles of {self.tile}"
        return f"{self.network.name} at {name}{tiles}"

    def run(self, x: Array) -> Mapping[str, Array]:
        """Return the outputs by their names."""
        names = list(self.names)
        if self.tile is None:
            return self.network.run(x, names)
        return self.network.run_tiles(x, self.tile, names)


def plan_network(plan: Plan, header: Header) -> Computation:
    """Plan the run of a network on frames with a header.

    Raises
    ------
    ArgumentError
        If the network cannot take such frames, or cannot be run.
    """
    step = plan.network
    assert step is not None  # noqa: S101  # it is why this is called
    channels, *size = preprocessed_shape(plan, header)
    shape = _find_shape(input_sides(step), channels, (size[0], size[1]))
    network = load(step, shape)
    names = step.at or (list(network.outputs)[-1],)
    inputs = {next(iter(network.inputs)): shape}
    schedules = [network.schedule(inputs, [name]) for name in names]
    outputs = [schedule.shapes[schedule.targets[0]] for schedule in schedules]
    dtype = sum_dtype(preprocessed_dtype(plan, header))
    if header.depth is not None:  # whose values float32 holds
        dtype = np.dtype(np.float32)
    scale = step.scale or (default_scale(step, header),)
    for factors in (scale, step.mean, step.std):
        check_factors(factors, shape[0])
    is_lost = header.has_alpha and not all(keeps_alpha(output, shape) for output in outputs)
    run = NetworkRun(
        *(network, shape, names, tuple(outputs), dtype, scale, step.mean, step.std),
        notes=(LOST_ALPHA,) if is_lost else (),
        methods=tuple(schedule.conv_methods(dtype) for schedule in schedules),
    )
    weights = PARAMETER_BYTES * max(map(_count_weights, schedules))
    copies = COPIES * (sum(map(prod, outputs)) + prod(shape)) * dtype.itemsize
    if step.tile is not None:
        run = _in_tiles(run, step.tile)
    else:
        limit = plan.max_memory or default_max_memory()
        kept = BASE_BYTES + MIN_SCRATCH_BYTES + weights + copies + 2 * header.bytes
        run = _choose_tile(run, None if limit is None else int(MEMORY_SHARE * limit) - kept)
    run = run._replace(bytes=run.bytes + weights + copies)
    shapes = tuple(MapShapes(_as_map(output), ()) for output in outputs)
    return Computation(plan, dtype, shapes, (), ((),) * len(shapes), network=run)


def default_scale(step: NetworkStep, header: Header) -> float:
    """Return what values are multiplied by: white becomes 1 for a network of an ONNX file."""
    return 1 / header.white if header.depth is not None and is_onnx(step.path) else 1.0


def _find_shape(sides: Sides, channels: int, size: tuple[int, int]) -> Shape:
    """Return the shape of the network's input for a picture."""
    if sides is None:
        return (channels, *size)
    depth, height, width = sides
    wanted = height or size[0], width or size[1]
    if wanted != size:
        raise ShapeError(
            f"has {size[1]}x{size[0]} pixels, and the network takes {wanted[1]}x{wanted[0]}: "
            f"give --resize {wanted[1]}x{wanted[0]}"
        )
    depth = depth or channels
    if depth != channels and {depth, channels} != set(IMAGE_CHANNELS):
        raise ShapeError(f"has {channels} channels, and the network takes {depth}")
    return (depth, *size)


def _choose_tile(run: NetworkRun, most: int | None) -> NetworkRun:
    """Return the run in tiles as large as so many bytes allow, if the whole takes more."""
    whole = run._replace(bytes=run.network.peak_bytes(run.shape, list(run.names), run.dtype))
    least = whole
    for tile in TILES:
        if most is None or least.bytes <= most:
            break
        if tile < max(run.shape[1:]):
            try:
                least = min(least, _in_tiles(run, tile), key=lambda tiled: tiled.bytes)
            except ArgumentError:  # it cannot be cut, or not so small
                break
    return least


def _in_tiles(run: NetworkRun, tile: int) -> NetworkRun:
    inputs = {next(iter(run.network.inputs)): run.shape}
    plans = [run.network.plan_tiles(inputs, tile, name) for name in run.names]
    scratch: int = max(tiles.schedule.scratch_bytes() for tiles in plans)
    values: int = max(tiles.peak_values() for tiles in plans)
    methods = tuple(tiles.middle_schedule().conv_methods(run.dtype) for tiles in plans)
    needed = values * run.dtype.itemsize + scratch
    return run._replace(tile=tile, bytes=needed, methods=methods)


def _count_weights(schedule: Schedule) -> int:
    """Return the number of weights of the layers that run."""
    return sum(
        task.layer.operation.parameters(task.layer, schedule.shapes[task.inputs[0]])
        for task in schedule.tasks
        if task.inputs
    )


def _as_map(shape: Shape) -> Shape:
    """Return the shape of an output as that of a map: flat values are one row."""
    return (1, 1, *shape) if len(shape) == 1 else shape


def keeps_alpha(output: Shape, shape: Shape) -> bool:
    """Whether an output is a picture of the input's size, so that its alpha fits."""
    return output[1:] == shape[1:] and len(output) == 3 and output[0] in IMAGE_CHANNELS


def fit_target(plan: Plan, header: Header, target: OutputTarget) -> OutputTarget:
    """Return the target of the outputs of a network, which may be no pictures.

    Raises
    ------
    ArgumentError
        For outputs that the target does not hold, with what does.
    """
    run = plan_network(plan, header).network
    step = plan.network
    if run is None or step is None or target.template is None:
        return target
    for name, shape in zip(run.names, run.outputs, strict=True):
        is_flat = len(shape) == 1
        if is_flat or (target.is_default and holds_vector((*shape[1:], shape[0]))):
            if target.is_default and step.prints_vectors:
                return target._replace(template=None)
            if target.is_image:
                raise ShapeError(
                    f"{name!r} is a vector of {shape[0]:,}: --print or --json shows it, -o "
                    "NAME.npy or NAME.csv writes it, and --at takes another layer"
                )
            if target.is_stacked and len(run.names) > 1:
                raise ShapeError(f"{name!r} is a vector: put {{kernel}} in the output's name")
        elif target.is_default and shape[0] not in IMAGE_CHANNELS:
            raise ShapeError(
                f"{name!r} has {shape[0]:,} channels: --figure draws them, -o NAME.npy writes "
                "them, and -o NAME.{kernel}.png writes a file each"
            )
    return target
