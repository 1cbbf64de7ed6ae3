"""Random states of a page, and what the engine makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.conv2d import conv2d
from convcli.engine.padding import pad2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.engine.transposed import conv_transpose2d

MODES = ("zero", "constant:2.5", "constant:-7", "reflect", "replicate", "circular", "symmetric")
OPS = ("conv", "conv", "tconv", "maxpool", "avgpool")


def random_state(random: np.random.Generator, op: str | None = None) -> dict[str, Any]:
    """Return a state whose output is not empty."""
    while True:
        state = _propose(random, op or str(random.choice(OPS)))
        state["padding"] = [list(map(int, pair)) for pair in state["padding"]]
        if min(_output_sides(state)) >= 1:
            rows, columns = _output_sides(state)
            state["at"] = {
                "channel": int(random.integers(_output_channels(state))),
                "row": int(random.integers(rows)),
                "column": int(random.integers(columns)),
            }
            return state


def _propose(random: np.random.Generator, op: str) -> dict[str, Any]:
    def pair(low: int, high: int) -> list[int]:
        return [int(side) for side in random.integers(low, high + 1, 2)]

    size, kernel, stride, dilation = pair(1, 9), pair(1, 4), pair(1, 3), pair(1, 3)
    most = [max(step, gap) for step, gap in zip(stride, dilation, strict=True)]
    groups = int(random.choice([1, 1, 2, 3]))
    inner, outer = (int(count) for count in random.integers(1, 3, 2))
    channels = groups * inner
    is_pool = op.endswith("pool")
    shape = [1, 1] if is_pool or random.random() < 0.4 else [groups * outer, inner]
    weights = random.integers(-9, 10, (*shape, *kernel)) / random.choice([1, 8])
    values = random.integers(-99, 100, (channels, *size)) / random.choice([1, 4])
    return {
        "op": op,
        "kernel": kernel,
        "stride": stride,
        "padding": random.integers(0, 5, (2, 2)).tolist(),
        "dilation": dilation,
        "outputPadding": [int(random.integers(side)) for side in most],
        "mode": str(random.choice(MODES)),
        "flip": bool(random.random() < 0.5),
        "ceil": bool(random.random() < 0.5),
        "countPadding": bool(random.random() < 0.5),
        "bias": float(random.integers(-3, 4)) * (not is_pool),
        "mapBiases": [],
        "range": str(random.choice(["clamp", "abs", "rescale", "offset", "none"])),
        "relu": bool(random.random() < 0.3),
        "layers": [],
        "weights": (np.ones((1, 1, *kernel)) if is_pool else weights).tolist(),
        "input": values.tolist(),
        "size": size,
    }


def _output_sides(state: dict[str, Any]) -> list[int]:
    sides = []
    for size, kernel, stride, (before, after), dilation, added in zip(
        *(state[key] for key in ("size", "kernel", "stride", "padding", "dilation")),
        state["outputPadding"], strict=True
    ):  # fmt: skip
        extent = dilation * (kernel - 1) + 1
        if state["op"] == "tconv":
            sides.append((size - 1) * stride + extent - before - after + added)
            continue
        slack = size + before + after - extent
        side = slack // stride + 1
        if state["op"] != "conv" and state["ceil"]:
            side = -(-slack // stride) + 1
            side -= (side - 1) * stride >= size + before
        sides.append(side if slack >= 0 else 0)
    return sides


def _output_channels(state: dict[str, Any]) -> int:
    weights = np.asarray(state["weights"])
    return len(state["input"]) if weights.shape[:2] == (1, 1) else len(weights)


def run_engine(state: dict[str, Any]) -> NDArray[Any]:
    """Return the outputs of the engine, (C, H, W)."""
    x = np.asarray(state["input"], np.float64)
    pads = tuple(map(tuple, state["padding"]))
    window: dict[str, Any] = {"stride": state["stride"], "dilation": state["dilation"]}
    pool = {**window, "padding": pads, "ceil_mode": state["ceil"]}
    if state["op"] == "maxpool":
        outputs = max_pool2d(x, state["kernel"], **pool)
    elif state["op"] == "avgpool":
        counted = state["countPadding"]
        outputs = avg_pool2d(x, state["kernel"], count_include_pad=counted, **pool)
    else:
        outputs = _convolve(state, x, pads, window)
    return np.maximum(outputs, 0) if state["relu"] else outputs


def _convolve(
    state: dict[str, Any], x: NDArray[Any], pads: Any, window: dict[str, Any]
) -> NDArray[Any]:
    weights = np.asarray(state["weights"], np.float64)
    if state["flip"]:
        weights = weights[:, :, ::-1, ::-1]
    if weights.shape[:2] == (1, 1):
        weights = np.concatenate([weights] * len(x))
    inner = weights.shape[1]
    groups = len(x) // inner
    bias = np.full(len(weights), state["bias"])
    if state["mapBiases"]:
        bias = bias + state["mapBiases"]
    if state["op"] == "conv":
        return conv2d(pad2d(x, pads, state["mode"]), weights, bias, groups=groups, **window)
    outer = len(weights) // groups
    maps = [
        conv_transpose2d(
            x[group * inner : (group + 1) * inner],
            weights[group * outer : (group + 1) * outer].swapaxes(0, 1),
            bias[group * outer : (group + 1) * outer],
            padding=pads, output_padding=state["outputPadding"], **window,
        )
        for group in range(groups)
    ]  # fmt: skip
    return np.concatenate(maps)
