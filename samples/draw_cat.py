"""Draw cat.jpg, the picture that the examples filter.

Run it as ``python samples/draw_cat.py``: it rewrites cat.jpg beside this script. The picture has
something for every kernel: fur and whiskers, hard edges, a blurred garden and a smooth wall.
"""

from pathlib import Path

import numpy as np
from brushes import (
    HEIGHT,
    SCALE,
    WIDTH,
    Frame,
    Fur,
    Mask,
    Painting,
    area,
    both_sides,
    box,
    coverage,
    enlarged,
    line,
    lit,
    mirrored,
    mix,
    on_side,
    oval,
    ramp,
    shifted,
    symmetric,
    union,
    within,
)
from PIL import Image, ImageFilter

GINGER, STRIPE, CREAM = (242, 158, 76), (130, 54, 16), (255, 244, 226)
INK, PINK, WHITE = (44, 22, 18), (232, 146, 136), (255, 253, 246)
SHADOW, CRIMSON = (18, 30, 46), (206, 54, 84)
LEAVES = [(74, 120, 62), (112, 156, 72), (52, 94, 64), (150, 182, 92), (230, 120, 120)]

ROOM, HEAD, BODY = Frame(), Frame(256, 128, -6), Frame(260, 190)
BELL, YARN = Frame(260, 221), Frame(384, 246)
TABLE = 252  # the far edge of the table top

HEAD_OUTLINE = symmetric(
    [(0, -62), (27, -58), (53, -43), (70, -17), (80, 12), (78, 30), (58, 48), (28, 60), (0, 65)]
)
HEAD_STRIPES = [
    ([(0, -26), (0, -42), (0, -64)], (2, 6)),
    ([(8, -22), (10, -40), (15, -66)], (3, 6)),
    ([(18, -22), (23, -38), (33, -62)], (3, 7)),
    ([(34, -24), (44, -36), (56, -46)], (2, 6)),
    ([(54, -4), (66, -4), (84, -12)], (3, 7)),
    ([(50, 12), (64, 16), (84, 10)], (3, 7)),
    ([(46, 26), (62, 33), (82, 32)], (3, 7)),
    ([(13, 6), (11, 14), (13, 22)], (3, 2)),
]
BLAZE = symmetric([(0, 0), (7, 14), (26, 24), (36, 38), (26, 54), (0, 68)])
EAR = [(16, -46), (34, -74), (57, -96), (66, -95), (74, -68), (76, -20), (44, -28)]
EAR_INSIDE = [(32, -50), (42, -70), (58, -87), (64, -83), (68, -62), (67, -32), (50, -38)]
EAR_TUFT = [(30, -46), (40, -62), (48, -58), (58, -46), (62, -34), (46, -36)]
EYE = [(14, 4), (20, -9), (34, -18), (48, -15), (54, -4), (48, 8), (35, 13), (21, 10)]
NOSE = symmetric([(0, 20.5), (8, 20.5), (10.8, 22.4), (6, 28.4), (0, 31.4)])
MOUTH = [([(0, 30), (0.5, 40), (7, 47), (17, 47), (23, 43)], (1.9, 1.0))]
NOSTRILS = [([(3, 29.4), (5, 27), (8, 27)], (1.2, 2.2))]
WHISKER_ROOTS = [(14, 34), (20, 32), (17, 39), (24, 36), (23, 41)]
WHISKERS = [
    ([(27, 29), (60, 10), (112, 0)], (1.2, 0.5)),
    ([(29, 32), (64, 20), (130, 22)], (1.2, 0.5)),
    ([(30, 37), (68, 32), (138, 44)], (1.2, 0.5)),
    ([(28, 42), (64, 44), (126, 68)], (1.2, 0.5)),
    ([(32, -26), (38, -50), (52, -70)], (0.9, 0.4)),
    ([(38, -26), (52, -46), (78, -60)], (0.9, 0.4)),
]
BODY_OUTLINE = symmetric(
    [(0, -30), (34, -28), (47, -12), (60, 4), (70, 20), (82, 44), (90, 80), (60, 100), (0, 104)]
)
BODY_STRIPES = [
    ([(44, 8), (60, 10), (76, 24)], (4, 8)),
    ([(42, 24), (62, 28), (84, 46)], (4, 8)),
    ([(44, 42), (66, 46), (90, 66)], (4, 8)),
]
BIB = symmetric([(0, -30), (34, -14), (36, 20), (26, 60), (14, 90), (0, 100)])
COLLAR = [(-60, -34), (-49, -13), (-30, 8), (0, 16), (30, 8), (49, -13), (60, -34)]
TOES = [([(6.8, 4), (8, 10), (8.4, 16)], (1, 2))]
THREAD = [(6, 23), (-14, 28), (-30, 24), (-44, 32), (-26, 40), (10, 38), (40, 44), (80, 40)]


