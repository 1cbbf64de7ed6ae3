"""`shape`: the arithmetic of one layer, and of sweeps."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.command import Finished, convcli, here
from support.oracles import Geometry, geometries

ROOT = Path(tempfile.gettempdir())


def shape(*options: str) -> Finished:
    done = here("shape", *options, cwd=ROOT)
    assert (done.code, done.stderr) == (0, ""), done.stderr
    return done


def measured(*options: str) -> Any:
    return json.loads(shape(*options, "--json").text)


def usage(*options: str) -> str:
    done = here("shape", *options, cwd=ROOT)
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "output"),
    [(3, 0, 1, 30), (3, 1, 1, 32), (3, 1, 2, 16), (2, 0, 2, 16), (7, 3, 2, 16)],
)
def test_windows_over_32(kernel: int, padding: int, stride: int, output: int) -> None:
    options = ("--h", "32", "--k", str(kernel), "--p", str(padding), "--s", str(stride))
    assert measured(*options)["output"] == [output, output]


DUMOULIN = [  # V. Dumoulin and F. Visin, "A guide to convolution arithmetic": i, k, s, p, o
    (4, 3, 1, 0, 2), (5, 4, 1, 2, 6), (5, 3, 1, 1, 5), (5, 3, 1, 2, 7),
    (5, 3, 2, 0, 2), (5, 3, 2, 1, 3), (6, 3, 2, 1, 3),
]  # fmt: skip


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "output"), DUMOULIN)
def test_the_table_of_dumoulin_and_visin_and_back(
    size: int, kernel: int, stride: int, padding: int, output: int
) -> None:
    window = ("-k", str(kernel), "-s", str(stride), "-p", str(padding))
    there = measured("--h", str(size), *window)
    assert there["output"] == [output, output]
    dropped = (size + 2 * padding - kernel) % stride
    assert there["dropped"] == [dropped, dropped]
    extra = ("--output-padding", str(dropped)) if dropped else ()
    back = measured("--h", str(output), *window, "--transposed", *extra)
    assert (back["op"], back["output"]) == ("tconv", [size, size])


def test_a_dilated_window_of_dumoulin_and_visin() -> None:
    assert measured("--h", "7", "--k", "3", "--d", "2")["output"] == [3, 3]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "output"),
    [(9, 4, 4, 2, 3), (12, 1, 2, 0, 6), (5, 2, 2, 1, 3), (5, 3, 3, 1, 2)],
)
def test_pools_rounded_up(size: int, kernel: int, stride: int, padding: int, output: int) -> None:
    window = ("--k", str(kernel), "--s", str(stride), "--p", str(padding))
    assert measured("--h", str(size), "--pool", "max", *window, "--ceil")["output"] == [output] * 2
    layer = f"avg:{kernel},s={stride},p={padding},ceil"
    assert measured("--h", str(size), "--pool", layer)["output"] == [output] * 2


def test_a_pool_steps_by_its_own_size() -> None:
    for options in (("--pool", "max", "--k", "2x3"), ("--pool", "max:2x3")):
        found = measured("--h", "12", *options)
        assert (found["op"], found["stride"], found["output"]) == ("maxpool", [2, 3], [6, 4])


def test_a_sweep_of_pools_steps_each_by_its_own_size() -> None:
    found = measured("--h", "12", "--pool", "avg", "--k", "2,3,4")
    assert [one["output"] for one in found] == [[6, 6], [4, 4], [3, 3]]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "output", "fewer", "more"),
    [(224, 3, 2, 112, 0, 1), (224, 7, 2, 112, 2, 3), (13, 6, 5, 3, 1, 2)],
)
def test_same_puts_the_odd_one_after_and_same_lower_before(
    size: int, kernel: int, stride: int, output: int, *, fewer: int, more: int
) -> None:
    window = ("--h", str(size), "--k", str(kernel), "--s", str(stride))
    same, lower = (measured(*window, "--p", name) for name in ("same", "same-lower"))
    assert same["output"] == lower["output"] == [output, output]
    assert same["padding"] == [[fewer, more]] * 2
    assert lower["padding"] == [[more, fewer]] * 2


@pytest.mark.parametrize(
    ("padding", "output", "sides"),
    [
        ("valid", [4, 6], [[0, 0], [0, 0]]),
        ("full", [12, 14], [[4, 4], [4, 4]]),
        ("1x2", [6, 10], [[1, 1], [2, 2]]),
        ("0.1.2.3", [5, 11], [[0, 1], [2, 3]]),
    ],
)
def test_forms_of_padding(padding: str, output: list[int], sides: list[list[int]]) -> None:
    found = measured("--h", "8", "--w", "10", "--k", "3", "--d", "2", "-p", padding)
    assert (found["output"], found["padding"]) == (output, sides)


def test_height_and_width_each_have_their_own_numbers() -> None:
    found = measured("--h", "9", "--w", "20", "--k", "2x5", "--s", "2x3", "--d", "3x1")
    assert found == {
        "op": "conv",
        "input": [9, 20],
        "kernel": [2, 5],
        "stride": [2, 3],
        "padding": [[0, 0], [0, 0]],
        "dilation": [3, 1],
        "output": [3, 6],
        "dropped": [1, 0],
    }


def test_the_keys_of_one_layer() -> None:
    keys = ["op", "input", "kernel", "stride", "padding", "dilation", "output", "dropped"]
    assert list(measured("--h", "9", "--k", "3")) == keys
    transposed = measured(
        "--h", "9", "--k", "3", "--s", "2", "--transposed", "--output-padding", "1"
    )
    assert list(transposed) == [*keys, "output_padding"]
    assert (transposed["output_padding"], transposed["output"]) == ([1, 1], [20, 20])
    assert list(measured("--h", "9", "--k", "3", "--c-in", "3")) == [
        *keys,
        "params",
        "macs",
        "flops",
    ]


# ---- what it costs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "output"), [(("-p", "1"), 224), ((), 222), (("-s", "2", "-p", "1"), 112)]
)
def test_64_filters_over_three_channels_have_1792_parameters(
    window: tuple[str, ...], output: int
) -> None:
    found = measured("--h", "224", "--k", "3", "--c-in", "3", "--c-out", "64", *window)
    assert found["output"] == [output, output]
    assert found["params"] == 1792 == 64 * 3 * 3 * 3 + 64
    assert found["macs"] == 64 * 3 * 3 * 3 * output * output
    assert found["flops"] == 2 * found["macs"]


def test_groups_divide_the_weights() -> None:
    options = ("--h", "10", "--k", "3", "--p", "1", "--c-in", "8", "--c-out", "16")
    assert measured(*options, "--groups", "4")["params"] == 16 * 2 * 9 + 16
    assert measured(*options, "--groups", "8")["macs"] == 16 * 1 * 9 * 100


def test_a_transposed_convolution_counts_its_input_positions() -> None:
    options = ("--h", "5", "--k", "4", "--s", "2", "--transposed", "--c-in", "3", "--c-out", "2")
    found = measured(*options)
    assert (found["output"], found["params"], found["macs"]) == ([12, 12], 98, 3 * 2 * 16 * 25)


def test_pools_cost_nothing() -> None:
    found = measured("--h", "8", "--pool", "max:2", "--c-in", "3")
    assert (found["params"], found["macs"]) == (0, 0)


# ---- exact numbers -----------------------------------------------------------------------------


def test_integers_of_any_size_are_exact() -> None:
    side = 10**30 + 1
    found = measured("--h", str(side), "--k", "3", "--s", "2", "--c-in", "7", "--c-out", "11")
    output = (side - 3) // 2 + 1
    assert found["output"] == [output, output]
    assert found["macs"] == 7 * 11 * 9 * output**2


def test_results_of_more_digits_than_python_prints_are_exact(tmp_path: Path) -> None:
    tens = "1" + "0" * 4_000
    done = convcli("shape", "--h", tens, "--k", "1", "--c-in", "3", "--json", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert f'"output": [{tens}, {tens}]' in done.text
    assert f'"macs": 9{"0" * 8_000}, "flops": 18{"0" * 8_000}}}' in done.text


# ---- layouts -----------------------------------------------------------------------------------


def test_the_formula_stands_there_with_its_numbers() -> None:
    text = shape("--h", "224", "--w", "100", "--k", "3", "--p", "0.1.2.3", "--s", "2").text
    assert "floor((i + before + after - d*(k - 1) - 1) / s) + 1\n" in text
    assert "floor((224 + 0 + 1 - 1*(3 - 1) - 1) / 2) + 1 = 112\n" in text
    assert "floor((100 + 2 + 3 - 1*(3 - 1) - 1) / 2) + 1 = 52\n" in text
    assert "224x100 -> 112x52" in text


def test_the_formula_of_a_transposed_convolution() -> None:
    options = ("--h", "4", "--k", "3", "--s", "2", "--p", "1", "--transposed")
    text = shape(*options, "--output-padding", "1").text
    assert "(i - 1)*s - before - after + d*(k - 1) + op + 1\n" in text
    assert "(4 - 1)*2 - 1 - 1 + 1*(3 - 1) + 1 + 1 = 8\n" in text


def test_the_formula_of_a_pool_that_loses_a_window() -> None:
    text = shape("--h", "12", "--pool", "max:1,s=2", "--ceil").text
    assert "ceil((12 + 0 + 0 - 1*(1 - 1) - 1) / 2) + 1 = 7, less 1" in text
    assert "= 6\n" in text


def test_parameters_and_macs_stand_there_with_their_numbers() -> None:
    text = shape("--h", "224", "--k", "3", "--c-in", "3", "--c-out", "64").text
    assert "64*(3/1)*3*3 + 64 = 1,792\n" in text
    assert "64*(3/1)*3*3 * 222*222 = 85,162,752\n" in text


SWEEP = ("--h", "224", "--k", "3,5,7", "--s", "1,2")
SWEPT = [(k, s, (224 - k) // s + 1) for k, s in product((3, 5, 7), (1, 2))]


def test_a_sweep_has_a_row_for_every_combination() -> None:
    found = measured(*SWEEP)
    rows = [(one["kernel"][0], one["stride"][0], one["output"][0]) for one in found]
    assert rows == SWEPT


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--h", "10,11"), ("--w", "10,11"), ("--k", "2,3x1"), ("-s", "1,2x3"), ("-p", "same,1"),
        ("-d", "1,2"), ("--c-in", "4,8"), ("--c-out", "4,8"), ("--groups", "1,2,4"),
    ],
)  # fmt: skip
def test_every_number_can_be_swept(option: str, values: str) -> None:
    settings = {"--h": "12", "--k": "3", "--c-in": "4", option: values}
    assert len(measured(*(word for pair in settings.items() for word in pair))) == len(
        values.split(",")
    )


def test_a_sweep_as_csv() -> None:
    text = shape(*SWEEP, "--format", "csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["kernel"], row["stride"], row["output"]) for row in rows] == [
        (f"{k}x{k}", f"{s}", f"{o}x{o}") for k, s, o in SWEPT
    ]


def test_a_sweep_as_markdown() -> None:
    lines = shape(*SWEEP, "--format", "markdown").text.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:3] == ["op", "input", "kernel"]
    assert set(cells[1]) == {"---"}
    output = cells[0].index("output")
    assert [row[output] for row in cells[2:]] == [f"{o}x{o}" for _, _, o in SWEPT]


def test_a_sweep_as_a_table() -> None:
    words = [line.split() for line in shape(*SWEEP).text.splitlines()]
    output = words[0].index("output")
    assert [row[output] for row in words[2:]] == [f"{o}x{o}" for _, _, o in SWEPT]


def test_format_json_is_json() -> None:
    assert shape(*SWEEP, "--format", "json").stdout == shape(*SWEEP, "--json").stdout
    assert shape(*SWEEP, "--json").text.count("\n") == 1


# ---- what cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--k", "3"),
        ("--h", "5"),
        ("--h", "0", "--k", "3"),
        ("--h", "-5", "--k", "3"),
        ("--h", "5.5", "--k", "3"),
        ("--h", "5", "--k", "0"),
        ("--h", "5", "--k", "3,"),
        ("--h", "5", "--k", "3", "-s", "0"),
        ("--h", "5", "--k", "3", "-s", "-1"),
        ("--h", "5", "--k", "3", "-s", "1.5"),
        ("--h", "5", "--k", "3", "-p", "-1"),
        ("--h", "5", "--k", "3", "-p", "1.2.3"),
        ("--h", "5", "--k", "3", "-d", "0"),
        ("--h", "5", "--k", "6"),
        ("--h", "5", "--k", "3", "-d", "3"),
        ("--h", "5", "--k", "3", "--ceil"),
        ("--h", "5", "--k", "3", "--c-out", "4"),
        ("--h", "5", "--k", "3", "--groups", "4"),
        ("--h", "5", "--k", "3", "--c-in", "3", "--groups", "2"),
        ("--h", "5", "--k", "3", "--output-padding", "1"),
        ("--h", "5", "--k", "3", "--transposed", "--output-padding", "1"),
        ("--h", "5", "--pool", "median"),
        ("--h", "5", "--pool", "max"),
        ("--h", "5", "--pool", "max:2", "--k", "2"),
        ("--h", "5", "--pool", "max:2", "--transposed"),
        ("--h", "5", "--pool", "max:2", "--c-in", "3", "--c-out", "4"),
        ("--h", "5", "--k", "3", "--json", "--format", "csv"),
        ("--h", "5", "--k", "3", "--format", "xml"),
        ("--h", "5", "--k", "3", "--padding-mode", "zero"),
        ("conv:3",),
    ],
)
def test_what_cannot_be_is_a_usage_error(options: tuple[str, ...]) -> None:
    usage(*options)


def test_an_empty_output_is_refused_with_its_formula() -> None:
    message = usage("--h", "5", "--k", "9", "--p", "1")
    assert "floor((5 + 1 + 1 - 1*(9 - 1) - 1) / 1) + 1 = -1" in message


# ---- what shape says is what apply writes ------------------------------------------------------


@settings(max_examples=60)
@given(geometries())
def test_shape_says_the_size_that_apply_writes(case: Geometry) -> None:
    padding = case.padding
    if isinstance(padding, tuple):
        flat = (
            [side for pair in padding for side in pair] if isinstance(padding[0], tuple) else None
        )
        padding = ".".join(map(str, flat)) if flat else f"{padding[0]}x{padding[1]}"
    pairs = {"-s": case.stride, "-d": case.dilation}
    common = [word for option, (a, b) in pairs.items() for word in (option, f"{a}x{b}")]
    common += ["-p", str(padding)]
    size = ("--h", str(case.size[0]), "--w", str(case.size[1]))
    said = measured(*size, "--k", f"{case.kernel[0]}x{case.kernel[1]}", *common)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "in.npy", np.ones(case.size))
        spec = f"ones:{case.kernel[0]}x{case.kernel[1]}"
        here("apply", "in.npy", "-k", spec, *common, "-o", "out.npy", cwd=Path(folder))
        written = np.load(Path(folder) / "out.npy")
    assert said["output"] == list(written.shape) == list(case.output)
    assert said["padding"] == [list(pair) for pair in case.sides]


@settings(max_examples=40)
@given(
    st.integers(1, 9),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3)),
    st.booleans(),
    st.sampled_from(["max", "avg"]),
)
def test_shape_says_the_size_of_a_pool(
    side: int, window: tuple[int, int, int], ceil: bool, kind: str
) -> None:
    kernel, stride, padding = window
    pool = f"{kind}:{kernel},s={stride},p={padding}{',ceil' if ceil else ''}"
    said = here("shape", "--h", str(side), "--pool", pool, "--json", cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "in.npy", np.ones((side, side)))
        done = here("apply", "in.npy", "--pool", pool, "-o", "out.npy", cwd=Path(folder))
        if said.code:
            assert (said.code, done.code) == (2, 1)
            return
        if "the maximum of padding alone is infinite" in done.stderr:  # which a picture can show
            assert (kind, padding >= kernel or ceil, done.code) == ("max", True, 1)
            typed = ("in.npy", "--pool", pool, "--range", "clamp", "-o", "out.png")
            assert here("apply", *typed, cwd=Path(folder)).code == 0
            written = np.asarray(Image.open(Path(folder) / "out.png"))
        else:
            written = np.load(Path(folder) / "out.npy")
    assert json.loads(said.text)["output"] == list(written.shape)


# ---- start-up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(*SWEEP, "--json"), ("--h", "9", "--k", "3")])
def test_shape_starts_without_numpy_pillow_and_rich(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = convcli("shape", *options, cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0
    names = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert {"click", "convcli.cli.options"} <= names
    assert not {name for name in names if name.split(".")[0] in {"numpy", "PIL", "rich"}}
