"""Networks as text: a layer of the notation a line."""

from __future__ import annotations

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import parse_network
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, FileError, NotationError
from convcli.files import may_quote, read_bytes

MAX_NETWORK_BYTES = 8 << 20
NETWORK_SUFFIXES = (".net", ".txt")  # of files whose layers messages may quote
_UNSEEN = f"; what it says is shown of files that end in {' or '.join(NETWORK_SUFFIXES)}"


def read_text(path: str) -> tuple[Shape | None, list[Layer]]:
    """Read the text of a network: the input's shape, if it says one, and the layers.

    Parameters
    ----------
    path : str
        `-` is standard input.

    Raises
    ------
    FileError
        If it holds no network.
    """
    try:
        text = read_bytes(path, MAX_NETWORK_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(path, "is not text; one layer a line was expected") from None
    try:
        return parse_network(text)
    except ArgumentError as error:
        cause = str(error)
        if isinstance(error, NotationError) and not may_quote(path, NETWORK_SUFFIXES):
            where, colon, _ = cause.partition(": ")  # `line 3: `, and what is wrong there
            cause = f"{where} is no layer{_UNSEEN}" if colon else where
        raise FileError(path, cause) from error
