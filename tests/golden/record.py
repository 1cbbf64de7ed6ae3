"""Record what the golden commands do: `python tests/golden/record.py [FAMILY ...]`.

That is right after a deliberate change of the contract alone: of what a command prints, writes or
exits with, or of `commands.toml`. The change of `expected/` then belongs into the same commit, and
a reviewer reads it. After a reorganization, a difference is a mistake to be mended in the code.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[number]) for number in (1, 2)]

from support.golden import (  # noqa: E402  # its folder is on the path only now
    EXPECTED,
    execute,
    format_expected,
    load_cases,
    load_expected,
)
from support.golden_compare import Record, differences  # noqa: E402


def keep_if_same(family: str, name: str, now: Record) -> Record:
    """Return the recorded result if it still holds, so that last digits make no difference."""
    if not (EXPECTED / f"{family}.json").exists():
        return now
    then = load_expected(family).get(name)
    return now if then is None or differences(then, now) else then


def main() -> None:
    cases = load_cases()
    families = sys.argv[1:] or list(dict.fromkeys(case.family for case in cases))
    for family in families:
        results: dict[str, Record] = {}
        for case in cases:
            if case.family == family:
                with tempfile.TemporaryDirectory() as folder:
                    now = execute(case, Path(folder).resolve())
                results[case.name] = keep_if_same(family, case.name, now)
        (EXPECTED / f"{family}.json").write_text(format_expected(results), encoding="utf-8")
    if not sys.argv[1:]:
        for path in EXPECTED.glob("*.json"):
            if path.stem not in families:
                path.unlink()


if __name__ == "__main__":
    main()
