"""Estimate the memory that filtering an input takes, before its pixels are read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.notation import INPUT, input_indices, last_uses
from convcli.arithmetic.values import Shape
from convcli.engine.arrays import sum_dtype
from convcli.errors import FileError
from convcli.images import FrameSource, Header
from convcli.images.formats import FORMATS
from convcli.images.write import PART_FORMATS, real_type
from convcli.parallel import get_threads
from convcli.pipeline.machine import machine_memory
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.preprocess import has_preprocessing

if TYPE_CHECKING:
    from convcli.engine.filter2d.plan import FilterPlan
    from convcli.pipeline.computation import Computation, MapShapes
    from convcli.pipeline.route import Execution

BASE_BYTES = 48 << 20  # the interpreter, NumPy, Pillow and its codecs
MIN_SCRATCH_BYTES = 32 << 20  # tiles, their columns and encoded parts take at least this
MAX_MACHINE_SHARE = 0.75  # of the machine's memory, unless --max-memory says otherwise
# How many arrays of its result's size rescaling holds beside its input and output; any other
# operation holds one.
RESCALE_TEMPORARIES = 3
# Where NaN is, and what is there as float64, for each value; a map's divisors and quotients.
NAN_BYTES, NAN_COPIES = 18, 3
FRAME_BYTES = 24  # of a decoder that joins frames and what is encoded, for each pixel
# Of the rows of a part, by each thread that encodes it: prepared (as differences), in pieces that
# are encoded, and as what these are joined to; with what waits for parts before it.
PART_COPIES = 4
GAPS_PERCENT = 110  # of what is held at once: memory has unused gaps
FIGURE_BYTES = 16  # per value of a map that is drawn


def estimate_memory(
    frames: FrameSource,
    header: Header,
    target: OutputTarget,
    execution: Execution,
    computation: Computation,
    *,
    takes_rows: bool,
    draws_figure: bool,
) -> int:
    """Return about the most bytes that a process will hold while it filters an input.

    They are what grows with the input: the values and what decodes them, every map that is still
    needed, the pixels that are written and what encodes them.

    Parameters
    ----------
    frames : FrameSource
        The input.
    header : Header
        Of its frames.
    target : OutputTarget
    execution : Execution
        How the computation is run.
    computation : Computation
    takes_rows : bool
        Whether a fused filter takes the rows of a decoded picture.
    draws_figure : bool
        Whether every step is kept and drawn.
    """
    plan, shapes = computation.plan, computation.shapes
    if execution == "streamed":
        return _streamed_bytes(computation)
    filters = itertools.chain(computation.kernels, *computation.layers)
    scratch = [filter_plan.scratch_bytes(get_threads()) for filter_plan in filters if filter_plan]
    fixed = BASE_BYTES + max(MIN_SCRATCH_BYTES, *scratch, 0)
    if plan.selection is not None:
        from convcli.pipeline.selection_plan import estimate_blend_bytes

        fixed += estimate_blend_bytes(header, computation)
    outputs = [computation.selected_shape or branch.output for branch in shapes]
    held_bytes = frames.held_bytes + header.held_bytes
    decoder = _decoder_bytes(header, frames.format)
    decoding = header.bytes + decoder + held_bytes
    if execution == "fused":
        held = header.bytes
        if takes_rows:
            decoding = held = decoder + held_bytes  # of which rows are taken
        fused = _fused_bytes(header, held, computation, outputs, target.format)
        return fixed + max(decoding, fused) * GAPS_PERCENT // 100
    maps, filtering = _filter_bytes(header, computation)
    if computation.network is not None:
        filtering += computation.network.bytes
    if plan.nan != "refuse" and header.dtype.kind == "f":
        filtering += NAN_BYTES * math.prod(header.shape) + NAN_COPIES * maps
    rendered = [0]
    if target.is_image:
        rendered = [_render_bytes(shape, header, plan, target.format) for shape in outputs]
    if execution == "frames":
        # The decoder's canvases and file, and the pixels that the next frame's are compared with.
        kept = FRAME_BYTES * math.prod(header.shape[:2]) + frames.held_bytes + sum(rendered)
        phases = decoding - frames.held_bytes, filtering, maps
        return fixed + (kept + max(phases)) * GAPS_PERCENT // 100
    if draws_figure:
        values = [math.prod(shape) for branch in shapes for shape in (branch.start, *branch.layers)]
        filtering += FIGURE_BYTES * max(values) + sum(values) * sum_dtype(header.dtype).itemsize
    stacked = maps if target.is_stacked else 0
    writing = header.bytes + maps + max(rendered) + stacked
    return fixed + max(decoding, filtering, writing) * GAPS_PERCENT // 100


def _streamed_bytes(computation: Computation) -> int:
    """Return about the most bytes of a filter from file to file, however large the files are."""
    filter_plan, threads = computation.kernels[0], get_threads()
    row_bytes = math.prod(filter_plan.shape[1:]) * computation.dtype.itemsize
    parts = (threads + 1) * filter_plan.algorithm.tile[0] * row_bytes  # one is begun
    return BASE_BYTES + max(MIN_SCRATCH_BYTES, filter_plan.scratch_bytes(threads)) + parts


def check_memory(needed: int, plan: Plan, source: str) -> None:
    """Refuse an input that would take more memory than the plan allows.

    Raises
    ------
    FileError
        With both figures.
    """
    limit = default_max_memory() if plan.max_memory is None else plan.max_memory
    if limit is not None and needed > limit:
        raise FileError(
            source,
            f"needs about {format_bytes(needed)} of memory, "
            f"and --max-memory allows {format_bytes(limit)}",
        )


def default_max_memory() -> int | None:
    """Return the most bytes that all processes together may take by default."""
    machine = machine_memory()
    return None if machine is None else int(machine * MAX_MACHINE_SHARE)


def format_bytes(count: int) -> str:
    """Format a number of bytes for people.

    >>> format_bytes(81_234_567), format_bytes(12_340_000_000)
    ('81 MB', '12.3 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 10**10 else f"{count / 1e6:.0f} MB"


def _decoder_bytes(header: Header, file_format: str) -> int:
    """Pillow's share of a picture beside its values: four bytes a pixel of several channels."""
    height, width, channels = header.shape
    own = FORMATS[file_format].codec_bytes[0] * height * width if file_format in FORMATS else 0
    if header.depth == 8:
        return own + height * width * (1 if channels + header.has_alpha == 1 else 4)
    return own + 2 * header.bytes


def _fused_bytes(
    header: Header,
    values: int,
    computation: Computation,
    outputs: Sequence[Shape],
    file_format: str,
) -> int:
    """Values, and parts of pixels that are encoded; or pixels, and their copy in the encoder."""
    depth, gray = header.depth or 8, computation.plan.gray
    values += math.prod(header.shape[:2]) * sum_dtype(header.dtype).itemsize * gray
    pixels = [math.prod(shape) * depth // 8 for shape in outputs]
    if file_format in PART_FORMATS[depth]:
        return values + max(map(_part_bytes, computation.kernels, pixels))
    kept = 0 if len(outputs) == 1 else values
    encoders = [_encoder_bytes(shape, depth, file_format) for shape in outputs]
    writing = [kept + size + encoder for size, encoder in zip(pixels, encoders, strict=True)]
    return max(values + max(pixels), *writing)


def _part_bytes(filter_plan: FilterPlan, pixel_bytes: int) -> int:
    """The pixels of rows of tiles that are begun, and what encodes a row of pixels each."""
    (height, width), threads = filter_plan.shape[:2], get_threads()
    rows, columns = filter_plan.algorithm.tile
    begun = 1 + -(-threads // -(-width // columns))  # rows of tiles
    count = min(begun * rows, height) + PART_COPIES * min(threads, height)
    return count * (pixel_bytes // height)


def _filter_bytes(header: Header, computation: Computation) -> tuple[int, int]:
    """Return the bytes of all maps, and the most that is held while they are made."""
    plan, shapes, itemsize = computation.plan, computation.shapes, computation.dtype.itemsize
    height, width, channels = header.shape
    floats = height * width * channels * itemsize  # the input as floating point
    is_preprocessed = has_preprocessing(plan, header)
    area = math.prod(plan.resized((height, width)))
    preprocessed_channels = 1 if plan.gray else channels
    preprocessed = is_preprocessed * area * preprocessed_channels * itemsize
    preprocessing = floats * (plan.linear + is_preprocessed)
    if header.has_alpha and plan.resize is not None:  # resampled, and clipped; luma is looked at
        preprocessing += preprocessed + 2 * area * itemsize + plan.gray * floats
    starts = [math.prod(branch.start) * itemsize for branch in shapes]
    outputs = [math.prod(branch.output) * itemsize for branch in shapes]
    combining = 0 if plan.combine is None else starts[0] * (2 * len(plan.kernels) + 1)
    alphas = header.has_alpha * sum(math.prod(branch.output[1:]) * itemsize for branch in shapes)
    layers = max(
        sum(outputs[:index]) + starts[index] + _layer_values(plan, branch) * itemsize
        for index, branch in enumerate(shapes)
    )
    ending = sum(outputs) + max(outputs) * (plan.linear + header.has_alpha) + alphas
    kept = header.bytes + preprocessed + alphas
    if header.has_alpha:  # clipped, and as it was preprocessed
        kept += area * itemsize
    if header.has_alpha:  # every map is held with its own
        combining, layers = (size + size // preprocessed_channels for size in (combining, layers))
    return sum(outputs) + alphas, kept + max(preprocessing, combining, layers, ending)


def _layer_values(plan: Plan, branch: MapShapes) -> int:
    """Return the most values that a map's layers hold at once, beside their input."""
    inputs = input_indices([step.layer for step in plan.layers])
    last_use = last_uses(inputs)
    kept: dict[int, int] = {}
    most = 0
    for user, (indices, shape) in enumerate(zip(inputs, branch.layers, strict=True)):
        largest = max(kept.get(index, math.prod(branch.start)) for index in indices)
        kept[user] = math.prod(shape)
        most = max(most, sum(kept.values()) + max(largest, kept[user]))
        for index in set(indices):
            if index != INPUT and last_use[index] == user:
                del kept[index]
    return most


def _render_bytes(shape: Shape, header: Header, plan: Plan, file_format: str) -> int:
    """A map as pixels, what encodes them, and what rescaling them takes."""
    depth = plan.output_depth(header.depth, file_format)
    if depth is None:
        depth = 8 * real_type(header.dtype).itemsize
    scaling = header.depth not in (None, depth)
    rescaling = math.prod(shape) * 8 * scaling
    if plan.range_policy(header.depth) == "rescale":
        rescaling = RESCALE_TEMPORARIES * math.prod(shape) * 8
    pixels = (math.prod(shape) + header.has_alpha * math.prod(shape[1:])) * depth // 8
    encoding = pixels * (1 + header.has_alpha) + _encoder_bytes(shape, depth, file_format)
    return max(encoding, pixels + rescaling)


def _encoder_bytes(shape: Shape, depth: int, file_format: str) -> int:
    """An encoder's copy of the pixels that it writes; those in parts hold a few of them."""
    if file_format in PART_FORMATS[8]:
        return 0
    samples = max(shape[0], 4) if shape[0] > 1 else 1
    return math.prod(shape[1:]) * (samples * depth // 8 + FORMATS[file_format].codec_bytes[1])
