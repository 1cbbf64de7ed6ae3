"""`apply --net model.onnx`: a network with its weights, run on pictures and grids."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from PIL import Image, ImageSequence
from support.apply import pixels, usage
from support.command import Finished, convcli, here
from support.onnx_models import model, node, save, weight

from convcli.batch import Job
from convcli.networks import onnx as networks_onnx
from convcli.networks.onnx.model import Graph, parse_graph
from convcli.pipeline.inference.step import NetworkStep
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan

ANY: list[int | str] = ["n", 3, "h", "w"]
IMAGE = pixels(18, 14, 3)


def identity(channels: int, side: int = 3) -> NDArray[np.float32]:
    weights = np.zeros((channels, channels, side, side), np.float32)
    weights[range(channels), range(channels), side // 2, side // 2] = 1
    return weights


def padded(name: str, source: str, weights: str, target: str, side: int) -> Any:
    return node("Conv", f"{source} {weights}", target, name=name, pads=[side // 2] * 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, and networks: of the identity, of a blur, for gray alone, a classifier."""
    Image.fromarray(IMAGE).save(tmp_path / "in.png")
    Image.fromarray(IMAGE[:, :, 0]).save(tmp_path / "gray.png")
    save(model([padded("c", "x", "w", "y", 3)], {"x": ANY}, weights={"w": identity(3)}),
         tmp_path, "id.onnx")  # fmt: skip
    blur = np.zeros((3, 3, 5, 5), np.float32)
    blur[range(3), range(3)] = 1 / 25
    save(model([padded("c", "x", "w", "y", 5)], {"x": ANY}, weights={"w": blur}),
         tmp_path, "blur.onnx")  # fmt: skip
    save(model([padded("c", "x", "w", "y", 3)], {"x": [1, 1, "h", "w"]},
               weights={"w": identity(1)}), tmp_path, "gray.onnx")  # fmt: skip
    save(classifier(), tmp_path, "cls.onnx")
    return tmp_path


