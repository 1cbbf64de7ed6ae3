"""Which sizes of its input a network takes, and what it makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT, format_layer, input_indices
from convcli.arithmetic.values import Shape, format_shape
from convcli.errors import ArgumentError, LimitError
from convcli.records import NamedTuple

MAX_SHAPES = 1 << 19  # of all layers, for all sizes
MAX_SHOWN = 10  # sizes in a sentence
HEADINGS = ("size", "output", "note")


class SizeTrial(NamedTuple):
    """What a network makes of an input of one size, as high as wide.

    Parameters
    ----------
    size : int
    output : Shape, optional
        None if a layer does not take its input.
    error : str, optional
        Which one, and why.
    dropping : str, optional
        The first layer with rows or columns, not of padding, that no window covers.
    """

    size: int
    output: Shape | None
    error: str | None = None
    dropping: str | None = None

    @property
    def is_same_size(self) -> bool:
        """Whether the output is a map of the input's size."""
        return self.output is not None and self.output[1:] == (self.size, self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return what `shape --sizes --json` prints of it."""
        return {
            "size": self.size,
            "output": None if self.output is None else list(self.output),
            "same_size": self.is_same_size,
            "dropping": self.dropping,
            "error": self.error,
        }


def count_sizes(sizes: range) -> int:
    """Return how many sizes there are, of which `len` counts no more than an index holds."""
    return max(-((sizes.start - sizes.stop) // sizes.step), 0)


def try_sizes(layers: Sequence[Layer], channels: int, sizes: range) -> list[SizeTrial]:
    """Infer a network's output for inputs of several sizes, each as high as wide.

    Parameters
    ----------
    layers : sequence of Layer
        With the sizes of all windows.
    channels : int
        Of the input.
    sizes : range

    Raises
    ------
    ArgumentError
        If the first size that all layers take shows what no size mends, as `walk` does.
    LimitError
        For too many sizes of too many layers.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> layers = [parse_layer("maxpool:2"), parse_layer("upsample:2")]
    >>> [trial.is_same_size for trial in try_sizes(layers, 1, range(1, 5))]
    [False, True, False, True]
    """
    count = count_sizes(sizes)
    if len(layers) * count > MAX_SHAPES:
        raise LimitError(
            f"{count:,} sizes of {len(layers):,} layers take too long: try fewer, at most "
            f"{MAX_SHAPES // len(layers):,}"
        )
    inputs = input_indices(layers)
    trials = [_try_size(layers, inputs, channels, size) for size in sizes]
    taken = next((trial.size for trial in trials if trial.output is not None), None)
    if taken is not None:
        walk(layers, (channels, taken, taken))
    return trials


def _try_size(
    layers: Sequence[Layer], inputs: Sequence[tuple[int, ...]], channels: int, size: int
) -> SizeTrial:
    shapes: dict[int, Shape] = {INPUT: (channels, size, size)}
    dropping = None
    for index, (layer, indices) in enumerate(zip(layers, inputs, strict=True)):
        taken = [shapes[source] for source in indices]
        try:
            shapes[index] = output_shape(layer, taken)
        except ArgumentError as error:
            return SizeTrial(size, None, f"layer {index + 1} ({format_layer(layer)}): {error}")
        if dropping is None and layer.operation.is_window and _drops_inputs(layer, taken[0]):
            dropping = format_layer(layer)
    return SizeTrial(size, shapes[len(layers) - 1], dropping=dropping)


def _drops_inputs(layer: Layer, shape: Shape) -> bool:
    """Whether no window covers some last rows or columns of an input, though windows touch."""
    axes = layer.window.axes((shape[1], shape[2]))
    return any(
        axis.dropped > axis.after and axis.effective_kernel >= axis.stride for axis in axes
    )  # fmt: skip


def size_rows(trials: Sequence[SizeTrial]) -> list[list[str]]:
    """Return a row, with `HEADINGS`, for sizes one after the other of which the same is made.

    That is one shape, a map of the input's own size, or an error in one layer.
    """
    rows = []
    for _, run in groupby(trials, _result):
        first, *others = run
        last = others[-1] if others else first
        ends = ["none" if end.output is None else format_shape(end.output) for end in (first, last)]
        notes = [first.error] if first.error else []
        notes += ["the same size"] if first.is_same_size else []
        notes += [f"{first.dropping} drops rows or columns"] if first.dropping else []
        sizes = dict.fromkeys((str(first.size), str(last.size)))
        rows.append(["..".join(sizes), "..".join(dict.fromkeys(ends)), "; ".join(notes)])
    return rows


def _result(trial: SizeTrial) -> tuple[object, ...]:
    if trial.output is None:
        return (str(trial.error).partition("): ")[0],)
    return trial.output[0] if trial.is_same_size else trial.output, trial.dropping


def describe_sizes(trials: Sequence[SizeTrial]) -> str:
    """Say which sizes a network takes, and which give the same size back, in one line.

    >>> describe_sizes([SizeTrial(8, (1, 8, 8)), SizeTrial(9, None, "it is odd")])
    'takes 1 of 2 sizes, and gives the same size back for 1: 8'
    """
    taken = [trial.size for trial in trials if trial.output is not None]
    same = [trial.size for trial in trials if trial.is_same_size]
    text = f"takes {len(taken):,} of {len(trials):,} sizes"
    if same == taken and len(taken) == len(trials):
        return f"{text}, and gives the same size back for all"
    if not same:
        return f"{text}{_list(taken) if len(taken) < len(trials) else ''}"
    return f"{text}, and gives the same size back for {len(same):,}{_list(same)}"


def _list(sizes: Sequence[int]) -> str:
    """Write sizes: all of a few, or the first, the last and the step between them."""
    if not sizes:
        return ""
    steps = {later - size for size, later in pairwise(sizes)}
    if len(sizes) > 3 and len(steps) == 1:
        step = steps.pop()
        return f": {'all' if step == 1 else f'every {step}'} from {sizes[0]} to {sizes[-1]}"
    shown = ", ".join(map(str, sizes[:MAX_SHOWN]))
    return f": {shown}" + (", ..." if len(sizes) > MAX_SHOWN else "")
