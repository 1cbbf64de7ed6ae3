"""Answers to names that other tools have and that are no kernels here, by what is meant."""

from __future__ import annotations

import re

from convcli.records import NamedTuple


class Answer(NamedTuple):
    """What to say of some names.

    Parameters
    ----------
    names : str
        Separated by blanks, each as `load_kernel` normalizes it.
    text : str
        What to use instead; `{}` stands for the parameter that was typed.
    parameter : str
        What stands there if none was typed, or no number.
    """

    names: str
    text: str
    parameter: str = ""


ANSWERS = (
    Answer("sharp sharper sharpening", "try sharpen, or sharpen:{} by degrees", "0.5"),
    Answer("unsharp-mask usm", "try unsharp:{}", "2"),
    Answer("average avg mean uniform box-blur boxblur box-filter", "a mean is box:{}", "3"),
    Answer("sum", "a sum is ones:{}", "3"),
    Answer("gauss gaussian-blur gaussianblur smooth soften", "try gaussian:{}", "1.5"),
    Answer("binomial", "try gaussian-3x3 or gaussian-5x5, which are binomial"),
    Answer("motion-blur motionblur", "try motion:{}", "9:45"),
    Answer("lens-blur bokeh defocus pillbox", "try disk:{}", "3"),
    Answer(
        "edge edges edge-detect edge-detection find-edges gradient",
        "edges of every direction are outline, or sobel-x and sobel-y with --combine magnitude",
    ),
    Answer("laplacian laplace", "try laplacian-4, laplacian-8 or, less noisy, log:{}", "1.4"),
    Answer("mexican-hat mexicanhat ricker marr marr-hildreth", "try log:{}, of that shape", "1.4"),
    Answer("highpass high-pass", "try outline, or dog:{}", "1:2"),
    Answer("lowpass low-pass", "try gaussian:{}", "1.5"),
    Answer(
        "canny",
        "it is not a convolution; sobel-x and sobel-y with --combine magnitude are its first step",
    ),
    Answer("median", "it is not a convolution; the nearest are box:{} and gaussian:1.5", "3"),
    Answer(
        "bilateral nlmeans guided kuwahara",
        "it is not a convolution; gaussian:1.5 blurs edges, too",
    ),
    Answer(
        "dilate dilation max maximum", "it is not a convolution, but a layer: -l maxpool:3,s=1,p=1"
    ),
    Answer(
        "erode erosion min minimum",
        "it is not a convolution; of pools there are -l maxpool:3,s=1,p=1 and -l avgpool:3,s=1,p=1",
    ),
)
_NUMBERS = re.compile(r"[0-9.x:]{1,20}\Z")


def find_answer(name: str, parameters: str) -> str | None:
    """Return what to use instead of a name with parameters; None for a name without an answer.

    >>> find_answer("average", "5")
    'a mean is box:5'
    >>> find_answer("sharp", "")
    'try sharpen, or sharpen:0.5 by degrees'
    """
    for answer in ANSWERS:
        if name in answer.names.split():
            is_number = _NUMBERS.match(parameters) is not None
            return answer.text.format(parameters if is_number else answer.parameter)
    return None
