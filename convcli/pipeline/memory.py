"""Memory: about what an input will take, known from its header before its pixels are read."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from convcli.arithmetic.graph import INPUT, input_indices, last_uses
from convcli.arithmetic.values import Shape
from convcli.engine.filter2d import sum_dtype
from convcli.errors import FileError
from convcli.images import FrameSource, Header
from convcli.images.formats import FORMATS
from convcli.pipeline.fused import can_fuse, can_stream
from convcli.pipeline.outputs import OutputTarget, format_name
from convcli.pipeline.plan import Plan
from convcli.pipeline.shapes import MapShapes, has_preprocessing

BASE_BYTES = 48 << 20  # bytes: the interpreter, NumPy, Pillow and its codecs
MIN_SCRATCH_BYTES = 32 << 20  # at least, for bands, their columns and parts of a PNG
MAX_MACHINE_SHARE = 0.75  # of the machine's memory: the most that is taken where nothing is said
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
# How many arrays as large as its result an operation holds at once beside it, input and output.
TEMPORARIES = {"linear": 1, "under alpha": 1, "rescale": 3, "layer": 1}
CODEC_BYTES = {name: record.codec_bytes for name, record in FORMATS.items()}
FIGURE_BYTES = 16  # of each value of a map that is drawn


def estimate_memory(
    film: FrameSource,
    plan: Plan,
    target: OutputTarget,
    ways: tuple[MapShapes, ...],
    scratch: int,
    *,
    draws_figure: bool = False,
) -> int:
    """About the most bytes that a process will hold while it filters an input.

    It counts what grows with the input: the values and what decodes them, every map that is still
    needed, the pixels that are written and what encodes them.

    Parameters
    ----------
    film : Film
    plan : Plan
    target : Target
    ways : tuple of Course
        The shapes of every map.
    scratch : int
        Bytes that all threads keep for their bands.
    draws_figure : bool
    """
    header = film.header
    fixed = BASE_BYTES + max(MIN_SCRATCH_BYTES, scratch)
    if can_stream(film.path, plan, target):
        return fixed
    is_film = film.count > 1 and plan.frame is None and target.can_hold_frames
    outputs = [way.output for way in ways]
    decoding = header.bytes + _codec(header, film.format)
    kind = format_name(target.template or "")
    if not (is_film or draws_figure) and can_fuse(header, plan, target):
        return fixed + _rounded_up(decoding, _direct(header, plan, outputs, kind))
    maps, filtering = _filtering(header, plan, ways)
    drawn = [_drawn(one, header, plan, kind) for one in outputs] if target.is_image else [0]
    if draws_figure:  # every stage is kept, and drawn at the end
        values = [math.prod(one) for way in ways for one in (way.start, *way.layers)]
        filtering += FIGURE_BYTES * max(values) + sum(values) * sum_dtype(header.dtype).itemsize
    if is_film:
        held = film.count * sum(drawn)
        return fixed + _rounded_up(decoding + held, filtering + held, 2 * held + maps)
    stacked = maps if target.is_stacked else 0
    return fixed + _rounded_up(decoding, filtering, header.bytes + maps + max(drawn) + stacked)


def _rounded_up(*stages: int) -> int:
    """The most that any stage takes, and a tenth for what memory is lost in between."""
    return max(stages) * 11 // 10


def check_memory(needed: int, plan: Plan, source: str) -> None:
    """Refuse an input that would take more memory than the plan allows.

    Raises
    ------
    FileError
        With both figures.
    """
    most = default_max_memory() if plan.max_memory is None else plan.max_memory
    if most is not None and needed > most:
        raise FileError(
            source,
            f"needs about {format_bytes(needed)} of memory, "
            f"and --max-memory allows {format_bytes(most)}",
        )


def default_max_memory() -> int | None:
    """The most that all processes together take where nothing is said."""
    machine = machine_memory()
    return None if machine is None else int(machine * MAX_MACHINE_SHARE)


def format_bytes(count: int) -> str:
    """A number of bytes for people.

    >>> format_bytes(81_234_567), format_bytes(12_340_000_000)
    ('81 MB', '12.3 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 10**10 else f"{count / 1e6:.0f} MB"


def machine_memory() -> int | None:
    """The bytes of memory that this machine has, or this container; None where it does not say."""
    found = []
    with suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):
        found.append(int(CGROUP_LIMIT.read_text()))  # "max" is no number
    return min(found, default=None)


