"""`convcli shape`: the arithmetic of a convolution or a pool."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from convcli.arithmetic.frameworks import FRAMEWORKS
from convcli.arithmetic.layers import Layer
from convcli.cli import options as opt
from convcli.cli.options import flag, option
from convcli.cli.output import log, log_notes, print_data
from convcli.cli.tables import compute_sweep, explain_layers, format_layers, format_network

if TYPE_CHECKING:
    from convcli.arithmetic.network import Walk
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


class ShapeOptions(opt.DeclaredOptions):
    """The layers and the options of `shape`, as they were typed."""

    layers: tuple[Layer, ...]

    input: Shape | None = option("Stack or network", "--input", opt.SHAPE, "Shape of its input.")
    net: str | None = option(
        "Stack or network", "--net", opt.NETWORK, "A well-known network, or a file of layers."
    )
    framework: str | None = option(
        "Stack or network", "--framework", click.Choice(tuple(FRAMEWORKS)), "Whose rules must hold "
        "where they differ: in same padding with a stride, and in ceil."
    )  # fmt: skip

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

    figure: str | None = option(
        "Output", "--figure", opt.PATH, "Draw what one output of the last map sees, layer by "
        "layer: .png or .svg."
    )  # fmt: skip
    image: str | None = option(
        "Output", "--image", opt.PATH, "A picture to draw it on, with --figure."
    )
    keep_damaged: bool = opt.keep_damaged_option("Output")
    timeout: float | None = opt.timeout_option("Output", "reading the picture may take")
    force: bool = flag("Output", "-f --force", "Replace an existing figure.")
    restrict: str | None = opt.restrict_option("Output")
    explain: bool = flag("Output", "--explain", "Show the formula of every number.")
    format: str | None = opt.format_option(opt.FORMATS)
    json: bool = flag("Output", "--json", "Short for --format json.")

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
    MACs count the products of convolutions and linear layers, without biases.

    \b
    convcli shape --h 224 --k 3 --p 1 --s 2
    convcli shape --h 224 --k 3,5,7 --s 1,2 --p same --c-in 3 --c-out 64
    convcli shape --input 3x224x224 conv:7,s=2,p=3,c=64 maxpool:3,s=2,p=1
    convcli shape --net resnet18
    """
    options = ShapeOptions(**values)
    layout = opt.choose_format(options.format, opt.FORMATS, is_json=options.json)
    if options.explain and layout != "table":
        raise click.UsageError("--explain is text: it goes without --json and --format")
    _validate_figure(options)
    if not options.layers and options.net is None and options.input is None:
        _validate_layer(options)
        sizes = compute_sweep(options)
        print_data(explain_layers(sizes) if options.explain else format_layers(sizes, layout))
        return
    for name in options.layer_options:
        raise click.UsageError(
            f"{opt.option_name(name)} is of one layer; it does not go with a stack or a network"
        )
    walk = walk_network(options)
    if options.figure is not None:
        # Drawing needs NumPy and Pillow, which arithmetic alone does not load.
        from convcli.pictures.receptive_field import write_receptive_field

        notes = write_receptive_field(
            walk, options.figure, options.image, keep_damaged=options.keep_damaged,
            timeout=options.timeout, force=options.force,
        )  # fmt: skip
        log_notes(options.image or "", notes)
    from convcli.arithmetic.footprint import FLOAT32

    print_data(_explain_walk(walk) if options.explain else format_network(walk, layout, FLOAT32))
    for note in walk.notes:
        log(note)


def walk_network(options: ShapeOptions) -> Walk:
    """Walk through the layers that were typed, or through the network that `--net` names."""
    from convcli.arithmetic.network import walk
    from convcli.cli.networks import Network, attribute_to_file, load_network, with_kernel_sizes

    net = options.net
    if options.layers and net is not None:
        raise click.UsageError("--net and LAYERs exclude each other")
    if not options.layers and net is None:
        raise click.UsageError("--input goes with LAYERs or --net")
    network = Network("stack", None, options.layers) if net is None else load_network(net)
    shape = options.input or network.shape
    if shape is None:
        raise click.UsageError("the input's shape is missing: give --input CxHxW")
    with attribute_to_file(net):
        layers = with_kernel_sizes(network.layers)
        return walk(layers, shape, name=network.name, framework=options.framework)


def _explain_walk(walk: Walk) -> str:
    from convcli.arithmetic.formulas import explain_walk

    return explain_walk(walk)


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
    for name in ("framework", "figure"):
        if getattr(options, name) is not None:
            raise click.UsageError(f"--{name} goes with a stack or a network")


def _validate_figure(options: ShapeOptions) -> None:
    figure, image = options.figure, options.image
    if figure is None and (image is not None or options.force):
        raise click.UsageError(f"--{'image' if image else 'force'} goes with --figure")
    if image is None and options.keep_damaged:
        raise click.UsageError("--keep-damaged goes with --image")
    if image is None and options.timeout is not None:
        raise click.UsageError("--timeout goes with --image")
    if figure is not None and not figure.lower().endswith(opt.FIGURE_SUFFIXES):
        raise click.UsageError(f"--figure {figure!r} must end in .png or .svg")
