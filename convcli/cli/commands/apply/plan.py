"""Options of `apply` -> a plan and a target, or a usage error where they contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import compress

import click

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import PADDING_CONSTANT
from convcli.cli.commands.apply.options import ApplyOptions
from convcli.cli.options import FIGURE_SUFFIXES, is_typed, option_name, refuse_typed
from convcli.cli.pictures import STYLE_OPTIONS
from convcli.errors import ArgumentError, KernelError, KernelFileError
from convcli.files import STDIN, STDOUT
from convcli.files.paths import suffix_of
from convcli.files.restriction import check_typed
from convcli.grids import NUMBER_SUFFIXES
from convcli.images import ReadSettings
from convcli.images.formats import FORMATS, EncoderSettings
from convcli.kernels import Kernel, kernel_path
from convcli.pipeline.names import (
    EXT_SUFFIX,
    INPUT_FIELDS,
    check_fields,
    number_duplicates,
    slugify,
)
from convcli.pipeline.outputs import OutputTarget, format_name
from convcli.pipeline.plan import (
    Plan,
    Step,
    check_limits,
    check_renormalization,
    load_kernels,
    make_convolution,
    make_layer_steps,
    make_rim,
)

EXCLUDED = {  # by each of these options
    "net": ("kernel", "activation", "pool", "layer"),
    "output": ("output_dir", "name"),
    "force": ("skip_existing",),
    "quiet": ("verbose",),
    "dry_run": ("print_numbers", "preview", "verbose", "scheduler"),
    "jobs": ("scheduler",),
}
# These say how a network runs.
NETWORK_OPTIONS = ("at", "scale", "mean", "std", "tile")
# These say how a kernel filters, and would have no effect without one.
KERNEL_OPTIONS = (
    "stride", "padding", "dilation", "padding_mode", "keep_size", "flip", "bias", "normalize",
    "combine",
)  # fmt: skip


def build_plan(options: ApplyOptions) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan, and a label for each feature map that it makes.

    Raises
    ------
    ArgumentError
        For what cannot be done as typed.
    KernelFileError
        For a kernel's file.
    """
    base = options.make_layer()
    check_limits(base, options.max_pixels)
    network = None if options.net is None else options.network
    has_layers = network is None and bool(options.layers or options.net)
    layers = _layer_steps(options) if has_layers else ()
    kernels = load_kernels(options.kernel)
    steps = tuple(
        _kernel_step(options, base, kernel, spec)
        for kernel, spec in zip(kernels, options.kernel, strict=True)
    )
    if options.keep_size:
        first = 0 if options.activation is None else 1  # what follows has the input's frame
        layers = (*layers[:first], make_rim(steps), *layers[first:])
    plan = Plan(
        gray=options.gray,
        resize=options.resize,
        kernels=steps,
        combine=options.combine,
        layers=layers,
        value_range=options.value_range,
        depth=options.depth,
        frame=options.frame,
        linear=options.linear,
        strip=options.strip,
        method=options.method,
        nan=options.nan,
        reading=ReadSettings(
            options.max_pixels, options.keep_damaged, allows_nan=options.nan != "refuse"
        ),
        max_memory=options.max_process_memory,
        network=network,
    )
    if network is not None:
        from convcli.pipeline.inference.step import check_network

        check_network(network)
        names = [slugify(name) for name in network.at]
        return plan, number_duplicates(names) or ("filtered",)
    if any((options.region, options.mask is not None, options.channels, options.threshold)):
        from convcli.pipeline.selection_plan import check_selection

        selection = options.selection
        check_selection(plan, selection)
        plan = plan._replace(selection=selection)
    if options.nan == "skip":
        for step in (*plan.kernels, *plan.layers):
            check_renormalization(step)
    if not kernels:
        return plan, ("filtered",)
    if options.combine is not None:
        return plan, ("combined",)
    return plan, number_duplicates([slugify(kernel.name) for kernel in kernels])


def _layer_steps(options: ApplyOptions) -> tuple[Step, ...]:
    """Make the steps of the typed layers, or of the network file."""
    make_steps = partial(make_layer_steps, method=options.method, max_pixels=options.max_pixels)
    if options.net is None:
        return make_steps(options.layers)
    from convcli.cli.networks import attribute_to_file
    from convcli.networks import read_network

    network = read_network(options.net)
    with attribute_to_file(options.net):
        return make_steps(network.layers)


def _kernel_step(options: ApplyOptions, base: Layer, kernel: Kernel, spec: str) -> Step:
    """Make the convolution of a kernel, normalized and biased as typed."""
    if options.normalize:
        try:
            kernel = kernel.normalized()
        except KernelError as error:
            path = kernel_path(spec)
            if path is None:
                raise KernelError(f"kernel {spec!r}: {error}") from None
            raise KernelFileError(path, str(error)) from error
    if options.bias:
        kernel = kernel.replace(bias=kernel.bias + options.bias)
    return make_convolution(base._replace(spec=spec), kernel, options.method, flip=options.flip)


