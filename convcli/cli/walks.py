"""Stacks and networks, as `shape` walks through them, prints them and holds them to budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from convcli.arithmetic.documents import summary_document
from convcli.arithmetic.footprint import Storage
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT_KEYWORD, MAX_LAYERS
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.values import format_shape, format_size
from convcli.cli import options as opt
from convcli.cli.networks import attribute_to_file, read_networks, with_kernel_sizes
from convcli.cli.output import fold_for_terminal, log, log_notes, print_data
from convcli.cli.tables import format_network, format_sizes, format_totals
from convcli.errors import ConvError, FileError, LimitError
from convcli.files import STDIN
from convcli.networks import NetworkFile, check_name, is_onnx, read_network

if TYPE_CHECKING:
    from convcli.arithmetic.sizes import SizeTrial
    from convcli.arithmetic.values import Shape
    from convcli.cli.commands.shape import ShapeOptions

MAX_WALKS = 200  # networks times inputs
MAX_READINGS = 64  # of an ONNX file, for as many sizes
COSTS = {  # options, and the numbers of the total that they limit
    "max_params": ("params", "parameters"),
    "max_macs": ("macs", "MACs"),
    "max_bytes": ("peak_bytes", "bytes of maps at the peak"),
}


def show_networks(options: ShapeOptions, layout: str) -> None:
    """Print a network's layers, or the totals of several; exit with 1 if a budget is broken."""
    _validate(options)
    if options.sizes is not None:
        _show_sizes(options, options.sizes, layout)
        return
    walks = walk_networks(options)
    if options.figure is not None:
        # Drawing needs NumPy and Pillow, which arithmetic alone does not load.
        from convcli.pictures.receptive_field import write_receptive_field

        notes = write_receptive_field(
            walks[0], options.figure, options.image, style=options.style,
            keep_damaged=options.keep_damaged, timeout=options.timeout, force=options.force,
        )  # fmt: skip
        log_notes(options.image or "", notes)
    storage = Storage(options.dtype, options.batch)
    if options.explain:
        from convcli.arithmetic.explain import explain_walk

        print_data(fold_for_terminal(explain_walk(walks[0], storage)))
    elif len(walks) > 1 or options.totals:
        print_data(format_totals(walks, layout, storage))
    else:
        print_data(format_network(walks[0], layout, storage))
    for found in walks:
        for note in found.notes:
            log(note if len(walks) == 1 else f"{_label(found, options)}: {note}")
    broken = [
        f"{_label(found, options)}: {message}"
        for found in walks
        for message in _broken_budgets(found, storage, options)
    ]
    for message in broken:
        log(message)
    if broken:
        click.get_current_context().exit(1)


def _label(walk: Walk, options: ShapeOptions) -> str:
    """Return what tells a network from the others in messages."""
    several = len(options.input or ()) > 1
    return f"{walk.name} at {format_shape(walk.input)}" if several else walk.name


def walk_networks(options: ShapeOptions) -> list[Walk]:
    """Walk through the layers that were typed, or through the networks that `--net` names.

    With several inputs, that is done for each of them.
    """
    networks = _find_networks(options)
    if len(networks) > 1 and sum(len(network.layers) for _, network in networks) > MAX_LAYERS:
        raise LimitError(f"these networks have more than {MAX_LAYERS:,} layers together")
    return [_walk_network(net, network, options.framework) for net, network in networks]


def _find_networks(options: ShapeOptions) -> list[tuple[str | None, NetworkFile]]:
    """Return each network, once for each input, after what `--net` names it by."""
    inputs = options.input or ()
    if options.net:
        return [(net, network) for net in options.net for network in read_networks(net, inputs)]
    stack = NetworkFile.of_layers("stack", None, options.layers)
    return [(None, stack.with_input_shapes(shapes)) for shapes in inputs] or [(None, stack)]


def _walk_network(net: str | None, network: NetworkFile, framework: str | None) -> Walk:
    """Walk through a network that `--net` names, or through the layers that were typed."""
    if network.input_shape is None:
        raise click.UsageError("the input's shape is missing: give --input CxHxW")
    with attribute_to_file(net):
        layers = with_kernel_sizes(network.layers)
        name, counted = network.name, network.counted
        found = walk(layers, network.input_shape, name=name, framework=framework, counted=counted)
    return found._replace(
        remarks=network.notes,
        input_names=tuple(network.inputs),
        output_layers=network.outputs,
    )


