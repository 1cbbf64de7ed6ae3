"""The command line: a module a command. It parses, calls one function, and prints."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    import gc
    import sys

    gc.disable()  # what is being loaded stays: looking through it for garbage takes a while
    try:
        from convcli.cli.commands import INTERRUPTED, run
    except KeyboardInterrupt:  # while it is still starting
        sys.exit(130)
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    gc.freeze()  # nor is there any to be looked for at the end
    sys.exit(code)
