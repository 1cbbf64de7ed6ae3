"""The group of all commands, each imported when it is called, and the one boundary for errors."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from convcli import __version__
from convcli.cli.output import QuickHelp, log
from convcli.errors import OutputError, describe, did_you_mean
from convcli.files import redirect_to_null

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "apply": "Filter images or grids of numbers with kernels.",
    "animate": "Draw the kernel sliding, as a GIF, an APNG or frames.",
    "completion": "Print what a shell needs to complete convcli.",
    "design": "Design a stack of layers for a budget.",
    "explain": "Show the products and the sum of one output.",
    "fit": "Find the kernel that turned one picture into another.",
    "kernels": "List the kernels, or show one.",
    "page": "Write a page on which a convolution can be touched.",
    "layers": "List the operations of layers, or show one.",
    "solve": "Find the convolutions that take one size to another.",
    "shape": "Compute the sizes and costs of a layer, a stack or a network.",
}
DEBUG = "convcli.debug"  # whether tracebacks are shown, in the context's `meta`
WRITE_ERRORS = {
    getattr(errno, name, None)
    for name in ("EBADF", "EDQUOT", "EFBIG", "EINVAL", "EIO", "ENOSPC", "EPERM")
}
HELP_OPTIONS = {"-h", "--help", "--version"}
BROKEN_PIPE = 141
# BLAS reads them when NumPy is loaded, and never again.
BLAS_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


class Commands(QuickHelp, click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell completes it
                return None
            hint = did_you_mean(cmd_name, COMMANDS) or f"; there are {', '.join(sorted(COMMANDS))}"
            ctx.fail(f"no command {cmd_name!r}{hint}")
        command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        if not gc.isenabled():  # `main` disables collection until everything is loaded
            gc.freeze()
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any of them."""
        from click.shell_completion import CompletionItem

        options = click.Command.shell_complete(self, ctx, incomplete)
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        return [*(CompletionItem(name, help=COMMANDS[name]) for name in names), *options]


def run(arguments: Sequence[str]) -> int:
    """Run a command, and turn whatever it raises into one line and an exit code."""
    for name in BLAS_THREAD_VARIABLES:  # the engine's own threads, or processes, share the cores
        os.environ.setdefault(name, "1")
    try:
        code = _invoke(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        elif HELP_OPTIONS.intersection(arguments):
            raise OutputError("standard output", "is closed")
    except BrokenPipeError:
        redirect_to_null(sys.stdout)
        return BROKEN_PIPE
    except Exception as error:  # of any class
        if "--debug" in arguments[:1]:
            raise
        return _report(error)
    return code


def _invoke(arguments: Sequence[str]) -> int:
    """Run a command without Click's own boundary, which has another exit code for a broken pipe."""
    if "_CONVCLI_COMPLETE" in os.environ:
        convcli.main(list(arguments), prog_name="convcli")
    try:
        with convcli.make_context("convcli", list(arguments)) as context:
            convcli.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    return 0


def _report(error: Exception) -> int:
    """Print what went wrong, and return the exit code for it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    elif isinstance(error, click.NoSuchOption) and error.possibilities:
        hint = did_you_mean(error.option_name, error.possibilities)
        log(f"No such option {error.option_name!r}{hint}")
    elif isinstance(error, click.ClickException):
        log(" ".join(error.format_message().split()))
    elif not isinstance(error, OSError):
        log(describe(error))
    elif error.filename is None and error.errno in WRITE_ERRORS:  # of help: data go by `print_data`
        redirect_to_null(sys.stdout)
        log(f"standard output: {error.strerror}")
    else:
        log(": ".join(map(str, filter(None, [error.filename, error.strerror or error]))))
    return getattr(error, "exit_code", 1)


def _print_version(context: click.Context) -> None:
    if not context.resilient_parsing:
        click.echo(f"convcli, version {__version__}")
        context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="COMMAND [ARGS]...",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, value: _print_version(context) if value else None,
    help="Show the version and exit.",
)
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({DEBUG: value}),
    help="Show the traceback of an error.",
)
def convcli() -> None:
    """Filter images with convolution kernels, and do the arithmetic of convolutions.

    \b
    convcli apply cat.jpg --kernel sharpen
    convcli shape --h 224 --k 3 --p 1 --s 2
    convcli kernels sobel-x
    """