def _show_sizes(options: ShapeOptions, sizes: range, layout: str) -> None:
    """Print what a network makes of inputs of several sizes."""
    from convcli.arithmetic.sizes import describe_sizes, try_sizes

    if options.net and is_onnx(options.net[0]):
        name, trials = _read_at_sizes(options.net[0], options.input or (), sizes)
    else:
        ((net, network),) = _find_networks(options)
        if network.input_shape is None or len(network.input_shape) != 3:
            raise click.UsageError("the input's channels are missing: give --input CxHxW")
        with attribute_to_file(net):
            trials = try_sizes(with_kernel_sizes(network.layers), network.input_shape[0], sizes)
        name = network.name
    print_data(format_sizes(trials, layout))
    log(f"{name} {describe_sizes(trials)}")


def _read_at_sizes(
    net: str, given: Sequence[Mapping[str, Shape]], sizes: range
) -> tuple[str, list[SizeTrial]]:
    """Read an ONNX file, whose shapes are computed while it is read, for inputs of several sizes.

    What is wrong with the file itself is wrong at every size, and raised.
    """
    from convcli.arithmetic.sizes import SizeTrial, count_sizes, try_sizes

    if count_sizes(sizes) > MAX_READINGS:
        raise LimitError(f"an ONNX file is read for each size: try {MAX_READINGS} at most")
    shapes = given[0] if given else {INPUT_KEYWORD: read_network(net).input_shape or ()}
    first = next(iter(shapes))
    if len(shapes[first]) != 3:
        raise click.UsageError("--sizes needs an input of CxHxW")
    channels, trials, name = shapes[first][0], [], ""
    errors: list[ConvError] = []
    for size in sizes:
        try:
            network = read_network(net, {**shapes, first: (channels, size, size)})
        except ConvError as error:
            errors.append(error)
            cause = error.cause if isinstance(error, FileError) else str(error)
            trials.append(SizeTrial(size, None, cause))
        else:
            name = network.name
            trials += try_sizes(network.layers, channels, range(size, size + 1))
    if len(errors) == len(sizes):
        raise errors[0]
    return name, trials


def _validate(options: ShapeOptions) -> None:
    """Refuse options that contradict each other, before any file is opened."""
    for name in options.layer_options:
        raise click.UsageError(
            f"{opt.option_name(name)} is of one layer; it does not go with a stack or a network"
        )
    if options.layers and options.net:
        raise click.UsageError("--net and LAYERs exclude each other")
    if not options.layers and not options.net:
        raise click.UsageError("--input goes with LAYERs or --net")
    if options.explain and options.totals:
        raise click.UsageError("--explain and --totals exclude each other")
    if len(options.net) > 1 or len(options.input or ()) > 1:
        opt.refuse_typed(("explain", "figure"), "is of one network with one input")
    _validate_sizes(options)
    if options.net.count(STDIN) > 1:
        raise click.UsageError("standard input is read once, but --net - was given twice")
    count = max(len(options.net), 1) * max(len(options.input or ()), 1)
    if count > MAX_WALKS:
        raise LimitError(f"these are {count:,} networks and inputs; the most is {MAX_WALKS}")
    if len(options.net) > 1:
        for net in options.net:
            check_name(net)


def _validate_sizes(options: ShapeOptions) -> None:
    """Refuse what has no meaning for inputs of several sizes."""
    if options.sizes is None:
        return
    names = ("explain", "figure", "totals", "framework", "batch", "dtype", *COSTS, "min_field")
    opt.refuse_typed(names, "does not go with --sizes")
    if len(options.net) > 1 or len(options.input or ()) > 1:
        raise click.UsageError("--sizes is of one network with the channels of one input")


def _broken_budgets(walk: Walk, storage: Storage, options: ShapeOptions) -> Iterator[str]:
    """Say of each budget that a network does not keep by how much."""
    if all(getattr(options, name) is None for name in (*COSTS, "min_field")):
        return
    total = summary_document(walk, storage)["total"]
    for option, (key, unit) in COSTS.items():
        most = getattr(options, option)
        if most is not None and total[key] > most:
            name = f"--{option.replace('_', '-')}"
            yield f"{total[key]:,} {unit}, {total[key] - most:,} over {name} {most:,}"
    field, least = total["receptive_field"], options.min_field
    if least is None:
        return
    wanted = f"--min-rf {format_size(least)}"
    if field is None:
        yield f"its receptive field is not known, and {wanted} asks for one"
    elif any(seen < side for seen, side in zip(field, least, strict=True)):
        yield f"a receptive field of {format_size(field)}, less than {wanted}"
