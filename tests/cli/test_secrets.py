"""Files that are no kernel, grid or network: messages tell nothing of what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import here
from support.hostile_cases import GOOD_PNG

SECRET = "qzxj:k7Wv!9:Bg#TfR\nhXpL=mYd8 uCq2Z\n"
NAMES = ("secret", ".hidden", "id_rsa", "x.pem", "x.env", "x.npy", "x.png", "x.yaml", "x.csv.bak")
COMMANDS = (
    ("apply", "a.png", "-k", "@{}"),
    ("apply", "a.png", "-k", "{}"),
    ("apply", "{}", "-k", "blur"),
    ("apply", "a.png", "-l", "conv:kernel=@{}"),
    ("apply", "a.png", "--net", "@{}"),
    ("apply", "a.png", "--net", "{}"),
    ("shape", "--net", "@{}"),
    ("shape", "--net", "{}"),
    ("shape", "--input", "3x9x9", "conv:kernel=@{}"),
    ("kernels", "@{}"),
    ("explain", "a.png", "-k", "@{}", "--at", "0,0"),
    ("animate", "{}", "-k", "@{}", "-o", "x.gif"),
    ("page", "{}", "-k", "@{}", "-o", "x.html"),
)


def quoted(text: str, secret: str) -> set[str]:
    """The parts of a secret, of four characters, that a text contains."""
    parts = ("".join(part) for part in zip(*(secret[i:] for i in range(4)), strict=False))
    return {part for part in parts if part in text or repr(part)[1:-1] in text}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("start", ["", "1 2 3\n", "conv:3\n", "input 3x8x8\n", '{"kernel": '])
def test_nothing_of_a_file_that_is_none_of_ours_is_told(
    start: str, name: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(GOOD_PNG)
    (tmp_path / name).write_text(start + SECRET)
    done = here(*(part.format(name) for part in arguments), cwd=tmp_path)
    assert done.code in (1, 2)
    assert done.stderr.count("\n") == 1
    assert quoted(done.stderr + done.text, SECRET) == set()


TOLD = [
    ("k.csv", "1 2\n3 word4\n", "k.csv: line 2, column 3: 'word4' is not a number"),
    ("k", "1 2\n3 word4\n", "k: line 2, column 3: what stands there is not a number"),
    ("k", "1 2\n 1e999\n", "k: line 2, column 2: what stands there is too large"),
    ("k.mat", "2 1\n1 word4\n", "k.mat: line 2, column 3: 'word4' is not a number"),
    (
        "k.json",
        '{"kernel": [[1, {"pass": "word"}]]}',
        "k.json: kernel[0][1]: every weight must be a number, not an object",
    ),
    ("k.json", '{"kernel": {"pass": 1}}', "k.json: kernel must be nested lists of numbers, not an"),
    (
        "k.json",
        '{"pass": 1, "word": 2}',
        "k.json: has the key 'pass'; known keys are kernel, origin",
    ),
    ("k.json", '{"scale": 2}', "k.json: has no key 'kernel'; known keys are kernel, origin"),
    (
        "k.json",
        '{"kernel": [[1]], "scale": ["word"]}',
        "k.json: scale must be a number, not a list",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), TOLD)
def test_a_kernel_s_file_is_at_fault_in_a_line_and_column(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    done = here("kernels", f"@{name}", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith(f"convcli: {message}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.net", "x.net: line 2: layer 'conv:3,z=1': 'z=1' is not known to conv"),
        ("x", "x: line 2 is no layer; what it says is shown of files that end in .net or .txt\n"),
    ],
)
def test_a_network_s_file_is_at_fault_in_a_line(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("relu\nconv:3,z=1\n")
    done = here("shape", "--input", "3x9x9", "--net", f"@{name}", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith(f"convcli: {message}")
