"""Networks that run: layers with their weights, from a file, the zoo, or a text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import INPUT, INPUT_KEYWORD, format_layer, layer_names
from convcli.arithmetic.values import Shape, as_number, format_shape
from convcli.engine.arrays import Array, as_real
from convcli.engine.hints import add_hint, image_hint
from convcli.engine.operations import Weights
from convcli.errors import ArgumentError, ShapeError, did_you_mean
from convcli.kernels.layers import with_kernel_sizes
from convcli.networks import OpenInputError, read_network
from convcli.networks.names import find_in_module
from convcli.pipeline.network.execute import run_schedule
from convcli.pipeline.network.schedule import Schedule, plan_schedule
from convcli.pipeline.network.weights import PreparedWeights

if TYPE_CHECKING:
    from convcli.arithmetic.reports import Walk
    from convcli.pipeline.tiles import TilePlan

Inputs: TypeAlias = "ArrayLike | Mapping[str, ArrayLike]"

MAX_NAMES = 1000  # among which the one that was meant is looked for
# Layers whose notation holds a size of their output: a file may have computed it from its input's.
_SIZED = ("resize", "reshape")


class Network:
    """A network: layers, and the weights of those that have some.

    Parameters
    ----------
    name : str
    layers : sequence of Layer
    inputs : mapping, optional
        As the attribute; `{"input": None}` if left out.
    outputs, weights, notes : optional
        As the attributes.
    counted : mapping, optional
        By a layer's name, how many of its parameters are those of an earlier layer.

    Attributes
    ----------
    name : str
    inputs : mapping of str to (Shape or None)
        The shape of each input, (C, H, W) or (N,), by its name; None if the network says none. The
        first is `input` for the layers; each other one is a layer `input` of its name.
    outputs : mapping of str to str
        The name of the layer that makes each output, by the output's name.
    layers : tuple of Layer
    weights : mapping
        The arrays of each layer that has some, by its name: of a convolution `weight` and `bias`,
        of a batch normalization `scale`, `shift`, `mean` and `variance`.
    notes : tuple of str
        For the user.

    Examples
    --------
    >>> network = load_network("resnet18")
    >>> network.inputs, network.walk().params
    ({'input': (3, 224, 224)}, 11689512)
    """

    def __init__(
        self,
        name: str,
        layers: Sequence[Layer],
        *,
        inputs: Mapping[str, Shape | None] | None = None,
        outputs: Mapping[str, str] | None = None,
        weights: Mapping[str, Weights] | None = None,
        counted: Mapping[str, int] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name, self.layers = name, tuple(layers)
        if not self.layers:
            raise ArgumentError("a network has one layer at least")
        names = layer_names(self.layers)
        self.inputs: Mapping[str, Shape | None] = dict(inputs or {INPUT_KEYWORD: None})
        self.outputs: Mapping[str, str] = dict(outputs or {names[-1]: names[-1]})
        self.weights: Mapping[str, Weights] = dict(weights or {})
        self.notes = tuple(notes)
        self._names = names
        self._indices = {name: index for index, name in enumerate(names)}
        # A layer of this name comes before one that is only called so.
        self._indices |= {str(one.name): index for index, one in enumerate(layers) if one.name}
        others = [index for index, layer in enumerate(self.layers) if layer.operation.is_source]
        self._sources = dict(zip(self.inputs, [INPUT, *others], strict=False))
        self._counted = dict(counted or {})
        self._last: tuple[object, Schedule] | None = None  # that was asked for
        self._prepared = PreparedWeights(self.layers, names, self.weights)

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{name}: {format_shape(shape) if shape else 'any size'}"
            for name, shape in self.inputs.items()
        )
        return f"<Network {self.name}: {len(self.layers)} layers; {inputs}>"

    def walk(self, input_shape: Shape | None = None) -> Walk:
        """Return the shapes, receptive fields and costs of all layers.

        Parameters
        ----------
        input_shape : (C, H, W), optional
            Of the first input; what the network says, if left out.

        Raises
        ------
        ShapeError
            If neither says it, or the network's weights are for other channels.
        """
        from convcli.arithmetic.network import walk

        name, own = next(iter(self.inputs.items()))
        shape = input_shape or own
        if shape is None:
            raise ShapeError(f"the shape of input {name!r} is not known: give it as input_shape")
        if self.weights and own is not None and len(shape) == len(own) and shape[0] != own[0]:
            raise ShapeError(
                f"the network's weights are for {own[0]} channels of its input {name!r}, "
                f"not for the {shape[0]} of {format_shape(shape)}"
            )
        found = walk(self.layers, shape, name=self.name, counted=self._counted)
        return found._replace(
            remarks=self.notes, input_names=tuple(self.inputs), output_layers=self.outputs
        )

    @overload
    def run(self, x: Inputs, at: str | None = None) -> Array: ...
    @overload
    def run(self, x: Inputs, at: list[str] | tuple[str, ...]) -> dict[str, Array]: ...
    def run(
        self, x: Inputs, at: str | list[str] | tuple[str, ...] | None = None
    ) -> Array | dict[str, Array]:
        """Run the network.

        Parameters
        ----------
        x : array_like, or mapping of them
            (C, H, W), or (N, C, H, W) for a batch; those of several inputs by their names, each
            with or each without N. float64 is computed in float64, all else in float32.
        at : str, or list of str, optional
            The layer or output whose values are returned, or several; the last output if left out.
            In a file that PyTorch wrote, the path of a module is its last layer: `layer1.0`. Layers
            that these do not need are not run.

        Returns
        -------
        ndarray, or dict of ndarray by the names in `at`
            (C, H, W), or (N,) once flat; of a batch with one more axis in front.

        Raises
        ------
        ShapeError
            If an input has not the shape that the layers need.
        ArgumentError
            If an input is missing, a name is unknown, a layer that is needed has no weights or
            cannot be run, or a value is not finite.
        """
        images, is_batch = self._as_batches(x)
        names = self._target_names(at)
        shapes = {name: values.shape[1:] for name, values in images.items()}
        with add_hint(lambda: self._find_hint(images, is_batch=is_batch)):
            schedule = self.schedule(shapes, names)
            each = self._split(images)
            outputs = [run_schedule(schedule, inputs, self._prepared) for inputs in each]
        found = {index: np.stack([one.pop(index) for one in outputs]) for index in schedule.targets}
        by_name = {name: found[self._index_of(name)] for name in names}
        return self._results(by_name, at, is_batch=is_batch)

    @overload
    def run_tiles(self, x: Inputs, tile: int, at: str | None = None) -> Array: ...
    @overload
    def run_tiles(
        self, x: Inputs, tile: int, at: list[str] | tuple[str, ...]
    ) -> dict[str, Array]: ...
    def run_tiles(
        self, x: Inputs, tile: int, at: str | list[str] | tuple[str, ...] | None = None
    ) -> Array | dict[str, Array]:
        """Run the network in tiles: the values of `run`, up to rounding, in less memory.

        Each layer runs on the part of its input that a tile of the output depends on, and no more.

        Parameters
        ----------
        x, at
            As in `run`; each layer that is asked for has tiles of its own.
        tile : int
            The side of a tile, in positions of the first input.

        Returns
        -------
        ndarray, or dict of ndarray by the names in `at`

        Raises
        ------
        ArgumentError
            As `run`; if a layer that is needed depends on its whole input, as a global pool does,
            with its name; for so small tiles that there would be too many.
        """
        images, is_batch = self._as_batches(x)
        names = self._target_names(at)
        shapes = {name: values.shape[1:] for name, values in images.items()}
        with add_hint(lambda: self._find_hint(images, is_batch=is_batch)):
            plans = {name: self.plan_tiles(shapes, tile, name) for name in dict.fromkeys(names)}
            found = {
                name: np.stack([plan.run(one, self._prepared) for one in self._split(images)])
                for name, plan in plans.items()
            }
        return self._results(found, at, is_batch=is_batch)

    def _find_hint(self, images: Mapping[str, Array], *, is_batch: bool) -> str:
        """Return a hint on inputs whose channels seem to be the last axis, or nothing."""
        for name, values in images.items():
            own = self.inputs[name]
            if own is not None and len(own) == 3:
                hint = image_hint(values.shape if is_batch else values.shape[1:], own[0])
                if hint:
                    return hint
        return ""

    def plan_tiles(self, shapes: Mapping[str, Shape], tile: int, name: str) -> TilePlan:
        """Return the tiles in which `run_tiles` computes one layer or output.

        Raises
        ------
        ShapeError, ArgumentError
            As `run_tiles`.
        """
        from convcli.pipeline.tiles import TilePlan

        return TilePlan(self.schedule(shapes, [name]), as_number(tile, "tile", least=1))

    def schedule(self, shapes: Mapping[str, Shape], names: Sequence[str]) -> Schedule:
        """Return which layers run for inputs of these shapes, so that these outputs are known.

        Parameters
        ----------
        shapes : mapping of str to Shape
            Of inputs by their names.
        names : sequence of str
            Of layers and outputs.

        Raises
        ------
        ShapeError, ArgumentError
            As `run`.
        """
        targets = tuple(dict.fromkeys(self._index_of(name) for name in names))
        key = (tuple(shapes.items()), targets)
        if self._last is None or self._last[0] != key:
            self._last = key, self._plan(shapes, targets)
        return self._last[1]

    def _plan(self, shapes: Mapping[str, Shape], targets: Sequence[int]) -> Schedule:
        inputs = {self._sources[name]: shape for name, shape in shapes.items()}
        schedule = plan_schedule(self.layers, self._names, inputs, targets)
        for name, index in self._sources.items():
            if index in schedule.missing:
                raise ArgumentError(f"{self.name} needs its input {name!r} for what is asked")
        self._check_sizes(schedule, shapes)
        self._prepared.check(schedule)
        return schedule

    def peak_bytes(
        self,
        shape: Shape | Mapping[str, Shape],
        at: str | Sequence[str] | None = None,
        dtype: Any = np.float32,
    ) -> int:
        """Estimate the most memory that `run` takes for an image, beside the weights.

        Parameters
        ----------
        shape : Shape, or mapping of them by the inputs' names
        at
            As in `run`.
        dtype : dtype
            float32 or float64.

        Raises
        ------
        ShapeError, ArgumentError
            As `run`.
        """
        shapes = shape if isinstance(shape, Mapping) else {next(iter(self.inputs)): shape}
        schedule = self.schedule(shapes, self._target_names(at))
        itemsize: int = np.dtype(dtype).itemsize
        return schedule.peak_values() * itemsize + schedule.scratch_bytes()

    def _target_names(self, at: str | Sequence[str] | None) -> list[str]:
        if at is None:
            return [list(self.outputs)[-1]]
        names = [at] if isinstance(at, str) else at
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ArgumentError(f"at must be a name, or a list of names, not {at!r}")
        return list(names)

    def _index_of(self, name: str) -> int:
        layer = self.outputs.get(name, name)
        if layer not in self._indices:
            inside = find_in_module(name, self._names)
            if inside:
                return self._indices[inside[-1]]
            known = [*self.outputs, *self._names[-MAX_NAMES:]]
            hint = did_you_mean(name, known) or f"; the last is {self._names[-1]!r}"
            raise ArgumentError(f"{self.name} has no layer or output {name!r}{hint}")
        return self._indices[layer]

    def _results(
        self,
        found: Mapping[str, Array],
        at: str | Sequence[str] | None,
        *,
        is_batch: bool,
    ) -> Array | dict[str, Array]:
        """Return outputs as they were asked for: the one, or several by their names."""
        results = {}
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise ArgumentError(
                    f"output {name!r} holds values that are not finite: {self._infinity_cause()}"
                )
            results[name] = values if is_batch else values[0]
        return next(iter(results.values())) if at is None or isinstance(at, str) else results

    def _infinity_cause(self) -> str:
        """Return why values are not finite."""
        from convcli.pipeline.execute import infinity_cause

        for layer, arrays in self.weights.items():
            for array, values in arrays.items():
                if not np.isfinite(values).all():
                    return f"neither are all of the {array} of layer {layer!r}"
        return infinity_cause(self.layers)

    def _check_sizes(self, schedule: Schedule, shapes: Mapping[str, Shape]) -> None:
        """Check that no layer holds a size that its file has computed for another input."""
        sized = [task for task in schedule.tasks if task.layer.op in _SIZED]
        for name, shape in shapes.items():
            own = self.inputs[name]
            if self.weights and sized and own is not None and tuple(shape) != tuple(own):
                raise ShapeError(
                    f"input {name!r} is {format_shape(own)} in the network, and its layer "
                    f"{sized[0].name} ({format_layer(sized[0].layer)}) is for that size alone, "
                    f"not for {format_shape(shape)}; load it with that shape in input_shapes"
                )

    def _split(self, images: Mapping[str, Array]) -> Iterator[dict[int, Array]]:
        """Yield the inputs of each image of a batch, by their indices."""
        for number in range(len(next(iter(images.values())))):
            yield {self._sources[name]: batch[number] for name, batch in images.items()}

    def _as_batches(self, x: Inputs) -> tuple[dict[str, Array], bool]:
        """Return the inputs with an axis for the batch, and whether they had it."""
        given = dict(x) if isinstance(x, Mapping) else {next(iter(self.inputs)): x}
        for name in given:
            if name not in self._sources:
                hint = did_you_mean(name, self.inputs) or f"; it has {', '.join(self.inputs)}"
                raise ArgumentError(f"{self.name} has no input {name!r}{hint}")
        arrays = {name: as_real(values, name) for name, values in given.items()}
        dtype = np.result_type(np.float32, *arrays.values())
        batches, extra = {}, set[int]()
        for name, values in arrays.items():
            axes = len(self.inputs[name] or (0, 0, 0))
            if values.ndim not in (axes, axes + 1) or 0 in values.shape:
                wanted = "(C, H, W) or (N, C, H, W)" if axes == 3 else "(N,) or (batch, N)"
                raise ShapeError(f"input {name!r} must be {wanted}, not {values.shape}")
            extra.add(values.ndim - axes)
            whole = values if values.ndim > axes else values[np.newaxis]
            if not np.isfinite(whole).all():
                raise ArgumentError(f"input {name!r} holds values that are not finite")
            batches[name] = whole.astype(dtype, copy=False)
        if len(extra) > 1 or len({len(batch) for batch in batches.values()}) > 1:
            found = ", ".join(f"{name}: {array.shape}" for name, array in arrays.items())
            raise ShapeError(f"all inputs have batches of one length, or none has: {found}")
        return batches, extra == {1}


def load_network(path: str, input_shapes: Mapping[str, Shape] | None = None) -> Network:
    """Return a network that can be run.

    Parameters
    ----------
    path : str
        An `.onnx` file, whose weights are read with it; a file with a layer a line, of another
        suffix or behind `@`; or the name of a network of the zoo, which has no weights.
    input_shapes : mapping, optional
        The shapes of inputs, (C, H, W) or (N,), by their names; `input` is the first. Needed where
        an ONNX file leaves them open.

    Raises
    ------
    ArgumentError
        For an unknown name, or a shape that is missing.
    FileError
        For a file that holds no network.

    Examples
    --------
    >>> load_network("lenet5").walk().output
    (10,)
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"a network is a path or a name, not {path!r}")
    if not isinstance(input_shapes, (Mapping, type(None))):
        raise ArgumentError(
            f"input_shapes gives shapes by the inputs' names, like {{'input': {input_shapes!r}}}"
        )
    try:
        file = read_network(os.fspath(path), input_shapes)
    except OpenInputError as error:
        shape = "".join(f"{side}, " for side in error.sides).removesuffix(" ")
        shape = shape if len(error.sides) == 1 else shape.removesuffix(",")
        raise ArgumentError(
            f"{error.cause}: give input_shapes={{{error.name!r}: ({shape})}}"
        ) from None
    return Network(
        file.name,
        with_kernel_sizes(file.layers),
        inputs=file.inputs,
        outputs=file.outputs,
        weights=file.weights,
        counted=file.counted,
        notes=file.notes,
    )
