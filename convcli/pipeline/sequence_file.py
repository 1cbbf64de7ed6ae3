"""A file of frames: each map is rendered and written as it comes, and reported at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from convcli.images import Picture, Values
from convcli.images.png.write_apng import Layout, LayoutError
from convcli.images.quantize import Clipping, Span
from convcli.images.sequences import SequenceWriter
from convcli.images.write import real_type, to_real_pixels
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.write import (
    OutputFile,
    encoder_errors,
    fit_to_file,
    render,
    squeeze_channel,
)


class SequenceFile:
    """A file of frames while it is written, and what is reported of it at the end.

    Parameters
    ----------
    path : str
    target : OutputTarget
    writer : SequenceWriter
    span : Span or None
        Of this map over all frames, if they are rescaled.
    layout : Layout or None
        That holds all frames so far, if the first one's does not.
    """

    def __init__(
        self,
        path: str,
        target: OutputTarget,
        writer: SequenceWriter,
        span: Span | None,
        layout: Layout | None,
    ) -> None:
        self.layout = layout
        self._path = path
        self._target = target
        self._writer = writer
        self._span = span
        self._shape: tuple[int, ...] = ()  # of the first frame
        self._count = 0
        self._policy: str | None = None
        self._notes: dict[str, None] = {}
        self._clipping = Clipping()

    def add(
        self, result: Picture, plan: Plan, source: np.dtype[Any], *, is_still: bool = False
    ) -> None:
        """Write the map of a frame, or of the still picture that is none.

        The values of the frame itself are of some type.
        """
        pixels = self._to_pixels(result, plan, source)
        self._shape = self._shape or squeeze_channel(pixels).shape
        self._count += not is_still
        try:
            with encoder_errors(self._path):
                has_alpha = result.alpha is not None
                arguments = {"is_still": is_still, "has_alpha": has_alpha}
                self._writer.add(pixels, result.metadata, **arguments)
        except LayoutError as error:
            self.layout = error.layout
            raise

    def close(self) -> OutputFile:
        """Finish the file; return what was written."""
        with encoder_errors(self._path):
            self._writer.close()
        shape = self._count, *self._shape
        return OutputFile(self._path, shape, self._policy, (*self._notes,), self._clipping)

    def _to_pixels(self, result: Picture, plan: Plan, source: np.dtype[Any]) -> Values:
        depth = plan.output_depth(result.depth, self._target.format)
        if depth is None:
            return to_real_pixels(result, real_type(source))
        policy = plan.range_policy(result.depth)
        keeps_hidden = plan.selection is not None
        rendered = render(result, policy, depth, *(self._span or ()), keeps_hidden=keeps_hidden)
        self._policy = self._policy or policy
        pixels, report = fit_to_file(self._path, rendered, self._target.format)
        self._clipping = self._clipping.merge(report.clipping)
        self._notes |= dict.fromkeys(report.notes)
        return pixels
