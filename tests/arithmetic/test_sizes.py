"""Which input sizes a network takes, and what it makes of them."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from support.network_oracle import Case, networks

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.sizes import SizeTrial, describe_sizes, size_rows, try_sizes
from convcli.arithmetic.values import Shape
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError, LimitError, ShapeError

PADDED_UNET = [
    "conv:3,p=1,c=4,name=skip", "maxpool:2", "conv:3,p=1,c=8", "upsample:2,mode=bilinear,name=up",
    "concat:from=skip+up", "conv:3,p=1,c=2",
]  # fmt: skip


def trials(texts: list[str], sizes: range, channels: int = 1) -> list[SizeTrial]:
    return try_sizes([parse_layer(text) for text in texts], channels, sizes)


def walked(case: Case, size: int) -> tuple[Shape | None, str]:
    try:
        return walk(case.layers, (1, size, size)).output, ""
    except ArgumentError as error:
        return None, str(error)


@settings(max_examples=25)
@given(networks())
def test_a_size_is_taken_if_and_only_if_the_network_can_be_walked(case: Case) -> None:
    for trial in try_sizes(case.layers, 1, range(1, 20, 3)):
        output, error = walked(case, trial.size)
        assert trial.output == output
        where, _, cause = (trial.error or "").partition("): ")
        assert error.startswith(where)
        assert error.endswith(cause)


def test_what_no_size_mends_is_raised() -> None:
    layers = [
        "conv:1,s=2,name=a",
        "conv:1,p=0.1.0.1,from=input",
        "crop:like=a,name=b",
        "add:from=a+b",
    ]
    with pytest.raises(ShapeError, match="jumps"):
        trials(layers, range(4, 9))


def test_an_encoder_and_decoder_give_even_sizes_back() -> None:
    found = trials(PADDED_UNET, range(200, 301))
    assert [trial.size for trial in found if trial.is_same_size] == list(range(200, 301, 2))
    assert all(trial.output is None for trial in found if trial.size % 2)
    assert describe_sizes(found) == (
        "takes 51 of 101 sizes, and gives the same size back for 51: every 2 from 200 to 300"
    )


def test_the_unet_of_the_paper_drops_nothing_of_every_sixteenth_size() -> None:
    _, texts = zoo_network("unet")
    found = trials(list(texts), range(180, 600))
    whole = [trial.size for trial in found if trial.output is not None and trial.dropping is None]
    assert whole == list(range(188, 600, 16))
    (output,) = [trial.output for trial in found if trial.size == 572]
    assert output == (2, 388, 388)


def test_padding_and_gaps_that_are_left_over_are_not_called_dropped() -> None:
    _, texts = zoo_network("resnet18")
    assert size_rows(trials(list(texts), range(200, 301), 3)) == [["200..300", "1000", ""]]


def test_sizes_of_one_result_are_one_row() -> None:
    formula = "height floor((1 + 0 + 0 - 1*(3 - 1) - 1) / 3) + 1 = 0"
    assert size_rows(trials(["maxpool:3", "abs"], range(1, 10))) == [
        ["1..2", "none", f"layer 1 (maxpool:3): the output would be empty: {formula}"],
        ["3", "1x1x1", ""],
        ["4..5", "1x1x1", "maxpool:3 drops rows or columns"],
        ["6", "1x2x2", ""],
        ["7..8", "1x2x2", "maxpool:3 drops rows or columns"],
        ["9", "1x3x3", ""],
    ]  # fmt: skip
    assert size_rows(trials(["conv:3,p=1"], range(1, 10))) == [
        ["1..9", "1x1x1..1x9x9", "the same size"]
    ]


@pytest.mark.parametrize(
    ("taken", "same", "text"),
    [
        (range(1, 4), range(1, 4), "takes 3 of 3 sizes, and gives the same size back for all"),
        (range(1, 4), (), "takes 3 of 3 sizes"),
        ((2, 3), (), "takes 2 of 3 sizes: 2, 3"),
        ((), (), "takes 0 of 3 sizes"),
        ((1, 3), (3,), "takes 2 of 3 sizes, and gives the same size back for 1: 3"),
    ],
)
def test_what_is_taken_is_said_in_a_line(taken: range, same: range, text: str) -> None:
    found = [
        SizeTrial(size, ((1, size, size) if size in same else (5,)) if size in taken else None)
        for size in (1, 2, 3)
    ]
    assert describe_sizes(found) == text


def test_too_many_sizes_are_refused_and_the_most_are_tried_in_time() -> None:
    with pytest.raises(LimitError, match=r"^10,000 sizes of 100 layers take too long: try fewer"):
        trials(["relu"] * 100, range(1, 10_001))
    with pytest.raises(LimitError, match=r"^99,999,999,999,999,999,999 sizes of 1 layers take"):
        trials(["relu"], range(1, 10**20))
    started = process_time()
    assert len(trials(["conv:3,p=1"] * 50, range(1, 301))) == 300
    assert process_time() - started < 3
