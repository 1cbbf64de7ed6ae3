"""`convcli shape`: the arithmetic of a convolution or a pool."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from convcli.arithmetic.frameworks import FRAMEWORKS
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import DTYPE_BITS
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import print_data
from convcli.cli.pictures import STYLE_OPTIONS, PictureOptions
from convcli.cli.tables import compute_sweep, explain_layers, format_layers

if TYPE_CHECKING:
    from convcli.arithmetic.values import Pair, Shape, Sides

sys.set_int_max_str_digits(0)  # before anything is parsed: exact for any integer that can be typed

NUMBERS = opt.comma_list(opt.POSITIVE)
SIZES = opt.comma_list(opt.SIZE)
Sizes: TypeAlias = "tuple[Pair, ...] | None"

_REQUIRES = {
    "ceil": "pool",  # a convolution rounds down
    "output_padding": "transposed",
    "channels": "c_in",
    "groups": "c_in",
}


POOL_OR_SIZE = opt.pool_type(
    "max|avg[:K]", "max or avg, maybe with its size (max:2)", needs_size=False
)


class ShapeOptions(PictureOptions):
    """The layers and the options of `shape`, as they were typed."""

    layers: tuple[Layer, ...]

    input: tuple[dict[str, Shape], ...] | None = option(
        "Stack or network", "--input", opt.comma_list(opt.INPUTS), "Shape of its input, or of "
        "several by name: x=3x8x8+y=10. Values separated by commas are tried in turn."
    )  # fmt: skip
    net: tuple[str, ...] = option(
        "Stack or network", "--net", opt.NETWORK, "A well-known network, or a file: of "
        "layers, or .onnx; several make a table of totals.", multiple=True
    )  # fmt: skip
    framework: str | None = option(
        "Stack or network", "--framework", click.Choice(tuple(FRAMEWORKS)), "Whose rules must hold "
        "where they differ, as in padding and in ceil; what it refuses is told with what to write "
        "instead."
    )  # fmt: skip
    sizes: range | None = option(
        "Stack or network", "--sizes", opt.integer_range(least=1), "What it makes of inputs that "
        "are so high and wide, in place of the input's own size, and which it does not take."
    )  # fmt: skip
    batch: int = option(
        "Stack or network", "--batch", opt.POSITIVE, "Inputs at once, for the bytes of maps.",
        default="1",
    )  # fmt: skip
    dtype: str = option(
        "Stack or network", "--dtype", click.Choice(tuple(DTYPE_BITS)), "Type of the values, for "
        "all bytes.", default="float32"
    )  # fmt: skip

    max_params: int | None = option(
        "Budgets", "--max-params", opt.COUNT, "The most parameters, like 100k or 1.5M; exit code 1 "
        "if there are more, as with the others."
    )  # fmt: skip
    max_macs: int | None = option("Budgets", "--max-macs", opt.COUNT, "The most MACs.")
    max_bytes: int | None = option(
        "Budgets", "--max-bytes", opt.MEMORY, "The most bytes that maps take at the peak."
    )
    min_field: Pair | None = option(
        "Budgets", "--min-rf", opt.SIZE, "The least receptive field of the last map."
    )

    height: tuple[int, ...] | None = option("One layer", "--h", NUMBERS, "Input height.")
    width: tuple[int, ...] | None = option(
        "One layer", "--w", NUMBERS, "Input width; default: the height."
    )
    kernel: Sizes = option("One layer", opt.KERNEL, SIZES, "Size of the window.")
    stride: Sizes = option(
        "One layer", opt.STRIDE, SIZES, "Step of the window; default: 1, and of a pool its size."
    )
    padding: tuple[str | Sides, ...] | None = option(
        "One layer", opt.PADDING, opt.comma_list(opt.SIDES), "N, HxW, T.B.L.R, same, same-lower, "
        "valid or full; default: 0."
    )  # fmt: skip
    dilation: Sizes = option(
        "One layer", opt.DILATION, SIZES, "Distance between the weights; default: 1."
    )
    c_in: tuple[int, ...] | None = option("One layer", "--c-in", NUMBERS, "Channels of the input.")
    channels: tuple[int, ...] | None = option(
        "One layer", "--c-out", NUMBERS, "Channels of the output; default: the input's."
    )
    groups: tuple[int, ...] | None = option(
        "One layer", "--groups", NUMBERS, "Groups of channels; default: 1."
    )
    pool: Layer | None = option(
        "One layer", "--pool", POOL_OR_SIZE, "A pool: max:2, or max with --k, --s, --p, --d."
    )
    ceil: bool = flag("One layer", "--ceil", "Round a pool's size up.")
    transposed: bool = flag("One layer", "--transposed", "A transposed convolution.")
    output_padding: Sizes = option(
        "One layer", "--output-padding", opt.comma_list(opt.SIZE0), "Added to a transposed "
        "convolution's output."
    )  # fmt: skip

    counts: bool = flag("One layer", "--counts", "Show how often each pixel of the input is used.")

    figure: str | None = option(
        "Output", "--figure", opt.PATH, "Draw what one output of the last map sees, layer by "
        "layer, or with --counts the counts: .png or .svg."
    )  # fmt: skip
    image: str | None = option(
        "Output", "--image", opt.PATH, "A picture to draw it on, with --figure."
    )
    keep_damaged: bool = opt.keep_damaged_option("Output")
    timeout: float | None = opt.timeout_option("Output", "reading the picture may take")
    force: bool = flag("Output", "-f --force", "Replace an existing figure.")
    restrict: str | None = opt.restrict_option("Output")
    explain: bool = flag("Output", "--explain", "Show the formula of every number.")
    totals: bool = flag("Output", "--totals", "Only the totals of a stack or a network.")
    format: str | None = opt.format_option(opt.FORMATS)
    json: bool = flag("Output", "--json", "Short for --format json.")

    @property
    def network_options(self) -> list[str]:
        """The names of the options that have no effect on one layer."""
        groups = ("Stack or network", "Budgets")
        parameters = self.parameters().items()
        drawing = ("image",) if self.counts else ("figure",)
        own = [name for name, option in parameters if option.group in groups]
        return [*own, *drawing, "totals"]

    @property
    def layer_options(self) -> list[str]:
        """The names of the options of one layer that have a value."""
        groups = {name: option.group for name, option in self.parameters().items()}
        layer = (name for name, group in groups.items() if group == "One layer")
        return [name for name in layer if getattr(self, name) not in (None, False)]


@opt.command(ShapeOptions)
@click.argument("layers", nargs=-1, type=opt.LAYER, metavar="[LAYER]...")
def shape(**values: Any) -> None:
    """Compute the sizes and costs of one layer, of a stack of LAYERs, or of a network.

    One layer is shown with its numbers put into the formula; values separated by commas make a row
    for every combination. A stack or a network has a row for every layer, and one of totals.
    MACs count the products of convolutions and linear layers, without biases. Several networks, or
    inputs, have a row of totals each.

    The receptive field (rf) is how many rows and columns of the input an output depends on, padding
    included; jump is how far apart on the input two outputs lie, start where the center of the
    first lies, and the effective padding how far its field begins before the input.

    \b
    convcli shape --h 224 --k 3 --p 1 --s 2
    convcli shape --h 224 --k 3,5,7 --s 1,2 --p same --c-in 3 --c-out 64
    convcli shape --h 5 --k 3 --counts
    convcli shape --input 3x224x224 conv:7,s=2,p=3,c=64 maxpool:3,s=2,p=1
    convcli shape --net resnet18 --max-params 12M
    convcli shape --net resnet18 --net vgg16 --input 3x224x224,3x256x256
    convcli shape --net model.onnx --batch 8 --dtype float16
    convcli shape --net unet --sizes 500..600
    """
    options = ShapeOptions(**values)
    layout = opt.choose_format(options.format, opt.FORMATS, is_json=options.json)
    if options.explain and layout != "table":
        raise click.UsageError("--explain is text: it goes without --json and --format")
    if options.explain and options.counts:
        raise click.UsageError("--explain and --counts exclude each other")
    _validate_figure(options)
    if options.layers or options.net or options.input is not None:
        from convcli.cli.walks import show_networks

        show_networks(options, layout)
        return
    _validate_layer(options)
    sizes = compute_sweep(options)
    if options.counts:
        from convcli.cli.counts import show_counts

        show_counts(sizes, layout, options)
        return
    print_data(explain_layers(sizes) if options.explain else format_layers(sizes, layout))


def _validate_layer(options: ShapeOptions) -> None:
    """Refuse options of one layer that contradict each other, or would have no effect."""
    names, pool = options.layer_options, options.pool
    if "height" not in names:
        raise click.UsageError("give the input's height, like --h 224, or a stack or --net")
    for name, other in _REQUIRES.items():
        if name in names and other not in names:
            raise click.UsageError(f"{opt.option_name(name)} goes with {opt.option_name(other)}")
    has_size = pool is not None and pool.kernel is not None
    excluded: tuple[str, ...] = () if pool is None else ("transposed", "channels", "groups")
    if has_size:
        excluded += ("kernel", "stride", "padding", "dilation")
    for name in excluded:
        if name in names:
            raise click.UsageError(f"{opt.option_name(name)} and --pool exclude each other here")
    if "kernel" not in names and not has_size:
        raise click.UsageError("the window's size is missing: give --k 3, or --pool max:2")
    instead = "" if options.counts or options.figure is None else ", or with --counts"
    opt.refuse_typed(options.network_options, f"goes with a stack or a network{instead}")


def _validate_figure(options: ShapeOptions) -> None:
    figure, image = options.figure, options.image
    if figure is None and (image is not None or options.force):
        raise click.UsageError(f"--{'image' if image else 'force'} goes with --figure")
    if figure is None:
        opt.refuse_typed(STYLE_OPTIONS, "goes with --figure")
    if image is None and options.keep_damaged:
        raise click.UsageError("--keep-damaged goes with --image")
    if image is None and options.timeout is not None:
        raise click.UsageError("--timeout goes with --image")
    if figure is not None and not figure.lower().endswith(opt.FIGURE_SUFFIXES):
        raise click.UsageError(f"--figure {figure!r} must end in .png or .svg")
