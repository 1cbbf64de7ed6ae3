"""`convcli shape --sizes`: which input sizes a network takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import here
from support.peers import require_peer


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
        (["relu"], "the input's channels are missing: give --input CxHxW"),
        (["--h", "8", "--k", "3"], "--sizes goes with a stack or a network"),
    ],
)
def test_what_does_not_go_with_sizes(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = here("shape", *arguments, "--sizes", "7..9", cwd=tmp_path)
    assert (done.code, done.stdout) == (2, b"")
    assert message in done.stderr


def test_an_onnx_file_is_read_for_each_size(tmp_path: Path) -> None:
    helper = require_peer("onnx.helper")
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("DepthToSpace", ["c"], ["u"], blocksize=2),
        helper.make_node("Concat", ["p", "p", "p", "p"], ["c"], axis=1),
        helper.make_node("Concat", ["u", "x"], ["y"], axis=1),
    ]
    values = [
        helper.make_tensor_value_info(name, 1, [1, channels, "height", "width"])
        for name, channels in (("x", 3), ("y", 6))
    ]
    graph = helper.make_graph([nodes[0], nodes[2], nodes[1], nodes[3]], "g", values[:1], values[1:])
    (tmp_path / "net.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    options = ("--input", "3x8x8", "--sizes", "7..9", "--json")
    done = here("shape", "--net", "net.onnx", *options, cwd=tmp_path)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["output"] for one in found] == [None, [6, 8, 8], None]
    assert "concat needs inputs of one size, not 3x6x6 and 3x7x7" in found[0]["error"]
    for most in (65, 10**20):
        sizes = ("--input", "3x8x8", "--sizes", f"1..{most}")
        too_many = here("shape", "--net", "net.onnx", *sizes, cwd=tmp_path)
        assert (too_many.code, "try 64 at most" in too_many.stderr) == (2, True)
    missing = here("shape", "--net", "no.onnx", *options, cwd=tmp_path)
    assert (missing.code, missing.stdout) == (1, b"")
    assert missing.stderr.startswith("convcli: no.onnx: ")
