"""`shape` on a stack, a network or a file of layers: one row a layer, and totals."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from support.command import Finished, convcli, here
from support.network_oracle import Case, networks

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer, format_network, parse_network
from convcli.arithmetic.zoo import ZOO, zoo_network

ROOT = Path(tempfile.gettempdir())
STACK = ("--input", "3x224x224", "conv:7,s=2,p=3,c=64", "maxpool:3,s=2,p=1")
LAYER_KEYS = [
    "name", "op", "layer", "output", "receptive_field", "jump", "start", "effective_padding",
    "dropped", "params", "macs", "flops", "bytes",
]  # fmt: skip
TOTAL_KEYS = [
    "params", "macs", "flops", "bytes", "weight_bytes", "peak_bytes", "output", "receptive_field",
    "jump", "effective_padding",
]  # fmt: skip


def shape(*options: str | Path, stdin: bytes = b"") -> Finished:
    done = here("shape", *options, cwd=ROOT, stdin=stdin)
    assert done.code == 0, done.stderr
    return done


def document(*options: str | Path, stdin: bytes = b"") -> Any:
    done = shape(*options, "--json", stdin=stdin)
    assert done.text.isascii()
    assert done.text.count("\n") == 1
    return json.loads(done.text)


def refused(code: int, *options: str | Path, stdin: bytes = b"") -> str:
    done = here("shape", *options, cwd=ROOT, stdin=stdin)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- JSON --------------------------------------------------------------------------------------


def test_the_keys_of_a_walk() -> None:
    found = document(*STACK)
    assert list(found) == ["name", "input", "layers", "total"]
    assert [list(layer) for layer in found["layers"]] == [LAYER_KEYS, LAYER_KEYS]
    assert list(found["total"]) == TOTAL_KEYS
    assert found["input"] == [3, 224, 224]
    assert found["layers"][1] == {
        "name": "maxpool1",
        "op": "maxpool",
        "layer": "maxpool:3,s=2,p=1",
        "output": [64, 56, 56],
        "receptive_field": [11, 11],
        "jump": [4, 4],
        "start": [0, 0],
        "effective_padding": [5, 5],
        "dropped": [1, 1],
        "params": 0,
        "macs": 0,
        "flops": 0,
        "bytes": 4 * 64 * 56 * 56,
    }
    assert found["total"] == {
        "params": 9472,
        "macs": 118_013_952,
        "flops": 2 * 118_013_952,
        "bytes": 4 * 64 * (112 * 112 + 56 * 56),
        "weight_bytes": 4 * 9472,
        "peak_bytes": 4 * 64 * (112 * 112 + 56 * 56),
        "output": [64, 56, 56],
        "receptive_field": [11, 11],
        "jump": [4, 4],
        "effective_padding": [5, 5],
    }


def test_coverage_is_said_only_where_the_field_exceeds_what_is_seen() -> None:
    found = document("--input", "1x6x20", "conv:5,p=2", "conv:5,p=2")
    assert [list(layer) for layer in found["layers"]] == [LAYER_KEYS, [*LAYER_KEYS, "coverage"]]
    assert found["layers"][1]["receptive_field"] == [9, 9]
    assert found["layers"][1]["coverage"] == [6, 9]
    assert found["total"]["coverage"] == [6, 9]


def test_once_flat_the_output_is_one_number() -> None:
    found = document("--input", "3x8x8", "conv:3", "flatten", "linear:10")
    assert [layer["output"] for layer in found["layers"]] == [[3, 6, 6], [108], [10]]
    assert found["total"]["output"] == [10]
    assert found["total"]["receptive_field"] == [3, 3]
    total = document("--input", "3x8x8", "flatten")["total"]
    assert list(total) == TOTAL_KEYS
    assert total["receptive_field"] == [1, 1]  # the input itself is the last map


def test_fractions_are_numbers() -> None:
    found = document("--input", "1x8x8", "tconv:2,s=2", "conv:2")["layers"]
    assert (found[0]["jump"], found[0]["start"]) == ([0.5, 0.5], [-0.25, -0.25])
    assert (found[1]["jump"], found[1]["effective_padding"]) == ([0.5, 0.5], [0.5, 0.5])
    text = shape("--input", "1x8x8", "tconv:2,s=2", "conv:3", "--json").text
    assert "/" not in text
    assert "." not in shape(*STACK, "--json").text


def test_fractions_of_any_size_are_numbers() -> None:
    side = "1" + "0" * 400
    found = document("--input", "1x5x5", f"conv:2,p={side}")
    assert found["layers"][0]["output"] == [1, *[2 * int(side) + 4] * 2]


@settings(max_examples=100)
@given(networks())
def test_json_says_what_the_walk_says(case: Case) -> None:
    expected = walk(case.layers, (2, *case.size))
    texts = [format_layer(layer) for layer in case.layers]
    given_input = f"2x{case.size[0]}x{case.size[1]}"
    found = document("--input", given_input, *texts)
    assert len(found["layers"]) == len(expected.layers)
    for layer, one in zip(found["layers"], expected.layers, strict=True):
        assert (layer["name"], layer["layer"]) == (one.name, format_layer(one.layer))
        assert layer["flops"] == 2 * one.macs
        for key in [key for key in LAYER_KEYS[3:] if key != "flops"]:
            value = getattr(one, key)
            assert layer[key] == pytest.approx(value if isinstance(value, int) else list(value))


# ---- networks and files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18", "unet", "lenet5"])
def test_a_network_by_its_name(name: str) -> None:
    found, (size, layers) = document("--net", name), zoo_network(name)
    assert found["name"] == name
    assert found["input"] == list(size)
    assert len(found["layers"]) == len(layers)
    assert found["total"]["params"] == walk(layers, size).params


def test_resnet18_to_the_digit() -> None:
    total = document("--net", "resnet18")["total"]
    assert (total["params"], total["macs"]) == (11_689_512, 1_813_561_344 + 512_000)
    assert total["receptive_field"] == [435, 435]
    assert total["jump"] == [32, 32]
    assert total["effective_padding"] == [217, 217]
    assert total["coverage"] == [224, 224]


def test_another_input_than_the_network_s_own() -> None:
    found = document("--net", "resnet18", "--input", "3x64x96")
    assert found["input"] == [3, 64, 96]
    assert found["total"]["params"] == 11_689_512
    said = refused(2, "--net", "alexnet", "--input", "3x20x20")
    assert said.startswith("convcli: layer 6 (maxpool:3,s=2) on 192x1x1: the output would be empty")


@pytest.mark.parametrize("name", sorted(ZOO))
def test_a_network_as_a_file_is_the_same_network(name: str, tmp_path: Path) -> None:
    size, layers = zoo_network(name)
    path = tmp_path / f"{name}.net"
    path.write_text(f"input {'x'.join(map(str, size))}\n" + "\n".join(layers))
    assert document("--net", path) == document("--net", name)


def test_a_file_by_its_suffix_by_an_at_sign_and_from_standard_input(tmp_path: Path) -> None:
    text = "input 1x8x8 # small\nconv:3\n\n# the end\nrelu\n"
    (tmp_path / "mine.net").write_text(text)
    (tmp_path / "plain").write_text(text)
    found = [
        document("--net", tmp_path / "mine.net"),
        document("--net", f"@{tmp_path / 'plain'}"),
        document("--net", "-", stdin=text.encode()),
    ]
    assert [one["name"] for one in found] == ["mine", "plain", "stdin"]
    assert found[0]["layers"] == found[1]["layers"] == found[2]["layers"]


def test_the_shape_of_a_real_kernel_counts(tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text("1,2,3\n4,5,6\n")
    found = document("--input", "3x9x9", "conv:kernel=gaussian-5x5", "conv:kernel=sobel-x,p=0")
    assert [layer["receptive_field"] for layer in found["layers"]] == [[5, 5], [7, 7]]
    assert found["layers"][0]["output"] == [3, 9, 9]
    (one,) = document("--input", "3x9x9", f"conv:kernel={tmp_path / 'k.csv'},p=0")["layers"]
    assert one["output"] == [3, 8, 7]


# ---- layouts -----------------------------------------------------------------------------------


def test_a_table_has_a_row_for_every_layer_and_the_totals() -> None:
    lines = shape(*STACK).text.splitlines()
    words = [line.split() for line in lines if set(line) - set("─ ")]
    assert words[0] == [
        *("name", "layer", "output", "rf", "jump", "start", "eff.", "padding", "dropped"),
        *("params", "MACs", "bytes"),
    ]
    assert words[1][:4] == ["conv1", "conv:7,s=2,p=3,c=64", "64x112x112", "7"]
    assert words[3][0] == "total"
    assert words[3][-5:] == ["9,472", "118.01", "M", "4.01", "M"]
    assert not lines[-2].strip("─ ")  # ruled off


def test_csv_and_markdown_say_the_same() -> None:
    rows = list(csv.reader(io.StringIO(shape(*STACK, "--format", "csv").text)))
    lines = shape(*STACK, "--format", "markdown").text.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[1] == ["---"] * len(rows[0])
    assert [cells[0], *cells[2:]] == rows
    assert len(rows) == 1 + 2 + 1
    assert rows[-1][-3:] == ["9472", "118013952", str(4 * 64 * (112 * 112 + 56 * 56))]


def test_fractions_are_exact_in_tables() -> None:
    text = shape("--input", "1x8x8", "tconv:3,s=3", "--format", "csv").text
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["jump"], Fraction(row["start"])) == ("1/3", Fraction(-1, 3))


def test_a_table_in_a_pipe_is_never_cut(tmp_path: Path) -> None:
    done = convcli("shape", "--net", "unet", cwd=tmp_path, env={"COLUMNS": "20"})
    assert done.code == 0
    assert "…" not in done.text
    assert "crop:like=up1,from=down1" in done.text


def test_what_exceeds_the_input_is_said_with_what_is_seen() -> None:
    row = next(
        csv.DictReader(io.StringIO(shape("--input", "1x5x5", "conv:9,p=4", "--format", "csv").text))
    )
    assert row["rf"] == "9 (sees 5)"


# ---- messages ----------------------------------------------------------------------------------


def test_notes_go_to_standard_error() -> None:
    done = shape("--input", "1x8x8", "conv:3,s=2,p=same", "--json")
    assert json.loads(done.text)["layers"][0]["output"] == [1, 4, 4]
    assert done.stderr == (
        "convcli: layer 1 (conv:3,s=2,p=same): PyTorch has no same padding at a stride above 1; "
        "there it is p=0.1.0.1\n"
    )
    assert shape(*STACK).stderr == ""


def test_a_framework_s_rules_hold() -> None:
    said = refused(2, "--input", "1x8x8", "conv:3,s=2,p=same", "--framework", "torch")
    assert "PyTorch has no same padding at a stride above 1" in said
    assert shape("--input", "1x8x8", "maxpool:3,s=2,ceil", "--framework", "torch").code == 0
    refused(2, "--input", "1x8x8", "maxpool:3,s=2,ceil", "--framework", "tf")
    refused(2, "--input", "1x8x8", "relu", "--framework", "jax")
    assert "--framework" in refused(2, "--h", "8", "--k", "3", "--framework", "torch")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input", "1x8x8", "conv:3,z=2"), "'z=2' is not known to conv, which takes k=, "),
        (("--input", "1x8x8", "cnov:3"), "did you mean 'conv'?"),
        (("--input", "1x8x8", "relu", "conv:9"), "layer 2 (conv:9) on 1x8x8: the output would be"),
        (("--input", "1x8x8", "linear:3"), "layer 1 (linear:3) on 1x8x8: linear needs a flat"),
        (("--input", "3x8x8", "conv:3,g=2"), "layer 1 (conv:3,g=2) on 3x8x8: 2 groups do not"),
        (("--input", "1x8x8"), "--input goes with LAYERs or --net"),
        (("conv:3",), "the input's shape is missing"),
        (("--net", "resnet81"), "did you mean 'resnet18'"),
        (("--net", "resnet18", "relu"), "exclude each other"),
        (("--net", "resnet18", "--h", "3"), "--h is of one layer"),
        (("--net", "resnet18", "--json", "--explain"), "--explain is text"),
        (("--input", "8x8", "relu"), "CxHxW"),
        (("--input", "0x8x8", "relu"), "at least 1"),
        (("--input", "1x8x8", "conv:kernel=nokernel"), "nokernel"),
        (("--input", "1x4x4", "add:from=a+input"), "no layer before it is named 'a'"),
        ((*("--input", "1x2x2"), *["tconv:2,s=2"] * 2000), "upsampling by more than 512"),
    ],
)
def test_what_cannot_be_is_a_usage_error(options: tuple[str, ...], words: str) -> None:
    assert words in refused(2, *options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relu\nconv:3,z=1", "line 2: layer 'conv:3,z=1': 'z=1' is not known to conv"),
        ("relu", "the input's shape is missing"),
        ("input 1x4x4\nconv:9", "layer 1 (conv:9) on 1x4x4: the output would be empty"),
        ("input 1x4x4\nadd:from=a+b", "no layer before it is named 'a'"),
        ("input 1x4x4\nconv:kernel=nokernel", "nokernel"),
        ("# nothing", "holds no layers"),
        ("\xff", "line 1"),
    ],
)
def test_what_a_file_says_wrong_is_the_file_s_fault(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.net"
    path.write_text(text, encoding="utf-8")
    missing = "missing" in words
    said = refused(2 if missing else 1, "--net", path)
    assert words in said
    assert missing or said.startswith(f"convcli: {path}: ")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.net").write_bytes(b"\x89PNG\xff\xfe")
    assert "is not text" in refused(1, "--net", tmp_path / "binary.net")
    assert str(tmp_path / "none.net") in refused(1, "--net", tmp_path / "none.net")
    refused(1, "--net", f"@{tmp_path}")
    assert "-: holds no layers" in refused(1, "--net", "-", stdin=b"")


# ---- --explain ---------------------------------------------------------------------------------


def test_explain_writes_down_every_layer() -> None:
    text = shape(*STACK, "--explain").text
    assert "1. conv1: conv:7,s=2,p=3,c=64\n" in text
    assert "2. maxpool1: maxpool:3,s=2,p=1\n" in text
    assert "rf             7 + (3 - 1)*2 = 11\n" in text
    assert "MACs           64*(3/1)*7*7 * 112*112 = 118,013,952\n" in text


def test_explain_of_one_layer_goes_further_than_its_size() -> None:
    text = shape("--h", "32", "--k", "3", "--s", "2", "--p", "1", "--explain").text
    assert "floor((32 + 1 + 1 - 1*(3 - 1) - 1) / 2) + 1 = 16\n" in text
    assert "1 + (3 - 1)*1 = 3\n" in text
    assert "params" not in text
    assert "params" in shape("--h", "32", "--k", "3", "--c-in", "3", "--explain").text
    assert shape("--h", "32", "--k", "3,5", "--explain").text.count("1. conv1") == 2


# ---- start-up and haste ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ((*STACK, "--json"), {"numpy", "PIL", "rich"}),
        (("--net", "resnet18", "--json"), {"numpy", "PIL", "rich"}),
        (("--net", "resnet18", "--format", "csv"), {"numpy", "PIL", "rich"}),
        ((*STACK, "--explain"), {"numpy", "PIL", "rich"}),
        (STACK, {"numpy", "PIL"}),
    ],
)
def test_a_walk_starts_without_numpy_pillow_and_rich(
    options: tuple[str, ...], absent: set[str], tmp_path: Path
) -> None:
    program = (
        "import sys\nfrom convcli.cli.commands import run\n"
        f"code = run(['shape', *{list(options)!r}])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert not absent & set(done.stderr.split())


HASTY = [  # each small to write, none to be worked through tap by tap or phase by phase
    ("tconv:100000000",),
    ("tconv:65536,s=65536",),
    ("tconv:2,s=2", "conv:100000001,p=50000000"),
    (*["tconv:2,s=2"] * 16, *["conv:3,p=1"] * 100),
    (*["tconv:2,s=2"] * 12, *["conv:3,p=1"] * 1000),
    ("conv:1000000000,p=1000000000,d=1000000000",),
    ("adaptiveavgpool:65536",),
    ("tconv:1,s=65536", "maxpool:65536"),
]


@pytest.mark.parametrize("layers", HASTY)
def test_large_numbers_take_no_longer_than_small_ones(
    layers: tuple[str, ...], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "convcli", "shape", "--input", "1x4x4", *layers, "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=6)
    assert done.returncode in (0, 2)


def test_the_design_of_a_walk_is_a_network_file() -> None:
    texts = [layer["layer"] for layer in document("--net", "googlenet")["layers"]]
    size, layers = parse_network("input 3x224x224\n" + "\n".join(texts))
    assert size is not None
    assert (
        document("--net", "-", stdin=format_network(size, layers).encode())["total"]
        == (document("--net", "googlenet")["total"])
    )
