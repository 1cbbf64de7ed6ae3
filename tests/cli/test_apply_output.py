"""What `apply` writes and prints: formats, numbers, names, JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.apply import (
    SOBEL_X,
    filtered,
    grid,
    pixels,
    usage,
)
from support.command import SAMPLES, convcli, here
from support.oracles import (
    scipy_correlate,
)


@pytest.mark.parametrize(
    ("suffix", "start", "lossless"),
    [
        (".png", b"\x89PNG", True),
        (".jpg", b"\xff\xd8\xff", False),
        (".jpeg", b"\xff\xd8\xff", False),
        (".webp", b"RIFF", True),
        (".tif", b"II*\0", True),
        (".TIFF", b"II*\0", True),
    ],
)
@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 3)])
def test_the_suffix_says_the_format(
    tmp_path: Path, suffix: str, start: bytes, lossless: bool, shape: tuple[int, ...]
) -> None:
    values = np.broadcast_to(np.linspace(0, 255, shape[1]).astype(np.uint8), shape[:2])
    if len(shape) == 3:
        values = np.stack([values, values[:, ::-1], values // 2], axis=2)
    Image.fromarray(np.ascontiguousarray(values)).save(tmp_path / "in.png")
    options = ("--lossless",) if suffix == ".webp" else ()
    done = here("apply", "in.png", "-k", "identity", "-o", f"out{suffix}", *options, cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    out = tmp_path / f"out{suffix}"
    assert out.read_bytes().startswith(start)
    result = np.asarray(Image.open(out).convert("RGB" if len(shape) == 3 else "L"))
    off = np.abs(result.astype(int) - values.astype(int))
    assert off.max() <= (0 if lossless else 6)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    values = pixels(5, 6, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"in{suffix}")
    settings = ("-k", "identity", "-o", f"out{suffix}")
    assert here("apply", f"in{suffix}", *settings, cwd=tmp_path).code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out{suffix}")), values)


def test_a_jpeg_of_sixteen_bits_has_eight_and_the_user_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 257 * 100, np.uint16)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "identity", "-o", "out.jpg", cwd=tmp_path)
    assert "8 bits" in done.stderr
    assert abs(int(np.asarray(Image.open(tmp_path / "out.jpg")).mean()) - 100) <= 1


def test_npy_holds_the_numbers_themselves(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "sobel-x", "-o", "out.npy", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    numbers = np.load(tmp_path / "out.npy")
    assert (numbers.shape, numbers.dtype) == ((5, 6, 3), np.float32)
    for channel in range(3):
        expected = scipy_correlate(pixels(5, 6, 3)[..., channel], SOBEL_X, "replicate")
        np.testing.assert_array_equal(numbers[..., channel], expected)


def test_csv_holds_the_numbers_of_one_channel(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "in.txt", [[1, 2, 3], [4, 5, 6]])
    done = here("apply", "in.txt", "-k", "0.1 -1 0", "-o", "out.csv", cwd=tmp_path)
    assert done.code == 0
    text = (tmp_path / "out.csv").read_text()
    expected = [[0.1 * 1 - 1, 0.1 * 1 - 2, 0.1 * 2 - 3], [0.1 * 4 - 4, 0.1 * 4 - 5, 0.1 * 5 - 6]]
    np.testing.assert_allclose(np.loadtxt(io.StringIO(text), delimiter=","), expected)
    again = here("apply", "out.csv", "-k", "identity", "-o", "again.csv", cwd=tmp_path)
    assert (again.code, (tmp_path / "again.csv").read_text()) == (0, text)


def test_whole_numbers_in_csv_have_no_point_and_zero_no_sign(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "-1.0", "-o", "out.csv", cwd=tmp_path, stdin=b"0 1 -2\n")
    assert done.code == 0
    assert (tmp_path / "out.csv").read_text() == "0,-1,2\n"


def test_a_zero_below_zero_is_written_without_its_sign(tmp_path: Path) -> None:
    options = ("-l", "crop:0", "-o", "out.csv")
    assert here("apply", "-", *options, cwd=tmp_path, stdin=b"-0 1\n").code == 0
    assert (tmp_path / "out.csv").read_text() == "0,1\n"
    shown = here("apply", "-", "-l", "crop:0", "--print", cwd=tmp_path, stdin=b"-0 1\n")
    assert shown.text == "0 1\n"


def test_colors_do_not_fit_a_csv(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "-o", "out.csv", cwd=tmp_path)
    assert (done.code, list(tmp_path.glob("*.csv"))) == (1, [])
    assert "3 channels" in done.stderr
    named = here("apply", "in.png", "-k", "blur", "-o", "{kernel}.csv", cwd=tmp_path)
    assert named.code == 0
    assert len(list(tmp_path.glob("blur-[012].csv"))) == 3


def test_a_dash_is_a_png_on_standard_output(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "identity", "-o", "-", cwd=tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), pixels(5, 6))
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_from_standard_input_goes_to_standard_output(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels(5, 6)).save(stream, "TIFF")
    done = here("apply", "-", "-k", "identity", cwd=tmp_path, stdin=stream.getvalue())
    assert (done.code, done.stderr, list(tmp_path.iterdir())) == (0, "", [])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), pixels(5, 6))


def test_standard_input_into_a_folder_is_named_stdin(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "identity", "--output-dir", "d", cwd=tmp_path, stdin=b"1 2\n")
    assert (done.code, done.stdout) == (0, b"")
    assert (tmp_path / "d" / "stdin.identity.png").exists()


@pytest.mark.parametrize("name", ["out.psd", "out.xyz", "out", ".png.gz"])
def test_an_unknown_output_suffix_is_a_usage_error(tmp_path: Path, name: str) -> None:
    assert ".png" in usage(tmp_path, "absent.png", "-k", "blur", "-o", name)


def test_the_output_folder_is_made(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "--output-dir", "a/b", cwd=tmp_path)
    assert done.code == 0
    assert (tmp_path / "a" / "b" / "in.blur.png").exists()


def test_a_missing_folder_is_named_with_its_remedy(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "-o", "a/out.png", cwd=tmp_path)
    assert done.code == 1
    assert "--output-dir" in done.stderr


def test_print_shows_the_numbers_and_writes_nothing(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "in.csv", [[1, 2], [3, 4]], delimiter=",")
    done = here("apply", "in.csv", "-k", "2.5", "--print", cwd=tmp_path)
    assert done.text == "2.5   5\n7.5  10\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    also = here("apply", "in.csv", "-k", "2.5", "--print", "-o", "out.npy", cwd=tmp_path)
    assert also.text == done.text
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), [[2.5, 5], [7.5, 10]])


def test_print_heads_each_of_several_maps(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "1.0", "-k", "2.0", "--print", cwd=tmp_path, stdin=b"1 2\n")
    assert done.text == "# custom\n1 2\n\n# custom-2\n2 4\n"


@pytest.mark.parametrize("method", ["auto", "im2col", "separable", "fft", "naive"])
@pytest.mark.parametrize("extra", [(), ("-s", "2", "-d", "2"), ("-p", "full", "--flip")])
def test_every_method_gives_the_same_numbers(
    tmp_path: Path, method: str, extra: tuple[str, ...]
) -> None:
    x = grid(11, 9, 2)
    spec = "1 2 3; 2 4 6"  # of rank 1
    expected = filtered(tmp_path, x, "-k", spec, *extra)
    result = filtered(tmp_path, x, "-k", spec, *extra, "--method", method)
    np.testing.assert_allclose(result, expected, atol=1e-10)


def test_a_kernel_that_is_not_separable_is_refused_by_that_method(tmp_path: Path) -> None:
    usage(tmp_path, "absent.png", "-k", "sharpen", "--method", "separable")


def test_json_is_a_line_for_each_file(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "sobel-x", "-k", "blur", "--json", cwd=tmp_path)
    documents = [json.loads(line) for line in done.text.splitlines()]
    assert [one["output"] for one in documents] == ["in.sobel-x.png", "in.blur.png"]
    keys = ["input", "output", "shape", "method", "range", "clipped", "seconds"]
    assert [list(one) for one in documents] == [keys] * 2
    assert [one["shape"] for one in documents] == [[5, 6, 3]] * 2
    assert documents[0]["clipped"] > 0.01
    assert done.stdout.isascii()


def test_json_tells_what_went_wrong_too(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", grid(3, 3))
    done = here("apply", "absent\u00e9.png", "good.npy", "-k", "blur", "--json", cwd=tmp_path)
    first, second = (json.loads(line) for line in done.text.splitlines())
    assert done.code == 1
    assert first["input"] == "absent\u00e9.png"
    assert "error" in first
    assert second["output"] == "good.blur.png"
    assert done.stdout.isascii()


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    (tmp_path / "in.blur.png").write_bytes(b"precious")
    done = here("apply", "in.png", "-k", "blur", cwd=tmp_path)
    assert (done.code, "--force" in done.stderr) == (1, True)
    assert (tmp_path / "in.blur.png").read_bytes() == b"precious"
    for option in ("-f", "--force"):
        (tmp_path / "in.blur.png").write_bytes(b"precious")
        assert here("apply", "in.png", "-k", "blur", option, cwd=tmp_path).code == 0
        assert (tmp_path / "in.blur.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["in.png", "k.csv"])
def test_an_input_is_never_replaced_not_even_by_force(tmp_path: Path, name: str) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    (tmp_path / "k.csv").write_text("1 2 1\n")
    before = (tmp_path / name).read_bytes()
    done = here("apply", "in.png", "-k", "k.csv", "-o", name, "--force", cwd=tmp_path)
    assert done.code == 1
    assert (tmp_path / name).read_bytes() == before


def test_several_inputs_are_filtered_one_by_one(tmp_path: Path) -> None:
    for seed, name in enumerate(["a.png", "b.png"]):
        Image.fromarray(pixels(4, 4 + seed, seed=seed)).save(tmp_path / name)
    assert here("apply", "a.png", "b.png", "-k", "identity", cwd=tmp_path).code == 0
    for seed, stem in enumerate("ab"):
        result = np.asarray(Image.open(tmp_path / f"{stem}.identity.png"))
        np.testing.assert_array_equal(result, pixels(4, 4 + seed, seed=seed))


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        Image.fromarray(pixels(4, 4)).save(tmp_path / name)
    (tmp_path / "b.png").write_text("no picture")
    done = here("apply", "a.png", "b.png", "c.png", "-k", "identity", cwd=tmp_path)
    assert done.code == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("convcli: b.png: ")
    assert lines[1:] == ["convcli: 1 of 3 inputs failed"]
    assert sorted(path.name for path in tmp_path.glob("*.identity.png")) == [
        "a.identity.png",
        "c.identity.png",
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("-k", "gaussian:1.5"), ["in.gaussian-1.5.png"]),
        (("-k", "sobel_x"), ["in.sobel-x.png"]),
        (("-k", "1 2 1"), ["in.custom.png"]),
        (("-k", "box:3", "-k", "box:3", "-k", "1.0"), ["box-3", "box-3-2", "custom"]),
        (("-k", "1.0", "-k", "2.0"), ["in.custom.png", "in.custom-2.png"]),
        (("-k", "sobel-x", "-k", "sobel-y", "--combine", "sum"), ["in.combined.png"]),
        (("-l", "relu"), ["in.filtered.png"]),
        (("--gray",), ["in.filtered.png"]),
        (("-k", str(SAMPLES / "kernels" / "vips-blur.mat")), ["in.vips-blur.png"]),
        (("-k", "blur", "-o", "{stem}-{kernel}-{stem}.webp"), ["in-blur-in.webp"]),
        (("-k", "1.0", "-k", "blur", "-o", "{kernel}.jpg"), ["custom.jpg", "blur.jpg"]),
    ],
)
def test_names_of_what_is_written(
    tmp_path: Path, options: tuple[str, ...], names: list[str]
) -> None:
    Image.fromarray(pixels(4, 4)).save(tmp_path / "in.png")
    assert here("apply", "in.png", *options, "-q", cwd=tmp_path).code == 0
    expected = [name if "." in name else f"in.{name}.png" for name in names]
    found = [path.name for path in tmp_path.iterdir() if path.name != "in.png"]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("alpha", "is_noted"), [(128, True), (255, False)])
@pytest.mark.parametrize("name", ["out.npy", "out.csv", "{kernel}.npy"])
def test_alpha_that_a_file_of_numbers_lacks_is_noted(
    tmp_path: Path, name: str, alpha: int, *, is_noted: bool
) -> None:
    Image.new("LA", (4, 3), (7, alpha)).save(tmp_path / "in.png")
    kernels = ("-k", "identity", *(("-k", "blur") if name != "out.csv" else ()))
    done = here("apply", "in.png", *kernels, "-o", name, cwd=tmp_path)
    note = "convcli: in.png: its alpha is left out of a file of numbers, which has its colors; "
    assert done.code == 0
    assert done.stderr == (f"{note}write .tif\n" if is_noted else "")


def test_several_kernels_in_one_npy_are_its_channels(tmp_path: Path) -> None:
    x = grid(5, 6)
    result = filtered(tmp_path, x, "-k", "sobel-x", "-k", "identity", "-k", "2.0")
    expected = [scipy_correlate(x, SOBEL_X, "replicate"), x, 2 * x]
    np.testing.assert_array_equal(result, np.stack(expected, axis=2))


def test_several_kernels_do_not_fit_one_picture(tmp_path: Path) -> None:
    message = usage(tmp_path, "absent.png", "-k", "blur", "-k", "sharpen", "-o", "out.png")
    assert "{kernel}" in message


def test_two_inputs_for_one_output_are_a_usage_error(tmp_path: Path) -> None:
    message = usage(tmp_path, "a/x.png", "b/x.png", "-k", "blur")
    assert "{stem}" in message
    usage(tmp_path, "a.png", "b.png", "-k", "blur", "-o", "one.png")
    usage(tmp_path, "a.png", "a.png", "-k", "blur")


@pytest.mark.parametrize(
    ("suffix", "most"), [(".jpg", 65_500), (".webp", 16_383), (".gif", 65_535)]
)
def test_a_side_that_a_format_cannot_hold_is_refused_before_its_encoder(
    suffix: str, most: int, tmp_path: Path
) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((1, most + 1), np.uint8))
    done = convcli("apply", "wide.npy", "-k", "identity", "-q", "-o", f"x{suffix}", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr.startswith(f"convcli: x{suffix}: has {most + 1}x1 pixels; a side of a ")
    assert done.stderr.count("\n") == 1
