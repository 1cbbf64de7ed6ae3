import pytest

from convcli.arithmetic.geometry import window
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import parse_layer
from convcli.errors import ArgumentError


def test_the_window_of_a_layer_has_all_its_settings() -> None:
    conv = parse_layer("conv:3x5,s=2x1,p=0.1.2.3,d=1x2")
    assert conv.window == window((3, 5), stride=(2, 1), padding=((0, 1), (2, 3)), dilation=(1, 2))
    pool = parse_layer("maxpool:3,s=2,p=1,ceil")
    assert pool.window == window(3, stride=2, padding=1, ceil_mode=True)
    back = parse_layer("tconv:4,s=2,p=1,op=1")
    assert back.window == window(4, stride=2, padding=1, transposed=True, output_padding=1)


@pytest.mark.parametrize("text", ["relu", "conv:kernel=sharpen", "linear:10"])
def test_a_layer_without_a_size_has_no_window(text: str) -> None:
    layer = parse_layer(text)
    with pytest.raises(ArgumentError, match=f"^{layer.op}: the size of its window is not known"):
        _ = layer.window


def test_layers_are_equal_by_what_they_say() -> None:
    assert Layer(op="conv", kernel=(3, 3)) == parse_layer("conv:3")
    assert len({parse_layer("conv:3"), parse_layer("conv:k=3x3,s=1")}) == 1
