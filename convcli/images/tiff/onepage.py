"""A TIFF of one page in memory, of what is needed to decode it, for Pillow and libtiff.

They see neither the other pages of a file nor any tag that says something else.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from convcli.arithmetic.values import Pair
from convcli.images.metadata.directory import Block, of_bytes, of_numbers
from convcli.images.metadata.directory import encode_page as encode_directory
from convcli.images.structure.tiff import STRIPS, TILES, Directories, Field, Tags
from convcli.images.tiff.layout import MASK, MIN_IS_BLACK, NO_COMPRESSION, YCBCR, Layout

HEADER_BYTES = 8
DEFLATE = 8
MAX_PROFILE_BYTES = 16 << 20
# Tags that a codec needs: of fax, and of chroma.
CODEC_TAGS = (292, 293, 529, Field.CHROMA_SUBSAMPLING, 531)


class PageView:
    """A file whose header says that a page is its first; all else is as in the file.

    Pillow walks to a page over all before it, and libtiff takes a page by its offset.

    Parameters
    ----------
    stream : binary file
    directories : Directories
        Of the file.
    offset : int
        Of the page's directory.
    """

    def __init__(self, stream: BinaryIO, directories: Directories, offset: int) -> None:
        self._stream = stream
        place, form = (8, "Q") if directories.is_big else (4, "I")
        self._header = directories.read_at(0, place) + struct.pack(directories.order + form, offset)
        stream.seek(0)

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        at = self._stream.tell()
        content = self._stream.read(count)
        header = self._header[at : at + len(content)]
        return header + content[len(header) :] if header else content

    def __getattr__(self, name: str) -> Any:
        """Return what the file has: its position, and its descriptor or its bytes, if any."""
        return getattr(self._stream, name)


def extract_page(
    directories: Directories, tags: Tags, layout: Layout, extents: Sequence[Pair]
) -> bytes:
    """Return a TIFF of a page's pixels alone, with what is needed to decode them.

    Raises
    ------
    ValueError
        If the file does not hold them all.
    """
    if len(extents) < layout.segments:
        raise ValueError(f"it holds {len(extents)} of its {layout.segments} strips or tiles")
    kept: dict[int, Sequence[int] | bytes] = {
        Field.WIDTH: [layout.size[1]],
        Field.HEIGHT: [layout.size[0]],
        Field.BITS: [layout.bits] * layout.samples,
        Field.COMPRESSION: [layout.compression],
        Field.PHOTOMETRIC: [MIN_IS_BLACK if layout.photometric == MASK else layout.photometric],
        Field.FILL_ORDER: [layout.fill_order],
        Field.SAMPLES: [layout.samples],
        Field.PREDICTOR: [layout.predictor],
    }
    if layout.is_tiled:
        kept |= {Field.TILE_HEIGHT: [layout.segment[0]], Field.TILE_WIDTH: [layout.segment[1]]}
    else:
        kept[Field.STRIP_ROWS] = [layout.segment[0]]
    for name in (*CODEC_TAGS, Field.COLOR_MAP):
        if name in tags and tags[name].type in (3, 4):
            kept[name] = directories.numbers(tags[name])
    if layout.extra:
        kept[Field.EXTRA_SAMPLES] = layout.extra
    for name in (Field.JPEG_TABLES, Field.PROFILE):
        if name in tags:
            kept[name] = directories.content(tags[name], MAX_PROFILE_BYTES)
    contents = [directories.read_at(offset, size) for offset, size in extents]
    if layout.photometric == YCBCR and layout.compression == NO_COMPRESSION:
        # So that libtiff decodes it, which knows how chroma lies, as Pillow does not.
        kept[Field.COMPRESSION] = [DEFLATE]
        contents = [zlib.compress(content, level=0) for content in contents]
    return encode_page(layout.order, kept, contents, is_tiled=layout.is_tiled)


def encode_page(
    order: str,
    tags: Mapping[int, Sequence[int] | bytes],
    segments: Sequence[bytes],
    *,
    is_tiled: bool = False,
) -> bytes:
    """Return a TIFF of one page.

    Parameters
    ----------
    order : {"<", ">"}
        The byte order, of the segments too.
    tags : mapping
        Whole numbers or bytes by tag.
    segments : sequence of bytes
        The strips or tiles as they are stored.
    is_tiled : bool
        Which of them they are.
    """
    values = {
        name: of_bytes(value) if isinstance(value, bytes) else of_numbers(value, order)
        for name, value in tags.items()
    }
    sizes = [len(segment) for segment in segments]
    names = TILES if is_tiled else STRIPS
    directory = encode_directory(Block(values, {}), HEADER_BYTES, sizes, names, order)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", HEADER_BYTES)
    return b"".join([start, directory, *segments])
