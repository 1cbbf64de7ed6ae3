"""The warning of what was clipped: of one input, of many, and which range it advises."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.apply import pixels
from support.command import here
from support.many_files import documents

SHARE = "of the values lie outside 0..255 and were clipped"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Pictures that a sharpening filter leaves, clips in 12 of 100 pixels, and clips in many."""
    flat = np.full((10, 10), 128, np.uint8)
    spots = flat.copy()
    spots[2, 2] = spots[7, 7] = 255
    spots[2, 7] = spots[7, 2] = 0
    for name, values in (("flat", flat), ("spots", spots), ("noise", pixels(10, 10))):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("-k", "sharpen"), ""),
        (("-k", "unsharp:1:3"), ""),
        (("-k", "sharpen", "--bias", "30"), ""),
        (("-k", "sharpen", "-k", "unsharp:1:3", "--combine", "max"), ""),
        (("-l", "conv:kernel=sharpen,p=1"), ""),
        (("-k", "0 -0.3333333 -0.3333333 1.6666667 0"), ""),
        (("-k", "sobel-x"), "rescale"),
        (("-k", "sobel-x", "--range", "abs"), "rescale"),
        (("-k", "sobel-x", "--range", "offset"), "rescale"),
        (("-k", "0 -1 1"), "abs"),
        (("-k", "0 -0.5 0.5"), "offset"),
        (("-k", "0 -0.5 0.5", "--bias", "1"), "rescale"),
        (("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude"), "rescale"),
        (("-k", "ones:3"), "rescale"),
        (("-k", "sharpen", "-k", "sharpen", "--combine", "sum"), "rescale"),
        (("-l", "conv:kernel=sharpen,p=1,name=a", "-l", "add:from=a+a"), "rescale"),
        (
            (
                "-k",
                "sharpen",
                "-l",
                "conv:kernel=outline",
            ),
            "rescale",
        ),
    ],
)
def test_a_range_is_advised_where_it_is_good_advice(
    place: Path, options: tuple[str, ...], advice: str
) -> None:
    done = here("apply", "noise.png", *options, "-o", "out.png", cwd=place)
    assert done.code == 0
    end = f"; --range {advice} would keep them" if advice else ""
    assert done.stderr.startswith("convcli: noise.png: ")
    assert done.stderr.endswith(f"{SHARE}{end}\n")


def test_each_map_has_its_own_advice(place: Path) -> None:
    done = here("apply", "noise.png", "-k", "sharpen", "-k", "sobel-x", cwd=place)
    sharpened, edges = done.stderr.splitlines()
    assert sharpened.endswith(SHARE)
    assert edges.endswith("--range rescale would keep them")


INPUTS = ("flat.png", "spots.png", "noise.png")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_batch_has_one_line_of_all(place: Path, jobs: str) -> None:
    done = here("apply", *INPUTS, "-k", "sharpen", "-j", jobs, cwd=place)
    worst = here("apply", "noise.png", "-k", "sharpen", "-f", "--json", cwd=place)
    share = documents(worst)[0]["clipped"]
    line = f"2 of 3 inputs were clipped by more than 1% (most: {share:.1%} of noise.png)"
    assert (done.code, done.stderr) == (0, f"convcli: {line}\n")


def test_a_batch_is_advised_what_keeps_all(place: Path) -> None:
    for spec, advice in (("0 -0.5 0.5", "offset"), ("0 -1 1", "abs"), ("sobel-x", "rescale")):
        done = here("apply", *INPUTS, "-k", spec, "-f", cwd=place)
        assert done.stderr.count("\n") == 1
        assert done.stderr.endswith(f"of noise.png); --range {advice} would keep them\n")
    both = here("apply", *INPUTS, "-k", "0 -0.5 0.5", "-k", "0 -1 1", "-f", cwd=place)
    assert both.stderr.endswith("--range abs would keep them\n")


def test_verbose_keeps_each_and_quiet_none(place: Path) -> None:
    told = here("apply", *INPUTS, "-k", "sharpen", "-v", cwd=place).stderr
    assert [line.split(": ")[1] for line in told.splitlines() if line.endswith(SHARE)] == [
        "spots.png",
        "noise.png",
    ]
    assert "inputs were clipped" not in told
    assert here("apply", *INPUTS, "-k", "sharpen", "-q", "-f", cwd=place).stderr == ""
    assert here("apply", "flat.png", "flat.png", "-k", "sharpen", "--print", cwd=place).code == 0


def test_json_has_the_share_of_each(place: Path) -> None:
    done = here("apply", *INPUTS, "gone.png", "-k", "sharpen", "--json", cwd=place)
    assert done.code == 1
    found = [document.get("clipped") for document in map(json.loads, done.text.splitlines())]
    assert found[:2] == [0.0, 0.12]
    assert done.stderr.splitlines()[1].startswith("convcli: 2 of 4 inputs were clipped")
    assert done.stderr.splitlines()[2] == "convcli: 1 of 4 inputs failed"
