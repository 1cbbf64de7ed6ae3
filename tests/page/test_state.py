"""How a page writes numbers and states: what it writes it reads back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.browser import call
from support.page_states import random_state
from support.page_views import MINUS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_the_address_of_any_state_gives_it_back(modules: Page) -> None:
    random = np.random.default_rng(5)
    states = [{**random_state(random), "layers": ["relu", "maxpool:1,s=1"]} for _ in range(60)]
    pairs = list(zip(states, [*states[1:], states[0]], strict=True))
    hashes = call(modules, "state.js", "writeHash", [list(pair) for pair in pairs])
    found = call(
        modules, "state.js", "readHash",
        [[text, own] for text, (_, own) in zip(hashes, pairs, strict=True)],
    )  # fmt: skip
    assert found == states
    assert call(modules, "state.js", "writeHash", [[state, state] for state in states]) == [""] * 60
    assert not any(set(text) & set(' "<>`\\') for text in hashes)


def test_numbers_are_written_as_close_as_their_digits_tell(modules: Page) -> None:
    random = np.random.default_rng(6)
    numbers: list[float] = [0.0, -0.0, 1e21, -1e-7, 4.38e-7, 99999, -99999, 123456, 0.1 + 0.2]
    numbers += (random.normal(size=200) * 10.0 ** random.integers(-12, 12, 200)).tolist()
    for function, digits in (("formatNumber", 6), ("formatCell", 3)):
        texts = call(modules, "text.js", function, [[number] for number in numbers])
        for number, text in zip(numbers, texts, strict=True):
            read = float(text.replace(MINUS, "-"))
            assert math.isclose(read, number, rel_tol=0.51 * 10.0 ** (1 - digits), abs_tol=1e-300)
            assert "-" not in text
    texts = call(modules, "text.js", "formatNumber", [[number, 17] for number in numbers])
    assert call(modules, "text.js", "readNumber", [[text] for text in texts]) == numbers


def test_what_is_no_number_is_not_read(modules: Page) -> None:
    wrong: list[list[Any]] = [
        [text] for text in ("", "-", "1,5", "0x1", "1e999", "1/0", "1 2", "Infinity", "--1", "1/-2")
    ]
    assert call(modules, "text.js", "readNumber", wrong) == [None] * len(wrong)
    assert call(modules, "text.js", "readNumber", [[" 1/4 "], [".5"], ["+2."]]) == [0.25, 0.5, 2.0]