def classifier() -> Any:
    """A network with a map of 8 channels, one of 3, and 5 scores, of pictures of 14x18."""
    nodes = [
        padded("conv1", "x", "w1", "a", 3),
        node("Relu", "a", "r", name="act"),
        padded("/head/Conv", "r", "w2", "b", 1),
        node("GlobalAveragePool", "b", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f w3", "y", name="fc", transB=1),
    ]
    weights = {"w1": weight(8, 3, 3, 3), "w2": weight(3, 8, 1, 1, seed=1), "w3": weight(5, 3)}
    return model(nodes, {"x": [1, 3, 18, 14]}, weights=weights)


def expected(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """A value of the classifier, (H, W, C) or (N,), of values that are scaled already."""
    proto = classifier()
    proto.graph.output[0].name = name
    values: NDArray[Any] = ReferenceEvaluator(proto).run(
        None, {"x": x.transpose(2, 0, 1)[np.newaxis].astype(np.float32)}
    )[0][0]
    return values.transpose(1, 2, 0) if values.ndim == 3 else values


def applied(folder: Path, *arguments: str) -> Finished:
    done = here("apply", *arguments, "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return done


def opened(folder: Path, name: str) -> NDArray[Any]:
    return np.asarray(Image.open(folder / name))


def refused(folder: Path, *arguments: str) -> str:
    done = here("apply", *arguments, cwd=folder)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (1, b"", 1)
    return done.stderr


# ---- pictures -----------------------------------------------------------------------------------


def test_an_identity_gives_the_picture_back_to_the_bit(folder: Path) -> None:
    assert applied(folder, "in.png", "--net", "id.onnx").stderr == ""
    np.testing.assert_array_equal(opened(folder, "in.filtered.png"), IMAGE)
    scaled = ("--scale", "1/255", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    applied(folder, "in.png", "--net", "id.onnx", *scaled, "-o", "n.png")
    np.testing.assert_array_equal(opened(folder, "n.png"), IMAGE)
    applied(folder, "in.png", "--net", "@id.onnx", "-o", "at.png")
    np.testing.assert_array_equal(opened(folder, "at.png"), IMAGE)
    wide = pixels(9, 8, 3, dtype=np.uint16)
    cv2.imwrite(str(folder / "wide.png"), wide[:, :, ::-1])
    applied(folder, "wide.png", "--net", "id.onnx", "-o", "w.png")
    found = cv2.imread(str(folder / "w.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    np.testing.assert_array_equal(found[:, :, ::-1], wide)


@pytest.mark.parametrize("tile", [(), ("--tile", "4"), ("--tile", "7"), ("--tile", "100")])
def test_a_network_that_blurs_is_the_filter_also_in_tiles(folder: Path, tile: Any) -> None:
    applied(folder, "in.png", "--net", "blur.onnx", *tile, "-o", "b.npy")
    border = cv2.BORDER_CONSTANT
    blurred = cv2.filter2D(IMAGE.astype(np.float64), -1, np.full((5, 5), 1 / 25), borderType=border)
    np.testing.assert_allclose(np.load(folder / "b.npy"), blurred, atol=1e-3)


def test_a_network_for_gray_gets_gray_and_one_for_colors_gets_three(folder: Path) -> None:
    applied(folder, "in.png", "--net", "gray.onnx", "-o", "g.png")
    applied(folder, "in.png", "--gray", "-k", "identity", "-o", "luma.png")
    np.testing.assert_array_equal(opened(folder, "g.png"), opened(folder, "luma.png"))
    applied(folder, "gray.png", "--net", "id.onnx", "-o", "three.png")
    repeated = np.repeat(IMAGE[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(opened(folder, "three.png"), repeated)


def test_alpha_stays_where_the_size_does(folder: Path) -> None:
    rgba = pixels(18, 14, 4)
    rgba[:9, :, 3] = 255
    rgba[0, 0] = [7, 8, 9, 0]
    Image.fromarray(rgba).save(folder / "alpha.png")
    applied(folder, "alpha.png", "--net", "id.onnx", "-o", "a.png")
    is_visible = rgba[:, :, 3] > 0
    found = opened(folder, "a.png")
    assert (np.abs(found[is_visible].astype(int) - rgba[is_visible]) <= 1).all()
    assert found[0, 0].tolist() == [0, 0, 0, 0]
    done = applied(folder, "alpha.png", "--net", "cls.onnx", "--at", "conv1", "-o", "a.npy")
    assert "its alpha is left out" in done.stderr


def test_every_frame_of_an_animation_goes_through(folder: Path) -> None:
    frames = [Image.fromarray(pixels(18, 14, 3, seed=seed)) for seed in range(3)]
    frames[0].save(folder / "in.webp", save_all=True, append_images=frames[1:], lossless=True)
    applied(folder, "in.webp", "--net", "id.onnx", "-o", "out.png")
    with Image.open(folder / "out.png") as image:
        found = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    np.testing.assert_array_equal(found, [np.asarray(frame) for frame in frames])


def test_a_file_is_read_for_its_inputs_and_for_its_layers_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def parse(content: bytes, path: str) -> Graph:
        read.append(path)
        return parse_graph(content, path)

    monkeypatch.setattr(networks_onnx, "parse_graph", parse)
    applied(folder, "in.png", "--net", "id.onnx", "--dry-run")
    assert read == ["id.onnx", "id.onnx"]


def test_processes_make_what_one_makes(folder: Path) -> None:
    Image.fromarray(pixels(18, 14, 3, seed=4)).save(folder / "b.png")
    options = ("--net", "cls.onnx", "--at", "/head/Conv", "--range", "rescale")
    applied(folder, "in.png", "b.png", *options, "-j", "2")
    found = [opened(folder, f"{stem}.-head-Conv.png") for stem in ("in", "b")]
    applied(folder, "in.png", "b.png", *options, "-o", "{stem}.one.png")
    for stem, image in zip(("in", "b"), found, strict=True):
        np.testing.assert_array_equal(opened(folder, f"{stem}.one.png"), image)


# ---- maps and vectors ---------------------------------------------------------------------------


def test_a_map_of_many_channels_is_written_as_it_is(folder: Path) -> None:
    applied(folder, "in.png", "--net", "cls.onnx", "--at", "conv1", "-o", "m.npy")
    np.testing.assert_allclose(np.load(folder / "m.npy"), expected("a", IMAGE / 255), atol=1e-4)
    applied(folder, "in.png", "--net", "cls.onnx", "--at", "conv1", "-o", "m.{kernel}.png")
    assert len(list(folder.glob("m.conv1-*.png"))) == 8
    applied(folder, "in.png", "--net", "cls.onnx", "--at", "conv1", "--figure", "sheet.png")
    assert opened(folder, "sheet.png").ndim == 3
    applied(folder, "in.png", "--net", "cls.onnx", "--at", "conv1", "--figure", "sheet.svg")
    drawing = (folder / "sheet.svg").read_text()
    assert drawing.count("<image") == 1 + 8 + 2  # with their legends
    assert [f">{channel}<" in drawing for channel in range(9)] == [True] * 8 + [False]
    ends = re.search(r"conv1 \(18×14×8, .*scale −(\S+) to (\S+)\)", drawing)  # around zero
    assert ends is not None
    assert ends[1] == ends[2]
    assert "'conv1' has 8 channels: --figure draws them" in refused(
        folder, "in.png", "--net", "cls.onnx", "--at", "conv1"
    )


def test_several_layers_are_maps_of_their_names(folder: Path) -> None:
    options = ("--net", "cls.onnx", "--at", "act", "--at", "/head/Conv")
    applied(folder, "in.png", *options, "-o", "{kernel}.npy")
    for name, value in (("act", "r"), ("-head-Conv", "b")):
        scale = 255 if value == "b" else 1  # a map of three channels is a picture
        found = np.load(folder / f"{name}.npy")
        np.testing.assert_allclose(
            found, expected(value, IMAGE / 255) * scale, rtol=1e-3, atol=0.05
        )
    applied(folder, "in.png", *options, "-o", "both.npy")
    assert np.load(folder / "both.npy").shape == (18, 14, 11)


def test_mean_and_std_are_of_each_channel(folder: Path) -> None:
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
    options = ("--mean", "0.4,0.5,0.6", "--std", "0.2,0.25,0.3", "-o", "v.npy")
    applied(folder, "in.png", "--net", "cls.onnx", *options)
    scores = expected("y", (IMAGE / 255 - mean) / std)
    np.testing.assert_allclose(np.load(folder / "v.npy"), scores, atol=1e-4)


def test_a_vector_is_printed_reported_or_written(folder: Path) -> None:
    scores = expected("y", IMAGE / 255)
    options = ("in.png", "--net", "cls.onnx")
    np.testing.assert_allclose([*applied(folder, *options, "--print").rows[0]], scores, atol=1e-4)
    document = json.loads(applied(folder, *options, "--json").text)
    assert (document["input"], document["map"], document["shape"]) == ("in.png", "filtered", [5])
    np.testing.assert_allclose(document["values"], scores, atol=1e-4)
    applied(folder, *options, "-o", "v.npy")
    np.testing.assert_allclose(np.load(folder / "v.npy"), scores, atol=1e-4)
    applied(folder, *options, "-o", "v.csv")
    rows = [[*map(float, line.split(","))] for line in (folder / "v.csv").read_text().splitlines()]
    np.testing.assert_allclose(rows, [scores], atol=1e-4)
    for output in ((), ("-o", "v.png"), ("--dry-run",)):
        assert "'y' is a vector of 5: --print or --json shows it" in refused(
            folder, *options, *output
        )


def test_many_channels_of_one_position_are_a_vector_where_they_are_reported(folder: Path) -> None:
    nodes = [
        padded("c", "x", "w", "c", 1), node("GlobalAveragePool", "c", "p", name="pool"),
        padded("scores", "p", "v", "y", 1),
    ]  # fmt: skip
    weights = {"w": weight(4, 3, 1, 1), "v": weight(7, 4, 1, 1, seed=2)}
    save(model(nodes, {"x": ANY}, weights=weights), folder, "squeeze.onnx")
    options = ("in.png", "--net", "squeeze.onnx")
    applied(folder, *options, "-o", "s.npy")
    scores = np.load(folder / "s.npy")
    assert scores.shape == (1, 1, 7)
    document = json.loads(applied(folder, *options, "--json").text)
    assert (document["map"], document["shape"]) == ("filtered", [7])
    np.testing.assert_allclose(document["values"], scores.ravel(), rtol=1e-6)
    (row,) = applied(folder, *options, "--print").rows
    np.testing.assert_allclose([*row], scores.ravel(), rtol=1e-5)
    assert "'y' is a vector of 7: --print or --json shows it" in refused(folder, *options)


def test_a_grid_of_numbers_goes_in_and_comes_out_as_it_is(folder: Path) -> None:
    grid = np.random.default_rng(1).normal(size=(18, 14, 3))
    np.save(folder / "grid.npy", grid)
    applied(folder, "grid.npy", "--net", "id.onnx", "-o", "same.npy")
    np.testing.assert_array_equal(np.load(folder / "same.npy"), grid)
    applied(folder, "grid.npy", "--net", "cls.onnx", "-o", "v.npy")
    np.testing.assert_allclose(np.load(folder / "v.npy"), expected("y", grid), atol=1e-4)


def test_a_network_as_text_runs_so_too(folder: Path) -> None:
    (folder / "t.net").write_text("conv:kernel=box:3,name=a\nrelu\nconv:kernel=sobel-x\n")
    applied(folder, "in.png", "--net", "t.net", "-o", "filtered.npy")
    applied(folder, "in.png", "--net", "t.net", "--tile", "8", "-o", "tiles.npy")
    found = np.load(folder / "tiles.npy")
    np.testing.assert_allclose(found, np.load(folder / "filtered.npy"), atol=1e-3)
    applied(folder, "in.png", "--net", "t.net", "--at", "a", "-o", "a.npy")
    assert not np.allclose(np.load(folder / "a.npy"), found)
    (folder / "bn.net").write_text("conv:kernel=box:3\nbn:name=norm\n")
    for options in ((), ("--at", "norm")):
        assert "bn" in refused(folder, "in.png", "--net", "bn.net", *options)


@pytest.mark.parametrize(
    "sides", [[1, 18, 14, 3], ["n", "h", "w", 3], [2, "h", "w", 3]], ids=["fixed", "open", "batch"]
)
def test_an_input_with_its_channels_last_is_transposed(
    folder: Path, sides: list[int | str]
) -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), padded("c", "t", "w", "y", 3)]
    save(model(nodes, {"x": sides}, weights={"w": identity(3)}), folder, "last.onnx")
    applied(folder, "in.png", "--net", "last.onnx", "-o", "o.png")
    np.testing.assert_array_equal(opened(folder, "o.png"), IMAGE)


@pytest.mark.parametrize("sides", [["n", "c", "h", "w"], None], ids=["channels", "all"])
def test_an_input_of_open_channels_takes_the_pictures(
    folder: Path, sides: list[int | str] | None
) -> None:
    proto = model([padded("c", "x", "w", "y", 3)], {"x": sides}, weights={"w": identity(3)})
    save(proto, folder, "open.onnx")
    applied(folder, "in.png", "--net", "open.onnx", "-o", "o.png")
    np.testing.assert_array_equal(opened(folder, "o.png"), IMAGE)


def test_linear_light_goes_through_and_back(folder: Path) -> None:
    applied(folder, "in.png", "--net", "id.onnx", "--linear", "-o", "linear.png")
    np.testing.assert_array_equal(opened(folder, "linear.png"), IMAGE)


def test_a_worker_elsewhere_finds_the_network(tmp_path: Path) -> None:
    step = NetworkStep("nets/id.onnx")
    target = OutputTarget("{stem}.png", ("filtered",))
    job = Job(source="in.png", plan=Plan(network=step), target=target, working_dir=str(tmp_path))
    network = job.resolve().plan.network
    assert network is not None
    assert network.path == str(tmp_path / "nets" / "id.onnx")
    assert (
        NetworkStep("@nets/edges").resolve(str(tmp_path)).path == f"@{tmp_path / 'nets' / 'edges'}"
    )


# ---- reports ------------------------------------------------------------------------------------


def test_a_dry_run_says_what_will_run(folder: Path) -> None:
    options = ("--net", "cls.onnx", "--at", "act", "--at", "fc", "-o", "{kernel}.npy")
    done = here("apply", "in.png", *options, "--dry-run", "--json", cwd=folder)
    maps = json.loads(done.text)["maps"]
    assert [(one["label"], one["steps"][0]["step"], one["steps"][0]["shape"]) for one in maps] == [
        ("act", "cls at act", [18, 14, 8]),
        ("fc", "cls at fc", [5]),
    ]
    done = here("apply", "in.png", "--net", "blur.onnx", "--tile", "8", "--dry-run", cwd=folder)
    assert "blur at y in tiles of 8" in done.text


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [
        (convcli, ("--net", "cls.onnx", "--print"), "cls at y 5 (2 convolutions: 2 im2col by "),
        (here, ("--net", "blur.onnx"), "blur at y 18x14x3 (1 convolution: 1 im2col by "),
        (here, ("--net", "blur.onnx", "--tile", "8"), " of 8 18x14x3 (1 convolution: 1 im2col"),
        (here, ("-l", "conv:kernel=layer.npy"), "2 by im2col: 9 taps in each of 3 channels, by "),
        (here, ("-k", "random:3", "--method", "im2col"), " by im2col: asked for, in bands; "),
    ],
)
def test_verbose_names_methods_and_layouts(
    folder: Path, run: Callable[..., Finished], options: tuple[str, ...], said: str
) -> None:
    np.save(folder / "layer.npy", np.ones((2, 3, 3, 3)))
    done = run("apply", "in.png", *options, "-v", "-f", "-o", "o.npy", cwd=folder)
    assert done.code == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "; BLAS for " in line]
    assert said in line


def test_what_exists_is_skipped_layer_by_layer(folder: Path) -> None:
    options = ("--net", "cls.onnx", "--at", "act", "--at", "fc", "-o", "{kernel}.npy")
    applied(folder, "in.png", *options)
    (folder / "act.npy").unlink()
    (folder / "fc.npy").write_bytes(b"as it was")
    done = here("apply", "in.png", *options, "--skip-existing", cwd=folder)
    assert done.code == 0
    assert np.load(folder / "act.npy").shape == (18, 14, 8)
    assert (folder / "fc.npy").read_bytes() == b"as it was"


def test_tiles_are_taken_where_the_memory_needs_them(folder: Path) -> None:
    large = pixels(1500, 1500, 3)
    Image.fromarray(large).save(folder / "large.png")
    nodes = [padded(f"c{index}", f"v{index}", "w", f"v{index + 1}", 3) for index in range(3)]
    nodes = [node("Concat", "x x x x", "v0", axis=1), *nodes, padded("last", "v3", "o", "y", 1)]
    weights = {"w": identity(12), "o": weight(3, 12, 1, 1)}
    save(model(nodes, {"x": ANY}, weights=weights), folder, "wide.onnx")
    options = ("large.png", "--net", "wide.onnx", "--dry-run", "--json")
    whole = json.loads(here("apply", *options, cwd=folder).text)
    tiled = json.loads(here("apply", *options, "--max-memory", "320M", cwd=folder).text)
    assert "tiles" not in whole["maps"][0]["steps"][0]["step"]
    assert "in tiles of" in tiled["maps"][0]["steps"][0]["step"]
    assert tiled["memory"] < 320e6 < whole["memory"]


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-k", "blur", "--at", "a"), "--at goes with --net"),
        (("-k", "blur", "--tile", "9"), "--tile goes with --net"),
        (("--net", "id.onnx", "-k", "blur"), "--net and --kernel exclude each other"),
        (("--net", "id.onnx", "-l", "relu"), "--net and --layer exclude each other"),
        (("--net", "id.onnx", "--combine", "sum"), "--combine goes with --kernel"),
        (("--net", "id.onnx", "-p", "3"), "--padding goes with --kernel"),
        (("--net", "id.onnx", "--nan", "keep"), "--nan is for kernels and layers"),
        (("--net", "id.onnx", "--region", "3x3+0+0"), "--region is for kernels and layers"),
        (("--net", "id.onnx", "--mask", "m.png"), "--mask is for kernels and layers"),
        (("--net", "id.onnx", "--channels", "luma"), "--channels is for kernels and layers"),
        (("--net", "id.onnx", "--threshold", "3"), "--threshold is for kernels and layers"),
        (("--net", "id.onnx", "--method", "fft"), "--method is for kernels and layers"),
        (("--net", "id.onnx", "--std", "1,0"), "it must not be 0, as in '1,0'"),
        (("--net", "id.onnx", "--at", ""), "it must be a name"),
        (("--net", "-", "--at", "a"), "--at takes a network from a file"),
        (("--net", "id.onnx", "--at", "c", "--at", "y", "-o", "o.png"), "put {kernel} in its name"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in usage(tmp_path, "in.png", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--net", "gone.onnx"), "gone.onnx: no such file"),
        (("--net", "bad.onnx"), "bad.onnx: is no ONNX file"),
        (("--net", "cls.onnx", "--at", "cnv1"), "cls.onnx: cls has no layer or output 'cnv1'; did"),
        (("--net", "id.onnx", "--at", "cc"), "has no layer or output 'cc'"),
        (("--net", "cls.onnx", "--mean", "1,2"), "2 were given, and the network takes 3"),
        (
            ("--net", "cls.onnx", "--resize", "9x9"),
            "network takes 14x18: give --resize 14x18",
        ),
        (("--net", "cls.onnx", "--tile", "4"), "depends on its whole input"),
        (("--net", "odd.onnx"), "Odd"),
        (("--net", "two.onnx"), "two.onnx: has 2 inputs (a, b)"),
        (("--net", "none.onnx"), "none.onnx: has no input that its outputs depend on"),
        (("--net", "four.onnx"), "in.png: has 3 channels, and the network takes 4"),
    ],
)
def test_what_cannot_run_is_named(folder: Path, options: tuple[str, ...], words: str) -> None:
    (folder / "bad.onnx").write_bytes(b"\x00not a model")
    odd = node("Odd", "x", "y", name="odd", domain="my")
    imports = [onnx.helper.make_opsetid("my", 1)]
    proto = model([odd], {"x": [1, 3, 18, 14]}, opset_imports=imports)
    proto.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 18, 14])
    )
    save(proto, folder, "odd.onnx")
    both = {"a": [1, 3, 18, 14], "b": [1, 3, 18, 14]}
    save(model([node("Add", "a b", "y")], both), folder, "two.onnx")
    save(model([node("Relu", "x", "y")], {"x": ["n", 4, "h", "w"]}), folder, "four.onnx")
    save(model([node("Relu", "c", "y")], {}, weights={"c": weight(1, 3)}), folder, "none.onnx")
    assert words in refused(folder, "in.png", *options)


@pytest.mark.parametrize("options", [("--net", "id.onnx"), ("-k", "id.onnx:c")])
def test_the_extra_that_is_missing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    (folder / "id.onnx").rename(folder / "unread.onnx")  # of which nothing is kept
    options = tuple(option.replace("id.onnx", "unread.onnx") for option in options)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "extra `onnx`" in refused(folder, "in.png", *options)


def test_no_data_outside_the_restriction_are_read(folder: Path) -> None:
    inside = folder / "inside"
    inside.mkdir()
    Image.fromarray(IMAGE).save(inside / "in.png")
    proto = onnx.load(folder / "id.onnx")
    location = "w.bin"
    onnx.save(proto, inside / "ext.onnx", save_as_external_data=True, location=location,
              size_threshold=0)  # fmt: skip
    done = here("apply", "in.png", "--net", "ext.onnx", "--restrict", ".", cwd=inside)
    assert done.code == 0
    (inside / "ext.onnx").rename(inside / "link.onnx")
    (inside / location).rename(folder / location)
    (inside / location).symlink_to(folder / location)
    outside = here("apply", "in.png", "--net", "link.onnx", "--restrict", ".", "-f", cwd=inside)
    assert outside.code == 1
    assert "lies outside" in usage(inside, "in.png", "--net", "../id.onnx", "--restrict", ".")
