"""Maps resampled to another height and width."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.networks.onnx.reader import Call, Converter, UnknownError, Value, as_axis, make_layer

_MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
_COORDINATES = {
    "half_pixel": "half-pixel",
    "asymmetric": "asymmetric",
    "align_corners": "align-corners",
    "pytorch_half_pixel": "pytorch-half-pixel",
    "half_pixel_symmetric": "half-pixel-symmetric",
    "tf_half_pixel_for_nn": "tf-half-pixel",
}
_ROUNDINGS = {
    "round_prefer_floor": "round-down",
    "round_prefer_ceil": "round-up",
    "floor": "floor",
    "ceil": "ceil",
}


def _resize(call: Call) -> Value:
    value = call.map()
    rank, is_first_kind = len(value.dims), call.node.op == "Upsample" or call.opset == 10
    if rank not in (3, 4) or value.dims[0] != call.batch or call.attribute("antialias", 0):
        raise UnknownError
    if call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnknownError
    if is_first_kind:
        scales, sizes = call.numbers(1) or call.attribute("scales"), None
    else:
        scales, sizes = call.numbers(2), call.numbers(3)
    axes = [as_axis(axis, rank) for axis in call.attribute("axes") or range(rank)]
    settings = _settings(call, is_first_kind=is_first_kind)
    if sizes:
        return _to_sizes(call, value, _of_all(sizes, axes, value.dims), settings)
    if not scales:
        raise UnknownError
    return _by_scales(call, value, _of_all(scales, axes, [1.0] * rank), settings)


def _of_all(numbers: Sequence[Any], axes: Sequence[int], defaults: Sequence[Any]) -> list[Any]:
    """Return what numbers of some axes give for all."""
    given = dict(zip(axes, numbers, strict=True))
    return [given.get(axis, default) for axis, default in enumerate(defaults)]


def _settings(call: Call, *, is_first_kind: bool) -> dict[str, Any]:
    mode = _MODES.get(call.attribute("mode", "nearest"))
    default = "asymmetric" if is_first_kind else "half_pixel"
    coordinates = _COORDINATES.get(call.attribute("coordinate_transformation_mode", default))
    default = "floor" if is_first_kind else "round_prefer_floor"
    rounding = _ROUNDINGS.get(call.attribute("nearest_mode", default))
    if mode is None or coordinates is None or rounding is None:
        raise UnknownError
    values: dict[str, Any] = {"interpolation": mode}
    if coordinates != ("asymmetric" if mode == "nearest" else "half-pixel"):
        values["coordinates"] = coordinates
    if mode == "nearest":
        values["nearest"] = rounding
    if mode == "bicubic":
        values["cubic"] = float(str(np.float32(call.attribute("cubic_coeff_a", -0.75))))
        values["is_inside"] = bool(call.attribute("exclude_outside", 0))
    elif call.attribute("exclude_outside", 0) and mode != "nearest":
        raise UnknownError
    return values


def _to_sizes(call: Call, value: Value, sizes: Sequence[Any], settings: dict[str, Any]) -> Value:
    height, width = value.shape[1:]
    size = (1 if len(sizes) == 3 else int(sizes[2]), int(sizes[-1]))
    if list(sizes[:2]) != list(value.dims[:2]):
        raise UnknownError
    if size[0] % height or size[1] % width:
        return call.emit(make_layer("resize", size=size, **settings), value)
    scales = ((size[0] // height, 1), (size[1] // width, 1))
    return call.emit(make_layer("upsample", scales=scales, **settings), value)


def _by_scales(call: Call, value: Value, scales: Sequence[Any], settings: dict[str, Any]) -> Value:
    if list(scales[:2]) != [1, 1] or min(scales) <= 0:
        raise UnknownError
    rows = 1.0 if len(scales) == 3 else scales[2]
    pairs = _ratio(rows), _ratio(scales[-1])
    return call.emit(make_layer("upsample", scales=pairs, **settings), value)


def _ratio(scale: float) -> Pair:
    """Return a scale as a fraction: the shortest decimal that is the same float32."""
    return Fraction(str(np.float32(scale))).as_integer_ratio()


CONVERTERS: dict[str, Converter] = {"Resize": _resize, "Upsample": _resize}
