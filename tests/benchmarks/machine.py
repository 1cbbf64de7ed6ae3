"""The machine that the numbers are from."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import DISTRIBUTIONS, TOOLS, peer_version
from convcli.parallel import available_cores

MAX_LOAD = 1.0  # programs that ran at a time in the last minute


@dataclass(frozen=True)
class Machine:
    """What figures depend on beside the code, as `--json` writes it.

    Parameters
    ----------
    processor : str
        Its model.
    cores, threads : int
        What it has, and what each side may use.
    python, numpy : str
        Versions.
    peers : dict of str to str
        The versions of those that are installed.
    """

    processor: str
    cores: int
    threads: int
    python: str
    numpy: str
    peers: dict[str, str]


def find_machine(threads: int) -> Machine:
    versions = {name: peer_version(name) for name in (*DISTRIBUTIONS, *TOOLS)}
    return Machine(
        find_processor(),
        available_cores(),
        threads,
        platform.python_version(),
        np.__version__,
        {name: version for name, version in versions.items() if version is not None},
    )


def find_processor() -> str:
    """Return the name of the processor's model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_machine(machine: Machine) -> list[tuple[str, str]]:
    """Return what is worth knowing beside a table: names and values."""
    peers = ", ".join(f"{name} {version}" for name, version in machine.peers.items())
    return [
        (
            "processor",
            f"{machine.processor}, {machine.cores} cores, of which {machine.threads} are used",
        ),
        ("python", f"{machine.python}, numpy {machine.numpy}"),
        ("peers", peers or "none"),
    ]


def find_differences(one: Machine, other: Machine) -> list[str]:
    """Say in what two machines differ.

    >>> old = Machine("AMD EPYC", 2, 2, "3.11.7", "2.4.6", {"cv2": "4.10"})
    >>> new = Machine("AMD EPYC", 4, 2, "3.11.7", "2.4.6", {"cv2": "5.0"})
    >>> find_differences(old, new)
    ['cores: 2, now 4', 'cv2: 4.10, now 5.0']
    """
    before, after = vars(one) | one.peers, vars(other) | other.peers
    return [
        f"{name}: {before.get(name, 'missing')}, now {after.get(name, 'missing')}"
        for name in sorted((before | after).keys() - {"peers"})
        if before.get(name) != after.get(name)
    ]


def warn_of_load() -> str | None:
    """Return a warning where other programs take much of the machine.

    Threads that live for milliseconds stay on the core of their caller where no other is idle, so
    two are no faster than one there.
    """
    busy = os.getloadavg()[0]
    if busy <= MAX_LOAD:
        return None
    return f"the machine is busy (load {busy:.1f}): do not trust figures of several threads"


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())
