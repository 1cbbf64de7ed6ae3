"""Further inputs of a network, which are given as they are."""

from __future__ import annotations

from convcli.engine.operations import LayerFunction, on_each_value

FUNCTIONS: dict[str, LayerFunction] = {"input": on_each_value(lambda x: x)}
