"""SPEC -> Kernel: a name, `gaussian:1.5`, an inline matrix, or a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from convcli.errors import ArgumentError, GridError, KernelError, suggestion
from convcli.kernels.bank import bank
from convcli.kernels.kernel import Kernel

INLINE_NAME = "custom"
SUFFIXES = (".txt", ".csv", ".json", ".npy", ".mat")
REFUSED = (".npz",)  # files that are taken for kernels, to say that they are none
_INLINE = re.compile(r"[0-9eE+\-.,;\s]+\Z")
_SIZE = re.compile(r"[0-9]+(x[0-9]+)?\Z")


def load_kernel(spec: str | os.PathLike[str]) -> Kernel:
    """Find or read the kernel that a SPEC names.

    Parameters
    ----------
    spec : str
        A name (`sobel-x`; `sobel_x` too), one with parameters (`gaussian:1.5`), rows of numbers
        (`"0,-1,0; -1,5,-1; 0,-1,0"`), or a file, known by its suffix or by a leading `@`.

    Raises
    ------
    KernelError
        For what is none of these; the nearest name is suggested. `KernelFileError` for a file
        that holds no kernel.

    Examples
    --------
    >>> load_kernel("sobel_x").matrix[0]
    array([-1.,  0.,  1.])
    >>> load_kernel("1 2; 3 4").matrix
    array([[1., 2.],
           [3., 4.]])
    """
    typed = os.fspath(spec)
    text = typed.strip()
    path = file_of(typed)
    if path is not None:
        from convcli.kernels.files import read_kernel

        return read_kernel(path)
    name = text.lower().replace("_", "-")
    found = bank().get(name)
    if found is not None:
        return found
    if _SIZE.match(text):
        raise KernelError(
            f"kernel {typed!r} is a size, not weights; "
            f"try box:{text}, a mean, or ones:{text}, a sum"
        )
    if _INLINE.match(text) and any(sign.isdigit() for sign in text):
        return _inline(text)
    from convcli.kernels.parametric import make_kernel

    # Only the name may be spelt with underscores: a parameter keeps its signs.
    made = make_kernel(name)
    if made is not None:
        return made
    raise KernelError(_unknown(typed, name))


def file_of(spec: str) -> str | None:
    """The path of the file that a SPEC names, if it names one.

    >>> file_of("@mine"), file_of("mine.csv"), file_of("gaussian:1.5")
    ('mine', 'mine.csv', None)
    """
    if spec.startswith("@") and len(spec) > 1:
        return spec[1:]
    return spec if Path(spec).suffix.lower() in (*SUFFIXES, *REFUSED) else None


def kernel_shape(spec: str) -> tuple[int, ...]:
    """The shape of the kernel that a SPEC names: (kh, kw), (C, kh, kw) or (C_out, C, kh, kw).

    >>> kernel_shape("gaussian:1")
    (7, 7)
    """
    return load_kernel(spec).matrix.shape


def _inline(text: str) -> Kernel:
    from convcli.grids.text import rows_of_numbers

    try:
        matrix = rows_of_numbers(re.sub(r"\s*;\s*", "\n", text), "inline kernel")
    except GridError as error:
        raise KernelError(f"kernel {text!r}: {error.cause.replace('line', 'row')}") from None
    try:
        return Kernel(INLINE_NAME, matrix, about="typed on the command line", source="inline")
    except ArgumentError as error:
        raise KernelError(str(error)) from None


def _unknown(spec: str, name: str) -> str:
    from convcli.kernels.parametric import FAMILIES

    head = name.partition(":")[0]
    if Path(spec).suffix or "/" in spec:
        return (
            f"unknown kernel {spec!r}; a kernel file ends in {', '.join(SUFFIXES)}, "
            "and a name is one of 'convcli kernels'"
        )
    hint = suggestion(head, [*bank(), *FAMILIES])
    return f"unknown kernel {spec!r}{hint or '; convcli kernels lists them'}"
