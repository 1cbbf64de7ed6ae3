"""Tensors of `.safetensors` files, read as the format's own package writes them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from convcli.errors import FileError
from convcli.networks.safetensors import MAX_HEADER_BYTES, list_weights

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])


def written(folder: Path, content: bytes) -> str:
    path = folder / "w.safetensors"
    path.write_bytes(content)
    return str(path)


def encoded(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@given(
    tensors=st.dictionaries(
        st.text(min_size=1, max_size=9).filter(lambda name: name != "__metadata__"),
        FLOATS.flatmap(
            lambda dtype: arrays.arrays(
                dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
            )
        ),
        max_size=4,
    )
)
@settings(max_examples=15)
def test_every_tensor_is_read_as_it_was_written(
    tensors: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("any"), save(tensors, {"format": "pt"}))
    found = list_weights(path)
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        weights, biases = found[name].load()
        assert (found[name].shape, weights.dtype, biases) == (values.shape, values.dtype, None)
        np.testing.assert_array_equal(weights, values)


def test_a_brain_float_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3.140625], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    weights, _ = list_weights(written(tmp_path, encoded(header, halves)))["a"].load()
    assert weights.tolist() == values.tolist()


def test_what_holds_no_real_numbers_is_said_to(tmp_path: Path) -> None:
    found = list_weights(written(tmp_path, save({"ids": np.arange(3)})))
    assert found["ids"].fault == "holds I64, not real numbers"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no .safetensors file"),
        (b"\x80\x04pickle" * 9, "is no .safetensors file"),
        (encoded({})[:-1], "is no .safetensors file"),
        (encoded(b"[]"), "is no .safetensors file"),
        (encoded(b"{,}"), "is not JSON"),
        (encoded(b'{"a": 1, "a": 2}'), "twice"),
        (encoded(b"[" * 100_000 + b"]" * 100_000), "is nested too deeply"),
        (struct.pack("<Q", MAX_HEADER_BYTES + 1) + bytes(MAX_HEADER_BYTES + 1), "has a header of"),
        (struct.pack("<Q", 1 << 63), "is no .safetensors file"),
        (encoded({"a": 1}), "is no .safetensors file"),
        (encoded(entry(shape="2"), bytes(8)), "says no type, shape and place"),
        (encoded(entry(shape=[True, 2]), bytes(8)), "says no type, shape and place"),
        (encoded(entry(shape=[-2]), bytes(8)), "says no type, shape and place"),
        (encoded(entry(shape=[1] * 33), bytes(8)), "says no type, shape and place"),
        (encoded(entry(dtype=["F32"]), bytes(8)), "says no type, shape and place"),
        (encoded(entry(data_offsets=[0]), bytes(8)), "says no type, shape and place"),
        (encoded(entry(data_offsets=[8, 0]), bytes(8)), "is cut short"),
        (encoded(entry(), bytes(7)), "is cut short"),
        (encoded(entry(data_offsets=[0, 10**30]), bytes(8)), "is cut short"),
        (encoded(entry(shape=[10**9, 10**9]), bytes(8)), "numbers in 8 bytes"),
    ],
)
def test_a_header_that_lies_is_one_error_of_the_file(
    content: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=words) as caught:
        list_weights(written(tmp_path, content))
    assert caught.value.path.endswith("w.safetensors")
    assert "\n" not in str(caught.value)
