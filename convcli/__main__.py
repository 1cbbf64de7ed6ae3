"""`python -m convcli` is `convcli`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # The working folder, which is that of the inputs: no module is loaded from there.
    del sys.path[0]

from convcli.cli import main


def run_process() -> None:
    """Run the command line, and end the process without taking the interpreter down.

    That would take some milliseconds, for nothing: all files are closed, and the streams flushed.
    """
    try:
        main()
    except SystemExit as leaving:
        if not isinstance(leaving.code, int):
            raise
        import atexit
        import os

        from convcli.signals import undo_all

        atexit._run_exitfuncs()  # noqa: SLF001  # what ends a process in the usual way
        undo_all()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(leaving.code)


if __name__ == "__main__":
    run_process()
