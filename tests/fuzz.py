"""Damaged inputs, thousands of them: `python tests/fuzz.py --seconds 600 --seed 7`.

Whatever a file or a layer holds, the command ends in time with 0, 1 or 2, says what is wrong in one
line, and leaves nothing behind. The seed, the kind and the number make an input again:
`python tests/fuzz.py --seed 7 --again png:1234`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuzzing.trial import Trial

MEMORY = Path("/dev/shm")  # every result is synced to its disk, which would take most of the time
SHOWN = 3  # findings of one sort that are printed
# Everything that the commands import. Not `convcli.cli.commands.shape`: importing it lifts the
# interpreter's limit of digits, which is right in a process of its own alone.
WARM = (
    *("convcli.cli.commands.apply", "convcli.cli.commands.kernels"),
    *(
        "convcli.pictures.receptive_field",
        "convcli.cli.tables",
        "convcli.images.write",
    ),
    *("convcli.cli.walks", "convcli.cli.report", "convcli.arithmetic.formulas"),
    *("convcli.engine.gradients", "convcli.engine.pooling"),
    *("convcli.pipeline.execute", "convcli.networks.onnx", "convcli.networks.safetensors"),
    *("convcli.networks.onnx.weights", "convcli.pipeline.network", "convcli.pipeline.inference"),
    *("convcli.kernels.layers", "convcli.arithmetic.tables", "convcli.arithmetic.text_table"),
    *("convcli.arithmetic.operations.elementwise", "convcli.arithmetic.operations.joins"),
    *("convcli.arithmetic.operations.normalization", "convcli.engine.operations.convolution"),
    *("convcli.engine.operations.resizing", "onnx.numpy_helper", "decimal", "difflib"),
    *("convcli.cli.commands.animate", "convcli.cli.commands.explain"),
    *("convcli.cli.commands.page", "convcli.cli.commands.fit", "convcli.pictures.apply_figure"),
    *("convcli.pictures.step_figure", "convcli.pictures.fit_figure", "convcli.kernels.nearest"),
    *("convcli.pictures.page", "convcli.engine.explain_gradients", "convcli.batch.figure"),
    *("numpy.fft", "rich.console", "rich.table", "PIL.ImageCms"),
)
WARM_IF_THERE = ("imagecodecs", "pillow_heif.HeifImagePlugin", "pillow_jxl", "tifffile")


def prepare() -> None:
    """Import everything, so that a fork need not."""
    from PIL import Image

    Image.init()
    for name in WARM:
        import_module(name)
    for name in WARM_IF_THERE:
        with suppress(ImportError):
            import_module(name)


def main() -> int:
    options = _options()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepare()
        from fuzzing.trials import TRIALS
    kinds = options.kinds.split(",") if options.kinds else list(TRIALS)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        folder = Path(place) / "place"
        folder.mkdir()
        search = Search(options, folder)
        if options.again:
            kind, _, number = options.again.partition(":")
            search.attempt(kind, int(number))
        else:
            search.go_on(kinds, options.seconds)
    search.report(kinds)
    return 1 if search.findings else 0


class Search:
    """A run: what was tried, and what was found."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.numbers: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.codes: Counter[tuple[str, int]] = Counter()
        self.findings: Counter[str] = Counter()

    def go_on(self, kinds: list[str], seconds: float) -> None:
        """Try kinds so that each gets the same share of the time."""
        end = monotonic() + seconds
        while monotonic() < end:
            kind = min(kinds, key=lambda one: self.seconds[one])
            for _ in range(20):
                self.attempt(kind, self.numbers[kind])

    def attempt(self, kind: str, number: int) -> None:
        from fuzzing.trial import complaint, run
        from fuzzing.trials import TRIALS

        started = monotonic()
        trial = TRIALS[kind](random.Random(f"{self.options.seed} {kind} {number}"))
        ended = run(trial, self.folder)
        wrong = complaint(trial, ended)
        if wrong is not None:
            self._found(kind, number, wrong, trial)
        if self.options.again:
            sys.stdout.write(f"{ended.code} {ended.seconds:.2f} s {ended.megabytes:.0f} MB\n")
            sys.stdout.write(f"{ended.stderr.decode(errors='replace')}\n")
        self.numbers[kind] += 1
        self.codes[kind, ended.code] += 1
        self.seconds[kind] += monotonic() - started

    def _found(self, kind: str, number: int, wrong: str, trial: Trial) -> None:
        sort = f"{kind}: {wrong}"
        self.findings[sort] += 1
        if self.findings[sort] <= SHOWN or self.options.again:
            shown = shlex.join(trial.arguments)
            line = f"FOUND --seed {self.options.seed} --again {kind}:{number}: {wrong}\n"
            sys.stdout.write(f"{line}      convcli {shown[:300]!a}\n")
            sys.stdout.flush()
            if self.options.keep is not None:
                _keep(Path(self.options.keep) / f"{self.options.seed}-{kind}-{number}", trial)

    def report(self, kinds: list[str]) -> None:
        for kind in kinds:
            count, seconds = self.numbers[kind], self.seconds[kind]
            codes = {code: n for (one, code), n in sorted(self.codes.items()) if one == kind}
            ends = ", ".join(f"{n} ended with {code}" for code, n in codes.items())
            rate = count / seconds if seconds else 0
            sys.stdout.write(f"{kind:9} {count:7,} inputs, {rate:5.0f} a second: {ends}\n")
        found = sum(self.findings.values())
        sys.stdout.write(f"{sum(self.numbers.values()):,} inputs, {found:,} findings\n")
        for sort, count in self.findings.most_common():
            sys.stdout.write(f"{count:7,} x {sort}\n")


def _keep(folder: Path, trial: Trial) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in trial.files.items():
        (folder / name).write_bytes(content)
    typed = {"arguments": trial.arguments, "stdin": trial.stdin}
    (folder / "typed.json").write_text(json.dumps(typed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", help="some of them, like png,tiff")
    parser.add_argument("--keep", metavar="DIR", help="save what fails here")
    parser.add_argument("--again", metavar="KIND:NUMBER", help="one input again")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: a fork takes no threads with it
    sys.exit(main())
