"""Results as a document of JSON: written by `--json` and `--record`, read by what compares them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cores import Core
from benchmarks.machine import Machine
from benchmarks.timing import Measure

VERSION = 1


class ResultError(Exception):
    """A file is not a result that can be read."""


@dataclass(frozen=True)
class Result:
    """What was measured, and where.

    Parameters
    ----------
    machine : Machine
    cores : list of Core
        Whose kernels BLAS was told to use, one after another; rows name theirs.
    is_quick : bool
    load : str
        What the machine had to do before and after.
    measures : list of Measure
    """

    machine: Machine
    cores: list[Core]
    is_quick: bool
    load: str
    measures: list[Measure] = field(default_factory=list)

    def find(self, row: str, peer: str, core: str) -> Measure | None:
        """Return the measure of a row under a core."""
        wanted = row, peer, core
        found = (one for one in self.measures if (one.row, one.peer, one.core) == wanted)
        return next(found, None)


def as_json(result: Result) -> str:
    return json.dumps({"version": VERSION, **asdict(result)}, indent=1, ensure_ascii=False)


def from_json(text: str, name: str) -> Result:
    """Read a result.

    Raises
    ------
    ResultError
        Where it is none, or one of another version of this program.
    """
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise ResultError(f"{name}: is not JSON: {error}") from error
    if isinstance(document, list):
        raise ResultError(f"{name}: an older version wrote it, without the machine: measure again")
    if not isinstance(document, dict) or document.pop("version", None) != VERSION:
        raise ResultError(f"{name}: is not a result of version {VERSION}")
    try:
        return Result(
            **document
            | {
                "machine": Machine(**document["machine"]),
                "cores": [Core(**core) for core in document["cores"]],
                "measures": [Measure(**measure) for measure in document["measures"]],
            }
        )
    except (KeyError, TypeError) as error:
        raise ResultError(f"{name}: is not a whole result: {error}") from error


def read_result(path: Path) -> Result:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path}: cannot be read: {error}") from error
    return from_json(text, str(path))
