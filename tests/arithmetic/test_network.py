"""A network walked through: shapes, costs, joins, and what it says of layers that cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.network_oracle import Case, in_the_open, networks
from support.peers import require_peer

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT, format_layer, input_indices, parse_layer
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.zoo import zoo_network
from convcli.errors import ArgumentError, NotationError, ShapeError

# ---- any network -------------------------------------------------------------------------------


@given(networks())
def test_sizes_and_dropped_pixels_are_those_of_sliding_the_windows(case: Case) -> None:
    found = walk(case.layers, (1, *case.size))
    for axis in (0, 1):
        marks = in_the_open(case.layers, case.size[axis], axis).own
        sizes = [len(cells) for cells in marks.maps[1:]]
        assert [one.output[1 + axis] for one in found.layers] == sizes
        assert [one.dropped[axis] for one in found.layers] == [step.dropped for step in marks.steps]


@settings(max_examples=100)
@given(networks(), st.integers(1, 3))
def test_a_walk_adds_up(case: Case, channels: int) -> None:
    found = walk(case.layers, (channels, *case.size))
    assert found.params == sum(one.params for one in found.layers)
    assert found.macs == sum(one.macs for one in found.layers)
    assert found.bytes == sum(4 * prod(one.output) for one in found.layers)
    assert found.output == found.layers[-1].output
    assert found.last_map is found.layers[-1]


@settings(max_examples=100)
@given(networks(), st.integers(1, 3))
def test_the_notation_of_a_network_is_the_network(case: Case, channels: int) -> None:
    shape = (channels, *case.size)
    assert walk([format_layer(layer) for layer in case.layers], shape) == walk(case.layers, shape)


# ---- networks as text --------------------------------------------------------------------------


def test_text_is_a_name_or_layers_or_a_file() -> None:
    shape, layers = zoo_network("lenet5")
    expected = walk(layers, shape, name="lenet5")
    assert walk("lenet5") == expected
    assert walk(" ".join(layers), shape, name="lenet5") == expected
    text = "# LeNet\ninput 1x32x32\n" + "\n".join(layers)
    assert walk(text, name="lenet5") == expected
    assert walk(text).name == "network"
    assert walk("lenet5", (1, 40, 40), name="mine")[:2] == ("mine", (1, 40, 40))
    assert walk("conv:3, p=1,  c=8\trelu", (3, 8, 8)).output == (8, 8, 8)
    assert walk("relu", (3, 8, 8)).layers[0].layer.op == "relu"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resnet19", "no network is named 'resnet19'; did you mean 'resnet18'?"),
        ("conv:3 relu", "the input's shape is missing"),
        ("conv:3 rleu", "did you mean 'relu'"),
        ("input 3x8x8\nrleu", "line 2: "),
        ("models/mine.onnx", "convcli.load_network reads files"),
        ("", "no network is named ''"),
        ("\n", "holds no layers"),
    ],
)
def test_text_that_is_no_network_is_refused(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(words)):
        walk(text, None if "missing" in words else (3, 8, 8))


def test_an_input_whose_channels_come_last_is_asked_about() -> None:
    question = "did you mean 3x32x48?"
    assert question in walk("relu", (32, 48, 3)).notes[0]
    with pytest.raises(ShapeError, match=re.escape(question)):
        walk("conv:5", (32, 48, 3))
    assert walk("relu", (3, 32, 48)).notes == []


# ---- PyTorch -----------------------------------------------------------------------------------

window = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "padding": st.tuples(st.integers(0, 1), st.integers(0, 1)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
    }
)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[str], tuple[int, int, int]]:
    """Layers that PyTorch has as well, in the notation, and an input's shape."""
    shape = (draw(st.sampled_from([1, 2, 4])), draw(st.integers(5, 16)), draw(st.integers(5, 16)))
    layers: list[str] = []
    for _ in range(draw(st.integers(1, 6))):
        layer = _draw_layer(draw)
        try:
            walk([*layers, layer], shape)
        except ShapeError:
            continue
        layers.append(layer)
    if draw(st.booleans()):
        layers += ["flatten", f"linear:{draw(st.integers(1, 9))}{draw(bias)}"]
    return layers or ["relu"], shape


bias = st.sampled_from(["", ",nobias"])


def _draw_layer(draw: st.DrawFn) -> str:
    op = draw(st.sampled_from(["conv"] * 3 + ["tconv", "maxpool", "avgpool", "bn", "relu"]))
    op = draw(st.sampled_from([op] * 6 + ["adaptiveavgpool", "globalavgpool"]))
    if op in ("bn", "relu", "globalavgpool"):
        return op
    if op == "adaptiveavgpool":
        return f"{op}:{draw(st.integers(1, 5))}x{draw(st.integers(1, 5))}"
    numbers = draw(window)
    kernel, stride, gap, (ph, pw) = (
        numbers[key] for key in ("kernel_size", "stride", "dilation", "padding")
    )
    if "pool" in op:  # PyTorch pads a pool by half its window at most
        ph, pw, gap = min(ph, kernel[0] // 2), min(pw, kernel[1] // 2), (1, 1)
    size = "x".join
    text = f"{op}:{size(map(str, kernel))},s={size(map(str, stride))},p={ph}x{pw}"
    text += f",d={size(map(str, gap))}"
    if "pool" in op:
        return text + draw(st.sampled_from(["", ",ceil"]))
    groups = draw(st.sampled_from([1, 1, 2, "depthwise"]))
    channels = "" if groups == "depthwise" else f",c={draw(st.sampled_from([2, 4]))}"
    extra = (
        draw(st.integers(0, min(map(max, zip(stride, gap, strict=True))) - 1))
        if op == "tconv"
        else 0
    )
    return f"{text},g={groups}{channels}{f',op={extra}' if extra else ''}{draw(bias)}"


def module(nn: Any, layer: Layer, channels: int) -> Any:
    """PyTorch's module for a layer."""
    if layer.op in ("bn", "relu", "flatten"):
        return {"bn": nn.BatchNorm2d(channels), "relu": nn.ReLU(), "flatten": nn.Flatten()}[
            layer.op
        ]
    if layer.op == "linear":
        return nn.Linear(channels, layer.channels, bias=layer.bias)
    if layer.op in ("globalavgpool", "adaptiveavgpool"):
        return nn.AdaptiveAvgPool2d(layer.size or 1)
    assert isinstance(layer.padding, tuple)
    (top, _), (left, _) = layer.padding
    numbers = {"stride": layer.stride, "padding": (top, left)}
    if layer.op in ("maxpool", "avgpool"):
        pool = nn.MaxPool2d if layer.op == "maxpool" else nn.AvgPool2d
        return pool(layer.kernel, ceil_mode=layer.ceil, **numbers)
    groups = channels if layer.groups == "depthwise" else layer.groups or 1
    settings = {"dilation": layer.dilation, "groups": groups, "bias": layer.bias, **numbers}
    maps = layer.channels or channels
    if layer.op == "tconv":
        extra = layer.output_padding
        return nn.ConvTranspose2d(channels, maps, layer.kernel, output_padding=extra, **settings)
    return nn.Conv2d(channels, maps, layer.kernel, **settings)


def built(found: Walk) -> Any:
    """The network as PyTorch builds it."""
    torch = require_peer("torch")
    modules = [module(torch.nn, one.layer, one.inputs[0][0]) for one in found.layers]
    return torch.nn.Sequential(*modules).eval()


@pytest.mark.peers
@settings(max_examples=100)
@given(sequences())
def test_pytorch_s_shapes_and_parameters(case: tuple[list[str], tuple[int, int, int]]) -> None:
    torch = require_peer("torch")
    found = walk(*case, framework="torch")
    model, x = built(found), torch.zeros(1, *case[1])
    for step, one in zip(model, found.layers, strict=True):
        x = step(x)
        assert tuple(x.shape[1:]) == one.output
        assert sum(weights.numel() for weights in step.parameters()) == one.params


@pytest.mark.peers
@settings(max_examples=60)
@given(sequences())
def test_pytorch_counts_as_many_products(case: tuple[list[str], tuple[int, int, int]]) -> None:
    torch = require_peer("torch")
    counter = require_peer("torch.utils.flop_counter")
    found = walk(*case)
    with counter.FlopCounterMode(display=False) as flops:
        built(found)(torch.zeros(1, *case[1]))
    assert flops.get_total_flops() == 2 * found.macs


@pytest.mark.peers
@settings(max_examples=60)
@given(networks(ops=("conv", "avgpool", "tconv"), branch=False), st.data())
def test_gradients_reach_what_an_output_sees(case: Case, data: st.DataObject) -> None:
    torch = require_peer("torch")
    layers = [_as_torch_takes(layer) for layer in case.layers if layer.kernel is not None]
    assume(layers and _fits(layers, case.size))
    keeps_all = Case(tuple(layers), case.size).keeps_all()
    found = walk(layers, (1, *case.size))
    model = built(found).double()
    for weights in model.parameters():
        torch.nn.init.ones_(weights)
    x = torch.ones(1, 1, *case.size, dtype=torch.float64, requires_grad=True)
    rows, columns = (data.draw(st.integers(0, side - 1)) for side in found.output[1:])
    model(x)[0, 0, rows, columns].backward()
    reached = x.grad[0, 0].nonzero()
    seen = [
        field.at(at) for field, at in zip(found.layers[-1].fields, (rows, columns), strict=True)
    ]
    for axis, interval in enumerate(seen):
        if interval is None or not len(reached):
            assert not len(reached)
            continue
        least, most = int(reached[:, axis].min()), int(reached[:, axis].max())
        assert interval[0] <= least <= most <= interval[1]
        middle = all(one[0] >= 0 and one[1] < case.size[a] for a, one in enumerate(seen) if one)
        if middle and keeps_all:
            assert interval == (least, most)


def _as_torch_takes(layer: Layer) -> Layer:
    """The same layer with as much padding before as after, and no more than PyTorch allows."""
    assert layer.kernel is not None
    if isinstance(layer.padding, str):
        before = [side // 2 for side in layer.kernel]
    else:
        before = [first for first, _ in layer.padding]
    is_pool = layer.op == "avgpool"
    if is_pool:
        before = [min(wide, side // 2) for wide, side in zip(before, layer.kernel, strict=True)]
    padding = ((before[0], before[0]), (before[1], before[1]))
    dilation = (1, 1) if is_pool else layer.dilation
    return layer._replace(padding=padding, ceil=False, dilation=dilation)


def _fits(layers: list[Layer], size: tuple[int, int]) -> bool:
    try:
        walk(layers, (1, *size))
    except ShapeError:
        return False
    return True


# ---- costs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "params", "macs"),
    [
        ("conv:3,p=1,c=64", 64 * 3 * 9 + 64, 64 * 3 * 9 * 64),
        ("conv:3,p=1,c=64,nobias", 64 * 3 * 9, 64 * 3 * 9 * 64),
        ("conv:3x5,c=2,g=1", 2 * 3 * 15 + 2, 2 * 3 * 15 * 24),
        ("conv:3,p=1,g=depthwise", 3 * 9 + 3, 3 * 9 * 64),
        ("conv:3,p=1,g=3,c=6", 6 * 9 + 6, 6 * 9 * 64),
        ("conv:1,s=2,c=5", 15 + 5, 15 * 16),
        ("tconv:2,s=2,c=5", 3 * 5 * 4 + 5, 3 * 5 * 4 * 64),
        ("bn", 6, 0),
        ("maxpool:2", 0, 0),
        ("relu", 0, 0),
        ("flatten", 0, 0),
    ],
)
def test_costs_worked_out_by_hand(layer: str, params: int, macs: int) -> None:
    one = walk([layer], (3, 8, 8)).layers[0]
    assert (one.params, one.macs) == (params, macs)


def test_a_linear_layer_counts_every_pair() -> None:
    found = walk(["flatten", "linear:10", "linear:4,nobias", "bn"], (3, 4, 4))
    assert [one.params for one in found.layers] == [0, 48 * 10 + 10, 40, 8]
    assert [one.macs for one in found.layers] == [0, 480, 40, 0]
    assert [one.output for one in found.layers] == [(48,), (10,), (4,), (4,)]
    assert [one.bytes for one in found.layers] == [192, 40, 16, 16]


# ---- names, wiring -----------------------------------------------------------------------------


def test_layers_are_named_by_their_operation_and_a_number() -> None:
    layers = ["conv:1", "relu", "conv:1,name=mine", "conv:1", "relu"]
    names = [one.name for one in walk(layers, (1, 4, 4)).layers]
    assert names == ["conv1", "relu1", "mine", "conv2", "relu2"]


def test_a_layer_takes_the_one_before_or_those_that_it_names() -> None:
    texts = ["conv:1,name=a", "relu:from=input", "add:from=a+input", "crop:like=a,from=input"]
    assert input_indices([parse_layer(text) for text in texts]) == [
        (INPUT,),
        (INPUT,),
        (0, -1),
        (-1, 0),
    ]
    texts = ["relu:name=a", "relu", "crop:like=a"]  # the map that is cropped comes first
    assert input_indices([parse_layer(text) for text in texts]) == [(INPUT,), (0,), (1, 0)]


@pytest.mark.parametrize(
    ("layers", "words", "at"),
    [
        (["conv:1,from=a"], "no layer before it is named 'a'", 0),
        (["conv:1,from=b", "relu:name=b"], "no layer before it is named 'b'", 0),
        (["relu:name=stem", "add:from=stem+stm"], "did you mean 'stem'", 1),
        (["relu:name=a", "abs:name=a"], "its name is taken", 1),
        (["crop:like=a"], "no layer before it is named 'a'", 0),
    ],
)
def test_names_that_lead_nowhere_are_refused(layers: list[str], words: str, at: int) -> None:
    with pytest.raises(NotationError, match=words) as caught:
        walk(layers, (1, 8, 8))
    assert str(caught.value).startswith(f"layer '{layers[at]}': ")


def test_concat_adds_channels_up_and_add_keeps_them() -> None:
    layers = ["conv:1,c=4,name=a", "conv:1,c=5,from=input,name=b", "concat:from=a+b+input,name=c"]
    assert walk(layers, (3, 6, 7)).output == (12, 6, 7)
    assert walk([*layers, "add:from=c+c"], (3, 6, 7)).output == (12, 6, 7)


def test_magnitude_makes_one_map_and_pools_keep_theirs() -> None:
    assert walk(["magnitude"], (3, 6, 7)).output == (1, 6, 7)
    assert walk(["globalavgpool"], (3, 6, 7)).output == (3, 1, 1)
    assert walk(["adaptiveavgpool:4x2"], (3, 6, 7)).output == (3, 4, 2)


def test_a_crop_like_another_takes_the_odd_one_off_the_far_side() -> None:
    one = walk(["conv:4,name=a", "crop:like=a,from=input"], (1, 9, 9)).layers[-1]
    assert [*one.output, *one.start] == [1, 6, 6, 1, 1]


@pytest.mark.parametrize("end", ["globalavgpool", "adaptiveavgpool:2", "flatten"])
def test_the_last_map_is_the_one_before_the_pixels_are_gathered(end: str) -> None:
    layers = ["conv:3", "relu:name=here", end, "relu"]
    assert walk(layers, (1, 8, 8)).last_map is not None
    assert getattr(walk(layers, (1, 8, 8)).last_map, "name", None) == "here"
    assert walk([end, "relu"], (1, 8, 8)).last_map is None


# ---- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "place", "words"),
    [
        (["conv:3", "conv:9"], r"layer 2 \(conv:9\) on 3x6x6", r"height floor\(\(6 \+ 0 \+ 0 -"),
        (["conv:1x9"], r"layer 1 \(conv:1x9\) on 3x8x8", r"width floor\(\(8 \+ 0 \+ 0 - 1\*\(9"),
        (["maxpool:9"], r"layer 1 \(maxpool:9\) on 3x8x8", r"\) \+ 1 = 0"),
        (["tconv:1,s=2,p=9"], r"layer 1 \(tconv.*\) on 3x8x8", r"\(8 - 1\)\*2 - 9 - 9 \+"),
        (["conv:1,g=2"], r"layer 1 \(conv:1,g=2\) on 3x8x8", "2 groups do not divide 3 input"),
        (["conv:1,g=3,c=4"], r"layer 1", "3 groups do not divide 3 input and 4 output"),
        (["conv:1,c=2,g=depthwise"], r"layer 1", "3 groups do not divide 3 input and 2 output"),
        (["linear:10"], r"layer 1 \(linear:10\) on 3x8x8", "flatten it first"),
        (["flatten", "conv:3"], r"layer 2 \(conv:3\) on 192", "needs a map"),
        (["flatten", "maxpool:2"], r"layer 2 \(maxpool:2\) on 192", "needs a map"),
        (["crop:4"], r"layer 1 \(crop:4\) on 3x8x8", "cannot be cropped to 0x0"),
        (["conv:3,name=a", "crop:like=input2"], "input2", "no layer before it"),
        (["conv:3,name=a", "add:from=a+input"], r"on 3x6x6 and 3x8x8", "inputs of one shape"),
        (["conv:3,name=a", "concat:from=a+input"], r"on 3x6x6 and 3x8x8", "inputs of one size"),
        (["conv:1,c=2,name=a", "add:from=a+input"], r"on 2x8x8 and 3x8x8", "inputs of one shape"),
        (["conv:3,name=a", "crop:like=a,from=a", "crop:like=b"], "'b'", "no layer before it"),
        (["conv:2,s=3,p=same", "tconv:2,s=3,p=same"], "layer 2", "spans the stride 3, not 2"),
    ],
)
def test_a_layer_that_cannot_be_is_named_with_its_input_and_why(
    layers: list[str], place: str, words: str
) -> None:
    with pytest.raises(ArgumentError, match=place) as caught:
        walk(layers, (3, 8, 8))
    with pytest.raises(ArgumentError, match=words):
        raise caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: walk([], (1, 8, 8)),
        lambda: walk(["relu"], (8, 8)),
        lambda: walk(["relu"], (1, 0, 8)),
        lambda: walk(["conv:kernel=blur"], (1, 8, 8)),
    ],
)
def test_a_walk_needs_layers_and_an_input(wrong: Callable[[], object]) -> None:
    with pytest.raises(ArgumentError):
        wrong()


@pytest.mark.parametrize(("count", "lines"), [(5, 5), (6, 1), (40, 1)])
def test_notes_that_differ_in_numbers_alone_are_one(count: int, lines: int) -> None:
    layers = [f"conv:1,name=c{number}" for number in range(count + 1)]
    shared = {f"c{number}": number for number in range(1, count + 1)}
    notes = walk(layers, (12, 8, 8), counted=shared).notes
    assert len(notes) == lines
    assert notes[0].startswith("layer 2 (conv:1,name=c1): 1 of its parameters")
    assert notes[0].endswith(f"; and so on for {count - 1} more layers") == (lines == 1)
