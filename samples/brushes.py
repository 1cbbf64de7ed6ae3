"""The brushes that draw_cat.py paints with: outlines, soft masks, shaded forms and fur.

A point of the plane is a complex number, right + down * 1j, so that to turn is to multiply.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Array = NDArray[np.float64]
Curve = NDArray[np.complexfloating]
Color = tuple[int, int, int]
Points = Sequence[tuple[float, float]]
Mask = Image.Image

WIDTH, HEIGHT = 450, 300
SCALE = 3  # everything is painted this much larger and then reduced, for clean edges
SIZE = (WIDTH * SCALE, HEIGHT * SCALE)
LIGHT = np.array([-0.62, -0.55, 0.56])  # from the upper left, in front of the picture


@dataclass(frozen=True)
class Frame:
    """Coordinates laid over the picture: the origin moved to (x, y), then the axes turned."""

    x: float = 0
    y: float = 0
    degrees: float = 0

    @property
    def turn(self) -> complex:
        """The factor that turns a vector of this frame into one of the picture."""
        return complex(np.exp(1j * np.radians(self.degrees)))

    def pixels(self, curve: Curve) -> Curve:
        """Carry points of this frame to pixels of the enlarged picture."""
        return (complex(self.x, self.y) + curve * self.turn) * SCALE

    def axes(self) -> tuple[Array, Array]:
        """Find both coordinates, in this frame, of every pixel of the enlarged picture."""
        down, right = np.ogrid[: SIZE[1], : SIZE[0]]
        plane = ((right + 1j * down) / SCALE - complex(self.x, self.y)) / self.turn
        return plane.real, plane.imag


@dataclass(frozen=True)
class Fur:
    """A furry part: where it grows, its colors, which way it lies, and its strands."""

    mask: Mask
    colors: Array
    flow: Curve
    depth: Array  # in pixels of the picture; the strands of greater depth lie underneath
    length: ArrayLike
    count: int


def mirrored(points: Points) -> Points:
    """Reflect points in the vertical axis."""
    return [(-right, down) for right, down in points]


def symmetric(half: Points) -> Points:
    """Complete an outline from its right half, which starts and ends on the vertical axis."""
    return [*half, *reversed(mirrored(half[1:-1]))]


def shifted(points: Points, right: float, down: float) -> Points:
    """Move points."""
    return [(x + right, y + down) for x, y in points]


def enlarged(outline: Points, factor: float) -> Points:
    """Enlarge an outline about its middle."""
    middle = np.mean(outline, axis=0)
    return [(x, y) for x, y in (middle + (np.array(outline) - middle) * factor).tolist()]


def on_side(side: int, points: Points) -> Points:
    """Keep points on the right (side 1) or reflect them to the left (side -1)."""
    return points if side > 0 else mirrored(points)


def spline(points: Points, *, closed: bool) -> Curve:
    """Run a smooth (Catmull-Rom) curve through the points."""
    ends = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    knots = np.array([*ends[0], *points, *ends[1]], dtype=float) @ np.array([1, 1j])
    t = np.linspace(0, 1, 16, endpoint=False)
    pieces = [
        b + t * ((c - a) / 2 + t * (a - 2.5 * b + 2 * c - d / 2 + t * (3 * (b - c) + d - a) / 2))
        for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False)
    ]
    return np.concatenate([*pieces, knots[-2:-1]])


def filled(pixels: Curve, softness: float) -> Mask:
    """Fill a polygon, and blur it if it is to be soft."""
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).polygon(pixels.view(float).tolist(), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(softness * SCALE)) if softness else mask


def area(frame: Frame, outline: Points, softness: float = 0) -> Mask:
    """Fill the smooth curve through the points of an outline."""
    return filled(frame.pixels(spline(outline, closed=True)), softness)


def oval(
    frame: Frame, center: tuple[float, float], radii: tuple[float, float], softness: float = 0
) -> Mask:
    """Fill an ellipse."""
    turns = np.linspace(0, 2 * np.pi, 60)
    curve = complex(*center) + radii[0] * np.cos(turns) + 1j * radii[1] * np.sin(turns)
    return filled(frame.pixels(curve), softness)


def box(left: float, top: float, right: float, bottom: float) -> Mask:
    """Fill an upright rectangle of the picture."""
    corners = np.array([left + top * 1j, right + top * 1j, right + bottom * 1j, left + bottom * 1j])
    return filled(Frame().pixels(corners), 0)


def line(frame: Frame, points: Points, widths: tuple[float, float], softness: float = 0) -> Mask:
    """Draw a smooth curve through the points; its width runs from the first to the second."""
    curve = frame.pixels(spline(points, closed=False))
    along = np.gradient(curve)
    half = 1j * along / np.abs(along) * np.linspace(*widths, len(curve)) * SCALE / 2
    return filled(np.concatenate([curve + half, (curve - half)[::-1]]), softness)


def both_sides(
    frame: Frame, lines: Iterable[tuple[Points, tuple[float, float]]], softness: float = 0
) -> Mask:
    """Draw lines together with their reflections."""
    return union(
        line(frame, side, widths, softness)
        for points, widths in lines
        for side in (points, mirrored(points))
    )


def union(masks: Iterable[Mask]) -> Mask:
    """Cover what any of the masks covers."""
    first, *others = masks
    for mask in others:
        first = ImageChops.lighter(first, mask)
    return first


def within(mask: Mask, limit: Mask) -> Mask:
    """Cut a mask off at the edge of another."""
    return ImageChops.multiply(mask, limit)


def coverage(mask: Mask) -> Array:
    """Read a mask as fractions from 0 to 1."""
    return np.asarray(mask, dtype=float) / 255


def ramp(values: Array, low: float, high: float) -> Array:
    """Go from 0 at low to 1 at high, and stay there."""
    return np.clip((values - low) / (high - low), 0, 1)


def mix(first: ArrayLike, second: ArrayLike, weight: Array) -> Array:
    """Go from the first colors, where the weight is 0, to the second, where it is 1."""
    weight = weight[..., None]
    return np.asarray(first) * (1 - weight) + np.asarray(second) * weight


def lit(colors: ArrayLike, x: Array, y: Array) -> Array:
    """Shade colors as on an ellipsoid whose outline is x² + y² = 1."""
    normal = np.stack([x, y, np.sqrt(np.clip(1 - x**2 - y**2, 0.05, 1))], axis=-1)
    light = np.maximum(normal @ LIGHT / np.linalg.norm(normal, axis=-1), -0.4)
    rim = 0.26 * ramp(-x - 0.3 * y, 0.6, 1) + 0.16 * ramp(x, 0.6, 1)
    tint = mix((0.80, 0.76, 0.95), (1.05, 1.00, 0.93), ramp(light, -0.4, 0.7))
    shaded: Array = np.asarray(colors) * tint * (0.68 + 0.44 * light + rim)[..., None]
    return shaded


class Painting:
    """A canvas, and the chance that places its strands."""

    def __init__(self, seed: int) -> None:
        self.canvas = Image.new("RGB", SIZE)
        self.chance = np.random.default_rng(seed)

    def paint(self, colors: Color | Array, mask: Mask, strength: float = 1) -> None:
        """Lay one color, or a color for every pixel, over the canvas."""
        if strength < 1:
            mask = mask.point([round(level * strength) for level in range(256)])
        if isinstance(colors, tuple):
            self.canvas.paste(colors, mask=mask)
        else:
            self.canvas.paste(Image.fromarray(bytes_of(colors)), mask=mask)

    def grow(self, fur: Fur) -> None:
        """Paint an undercoat and then the strands of fur, those that lie on top last."""
        self.paint(fur.colors * 0.85, fur.mask)
        rows, columns = np.nonzero(np.asarray(fur.mask) > 127)
        chosen = self.chance.integers(len(rows), size=fur.count)
        rows, columns = rows[chosen], columns[chosen]
        order = np.argsort(self.chance.normal(0, 0.7, fur.count) - fur.depth[rows, columns])
        rows, columns = rows[order], columns[order]
        shades = self.chance.normal(1, 0.13, (fur.count, 1))
        colors = bytes_of(fur.colors[rows, columns] * shades)
        draw = ImageDraw.Draw(self.canvas)
        strands = self.strands(fur, rows, columns).view(float)
        for strand, color in zip(strands.tolist(), colors.tolist(), strict=True):
            draw.polygon(strand, fill=tuple(color))

    def strands(self, fur: Fur, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Curve:
        """Outline strands rooted at the given pixels: blades with one bend and a sharp tip."""
        flow = fur.flow[rows, columns]
        lengths = np.broadcast_to(fur.length, fur.flow.shape)[rows, columns]
        halves = lengths * self.chance.uniform(0.3, 0.63, fur.count) * SCALE
        headings = flow / np.abs(flow) * np.exp(1j * self.chance.normal(0, 0.16, fur.count))
        bends = np.exp(1j * self.chance.normal(0, 0.22, fur.count))
        roots = columns + 1j * rows
        sides = 1j * headings * self.chance.uniform(0.25, 0.5, fur.count) * SCALE
        middles = roots + halves * headings
        tips = middles + halves * headings * bends
        corners = [roots - sides, middles - 0.7 * sides, tips, middles + 0.7 * sides, roots + sides]
        return np.stack(corners, axis=1)

    def puff(
        self,
        frame: Frame,
        center: tuple[float, float],
        radii: tuple[float, float],
        color: Color,
        count: int,
    ) -> None:
        """Grow a small round part, such as a paw or the chin."""
        right, down = frame.axes()
        x, y = (right - center[0]) / radii[0], (down - center[1]) / radii[1]
        flow = (0.8 * x + 1j * (y + 0.6)) * frame.turn
        depth = np.hypot(x, y + 0.6) * radii[0]
        self.grow(
            Fur(oval(frame, center, radii), lit(color, 0.9 * x, 0.9 * y), flow, depth, 3.4, count)
        )

    def save(self, path: Path) -> None:
        """Reduce the canvas to the picture and write it."""
        size = (WIDTH, HEIGHT)
        self.canvas.resize(size, Image.Resampling.LANCZOS).save(path, quality=90)


def bytes_of(colors: Array) -> NDArray[np.uint8]:
    """Round colors to what an image can hold."""
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8)
