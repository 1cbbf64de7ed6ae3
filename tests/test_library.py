"""The library: what `import convcli` gives."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from inspect import getdoc, signature
from pathlib import Path

import numpy as np
import pytest

import convcli

# The names that are promised.
PROMISED = {
    *("conv2d", "conv2d_naive", "conv2d_backward", "conv_transpose2d", "max_pool2d", "avg_pool2d"),
    *("conv_transpose2d_backward", "max_pool2d_backward", "avg_pool2d_backward"),
    *("im2col", "col2im", "pad2d", "filter2d", "load_kernel", "output_size"),
    *("walk", "solve", "design", "zoo_network"),
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
