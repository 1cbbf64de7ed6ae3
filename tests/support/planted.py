"""Modules beside the pictures, each of which tells if it is run: none of them must be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Of the standard library, of what convcli needs, and of what these look for and may not find.
NAMES = (
    "argparse", "ast", "asyncio", "atexit", "bisect", "calendar", "colorsys", "concurrent", "copy",
    "csv", "ctypes", "dataclasses", "decimal", "fractions", "glob", "hashlib", "heapq", "inspect",
    "json", "logging", "math", "mmap", "multiprocessing", "numbers", "pathlib", "pickle",
    "platform", "queue", "random", "selectors", "select", "shutil", "signal", "socket", "ssl",
    "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "traceback", "typing",
    "uuid", "xml", "zlib", "sitecustomize", "usercustomize",
    "click", "numpy", "PIL", "rich", "tifffile", "imagecodecs", "olefile", "defusedxml", "cffi",
    "distributed", "dask", "tornado", "msgpack", "yaml", "psutil", "uvloop", "lz4", "snappy",
    "cloudpickle", "zict", "jinja2", "colorama", "pillow_avif", "pillow_heif", "xattr", "readline",
    "encodings", "codecs", "functools", "collections", "types", "warnings", "contextlib", "enum",
    "re", "operator", "keyword", "weakref", "reprlib", "pkgutil", "runpy", "importlib", "locale",
)  # fmt: skip


def plant(folder: Path, *, for_module: bool = False) -> Path:
    """Save the modules in a folder; return the folder that gets a file for each one that is run.

    Parameters
    ----------
    folder : Path
    for_module : bool
        Leave those out that `python -m` runs whatever it is to start.
    """
    told = folder.parent / f"{folder.name}-run"
    told.mkdir()
    left_out = _modules_of_runpy() if for_module else set()
    names = [name for name in NAMES if name not in left_out]
    assert len(names) >= 30
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(told / name)!r}, 'w').close()\n")
    return told


def _modules_of_runpy() -> set[str]:
    """The modules that `python -m` loads before it starts anything."""
    program = "import sys, runpy, pkgutil; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())
