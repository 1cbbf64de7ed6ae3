"""Commands in less memory than they need: one line, at whatever point it runs out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTES = (40, 64, 128, 160, 208)  # of addresses
BLAS = "OpenBLAS error: Memory allocation still failed"
COMMANDS = (
    ("apply", "grid.csv", "-k", "blur", "--print"),
    ("apply", "grid.csv", "-k", "blur", "--figure", "f.png", "-f", "-o", "x.png", "-q"),
    ("shape", "--net", "resnet18", "--figure", "f.svg", "-f"),
    ("kernels",),
)


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("sh") is None, reason="ulimit -v is Linux's"
)
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_memory_that_runs_out_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "grid.csv").write_text((",".join(map(str, range(900))) + "\n") * 900)
    codes = []
    for megabytes in MEGABYTES:
        limited = f'ulimit -v {megabytes << 10}; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", limited, "sh", sys.executable, "-m", "convcli", *arguments],
            cwd=tmp_path,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            check=False,
            text=True,
        )
        codes.append(done.returncode)
        # OpenBLAS says in a line of each thread that it gives up, and ends the process or, where
        # it goes on without its memory, is ended by the system: nothing can catch either.
        ends = (0, 1, -signal.SIGSEGV) if BLAS in done.stderr else (0, 1)
        assert done.returncode in ends, done.stderr[-500:]
        assert "internal error" not in done.stderr
        assert "Traceback" not in done.stderr
        ours = [line for line in done.stderr.splitlines() if not line.startswith(BLAS)]
        assert len(ours) <= max(done.returncode, 0), done.stderr[-500:]
        assert bool(done.stderr) == bool(done.returncode)
    assert codes[0] == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".convcli")]
