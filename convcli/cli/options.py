"""Parameter types, and how the options of commands are declared, typed and listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from convcli.arithmetic import values
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import parse_inputs, parse_layer
from convcli.cli.output import QuickHelp
from convcli.errors import ArgumentError
from convcli.files.restriction import check_typed, restrict, restricted_folder

if TYPE_CHECKING:
    from decimal import Decimal

    from click.shell_completion import CompletionItem

    from convcli.arithmetic.values import Pair, Sides

FIGURE_SUFFIXES = (".png", ".svg")
FORMATS = ("table", "json", "csv", "markdown")
MAX_THREADS = 1024

# How options are spelled everywhere.
KERNEL = "-k --k --kernel"
STRIDE = "-s --s --stride"
PADDING = "-p --p --padding"
DILATION = "-d --d --dilation"
# Why an option does not go with --pool.
NOT_OF_POOL = "is of a kernel, and --pool has settings of its own: max:3,s=2,p=1"
# The headings of the help, in their order.
GROUPS = (
    "Stack or network", "Budgets", "One layer", "Sizes", "Ranges to try", "Stack", "Input",
    "Kernel", "Window", "Layers", "Network", "Values", "Selection", "Frames", "Output",
    "Picture", "Work", "Help",
)  # fmt: skip


class TextType(click.ParamType[Any]):
    """A parameter type that a function reads.

    Parameters
    ----------
    name : str
        The metavar in the help.
    read : callable
        Takes the text and returns the value, or raises `ArgumentError`.
    completes : str, optional
        What a shell offers: "file", "folder", "kernel", "network", "operation" or "template".
    find_paths : callable, optional
        Returns the paths that a value names, which `--restrict` restricts.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str], Any] = str,
        completes: str | None = None,
        find_paths: Callable[[Any], Sequence[str]] = lambda _: (),
    ) -> None:
        self.name, self._read, self.completes = name, read, completes
        self._find_paths = find_paths

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the name as it is."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read text; return any other value unchanged."""
        if not isinstance(value, str):
            return value
        try:
            result = self._read(value)
            if restricted_folder() is not None:
                for path in self._find_paths(result):
                    check_typed(path)
        except ArgumentError as error:
            self.fail(str(error), param, ctx)
        return result

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what a shell is to offer."""
        if self.completes is None:
            return super().shell_complete(ctx, param, incomplete)
        from convcli.cli.commands.completion import complete

        return complete(self.completes, incomplete)


class NameType(click.Choice[str]):
    """A choice among names that are found when they are asked for, not when a command starts."""

    def __init__(self, find_names: Callable[[], Sequence[str]]) -> None:
        self._find_names, self.case_sensitive = find_names, True

    @property
    def choices(self) -> Sequence[str]:  # type: ignore[override]
        """All names."""
        return self._find_names()

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return a word: the names stand in the text of the option."""
        return "NAME"


class PaddingModeType(click.Choice[str]):
    """A padding mode: its own name, that of another tool, or a constant."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the names and the form of a constant."""
        return f"[{'|'.join((*self.choices, f'{values.PADDING_CONSTANT}V'))}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of the mode here."""
        try:
            return values.as_padding_mode(value)
        except ArgumentError as error:
            if value.startswith(values.PADDING_CONSTANT):
                self.fail(str(error), param, ctx)
            known = (*self.choices, f"{values.PADDING_CONSTANT}V")
            self.fail(f"{value!r} is not one of {', '.join(map(repr, known))}.", param, ctx)


def read_path(text: str) -> str:
    """Return a path; an empty one is what a shell makes of a variable that is not set."""
    if not text:
        raise ArgumentError("it must be a path, not ''")
    return text


def comma_list(item: TextType) -> TextType:
    """Return the type of several values separated by commas, like `3,5,7`."""
    return TextType(f"{item.name}[,...]", lambda text: tuple(map(item._read, text.split(","))))  # noqa: SLF001


def whole_number(name: str, *, least: int = 0, most: int | None = None) -> TextType:
    """Return the type of an integer from `least` to `most`."""

    def read(text: str) -> int:
        value = values.parse_number(text, "it", least=least)
        if most is not None and value > most:
            raise ArgumentError(f"it must be {least} to {most}, not {value}")
        return value

    return TextType(name, read)


def integer_range(*, least: int) -> TextType:
    """Return the type of a range `N` or `A..B`, both ends included."""

    def read(text: str) -> range:
        first, dots, last = text.partition("..")
        start = values.parse_number(first, "it", least=least)
        stop = values.parse_number(last, "its end", least=start) if dots else start
        return range(start, stop + 1)

    return TextType("N|A..B", read)


def _read_position(text: str) -> Pair:
    row, comma, column = text.partition(",")
    if not comma:
        raise ArgumentError(f"it must be ROW,COL, like 0,1, not {text!r}")
    return values.parse_number(row.strip(), "ROW"), values.parse_number(column.strip(), "COL")


