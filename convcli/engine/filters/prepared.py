"""A filter that is checked and planned, and then run over bands of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import window
from convcli.arithmetic.values import NO_PADDING, PaddingLike
from convcli.engine.arrays import Array, as_numbers, round_into
from convcli.engine.filters.padded import Padded
from convcli.engine.filters.planner import Choice, check_method, fallback, plan
from convcli.engine.filters.recipes import Recipe, Task
from convcli.engine.padding import numpy_mode
from convcli.engine.scratch import Scratch, split_range
from convcli.errors import ShapeError
from convcli.parallel import parallel_for

Take: TypeAlias = Callable[[slice, Array], object]


class PreparedFilter(NamedTuple):
    """A kernel over an image: every setting checked, the method chosen, nothing computed yet.

    Parameters
    ----------
    shape : tuple of int
        Of the result: (oh, ow), or (oh, ow, C).
    sums : dtype
        The type that its sums come in: float32 or float64, or integers where they are exact.
    choice : Choice
        The method, and why.
    bias : float
        Added to every sum.
    padded : Padded
        The image.
    bounds : (float, float) or None
        What the sums, bias included, are sure to lie between; None where they may be anything.
    recipe : Recipe
        How a band is computed.
    fallback : Recipe or None
        For bands of values that are not finite, where the recipe would spread them.
    """

    shape: tuple[int, ...]
    sums: np.dtype[Any]
    choice: Choice
    bias: float
    padded: Padded
    bounds: tuple[float, float] | None
    recipe: Recipe
    fallback: Recipe | None

    def run(self, take: Take, rows: slice | None = None) -> None:
        """Compute the sums, in bands of rows, in as many threads as `set_threads` says.

        Parameters
        ----------
        take : callable
            `take(rows, sums)` gets a band's rows, a slice of the output's, and its sums,
            (rows, ow, C). It is called in the thread that computed them, for the bands in any
            order. The sums are its to overwrite, and gone after the call.
        rows : slice, optional
            Which rows of the output; all where left out.
        """
        self._share(lambda: self._hire(take), rows)

    def run_into(self, result: Array, rows: slice | None = None) -> None:
        """As `run`, into an array, (rows, ow, C), of any type: rounded and clamped for integers."""
        first = (rows or slice(None)).indices(self.padded.output[0])[0]

        def part(rows: slice) -> Array:
            return result[rows.start - first : rows.stop - first]

        writer = self.recipe.hire_writer
        writes = result.dtype == self.sums and result.flags.c_contiguous and not self.bias
        if writer is None or not writes:
            self.run(lambda rows, sums: round_into(sums, part(rows), self.bounds), rows)
            return

        def hire() -> Callable[[slice], None]:
            gather, write = self._gatherer(), writer()
            return lambda rows: write(gather(rows), part(rows))

        self._share(hire, rows)

    def _share(self, hire: Callable[[], Callable[[slice], None]], rows: slice | None) -> None:
        bands = list(self.bands(rows))
        if self.recipe.shares:  # it has threads of its own
            work = hire()
            for band in bands:
                work(band)
        else:
            parallel_for(hire, bands)

    def bands(self, rows: slice | None = None) -> Iterator[slice]:
        """How the rows of the output are cut; it does not depend on the number of threads."""
        height = self.padded.output[0]
        first, end, _ = (rows or slice(None)).indices(height)
        for band in split_range(height, self.recipe.rows):
            part = slice(max(band.start, first), min(band.stop, end))
            if part.start < part.stop:
                yield part

    def _hire(self, take: Take) -> Callable[[slice], None]:
        """A worker for one thread, with scratch memory of its own."""
        gather = self._gatherer()
        correlate = self.recipe.hire()
        spare = self.fallback.hire() if self.fallback else None

        def work(rows: slice) -> None:
            band = gather(rows)
            spreads = spare is not None and not np.isfinite(band).all()
            sums = spare(band) if spare is not None and spreads else correlate(band)
            if self.bias:
                sums += sums.dtype.type(self.bias)
            take(rows, sums)

        return work

    def _gatherer(self) -> Callable[[slice], Array]:
        """Gives the padded band that some rows of the output see."""
        scratch = Scratch()
        columns, channels = self.padded.size[1], self.padded.pixels.shape[2]

        def gather(rows: slice) -> Array:
            shape = (self.padded.height(rows), columns, channels)
            band = scratch("band", shape, self.recipe.samples)
            self.padded.gather(rows, band)
            return band

        return gather


def prepare_filter(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    bias: float = 0.0,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = "same",
    padding_mode: str = "replicate",
    dilation: int | Sequence[int] = 1,
    flip: bool = False,
    method: str = "auto",
    rounds: bool = False,
) -> PreparedFilter:
    """Check what `filter2d` takes, and plan it; the parameters and what is raised are the same.

    `rounds` says that the caller will round the sums, half to even, whatever they come in: then
    they may come rounded already, as integers.

    Examples
    --------
    >>> prepared = prepare_filter(np.ones((4, 4)), np.ones((3, 3)), padding="valid")
    >>> prepared.shape, prepared.choice.method
    ((2, 2), 'im2col')
    >>> prepared.run(lambda rows, sums: print(rows, sums[:, :, 0].tolist()))
    slice(0, 2, None) [[9.0, 9.0], [9.0, 9.0]]
    """
    pixels, weights = as_numbers(image, "image"), as_numbers(kernel, "kernel").astype(np.float64)
    _check_axes(pixels, weights)
    offset = float(as_numbers(bias, "bias"))
    if flip:
        weights = weights[..., ::-1, ::-1]
    check_method(method, weights)
    shape = window(weights.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    cube = np.atleast_3d(pixels)  # (H, W, C)
    numpy_mode(padding_mode)  # refuse an unknown one before any work
    padded = Padded(cube, shape, padding_mode)
    task = Task(
        weights,
        replace(shape, padding=NO_PADDING),
        pixels.dtype,
        padded.size,
        cube.shape[2],
        offset,
        rounds,
    )
    choice, recipe = plan(task, method)
    spare = fallback(task) if pixels.dtype.kind == "f" and recipe.spreads else None
    bounds = _bounds(weights, pixels.dtype, offset)
    has_channels = {2: pixels.ndim == 3, 3: False, 4: True}[weights.ndim]
    channels = {2: cube.shape[2], 3: 1, 4: len(weights)}[weights.ndim]
    size = (*padded.output, channels) if has_channels else padded.output
    return PreparedFilter(size, recipe.sums, choice, offset, padded, bounds, recipe, spare)


def _check_axes(pixels: Array, weights: Array) -> None:
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ShapeError(f"image must be (H, W) or (H, W, C) and not empty, not {pixels.shape}")
    if weights.ndim not in (2, 3, 4) or 0 in weights.shape:
        raise ShapeError(
            f"kernel must be (kh, kw), (C, kh, kw) or (C_out, C, kh, kw), not {weights.shape}"
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if weights.ndim > 2 and weights.shape[-3] != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def _bounds(weights: Array, image: np.dtype[Any], bias: float) -> tuple[float, float] | None:
    """The least and the largest sum of integers; None for floats, and far from what floats hold."""
    if image.kind == "f":
        return None
    maps = weights if weights.ndim == 4 else weights[np.newaxis]
    lowest, highest = (0, 1) if image.kind == "b" else (np.iinfo(image).min, np.iinfo(image).max)
    with np.errstate(over="ignore", invalid="ignore"):
        added = maps.clip(0, None).reshape(len(maps), -1).sum(axis=1)
        taken = maps.clip(None, 0).reshape(len(maps), -1).sum(axis=1)
        least = float((added * lowest + taken * highest).min()) + bias
        largest = float((added * highest + taken * lowest).max()) + bias
    most = float(np.finfo(np.float32).max)
    return (least, largest) if -most < least and largest < most else None