def paint_wall(painting: Painting) -> None:
    """Paint the smooth part of the picture: a wall, bright where the window lights it."""
    x, y = ROOM.axes()
    gloom = ramp(np.hypot(x - 90, (y - 40) * 1.1), 0, 400) ** 0.85
    painting.paint(mix((172, 202, 194), (14, 50, 66), gloom), box(0, 0, WIDTH, HEIGHT))


def paint_window(painting: Painting) -> None:
    """Paint the window with its bars, each with a bright edge and a shadow."""
    painting.canvas.paste(garden(), mask=box(0, 0, 128, 202))
    bars = [(58, 0, 66, 204), (0, 92, 128, 100), (126, 0, 142, 212), (0, 200, 150, 212)]
    for left, top, right, bottom in bars:
        painting.paint((164, 168, 166), box(left, top, right + 2, bottom + 2))
        painting.paint(WHITE, box(left, top, right, bottom))
        painting.paint((240, 236, 226), box(left + 1.5, top + 1.5, right, bottom))


def garden() -> Image.Image:
    """Paint what is seen through the window: leaves out of focus, discs of light before them."""
    painting = Painting(seed=3)
    chance = painting.chance
    _, y = ROOM.axes()
    painting.paint(mix((186, 222, 244), (252, 246, 214), ramp(y, 0, 150)), box(0, 0, WIDTH, HEIGHT))
    for kind in chance.choice(len(LEAVES), size=150, p=[0.3, 0.3, 0.2, 0.14, 0.06]):
        center = chance.uniform(-10, 140), 205 - min(abs(chance.normal(0, 46)), 104)
        radius = chance.uniform(6, 15)
        painting.paint(LEAVES[kind], oval(ROOM, center, (radius, radius)))
    painting.canvas = painting.canvas.filter(ImageFilter.GaussianBlur(5 * SCALE))
    for _ in range(18):
        center, radius = (chance.uniform(0, 126), chance.uniform(90, 190)), chance.uniform(4, 8)
        disc = oval(ROOM, center, (radius, radius), 0.7)
        painting.paint((255, 252, 214), disc, chance.uniform(0.15, 0.4))
    return painting.canvas


def paint_cloth(painting: Painting) -> None:
    """Paint the checked cloth, whose checks shrink towards the far edge of the table."""
    x, y = ROOM.axes()
    distance = 1 / np.maximum(y - 170, 1)
    across = np.floor((x - BODY.x) * 7 * distance) % 2
    along = np.floor(1000 * distance + 0.1) % 2
    checks = mix((250, 246, 238), (52, 86, 138), (across + along) / 2)
    glow = 1.02 - np.hypot(x - 110, y - 270) / 1100
    painting.paint(SHADOW, box(0, TABLE - 1, WIDTH, TABLE + 2))
    painting.paint(checks * glow[..., None], box(0, TABLE + 0.5, WIDTH, HEIGHT))


def paint_yarn(painting: Painting) -> None:
    """Paint the ball of yarn: three windings that cover each other, and a loose end."""
    radius = 25
    x, y = (axis / radius for axis in YARN.axes())
    wool, groove, gleam = (lit(c, x, y) for c in (CRIMSON, (110, 16, 44), (255, 130, 140)))
    painting.paint(SHADOW, oval(YARN, (8, 20), (30, 8), 3), 0.55)
    ball = oval(YARN, (0, 0), (radius, radius))
    reach = np.linspace(-1, 1, 9)
    for degrees, offset in [(20, 0), (80, 19), (140, -19)]:
        winding = Frame(YARN.x, YARN.y, degrees)
        patch = within(ball, oval(winding, (0, offset), (25, 18))) if offset else ball
        painting.paint(wool, patch)
        for bulge in np.linspace(-24, 24, 12):
            strand = np.stack([reach * radius, bulge * np.sqrt(1.02 - reach**2)], axis=1).tolist()
            painting.paint(groove, within(patch, line(winding, strand, (1.1, 1.1), 0.2)))
            strand = shifted(strand, 0, -1.2)
            painting.paint(gleam, within(patch, line(winding, strand, (0.6, 0.6), 0.2)))
    painting.paint(SHADOW, line(YARN, shifted(THREAD, 1, 1.2), (2, 2), 0.5), 0.6)
    painting.paint(CRIMSON, line(YARN, THREAD, (1.9, 1.9)))


