"""Decoders kept quiet: what they write to standard error, and what they raise."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import UnidentifiedImageError

from convcli.errors import FileError, ImageError
from convcli.images.formats import READ

STDERR = 2


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Let nothing reach standard error meanwhile: libtiff reports there what is raised anyway."""
    if sys.stderr is None:  # closed: the number is free, and may be any file's by now
        yield
        return
    kept = os.dup(STDERR)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


@contextmanager
def decoding(path: str) -> Iterator[None]:
    """Whatever a broken file makes a decoder raise, as one line with the file's name."""
    try:
        with warnings.catch_warnings(), quiet_decoders():
            warnings.simplefilter("ignore")
            yield
    except FileError:
        raise
    except UnidentifiedImageError:
        raise ImageError(path, not_a_picture()) from None
    except Exception as error:  # decoders raise whatever a broken file makes them
        words = str(error).splitlines() or [type(error).__name__]
        raise ImageError(path, f"cannot be decoded: {words[0]}") from error


def not_a_picture() -> str:
    """What is said of a file that no decoder knows."""
    return f"is no picture of a kind that is read ({', '.join(READ)})"
