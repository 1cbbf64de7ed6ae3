"""The memory of the machine, or of the container that the process runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

# By the type of the file system through which the kernel shows groups of processes (cgroups).
LIMIT_FILES = {"cgroup": "memory.limit_in_bytes", "cgroup2": "memory.max"}


def machine_memory(root: str | os.PathLike[str] = "/") -> int | None:
    """Return the bytes of memory of this machine or container; None if they are unknown.

    Parameters
    ----------
    root : path
        Where the file systems `proc` and `cgroup` are looked for.
    """
    limits = []
    with suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _limit_files(root):
        with suppress(ValueError, OSError):
            limits.append(int("".join(_read_lines(path))))  # "max" is no number
    return min(limits, default=None)


def _limit_files(root: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the limits of the process's own groups and of those around them, to the mounted one.

    A container may see the groups of the machine, or its own alone, as the root of the mount.
    """
    groups = _memory_groups(root)
    for kind, top, point in _mounts(root):
        folder = os.path.join(root, point.lstrip("/"))
        group = groups.get(kind)
        if group is None:
            continue
        names, above = ([name for name in path.split("/") if name] for path in (group, top))
        is_inside = names[: len(above)] == above  # not outside what is mounted
        parts = names[len(above) :] if is_inside else []
        for depth in range(len(parts), -1, -1):
            yield os.path.join(folder, *parts[:depth], LIMIT_FILES[kind])


def _memory_groups(root: str | os.PathLike[str]) -> dict[str, str]:
    """Return the process's group of memory, by the type of the file system that shows it."""
    groups = {}
    for line in _read_lines(os.path.join(root, "proc/self/cgroup")):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            groups["cgroup2"] = path
        elif "memory" in controllers.split(","):
            groups["cgroup"] = path
    return groups


def _mounts(root: str | os.PathLike[str]) -> Iterator[tuple[str, str, str]]:
    """Yield type, mounted group and mount point of each file system that shows groups of memory."""
    for line in _read_lines(os.path.join(root, "proc/self/mountinfo")):
        place, _, kind_of = line.partition(" - ")
        fields, kinds = place.split(), kind_of.split()
        if len(fields) < 5 or len(kinds) < 3 or kinds[0] not in LIMIT_FILES:
            continue
        if kinds[0] == "cgroup2" or "memory" in kinds[2].split(","):
            top, point = (text.replace("\\040", " ") for text in fields[3:5])
            yield kinds[0], top, point


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []
