"""What `apply --net` makes of an image has the shape that `shape --net` says."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.command import convcli, here
from support.network_oracle import EmptyMapError, Marked
from support.oracles import Array, paint
from support.peers import require_peer
from support.pipeline import filter_picture

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import format_layer, format_network, parse_layer
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError
from convcli.images import Picture
from convcli.kernels.layers import with_kernel_sizes
from convcli.pipeline.plan import Plan, make_layer_steps

KERNELS = ["sharpen", "sobel-x", "roberts-1", "gaussian-5x5", "box:2x5", "ones:4", "gaussian:0.7"]
POINTWISE = ["relu", "leaky-relu", "abs", "sigmoid", "tanh", "magnitude"]
sizes = st.tuples(st.integers(5, 18), st.integers(5, 18))
numbers = st.integers(1, 3)


@st.composite
def padding(draw: st.DrawFn) -> str:
    names = st.sampled_from(["", ",p=valid", ",p=same", ",p=same-lower", ",p=full"])
    sides = st.lists(st.integers(0, 2), min_size=4, max_size=4)
    numbered = sides.map(lambda four: f",p={'.'.join(map(str, four))}")
    return draw(st.one_of(names, numbered))


@st.composite
def image_layers(draw: st.DrawFn, channels: int) -> str:
    """One layer that an image can go through, in the notation."""
    kind = draw(st.sampled_from(["conv"] * 4 + ["tconv"] * 2 + ["pool"] * 2 + ["other"] * 3))
    stride = f",s={draw(numbers)}x{draw(numbers)}"
    dilation = draw(st.sampled_from(["", "", ",d=2", ",d=1x2"]))
    if kind == "pool":
        window = f"{draw(numbers)}x{draw(numbers)}{stride}{draw(st.sampled_from(['', ',ceil']))}"
        if draw(st.booleans()):  # a maximum of padding alone would be no number to go on with
            return f"maxpool:{window}{draw(st.sampled_from(['', ',p=same', ',p=same-lower']))}"
        return f"avgpool:{window}{draw(padding())}{dilation}{draw(st.sampled_from(['', ',nopad']))}"
    if kind == "other":
        parts = f"adaptiveavgpool:{draw(st.integers(1, 9))}x{draw(st.integers(1, 9))}"
        crop = f"crop:{draw(st.integers(0, 3))}x{draw(st.integers(0, 3))}"
        return draw(st.sampled_from([*POINTWISE, parts, crop, crop, "globalavgpool"]))
    groups = draw(st.sampled_from(["", "", ",g=1", ",g=depthwise", f",g={channels}"]))
    maps = draw(st.sampled_from(["", f",c={2 * channels}", f",c={channels}"]))
    spec = draw(st.sampled_from(KERNELS))
    text = f"{kind}:kernel={spec}{stride}{draw(padding())}{dilation}{groups}{maps}"
    if kind == "conv":
        return text + draw(st.sampled_from(["", ",mode=reflect", ",mode=replicate,nobias"]))
    return text


@st.composite
def image_networks(draw: st.DrawFn) -> tuple[Shape, list[Layer]]:
    """A stack with joins that an image can go through, and the image's shape."""
    shape: Shape = (draw(st.sampled_from([1, 3])), *draw(sizes))
    layers: list[Layer] = []
    for place in range(draw(st.integers(1, 5))):
        channels = walk(with_kernel_sizes(layers), shape).output[0] if layers else shape[0]
        more = [parse_layer(draw(image_layers(channels)))]
        if draw(st.integers(0, 3)) == 0:
            more = _branches(draw, place, channels)
        if _goes_through([*layers, *more], shape):
            layers += more
    return shape, layers or [Layer(op="relu")]


def _branches(draw: st.DrawFn, place: int, channels: int) -> list[Layer]:
    """Two branches from one map, the larger cropped to the smaller, and a join."""
    left, right = (draw(image_layers(channels)) for _ in "ab")
    texts = [
        f"relu:name=fork{place}",
        _with(left, f"from=fork{place},name=l{place}"),
        _with(right, f"from=fork{place},name=r{place}"),
        f"crop:like=r{place},from=l{place},name=c{place}",
    ]
    join = draw(st.sampled_from(["add", "concat"]))
    return [parse_layer(text) for text in [*texts, f"{join}:from=c{place}+r{place}"]]


def _with(layer: str, items: str) -> str:
    return f"{layer}{',' if ':' in layer else ':'}{items}"


def _goes_through(layers: list[Layer], shape: Shape) -> bool:
    try:
        output = walk(with_kernel_sizes(layers), shape).output
    except ArgumentError:
        return False
    return max(output) < 80


def ran(layers: list[Layer], values: Array) -> Array:
    (made,) = filter_picture(Picture(values), Plan(layers=make_layer_steps(layers, method="auto")))
    return made


@given(image_networks(), st.integers(0, 2**32 - 1))
def test_what_an_image_becomes_has_the_shape_that_was_said(
    case: tuple[Shape, list[Layer]], seed: int
) -> None:
    shape, layers = case
    said = walk(with_kernel_sizes(layers), shape)
    values = np.random.default_rng(seed).standard_normal((*shape[1:], shape[0]))
    for count in (len(layers), 1):
        made = ran(layers[:count], values)
        assert made.shape[2:] + made.shape[:2] == said.layers[count - 1].output
        assert made.dtype == values.dtype


@settings(max_examples=100)
@given(image_networks())
def test_an_image_passes_through_wherever_it_is_said_to(case: tuple[Shape, list[Layer]]) -> None:
    shape, layers = case
    sized = with_kernel_sizes(layers)
    plain = list(takewhile(lambda one: one.op not in ("adaptiveavgpool", "globalavgpool"), sized))
    assume(plain)
    found = walk(plain, shape)
    for axis in (0, 1):
        try:
            marks = Marked(plain, shape[1 + axis], axis)
        except EmptyMapError:
            pytest.fail("the walk goes on where nothing is left")
        assert len(marks.maps[-1]) == found.output[1 + axis]


@settings(max_examples=30)
@given(image_networks())
def test_apply_writes_what_shape_says(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Shape, list[Layer]]
) -> None:
    shape, layers = case
    folder = tmp_path_factory.mktemp("net")
    (folder / "mine.net").write_text(format_network(shape, layers))
    size = shape[1:] if shape[0] == 1 else (*shape[1:], shape[0])
    np.save(folder / "in.npy", np.arange(np.prod(size), dtype=np.float32).reshape(size))
    said = here("shape", "--net", "mine.net", "--json", cwd=folder)
    done = here("apply", "in.npy", "--net", "mine.net", "-o", "out.npy", cwd=folder)
    assert (said.code, done.code) == (0, 0), done.stderr
    made = np.atleast_3d(np.load(folder / "out.npy"))
    channels, *sides = json.loads(said.text)["total"]["output"]
    assert made.shape == (*sides, channels)


# ---- by hand -----------------------------------------------------------------------------------


def through(values: Array, *layers: str) -> Array:
    return ran([parse_layer(layer) for layer in layers], values)


image = np.random.default_rng(1).standard_normal((7, 9, 3))


def test_joins_add_and_stack_what_their_branches_make() -> None:
    branches = ["conv:kernel=sobel-x,name=x", "conv:kernel=sobel-y,from=input,name=y"]
    x, y = through(image, branches[0]), through(image, branches[1].replace("from=input,", ""))
    np.testing.assert_allclose(through(image, *branches, "add:from=x+y"), x + y)
    joined = through(image, *branches, "concat:from=x+y+input")
    np.testing.assert_allclose(joined, np.concatenate([x, y, image], axis=2))
    length = through(image[:, :, :1], *branches, "concat:from=x+y", "magnitude")
    np.testing.assert_allclose(length, np.hypot(x, y)[:, :, :1])


def test_a_map_that_is_joined_with_itself_doubles() -> None:
    np.testing.assert_allclose(through(image, "relu:name=a", "add:from=a+a"), 2 * image.clip(0))


def test_an_output_that_nobody_takes_changes_nothing() -> None:
    np.testing.assert_allclose(through(image, "abs", "relu:from=input"), image.clip(0))


def test_crops_cut_what_the_walk_says() -> None:
    np.testing.assert_allclose(through(image, "crop:1x2"), image[1:-1, 2:-2])
    odd = through(image, "maxpool:2,s=1,name=a", "crop:like=a,from=input")
    np.testing.assert_allclose(odd, image[:6, :8])


