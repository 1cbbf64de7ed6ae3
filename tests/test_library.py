"""The library: what `import convcli` gives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from inspect import Parameter, Signature, getdoc, signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli

# The names that are promised.
PROMISED = {
    *("conv2d", "conv2d_naive", "conv2d_backward", "conv_transpose2d", "max_pool2d", "avg_pool2d"),
    *("conv_transpose2d_backward", "max_pool2d_backward", "avg_pool2d_backward"),
    *("im2col", "col2im", "pad2d", "filter2d", "load_kernel", "load_network", "output_size"),
    *("walk", "solve", "design", "zoo_network", "Fit", "fit_kernel"),
}

# As the contract has them, without the types. More arguments may follow, by name.
SIGNATURES = """
conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, padding_mode='zero', method='auto')
conv2d_naive(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, padding_mode='zero')
conv2d_backward(grad, x, weight, *, stride=1, padding=0, dilation=1, groups=1, padding_mode='zero')
conv_transpose2d(x, weight, bias=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
conv_transpose2d_backward(grad, x, weight, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1)
max_pool2d(x, kernel_size, *, stride=None, padding=0, dilation=1, ceil_mode=False)
max_pool2d_backward(grad, x, kernel_size, *, stride=None, padding=0, dilation=1, ceil_mode=False)
avg_pool2d(x, kernel_size, *, stride=None, padding=0, dilation=1, ceil_mode=False, count_include_pad=True)
avg_pool2d_backward(grad, x, kernel_size, *, stride=None, padding=0, dilation=1, ceil_mode=False, count_include_pad=True)
im2col(x, kernel_size, *, stride=1, padding=0, dilation=1)
col2im(columns, shape, kernel_size, *, stride=1, padding=0, dilation=1)
pad2d(x, padding, mode='zero')
filter2d(image, kernel, *, bias=0.0, stride=1, padding='same', padding_mode='replicate', dilation=1, flip=False, method='auto', out_dtype=None)
fit_kernel(before, after, size, *, bias=False)
load_kernel(spec)
load_network(path)
output_size(size, kernel, *, stride=1, padding=0, dilation=1, ceil_mode=False)
walk(layers, input_shape)
"""  # noqa: E501

SINGLE = ("bool", "uint8", "int64", "float16", "float32")
FLOATS = dict.fromkeys(SINGLE, "float32") | {"float64": "float64"}
KEPT = {dtype: dtype for dtype in FLOATS}
PIXELS = KEPT | {"bool": "float32"}
SUMS = KEPT | {"bool": "int64", "uint8": "uint64"}
KERNEL = np.ones((1, 1, 2, 2))
ONES = np.ones((1, 2, 2))
TYPES: dict[str, tuple[Callable[[Any], Any], dict[str, str]]] = {
    "conv2d": (lambda x: convcli.conv2d(x, KERNEL), FLOATS),
    "conv2d_naive": (lambda x: convcli.conv2d_naive(x, KERNEL), FLOATS),
    "conv_transpose2d": (lambda x: convcli.conv_transpose2d(x, KERNEL), FLOATS),
    "avg_pool2d": (lambda x: convcli.avg_pool2d(x, 2, stride=1), FLOATS),
    "max_pool2d": (lambda x: convcli.max_pool2d(x, 2, stride=1), KEPT),
    "im2col": (lambda x: convcli.im2col(x, 2), KEPT),
    "col2im": (lambda x: convcli.col2im(x.reshape(1, -1), (1, 3, 3), 1), SUMS),
    "pad2d": (lambda x: convcli.pad2d(x, 1), KEPT),
    "filter2d": (lambda x: convcli.filter2d(x, [[1]]), PIXELS),
    "conv2d_backward": (lambda x: convcli.conv2d_backward(ONES, x, KERNEL)[0], FLOATS),
    "max_pool2d_backward": (lambda x: convcli.max_pool2d_backward(ONES, x, 2, stride=1), FLOATS),
    "avg_pool2d_backward": (lambda x: convcli.avg_pool2d_backward(ONES, x, 2, stride=1), FLOATS),
    "conv_transpose2d_backward": (
        lambda x: convcli.conv_transpose2d_backward(np.ones((1, 4, 4)), x, KERNEL)[0],
        FLOATS,
    ),
}
# What takes a padding, of a batch or of one image, with a window of 3.
PADDED: dict[str, Callable[..., Any]] = {
    "conv2d": lambda **asked: convcli.conv2d(np.ones((2, 6, 7)), np.ones((1, 2, 3, 3)), **asked),
    "conv_transpose2d": lambda **asked: convcli.conv_transpose2d(
        np.ones((2, 6, 7)), np.ones((2, 1, 3, 3)), **asked
    ),
    "max_pool2d": lambda **asked: convcli.max_pool2d(np.ones((2, 6, 7)), 3, **asked),
    "avg_pool2d": lambda **asked: convcli.avg_pool2d(np.ones((2, 6, 7)), 3, **asked),
    "im2col": lambda **asked: convcli.im2col(np.ones((2, 6, 7)), 3, **asked),
    "filter2d": lambda **asked: convcli.filter2d(np.ones((6, 7, 2)), np.ones((3, 3)), **asked),
}


def loaded_by(statement: str, folder: Path) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_all_is_sorted_and_holds_what_was_promised() -> None:
    assert convcli.__all__ == sorted(convcli.__all__)
    assert len(set(convcli.__all__)) == len(convcli.__all__)
    assert set(convcli.__all__) >= PROMISED


@pytest.mark.parametrize("name", convcli.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(convcli, name)
    assert found.__name__ == name
    assert getdoc(found)


def test_dir_names_everything_before_it_is_used(tmp_path: Path) -> None:
    assert set(convcli.__all__) <= set(dir(convcli))
    code = "import convcli; assert set(convcli.__all__) <= set(dir(convcli))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_a_star_import_gives_all_of_it_and_nothing_else() -> None:
    names: dict[str, object] = {}
    exec("from convcli import *", names)  # a star stands at a module's level only
    assert set(names) - {"__builtins__"} == set(convcli.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="conv3d"):
        _ = convcli.conv3d


def test_the_version_is_three_numbers() -> None:
    assert [part.isdigit() for part in convcli.__version__.split(".")] == [True] * 3


@pytest.mark.parametrize("promise", SIGNATURES.split("\n")[1:-1])
def test_signatures_are_those_of_the_contract(promise: str) -> None:
    name = promise.partition("(")[0]
    own = signature(getattr(convcli, name))
    bare = [
        parameter.replace(
            annotation=Parameter.empty,
            default=Parameter.empty if parameter.name == "input_shape" else parameter.default,
        )
        for parameter in own.parameters.values()
    ]
    wanted = promise.count(",") + 1 - promise.count("*")
    found = str(own.replace(parameters=bare[:wanted], return_annotation=Signature.empty))
    assert f"{name}{found}" == promise
    assert all(more.default is not Parameter.empty for more in bare[wanted:])


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_types_are_those_of_the_contract(name: str, dtype: str) -> None:
    call, results = TYPES[name]
    result = call(np.ones((1, 3, 3), dtype))
    assert result.dtype == np.dtype(results[dtype])


@pytest.mark.parametrize("name", PADDED)
def test_paddings_are_numbers_pairs_sides_and_names(name: str) -> None:
    call = PADDED[name]
    alike = call(padding=1), call(padding=(1, 1)), call(padding=((1, 1), (1, 1)))
    assert all(np.array_equal(alike[0], other) for other in alike)
    assert np.array_equal(call(padding="valid"), call(padding=0))
    if name != "conv_transpose2d":  # of which `full` crops all but the middle
        assert call(padding="full").size > call(padding="same").size
    assert call(padding="same").shape == call(padding="same-lower").shape
    uneven = call(padding=((4, 0), (0, 2)))
    assert uneven.shape != alike[0].shape
    with pytest.raises(convcli.ConvError, match="padding 'some' is none of"):
        call(padding="some")


@pytest.mark.parametrize(
    ("word", "mode"),
    [("zeros", "zero"), ("edge", "replicate"), ("nearest", "replicate"), ("wrap", "circular"),
     ("mirror", "reflect"), ("constant:0", "zero")],
)  # fmt: skip
def test_padding_words_of_other_libraries_are_understood(word: str, mode: str) -> None:
    x, weight = np.arange(24.0).reshape(1, 4, 6), np.arange(9.0).reshape(1, 1, 3, 3)
    calls: list[Callable[[str], Any]] = [
        lambda name: convcli.pad2d(x, 3, name),
        lambda name: convcli.conv2d(x, weight, padding=2, padding_mode=name),
        lambda name: convcli.conv2d_naive(x, weight, padding=2, padding_mode=name),
        lambda name: convcli.conv2d_backward(x, x, weight, padding=1, padding_mode=name)[0],
        lambda name: convcli.filter2d(x[0], weight[0, 0], padding_mode=name),
    ]
    for call in calls:
        assert np.array_equal(call(word), call(mode))


def test_type_checkers_may_rely_on_its_types() -> None:
    assert (files("convcli") / "py.typed").is_file()
    for name in PROMISED:
        function = signature(getattr(convcli, name))
        assert function.return_annotation is not function.empty
        for parameter in function.parameters.values():
            assert parameter.annotation is not parameter.empty


def test_settings_come_by_their_names() -> None:
    for name in PROMISED - {"load_kernel", "pad2d", "col2im"}:
        kinds = {
            one.name: one.kind for one in signature(getattr(convcli, name)).parameters.values()
        }
        for setting in (
            "stride",
            "padding",
            "dilation",
            "groups",
            "padding_mode",
            "flip",
            "method",
        ):
            assert kinds.get(setting, "KEYWORD_ONLY") in ("KEYWORD_ONLY", 3), (name, setting)


def test_importing_it_loads_no_numpy(tmp_path: Path) -> None:
    assert not {"numpy", "PIL", "rich", "click"} & loaded_by("import convcli", tmp_path)


def test_a_size_is_worked_out_without_numpy(tmp_path: Path) -> None:
    statement = "from convcli import output_size; assert output_size(32, 3, padding=1) == 32"
    assert not {"numpy", "PIL", "rich", "click"} & loaded_by(statement, tmp_path)


def test_the_engine_loads_neither_pillow_nor_the_command_line(tmp_path: Path) -> None:
    modules = loaded_by("from convcli import *", tmp_path)
    assert "numpy" in modules
    assert not {"PIL", "rich", "click", "scipy"} & modules


def test_the_size_of_an_output_is_the_engine_s() -> None:
    x = np.ones((3, 11, 14), np.float32)
    rows, columns = (
        convcli.output_size(side, 3, stride=2, padding=1, dilation=2) for side in (11, 14)
    )
    result = convcli.conv2d(x, np.ones((5, 3, 3, 3)), stride=2, padding=1, dilation=2)
    assert result.shape == (5, rows, columns)


def test_the_arithmetic_needs_no_numpy(tmp_path: Path) -> None:
    statement = (
        "import convcli; shape, layers = convcli.zoo_network('lenet5'); "
        "assert convcli.walk(layers, shape, name='lenet5') == convcli.walk('lenet5'); "
        "assert convcli.solve(224, 112)[0].layer.kernel == (3, 3); "
        "assert convcli.design((3, 32, 32), params=10_000, rf=20).network.params <= 10_000; "
        "repr(convcli.walk('lenet5'))"
    )
    assert not {"numpy", "PIL", "rich", "click"} & loaded_by(statement, tmp_path)


def test_every_error_is_a_conv_error() -> None:
    for call in (
        lambda: convcli.output_size(3, 5),
        lambda: convcli.load_kernel("sobl-x"),
        lambda: convcli.load_kernel("absent.json"),
        lambda: convcli.conv2d(np.ones((3, 3)), np.ones((1, 1, 1, 1))),
        lambda: convcli.filter2d(np.ones((3, 3)), [[1]], padding="some"),
        lambda: convcli.pad2d(np.ones((3, 3)), -1),
    ):
        with pytest.raises(convcli.ConvError):
            call()


def test_an_argument_that_is_wrong_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="empty"):
        convcli.output_size(3, 5)
