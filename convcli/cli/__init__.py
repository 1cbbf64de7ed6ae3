"""The command line: a module a command. It parses, calls one function, and prints."""

from __future__ import annotations


def main() -> None:
    """Run the command line, and raise `SystemExit`."""
    import gc
    import os
    import sys
    import warnings

    if not sys.warnoptions:  # a warning of a library is no message of ours, here and in workers
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"
    gc.disable()  # until everything is loaded, which is no garbage
    try:
        from convcli.signals import end_on_signals

        end_on_signals()
    except KeyboardInterrupt:
        sys.exit(130)
    from convcli.cli.commands import run

    sys.exit(run(sys.argv[1:]))
