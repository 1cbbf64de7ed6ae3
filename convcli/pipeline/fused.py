"""Filter without a map of floats: pixels to pixels, and `.npy` to `.npy`, part by part."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.engine.arrays import Array
from convcli.engine.filter2d.plan import FilterPlan
from convcli.engine.filter2d.tiles import Tile
from convcli.engine.rounding import round_into
from convcli.errors import OVERFLOW, ArgumentError, GridError
from convcli.files import STDOUT
from convcli.files.output import atomic_write
from convcli.files.paths import suffix_of
from convcli.files.restriction import is_allowed
from convcli.images import NO_METADATA, FrameSource, Header, Picture
from convcli.images.parts import PartWriter, PixelLayout
from convcli.images.quantize import Quantized, Quantizer
from convcli.images.rows import DecodedRows
from convcli.images.write import PART_FORMATS, open_encoder
from convcli.parallel import get_threads
from convcli.pipeline.computation import Computation
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import has_preprocessing, preprocess
from convcli.pipeline.write import (
    OutputFile,
    Rendered,
    check_side,
    encoder_errors,
    report_file,
    write_rendered,
)

# As `PartWriter.fill`.
Fill: TypeAlias = Callable[[slice, slice], Iterator[tuple[slice, Array]]]

MIN_STREAMED_BYTES = 64 << 20  # of a file: smaller ones are read whole


def can_fuse(header: Header, plan: Plan, target: OutputTarget, outputs: Sequence[Shape]) -> bool:
    """Whether every map is the output of a kernel, and its sums can become pixels at once.

    Parameters
    ----------
    header : Header
    plan : Plan
    target : OutputTarget
    outputs : sequence of Shape
        (C, H, W) of every map.
    """
    if header.depth is None or header.has_alpha or not (plan.kernels and target.is_image):
        return False
    if plan.selection is not None:
        return False
    if plan.layers or plan.combine is not None or plan.resize is not None or plan.linear:
        return False
    if plan.depth not in (None, str(header.depth)):
        return False
    is_clamped = plan.range_policy(header.depth) != "rescale"
    return is_clamped and all(target.can_hold(channels) for channels, _, _ in outputs)


def can_take_rows(frames: FrameSource, header: Header, computation: Computation) -> bool:
    """Whether filters can take the rows of a decoded picture, in less memory than its values.

    They read all columns of some rows together, which is more than the array of a wide picture.
    """
    if frames.decode_rows is None or has_preprocessing(computation.plan, header):
        return False
    height, itemsize = header.shape[0], header.dtype.itemsize
    return all(
        get_threads()
        * (filter_plan.algorithm.tile[0] + filter_plan.problem.extent[0])
        * filter_plan.algorithm.region_dtype.itemsize
        <= height * itemsize
        for filter_plan in computation.kernels
    )


def write_filtered(
    picture: Picture,
    computation: Computation,
    files: Sequence[Sequence[str]],
    target: OutputTarget,
) -> list[OutputFile]:
    """Write the map of each kernel as an image; in formats that have parts, it is never whole.

    Parameters
    ----------
    picture : Picture
    computation : Computation
    files : sequence of sequence of str
        The files of each map, as `Route` has them: one.
    target : OutputTarget
    """
    plan, depth = computation.plan, picture.depth or 8
    policy = plan.range_policy(picture.depth)
    metadata = NO_METADATA if plan.strip else picture.metadata
    rows = picture.rows
    source = preprocess(picture, plan).values if rows is None else rows
    del picture
    dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
    written = []
    plans = zip(files, computation.kernels, strict=True)
    for number, ((path,), filter_plan) in enumerate(plans, 1):
        height, width, channels = (*filter_plan.shape, 1)[:3]
        layout = PixelLayout((height, width, channels), dtype, has_alpha=False)
        if target.format in PART_FORMATS[depth]:
            check_side(path, layout.shape, target.format)
            with atomic_write(path, force=target.force) as stream, encoder_errors(path):
                encoder = open_encoder(stream, layout, target.format, metadata, target.encoding)
                fill = PartWriter(encoder, layout).fill
                colors = _filter_into(filter_plan, source, policy, dtype, fill)
            rendered = Rendered(colors, None, metadata)
            written.append(report_file(path, layout.shape, rendered, target.format))
        else:
            pixels = np.empty(layout.shape, dtype)
            fill = partial(_fill_whole, pixels)
            colors = _filter_into(filter_plan, source, policy, dtype, fill)
            if number == len(computation.kernels):  # writing takes as much memory again
                if rows is not None:
                    rows.release()
                del source
            rendered = Rendered(colors._replace(pixels=pixels), None, metadata)
            written.append(write_rendered(path, rendered, target))
    return written


def _fill_whole(pixels: Array, rows: slice, columns: slice) -> Iterator[tuple[slice, Array]]:
    yield slice(None), pixels[rows, columns]


def _filter_into(
    filter_plan: FilterPlan,
    source: Array | DecodedRows,
    policy: str,
    dtype: np.dtype[Any],
    fill: Fill,
) -> Quantized:
    """Run a filter, and quantize its sums part by part; return what was clipped, without pixels."""
    bounds, pixels = filter_plan.bounds, np.empty(0, dtype)
    quantizer = Quantizer(policy, 8 * dtype.itemsize)
    quantize: Callable[[Array, Array], None] = quantizer.add
    is_within = bounds is not None and bounds[0] >= 0 and bounds[1] < np.iinfo(dtype).max + 0.5
    if is_within and policy != "offset":  # as for an average of pixels
        quantize = partial(round_into, bounds=bounds)

    def take(tile: Tile, sums: Array) -> None:
        for own, target in fill(*tile):
            quantize(sums[own], target)

    with np.errstate(over="ignore", invalid="ignore"):
        filter_plan.run(source, take)
    if not isinstance(source, np.ndarray):
        source[..., -1:, :]  # which a damaged picture does not give; its file has no name yet
    if quantize != quantizer.add:
        return Quantized(pixels, policy, counted=math.prod(filter_plan.shape))
    colors = quantizer.result(pixels)
    if math.isinf(colors.bounds[0]):
        raise ArgumentError(OVERFLOW)
    return colors


def can_stream(source: str, plan: Plan, target: OutputTarget) -> bool:
    """Whether an input can be filtered from file to file in parts: one kernel, `.npy` to `.npy`."""
    if plan.nan != "refuse":
        return False
    is_single = len(plan.kernels) == 1 and not (plan.layers or plan.gray or plan.resize)
    is_single = is_single and plan.selection is None and plan.combine is None
    if not is_single or suffix_of(source) != ".npy":
        return False
    paths = target.paths(source)
    if len(paths) != 1 or target.format != ".npy" or paths[0] == STDOUT:
        return False
    if not (hasattr(os, "preadv") and is_allowed(source)):  # which reads rows in several threads
        return False
    status = os.stat(source)
    return stat.S_ISREG(status.st_mode) and status.st_size >= MIN_STREAMED_BYTES


def stream_npy(source: str, computation: Computation, path: str, *, force: bool) -> OutputFile:
    """Filter a grid from file to file; only some parts of it are in memory.

    Raises
    ------
    FileError
        As `process`.
    """
    from convcli.grids.npy import CHANGED, open_rows

    filter_plan = computation.kernels[0]
    with open_rows(source, computation.plan.reading.max_pixels) as grid:
        if not filter_plan.can_run(grid):
            raise GridError(source, CHANGED)
        shape = filter_plan.shape[:2] if filter_plan.shape[2:] == (1,) else filter_plan.shape
        header = {"descr": computation.dtype.str, "fortran_order": False, "shape": shape}
        height, width, channels = (*filter_plan.shape, 1)[:3]
        layout = PixelLayout((height, width, channels), computation.dtype, has_alpha=False)
        with atomic_write(path, force=force) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            encoder = NumberEncoder(stream, source, filter_plan.algorithm.tile[0])
            fill = PartWriter(encoder, layout).fill

            def take(tile: Tile, sums: Array) -> None:
                for own, target in fill(*tile):
                    round_into(sums[own], target, filter_plan.bounds)

            with np.errstate(over="ignore", invalid="ignore"):
                filter_plan.run(grid, take)
            grid.check_unchanged()
    return OutputFile(path, shape)


class NumberEncoder:
    """Writes parts of numbers, each where it belongs in its file as soon as it is there.

    A `PartEncoder`, whose threads write, too: to copy numbers to the system takes as long as to
    filter them.

    Parameters
    ----------
    stream : binary file
        At the first number.
    source : str
        The input, for errors.
    rows : int
        Of a part.
    """

    def __init__(self, stream: BinaryIO, source: str, rows: int) -> None:
        stream.flush()
        self._stream, self._source, self.rows = stream, source, rows
        self._start = stream.tell()
        # Of what is written at the end, as to a pipe, there is no file yet.
        self._number = None if isinstance(stream, BytesIO) else stream.fileno()

    def encode(self, top: int, pixels: Array) -> bytes:
        """Write a part of finite numbers; return what is to be written in order instead."""
        # A sum of finite numbers is finite, mostly, and quicker to find than whether each one is.
        if not (math.isfinite(pixels.sum()) or np.isfinite(pixels).all()):
            raise GridError(self._source, "holds NaN or infinity, or sums that go beyond floats")
        if self._number is None:
            return pixels.tobytes()
        view, done = pixels.reshape(-1).view(np.uint8).data, 0
        at = self._start + top * pixels[0].nbytes
        while done < len(view):
            done += os.pwrite(self._number, view[done:], at + done)
        if hasattr(os, "posix_fadvise"):  # begin to write to the disk, in place of at the end
            os.posix_fadvise(self._number, at, len(view), os.POSIX_FADV_DONTNEED)
        return b""

    def write(self, encoded: bytes) -> None:
        """Write a part of what has no file."""
        self._stream.write(encoded)
