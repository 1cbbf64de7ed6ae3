"""The well-known networks have their well-known numbers."""

from __future__ import annotations

import pytest
from support.network_oracle import in_the_open

from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import parse_layer
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.zoo import ZOO, zoo_network
from convcli.errors import ArgumentError


def walked(name: str) -> Walk:
    shape, layers = zoo_network(name)
    return walk(layers, shape, name=name)


# Parameters as torchvision's documentation has them; LeNet-5's and U-Net's follow from the papers.
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "googlenet": 6_624_904,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v2": 3_504_872,
    "densenet121": 7_978_856,
    "lenet5": 61_706,
    "unet": 31_030_658,
}
# "GFLOPS" of torchvision's documentation, which are multiply-accumulates.
BILLIONS = {
    "alexnet": 0.71, "vgg11": 7.61, "vgg13": 11.31, "vgg16": 15.47, "vgg19": 19.63,
    "resnet18": 1.81, "resnet34": 3.66, "resnet50": 4.09, "resnet101": 7.80, "resnet152": 11.51,
    "googlenet": 1.50, "squeezenet1_0": 0.82, "squeezenet1_1": 0.35, "mobilenet_v2": 0.30,
    "densenet121": 2.83,
}  # fmt: skip


def test_the_zoo_is_that_of_the_design() -> None:
    assert set(ZOO) == set(PARAMETERS)


@pytest.mark.parametrize(("name", "params"), PARAMETERS.items())
def test_parameters_as_published(name: str, params: int) -> None:
    assert walked(name).params == params


@pytest.mark.parametrize(("name", "billions"), BILLIONS.items())
def test_products_as_published(name: str, billions: float) -> None:
    assert walked(name).macs / 1e9 == pytest.approx(billions, abs=0.011)


REFERENCES = {  # convolutions, linear layers; receptive field, jump, padding
    "alexnet": ((655_566_528, 58_621_952), (195, 32, 66)),
    "vgg16": ((15_346_630_656, 123_633_664), (212, 32, 90)),
    "resnet18": ((1_813_561_344, 512_000), (435, 32, 217)),
}


@pytest.mark.parametrize(("name", "products", "sees"), [(k, *v) for k, v in REFERENCES.items()])
def test_the_reference_networks_to_the_digit(
    name: str, products: tuple[int, int], sees: tuple[int, int, int]
) -> None:
    found, last = walked(name), walked(name).last_map
    for op, macs in zip(("conv", "linear"), products, strict=True):
        assert sum(one.macs for one in found.layers if one.layer.op == op) == macs
    assert found.macs == sum(products)
    assert last is not None
    for axis in (0, 1):
        figures = [last.receptive_field[axis], last.jump[axis], last.effective_padding[axis]]
        assert figures == list(sees)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_every_network_ends_as_it_should(name: str) -> None:
    found = walked(name)
    ends = {"lenet5": (10,), "unet": (2, 388, 388)}
    assert found.output == ends.get(name, (1000,))
    assert found.input == {"lenet5": (1, 32, 32), "unet": (1, 572, 572)}.get(name, (3, 224, 224))


MAPS = {  # the size of the last map before the pixels are gathered
    "alexnet": 6, "vgg16": 7, "resnet50": 7, "googlenet": 7, "squeezenet1_0": 13,
    "squeezenet1_1": 13, "mobilenet_v2": 7, "densenet121": 7, "lenet5": 1, "unet": 388,
}  # fmt: skip


@pytest.mark.parametrize(("name", "side"), MAPS.items())
def test_the_last_map_has_its_known_size(name: str, side: int) -> None:
    last = walked(name).last_map
    assert last is not None
    assert last.output[1:] == (side, side)


@pytest.mark.parametrize(
    "name",
    ["alexnet", "vgg19", "resnet18", "resnet50", "mobilenet_v2", "squeezenet1_1", "lenet5", "unet"],
)
def test_receptive_fields_are_those_of_marks_on_the_input(name: str) -> None:
    shape, texts = zoo_network(name)
    layers = [parse_layer(text) for text in texts]
    ends = ("globalavgpool", "adaptiveavgpool", "flatten")
    gathered = [place for place, layer in enumerate(layers) if layer.op in ends]
    maps = layers[: min(gathered, default=len(layers))]
    found, marks = walk(maps, shape), in_the_open(maps, shape[1], 0)
    for place, one in enumerate(found.layers, start=1):
        assert one.fields[0].at(0) == marks.seen(place, 0)
        assert one.receptive_field[0] == marks.receptive_field(place)
        assert one.jump[0] == marks.jumps[place]


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_a_residual_network_has_as_many_layers_as_its_name_says(depth: int) -> None:
    trained = [one.layer.op in ("conv", "linear") for one in walked(f"resnet{depth}").layers]
    projections = 3 if depth < 50 else 4  # on shortcuts, which are not counted
    assert sum(trained) == depth + projections


def test_networks_out_of_line_are_those_that_upsample_or_pool_unevenly() -> None:
    aligned = ("alexnet", "vgg16", "resnet18", "resnet152", "mobilenet_v2", "densenet121", "lenet5")
    for name in aligned:
        assert walked(name).notes == []


def test_an_unknown_network_is_refused_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'resnet18'"):
        zoo_network("resnet81")
    with pytest.raises(ArgumentError, match="there are alexnet"):
        zoo_network("zzz")
