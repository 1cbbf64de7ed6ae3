"""A route is chosen once, and what follows reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.calls import count_calls
from support.command import SAMPLES, here

from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.values import Resize
from convcli.engine.arrays import Array
from convcli.images.read import open_frames
from convcli.kernels import load_kernel
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan, make_convolution, make_layer_steps
from convcli.pipeline.process import dry_run, process
from convcli.pipeline.route import Execution, open_route

# What keeps an input within its limits and other files safe: counted beside the path of the pixels.
GUARDS = (
    "deadline.py",
    "files/",
    "images/damage.py",
    "images/decoders.py",
    "images/jpeg_decoder.py",
    "images/structure/",
    "pipeline/machine.py",
    "signals.py",
)
MAX_FILES, MAX_FUNCTIONS = 49, 318  # of the path
MAX_GUARD_FILES, MAX_GUARD_FUNCTIONS = 14, 80
# What decides: where one of these is called twice, something is decided twice.
DECISIONS = {"plan_filter", "infer_shapes", "check_method", "choose_route", "estimate_memory"}


def times_called(calls: dict[tuple[str, str], int], name: str) -> int:
    return sum(times for (_, function), times in calls.items() if function == name)


def test_what_filtering_a_photograph_decides_is_decided_once(tmp_path: Path) -> None:
    calls = count_calls("apply", SAMPLES / "cat.jpg", "-k", "sharpen", cwd=tmp_path)
    assert (tmp_path / "cat.sharpen.png").exists()
    assert {name: times_called(calls, name) for name in DECISIONS} == dict.fromkeys(DECISIONS, 1)
    guards = {call for call in calls if call[0].startswith(GUARDS)}
    path = calls.keys() - guards
    assert len({file for file, _ in path}) <= MAX_FILES, sorted(path)
    assert len(path) <= MAX_FUNCTIONS, sorted(path)
    assert len({file for file, _ in guards}) <= MAX_GUARD_FILES, sorted(guards)
    assert len(guards) <= MAX_GUARD_FUNCTIONS, sorted(guards)


def test_a_dry_run_decides_what_a_run_does(tmp_path: Path) -> None:
    calls = count_calls("apply", SAMPLES / "cat.jpg", "-k", "sharpen", "--dry-run", cwd=tmp_path)
    assert {name: times_called(calls, name) for name in DECISIONS} == dict.fromkeys(DECISIONS, 1)


def test_a_method_that_is_asked_for_is_checked_once(tmp_path: Path) -> None:
    options = ("-k", "sharpen", "--method", "im2col")
    calls = count_calls("apply", SAMPLES / "cat.jpg", *options, cwd=tmp_path)
    assert {name: times_called(calls, name) for name in DECISIONS} == dict.fromkeys(DECISIONS, 1)


def test_the_shapes_of_joined_layers_are_inferred_once(tmp_path: Path) -> None:
    layers = ("-l", "conv:kernel=box:3,p=same,name=a", "-l", "relu", "-l", "add:from=a+input")
    calls = count_calls("apply", SAMPLES / "cat.jpg", *layers, "-o", "out.png", cwd=tmp_path)
    assert times_called(calls, "output_shape") == 3
    assert times_called(calls, "infer_shapes") == times_called(calls, "choose_route") == 1


@pytest.mark.parametrize("channels", [3, 64])  # of the output; im2col and Winograd
def test_a_layer_over_bands_is_planned_once(tmp_path: Path, channels: int) -> None:
    weights = np.ones((channels, 64, 3, 3)).tolist()
    (tmp_path / "w.json").write_text(json.dumps(weights))
    np.save(tmp_path / "in.npy", np.ones((200, 500, 64), np.float32))
    options = ("-l", "conv:kernel=w.json", "-o", "out.npy")
    calls = count_calls("apply", "in.npy", *options, cwd=tmp_path)
    assert (times_called(calls, "run_winograd") > 0) == (channels == 64)
    assert times_called(calls, "ConvProblem.__init__") > 1
    assert times_called(calls, "choose_conv_method") <= 2  # for finite values, and for others
    assert times_called(calls, "preprocessed_shape") == 1


def test_alpha_is_planned_once_beside_colors(tmp_path: Path) -> None:
    Image.new("RGBA", (9, 8), (1, 2, 3, 4)).save(tmp_path / "in.png")
    calls = count_calls("apply", "in.png", "-k", "blur", "-l", "conv:kernel=box:3", cwd=tmp_path)
    assert times_called(calls, "choose_route") == 1
    assert times_called(calls, "plan_filter") == 2 * 2  # a kernel and a layer, over both


def test_maps_of_one_shape_share_the_filters_of_their_layers(tmp_path: Path) -> None:
    Image.new("RGB", (9, 8)).save(tmp_path / "in.png")
    kernels = ("-k", "sobel-x", "-k", "sobel-y", "-k", "box:3")
    calls = count_calls("apply", "in.png", *kernels, "-l", "conv:kernel=blur", cwd=tmp_path)
    assert times_called(calls, "plan_filter") == 3 + 1


def test_frames_of_one_size_share_their_filters(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 8), (shade, 0, 0)) for shade in (0, 99, 200)]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    calls = count_calls("apply", "in.png", "-k", "blur", cwd=tmp_path)
    assert times_called(calls, "Sequence._filter_frame") == 3
    assert times_called(calls, "plan_filter") == 1


def test_pages_that_are_alike_share_what_is_decided_and_are_read_once(tmp_path: Path) -> None:
    count = 5
    pages = [Image.new("L", (9, 8), shade) for shade in range(count)]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    calls = count_calls("apply", "in.tif", "-k", "blur", cwd=tmp_path)
    assert times_called(calls, "Sequence._filter_frame") == count
    assert times_called(calls, "choose_route") == times_called(calls, "plan_filter") == 1
    assert times_called(calls, "machine_memory") == 2  # for the first page, and for all
    assert times_called(calls, "Directories.check") == count
    assert times_called(calls, "read_layout") == 2 * count  # before any is decoded, and then


# ---- how a plan is run -------------------------------------------------------------------------


def make_plan(kernels: Sequence[str] = (), layers: Sequence[str] = (), **options: object) -> Plan:
    layer = parse_layer("conv:kernel=x,p=same")
    return Plan(
        kernels=tuple(make_convolution(layer, load_kernel(kernel), "auto") for kernel in kernels),
        layers=make_layer_steps([parse_layer(text) for text in layers], method="auto"),
        **options,  # type: ignore[arg-type]
    )


def execution_of(source: Path, plan: Plan, suffix: str, **options: bool) -> Execution:
    labels = tuple(str(number) for number in range(max(len(plan.kernels), 1)))
    target = OutputTarget(str(source.parent / f"out.{{kernel}}{suffix}"), labels)
    with open_route(str(source), plan, target, **options) as (frames, choose, _):
        return choose(frames.header)[0].execution


@pytest.fixture
def rgb(tmp_path: Path) -> Path:
    Image.new("RGB", (9, 8)).save(tmp_path / "rgb.png")
    return tmp_path / "rgb.png"


def test_kernels_alone_are_fused_with_quantizing(rgb: Path) -> None:
    assert execution_of(rgb, make_plan(["blur"]), ".png") == "fused"
    assert execution_of(rgb, make_plan(["blur", "sobel-x"], gray=True), ".jpg") == "fused"


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(["blur"], ["relu"]),
        make_plan(["blur"], linear=True),
        make_plan(["blur"], resize=Resize(4, 4)),
        make_plan(["blur"], value_range="rescale"),
        make_plan(gray=True),
    ],
)
def test_what_needs_floats_is_run_on_whole_maps(rgb: Path, plan: Plan) -> None:
    assert execution_of(rgb, plan, ".png") == "maps"


def test_maps_that_are_kept_or_drawn_are_whole(rgb: Path) -> None:
    plan = make_plan(["blur"])
    assert execution_of(rgb, plan, ".png", keep_maps=True) == "maps"
    assert execution_of(rgb, plan, ".png", draws_figure=True) == "maps"
    assert execution_of(rgb, plan, ".npy") == "maps"


def test_frames_are_filtered_where_the_output_can_hold_them(tmp_path: Path) -> None:
    frames = [Image.new("L", (9, 8), shade) for shade in (0, 99)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    source, plan = tmp_path / "in.gif", make_plan(["blur"])
    assert execution_of(source, plan, ".gif") == "frames"
    assert execution_of(source, plan, ".jpg") != "frames"
    assert execution_of(source, make_plan(["blur"], frame=1), ".gif") != "frames"
    assert execution_of(source, plan, ".gif", draws_figure=True) == "maps"


def test_a_large_grid_is_streamed_unless_its_maps_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convcli.pipeline.fused.MIN_STREAMED_BYTES", 0)
    np.save(tmp_path / "in.npy", np.ones((9, 8)))
    source, plan = tmp_path / "in.npy", make_plan(["blur"])
    assert execution_of(source, plan, ".npy") == "streamed"
    assert execution_of(source, plan, ".npy", keep_maps=True) == "maps"
    assert execution_of(source, plan, ".npy", draws_figure=True) == "maps"
    assert execution_of(source, plan, ".png") == "maps"
    assert execution_of(source, make_plan(["blur"], ["relu"]), ".npy") == "maps"


def test_a_large_grid_can_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convcli.pipeline.fused.MIN_STREAMED_BYTES", 0)
    np.save(tmp_path / "in.npy", np.ones((2, 3)))
    done = here("apply", "in.npy", "-k", "identity", "-o", "out.npy", "--print", cwd=tmp_path)
    assert (done.code, done.rows) == (0, [[1, 1, 1], [1, 1, 1]])


# ---- what is decided holds ---------------------------------------------------------------------


PREPROCESSING = [
    make_plan(["blur"], gray=True),
    make_plan(["blur"], resize=Resize(5, 7)),
    make_plan(["blur"], linear=True),
    make_plan(["blur"], gray=True, linear=True, resize=Resize(3, 3)),
]


@pytest.mark.parametrize("plan", PREPROCESSING)
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "I;16", "P"])
def test_the_type_of_preprocessed_values_is_known_before_they_are_read(
    tmp_path: Path, plan: Plan, mode: str
) -> None:
    from convcli.pipeline.preprocess import preprocess, preprocessed_dtype, preprocessed_shape

    Image.new(mode, (9, 8)).save(tmp_path / "in.png")
    with open_frames(str(tmp_path / "in.png")) as frames:
        header, values = frames.header, preprocess(frames.read(0), plan).values
    channels, *size = preprocessed_shape(plan, header)
    assert values.shape == (*size, channels)
    assert values.dtype == preprocessed_dtype(plan, header)


def test_an_opaque_picture_with_alpha_is_planned_again_as_what_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "opaque.png")
    Image.fromarray(pixels[..., :3]).save(tmp_path / "rgb.png")

    def filtered(name: str) -> Array:
        target = OutputTarget(str(tmp_path / f"out.{name}"), ("blur",))
        process(str(tmp_path / name), make_plan(["blur"]), target, keep_maps=False)
        return np.asarray(Image.open(tmp_path / f"out.{name}"))

    np.testing.assert_array_equal(filtered("opaque.png"), filtered("rgb.png"))


def test_an_opaque_picture_with_alpha_is_reported_as_it_was_run(tmp_path: Path) -> None:
    pixels = np.full((40, 50, 4), 255, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "opaque.png")
    Image.fromarray(pixels[..., :3]).save(tmp_path / "rgb.png")

    def report(name: str) -> tuple[str, str]:
        done = here("apply", name, "-k", "box:5", "-v", "--json", "-f", cwd=tmp_path)
        text = done.stderr.replace(name, "in.png")
        return json.loads(done.text)["method"], text[: text.rindex(";")]  # then the seconds

    assert report("opaque.png") == report("rgb.png")


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_outputs_are_named_once(tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "in.npy", np.ones((8, 9, 2), np.uint8))
    options = ("in.npy", "-k", "blur", "-o", f"out.{{kernel}}{suffix}")
    calls = count_calls("apply", *options, cwd=tmp_path)
    assert times_called(calls, "OutputTarget.file_labels") == 1
    dry = here("apply", *options, "--dry-run", "--json", "-f", cwd=tmp_path)
    made = sorted(path.name for path in tmp_path.glob("out.*"))
    assert json.loads(dry.text)["outputs"] == made


def test_pages_of_different_sizes_are_planned_each(tmp_path: Path) -> None:
    pages = [Image.new("L", size, 7) for size in ((9, 8), (5, 4), (9, 8))]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    target = OutputTarget(str(tmp_path / "out.tif"), ("blur",))
    process(str(tmp_path / "in.tif"), make_plan(["blur"]), target)
    with Image.open(tmp_path / "out.tif") as made:
        sizes = []
        for page in range(3):
            made.seek(page)
            sizes.append(made.size)
    assert sizes == [(9, 8), (5, 4), (9, 8)]
    one = process(
        str(tmp_path / "in.tif"), make_plan(["blur"], frame=1), OutputTarget(None, ("x",))
    )
    assert one.maps[0].shape == (4, 5, 1)


def test_a_dry_run_refuses_values_without_light(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.ones((2, 3)))
    done = here("apply", "in.npy", "-k", "blur", "--linear", "--dry-run", cwd=tmp_path)
    assert done.code == 1
    assert "--linear goes with pictures of 8 or 16 bits" in done.stderr


def test_a_dry_run_tells_the_methods_of_the_run(tmp_path: Path) -> None:
    options = ("apply", SAMPLES / "cat.jpg", "-k", "box:9", "-k", "gaussian:3", "--json", "-f")
    dry = here(*options, "--dry-run", cwd=tmp_path)
    steps = [step for found in json.loads(dry.text)["maps"] for step in found["steps"]]
    real = here(*options, cwd=tmp_path)
    told = {json.loads(line)["method"] for line in real.text.splitlines()}
    assert told == {"+".join(dict.fromkeys(step["method"] for step in steps))}


def test_a_route_of_a_folder_that_is_new_meets_no_outputs(rgb: Path) -> None:
    target = OutputTarget(str(rgb.parent / "new" / "out.png"), ("blur",))
    route = dry_run(str(rgb), make_plan(["blur"]), target, is_folder_new=True)
    assert route.outputs == (str(rgb.parent / "new" / "out.png"),)
