"""Which functions of convcli a command calls, and how often."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import convcli

HOME = Path(convcli.__file__).parent

# Bodies of modules and classes are not counted, nor comprehensions, which are functions of their
# own in some versions of Python and in others are not.
PROBE = """
import sys
import threading
from collections import Counter

home, report = sys.argv[1:3]
counts = Counter()

def count(frame, event, _):
    code = frame.f_code
    is_function = code.co_flags & 1 and not code.co_name.startswith("<")
    if event == "call" and is_function and code.co_filename.startswith(home):
        counts[code.co_filename[len(home) + 1 :], code.co_qualname] += 1

threading.setprofile(count)  # an input is worked on in a thread of its own
sys.setprofile(count)
from convcli.cli.commands import run
code = run(sys.argv[3:])
sys.setprofile(None)
with open(report, "w", encoding="utf-8") as file:
    file.write(repr(dict(counts)))
sys.exit(code)
"""


def count_calls(*arguments: str | Path, cwd: Path) -> Counter[tuple[str, str]]:
    """Run a command in a process of its own, whose threads do nothing at the same time.

    Returns
    -------
    How often each function was called, by its file below the package and its qualified name.
    """
    report = cwd / "calls"
    subprocess.run(
        [sys.executable, "-c", PROBE, str(HOME), str(report), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "CONVCLI_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    counts: dict[tuple[str, str], int] = ast.literal_eval(report.read_text(encoding="utf-8"))
    return Counter(counts)