def _read_count(text: str) -> int:
    """Read a count that may end in k, M or G.

    >>> _read_count("1.5M")
    1500000
    """
    count = _scale(text, r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmg]?)()")
    if count is None or count < 1 or count != int(count):
        raise ArgumentError(f"it must be a whole count of at least 1, like 100k, not {text!r}")
    return int(count)


def _read_memory(text: str) -> int:
    """Read an amount of memory, in bytes: 500M, 1.5G, 2GB, 4GiB.

    >>> _read_memory("1.5G"), _read_memory("2MiB")
    (1500000000, 2097152)
    """
    count = _scale(text, r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kmgt]?)(i?)b?")
    if count is None or count < 1:
        what = "an amount of memory" if count is None else "some memory"
        raise ArgumentError(f"it must be {what}, like 500M or 2G, not {text!r}")
    return int(count)


def _read_seconds(text: str) -> float:
    seconds = values.parse_real(text, "it")
    if seconds <= 0:
        raise ArgumentError(f"it must be more than 0 seconds, not {text!r}")
    return float(seconds)


def _scale(text: str, pattern: str) -> Decimal | None:
    """Return the value of a number with a unit, or None for a text of another form.

    The pattern's groups are the number, the unit, and whether the unit is binary.
    """
    import re
    from decimal import Decimal

    found = re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE)
    if found is None:
        return None
    base = 1024 if found[3] else 1000
    return Decimal(found[1]) * Decimal(base) ** " kmgt".index(found[2].lower() or " ")


def pool_type(metavar: str, expected: str, *, needs_size: bool = True) -> TextType:
    """Return the type of a pool; `expected` tells the user how it is written."""

    def read(text: str) -> Layer:
        name, colon, size = text.partition(":")
        if name not in ("max", "avg"):
            raise ArgumentError(f"it must be {expected}, not {text!r}")
        is_layer = colon or needs_size
        return parse_layer(f"{name}pool{colon}{size}") if is_layer else Layer(op=f"{name}pool")

    return TextType(metavar, read)


def kernel_paths(spec: str | None) -> tuple[str, ...]:
    """Return the path that a SPEC names, if any."""
    from convcli.kernels import kernel_path  # needs NumPy, and is rarely asked

    path = None if spec is None else kernel_path(spec)
    return () if path is None else (path,)


def _network_paths(net: str) -> tuple[str, ...]:
    from convcli.networks import is_network_file

    return (net.removeprefix("@"),) if is_network_file(net) else ()


SIZE = TextType("N|HxW", lambda text: values.parse_size(text, "it"))
SIZE0 = TextType("N|HxW", lambda text: values.parse_size(text, "it", least=0))
SIDES = TextType("P", lambda text: values.parse_padding(text, "it"))
LAYER = TextType("LAYER", parse_layer, "operation", lambda layer: kernel_paths(layer.spec))
OPERATION = TextType("OP", completes="operation")
SHAPE = TextType("CxHxW", values.parse_shape)
INPUTS = TextType("CxHxW", parse_inputs)
POOL = pool_type("max:K|avg:K", "max:K or avg:K, like max:2")
RESIZE = TextType("WxH|Wx|xH|N%", lambda text: values.parse_resize(text, "it"))
SECONDS = TextType("S", _read_seconds)
REAL = TextType("X", lambda text: values.parse_real(text, "it"))
COUNT = TextType("N", _read_count)
MEMORY = TextType("N[k|M|G]", _read_memory)
INTEGER = whole_number("N")
POSITIVE = whole_number("N", least=1)
LEVEL = whole_number("0..9", most=9)
QUALITY = whole_number("1..100", least=1, most=100)
THREADS = whole_number("N", least=1, most=MAX_THREADS)
MODE = PaddingModeType(values.PADDING_MODES)
SPEC = TextType("SPEC", str, "kernel", kernel_paths)
SIZE_OR_SPEC = TextType("N|HxW|SPEC", str, "kernel", kernel_paths)
POSITION = TextType("ROW,COL", _read_position)
NETWORK = TextType("NAME|FILE|-", str, "network", _network_paths)
NETWORK_FILE = TextType("FILE", str, "file", _network_paths)
FILE = TextType("FILE", str, "file", lambda path: (path,))
PATH = TextType("PATH", read_path, "file", lambda path: (path,))
DIR = TextType("DIR", read_path, "folder", lambda path: (path,))
TEMPLATE = TextType("TEMPLATE", completes="template")
ADDRESS = TextType("ADDRESS")


class DeclaredOption(click.Option):
    """An option that is named after its attribute, and listed under a heading of the help."""

    group = "Help"

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the attribute's name for the parameter's."""
        self.name = name

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the two columns of the help, with the names that there are."""
        record = super().get_help_record(ctx)
        if record is None or not isinstance(self.type, NameType):
            return record
        return record[0], f"{record[1]}: {' | '.join(self.type.choices)}."


