"""`convcli layers`: every operation, how it is written, and what it does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.command import here
from support.golden import on_terminal

from convcli.arithmetic.layers import OPERATIONS, Layer
from convcli.arithmetic.notation import parse_layer

KEYS = [
    *("name", "family", "syntax", "about", "example", "shape", "receptive_field"),
    *("argument", "keys", "flags"),
]


def document(folder: Path, *operation: str) -> Any:
    done = here("layers", "--json", *operation, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.isascii()
    return json.loads(done.text)


def test_all_operations_are_one_list_of_objects_and_one_is_an_object(tmp_path: Path) -> None:
    listed = document(tmp_path)
    assert [one["name"] for one in listed] == list(OPERATIONS)
    for one in listed:
        assert list(one) == KEYS
        assert document(tmp_path, one["name"]) == one
        assert parse_layer(one["example"]).op == one["name"]
        keys = {key["key"] for key in one["keys"]}
        assert "name" in keys
        assert ("from" in keys) != OPERATIONS[one["name"]].is_source
        for item in (*one["keys"], *one["flags"]):
            assert item["about"]


def test_the_defaults_are_those_of_a_layer(tmp_path: Path) -> None:
    conv = {key["key"]: key["default"] for key in document(tmp_path, "conv")["keys"]}
    assert [conv[key] for key in ("k", "s", "d", "mode")] == [None, "1", "1", Layer(op="conv").mode]
    pool = {key["key"]: key["default"] for key in document(tmp_path, "maxpool")["keys"]}
    assert pool["s"] == "k"
    slope = document(tmp_path, "leaky-relu")["argument"]
    assert slope == {"value": "SLOPE", "default": "0.01", "about": "the slope below zero"}
    assert document(tmp_path, "relu")["argument"] is None
    assert [flag["flag"] for flag in document(tmp_path, "avgpool")["flags"]] == ["ceil", "nopad"]


def test_the_tables_say_how_each_is_written_and_what_it_does(tmp_path: Path) -> None:
    done = here("layers", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    for operation in OPERATIONS.values():
        for text in (operation.syntax, operation.example, operation.description):
            assert text in done.text
        for text in (operation.shape_effect, operation.field_effect):
            assert re.search(
                rf"^{re.escape(operation.name)} .* {re.escape(text)}( |$)", done.text, re.MULTILINE
            )
    for item in (
        "from=NAMES",
        "name=NAME",
        "g=N|depthwise",
        "nobias",
        "nopad",
        "ceil",
        "like=NAME",
    ):
        assert re.search(rf"^{re.escape(item)} ", done.text, re.MULTILINE)


def test_a_further_input_has_no_from(tmp_path: Path) -> None:
    assert "from=NAMES" not in here("layers", "input", cwd=tmp_path).text
    (row,) = [
        line
        for line in here("layers", cwd=tmp_path).text.splitlines()
        if line.startswith("from=NAMES")
    ]
    assert row.endswith("all but input")


def test_one_operation_has_its_keys_and_their_defaults(tmp_path: Path) -> None:
    text = here("layers", "crop", cwd=tmp_path).text
    for words in (
        "crop:N|HxW|T.B.L.R or crop:like=NAME",
        "example",
        "like=NAME",
        "start moves by N jumps",
    ):
        assert words in text


@pytest.mark.parametrize("arguments", [["layers"], *(["layers", op] for op in OPERATIONS)])
def test_a_terminal_of_80_columns_breaks_no_word(tmp_path: Path, arguments: list[str]) -> None:
    whole = here(*arguments, cwd=tmp_path).text
    narrow = on_terminal(arguments, tmp_path).text
    shown = re.sub(r"\x1b\[[0-9;]*m", "", narrow)
    assert max(map(len, shown.splitlines())) <= 80
    ruled = re.compile("─+")
    assert sorted(ruled.sub("", shown).split()) == sorted(ruled.sub("", whole).split())


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("conv2", "; did you mean 'conv'?"),
        ("leakyrelu", "; did you mean 'leaky-relu'?"),
        ("x", ";"),
    ],
)
def test_an_unknown_operation_names_the_nearest(tmp_path: Path, operation: str, hint: str) -> None:
    message = f"convcli: unknown operation {operation!r}{hint} `convcli layers` lists them\n"
    done = here("layers", operation, cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr) == (2, b"", message)