def build_target(options: ApplyOptions, plan: Plan, labels: tuple[str, ...]) -> OutputTarget:
    """Return where the results go, and the files that must not be replaced, beside the inputs."""
    net_file = () if options.net is None else (options.net.removeprefix("@"),)
    template = STDOUT if options.writes_stdout else options.template
    folder = options.output_dir
    if template is not None:
        try:
            check_typed(template if folder is None else _within(folder, template))
        except ArgumentError as error:
            if options.output is not None or folder is not None:
                raise
            advice = "by default, outputs go to the working folder: give -o or --output-dir"
            raise ArgumentError(f"{error}; {advice}") from error
    masks = () if plan.selection is None else plan.selection.mask_files
    protected = (*net_file, *plan.kernel_files, *masks)
    typed = (options.output, options.name, options.to)
    return OutputTarget(
        *(template, labels, options.force, protected),
        encoding=EncoderSettings(options.quality, options.lossless, options.png_level),
        is_default=typed == (None, None, None) and not options.writes_stdout,
        stdout_format=options.output_format or "",
        folder="" if folder is None or template == STDOUT else _within(folder),
    )


def _within(folder: str, *names: str) -> str:
    from pathlib import Path

    return str(Path(folder, *names))


def validate(options: ApplyOptions) -> None:
    """Refuse options that contradict each other, or would have no effect.

    Raises
    ------
    click.UsageError
        For the first of them.
    """
    has_encoding = options.to or options.depth or options.quality or options.lossless
    for find_conflicts, is_concerned in (
        (_work_conflicts, True),
        (_network_conflicts, options.net is not None or any(map(is_typed, NETWORK_OPTIONS))),
        (_value_conflicts, options.linear or options.combine == "direction"),
        (_output_conflicts, True),
        (_format_conflicts, has_encoding or options.png_level is not None),
        (_skip_conflicts, options.skip_existing),
        (_figure_conflicts, options.figure is not None or any(map(is_typed, STYLE_OPTIONS))),
        (_worker_conflicts, not options.is_local),
    ):
        for conflict in find_conflicts(options) if is_concerned else ():
            raise click.UsageError(conflict)


def _work_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what excludes each other, and options that nothing uses."""
    for name, others in EXCLUDED.items():
        for other in filter(is_typed, others if is_typed(name) else ()):
            yield f"{option_name(name)} and {option_name(other)} exclude each other"
    convolves = options.kernel or options.net or any(layer.spec for layer in options.layer)
    if is_typed("method") and not convolves:
        yield "--method goes with a convolution, which there is none of"
    if not options.kernel:
        refuse_typed(KERNEL_OPTIONS, "goes with --kernel")
        if not (options.net or options.layers or options.gray or options.resize):
            yield "nothing to do: give --kernel, like --kernel sharpen"
    if options.keep_size and options.kernel and options.padding != "valid":
        yield "--keep-size goes with -p valid: other padding decides what is at the border"
    if options.keep_size and options.stride != (1, 1):
        yield "--keep-size goes with stride 1: of a longer one, values have no place in the frame"
    if options.resize is not None and options.resize.min_pixels > options.max_pixels:
        pixels, most = options.resize.min_pixels, options.max_pixels
        yield f"--resize would make {pixels:,} pixels, and --max-pixels allows {most:,}"
    if (*options.inputs, options.net, options.mask).count(STDIN) > 1:
        yield "standard input can be read once: give - once"


def _network_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what does not go with a network that is run with its weights, or without one."""
    if options.net is None:
        refuse_typed(NETWORK_OPTIONS, "goes with --net")
    if options.network is None:
        return
    if options.net == STDIN:
        named = next(filter(is_typed, NETWORK_OPTIONS))
        yield f"{option_name(named)} takes a network from a file: - does not go with it"
    why = "is for kernels and layers, and this network runs as it is"
    refuse_typed(("method", "nan", "region", "mask", "channels", "threshold"), why)
    template, count = options.template, len(set(options.at))
    is_one_file = count > 1 and template is not None and "{kernel}" not in template
    if is_one_file and options.output_format != ".npy":
        yield f"output {template!r} is one file for {count} layers: put {{kernel}} in its name"


