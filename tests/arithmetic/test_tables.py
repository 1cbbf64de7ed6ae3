"""What objects say of themselves: documents and tables, as the commands print them."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.command import here

from convcli.arithmetic.network import walk
from convcli.arithmetic.network_design import design
from convcli.arithmetic.solve import solve
from convcli.arithmetic.tables import format_count
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError

SCALES = {"": 1, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}


@settings(max_examples=50)
@given(st.integers(0, 20).flatmap(lambda digits: st.integers(0, 10**digits)))
@example(999_999)
@example(999_994_999)
@example(999_995_000)
def test_a_count_is_exact_below_a_million_and_rounded_to_hundredths_of_a_unit_above(
    count: int,
) -> None:
    text = format_count(count)
    number, _, unit = text.partition(" ")
    value = Fraction(number.replace(",", "")) * SCALES[unit]
    assert abs(value - count) <= Fraction(SCALES[unit], 200) * (unit != "")
    assert len(number) <= 7
    assert bool(unit) == (count >= 10**6)


def test_a_count_of_any_size_is_short() -> None:
    assert format_count(10**21 - 1) == "1.00e+21"
    assert format_count(123 * 10**400) == "1.23e+402"


@pytest.mark.parametrize("name", ["lenet5", "unet"])
def test_a_walk_says_what_the_command_prints(name: str, tmp_path: Path) -> None:
    shape, layers = zoo_network(name)
    found = walk(layers, shape, name=name)
    printed = here("shape", "--net", name, "--json", cwd=tmp_path)
    assert found.to_dict() == json.loads(printed.text)
    assert [one.to_dict() for one in found.layers] == found.to_dict()["layers"]
    table = here("shape", "--net", name, cwd=tmp_path).text
    assert repr(found) + "\n" == table
    heading, _, *rows = table.splitlines()
    for one, row in zip(found.layers, rows, strict=False):
        first, _, last = repr(one).splitlines()
        assert (first.split(), last.split()) == (heading.split(), row.split())


def test_solutions_say_what_the_command_prints(tmp_path: Path) -> None:
    found = solve(224, 112)
    assert found == solve((224, 224), (112, 112))
    options = ("solve", "--h", "224", "--out", "112")
    assert found.to_dict() == json.loads(here(*options, "--json", cwd=tmp_path).text)
    table = here(*options, cwd=tmp_path).text
    assert repr(found) + "\n" == table
    assert [line.split() for line in repr(found[0]).splitlines()[::2]] == [
        line.split() for line in table.splitlines()[::2][:2]
    ]
    assert repr(solve(5, 100)) == "no layer does it"


def test_a_design_says_what_the_command_prints(tmp_path: Path) -> None:
    found = design((3, 64, 64), params=20_000, rf=40, out=16, multiple_of=4)
    options = ["design", "--input", "3x64x64", "--params", "20k", "--rf", "40", "--out", "16"]
    options += ["--multiple-of", "4"]
    assert found.to_dict() == json.loads(here(*options, "--json", cwd=tmp_path).text)
    printed = here(*options, cwd=tmp_path).text
    assert found.text == printed
    walked = here("shape", "--net", "-", cwd=tmp_path, stdin=printed.encode()).text
    assert repr(found) + "\n" == walked
    unet = design((3, 64, 64), params=20_000, rf=40, decoder=True)
    assert unet.network.output[1:] == (64, 64)


def test_a_design_asks_about_channels_that_come_last(tmp_path: Path) -> None:
    question = "did you mean 3x64x64? The channels come first"
    options = ("design", "--input", "64x64x3", "--params", "10M", "--rf", "9")
    done = here(*options, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, f"convcli: input 64x64x3: {question}\n")
    done = here(*options[:4], "10", *options[5:], cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr.endswith(f"{question}\n")
    with pytest.raises(ArgumentError, match="params must be at least 1"):
        design((3, 64, 64), params=0, rf=9)
    with pytest.raises(ArgumentError, match=re.escape("(C, H, W)")):
        design((64, 64), params=1000, rf=9)
