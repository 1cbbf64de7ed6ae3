"""Deflate by Huffman codes alone, without a search for repetitions (RFC 1951), by NumPy.

In the differences of a photograph hardly anything repeats, and zlib takes 10 ns a byte to write
codes one by one. Here each step is one call for all bytes of a piece: 2.5 ns (AMD EPYC, Zen 3).

Bytes are looked up in pairs, and two pairs are joined to a field, a number of at most 52 bits. The
running sum of the widths says where each field begins. Fields that begin in one word of 64 bits
have no bit in common, so the word is their sum: the difference of two values of the running sum of
all fields, modulo 2**64. What of its last field goes beyond the word is added to the next one.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from convcli.images import Values
from convcli.records import NamedTuple

MAX_CODE_BITS = 13  # those of a pair, and their number, fit 32 bits
MAX_RUN_SHARE = 1 / 32  # of bytes; codes alone then take 4 % more than runs and codes, at most
SAMPLED_ROWS = 17  # one of so many is looked at: a prime, as pictures repeat rows in powers of 2
PIECE_BYTES = 1 << 19  # counted or coded by one call: eight times as much memory is needed
END_OF_BLOCK = 256
DYNAMIC_CODES = 2  # the type of a block that begins with its code
DISTANCE_LENGTHS = (1, 1)  # of two codes that do not occur, as zlib writes them
# The order of the lengths of the code that the lengths themselves are written in. All that occur
# have one of four bits.
LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
LENGTH_BITS = 4
LENGTH_CODES = [f"{length:0{LENGTH_BITS}b}" for length in range(1 << LENGTH_BITS)]
WIDTH_BITS = 5  # in the table of pairs: the width, and above it the codes
WIDTH_MASK, CODES_MASK = np.uint64(31), np.uint64((1 << 2 * MAX_CODE_BITS) - 1)
SECOND_PAIR = np.uint64(32)  # bits above the first
WORD_BITS = 64

Words = NDArray[np.uint64]


class Code(NamedTuple):
    """A prefix code of the bytes and the end of a block.

    Parameters
    ----------
    lengths : ndarray of int, (257,)
        In bits.
    codes : ndarray of int, (257,)
        The bit that is read first is the lowest.
    """

    lengths: NDArray[np.int64]
    codes: NDArray[np.int64]


def has_few_runs(rows: Values) -> bool:
    """Whether hardly a byte of some rows, (rows, bytes), is equal to the three before it."""
    sample = rows[::SAMPLED_ROWS]
    is_equal = sample[:, 1:] == sample[:, :-1]
    are_equal = is_equal[:, 1:] & is_equal[:, :-1]
    runs = int(np.count_nonzero(are_equal[:, 1:] & are_equal[:, :-1]))
    # On other machines the first byte of two is not the lower one of the number that they make.
    return runs <= sample.size * MAX_RUN_SHARE and sys.byteorder == "little"


def deflate_codes(rows: Values, *, is_last: bool) -> bytes:
    """Return rows of bytes, (rows, bytes), as blocks of a deflated stream: whole bytes.

    Examples
    --------
    >>> import zlib
    >>> rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> zlib.decompress(deflate_codes(rows, is_last=True), wbits=-15) == rows.tobytes()
    True
    """
    values, sample = rows.reshape(-1), rows[::SAMPLED_ROWS].reshape(-1)
    counts = np.ones(END_OF_BLOCK + 1, np.int64)
    for start in range(0, len(sample), PIECE_BYTES):
        counts += np.bincount(sample[start : start + PIECE_BYTES], minlength=len(counts))
    code = assign_codes(limit_lengths(counts, MAX_CODE_BITS))
    table = _make_table(code)
    stream = BitStream()
    stream.add(*_encode_header(code, is_last=is_last))
    whole = len(values) // 4 * 4
    memory = np.empty(min(whole, PIECE_BYTES), np.uint64)
    for start in range(0, whole, PIECE_BYTES):
        piece = values[start : min(start + PIECE_BYTES, whole)]
        work = memory[: len(piece)].reshape(4, -1)
        stream.add_all(*_look_up(table, piece, work), work[2:])
    for symbol in (*values[whole:].tolist(), END_OF_BLOCK):
        stream.add(int(code.codes[symbol]), int(code.lengths[symbol]))
    if not is_last:  # an empty block of stored bytes, which begin at a whole byte
        stream.add(0, 3)
        stream.align()
        stream.add(0xFFFF0000, 32)
    return stream.finish()


def limit_lengths(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return the lengths of the shortest prefix code of at most `limit` bits, by package-merge.

    >>> limit_lengths(np.array([1, 1, 2, 4]), 3).tolist()
    [3, 3, 2, 1]
    >>> limit_lengths(np.array([1, 1, 2, 4]), 2).tolist()
    [2, 2, 2, 2]
    """
    order = np.argsort(counts, kind="stable")
    leaves = items = counts[order]
    are_leaves = [np.ones(len(leaves), np.bool_)]
    for _ in range(limit - 1):
        packages = items[: len(items) // 2 * 2].reshape(-1, 2).sum(axis=1)
        items = np.concatenate((leaves, packages))
        ranks = np.argsort(items, kind="stable")
        items = items[ranks]
        are_leaves.append(ranks < len(leaves))
    lengths = np.zeros(len(leaves), np.int64)
    taken = 2 * len(leaves) - 2
    for is_leaf in reversed(are_leaves):
        count = int(np.count_nonzero(is_leaf[:taken]))
        lengths[order[:count]] += 1
        taken = 2 * (taken - count)
    return lengths


def assign_codes(lengths: NDArray[np.int64]) -> Code:
    """Return the code that lengths stand for (RFC 1951, 3.2.2).

    >>> assign_codes(np.array([3, 3, 2, 1])).codes.tolist()
    [3, 7, 1, 0]
    """
    order = np.argsort(lengths, kind="stable")
    shares = 1 << (MAX_CODE_BITS - lengths[order])  # of all numbers of so many bits
    numbers = np.cumsum(shares) - shares  # the code, and zeros below it
    codes = np.zeros_like(lengths)
    for bit in range(MAX_CODE_BITS):
        codes[order] |= (numbers >> bit & 1) << (MAX_CODE_BITS - 1 - bit)
    return Code(lengths, codes)


def _make_table(code: Code) -> NDArray[np.uint32]:
    """Return the codes of all pairs of bytes, and in the lowest bits how wide they are together."""
    widths, codes = (part[:END_OF_BLOCK].astype(np.uint32) for part in code)
    table = codes[:, np.newaxis] << (widths + np.uint32(WIDTH_BITS))
    table += codes << np.uint32(WIDTH_BITS) | widths
    table += widths[:, np.newaxis]
    return table.reshape(-1)


def _encode_header(code: Code, *, is_last: bool) -> tuple[int, int]:
    """Return the header of a block with its code, and the number of its bits."""
    numbers = (
        (int(is_last), 1),
        (DYNAMIC_CODES, 2),
        (0, 5),  # codes of repetitions
        (len(DISTANCE_LENGTHS) - 1, 5),
        (len(LENGTH_ORDER) - 4, 4),
        *((LENGTH_BITS if length < 1 << LENGTH_BITS else 0, 3) for length in LENGTH_ORDER),
    )
    # Numbers begin with their lowest bit, codes with the highest.
    bits = [f"{number:0{width}b}"[::-1] for number, width in numbers]
    bits += map(LENGTH_CODES.__getitem__, (*code.lengths.tolist(), *DISTANCE_LENGTHS))
    header = "".join(bits)
    return int(header[::-1], 2), len(header)


def _look_up(table: NDArray[np.uint32], values: Values, work: Words) -> tuple[Words, Words]:
    """Return the fields of bytes, four in each, and the widths of the fields, in bits.

    Parameters
    ----------
    table : ndarray, (65536,)
    values : ndarray, (4 * N,)
    work : ndarray, (4, N)
        Memory, of which the first two rows are returned.
    """
    fields, widths, pairs, other = work
    indices = work[:2].reshape(-1).view(np.intp)[: len(values) // 2]
    indices[:] = values.view(np.uint16)
    np.take(table, indices, out=pairs.view(np.uint32), mode="clip")  # other modes would copy
    np.bitwise_and(pairs, WIDTH_MASK, out=widths)
    np.right_shift(pairs, SECOND_PAIR + np.uint64(WIDTH_BITS), out=fields)
    np.left_shift(fields, widths, out=fields)
    np.right_shift(pairs, SECOND_PAIR, out=other)
    np.bitwise_and(other, WIDTH_MASK, out=other)
    np.add(widths, other, out=widths)
    np.right_shift(pairs, np.uint64(WIDTH_BITS), out=other)
    np.bitwise_and(other, CODES_MASK, out=other)
    np.bitwise_or(fields, other, out=fields)
    return fields, widths


class BitStream:
    """Fields of bits, one after another from the lowest bit of each byte on."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._word = self._width = 0  # what does not fill a word yet

    def add(self, field: int, width: int) -> None:
        """Add a field of any width."""
        self._word |= field << self._width
        self._width += width
        count = self._width // WORD_BITS * WORD_BITS
        self._parts.append((self._word & ((1 << count) - 1)).to_bytes(count // 8, "little"))
        self._word >>= count
        self._width -= count

    def add_all(self, fields: Words, widths: Words, work: Words) -> None:
        """Add N fields of 1 to 63 bits.

        Parameters
        ----------
        fields, widths : ndarray, (N,)
            Widths are overwritten.
        work : ndarray, (2, N)
            Memory.
        """
        ends, starts = work
        np.cumsum(widths, out=ends)
        np.add(ends, np.uint64(self._width), out=ends)
        width = int(ends[-1])
        np.subtract(ends, widths, out=starts)
        word_indices = np.right_shift(starts, np.uint64(6), out=ends)
        lasts = np.flatnonzero(word_indices[1:] != word_indices[:-1])
        lasts = np.append(lasts, len(fields) - 1)  # the last field of each word
        shifts = np.bitwise_and(starts, np.uint64(WORD_BITS - 1), out=starts)
        sums = np.left_shift(fields, shifts, out=widths)
        np.cumsum(sums, out=sums)
        words = sums.take(lasts)
        words[1:] -= words[:-1].copy()
        beyond = fields.take(lasts)
        beyond >>= np.uint64(1)  # in two steps: none of them by the width of a word
        beyond >>= np.uint64(WORD_BITS - 1) - shifts.take(lasts)
        words[1:] += beyond[:-1]
        words[0] += np.uint64(self._word)
        whole, self._width = divmod(width, WORD_BITS)
        self._word = int(beyond[-1] if whole == len(words) else words[-1])
        self._parts.append(words[:whole].data)

    def align(self) -> None:
        """Add zeros up to a whole byte."""
        self.add(0, -self._width % 8)

    def finish(self) -> bytes:
        """Return all that was added, and zeros up to a whole byte."""
        rest = self._word.to_bytes(-(-self._width // 8), "little")
        return b"".join((*self._parts, rest))
