"""Write feature maps: images by a range policy, numbers as they are."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import (
    PADDING_ALONE,
    ArgumentError,
    ConvError,
    OutputError,
    ShapeError,
    first_line,
)
from convcli.files.output import atomic_write, check_output
from convcli.files.paths import system_errors
from convcli.grids import NUMBER_SUFFIXES, write_grid
from convcli.images import Metadata, Picture, Values
from convcli.images.color import find_visible
from convcli.images.formats import FORMATS
from convcli.images.quantize import (
    DEGREES,
    WARN_CLIPPED_SHARE,
    Bounds,
    Clipping,
    Quantized,
    quantize,
)
from convcli.images.write import (
    describe_lost_colors,
    find_losses,
    fit_to_format,
    real_type,
    to_real_pixels,
    write_picture,
)
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan, Step
from convcli.records import NamedTuple

LOST_ALPHA = "its alpha is left out of a file of numbers, which has its colors; write .tif"
UNIT_TOLERANCE = 1e-6  # of a sum of weights that was typed with some digits


class OutputFile(NamedTuple):
    """A file that was written.

    Parameters
    ----------
    path : str
    shape : tuple of int
        (H, W) or (H, W, C); of frames (N, H, W) or (N, H, W, C).
    policy : str, optional
        The range policy of an image; None for numbers.
    notes : tuple of str
        Remarks for the user.
    clipping : Clipping
        What the range policy clipped.
    """

    path: str
    shape: tuple[int, ...]
    policy: str | None = None
    notes: tuple[str, ...] = ()
    clipping: Clipping = Clipping()

    def with_policy(self, policy: str | None) -> OutputFile:
        """Return the report of a picture whose filtered values had a policy; None changes none."""
        if policy is None or self.policy is None:
            return self
        return self._replace(policy=policy, clipping=self.clipping._replace(policy=policy))


class Rendered(NamedTuple):
    """A feature map as pixels.

    Parameters
    ----------
    colors : Quantized
        (H, W, C), and what the range policy made of them.
    alpha : ndarray, (H, W, 1), optional
        Of the same type; None if all is opaque.
    metadata : Metadata
        That of the input.
    """

    colors: Quantized
    alpha: Values | None
    metadata: Metadata


def render(
    result: Picture,
    policy: str,
    depth: int,
    bounds: Bounds | None = None,
    error: float | None = None,
    *,
    keeps_hidden: bool = False,
) -> Rendered:
    """Convert a feature map and its alpha to pixels of `depth` bits.

    What is written with alpha 0 is black, and counts for nothing, unless hidden colors are to be
    kept. `bounds` and `error` are as in `quantize`; left out, they are those of the map.
    """
    values, alpha = result.values, result.alpha
    if result.depth is None and (count := int(np.count_nonzero(np.isnan(values)))):
        raise ArgumentError(
            f"its map holds {count:,} NaN, which pixels of {depth} bits cannot; write .npy or .tif"
        )
    error = result.error if error is None else error
    if result.depth not in (None, depth):
        scale = (2.0**depth - 1) / result.white
        is_scaled = policy not in ("rescale", DEGREES)  # which no white bounds
        values = np.multiply(values, scale, dtype=np.float64) if is_scaled else values
        alpha = None if alpha is None else np.multiply(alpha, scale, dtype=np.float64)
    if alpha is None:
        colors = quantize(values, policy, depth, bounds, error=error)
        return Rendered(colors, None, result.metadata)
    is_visible = None if keeps_hidden else find_visible(alpha)
    colors = quantize(values, policy, depth, bounds, is_visible=is_visible, error=error)
    return Rendered(colors, quantize(alpha, "clamp", depth).pixels, result.metadata)


def write_maps(
    results: Sequence[Picture],
    files: Sequence[Sequence[str]],
    target: OutputTarget,
    plan: Plan,
    source: np.dtype[Any],
) -> list[OutputFile]:
    """Write every map of an input.

    Parameters
    ----------
    results : sequence of Picture
        The maps, (H, W, C) each, with their alpha and the input's metadata.
    files : sequence of sequence of str
        The files of each map, as `Route` has them.
    target : OutputTarget
    plan : Plan
        Says the depth and the range policy of images.
    source : dtype
        Of the input's values.

    Raises
    ------
    ShapeError
        For maps that the target's format cannot hold.
    FileError
        For what the file system refuses.
    """
    if target.format in NUMBER_SUFFIXES and _has_infinite(results, plan):
        raise ArgumentError(PADDING_ALONE)
    pictures: dict[str, Picture] = {}
    for path, result, is_channel in _split_into_files(results, files, target):
        if path in pictures:
            raise ShapeError(f"two maps would both be written to {path}; filter them one by one")
        if is_channel:  # the file of a channel, unknown before the input was read
            if target.keep_existing(path):
                continue
            check_output(path, force=target.force, inputs=target.protected)
        pictures[path] = result
    # Channel 0 of a map is written last: if it exists, an interrupted run had written them all.
    written = [
        _write(path, result, target, plan, source) for path, result in reversed(pictures.items())
    ]
    return written[::-1]


def _has_infinite(results: Sequence[Picture], plan: Plan) -> bool:
    """Whether a window of a maxpool held padding alone."""
    can_be_infinite = any(step.layer.operation.can_be_infinite for step in plan.layers)
    return can_be_infinite and any(np.isneginf(result.values.min()) for result in results)


def _split_into_files(
    results: Sequence[Picture], files: Sequence[Sequence[str]], target: OutputTarget
) -> Iterator[tuple[str, Picture, bool]]:
    """Yield each file, the values for it, and whether they are one channel of a map."""
    if target.is_stacked:
        if len({result.size for result in results}) > 1:
            raise ShapeError(
                "maps of different sizes do not fit one .npy; put {kernel} in its name"
            )
        stacked = np.concatenate([result.values for result in results], axis=2)
        yield files[0][0], results[0]._replace(values=stacked), False
        return
    for result, paths in zip(results, files, strict=target.template is not None):
        if len(paths) == 1:
            yield paths[0], result, False
            continue
        for channel, path in enumerate(paths):
            plane = result.values[:, :, channel : channel + 1]
            yield path, result._replace(values=plane), True


def _write(
    path: str, result: Picture, target: OutputTarget, plan: Plan, source: np.dtype[Any]
) -> OutputFile:
    file_format = target.format
    if file_format in NUMBER_SUFFIXES:
        numbers = squeeze_channel(result.values)
        if result.is_vector and file_format == ".npy":
            numbers = numbers[0]
        with atomic_write(path, force=target.force) as stream:
            write_grid(stream, numbers, file_format)
        notes = () if result.alpha is None else (LOST_ALPHA,)
        return OutputFile(path, numbers.shape, notes=notes)
    depth = plan.output_depth(result.depth, file_format)
    if depth is None:
        with atomic_write(path, force=target.force) as stream, encoder_errors(path):
            numbers = to_real_pixels(result, real_type(source))
            has_alpha = result.alpha is not None
            write_picture(stream, numbers, file_format, result.metadata, has_alpha=has_alpha)
        return OutputFile(path, squeeze_channel(numbers).shape)
    policy = plan.range_policy(result.depth)
    rendered = render(result, policy, depth, keeps_hidden=plan.selection is not None)
    return write_rendered(path, rendered, target)


def write_rendered(path: str, rendered: Rendered, target: OutputTarget) -> OutputFile:
    """Write pixels to a file."""
    pixels, report = fit_to_file(path, rendered, target.format)
    with atomic_write(path, force=target.force) as stream, encoder_errors(path):
        has_alpha = rendered.alpha is not None
        arguments = target.format, rendered.metadata, target.encoding
        write_picture(stream, pixels, *arguments, has_alpha=has_alpha)
    return report


@contextmanager
def encoder_errors(path: str) -> Iterator[None]:
    """Raise whatever an encoder or the system raises as an OutputError of the file."""
    with system_errors(path, OutputError):
        try:
            yield
        except ConvError:
            raise
        except (ValueError, OverflowError, RuntimeError, struct.error) as error:
            raise OutputError(path, f"cannot be encoded: {first_line(error)}") from error


def fit_to_file(path: str, rendered: Rendered, file_format: str) -> tuple[Values, OutputFile]:
    """Return pixels that the file's format can hold, and the report of the file."""
    colors = rendered.colors
    check_side(path, colors.pixels.shape, file_format)
    pixels, notes = fit_to_format(colors.pixels, rendered.alpha, file_format)
    return pixels, report_file(path, pixels.shape, rendered, file_format, notes)


