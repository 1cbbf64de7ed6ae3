"""What SECURITY.md promises is tested."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_promise_names_tests_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!promise|---)(.+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) > 5
    for promise, tests in rows:
        files = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert files, promise
        for file in files:
            assert "def test_" in (ROOT / file).read_text(encoding="utf-8"), file
