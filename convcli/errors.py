"""The tree of errors, and the exit code of each.

::

    ConvError                       any error of convcli                       exit 1
    ├── ArgumentError (ValueError)  a value given to a command or a function   exit 2
    │   ├── NotationError           a malformed size, padding or layer         exit 2
    │   ├── ShapeError              shapes that do not fit; an empty output    exit 2
    │   ├── LimitError              a number beyond a limit                    exit 2
    │   └── KernelError             an unknown kernel, or a bad parameter      exit 2
    └── FileError                   a file or its content: `PATH: cause`       exit 1
        ├── GridError               a file of numbers
        ├── ImageError              a picture
        ├── KernelFileError         a kernel's file (a KernelError, too)
        └── OutputError             an output file
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class ConvError(Exception):
    """Any error of convcli."""

    exit_code: ClassVar[int] = 1


class ArgumentError(ConvError, ValueError):
    """A value that a command or a function cannot use."""

    exit_code = 2


class NotationError(ArgumentError):
    """A malformed size, padding or layer."""


class ShapeError(ArgumentError):
    """Shapes that do not fit each other, or an output that would be empty."""


class LimitError(ArgumentError):
    """A number beyond a limit."""


class KernelError(ArgumentError):
    """An unknown kernel, or a parameter that it does not take."""


class FileError(ConvError):
    """A file, or its content.

    Parameters
    ----------
    path : str
        The file's name, as the user gave it.
    cause : str
        What is wrong with it, and what to do.
    """

    exit_code = 1

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class GridError(FileError):
    """A file of numbers that cannot be read as a grid."""


class ImageError(FileError):
    """A picture that cannot be read."""


class KernelFileError(FileError, KernelError):
    """A kernel's file that does not hold a kernel."""


class OutputError(FileError):
    """A result that cannot be written."""


OVERFLOW = "a sum is beyond what floating point holds"
PADDING_ALONE = (
    "the maximum of padding alone is infinite, which is not written as a number; pad less, "
    "or write a picture"
)
NO_MEMORY = "there is not enough memory for it"
UNMAPPED = "failed to map segment"  # of the loader, about a library that does not fit the memory


def describe(error: Exception) -> str:
    """Return one line for an error of any class; one that is not ours is a fault of this program.

    >>> describe(IndexError("list index out of range"))
    'internal error: IndexError: list index out of range; --debug shows where'
    """
    if isinstance(error, ConvError):
        return str(error)
    is_unloadable = isinstance(error, ImportError) and UNMAPPED in str(error)
    if isinstance(error, MemoryError) or is_unloadable:
        return NO_MEMORY
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return f"internal error: {text}; --debug shows where"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message; its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question whether a known word was meant; empty if none is similar.

    >>> did_you_mean("cnov", ["conv", "relu"])
    "; did you mean 'conv'?"
    """
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