def paint_body(painting: Painting) -> None:
    """Paint the shoulders and chest, and the soft shadow of the cat on the wall."""
    x, y = BODY.axes()
    painting.paint(SHADOW, area(BODY, shifted(BODY_OUTLINE, 26, 8), 14), 0.4)
    painting.paint(SHADOW, area(HEAD, shifted(HEAD_OUTLINE, 30, 12), 14), 0.4)
    coat = mix(GINGER, STRIPE, coverage(both_sides(BODY, BODY_STRIPES, 1.5)) * 0.9)
    coat = lit(mix(coat, CREAM, coverage(area(BODY, BIB, 4))), x / 100, (y - 30) / 120)
    shape = area(BODY, BODY_OUTLINE)
    painting.grow(Fur(shape, coat, flow=0.012 * x + 1j, depth=y, length=9, count=32000))
    painting.paint((40, 18, 26), within(oval(HEAD, (10, 50), (70, 34), 7), shape), 0.55)
    paint_collar(painting, shape)


def paint_collar(painting: Painting, body: Mask) -> None:
    """Paint the collar, as far as it goes round the body, and its bell."""
    x, y = BODY.axes()
    bands = [((16, 56, 84), 2, 10), ((38, 146, 174), 0, 9), ((150, 232, 238), -3.4, 1.2)]
    for color, down, width in bands:
        band = line(BODY, shifted(COLLAR, 0, down), (width, width))
        painting.paint(lit(color, x / 64, y / 200), within(band, body))
    x, y = (axis / 11 for axis in BELL.axes())
    painting.paint(SHADOW, oval(BELL, (3, 4), (12, 11), 2), 0.6)
    painting.paint((124, 76, 14), oval(BELL, (0, 0), (11, 11)))
    painting.paint(lit((255, 220, 96), x, y), oval(BELL, (0, 0), (10, 10)))
    painting.paint((112, 64, 10), line(BELL, [(-10, 0), (0, 2.5), (10, 0)], (1.6, 1.6)))
    painting.paint((70, 36, 10), oval(BELL, (0, 6), (1.8, 1.8)))
    painting.paint((70, 36, 10), line(BELL, [(0, 5), (0, 10)], (1.2, 1.2)))
    painting.paint(WHITE, oval(BELL, (-3.5, -4.6), (2.6, 2), 0.5))


def paint_ear(painting: Painting, side: int) -> None:
    """Paint one ear, darker towards its tip, with a tuft before the bare skin inside."""
    x, y = HEAD.axes()
    out = x * side
    coat = lit(mix(GINGER, STRIPE, ramp(-y, 66, 112)), (x - 50 * side) / 60, (y + 50) / 60)
    flow = np.full(x.shape, (0.45 * side - 1j) * HEAD.turn)
    painting.grow(Fur(area(HEAD, on_side(side, EAR)), coat, flow, depth=-y, length=5, count=5000))
    skin = mix((112, 46, 44), PINK, ramp(out - y, 90, 150)) * (0.92 + 0.08 * side)
    painting.paint(skin, area(HEAD, on_side(side, EAR_INSIDE), 1.2))
    tuft = mix(CREAM, (214, 150, 110), ramp(out, 36, 60)) * 0.9
    flow = (side * (0.02 * out - 0.5) - 1j) * HEAD.turn
    shape = area(HEAD, on_side(side, EAR_TUFT), 1)
    painting.grow(Fur(shape, tuft, flow, depth=-y, length=15, count=500))


def paint_head(painting: Painting) -> None:
    """Paint the fur of the head: it streams away from the nose and is longest on the cheeks."""
    x, y = HEAD.axes()
    eyelids = union(area(HEAD, enlarged(eye, 1.3), 3) for eye in (EYE, mirrored(EYE)))
    coat = mix(GINGER, STRIPE, coverage(both_sides(HEAD, HEAD_STRIPES, 1)) * 0.95)
    coat = mix(coat, CREAM, coverage(eyelids) * 0.75)
    coat = lit(mix(coat, CREAM, coverage(area(HEAD, BLAZE, 3))), x / 94, (y + 4) / 86)
    from_nose = x + 1j * (y - 14)
    flow = (from_nose + 0.3j * np.abs(x)) * HEAD.turn
    ruff = ramp(np.abs(x), 54, 78) * ramp(y, -10, 20)
    length = 2.5 + 0.075 * np.abs(from_nose) + 7 * ruff
    shape = area(HEAD, HEAD_OUTLINE)
    painting.grow(Fur(shape, coat, flow, np.abs(from_nose), length, count=44000))


