"""Every row of the table, in its order."""

from __future__ import annotations

import re

from benchmarks import (
    batches,
    commands,
    filters,
    growth,
    large,
    layers,
    memory,
    networks,
    pictures,
)
from benchmarks.row import Profile, Row


def all_rows(profile: Profile, only: str = "") -> list[Row]:
    """The rows whose work or peer a pattern is found in."""
    every = [
        *filters.rows(profile),
        *layers.rows(),
        *networks.rows(profile),
        *pictures.rows(profile),
        *commands.rows(profile),
        *batches.rows(profile),
        *memory.rows(profile),
        *large.rows(),
        *growth.rows(profile),
    ]
    return [
        row
        for row in every
        if is_asked_for(row.name, row.peer, only) and (profile.is_full or not row.is_extra)
    ]


def is_asked_for(name: str, peer: str, only: str) -> bool:
    """Whether a pattern is found in a row's work or peer."""
    return re.search(only, f"{name} {peer}", re.IGNORECASE) is not None
