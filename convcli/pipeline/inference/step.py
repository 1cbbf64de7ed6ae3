"""A network of a file as the step of a plan, and how the file is loaded for inputs of a shape."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import TypeAlias

from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, FileError
from convcli.networks import InputSides, is_onnx, read_input_sides
from convcli.pipeline.network import Network, load_network
from convcli.records import NamedTuple

MAX_LOADED = 2  # networks that a process keeps, each for one size of its input

Factors: TypeAlias = tuple[float, ...]  # one for all channels, or one for each
Sides: TypeAlias = "tuple[int | None, ...] | None"  # of an input; None where any will do


class NetworkStep(NamedTuple):
    """A network of a file, and how inputs and outputs go through it.

    Parameters
    ----------
    path : str
    at : tuple of str
        The layers or outputs whose maps are wanted; the last output if there are none.
    scale : tuple of float, optional
        What values are multiplied by; left out, as `default_scale` says.
    mean, std : tuple of float
        What is subtracted then, and what is divided by.
    tile : int, optional
        The side of the tiles that it is run in; left out, it is chosen so that memory suffices.
    prints_vectors : bool
        Whether flat outputs are reported, and so need no file.
    """

    path: str
    at: tuple[str, ...] = ()
    scale: Factors | None = None
    mean: Factors = (0.0,)
    std: Factors = (1.0,)
    tile: int | None = None
    prints_vectors: bool = False

    def resolve(self, folder: str) -> NetworkStep:
        """Return the step with an absolute path, for a worker in another folder."""
        marker = "@" if self.path.startswith("@") else ""
        return self._replace(path=f"{marker}{Path(folder) / self.path.removeprefix('@')}")

    def keep_maps(self, is_kept: Sequence[bool]) -> NetworkStep:
        """Return the step with some of its maps."""
        return self._replace(at=tuple(compress(self.at, is_kept)))


def check_network(step: NetworkStep) -> None:
    """Find what is wrong with a network before any input is opened, as far as it is known then.

    Raises
    ------
    FileError
        Of the network's file.
    """
    with _errors_of(step):
        sides = input_sides(step)
        if sides is not None and len(sides) == 3 and None not in sides:
            shape = tuple(side for side in sides if side is not None)
            network = load(step, shape)
            for factors in (step.scale or (1.0,), step.mean, step.std):
                check_factors(factors, shape[0])
            names = step.at or (list(network.outputs)[-1],)
            network.schedule({next(iter(network.inputs)): shape}, names)


@contextmanager
def _errors_of(step: NetworkStep) -> Iterator[None]:
    try:
        yield
    except ArgumentError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(step.path, str(error)) from error


def input_sides(step: NetworkStep) -> Sides:
    """Return the sides of the only input of a network, of which some may be open."""
    return _read_sides(step.path, _identify(step.path))


@lru_cache(MAX_LOADED)
def _read_inputs(path: str, _: object) -> dict[str, InputSides]:
    """Return what an ONNX file says of its inputs; to read it takes long where it is large."""
    return read_input_sides(path)


@lru_cache(MAX_LOADED)
def _read_sides(path: str, identity: object) -> Sides:
    if not is_onnx(path):
        return next(iter(load_network(path).inputs.values()))
    inputs = _read_inputs(path, identity)
    if not inputs:
        raise ArgumentError("has no input that its outputs depend on")
    if len(inputs) > 1:
        names = ", ".join(inputs)
        raise ArgumentError(f"has {len(inputs)} inputs ({names}), and apply gives it one picture")
    sides = next(iter(inputs.values())).sides
    if sides is not None and len(sides) != 3:
        raise ArgumentError(f"takes {len(sides)} axes, not a picture of (C, H, W)")
    return sides


def load(step: NetworkStep, shape: Shape) -> Network:
    """Return the network for inputs of a shape, (C, H, W); it is read once for the same ones."""
    return _load_file(step.path, _identify(step.path), shape)


@lru_cache(MAX_LOADED)
def _load_file(path: str, identity: object, shape: Shape) -> Network:
    if not is_onnx(path):
        return load_network(path)
    (name, (sides, is_channels_last)), *_ = _read_inputs(path, identity).items()
    if sides is not None and None not in sides:
        return load_network(path)
    return load_network(path, {name: (*shape[1:], shape[0]) if is_channels_last else shape})


def _identify(path: str) -> object:
    """Return what tells a file from another that took its place."""
    try:
        status = os.stat(path.removeprefix("@"))  # noqa: PTH116
    except OSError:  # which opening it will tell
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_factors(factors: Factors, channels: int) -> None:
    """Check that there is one factor, or one for each channel of the network's input."""
    if len(factors) not in (1, channels):
        raise ArgumentError(
            f"--scale, --mean and --std have one number or one a channel: {len(factors)} were "
            f"given, and the network takes {channels}"
        )
