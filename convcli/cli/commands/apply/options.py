"""The options of `apply`, each declared once, and what follows from several."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import click

from convcli.arithmetic.layers import Layer, activations
from convcli.arithmetic.values import Pair, Resize, Sides, parse_real
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.pictures import GROUP, SCALE, SCALE_HELP, PictureOptions
from convcli.deadline import TimeLimit
from convcli.engine.filter2d.plan import METHODS
from convcli.engine.filter2d.problem import NAN_POLICIES
from convcli.errors import ArgumentError
from convcli.files import STDIN, STDOUT
from convcli.files.paths import suffix_of
from convcli.images import MAX_PIXELS
from convcli.images.formats import FORMATS
from convcli.images.quantize import POLICIES
from convcli.pipeline.memory import default_max_memory
from convcli.pipeline.names import EXT_SUFFIX, fill, input_values
from convcli.pipeline.outputs import (
    DEFAULT_NAME,
    DEFAULT_SUFFIX,
    DEFAULT_TEMPLATE,
    MAIN_SUFFIXES,
    OUTPUT_SUFFIXES,
    TIFF_SUFFIX,
    format_name,
)
from convcli.pipeline.plan import COMBINATIONS, DEPTHS

if TYPE_CHECKING:
    from convcli.pipeline.inference.step import NetworkStep
    from convcli.pipeline.selection import Region, Selection


def _read_region(text: str) -> Region:
    from convcli.pipeline.selection import parse_region  # which few commands need

    return parse_region(text)


def _read_channels(text: str) -> tuple[str, ...]:
    from convcli.pipeline.selection import parse_channels

    return parse_channels(text)


def _read_threshold(text: str) -> float:
    from convcli.pipeline.selection import parse_threshold

    return parse_threshold(text)


def read_name(text: str) -> str:
    """Return a name; an empty one is what a shell makes of a variable that is not set."""
    if not text:
        raise ArgumentError("it must be a name, not ''")
    return text


def _read_offsets(text: str) -> tuple[float, ...]:
    return tuple(parse_real(part, "it") for part in text.split(","))


def _read_factors(text: str) -> tuple[float, ...]:
    """Read numbers that can be divided by; 1/255 is one, too."""
    found = []
    for part in text.split(","):
        above, slash, below = part.partition("/")
        divisor = parse_real(below, "it") if slash else 1.0
        found.append(parse_real(above, "it") / divisor if divisor else 0.0)
    if not all(found) or not all(map(isfinite, found)):
        raise ArgumentError(f"it must not be 0, as in {text!r}")
    return tuple(found)


OFFSETS = opt.TextType("X[,...]", _read_offsets)
FACTORS = opt.TextType("X[,...]", _read_factors)
PRECISION = opt.whole_number("1..17", least=1, most=17)
REGION = opt.TextType("WxH+X+Y", _read_region)
CHANNELS = opt.TextType("NAME[,...]", _read_channels)
THRESHOLD = opt.TextType("T", _read_threshold)
MASK = opt.TextType("FILE", opt.read_path, "file", lambda path: (path,))


def _read_format(text: str) -> str:
    """Read the name of a format that can be written, as the suffix of its files."""
    suffix = f".{text.lower().removeprefix('.')}"
    if suffix not in OUTPUT_SUFFIXES:
        known = ", ".join(known[1:] for known in MAIN_SUFFIXES)
        raise ArgumentError(f"it must be one of {known}, not {text!r}")
    return suffix


# By what is asked for of a value, where PNG does not hold it.
DEFAULT_SUFFIXES: dict[str | None, str] = {"float": TIFF_SUFFIX}
FORMAT = opt.TextType("FORMAT", _read_format)


class ApplyOptions(PictureOptions, opt.WindowOptions):
    """The inputs and the options of `apply`, as they were typed."""

    inputs: tuple[str, ...]

    recursive: bool = flag(
        "Input", "-r --recursive", "Take the pictures in folders and their subfolders, by the "
        "suffixes of their names; no hidden ones, and none in --output-dir. Links to folders are "
        "not followed."
    )  # fmt: skip
    gray: bool = flag("Input", "--gray", "Convert color pictures to gray before filtering.")
    resize: Resize | None = option(
        "Input", "--resize", opt.RESIZE, "Resample before filtering: to a width and a height, to "
        "one of them, or by percent, in proportion."
    )  # fmt: skip
    frame: int | None = option(
        "Input", "--frame", opt.INTEGER, "Filter one frame or page alone, counted from 0; default: "
        "all."
    )  # fmt: skip
    max_pixels: int = option(
        "Input", "--max-pixels", opt.POSITIVE, "The most pixels of a picture.", default=MAX_PIXELS
    )
    keep_damaged: bool = opt.keep_damaged_option("Input")

    kernel: tuple[str, ...] = option(
        "Kernel", opt.KERNEL, opt.SPEC, "A name, name:parameter, rows of numbers, a file, or "
        "a layer's weights (model.onnx:NAME); several make several maps.", multiple=True
    )  # fmt: skip
    flip: bool = flag(
        "Kernel", "--flip", "True convolution: rotate the kernel by 180 degrees. Default: "
        "correlation, as in CNNs."
    )  # fmt: skip
    bias: float = option(
        "Kernel", "--bias", opt.REAL, "Added to every sum, in the input's units.", default="0"
    )
    normalize: bool = flag("Kernel", "--normalize", "Divide each kernel by the sum of its weights.")
    combine: str | None = option(
        "Kernel", "--combine", click.Choice(COMBINATIONS), "Combine several kernels' maps into "
        "one; direction: of two, x and y, in degrees counter-clockwise from the right."
    )  # fmt: skip

    stride: Pair = option(
        "Window", opt.STRIDE, opt.SIZE, "Step of the window. With 2 and `same`, an even side is "
        "sampled at pixels 1, 3, 5..., an odd one at 0, 2, 4...", default="1"
    )  # fmt: skip
    padding: str | Sides = option(
        "Window", opt.PADDING, opt.SIDES, "same, same-lower, valid, full, N, HxW or T.B.L.R.",
        default="same"
    )  # fmt: skip
    keep_size: bool = flag(
        "Window", "--keep-size", "With -p valid: put each value at the center of its window, in a "
        "map of the input's size with a rim of zeros."
    )  # fmt: skip

    activation: str | None = option(
        "Layers", "--activation", opt.NameType(activations), "Applied to the maps of the kernels"
    )  # fmt: skip
    pool: Layer | None = option(
        "Layers", "--pool", opt.POOL, "Pool after the activation: max:K[,s=,p=,ceil] or avg:..."
    )
    layer: tuple[Layer, ...] = option(
        "Layers", "-l --layer", opt.LAYER, "One more layer, like conv:kernel=blur,s=2 or "
        "maxpool:2; repeat for a stack.", multiple=True
    )  # fmt: skip
    net: str | None = option(
        "Layers", "--net", opt.NETWORK_FILE, "A network file instead of kernels and layers: of "
        "layers as text (- is standard input), or .onnx, whose own weights run."
    )  # fmt: skip
    at: tuple[str, ...] = option(
        "Network", "--at", opt.TextType("NAME", read_name), "The map of this layer or output of "
        "--net, which names its {kernel}; repeat for more. Default: the last.", multiple=True
    )  # fmt: skip
    scale: tuple[float, ...] | None = option(
        "Network", "--scale", FACTORS, "What pixels are multiplied by to be its input, one number "
        "or one a channel. Default: 1/255 for pictures (1/65535 of 16 bits), 1 for grids and "
        "networks as text."
    )  # fmt: skip
    mean: tuple[float, ...] | None = option(
        "Network", "--mean", OFFSETS, "What is subtracted then. A map of one or three channels is "
        "brought back to the input's units."
    )  # fmt: skip
    std: tuple[float, ...] | None = option(
        "Network", "--std", FACTORS, "What is divided by then, as in 0.229,0.224,0.225."
    )
    tile: int | None = option(
        "Network", "--tile", opt.POSITIVE, "Run it in tiles of so many pixels a side, which "
        "overlap by what a tile sees: the result is that of the whole. Default: if memory needs it."
    )  # fmt: skip

    linear: bool = flag(
        "Values", "--linear", "Filter in linear light: right for blurring photographs."
    )
    nan: str = option(
        "Values", "--nan", click.Choice(NAN_POLICIES), "NaN in grids and float pictures: an error; "
        "kept, in each window that sees one; skipped, and the other weights renormalized.",
        default="refuse"
    )  # fmt: skip
    value_range: str | None = option(
        "Values", "--range", click.Choice(POLICIES), "How values become pixels: clip, absolute "
        "value, rescale, zero at mid-gray. Default: clamp for pictures, rescale for grids and "
        "bounded activations."
    )  # fmt: skip
    depth: str | None = option(
        "Values", "--depth", click.Choice(DEPTHS), "Bits of the pixels that are written, or real "
        "numbers in the input's units (.tif). Default: as the input has them."
    )  # fmt: skip

    region: tuple[Region, ...] = option(
        "Selection", "--region", REGION, "Filter this part alone: width, height, left and top; "
        "repeat for more. The window sees the pixels around it, too.", multiple=True
    )  # fmt: skip
    mask: str | None = option(
        "Selection", "--mask", MASK, "A picture of the same size: filter where it is white, "
        "not where it is black, and in proportion between."
    )  # fmt: skip
    channels: tuple[str, ...] | None = option(
        "Selection", "--channels", CHANNELS, "Filter these alone: luma (brightness; colors keep "
        "their chroma), alpha, or some of r,g,b or of 0,1,2... Default: all."
    )  # fmt: skip
    threshold: float | None = option(
        "Selection", "--threshold", THRESHOLD, "Make no change smaller than this, in the input's "
        "units: sharpens edges, and leaves noise as it is."
    )  # fmt: skip

    output: str | None = option(
        "Output", "-o --output", opt.PATH, "A file (.png .jpg .webp .avif .tif .gif .jp2 .bmp .tga "
        ".ppm .npy .csv, and .heic .jxl with the extra formats) or - for "
        "standard output. {stem}, {kernel}, {dir}, {parent} and {ext} stand for the input's name, "
        "the kernel's, the input's folder, the last part of that, and the input's suffix."
    )  # fmt: skip
    output_dir: str | None = option(
        "Output", "--output-dir", opt.DIR, "Folder of the outputs; created if missing. With -r, it "
        "gets the tree of the folder that is filtered; of several, below the one that holds them."
    )  # fmt: skip
    name: str | None = option(
        "Output", "--name", opt.TEMPLATE, "Names of the files there, or in this folder; default: "
        f"{DEFAULT_TEMPLATE}."
    )  # fmt: skip
    to: str | None = option(
        "Output", "--to", FORMAT, "The format of standard output, or of files named by default: "
        "png, jpg, webp, tif, npy, ...; default: png."
    )  # fmt: skip
    quality: int | None = option(
        "Output", "--quality", opt.QUALITY, "Of JPEG, WebP, AVIF, HEIC, JPEG XL; of JPEG 2000 in "
        "decibels. Default: 92 for JPEG, the encoder's own for others."
    )  # fmt: skip
    lossless: bool = flag(
        "Output", "--lossless", "Encode WebP, HEIC, JPEG XL or JPEG 2000 without a loss."
    )
    force: bool = flag(
        "Output", "-f --force", "Replace existing files; an input is never replaced."
    )
    skip_existing: bool = flag(
        "Output", "--skip-existing", "Skip inputs whose outputs exist (resume)."
    )
    strip: bool = flag(
        "Output", "--strip", "Drop metadata: EXIF, XMP, IPTC, color profile, resolution and text."
    )
    png_level: int | None = option(
        "Output", "--png-level", opt.LEVEL, "How hard to compress, as in zlib; default: fast "
        "run-length."
    )  # fmt: skip
    # Of a network, --scale is of its input.
    picture_scale: float = option(GROUP, "--figure-scale", SCALE, SCALE_HELP, default=1)
    figure: str | None = option(
        "Output", "--figure", opt.PATH, "Draw input, kernels and maps side by side: .png or .svg. "
        "Without -o, nothing else is written."
    )  # fmt: skip
    preview: bool = flag(
        "Output", "--preview", "Show before and after in the terminal; nothing in a pipe."
    )
    print_numbers: bool = flag(
        "Output", "--print", "Print the map as numbers; without -o nothing else is written."
    )
    precision: int | None = option(
        "Output", "--precision", PRECISION, "Significant digits of --print; default: those of the "
        "type."
    )  # fmt: skip
    columns: int | None = option(
        "Output", "--columns", opt.POSITIVE, "The most columns of --print, the first and the last. "
        "Default: in a terminal as many as fit, elsewhere all."
    )  # fmt: skip
    json: bool = flag(
        "Output", "--json", "One JSON object a line: what was written, or what went wrong."
    )

    method: str = option(
        "Work", "--method", click.Choice(METHODS), "How to compute convolutions.", default="auto"
    )
    jobs: int = option("Work", "-j --jobs", opt.POSITIVE, "Number of processes.", default="1")
    scheduler: str | None = option(
        "Work", "--scheduler", opt.ADDRESS, "Run on a Dask cluster instead; its workers read and "
        "write the files."
    )  # fmt: skip
    threads: int | None = option(
        "Work", "--threads", opt.THREADS, "Number of threads; default: one a core. Each process of "
        "--jobs has one.", envvar="CONVCLI_THREADS", show_envvar=True
    )  # fmt: skip
    max_memory: int | None = option(
        "Work", "--max-memory", opt.MEMORY, "The most memory to use, like 500M or 2G, shared by "
        "the --jobs; default: three quarters of the machine's."
    )  # fmt: skip
    timeout: float | None = opt.timeout_option("Work", "one input may take")
    dry_run: bool = flag(
        "Work", "--dry-run", "Show shapes, methods, memory and outputs from the headers alone; "
        "write nothing."
    )  # fmt: skip
    restrict: str | None = opt.restrict_option("Work")
    quiet: bool = flag("Work", "-q --quiet", "Show neither warnings nor progress.")
    verbose: bool = flag(
        "Work", "-v --verbose", "Say how each input was filtered and how long it took."
    )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of every map after the kernels: activation, pool, `--layer`."""
        activation = () if self.activation is None else (Layer(op=self.activation),)
        pool = () if self.pool is None else (self.pool,)
        return (*activation, *pool, *self.layer)

    @property
    def network(self) -> NetworkStep | None:
        """The network that is run with its weights; None for layers that are filters."""
        is_step = any((self.at, self.scale, self.mean, self.std, self.tile))
        if self.net is None:
            return None
        from convcli.networks import is_onnx
        from convcli.pipeline.inference.step import NetworkStep

        if not (is_step or is_onnx(self.net)):
            return None
        path = self.net.removeprefix("@") if is_onnx(self.net) else self.net
        return NetworkStep(
            path, tuple(dict.fromkeys(self.at)), self.scale, self.mean or (0.0,),
            self.std or (1.0,), self.tile, prints_vectors=self.json,
        )  # fmt: skip

    @property
    def template(self) -> str | None:
        """The template of the outputs, which lie in `output_dir`; None if none are written."""
        if self.output is not None:
            return self.output
        is_instead = self.print_numbers or self.preview or self.figure is not None
        if is_instead and self.output_dir is None and self.name is None:
            return None
        name = self.name or DEFAULT_NAME
        has_suffix = suffix_of(name) in (*OUTPUT_SUFFIXES, EXT_SUFFIX)
        if self.name is None or (self.to is not None and not has_suffix):
            name += self.to or DEFAULT_SUFFIXES.get(self.depth, DEFAULT_SUFFIX)
        return name

    @property
    def output_format(self) -> str | None:
        """The format of what is written, as `format_name` has it; None if nothing is."""
        template = self.template
        if template is None:
            return None
        default = DEFAULT_NAME + DEFAULT_SUFFIXES.get(self.depth, DEFAULT_SUFFIX)
        return format_name((self.to or default) if template == STDOUT else template)

    @property
    def output_formats(self) -> set[str]:
        """The formats of all outputs, as far as the names of the inputs tell."""
        written = self.output_format
        if written == EXT_SUFFIX:
            return {format_name(source) for source in self.inputs}
        return set() if written is None else {written}

    @property
    def selection(self) -> Selection:
        """What is filtered of each picture."""
        from convcli.pipeline.selection import Mask, Selection

        mask = None if self.mask is None else Mask(self.mask)
        return Selection(self.region, mask, self.channels or (), self.threshold or 0.0)

    @property
    def processes(self) -> int:
        """The number of processes: at most one an input; how many are in folders is unknown."""
        return self.jobs if self.recursive else min(self.jobs, len(self.inputs))

    @property
    def is_local(self) -> bool:
        """Whether this process does all the work."""
        return self.scheduler is None and self.processes == 1

    @property
    def max_process_memory(self) -> int | None:
        """The bytes that each process may use; None for the default of its machine."""
        most = self.max_memory or (default_max_memory() if self.processes > 1 else None)
        return None if most is None else most // self.processes

    @property
    def time_limit(self) -> TimeLimit:
        """The longest that one input may take."""
        return TimeLimit.of(self.timeout)

    @property
    def writes_images(self) -> bool:
        """Whether images are written, to files or to standard output."""
        return self.output_format in (*FORMATS, EXT_SUFFIX)

    @property
    def writes_stdout(self) -> bool:
        """Whether the result itself goes to standard output."""
        if self.output is not None:
            return self.output == STDOUT
        is_named = self.output_dir is not None or self.name is not None
        return STDIN in self.inputs and not (is_named or self.print_numbers or self.json)

    @property
    def figures(self) -> list[str]:
        """The path of each input's figure, if there are to be any."""
        if self.figure is None:
            return []
        values = (input_values(self.figure, source) for source in self.inputs)
        return [fill(self.figure, fields) for fields in values]
