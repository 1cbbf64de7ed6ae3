"""A command that has ended, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ended:
    """Exit code, streams, memory, processor time, and the files in its folder if they were read."""

    code: int
    stdout: bytes
    stderr: bytes
    megabytes: float
    seconds: float
    left: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        return self.stderr.decode(errors="replace").splitlines()
