"""What `apply` says at the end of a batch: how many inputs were skipped or clipped, or failed."""

from __future__ import annotations

from collections.abc import Iterator

from convcli.batch import Report
from convcli.images.quantize import WARN_CLIPPED_SHARE, Clipping


class Summary:
    """Counts of the reports of a batch, and the worst that was clipped.

    Parameters
    ----------
    warns_of_each : bool
        Whether the warning of what was clipped is one for each input; else it is one for all.

    Attributes
    ----------
    total, failed, skipped, clipped : int
        Numbers of inputs.
    worst : (str, Clipping)
        The input of which most was clipped.
    remedies : set of str
        The range policies that keep what was clipped of one or the other.
    """

    def __init__(self, *, warns_of_each: bool) -> None:
        self.warns_of_each = warns_of_each
        self.total = self.failed = self.skipped = self.clipped = 0
        self.worst: tuple[str, Clipping] = "", Clipping()
        self.remedies = set[str]()

    def add(self, report: Report) -> Report:
        """Count a report, and return it with the warnings that are given for each input."""
        self.total += 1
        self.failed += report.error is not None
        is_left = bool(report.skipped) and not (report.written or report.routes)
        self.skipped += is_left and report.error is None
        found = [file.clipping for file in report.written]
        notable = [clipping for clipping in found if clipping.share > WARN_CLIPPED_SHARE]
        self.clipped += bool(notable)
        for clipping in notable:
            self.remedies.update(filter(None, [clipping.remedy]))
            self.worst = max(self.worst, (report.source, clipping), key=lambda pair: pair[1].share)
        if not (notable and self.warns_of_each):
            return report
        warnings = (clipping.describe() for clipping in notable)
        return report._replace(notes=(*warnings, *report.notes))

    def warnings(self) -> Iterator[str]:
        """Yield lines on what was skipped, and on what was clipped if that was said of no input."""
        if self.skipped:
            yield f"{self.skipped} of {self.total} inputs skipped: what is made of them is there"
        if self.clipped and not self.warns_of_each:
            # Each policy keeps what the one before does.
            remedies = [name for name in ("offset", "abs", "rescale") if name in self.remedies]
            advice = f"; --range {remedies[-1]} would keep them" if remedies else ""
            source, worst = self.worst
            yield (
                f"{self.clipped} of {self.total} inputs were clipped by more than "
                f"{WARN_CLIPPED_SHARE:.0%} (most: {worst.share:.1%} of {source}){advice}"
            )
