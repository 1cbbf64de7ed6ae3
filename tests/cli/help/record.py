"""Write the help of every command beside this file: `python tests/cli/help/record.py`.

A test holds these snapshots to what `--help` prints.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2])]

from support.command import here  # noqa: E402  # its folder is on the path only now

from convcli.cli.commands import COMMANDS  # noqa: E402


def main() -> None:
    os.environ["COLUMNS"] = "80"
    for old in HERE.glob("*.txt"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        for name in COMMANDS:
            text = here(name, "--help", cwd=Path(folder)).text
            lines = [line.rstrip() for line in text.splitlines()]
            (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