@pytest.mark.peers
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 4), (7, 9), (10, 20)])
def test_an_adaptive_pool_is_pytorch_s(rows: int, columns: int) -> None:
    torch = require_peer("torch")
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())
    expected = torch.nn.functional.adaptive_avg_pool2d(planes, (rows, columns)).numpy()
    made = through(image, f"adaptiveavgpool:{rows}x{columns}")
    np.testing.assert_allclose(made, expected.transpose(1, 2, 0))


def test_upsampling_paints_the_kernel_for_every_pixel() -> None:
    made = through(image, "tconv:kernel=ones:2,s=2,p=0")
    np.testing.assert_allclose(made, image.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("layer", ["tconv", "conv"])
def test_a_layer_s_weights_make_its_maps(tmp_path: Path, layer: str) -> None:
    weights = np.random.default_rng(2).standard_normal((3, 5, 2, 3))
    stored = weights if layer == "tconv" else weights.transpose(1, 0, 2, 3)
    np.save(tmp_path / "w.npy", stored)
    text = f"{layer}:kernel={tmp_path / 'w.npy'},p=0,s=2"
    made = through(image, text)
    said = walk(with_kernel_sizes([parse_layer(text)]), (3, 7, 9)).output
    assert made.shape[2:] + made.shape[:2] == said
    if layer == "tconv":
        planes = image.transpose(2, 0, 1)[np.newaxis]
        expected = paint(planes, weights, stride=(2, 2))[0].transpose(1, 2, 0)
        np.testing.assert_allclose(made, expected)


def test_a_kernel_of_three_axes_sums_the_channels_into_one_map(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((3, 1, 1)))
    for layer in ("conv", "tconv"):
        text = f"{layer}:kernel={tmp_path / 'w.npy'}"
        np.testing.assert_allclose(through(image, text), image.sum(axis=2, keepdims=True))
        assert walk(with_kernel_sizes([parse_layer(text)]), (3, 7, 9)).output == (1, 7, 9)


@pytest.mark.parametrize("layer", ["conv:3", "tconv:2,s=2", "bn", "linear:10", "flatten", "prelu"])
def test_a_layer_that_an_image_cannot_go_through_is_named(layer: str, tmp_path: Path) -> None:
    (tmp_path / "mine.net").write_text(f"input 1x8x8\nrelu\n{layer}\n")
    np.save(tmp_path / "in.npy", np.ones((8, 8)))
    done = here("apply", "in.npy", "--net", "mine.net", "-o", "out.npy", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr.startswith("convcli: mine.net: layer ")
    assert done.stderr.count("\n") == 1
    assert format_layer(parse_layer(layer)) in done.stderr
    assert not (tmp_path / "out.npy").exists()


def test_an_image_that_a_net_cannot_take_is_the_image_s_fault(tmp_path: Path) -> None:
    (tmp_path / "mine.net").write_text("conv:kernel=ones:9,p=0\n")
    np.save(tmp_path / "in.npy", np.ones((8, 8)))
    done = here("apply", "in.npy", "--net", "mine.net", "-o", "out.npy", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.npy: ")
    assert "the output would be empty: height floor((8" in done.stderr


def test_the_real_commands_agree(tmp_path: Path) -> None:
    net = [
        "input 1x20x31",
        "conv:kernel=sharpen,name=sharp",
        *("conv:kernel=gaussian:1,s=2,from=input", "tconv:kernel=ones:2,s=2,p=0,name=up"),
        *("crop:like=sharp,from=up,name=back", "concat:from=sharp+back"),
        *("magnitude", "maxpool:3,s=2,ceil", "adaptiveavgpool:4x5"),
    ]
    (tmp_path / "edges.net").write_text("\n".join(net))
    np.save(tmp_path / "in.npy", np.arange(20 * 31.0).reshape(20, 31))
    said = convcli("shape", "--net", "edges.net", "--json", cwd=tmp_path)
    done = convcli("apply", "in.npy", "--net", "edges.net", "-o", "out.npy", cwd=tmp_path)
    assert (said.code, done.code) == (0, 0), (said.stderr, done.stderr)
    assert list(np.load(tmp_path / "out.npy").shape) == json.loads(said.text)["total"]["output"][1:]
    again = convcli(
        "apply",
        "in.npy",
        "--net",
        "-",
        "-o",
        "two.npy",
        cwd=tmp_path,
        stdin=(tmp_path / "edges.net").read_bytes(),
    )
    assert again.code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "two.npy"), np.load(tmp_path / "out.npy"))
