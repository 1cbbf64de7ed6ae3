"""Numbers as text."""

from __future__ import annotations

from convcli.pictures.text import format_number


def test_a_zero_has_no_sign() -> None:
    assert (format_number(-0.0), format_number(0.1 + 0.2), format_number(-1e-9)) == (
        "0",
        "0.3",
        "-1e-09",
    )