def _codec(header: Header, kind: str) -> int:
    """What Pillow holds of a picture beside its values: four bytes a pixel of several channels."""
    height, width, channels = header.shape
    own = CODEC_BYTES.get(kind, (0, 0))[0] * height * width
    if header.depth == 8:
        return own + height * width * (1 if channels + header.has_alpha == 1 else 4)
    return own + 2 * header.bytes


def _direct(header: Header, plan: Plan, outputs: list[Shape], kind: str) -> int:
    """Values and pixels side by side; then pixels, and their copy in the encoder."""
    depth = header.depth or 8
    gray = math.prod(header.shape[:2]) * sum_dtype(header.dtype).itemsize if plan.gray else 0
    values = header.bytes + gray
    rest = 0 if len(outputs) == 1 else values
    pixels = [math.prod(one) * depth // 8 for one in outputs]
    encoders = [_encoder(one, depth, kind) for one in outputs]
    writing = [rest + size + more for size, more in zip(pixels, encoders, strict=True)]
    return max(values + max(pixels), *writing)


def _filtering(header: Header, plan: Plan, ways: tuple[MapShapes, ...]) -> tuple[int, int]:
    """The bytes of all maps, and the most that is held while they are made."""
    kind = sum_dtype(header.dtype).itemsize
    height, width, channels = header.shape
    own = height * width * channels * kind  # the input as floating point
    area = math.prod(plan.resize or (height, width))
    changes = has_preprocessing(plan, header)
    prepared = area * (1 if plan.gray else channels) * kind if changes else 0
    preparing = own * (plan.linear * TEMPORARIES["linear"] + changes * TEMPORARIES["under alpha"])
    starts = [math.prod(way.start) * kind for way in ways]
    outputs = [math.prod(way.output) * kind for way in ways]
    kernels = 0 if plan.combine is None else starts[0] * (2 * len(plan.kernels) + 1)
    alphas = sum(math.prod(way.output[1:]) * kind for way in ways) if header.has_alpha else 0
    held = header.bytes + prepared + alphas
    stacks = max(
        sum(outputs[:place]) + starts[place] + _stack(plan, way) * kind
        for place, way in enumerate(ways)
    )
    last = max(outputs)
    ending = sum(outputs) + last * (
        plan.linear * TEMPORARIES["linear"] + header.has_alpha * TEMPORARIES["under alpha"]
    )
    return sum(outputs) + alphas, held + max(preparing, kernels, stacks, ending)


def _stack(plan: Plan, way: MapShapes) -> int:
    """The most values that a map's layers hold at once, beside what it starts with."""
    inputs_of = input_indices([step.layer for step in plan.layers])
    last_use = last_uses(inputs_of)
    alive: dict[int, int] = {}
    most = 0
    for user, (places, shape) in enumerate(zip(inputs_of, way.layers, strict=True)):
        seen = max(alive.get(place, math.prod(way.start)) for place in places)
        alive[user] = math.prod(shape)
        working = TEMPORARIES["layer"] * max(seen, alive[user])
        most = max(most, sum(alive.values()) + working)
        for place in set(places):
            if place != INPUT and last_use[place] == user:
                del alive[place]
    return most


def _drawn(shape: Shape, header: Header, plan: Plan, kind: str) -> int:
    """A map as pixels, what encodes them, and what stretching them takes."""
    depth = header.depth or 8
    stretching = 0
    if plan.range_policy(header.depth) == "rescale":
        stretching = TEMPORARIES["rescale"] * math.prod(shape) * 8
    pixels = (math.prod(shape) + header.has_alpha * math.prod(shape[1:])) * depth // 8
    return max(pixels * (1 + header.has_alpha) + _encoder(shape, depth, kind), pixels + stretching)


def _encoder(shape: Shape, depth: int, kind: str) -> int:
    """What an encoder holds of the pixels that it writes; that of PNG has some parts at most."""
    area = math.prod(shape[1:])
    if kind == "PNG":
        return 0
    several = 4 if shape[0] > 1 else 1
    return area * (several * depth // 8 + CODEC_BYTES[kind][1])
