"""`--to`, `--quality` and `--lossless`: the format of the outputs, and how they are encoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import here
from support.golden_inputs import smooth

from convcli.images import Values


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(smooth()).save(tmp_path / "in.png")
    return tmp_path


def sampling(content: bytes) -> int:
    """Return the horizontal sampling of the first component of a JPEG (T.81, B.2.2)."""
    header = content.index(b"\xff\xc0")
    return content[header + 11] >> 4


def table_sum(content: bytes) -> int:
    """Return the sum of the first quantization table, which grows as the quality falls."""
    with Image.open(io.BytesIO(content)) as image:
        return sum(image.quantization[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("to", "expected"),
    [("jpg", "JPEG"), ("JPEG", "JPEG"), (".webp", "WEBP"), ("tif", "TIFF"), ("png", "PNG")],
)
def test_to_says_the_format_of_standard_output(photo: Path, to: str, expected: str) -> None:
    content = (photo / "in.png").read_bytes()
    for output in ((), ("-o", "-")):
        typed = ("apply", "-", "-k", "identity", *output, "--to", to)
        done = here(*typed, cwd=photo, stdin=content)
        assert (done.code, done.stderr) == (0, ""), done.stderr
        with Image.open(io.BytesIO(done.stdout)) as image:
            assert (image.format, image.size) == (expected, smooth().shape[1::-1])


def test_numbers_go_to_standard_output_as_npy_and_csv(photo: Path) -> None:
    typed = ("apply", "in.png", "-k", "box:3", "-o", "-", "--gray", "--to")
    values = np.load(io.BytesIO(here(*typed, "npy", cwd=photo).stdout))
    assert values.dtype == np.float32
    text = here(*typed, "csv", cwd=photo).text
    np.testing.assert_allclose(np.loadtxt(text.splitlines(), delimiter=","), values, rtol=1e-5)
    stacked = here(*typed, "npy", "-k", "identity", cwd=photo)
    assert np.load(io.BytesIO(stacked.stdout)).shape == (*values.shape, 2)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "in.blur.jpg"),
        (("--output-dir", "out"), "out/in.blur.jpg"),
        (("--output-dir", "out", "--name", "{stem}.small"), "out/in.small.jpg"),
        (("--name", "x.jpeg"), "x.jpeg"),
        (("-o", "y.jpg"), "y.jpg"),
    ],
)
def test_to_ends_the_names_of_files(photo: Path, options: tuple[str, ...], name: str) -> None:
    done = here("apply", "in.png", "-k", "blur", "--to", "jpg", *options, cwd=photo)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(photo / name) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ("-o x.png --to jpg", "--output 'x.png' has a suffix of its own: leave out --to jpg"),
        ("--name x.png --to jpg", "--name 'x.png' has a suffix of its own: leave out --to jpg"),
        ("--print --to jpg", "--to goes with an output, and none is to be written"),
        ("--to exr", "Invalid value for '--to': it must be one of png, jpg, "),
        ("-o x.webp --quality 3 --lossless", "--quality and --lossless exclude each other"),
        ("--quality 80", "--quality goes with JPEG, WEBP"),
        (
            "--lossless",
            (
                "--lossless goes with WEBP, HEIF, JXL, JPEG2000, and PNG is to be written;"
                " --to webp or -o NAME.webp changes that\n"
            ),
        ),
        (
            "-o x.npy --quality 80",
            (
                "--quality goes with JPEG, WEBP, AVIF, HEIF, JXL, JPEG2000, and NPY is to be"
                " written; --to jpg or -o NAME.jpg changes that\n"
            ),
        ),
        ("-o x.npy --quality 80", "--quality goes with JPEG, WEBP"),
        ("-o x.jpg --lossless", "--lossless goes with WEBP"),
        ("--lossless", "--lossless goes with WEBP"),
        (
            "-o x.avif --lossless",
            "--lossless goes with WEBP, HEIF, JXL, JPEG2000, and the encoder of AVIF converts",
        ),
        (
            "-o x.npy --depth float",
            "--depth float goes with TIFF, and a file of numbers holds them",
        ),
        ("-o {stem}.new.{ext} --quality 50", "--quality goes with JPEG, WEBP"),
        ("-o {stem}.new.{ext} --lossless", "--lossless goes with WEBP"),
        ("-o {stem}.new.{ext} --depth float", "--depth float goes with TIFF, and none is"),
        (
            "-r --output-dir . --name {stem}.new.{ext} --quality 50",
            "--quality goes with JPEG, WEBP",
        ),
        ("-o x.jpg --quality 0", "Invalid value for '--quality': it must be at least 1"),
        ("-o x.jpg --quality 101", "Invalid value for '--quality': it must be 1 to 100, not 101"),
    ],
)
def test_what_contradicts_the_format_is_refused(photo: Path, options: str, cause: str) -> None:
    done = here("apply", "in.png", "-k", "blur", *options.split(), cwd=photo)
    assert done.code == 2
    assert done.stderr.startswith(f"convcli: {cause}"), done.stderr
    assert [path.name for path in photo.iterdir()] == ["in.png"]


def test_a_choice_of_the_encoding_goes_with_one_of_several_formats(photo: Path) -> None:
    Image.fromarray(smooth()).save(photo / "other.jpg")
    typed = ("apply", "in.png", "other.jpg", "-k", "blur", "-o", "{stem}.new.{ext}")
    for options in (("--quality", "50"), ("--png-level", "3")):
        done = here(*typed, *options, "-f", cwd=photo)
        assert (done.code, done.stderr) == (0, "")
    done = here("apply", "other.jpg", *typed[3:], "--png-level", "3", "-f", cwd=photo)
    assert (done.code, done.stderr.count("--png-level goes with PNG")) == (2, 1)


def test_a_jpeg_has_the_quality_that_is_asked_for(photo: Path) -> None:
    def encoded(*options: str) -> bytes:
        typed = ("apply", "in.png", "-k", "identity", "-o", "-", "--to", "jpg", *options)
        done = here(*typed, cwd=photo)
        assert done.code == 0, done.stderr
        return done.stdout

    low, middle, default = encoded("--quality", "20"), encoded("--quality", "90"), encoded()
    assert table_sum(low) > table_sum(middle) > table_sum(default)
    assert default == encoded("--quality", "92")
    assert [sampling(low), sampling(middle), sampling(default)] == [2, 1, 1]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_webp_is_lossless_if_that_is_asked_for(tmp_path: Path, frames: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (frames, 20, 30, 4), np.uint8)
    noise[..., 3] |= 1  # Pillow drops the color of what cannot be seen
    noise[0, ..., 3] = 255
    first, *others = map(Image.fromarray, noise)
    first.save(tmp_path / "in.png", save_all=True, append_images=others)

    def decoded(name: str, *options: str) -> list[Values]:
        typed = ("apply", "in.png", "-k", "identity", "-o", name, *options)
        done = here(*typed, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        with Image.open(tmp_path / name) as image:
            found = []
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                found.append(np.array(image.convert("RGBA")))
        return found

    np.testing.assert_array_equal(decoded("same.webp", "--lossless"), noise)
    for name, options in (("default.webp", ()), ("low.webp", ("--quality", "20"))):
        lossy = decoded(name, *options)
        np.testing.assert_array_equal(np.array(lossy)[..., 3], noise[..., 3])
        assert not np.array_equal(lossy, noise)
    sizes = [(tmp_path / f"{name}.webp").stat().st_size for name in ("low", "default", "same")]
    assert sizes == sorted(sizes)