def check_side(path: str, shape: Sequence[int], file_format: str) -> None:
    """Raise for a picture with more pixels down or across than a format can hold."""
    most, (height, width) = FORMATS[file_format].max_side, shape[:2]
    if most is not None and max(height, width) > most:
        raise OutputError(
            path,
            f"has {width}x{height} pixels; a side of a {file_format} has {most:,} at most; "
            "write .png",
        )


def report_file(
    path: str,
    shape: Sequence[int],
    rendered: Rendered,
    file_format: str,
    notes: tuple[str, ...] = (),
) -> OutputFile:
    """Return the report of a picture file of a shape, (H, W, C), with notes on what it lost.

    It looks at no pixels.
    """
    colors, _, metadata = rendered
    lost_colors = None
    if metadata.color_chunks or metadata.profile:
        lost_colors = describe_lost_colors(metadata, file_format)
    notes = (*filter(None, (colors.note,)), *notes, *filter(None, (lost_colors,)))
    if metadata.exif or metadata.xmp or metadata.iptc:
        notes += find_losses(metadata, file_format)
    shape = tuple(shape[:2] if shape[2] == 1 else shape)
    return OutputFile(path, shape, colors.policy, notes, colors.clipping)


def squeeze_channel(values: Array) -> Array:
    """(H, W, 1) -> (H, W); other arrays stay as they are."""
    return values[:, :, 0] if values.shape[2] == 1 else values


