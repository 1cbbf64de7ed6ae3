"""`solve`: what takes one size to another, best first; and what if nothing does."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.command import Finished, convcli, here
from support.oracles import count_windows

ROOT = Path(tempfile.gettempdir())
KEYS = ["op", "input", "kernel", "stride", "padding", "dilation", "output", "dropped"]


def solve(*options: str) -> Finished:
    done = here("solve", *options, cwd=ROOT)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return done


def found(*options: str) -> Any:
    return json.loads(solve(*options, "--json").text)


def refused(code: int, *options: str) -> str:
    done = here("solve", *options, cwd=ROOT)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_first_is_what_an_engineer_would_pick() -> None:
    first = found("--h", "224", "--out", "112")[0]
    assert first == {
        "op": "conv",
        "input": [224, 224],
        "kernel": [3, 3],
        "stride": [2, 2],
        "padding": [[1, 1], [1, 1]],
        "dilation": [1, 1],
        "output": [112, 112],
        "dropped": [1, 1],
    }


def test_the_keys_are_those_of_one_layer() -> None:
    assert all(list(one) == KEYS for one in found("--h", "32", "--out", "16"))
    up = found("--h", "16", "--out", "32", "--transposed", "--s", "2")
    assert all(list(one) == [*KEYS, "output_padding"] for one in up)
    assert isinstance(found("--h", "5", "--out", "3", "--k", "3", "--s", "1", "--p", "0"), list)


def test_ranges_hold_both_ends_and_nothing_is_missing() -> None:
    options = (
        "--h",
        "20",
        "--out",
        "9",
        "--k",
        "2..5",
        "--s",
        "1..3",
        "--p",
        "0..2",
        "--d",
        "1..2",
    )
    numbers = {
        (one["kernel"][0], one["stride"][0], one["padding"][0][0], one["dilation"][0])
        for one in found(*options)
    }
    tried = product(range(2, 6), range(1, 4), range(3), range(1, 3))
    assert numbers == {
        (k, s, p, d) for k, s, p, d in tried if count_windows(20, k, s, (p, p), d) == 9
    }


def test_exact_leaves_nothing_over() -> None:
    exact = found("--h", "224", "--out", "112", "--exact")
    assert exact
    assert all(one["dropped"] == [0, 0] for one in exact)
    everything = found("--h", "224", "--out", "112")
    assert [one for one in everything if one["dropped"] == [0, 0]] == exact


def test_a_transposed_convolution_with_output_padding() -> None:
    window = ("--k", "3", "--s", "2", "--p", "1", "--transposed")
    (one,) = found("--h", "112", "--out", "224", *window)
    assert (one["op"], one["output_padding"]) == ("tconv", [1, 1])
    assert "cannot be reached" in refused(
        1, "--h", "112", "--out", "224", *window, "--output-padding", "0"
    )


def test_a_rectangle() -> None:
    first = found("--h", "480", "--w", "640", "--out", "240x320")[0]
    assert (first["input"], first["output"]) == ([480, 640], [240, 320])
    assert (first["kernel"], first["stride"]) == ([3, 3], [2, 2])
    unlike = found("--h", "10", "--w", "20", "--out", "10x10")[0]
    assert unlike["stride"] == [1, 2]


def test_one_answer_and_many_are_laid_out_alike() -> None:
    window = ("--h", "5", "--out", "3", "--k", "3", "--s", "1", "--p", "0")
    header, row = solve(*window, "--format", "csv").text.splitlines()
    assert header.split(",") == KEYS
    assert row == "conv,5x5,3x3,1,0,1,3x3,0"
    assert len(solve(*window, "--format", "markdown").text.splitlines()) == 3
    assert solve(*window).text.split()[: len(KEYS)] == KEYS


def test_no_answer_is_an_answer() -> None:
    said = refused(1, "--h", "5", "--out", "100")
    assert said.endswith(
        "height 100 cannot be reached from 5; nearest: 6; "
        "width 100 cannot be reached from 5; nearest: 6; --layers tries stacks\n"
    )
    said = refused(1, "--h", "10", "--out", "9", "--k", "3", "--s", "1")
    assert "height 9 cannot be reached from 10; nearest: 8 and 10" in said


def test_only_the_side_that_fails_is_named() -> None:
    said = refused(1, "--h", "10", "--w", "7", "--out", "10x100")
    assert "height" not in said
    assert "width 100 cannot be reached from 7; nearest: 8" in said


def test_sizes_of_any_length() -> None:
    side = 10**50
    assert found("--h", f"{2 * side}", "--out", f"{side}")[0]["output"] == [side, side]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--h", "5"), "--out"),
        (("--out", "5"), "--h"),
        (("--h", "0", "--out", "5"), "at least 1"),
        (("--h", "5", "--out", "0"), "at least 1"),
        (("--h", "5", "--out", "5", "--k", "0..3"), "at least 1"),
        (("--h", "5", "--out", "5", "--k", "7..3"), "at least 7"),
        (("--h", "5", "--out", "5", "--k", "a..b"), "whole number"),
        (("--h", "5", "--out", "5", "--output-padding", "1"), "--transposed"),
        (("--h", "5", "--out", "5", "--k", "1..100000"), "narrow"),
    ],
)
def test_what_cannot_be_is_a_usage_error(options: tuple[str, ...], words: str) -> None:
    assert words in refused(2, *options)


@pytest.mark.parametrize(
    "ranges",
    [
        ("--k", "1..100000000000"),
        ("--s", "1..100000000000"),
        ("--p", "0..100000000000"),
        ("--d", "1..100000000000"),
        ("--k", "1..100000000000000000000000000"),
        ("--p", "0..100000000000000000000000000"),
        ("--transposed", "--output-padding", "0..100000000000000000000000000"),
    ],
)
def test_ranges_without_end_are_refused_at_once(ranges: tuple[str, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convcli", "solve", "--h", "224", "--out", "112", *ranges]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, check=False, timeout=5, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_the_real_command(tmp_path: Path) -> None:
    done = convcli("solve", "--h", "32", "--out", "32", "--json", cwd=tmp_path)
    first = json.loads(done.text)[0]
    assert (first["kernel"], first["stride"], first["padding"]) == (
        [3, 3],
        [1, 1],
        [[1, 1], [1, 1]],
    )


def test_pools_are_solved_too() -> None:
    first = found("--h", "112", "--out", "56", "--pool", "max")[0]
    assert [first["op"], first["kernel"], first["stride"]] == ["maxpool", [2, 2], [2, 2]]
    up = found("--h", "13", "--out", "7", "--pool", "avg", "--ceil", "--k", "2")[0]
    assert [up["op"], up["output"], up["padding"]] == ["avgpool", [7, 7], [[0, 0], [0, 0]]]


def test_a_stack_is_a_list_of_layers_for_each_depth() -> None:
    stacks = found("--h", "16000", "--w", "1", "--out", "49x1", "--layers", "3")
    assert [len(stack) for stack in stacks] == [3]
    assert [layer["output"] for layer in stacks[0]] == [[2000, 1], [250, 1], [49, 1]]
    rows = solve("--h", "64", "--out", "8", "--layers", "2", "--format", "csv").text.splitlines()
    assert rows[0].startswith("stack,op,input")
    assert rows[-1].startswith("2,conv,")
    assert "no stack of up to 2 layers" in refused(1, "--h", "5", "--out", "100", "--layers", "2")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ceil",), "--ceil goes with --pool"),
        (("--pool", "max", "--transposed"), "exclude each other"),
        (("--pool", "min"), "max"),
        (("--layers", "0"), "1<=x<=8"),
    ],
)
def test_what_does_not_go_together_is_refused(options: tuple[str, ...], said: str) -> None:
    assert said in refused(2, "--h", "8", "--out", "4", *options)
