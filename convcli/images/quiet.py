"""Silence for libraries that write to standard error by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Let nothing reach standard error meanwhile: libtiff reports there what is raised anyway."""
    if sys.stderr is None:  # closed: the number is free, and may be any file's by now
        yield
        return
    kept = os.dup(STDERR)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
