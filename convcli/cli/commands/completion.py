"""`convcli completion`: what a shell needs to complete commands, options, kernels and networks."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from convcli.cli.output import print_data

SHELLS = ("bash", "zsh", "fish")


@click.command(no_args_is_help=True)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets a SHELL complete convcli.

    It completes commands, options, the names of kernels and of networks, and files.

    \b
    eval "$(convcli completion bash)"  # in ~/.bashrc
    eval "$(convcli completion zsh)"   # in ~/.zshrc
    convcli completion fish > ~/.config/fish/completions/convcli.fish
    """
    group = click.get_current_context().find_root().command
    shell_class = get_completion_class(shell) or ShellComplete
    # The class of bash would also run bash, to warn of an old one.
    print_data(ShellComplete.source(shell_class(group, {}, "convcli", "_CONVCLI_COMPLETE")))


def complete(kind: str, incomplete: str) -> list[CompletionItem]:
    """Return what a shell is to offer: files, folders, or names and else files.

    Of an operation or a template there are names alone: those of operations, and of fields.
    """
    if kind == "operation":
        from convcli.arithmetic.layers import OPERATIONS

        return [CompletionItem(name) for name in OPERATIONS if name.startswith(incomplete)]
    if kind == "template":
        from convcli.pipeline.names import FIELDS

        start, brace, word = incomplete.rpartition("{")
        start, word = (start, word) if brace and "}" not in word else (incomplete, "")
        return [CompletionItem(f"{start}{{{name}}}") for name in FIELDS if name.startswith(word)]
    files = [CompletionItem(incomplete, type="dir" if kind == "folder" else "file")]
    names: Iterable[str] = ()
    if kind == "kernel":
        from convcli.kernels.bank import bank
        from convcli.kernels.parametric import FAMILIES

        names = (*bank(), *FAMILIES)
    elif kind == "network":
        from convcli.arithmetic.zoo import ZOO

        names = ZOO
    # Files come first: in bash, they replace what was offered before them.
    return files + [CompletionItem(name) for name in names if name.startswith(incomplete)]
