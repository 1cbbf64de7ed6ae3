"""A plan: every number within its limit, every size known before it is computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import ndimage
from support.oracles import MODES, SCIPY_MODES, Geometry, filter_channels, geometries, whole_numbers
from support.pipeline import convolve, filter_picture

from convcli.arithmetic.notation import parse_layer
from convcli.errors import ArgumentError, KernelError, KernelFileError, LimitError, ShapeError
from convcli.images import Picture, ReadSettings
from convcli.kernels import Kernel
from convcli.pipeline.computation import infer_shapes
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import (
    Plan,
    Step,
    check_limits,
    load_kernels,
    make_convolution,
    make_layer_steps,
)
from convcli.pipeline.process import dry_run


def plan(*layers: str, max_pixels: int = 10_000) -> Plan:
    stack = make_layer_steps([parse_layer(text) for text in layers], method="auto")
    return Plan(layers=stack, reading=ReadSettings(max_pixels=max_pixels))


# ---- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        *("conv:1002", "maxpool:1x1002", "conv:3,s=65537", "conv:3,d=65537", "conv:3,p=65537"),
        *("avgpool:2,p=0.0.0.65537", "crop:65537", "adaptiveavgpool:65537", "conv:3,s=1x65537"),
    ],
)
def test_typed_numbers_beyond_their_limit_are_refused(layer: str) -> None:
    with pytest.raises(LimitError):
        check_limits(parse_layer(layer))


@pytest.mark.parametrize(
    "layer",
    ["conv:1001", "conv:3,s=65536,d=65536,p=65536", "crop:65536", "adaptiveavgpool:13416", "relu"],
)
def test_typed_numbers_at_their_limit_are_allowed(layer: str) -> None:
    check_limits(parse_layer(layer))


def test_sizes_are_checked_by_arithmetic_before_memory_is_taken() -> None:
    with pytest.raises(LimitError, match="1,000,000,000,000 pixels"):
        infer_shapes(plan("tconv:kernel=ones:1000,s=1000,p=0"), (1, 1000, 1000))
    with pytest.raises(LimitError, match="padded input"):
        infer_shapes(plan("conv:kernel=blur,p=60000,s=60000"), (1, 10, 10))
    with pytest.raises(LimitError):
        infer_shapes(plan("adaptiveavgpool:101"), (1, 10, 10))
    infer_shapes(plan("adaptiveavgpool:100"), (1, 10, 10))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (["maxpool:11"], "layer maxpool:11 on 1x10x10: the output would be empty"),
        (["maxpool:2", "maxpool:6"], "layer maxpool:6 on 1x5x5: the output would be empty"),
        (["crop:5"], "cannot be cropped to 0x0"),
        (["relu:name=a", "crop:1", "add:from=a+input", "crop:1,name=b", "add:from=b+a"], "add"),
        (["crop:1,name=a", "concat:from=a+input"], "concat needs inputs of one size"),
        (["conv:kernel=blur,g=2"], "2 groups do not divide 1"),
    ],
)
def test_a_layer_that_cannot_take_its_input_is_named(layers: list[str], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        infer_shapes(plan(*layers), (1, 10, 10))


def test_a_name_that_leads_nowhere_is_found_before_a_file_is_opened() -> None:
    with pytest.raises(ArgumentError, match="'b'"):
        plan("relu:name=a", "add:from=a+b", "conv:kernel=absent.json")


def test_wrong_names_are_found_before_files_are_opened() -> None:
    with pytest.raises(KernelError) as caught:
        load_kernels(["absent.json", "sobl-x"])
    assert not isinstance(caught.value, KernelFileError)


def test_a_kernel_is_read_once_however_often_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text("1 2 1\n")
    spec = str(tmp_path / "k.csv")
    first, _, second = load_kernels([spec, "blur", spec])
    assert first is second


# ---- method and range --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernels", "method", "expected"),
    [
        (["sharpen"], "auto", "im2col"),
        (["gaussian:3"], "auto", "separable"),
        (["disk:20"], "auto", "fft"),
        (["disk:20", "gaussian:3", "disk:21"], "auto", "fft+separable"),
        (["sharpen", "gaussian:3"], "naive", "naive"),
        ([], "auto", None),
    ],
)
def test_a_route_says_how_a_plan_computes(
    tmp_path: Path, kernels: list[str], method: str, expected: str | None
) -> None:
    layer = parse_layer("conv:kernel=blur,p=same")
    steps = tuple(make_convolution(layer, kernel, method) for kernel in load_kernels(kernels))
    np.save(tmp_path / "in.npy", np.zeros((300, 400), np.float32))
    labels = tuple(kernels) or ("filtered",)
    route = dry_run(
        str(tmp_path / "in.npy"),
        Plan(kernels=steps, method=method),
        OutputTarget(None, labels),
        is_folder_new=False,
    )
    assert route.methods == expected


@pytest.mark.parametrize(
    ("depth", "layers", "policy"),
    [
        (8, [], "clamp"),
        (16, ["relu"], "clamp"),
        (None, [], "rescale"),
        (8, ["sigmoid"], "rescale"),
        (16, ["tanh", "maxpool:2"], "rescale"),
    ],
)
def test_what_has_a_black_and_a_white_is_clamped(
    depth: int | None, layers: list[str], policy: str
) -> None:
    picture = Picture(np.zeros((2, 2, 1)), depth)
    assert plan(*layers).range_policy(picture.depth) == policy


# ---- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("u1", "f4"), ("u2", "f8"), ("f2", "f4"), ("f4", "f4"), ("i4", "f8"), ("f8", "f8")],
)
def test_between_layers_everything_stays_float(dtype: str, kept: str) -> None:
    picture = Picture(np.arange(32).astype(dtype).reshape(4, 4, 2))
    for layers in (
        ["relu"],
        ["conv:kernel=blur"],
        ["tconv:kernel=ones:2,s=2"],
        ["avgpool:2"],
        ["sigmoid"],
        ["magnitude"],
        ["globalavgpool"],
        ["adaptiveavgpool:3"],
    ):
        (result,) = filter_picture(picture, plan(*layers))
        assert result.dtype == np.dtype(kept), layers


def test_rounding_happens_once_and_not_between_layers() -> None:
    picture = Picture(np.full((4, 4, 1), 1, np.uint8), 8)
    layers = plan("conv:kernel=box:3,mode=replicate", "conv:kernel=ones:3,mode=replicate")
    (result,) = filter_picture(picture, layers)
    np.testing.assert_allclose(result, 9.0 / 9 * 9, rtol=1e-6)
    half = Kernel("half", np.array([[0.4]]))
    steps = tuple(
        make_convolution(parse_layer("conv:kernel=x"), one, "auto")
        for one in (half, Kernel("more", np.array([[2.5]])))
    )
    (result,) = filter_picture(picture, Plan(layers=steps))
    np.testing.assert_allclose(result, 1, rtol=1e-6)


# ---- origin ------------------------------------------------------------------------------------


def off_center(step: Step, origin: tuple[int, int]) -> Step:
    assert step.kernel is not None
    return make_convolution(
        step.layer, Kernel("k", step.kernel.matrix, origin), "auto", flip=step.flip
    )


@settings(max_examples=60)
@given(geometries(forms=["same"]))
def test_the_origin_meets_the_pixels_0_s_2s(case: Geometry) -> None:
    matrix = whole_numbers(1, *case.kernel)
    values = whole_numbers(2, *case.size)
    (sh, sw), (dh, dw) = case.stride, case.dilation
    layer = parse_layer(f"conv:kernel=x,s={sh}x{sw},d={dh}x{dw},mode=reflect")
    step = make_convolution(layer, Kernel("k", matrix), "auto")
    for origin in np.ndindex(*case.kernel):
        if origin == Kernel("k", matrix).origin:
            continue
        sides = [
            (at * gap, (side - 1 - at) * gap)
            for at, side, gap in zip(origin, case.kernel, case.dilation, strict=True)
        ]
        every = filter_channels(
            values, matrix, dilation=case.dilation, sides=(sides[0], sides[1]), mode="reflect"
        )
        result = convolve(off_center(step, (origin[0], origin[1])), values[..., np.newaxis], "auto")
        np.testing.assert_array_equal(result[..., 0], every[::sh, ::sw])


@pytest.mark.parametrize("mode", MODES)
def test_the_origin_is_scipy_s_in_every_padding_mode(tmp_path: Path, mode: str) -> None:
    values, matrix = whole_numbers(3, 7, 6), whole_numbers(4, 2, 3)
    for origin in [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]:
        document = {"kernel": matrix.tolist(), "origin": origin}
        (tmp_path / "k.json").write_text(json.dumps(document))
        step = plan(f"conv:kernel={tmp_path / 'k.json'},mode={mode}").layers[0]
        expected = ndimage.correlate(
            values, matrix, mode=SCIPY_MODES[mode], origin=[origin[0] - 1, origin[1] - 1]
        )
        result = convolve(step, values[..., np.newaxis], "auto")
        np.testing.assert_array_equal(result[..., 0], expected)


@pytest.mark.parametrize("padding", ["valid", "full", "2", "0.1.2.3"])
def test_padding_in_numbers_leaves_no_room_for_an_origin(padding: str) -> None:
    layer = parse_layer(f"conv:kernel=x,p={padding}")
    step = make_convolution(layer, Kernel("k", np.ones((3, 3))), "auto")
    moved = off_center(step, (0, 2))
    assert moved.layer.window.pads((9, 9)) == step.layer.window.pads((9, 9))


def test_a_filtered_picture_has_the_size_that_the_plan_says() -> None:
    picture = Picture(np.ones((9, 8, 2)))
    (result,) = filter_picture(picture, plan("maxpool:2,ceil", "crop:1", "concat:from=input+input"))
    assert result.shape == (9, 8, 4)


def test_flip_turns_a_kernel_that_is_grouped_too() -> None:
    values = whole_numbers(5, 6, 7, 4)
    layer = parse_layer("conv:kernel=x,g=2,c=2")
    matrix = whole_numbers(6, 3, 3)
    flipped = make_convolution(layer, Kernel("k", matrix), "auto", flip=True)
    turned = make_convolution(layer, Kernel("k", matrix[::-1, ::-1]), "auto")
    np.testing.assert_array_equal(
        convolve(flipped, values, "auto"), convolve(turned, values, "auto")
    )
