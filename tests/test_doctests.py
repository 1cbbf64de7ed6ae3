"""The examples in the documentation run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import numpy as np
import pytest

import convcli

MODULES = [
    "convcli",
    *(
        module.name
        for module in walk_packages(convcli.__path__, "convcli.")
        if not module.name.endswith("__main__")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    module = import_module(name)
    with np.printoptions(legacy=False):
        failed, _ = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    counts = [len(one.examples) for name in MODULES for one in finder.find(import_module(name))]
    assert sum(counts) > 50
