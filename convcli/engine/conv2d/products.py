"""Products of matrices of a layer, in blocks that suit the kernel of the BLAS.

OpenBLAS for AVX-512 multiplies small matrices where they lie, and others after it has copied both
into another order. A layer's products are cut into such blocks there: of 32 filters, and of as many
positions, in 32s, as stay below its limit. It is one call of NumPy all the same.

The sizes are those of simpler code that was measured on a Xeon (OpenBLAS 0.3.31 for SkylakeX);
this code was not measured there. Kernels of AVX2 copy matrices of any size.
"""

from __future__ import annotations

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.blas import MAX_SMALL_PRODUCTS, find_blas
from convcli.engine.arrays import Array
from convcli.engine.scratch import even_size

# The kernels of AVX2 multiply so many at once: 2 or 3 take up to twice as long as 4 on Zen 3. One
# filter has a kernel of its own, and from 5 on it makes no difference.
FILTERS_AT_ONCE = 4
BLOCK_FILTERS = 32
BLOCK_POSITIONS = 32  # or a multiple


def pad_filters(weights: Array) -> Array:
    """Repeat the last of 2 or 3 filters, (..., F, K), if four take less time.

    Zeros would make NaN of infinity, and NumPy warn of it.
    """
    filters = weights.shape[-2]
    if not 1 < filters < FILTERS_AT_ONCE or find_blas().has_small_kernel:
        return weights
    missing = FILTERS_AT_ONCE - filters
    return np.concatenate([weights, *[weights[..., -1:, :]] * missing], axis=-2)


def multiply_into(out: Array, weights: Array, columns: Array) -> None:
    """Multiply (..., F, K) weights by (..., K, L) columns: into (..., F, L).

    Parameters
    ----------
    out : ndarray
        Of which, as of the columns, values of a row lie side by side.
    weights, columns : ndarray
    """
    (filters, length), positions = weights.shape[-2:], columns.shape[-1]
    block = find_block(filters, length, positions)
    if block is None:
        np.matmul(weights, columns, out=out)
        return
    whole = filters // block[0] * block[0], positions // block[1] * block[1]
    _multiply_blocks(
        out[..., : whole[0], : whole[1]],
        weights[..., : whole[0], :],
        columns[..., : whole[1]],
        block,
    )
    if whole[1] < positions:
        rest = block[0], positions - whole[1]
        _multiply_blocks(
            out[..., : whole[0], whole[1] :],
            weights[..., : whole[0], :],
            columns[..., whole[1] :],
            rest,
        )
    if whole[0] < filters:
        np.matmul(weights[..., whole[0] :, :], columns, out=out[..., whole[0] :, :])


def find_block(filters: int, length: int, positions: int) -> Pair | None:
    """Return the filters and positions of a block; None where a product is not to be cut.

    Examples
    --------
    >>> find_block(64, 147, 784) == (None if not find_blas().has_small_kernel else (32, 160))
    True
    """
    if not find_blas().has_small_kernel or filters < BLOCK_FILTERS:
        return None
    most = MAX_SMALL_PRODUCTS // (BLOCK_FILTERS * length)
    if positions <= most:
        return BLOCK_FILTERS, positions
    if most < BLOCK_POSITIONS:
        return None
    count = even_size(-(-positions // BLOCK_POSITIONS), most // BLOCK_POSITIONS)
    return BLOCK_FILTERS, count * BLOCK_POSITIONS


def _multiply_blocks(out: Array, weights: Array, columns: Array, block: Pair) -> None:
    """Multiply matrices of so many whole blocks, in one call: each block is an item of a batch."""
    *leading, filters, length = weights.shape
    *others, _, positions = columns.shape
    counts = filters // block[0], positions // block[1]
    np.matmul(
        weights.reshape(*leading, counts[0], 1, block[0], length),
        columns.reshape(*others, 1, length, counts[1], block[1]).swapaxes(-3, -2),
        # Axes are only split, so this is a view, whatever the strides.
        out=out.reshape(*out.shape[:-2], counts[0], block[0], counts[1], block[1]).swapaxes(-3, -2),
    )
