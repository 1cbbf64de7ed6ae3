"""Every row of the table, in its order."""

from __future__ import annotations

import re

from benchmarks import commands, filters, growth, layers, networks, pictures
from benchmarks.row import Profile, Row


def all_rows(profile: Profile, only: str = "") -> list[Row]:
    """The rows whose work or peer a pattern is found in."""
    pattern = re.compile(only, re.IGNORECASE)
    every = [
        *filters.rows(profile),
        *layers.rows(),
        *networks.rows(profile),
        *pictures.rows(profile),
        *commands.rows(profile),
        *growth.rows(profile),
    ]
    return [row for row in every if pattern.search(f"{row.name} {row.peer}")]
