"""`convcli shape`: the arithmetic of a convolution or a pool."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from convcli.arithmetic.frameworks import FRAMEWORKS
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import parse_layer
from convcli.cli.options import (
    FIGURE_SUFFIXES,
    FORMATS,
    LAYER,
    NETWORK,
    PADDING,
    PATH,
    POSITIVE,
    SHAPE,
    SIZE,
    SIZE0,
    TextType,
    choose_format,
    comma_list,
    dilation_option,
    format_option,
    json_option,
    kernel_option,
    option_name,
    padding_option,
    stride_option,
)
from convcli.cli.output import log, print_data
from convcli.cli.tables import compute_sweep, explain_layers, format_layers, format_network
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.arithmetic.network import Walk
    from convcli.arithmetic.values import Shape

sys.set_int_max_str_digits(0)  # before anything is parsed: exact for any integer that can be typed

NUMBERS = comma_list(POSITIVE)
SIZES = comma_list(SIZE)

_REQUIRES = {
    "ceil": "pool",  # a convolution rounds down
    "output_padding": "transposed",
    "channels": "c_in",
    "groups": "c_in",
}


def _read_pool(text: str) -> Layer:
    kind, colon, rest = text.partition(":")
    if kind not in ("max", "avg"):
        raise ArgumentError(f"it must be max or avg, maybe with its size (max:2), not {text!r}")
    return parse_layer(f"{kind}pool:{rest}") if colon else Layer(op=f"{kind}pool")


@click.command()
@click.argument("layers", nargs=-1, type=LAYER, metavar="[LAYER]...")
@click.option("--input", "input_shape", type=SHAPE, help="Of a stack or a network.")
@click.option("--net", type=NETWORK, help="A well-known network, or a file of layers.")
@click.option(
    "--framework",
    type=click.Choice(tuple(FRAMEWORKS)),
    help="Whose rules must hold where they differ: in same padding with a stride, and in ceil.",
)
@click.option(
    "--figure",
    type=PATH,
    help="Draw what one output of the last map sees, layer by layer: .png or .svg.",
)
@click.option("--image", type=PATH, help="A picture to draw it on, with --figure.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing figure.")
@click.option("--explain", is_flag=True, help="Show the formula of every number.")
@click.option("--h", "height", type=NUMBERS, help="Height of one layer's input.")
@click.option("--w", "width", type=NUMBERS, help="Width of the input; default: the height.")
@kernel_option(SIZES, help="Size of the window.")
@stride_option(SIZES, help="Step of the window; default: 1, and of a pool its size.")
@padding_option(
    comma_list(PADDING), help="N, HxW, T.B.L.R, same, same-lower, valid or full; default: 0."
)
@dilation_option(SIZES, help="Distance between the weights; default: 1.")
@click.option("--c-in", "c_in", type=NUMBERS, help="Channels of the input.")
@click.option(
    "--c-out", "channels", type=NUMBERS, help="Channels of the output; default: the input's."
)
@click.option("--groups", type=NUMBERS, help="Groups of channels; default: 1.")
@click.option(
    "--pool",
    type=TextType("max|avg[:K]", _read_pool),
    help="A pool: max:2, or max with --k, --s, --p, --d.",
)
@click.option("--ceil", is_flag=True, help="Round a pool's size up.")
@click.option("--transposed", is_flag=True, help="A transposed convolution.")
@click.option(
    "--output-padding",
    type=comma_list(SIZE0),
    help="Added to a transposed convolution's output.",
)
@format_option(FORMATS)
@json_option("Short for --format json.")
def shape(
    *,
    layers: tuple[Layer, ...],
    input_shape: Shape | None,
    net: str | None,
    framework: str | None,
    figure: str | None,
    image: str | None,
    force: bool,
    explain: bool,
    as_json: bool,
    form: str | None,
    **options: Any,
) -> None:
    """The arithmetic of a convolution or a pool, of a stack of LAYERs, or of a network.

    One layer is shown with its numbers put into the formula; values separated by commas are swept,
    a row for every combination. A stack or a network is walked through, a row for every layer.
    MACs count the products of convolutions and linear layers, without biases.

    \b
    convcli shape --h 224 --k 3 --p 1 --s 2
    convcli shape --h 224 --k 3,5,7 --s 1,2 --p same --c-in 3 --c-out 64
    convcli shape --input 3x224x224 conv:7,s=2,p=3,c=64 maxpool:3,s=2,p=1
    convcli shape --net resnet18
    """
    layout = choose_format(form, as_json=as_json, default=FORMATS[0])
    if explain and layout != "table":
        raise click.UsageError("--explain is text: it goes without --json and --format")
    _validate_figure(figure, image, force=force)
    given = [name for name, value in options.items() if value not in (None, False)]
    if not (layers or net is not None or input_shape is not None):
        _validate_layer(given, options["pool"])
        for name, value in (("framework", framework), ("figure", figure)):
            if value is not None:
                raise click.UsageError(f"--{name} goes with a stack or a network")
        sizes = compute_sweep(options)
        print_data(explain_layers(sizes) if explain else format_layers(sizes, layout))
        return
    for name in given:
        raise click.UsageError(
            f"{option_name(name)} is of one layer; it does not go with a stack or a network"
        )
    walk = walk_network(layers, net, input_shape, framework)
    if figure is not None:
        # Drawing needs NumPy and Pillow, which arithmetic alone does not load.
        from convcli.pictures.receptive_field import write_receptive_field

        write_receptive_field(walk, figure, image, force=force)
    print_data(_explain_walk(walk) if explain else format_network(walk, layout))
    for note in walk.notes:
        log(note)


def walk_network(
    layers: tuple[Layer, ...], net: str | None, input_shape: Shape | None, framework: str | None
) -> Walk:
    """Walk through the layers that were typed, or through the network that `--net` names."""
    from convcli.arithmetic.network import walk
    from convcli.cli.networks import Network, attribute_to_file, load_network, with_kernel_sizes

    if layers and net is not None:
        raise click.UsageError("--net and LAYERs exclude each other")
    if not layers and net is None:
        raise click.UsageError("--input goes with LAYERs or --net")
    network = Network("stack", None, layers) if net is None else load_network(net)
    shape = input_shape or network.shape
    if shape is None:
        raise click.UsageError("the input's shape is missing: give --input CxHxW")
    with attribute_to_file(net):
        sized = with_kernel_sizes(network.layers)
        return walk(sized, shape, name=network.name, framework=framework)


def _explain_walk(walk: Walk) -> str:
    from convcli.arithmetic.formulas import explain_walk

    return explain_walk(walk)


def _validate_layer(given: list[str], pool: Layer | None) -> None:
    """Refuse options of one layer that contradict each other, or would have no effect."""
    if "height" not in given:
        raise click.UsageError("give the input's height, like --h 224, or a stack or --net")
    for name, other in _REQUIRES.items():
        if name in given and other not in given:
            raise click.UsageError(f"{option_name(name)} goes with {option_name(other)}")
    has_size = pool is not None and pool.kernel is not None
    excluded: tuple[str, ...] = () if pool is None else ("transposed", "channels", "groups")
    if has_size:
        excluded += ("kernel", "stride", "padding", "dilation")
    for name in excluded:
        if name in given:
            raise click.UsageError(f"{option_name(name)} and --pool exclude each other here")
    if "kernel" not in given and not has_size:
        raise click.UsageError("the window's size is missing: give --k 3, or --pool max:2")


def _validate_figure(figure: str | None, image: str | None, *, force: bool) -> None:
    if figure is None and (image is not None or force):
        raise click.UsageError(f"--{'image' if image else 'force'} goes with --figure")
    if figure is not None and not figure.lower().endswith(FIGURE_SUFFIXES):
        raise click.UsageError(f"--figure {figure!r} must end in .png or .svg")
