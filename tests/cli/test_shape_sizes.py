"""`convcli shape --sizes`: which input sizes a network takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import here


def test_sizes_are_tried_one_after_the_other(tmp_path: Path) -> None:
    stack = ["maxpool:2", "upsample:2", "--input", "3x99x99", "--sizes", "7..9"]
    done = here("shape", *stack, cwd=tmp_path)
    assert done.code == 0
    assert [line.split() for line in done.text.splitlines()[2:]] == [
        ["7", "3x6x6", "maxpool:2", "drops", "rows", "or", "columns"],
        ["8", "3x8x8", "the", "same", "size"],
        ["9", "3x8x8", "maxpool:2", "drops", "rows", "or", "columns"],
    ]
    assert done.stderr == (
        "convcli: stack takes 3 of 3 sizes, and gives the same size back for 1: 8\n"
    )
    found = json.loads(here("shape", *stack, "--json", cwd=tmp_path).stdout)
    assert [list(one) for one in found] == [
        ["size", "output", "same_size", "dropping", "error"]
    ] * 3
    assert [one["same_size"] for one in found] == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--net", "unet", "--explain"], "--explain does not go with --sizes"),
        (["--net", "unet", "--max-params", "9"], "--max-params does not go with --sizes"),
        (["--net", "unet", "--batch", "2"], "--batch does not go with --sizes"),
        (["--net", "unet", "--net", "vgg16"], "--sizes is of one network"),
        (["--net", "a.onnx"], "--sizes does not go with an ONNX file"),
        (["relu"], "the input's channels are missing: give --input CxHxW"),
        (["--h", "8", "--k", "3"], "--sizes goes with a stack or a network"),
    ],
)
def test_what_does_not_go_with_sizes(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = here("shape", *arguments, "--sizes", "7..9", cwd=tmp_path)
    assert (done.code, done.stdout) == (2, b"")
    assert message in done.stderr
