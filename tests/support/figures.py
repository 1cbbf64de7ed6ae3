"""What the tests of figures share."""

from __future__ import annotations

from pathlib import Path

from support.command import SAMPLES, Finished, here

CAT, EDGE, GRID = (SAMPLES / name for name in ("cat.jpg", "edge.csv", "grid5.csv"))


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done: Finished = here(*map(str, arguments), cwd=folder)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr
