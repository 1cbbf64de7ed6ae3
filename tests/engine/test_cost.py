import pytest

from convcli.arithmetic.geometry import Window
from convcli.blas import Blas
from convcli.engine import cost
from convcli.engine.conv2d.problem import choose_conv_method
from convcli.engine.cost import AVX2, AVX512, ConvSize, find_rates


@pytest.mark.parametrize(
    ("blas", "rates"),
    [
        (Blas(), AVX2),
        (Blas("Haswell", 32), AVX2),
        (Blas("SkylakeX", 64, has_small_kernel=True), AVX512),
    ],
)
def test_rates_are_those_of_the_blas(
    blas: Blas, rates: cost.Rates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "find_blas", lambda: blas)
    assert find_rates() == rates


@pytest.mark.parametrize(("channels", "side", "by_rows"), [(960, 7, False), (32, 112, True)])
def test_many_small_products_are_left_to_large_maps(
    channels: int, side: int, by_rows: bool
) -> None:
    window = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    size = ConvSize(1, channels, channels, (side, side), window, groups=channels)
    assert choose_conv_method(size).has_shared_rows == by_rows


def test_columns_of_few_filters_cost_as_much_as_their_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    monkeypatch.setattr(cost, "find_rates", lambda: AVX2)
    one, two, many = (
        cost.im2col_windows_s(ConvSize(1, 16, filters, (100, 100), window))
        for filters in (1, 2, 64)
    )
    assert one == two < many


def test_faster_products_make_winograd_worth_less(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window(kernel=(3, 3), padding=((1, 1), (1, 1)))
    size = ConvSize(1, 256, 256, (14, 14), window)
    ratios = []
    for rates in (AVX2, AVX512):
        monkeypatch.setattr(cost, "find_rates", lambda rates=rates: rates)
        winograd, im2col = (choose_conv_method(size, name) for name in ("winograd", "im2col"))
        ratios.append(winograd.cost_s / im2col.cost_s)
    assert ratios[1] > ratios[0]
