"""`python -m convcli` is `convcli`."""

import sys

from convcli.cli import main


def run_process() -> None:
    """Run the command line, and end the process without taking the interpreter down.

    That would take some milliseconds, for nothing: all files are closed, and the streams flushed.
    """
    try:
        main()
    except SystemExit as leaving:
        # Processes of a batch, and the clients of a cluster, have threads that have to end.
        if "multiprocessing" in sys.modules or not isinstance(leaving.code, int):
            raise
        import atexit
        import os

        atexit._run_exitfuncs()  # noqa: SLF001  # what ends a process in the usual way
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(leaving.code)


if __name__ == "__main__":
    run_process()
