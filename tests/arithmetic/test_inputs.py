"""Networks with several inputs and outputs, by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import here

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT, input_indices, parse_layer
from convcli.errors import ArgumentError, NotationError

TWO = (
    "conv:3,p=1,c=4,name=a", "input:3x16x16,name=guide", "conv:3,p=1,c=4,name=b",
    "concat:from=a+b,name=c",
)  # fmt: skip


def test_a_further_input_takes_no_layer_and_is_taken_by_name() -> None:
    assert input_indices([parse_layer(layer) for layer in TWO]) == [(INPUT,), (), (1,), (0, 2)]
    found = walk(TWO, (1, 16, 16))
    assert found.input == (1, 16, 16)
    assert found.inputs == {"input": (1, 16, 16), "guide": (3, 16, 16)}
    assert found.layers[1].inputs == ((3, 16, 16),)
    one = found.layers[-1]
    assert (one.output, one.receptive_field, one.coverage) == ((8, 16, 16), (3, 3), (3, 3))
    assert one.is_map
    assert found.params == 4 * 9 + 4 + 4 * 27 + 4


def test_shapes_of_inputs_are_given_by_their_names() -> None:
    found = walk(TWO, {"photo": (1, 8, 9), "guide": (2, 8, 9)})
    assert found.inputs == {"photo": (1, 8, 9), "guide": (2, 8, 9)}
    assert found.output == (8, 8, 9)
    assert walk(TWO, {"x": (1, 16, 16)}).inputs["guide"] == (3, 16, 16)
    with pytest.raises(ArgumentError, match="one of any name, and guide; 'x' and 'y'"):
        walk(TWO, {"x": (1, 8, 8), "y": (1, 8, 8)})
    with pytest.raises(ArgumentError, match="none would be"):
        walk(TWO, {"guide": (1, 8, 8)})


def test_branches_of_different_inputs_may_have_different_jumps() -> None:
    two = ["conv:3,s=2,p=1,c=4,name=a", "input:4x8x8,name=guide", "add:from=a+guide", "relu"]
    found = walk(two, (3, 16, 16))
    assert (found.output, found.params) == ((4, 8, 8), 4 * 27 + 4)
    assert [layer.receptive_field for layer in found.layers] == [(3, 3), (1, 1), None, None]
    (note, unknown) = found.notes
    assert "different jumps, 1 and 2: their outputs drift apart, on different inputs" in note
    assert "unknown" in unknown
    with pytest.raises(ArgumentError, match="different jumps, 1 and 2"):
        walk(["maxpool:2,name=a", "crop:like=a,from=input,name=b", "add:from=a+b"], (3, 8, 8))


def test_inputs_can_be_flat() -> None:
    found = walk(["linear:4,name=a", "input:3,name=b", "concat:from=a+b"], (10,))
    assert (found.inputs, found.output) == ({"input": (10,), "b": (3,)}, (7,))
    assert found.layers[0].coverage == (1, 1)


def test_what_no_layer_takes_is_an_output() -> None:
    found = walk([*TWO, "conv:1,c=2,name=d", "globalavgpool:from=c,name=e"], (1, 16, 16))
    assert found.outputs == {"d": (2, 16, 16), "e": (8, 1, 1)}
    assert walk(TWO, (1, 16, 16)).outputs == {"c": (8, 16, 16)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("input:3x4x4", "needs a name"),
        ("input:name=x", "needs its shape"),
        ("input:3x4x4,name=x,from=a", "takes no layer's output"),
        ("input:3x0x4,name=x", "at least 1"),
        ("opaque:out=3x4", "needs the operation's type"),
        ("opaque:Foo", "needs its output's shape"),
        ("opaque:a=b,out=3", "not known to opaque"),
        ("opaque:Foo,out=3,params=-1", "whole number"),
    ],
)
def test_inputs_and_unknown_operations_are_written_whole(text: str, words: str) -> None:
    with pytest.raises(NotationError, match=words):
        parse_layer(text)


def test_several_inputs_and_outputs_are_in_the_document(tmp_path: Path) -> None:
    arguments = ("shape", "--input", "1x16x16", "--json")
    found = json.loads(here(*arguments, *TWO, "conv:1,from=a", cwd=tmp_path).stdout)
    assert found["inputs"] == {"input": [1, 16, 16], "guide": [3, 16, 16]}
    assert found["outputs"] == {"c": [8, 16, 16], "conv1": [4, 16, 16]}
    plain = json.loads(here(*arguments, "conv:3", cwd=tmp_path).stdout)
    assert "inputs" not in plain
    assert "outputs" not in plain


def test_a_further_input_cannot_be_applied(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n3,4\n")
    done = here("apply", "a.csv", "-l", "input:1x2x2,name=x", "--print", cwd=tmp_path)
    assert done.code == 2