def find_remedies(
    written: Sequence[OutputFile], files: Sequence[Sequence[str]], plan: Plan
) -> list[OutputFile]:
    """Return files with the range policy that the warning of what was clipped is to advise.

    Around edges, positive and negative values count alike. No policy is good advice for a map that
    keeps areas of one value, as sharpening does: to clip what goes beyond black and white is usual,
    and any other range would change the whole picture.

    Parameters
    ----------
    written : sequence of OutputFile
    files : sequence of sequence of str
        Those of each map, as `Route` has them.
    plan : Plan
    """
    maps = {path: index for index, paths in enumerate(files) for path in paths}
    advised = []
    for file in written:
        if file.clipping.share > WARN_CLIPPED_SHARE:
            gain = _find_gain(plan, maps[file.path])
            policies = ["offset", "abs", "rescale"] if gain == 0 else ["rescale"]
            if not math.isclose(gain, 1, rel_tol=UNIT_TOLERANCE):
                file = file._replace(clipping=file.clipping.find_remedy(policies))  # noqa: PLW2901
        advised.append(file)
    return advised


def _find_gain(plan: Plan, index: int) -> float:
    """Return the factor by which a map multiplies areas of one value; NaN if there is none."""
    kernels = plan.kernels[index : index + 1] if plan.combine is None else plan.kernels
    if plan.network is not None:
        return math.nan
    gain, *others = [_gain(step) for step in kernels] or [1.0]
    if not all(math.isclose(gain, other, rel_tol=UNIT_TOLERANCE) for other in others):
        return math.nan
    count = len(kernels) if plan.combine == "sum" else 1
    return gain * count * math.prod(map(_gain, plan.layers))


def _gain(step: Step) -> float:
    layer, kernel = step.layer, step.kernel
    if layer.sources:
        return math.nan
    if kernel is None:
        return 1.0 if layer.operation.keeps_level else math.nan
    if kernel.matrix.ndim > 2 or layer.channels is not None or layer.operation.is_transposed:
        return math.nan
    if not kernel.has_zero_sum:
        return kernel.sum
    return math.nan if step.bias else 0.0
