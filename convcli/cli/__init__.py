"""The command line: a module a command. It parses, calls one function, and prints."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    import sys

    from convcli.cli.group import run

    sys.exit(run(sys.argv[1:]))
