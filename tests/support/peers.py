"""Libraries that the engine is compared with, and readers and writers that it is tried with.

`CONVCLI_PEERS` says which of them a test may not be skipped for: `dev` for those of the extra
`dev`, `all` for the frameworks of the extra `peers` as well.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from types import ModuleType

import pytest

FRAMEWORKS = ("onnxruntime", "timm", "torch", "torchvision")  # the extra `peers`
REQUIRED = os.environ.get("CONVCLI_PEERS", "")

is_marked = False  # whether the test that runs has the mark `peers`; conftest.py sets it


def require_peer(name: str) -> ModuleType:
    """Import a library, or skip the test that asks for it.

    Raises
    ------
    ImportError
        If it is missing although `CONVCLI_PEERS` requires it.
    AssertionError
        If a test asks for a framework without the mark `peers`, by which it is selected.
    """
    is_framework = name.partition(".")[0] in FRAMEWORKS
    assert is_marked or not is_framework, f"a test that needs {name} has the mark `peers`"
    if name.partition(".")[0] in ("torchvision", "timm"):
        _define_operators()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ImportError:
        if REQUIRED == "all" or (REQUIRED == "dev" and not is_framework):
            raise
        pytest.skip(f"{name} is not installed", allow_module_level=True)


def _define_operators() -> None:
    """Define the operators of torchvision's compiled part, which does not load beside every torch.

    Its networks do not use them, but it registers rules for them when it is imported.
    """
    torch = require_peer("torch")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", schema)
