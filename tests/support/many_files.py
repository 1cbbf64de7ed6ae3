"""What the tests of many inputs share: the pictures, the processes, what they say."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import COMMAND, Finished

PATIENCE = 60.0  # for what must happen at all, on a machine that is busy with others
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


def save_six_pictures(folder: Path) -> None:
    """Save small pictures of different heights: p0.png to p5.png."""
    random = np.random.default_rng(0)
    for number in range(6):
        pixels = random.integers(0, 256, (9 + number, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def documents(done: Finished) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.text.splitlines()]


@contextmanager
def started(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, "apply", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def outcome_lines(stderr: bytes) -> list[str]:
    """What a command said, without the plain lines of progress that a slow machine gets."""
    progress = re.compile(r"convcli: \d+ of \d+ done(, [\d.]+ files/s, .* left)?")
    return [line for line in stderr.decode().splitlines() if not progress.fullmatch(line)]


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)
