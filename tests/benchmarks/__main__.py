"""Print how fast convcli is beside other tools: `python tests/benchmarks --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # the package is found, however it is run
    from benchmarks.command import main

    sys.exit(main())
