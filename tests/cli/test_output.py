"""What commands print: JSON as the standard library writes it, and nothing that it forbids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.cli.output import format_json

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["conv", "leaky-relu", 'a"b', "a\\b", "é", ""])
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(DOCUMENTS)
def test_a_document_is_what_the_standard_library_writes(document: Any) -> None:
    assert format_json(document) == json.dumps(document)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_there_is_no_json_of_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_json({"values": [1, number]})