class DeclaredOptions:
    """The values of a command's parameters; the attributes of a subclass declare its options."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    @classmethod
    def parameters(cls) -> dict[str, DeclaredOption]:
        """Return the options that the class and its bases declare, by name."""
        attributes = (item for owner in reversed(cls.__mro__) for item in vars(owner).items())
        return {name: value for name, value in attributes if isinstance(value, DeclaredOption)}


def option(
    group: str, names: str, value_type: click.ParamType[Any] | None, text: str, **settings: Any
) -> Any:
    """Declare an option as an attribute, under a heading of the help."""
    settings.setdefault("show_default", "default" in settings)
    declared = DeclaredOption(names.split(), type=value_type, help=text, **settings)
    declared.group = group
    return declared


def _start_restriction(context: click.Context, _: click.Parameter, folder: str | None) -> None:
    context.with_resource(restrict(folder))  # until the command has ended


# It is eager: the other parameters are restricted by it.
RESTRICT: dict[str, Any] = {
    "is_eager": True, "expose_value": False, "callback": _start_restriction
}  # fmt: skip
RESTRICT_HELP = "For servers: read and write no path outside this folder."


def restrict_option(group: str) -> Any:
    """Declare `--restrict`."""
    return option(group, "--restrict", DIR, RESTRICT_HELP, **RESTRICT)


def flag(group: str, names: str, text: str) -> Any:
    """Declare a flag as an attribute, under a heading of the help."""
    return option(group, names, None, text, is_flag=True)


def keep_damaged_option(group: str) -> Any:
    """Declare `--keep-damaged`, of a command that reads a picture."""
    return flag(group, "--keep-damaged", "Read what a damaged picture still holds, with a warning.")


def timeout_option(group: str, what: str = "reading the input may take") -> Any:
    """Declare `--timeout`, of a command that reads an input."""
    text = f"The longest that {what}; default: 60, and 1 more for each megapixel."
    return option(group, "--timeout", SECONDS, text)


PADDING_MODE_TEXT = (
    "Values beyond the border; V is in the input's units. NumPy's edge, wrap, SciPy's nearest, "
    "mirror and zeros are understood, too; SciPy's reflect is symmetric here."
)


class WindowOptions(DeclaredOptions):
    """The options of a window that slides over an input."""

    stride: Pair = option("Window", STRIDE, SIZE, "Step of the window.", default="1")
    padding: str | Sides = option("Window", PADDING, SIDES, "As in apply.", default="valid")
    padding_mode: str = option(
        "Window", "--padding-mode", MODE, PADDING_MODE_TEXT, default="replicate"
    )
    dilation: Pair = option("Window", DILATION, SIZE, "Distance between the weights.", default="1")

    def make_layer(self, op: str = "conv", **settings: Any) -> Layer:
        """Return a layer with this window."""
        return Layer(
            op=op, stride=self.stride, padding=self.padding, dilation=self.dilation,
            mode=self.padding_mode, **settings,
        )  # fmt: skip


class GroupedCommand(QuickHelp):
    """A command whose help lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group, all with columns of the same width."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            group = getattr(parameter, "group", DeclaredOption.group)
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(group, []).append(record)
        width = min(30, max(len(names) for records in groups.values() for names, _ in records))
        for group in sorted(groups, key=GROUPS.index):
            (names, text), *records = groups[group]
            with formatter.section(group):
                formatter.write_dl([(names.ljust(width), text), *records])


def command(owner: type[DeclaredOptions], **settings: Any) -> Callable[..., click.Command]:
    """Decorate the function of a command whose options a class declares."""
    parameters: list[click.Parameter] = list(owner.parameters().values())
    return click.command(cls=GroupedCommand, params=parameters, **settings)


def is_typed(name: str) -> bool:
    """Whether an option of the running command was typed, even with its default value."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def refuse_typed(names: Sequence[str], why: str) -> None:
    """Refuse options of the running command that were typed, though they would have no effect."""
    for name in filter(is_typed, names):
        raise click.UsageError(f"{option_name(name)} {why}")


def option_name(parameter: str) -> str:
    """Return the longest spelling of an option of the running command."""
    options = click.get_current_context().command.params
    return next(max(option.opts, key=len) for option in options if option.name == parameter)


def json_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command without other options by `--json`, with what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def format_option(choices: Sequence[str]) -> Any:
    """Declare `--format`, of which the first choice is the default."""
    text = f"Format of the output; default: {choices[0]}."
    return option("Output", "--format", click.Choice(choices), text)


def choose_format(name: str | None, choices: Sequence[str], *, is_json: bool) -> str:
    """Return the format that `--format` and its short form `--json` ask for together."""
    if is_json and name not in (None, "json"):
        raise click.UsageError(f"--json and --format {name} exclude each other")
    return "json" if is_json else name or choices[0]
