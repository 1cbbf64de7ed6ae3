"""The colors of a picture as a palette, which is what a GIF holds."""

from __future__ import annotations

import numpy as np
from PIL import Image

from convcli.images import Values
from convcli.images.pillow import to_image

MAX_COLORS = 255  # beside the one that is transparent


def to_palette(pixels: Values) -> Image.Image:
    """Return uint8, (H, W, C), as an image with a palette; gray without alpha is its own.

    Of a picture with an alpha, which is 0 or 255, one color of the palette is transparent, also
    where all is opaque: a reader clears such a frame to transparency before the next one. Up to 255
    further colors are kept as they are, of more the best are chosen; those of invisible pixels do
    not count.
    """
    if pixels.shape[2] in (1, 3):
        image = to_image(pixels)
        return image if image.mode == "L" else _choose_colors(image, MAX_COLORS + 1)
    is_visible = pixels[:, :, -1] != 0
    seen = pixels[:, :, :-1][is_visible]  # (N, C)
    colors = np.where(is_visible[:, :, None], pixels[:, :, :-1], seen[0] if seen.size else 0)
    indexed = _choose_colors(to_image(colors.astype(np.uint8)).convert("RGB"), MAX_COLORS)
    palette = indexed.getpalette() or []
    transparent = len(palette) // 3
    indices = np.where(is_visible, np.asarray(indexed), np.uint8(transparent))
    result = Image.fromarray(indices)
    result.putpalette([*palette, 0, 0, 0])
    result.info["transparency"] = transparent
    return result


def _choose_colors(image: Image.Image, count: int) -> Image.Image:
    return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=count)
