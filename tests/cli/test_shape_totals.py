"""`shape` of several networks or inputs: a row of totals each, bytes for a batch, and budgets."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.command import Finished, here
from support.forked import forked

from convcli.arithmetic.footprint import peak_elements
from convcli.arithmetic.network import walk

ROOT = Path(tempfile.gettempdir())
STACK = ("--input", "3x32x32", "conv:3,p=1,c=8,name=a", "relu", "maxpool:2")
PEAK = 2 * 8 * 32 * 32  # what the convolution and what the activation make


def shape(*options: str | Path, code: int = 0, stdin: bytes = b"") -> Finished:
    done = here("shape", *options, cwd=ROOT, stdin=stdin)
    assert done.code == code, done.stderr
    return done


def document(*options: str | Path, stdin: bytes = b"") -> Any:
    return json.loads(shape(*options, "--json", stdin=stdin).text)


def refused(*options: str | Path, code: int = 2) -> str:
    done = shape(*options, code=code)
    assert done.stdout == b""
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- several networks --------------------------------------------------------------------------


def test_several_networks_are_a_list_of_totals(tmp_path: Path) -> None:
    (tmp_path / "mine.net").write_text("input 1x8x8\nconv:3\n")
    nets = ["resnet18", str(tmp_path / "mine.net"), "-"]
    found = document(*(f"--net={net}" for net in nets), stdin=b"input 2x8x8\nrelu\n")
    assert [list(one) for one in found] == [["name", "input", "total"]] * 3
    assert [one["name"] for one in found] == ["resnet18", "mine", "stdin"]
    assert [one["input"] for one in found] == [[3, 224, 224], [1, 8, 8], [2, 8, 8]]
    assert found[0]["total"] == document("--net", "resnet18")["total"]


def test_every_network_is_walked_with_every_input() -> None:
    inputs = ("3x64x64", "3x96x128")
    found = document("--net", "resnet18", "--net", "vgg11", "--input", ",".join(inputs))
    names = [(one["name"], "x".join(map(str, one["input"]))) for one in found]
    assert names == [(net, size) for net in ("resnet18", "vgg11") for size in inputs]
    for one, (net, size) in zip(found, names, strict=True):
        assert one["total"] == document("--net", net, "--input", size)["total"]
    stacks = document("--input", "3x32x32,3x16x16", *STACK[2:])
    assert [one["total"]["output"] for one in stacks] == [[8, 16, 16], [8, 8, 8]]
    (one, *_) = document("--net", "-", "--input", "1x8x8,1x9x9", stdin=b"conv:3\n")
    assert one["total"]["output"] == [1, 6, 6]  # standard input is read once for both


def test_totals_alone_are_the_walk_without_its_layers() -> None:
    whole = document("--net", "resnet18")
    layers = whole.pop("layers")
    assert document("--net", "resnet18", "--totals") == whole
    assert layers
    rows = list(csv.DictReader(io.StringIO(shape(*STACK, "--totals", "--format=csv").text)))
    assert rows == [
        {
            "name": "stack",
            "input": "3x32x32",
            "output": "8x16x16",
            "rf": "4",
            "params": "224",
            "MACs": str(216 * 32 * 32),
            "activation bytes": str(4 * 8 * (2 * 32 * 32 + 16 * 16)),
            "weight bytes": str(4 * 224),
            "peak bytes": str(4 * PEAK),
        }
    ]


def test_layouts_of_several_networks_say_the_same() -> None:
    options = ("--net", "resnet18", "--net", "unet")
    rows = list(csv.reader(io.StringIO(shape(*options, "--format", "csv").text)))
    lines = shape(*options, "--format", "markdown").text.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [cells[0], *cells[2:]] == rows
    total = document(*options)[0]["total"]
    assert rows[1][4:] == [
        str(total[key]) for key in ("params", "macs", "bytes", "weight_bytes", "peak_bytes")
    ]
    table = shape(*options).text.splitlines()
    assert len(table) == 2 + 2
    assert "11.69 M     1.81 G" in table[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--net", "gone.net", "--net", "resnet19"), "did you mean 'resnet18'"),  # before any file
        (("--net", "-", "--net", "-"), "standard input is read once"),
        (("--net", "lenet5", "--net", "unet", "--explain"), "--explain is of one network"),
        (("--net", "lenet5", "--net", "unet", "--figure", "x.png"), "--figure is of one network"),
        ((*STACK, "--totals", "--explain"), "--explain and --totals exclude each other"),
        (("--net", "alexnet", "--input", "3x64x64,3x20x20"), "192x1x1"),
        (("--net", "lenet5", "--input", "x=1x32x32"), "lenet5 has no input 'x'; it has input"),
        (("--net", "lenet5", "--input", "x=1x3+x=1x3"), "'x' is given twice"),
        (("--net", "lenet5", "--input", "x=1x3+y"), "NAME=CxHxW"),
        (("--net", "lenet5", "--input", "input=1x3xx"), "a side of the input 'input' must be"),
        (("--net", "lenet5", "--batch", "0"), "at least 1"),
        (("--net", "lenet5", "--dtype", "fp16"), "'float16'"),
        (("--h", "8", "--k", "3", "--totals"), "--totals goes with a stack or a network"),
        (("--h", "8", "--k", "3", "--batch", "1"), "--batch goes with a stack or a network"),
        (("--h", "8", "--k", "3", "--max-macs", "1k"), "--max-macs goes with a stack"),
    ],
)
def test_what_has_no_sense_is_a_usage_error(options: tuple[str, ...], words: str) -> None:
    assert words in refused(*options)


def test_a_file_that_is_wrong_leaves_no_half_a_table(tmp_path: Path) -> None:
    (tmp_path / "wrong.net").write_text("input 1x4x4\nconv:9\n")
    said = refused("--net", "lenet5", "--net", tmp_path / "wrong.net", code=1)
    assert said.startswith(f"convcli: {tmp_path / 'wrong.net'}: layer 1 (conv:9)")


def test_no_network_outside_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.net").write_text("input 1x4x4\nrelu\n")
    done = forked(
        *("shape", "--net", "lenet5", "--net", "../outside.net", "--restrict", "."),
        cwd=tmp_path / "inside",
    )
    assert (done.code, done.stdout) == (2, b"")


def test_as_many_networks_as_would_take_long_are_refused(tmp_path: Path) -> None:
    many = ",".join(f"3x{side}x9" for side in range(9, 210))
    assert "these are 201 networks and inputs; the most is 200" in refused(
        "--input", many, "conv:3"
    )
    (tmp_path / "large.net").write_text("input 3x9x9\n" + "relu\n" * 60_000)
    said = refused(*[f"--net={tmp_path / 'large.net'}"] * 2)
    assert said.endswith("these networks have more than 100,000 layers together\n")


# ---- several inputs of one network -------------------------------------------------------------

GUIDED = """input 3x64x64
conv:3,p=1,c=8,name=a
input:3x64x64,name=guide
conv:3,p=1,c=8,from=guide,name=b
concat:from=a+b
"""


def test_further_inputs_are_given_by_their_names() -> None:
    plain = document("--net", "-", "--totals", stdin=GUIDED.encode())
    assert plain["inputs"] == {"input": [3, 64, 64], "guide": [3, 64, 64]}
    options = ("--net", "-", "--input", "input=3x96x64+guide=3x96x64")
    found = document(*options, stdin=GUIDED.encode())
    assert found["inputs"] == {"input": [3, 96, 64], "guide": [3, 96, 64]}
    assert found["input"] == [3, 96, 64]
    assert found["total"]["output"] == [16, 96, 64]
    text = shape(*options, "--totals", "--format=csv", stdin=GUIDED.encode()).text
    assert next(csv.DictReader(io.StringIO(text)))["input"] == "3x96x64+3x96x64"
    done = here("shape", "--net=-", "--input=guide=3x9x9", cwd=ROOT, stdin=GUIDED.encode())
    assert (done.code, done.stdout) == (1, b"")
    done = here("shape", "--net=-", "--input=other=3x9x9", cwd=ROOT, stdin=GUIDED.encode())
    assert done.code == 2
    assert "stdin has no input 'other'; it has input, guide" in done.stderr


def test_an_input_can_be_flat() -> None:
    found = document("--input", "10", "linear:5", "relu")
    assert (found["input"], found["total"]["params"]) == ([10], 55)
    assert document("--net=-", "--totals", stdin=b"input 10\nlinear:5\n")["input"] == [10]
    assert document("--input", "10,20", "linear:5")[1]["total"]["params"] == 105
    assert "needs a map of (C, H, W), not 10" in refused("--input", "10", "conv:3")


# ---- fields that are unknown, or of the whole input --------------------------------------------

GATE = ("conv:3,p=1,name=a", "globalavgpool:name=g", "mul:from=a+g")


def test_a_whole_field_is_called_so_and_counts_as_such() -> None:
    options = ("--input", "3x64x64", *GATE)
    total = document(*options)["total"]
    assert (total["receptive_field"], total["local_receptive_field"]) == ([64, 64], [3, 3])
    for layout in ("table", "csv", "markdown"):
        assert shape(*options, "--format", layout).text.count("whole (local 3)") == 2
        assert "whole (local 3)" in shape(*options, "--totals", "--format", layout).text
    shape(*options, "--min-rf", "64")
    shape(*options, "--min-rf", "65", code=1)


def test_an_unknown_field_keeps_no_budget_and_is_a_question_mark() -> None:
    options = ("--input", "3x8x8", "conv:3", "opaque:Fft,out=3x6x6,params=5,macs=7", "conv:3")
    found = document(*options)
    assert [layer["receptive_field"] for layer in found["layers"]] == [[3, 3], None, None]
    assert found["total"]["receptive_field"] is None
    rows = list(csv.DictReader(io.StringIO(shape(*options, "--format=csv").text)))
    assert [row["rf"] for row in rows] == ["3", "?", "?", "?"]
    (row,) = csv.DictReader(io.StringIO(shape(*options, "--totals", "--format=csv").text))
    assert row["rf"] == "?"
    said = shape(*options, "--min-rf", "3", code=1).stderr.splitlines()[-1]
    assert said == "convcli: stack: its receptive field is not known, and --min-rf 3 asks for one"


# ---- bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("bfloat16", 2), ("int8", 1)])
def test_bytes_are_those_of_a_batch_and_a_type(dtype: str, size: int) -> None:
    found = document(*STACK, "--batch", "16", "--dtype", dtype)
    maps = [8 * 32 * 32, 8 * 32 * 32, 8 * 16 * 16]
    assert [layer["bytes"] for layer in found["layers"]] == [16 * size * one for one in maps]
    total = found["total"]
    assert total["bytes"] == 16 * size * sum(maps)
    assert total["weight_bytes"] == size * 224
    assert total["peak_bytes"] == 16 * size * PEAK
    plain = document(*STACK)
    for key in ("params", "macs", "flops", "output"):
        assert total[key] == plain["total"][key]
    (row, *_) = csv.DictReader(
        io.StringIO(shape(*STACK, "--batch=16", f"--dtype={dtype}", "--format=csv").text)
    )
    assert row["bytes"] == str(16 * size * maps[0])
    assert walk(STACK[2:], (3, 32, 32)).to_dict(batch=16, dtype=dtype)["total"] == total


# ---- budgets -----------------------------------------------------------------------------------

RESNET = {"--max-params": 11_689_512, "--max-macs": 1_814_073_344, "--max-bytes": 6_422_528}


@pytest.mark.parametrize("option", RESNET)
def test_a_budget_is_kept_to_the_last_one(option: str) -> None:
    kept = shape("--net", "resnet18", option, str(RESNET[option]))
    assert kept.stderr == ""
    done = shape("--net", "resnet18", option, str(RESNET[option] - 1), code=1)
    assert done.stdout == kept.stdout
    assert done.stderr.startswith(f"convcli: resnet18: {RESNET[option]:,} ")
    assert done.stderr.endswith(f", 1 over {option} {RESNET[option] - 1:,}\n")


def test_budgets_have_suffixes_and_a_line_each() -> None:
    options = (
        "--max-params",
        "100k",
        "--max-macs",
        "1.5G",
        "--max-bytes",
        "5MB",
        "--min-rf",
        "436",
    )
    done = shape("--net", "resnet18", *options, "--json", code=1)
    assert json.loads(done.text)["total"]["params"] == 11_689_512
    assert [line.split(" over ")[-1] for line in done.stderr.splitlines()[:3]] == [
        "--max-params 100,000", "--max-macs 1,500,000,000", "--max-bytes 5,000,000"
    ]  # fmt: skip
    assert done.stderr.splitlines()[3:] == [
        "convcli: resnet18: a receptive field of 435, less than --min-rf 436"
    ]


def test_a_budget_of_several_networks_says_which_break_it() -> None:
    done = shape("--net=lenet5", "--net=resnet18", "--max-params=1M", code=1)
    assert done.stderr.startswith("convcli: resnet18: 11,689,512 parameters")
    assert done.stderr.count("\n") == 1
    done = shape("--input=3x32x32,3x64x64", *STACK[2:], f"--max-bytes={4 * PEAK}", code=1)
    assert done.stderr.startswith("convcli: stack at 3x64x64: ")


def test_both_sides_of_a_field_count() -> None:
    layers = ("--input", "1x32x32", "conv:3x9")
    shape(*layers, "--min-rf", "3x9")
    assert "field of 3x9, less than --min-rf 9" in shape(*layers, "--min-rf", "9", code=1).stderr
    shape("--input", "3x8x8", "flatten", "--min-rf", "1")


def test_the_peak_is_that_of_the_maps_that_are_held() -> None:
    found = walk("resnet18")
    assert document("--net", "resnet18")["total"]["peak_bytes"] == 4 * peak_elements(found)


# ---- channels last -----------------------------------------------------------------------------

QUESTION = "did you mean 3x224x224? The channels come first"


def test_channels_that_come_last_are_asked_about() -> None:
    done = shape("--input", "224x224x3", "conv:3", "--json")
    assert json.loads(done.text)["input"] == [224, 224, 3]
    assert done.stderr == f"convcli: input 224x224x3: {QUESTION}\n"
    said = refused("--input", "224x224x3", "conv:7")
    assert said.startswith("convcli: layer 1 (conv:7) on 224x224x3: the output would be empty")
    assert said.endswith(f"; {QUESTION}\n")


@pytest.mark.parametrize("size", ["3x224x224", "64x56x1", "512x7x7", "8x8x3", "1x1x3", "16x3x3"])
def test_usual_shapes_are_not_asked_about(size: str) -> None:
    assert shape("--input", size, "relu").stderr == ""
