"""The README's blocks of commands, run again.

`python tests/support/readme_blocks.py` writes what the commands print today into README.md; a test
compares the two. A block marked `console` holds commands after `$` and what they print.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


def printed(command: str, folder: Path) -> str:
    """What a shell prints for a command, both streams, without spaces at the ends of lines."""
    shell = f'convcli() {{ "{sys.executable}" -m convcli "$@"; }}\n{command}'
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    lines = done.stdout.decode().rstrip("\n").splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def console(block: str, folder: Path) -> str:
    """A console block as it would be today."""
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{command}\n{printed(command[2:], folder)}" for command in commands)


def workplace() -> Path:
    """A folder with the samples, as the README's reader has it."""
    folder = Path(tempfile.mkdtemp(prefix="readme-"))
    shutil.copytree(ROOT / "samples", folder / "samples")
    return folder


def main() -> None:
    """Rewrite the README's blocks."""
    folder = workplace()
    text = CONSOLE.sub(lambda found: console(found[0], folder), README.read_text())
    README.write_text(text)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