def paint_eye(painting: Painting, side: int) -> None:
    """Paint one eye; both reflect the window on the same, left side."""
    x_middle, y_middle = 34.5 * side, -2.5
    outline = on_side(side, EYE)
    opening = area(HEAD, outline)
    painting.paint(INK, area(HEAD, shifted(enlarged(outline, 1.13), 0, -0.5), 0.5))
    x, y = HEAD.axes()
    radius = np.hypot(x - x_middle, y - y_middle)
    angle = np.arctan2(y - y_middle, x - x_middle)
    iris = mix((246, 232, 112), (62, 132, 62), ramp(radius, 2, 17) ** 1.2)
    streaks = 1 + 0.09 * np.sin(37 * angle) * np.sin(13 * angle + 1)
    lid_shadow = 0.5 + 0.65 * ramp(y - y_middle, -15, 2)
    rim = 1 - 0.5 * ramp(radius, 15, 19)
    painting.paint(iris * (streaks * lid_shadow * rim)[..., None], opening)
    pupil = oval(HEAD, (x_middle, y_middle), (5.8, 13.5), 0.3)
    painting.paint((12, 10, 12), within(pupil, opening))
    painting.paint(WHITE, oval(HEAD, (x_middle - 7.4, y_middle - 6.6), (3.4, 3.8), 0.2))
    painting.paint(WHITE, oval(HEAD, (x_middle + 9, y_middle + 6), (2.6, 1.8), 0.7), 0.6)


def paint_muzzle(painting: Painting) -> None:
    """Paint the chin, the whisker pads, the mouth and the nose."""
    painting.puff(HEAD, (0, 51), (13, 9), CREAM, 1500)
    painting.paint((120, 80, 70), oval(HEAD, (0, 47), (17, 4), 2), 0.5)
    for side in (-1, 1):
        painting.puff(HEAD, (14 * side, 37), (17, 12), CREAM, 3000)
        for root in on_side(side, WHISKER_ROOTS):
            painting.paint((120, 76, 60), oval(HEAD, root, (0.9, 0.9), 0.2))
    painting.paint(INK, both_sides(HEAD, MOUTH, 0.3))
    painting.paint(INK, area(HEAD, enlarged(NOSE, 1.2), 0.4))
    painting.paint(PINK, area(HEAD, NOSE, 0.4))
    painting.paint((255, 212, 204), oval(HEAD, (-2, 22.8), (5, 1.5), 0.7), 0.8)
    painting.paint(INK, both_sides(HEAD, NOSTRILS, 0.3))


def paint_paws(painting: Painting) -> None:
    """Paint the paws on the edge of the table."""
    for side in (-1, 1):
        paw = Frame(BODY.x + 32 * side, TABLE + 2)
        painting.paint(SHADOW, oval(paw, (5, 14), (30, 8), 3), 0.6)
        painting.puff(paw, (0, -6), (20, 18), GINGER, 4500)
        painting.puff(paw, (0, 4), (25, 14), CREAM, 6000)
        painting.paint((110, 70, 54), both_sides(paw, TOES, 0.4), 0.85)


def paint_whiskers(painting: Painting) -> None:
    """Paint whiskers: they shine before the wall and are dark before the bright window."""
    behind = painting.canvas.convert("L").filter(ImageFilter.GaussianBlur(2 * SCALE))
    x, _ = ROOM.axes()
    bright = ramp(np.asarray(behind, dtype=float), 190, 205) * (x < 152)
    painting.paint(mix(WHITE, (70, 50, 44), bright), both_sides(HEAD, WHISKERS))


def main() -> None:
    """Paint everything from the back to the front, and save it."""
    painting = Painting(seed=7)
    paint_wall(painting)
    paint_window(painting)
    paint_body(painting)
    for side in (-1, 1):
        paint_ear(painting, side)
    paint_head(painting)
    for side in (-1, 1):
        paint_eye(painting, side)
    paint_muzzle(painting)
    paint_cloth(painting)
    paint_yarn(painting)
    paint_paws(painting)
    paint_whiskers(painting)
    painting.save(Path(__file__).with_name("cat.jpg"))


if __name__ == "__main__":
    main()
