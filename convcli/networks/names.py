"""Names of PyTorch's modules in the names of layers."""

from __future__ import annotations

from collections.abc import Iterable


def module_path(name: str) -> str:
    """Return the path of the module that a layer belongs to, as PyTorch's `state_dict` has it.

    The exporter names a node by the modules around it, each by its path in one that holds it.

    >>> module_path("/layer1/layer1.0/conv1/Conv"), module_path("/conv1/Conv"), module_path("conv1")
    ('layer1.0.conv1', 'conv1', '')
    """
    if not name.startswith("/"):
        return ""
    path: list[str] = []
    for part in name.split("/")[1:-1]:
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return ".".join(path)


def find_in_module(module: str, names: Iterable[str]) -> list[str]:
    """Return the names of the layers in a module, and in those that it holds.

    >>> find_in_module("layer1", ["/conv1/Conv", "/layer1/layer1.0/conv1/Conv", "/layer1/Relu"])
    ['/layer1/layer1.0/conv1/Conv', '/layer1/Relu']
    """
    return [name for name in names if f"{module_path(name)}.".startswith(f"{module}.")]
