"""`design`: a network file that keeps its budget, and that `shape` audits."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.command import Finished, convcli, here
from support.peers import require_peer

ROOT = Path(tempfile.gettempdir())
ASKED = ("--input", "3x224x224", "--params", "100k", "--rf", "64", "--out", "14")


def design(*options: str) -> Finished:
    done = here("design", *options, cwd=ROOT)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return done


def audited(network: bytes) -> Any:
    done = here("shape", "--net", "-", "--json", cwd=ROOT, stdin=network)
    assert (done.code, done.stderr) == (0, "")
    return json.loads(done.text)


def refused(code: int, *options: str) -> str:
    done = here("design", *options, cwd=ROOT)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_keys_of_a_design() -> None:
    found = json.loads(design(*ASKED, "--json").text)
    assert list(found) == ["layers", "params", "macs", "receptive_field", "output", "budget"]
    assert found["params"] <= 100_000
    assert min(found["receptive_field"]) >= 64
    assert found["output"][1:] == [14, 14]
    assert found["budget"]["params"] == 100_000
    assert all(isinstance(layer, str) for layer in found["layers"])


@pytest.mark.parametrize("block", ["plain", "bottleneck", "separable"])
@pytest.mark.parametrize("params", ["1k", "100k", "2.5M", "100M"])
def test_what_is_printed_is_a_network_that_shape_audits(block: str, params: str) -> None:
    options = (
        "--input",
        "3x64x64",
        "--params",
        params,
        "--rf",
        "30",
        "--out",
        "8",
        "--block",
        block,
    )
    audit = audited(design(*options).stdout)
    found = json.loads(design(*options, "--json").text)
    assert audit["input"] == [3, 64, 64]
    assert [layer["layer"] for layer in audit["layers"]] == found["layers"]
    total = audit["total"]
    for key in ("params", "macs", "output", "receptive_field"):
        assert total[key] == found[key]
    assert 0.9 * found["budget"]["params"] <= total["params"] <= found["budget"]["params"]
    assert total["output"][1:] == [8, 8]
    assert min(total["receptive_field"]) >= 30


def test_it_says_what_it_optimises() -> None:
    comments = [line for line in design(*ASKED).text.splitlines() if line.startswith("#")]
    assert any("of 100,000 parameters" in line for line in comments)
    assert any("64 asked" in line for line in comments)
    assert any(line.startswith("# chosen: the fewest layers") for line in comments)


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    runs = {
        convcli("design", *ASKED, cwd=tmp_path, env={"PYTHONHASHSEED": f"{n}"}).text
        for n in range(3)
    }
    assert len(runs) == 1
    bound = ("--macs", "30M", "--json")
    runs = {
        convcli("design", *ASKED, *bound, cwd=tmp_path, env={"PYTHONHASHSEED": f"{n}"}).text
        for n in range(3)
    }
    assert len(runs) == 1


def test_products_and_width_are_kept() -> None:
    found = json.loads(design(*ASKED, "--macs", "30M", "--json").text)
    assert found["macs"] <= 30 * 10**6
    assert found["budget"]["macs"] == 30 * 10**6
    found = json.loads(design(*ASKED, "--width", "8", "--json").text)
    assert found["layers"][0] == "conv:3,s=2,p=1,c=8"
    assert found["budget"]["width"] == 8


@pytest.mark.peers
@pytest.mark.parametrize("block", ["plain", "bottleneck", "separable"])
def test_the_code_for_pytorch_builds_the_same_stack(block: str) -> None:
    torch = require_peer("torch")
    options = (
        "--input",
        "3x32x32",
        "--params",
        "20k",
        "--rf",
        "20",
        "--out",
        "8",
        "--block",
        block,
    )
    found = json.loads(design(*options, "--json").text)
    names: dict[str, Any] = {}
    exec(design(*options, "--format", "torch").text, names)
    model = names["model"]
    assert sum(weights.numel() for weights in model.parameters()) == found["params"]
    assert list(model(torch.zeros(1, 3, 32, 32)).shape[1:]) == found["output"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--params", "30", "--rf", "64"), "parameters: the cheapest stack of plain units"),
        (("--params", "100k", "--rf", "64", "--macs", "1k"), "MACs: the cheapest stack"),
        (("--params", "100k", "--rf", "64", "--out", "300"), "size: no 3x3 windows"),
        (("--params", "1k", "--rf", "5", "--width", "1000"), "over the budget of 1,000"),
    ],
)
def test_what_cannot_be_says_which_bound_fails(options: tuple[str, ...], words: str) -> None:
    assert words in refused(1, "--input", "3x224x224", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input", "3x224x224", "--rf", "64"), "--params"),
        (("--input", "3x224x224", "--params", "1k"), "--rf"),
        (("--params", "1k", "--rf", "64"), "--input"),
        (("--input", "224x224", "--params", "1k", "--rf", "3"), "CxHxW"),
        (("--input", "3x8x8", "--params", "0", "--rf", "3"), "at least 1"),
        (("--input", "3x8x8", "--params", "1.5", "--rf", "3"), "whole count"),
        (("--input", "3x8x8", "--params", "1q", "--rf", "3"), "whole count"),
        (("--input", "3x8x8", "--params", "-1", "--rf", "3"), "whole count"),
        (("--input", "3x8x8", "--params", "1k", "--rf", "0"), "at least 1"),
        (("--input", "3x8x8", "--params", "1k", "--rf", "1000000"), "too large"),
        (("--input", "3x8x8", "--params", "1k", "--rf", "3", "--block", "dense"), "dense"),
        (
            ("--input", "3x8x8", "--params", "1k", "--rf", "3", "--json", "--format", "torch"),
            "json",
        ),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, ...], words: str) -> None:
    assert words in refused(2, *options)


def test_the_real_commands_in_a_pipe(tmp_path: Path) -> None:
    made = convcli("design", *ASKED, cwd=tmp_path)
    audit = convcli("shape", "--net", "-", cwd=tmp_path, stdin=made.stdout)
    assert (made.code, audit.code, audit.stderr) == (0, 0, "")
    assert audit.text.splitlines()[-1].startswith("total")


def test_dilation_multiples_and_decoders_can_be_audited() -> None:
    wide = design("--input", "3x512x512", "--params", "1M", "--rf", "400", "--out", "512")
    assert len(audited(wide.stdout)["layers"]) == 16
    network = ("--input", "3x64x64", "--params", "100k", "--rf", "50", "--decoder")
    found = design(*network, "--multiple-of", "8")
    total = audited(found.stdout)["total"]
    assert total["output"][1:] == [64, 64]
    assert total["output"][0] % 8 == 0
    assert "use 90 % of the parameters" in found.text
    assert json.loads(design(*network, "--json").text)["budget"]["multiple_of"] == 1


def test_a_field_beyond_the_picture_is_remarked_on() -> None:
    remark = "# the receptive field is larger than the 64x64 input\n"
    assert remark in design("--input", "3x64x64", "--params", "100k", "--rf", "100").text
    assert remark not in design("--input", "3x64x64", "--params", "100k", "--rf", "20").text
