"""Network files: what is written reads back, and every mistake is named with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.network_oracle import Case, networks

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer, format_network, parse_layer, parse_network
from convcli.arithmetic.values import format_shape, parse_shape
from convcli.arithmetic.zoo import ZOO, zoo_network
from convcli.errors import NotationError


@given(networks(), st.integers(1, 99))
def test_a_network_that_is_written_reads_back(case: Case, channels: int) -> None:
    shape = (channels, *case.size)
    assert parse_network(format_network(shape, case.layers)) == (shape, list(case.layers))


@pytest.mark.parametrize("name", sorted(ZOO))
def test_a_well_known_network_reads_back(name: str) -> None:
    shape, texts = zoo_network(name)
    layers = [parse_layer(text) for text in texts]
    assert parse_network(format_network(shape, layers)) == (shape, layers)


@pytest.mark.parametrize("spec", ["gaussian:1.5", "@kernels/a=b.txt", "a b.npy"])
def test_a_real_kernel_reads_back(spec: str) -> None:
    layers = [Layer(op="conv", spec=spec, padding="same")]
    assert parse_network(format_network((1, 8, 8), layers)) == ((1, 8, 8), layers)


def test_comments_blank_lines_and_indents_say_nothing() -> None:
    text = "\n# a net\n\n  input 3x8x9  # its input\r\n\tconv:3,p=1 # one\n\n   relu\n#relu\n"
    shape, layers = parse_network(text)
    assert shape == (3, 8, 9)
    assert [format_layer(layer) for layer in layers] == ["conv:3,p=1", "relu"]


def test_the_input_may_be_left_out() -> None:
    assert parse_network("relu") == (None, [parse_layer("relu")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relu\nconv:3,z=2", r"^line 2: layer 'conv:3,z=2': 'z=2' is not known to conv, .*nobias$"),
        (
            "# a\n\ncnov:3",
            r"^line 3: layer 'cnov:3': unknown operation 'cnov'; did you mean 'conv'\? `",
        ),
        ("input 3x8\nrelu", r"^line 1: an input's shape is CxHxW"),
        ("input\nrelu", r"^line 1: an input's shape is CxHxW"),
        ("input 0x8x8\nrelu", r"^line 1: its channels must be at least 1, not 0"),
        ("input 3x8xb\nrelu", r"^line 1: its width must be a whole number"),
        ("relu\ninput 3x8x8", r"^line 2: the input's shape stands once, and first$"),
        ("input 3x8x8\ninput 3x8x8\nrelu", r"^line 2: the input's shape stands once, and first$"),
        ("relu relu", r"^line 1: layer 'relu relu'"),
        ("conv:3,s=0", r"^line 1: .*s must be at least 1, not 0"),
        ("conv:", r"^line 1: "),
        ("input 3x8x8", "^holds no layers$"),
        ("", "^holds no layers$"),
        ("# nothing", "^holds no layers$"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(NotationError, match=words):
        parse_network(text)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_is_worse_than_a_named_mistake(text: str) -> None:
    said = ""
    try:
        parse_network(text)
    except NotationError as error:
        said = str(error)
    assert not said or said.startswith("line ") or said == "holds no layers"


def test_shapes_are_written_as_they_are_read() -> None:
    assert parse_shape("3x224x225") == (3, 224, 225)
    assert format_shape((3, 224, 225)) == "3x224x225"
    assert format_shape((1000,)) == "1000"
