"""The command line: a module a command. It parses, calls one function, and prints."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    import sys

    try:
        from convcli.cli.group import INTERRUPTED, run
    except KeyboardInterrupt:  # while it is still starting
        sys.exit(130)
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
