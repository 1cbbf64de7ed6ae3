"""Other tools that do the same work: which are here, and how many threads they may have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

DISTRIBUTIONS = {
    "cv2": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "PIL": ("pillow",),
    "onnxruntime": ("onnxruntime",),
    "scipy": ("scipy",),
    "torch": ("torch",),
}
TOOLS = {"vips": "--version", "magick": "-version", "mogrify": "-version", "dd": "--version"}


@cache
def peer_version(peer: str) -> str | None:
    """The version of a peer; None where it is not installed."""
    if peer in TOOLS:
        return _tool_version(peer)
    if find_spec(peer) is None:
        return None
    for name in DISTRIBUTIONS[peer]:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def _tool_version(tool: str) -> str | None:
    path = magick() if tool == "magick" else shutil.which(tool)
    if path is None:
        return None
    lines = _asked(path, TOOLS[tool]).splitlines()
    numbers = [word for line in lines[:1] for word in re.findall(r"\d+\.[\d.-]+", line)]
    return numbers[0] if numbers else "unknown"


@cache
def magick() -> str | None:
    """The path of ImageMagick; other programs are called `convert` too, so each is asked."""
    for name in ("magick", "convert"):
        for folder in os.get_exec_path():
            path = shutil.which(name, path=folder)
            if path is not None and _asked(path, "-version").startswith("Version: ImageMagick"):
                return path
    return None


def _asked(*command: str) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def hold_to(threads: int) -> None:
    """Give this process, and all that it starts, so many cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def set_threads(peer: str, threads: int) -> None:
    """Give a library of this process, and ours, so many threads."""
    import convcli

    convcli.set_threads(threads)
    if peer == "cv2":
        import cv2

        cv2.setNumThreads(threads)
    if peer == "torch":
        import torch

        torch.set_num_threads(threads)


def environment(threads: int, *, is_command: bool) -> dict[str, str]:
    """What a row's process gets besides the caller's own environment.

    A thread of torch that waits would otherwise spin, and take the core from who comes next; BLAS
    has one thread because convcli shares its work out itself.
    """
    count = str(threads)
    if is_command:
        # Users have their modules compiled already.
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}
        return {"VIPS_CONCURRENCY": count, "MAGICK_THREAD_LIMIT": count, **compiled}
    return {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": count}