def _value_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what has no meaning for the values that are computed."""
    if options.combine == "direction" and len(options.kernel) != 2:
        yield (
            "--combine direction takes two kernels, for slopes to the right and downwards, like "
            f"-k sobel-x -k sobel-y, not {len(options.kernel)}"
        )
    if options.linear and options.padding_mode.startswith(PADDING_CONSTANT):
        yield "--linear leaves the input's units, in which --padding-mode constant:V is"
    if options.combine == "direction" and options.linear:
        yield "--linear converts light back, and --combine direction makes degrees"


def _output_conflicts(options: ApplyOptions) -> Iterator[str]:
    claims = (options.writes_stdout, options.print_numbers, options.json)
    claimants = list(compress(("-o -", "--print", "--json"), claims))
    if len(claimants) > 1:
        yield f"only one of {' and '.join(claimants)} can have standard output"
    if not options.print_numbers:
        refuse_typed(("precision", "columns"), "goes with --print")
    if options.value_range is not None:
        if not (options.preview or options.figure is not None or options.writes_images):
            yield "--range goes with a picture: numbers are written as they are"
        if options.depth == "float":
            yield "--range goes with pixels of 8 or 16 bits, and --depth float writes numbers"
    name = options.name
    if name is not None and (name in ("", STDOUT) or "/" in name or "\\" in name):
        yield f"--name {name!r} must be a file's name; --output-dir says where it goes"
    if name is not None and "{dir}" in name:
        yield f"--name {name!r}: {{dir}} is a path, which goes with -o; {{parent}} is its last part"


def _format_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what does not go with the format of the outputs."""
    written = options.output_format
    for typed, names in (("--output", options.output), ("--name", options.name)):
        if options.to and names not in (None, STDOUT) and written != format_name(options.to):
            yield f"{typed} {names!r} has a suffix of its own: leave out --to {options.to[1:]}"
    if options.to is not None and written is None:
        yield "--to goes with an output, and none is to be written"
    if options.quality is not None and options.lossless:
        yield "--quality and --lossless exclude each other"
    if not (options.recursive and written == EXT_SUFFIX):  # of pictures that are yet to be found
        yield from find_encoding_conflicts(options)


def find_encoding_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield the choices of an encoding that no output has, by the formats of all of them."""
    written = options.output_formats
    if options.png_level is not None and "PNG" not in written:
        yield "--png-level goes with PNG, and none is to be written"
    for name, is_given, able in (
        ("--quality", options.quality is not None, "quality_options"),
        ("--lossless", options.lossless, "lossless_options"),
        ("--depth 8", options.depth == "8", "suffixes"),
        ("--depth 16", options.depth == "16", "holds_16_bits"),
        ("--depth float", options.depth == "float", "holds_reals"),
    ):
        lacks = None, False, ()
        formats = [key for key, record in FORMATS.items() if getattr(record, able) not in lacks]
        if is_given and written.isdisjoint(formats):
            yield f"{name} goes with {', '.join(formats)}, and {_describe_lack(name, written)}"
        elif is_given and name.startswith("--depth"):  # which all of them have to hold
            for other in sorted(written.difference(formats, NUMBER_SUFFIXES)):
                yield f"{name} goes with {', '.join(formats)}, and {other} is to be written, too"


def _describe_lack(name: str, written: AbstractSet[str]) -> str:
    """Say why none of the formats that are to be written has a choice."""
    if name == "--lossless" and "AVIF" in written:
        return "the encoder of AVIF converts colors with a loss; --quality 100 loses least"
    if name.startswith("--depth") and not written.isdisjoint(NUMBER_SUFFIXES):
        return "a file of numbers holds them as they are"
    if written and not name.startswith("--depth"):
        example = "webp" if name == "--lossless" else "jpg"
        names = " and ".join(known.removeprefix(".").upper() for known in sorted(written))
        return f"{names} is to be written; --to {example} or -o NAME.{example} changes that"
    return "none is to be written"


def _skip_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what leaves nothing to skip."""
    writes = options.template is not None or options.figure is not None
    if not writes or options.writes_stdout:
        yield "--skip-existing goes with files, and none are to be written"
    if options.print_numbers or options.preview:
        yield "--skip-existing leaves inputs unread: it does not go with --print or --preview"


def _figure_conflicts(options: ApplyOptions) -> Iterator[str]:
    if options.figure is None:
        refuse_typed(STYLE_OPTIONS, "goes with --figure")
        return
    named = f"--figure {options.figure!r}"
    if suffix_of(options.figure) not in FIGURE_SUFFIXES:
        yield f"{named} must end in {' or '.join(FIGURE_SUFFIXES)}"
    check_fields(options.figure, "--figure", tuple(INPUT_FIELDS))


def _worker_conflicts(options: ApplyOptions) -> Iterator[str]:
    """Yield what other processes cannot do: read our streams, or return maps to print."""
    if is_typed("threads"):
        yield "--threads is for one process: each of several works in one thread"
    working = "--jobs" if options.scheduler is None else "--scheduler"
    if STDIN in (*options.inputs, options.mask) or options.writes_stdout:
        yield f"{working} works on files: - does not go with it"
    for name in filter(is_typed, ("print_numbers", "preview")):
        yield f"{working} and {option_name(name)} exclude each other: leave out {working}"
