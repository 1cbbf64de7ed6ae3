"""The curves of ICC color profiles (ICC.1:2022; versions 2 and 4 write them alike).

Those of RGB with a matrix, and of gray, are functions of one channel each. A profile that has
tables of several channels alone has none; nor have those of ink. What is read is bounded by the
profile, whose size is that of all metadata at most.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from convcli.errors import ArgumentError
from convcli.images.transfer import MAX_SAMPLES, Curve, Power, power_curve, sampled_curve

HEADER_BYTES = 128
SIGNATURE = slice(36, 40)
MAX_TAGS = 1000
MAX_KEPT = 4  # of profiles, so that all frames share one
# Of a parametric curve, by its function's number; three have them in the order of `Power`.
PARAMETER_COUNTS = (1, 3, 4, 5, 7)
TAGS = {b"RGB ": (b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC",)}
TABLE_TAGS = (b"A2B0", b"A2B1", b"A2B2", b"D2B0")
LAB = b"Lab "
LAB_POWER = Power(3.0, 100 / 116, 16 / 116, 100 / 903.2963, 0.08)  # CIE L* of 0..1 to light


@lru_cache(MAX_KEPT)
def read_curves(profile: bytes) -> tuple[Curve, ...]:
    """Return the curve of each channel of a profile; equal ones are one object.

    Raises
    ------
    ArgumentError
        For a profile without curves, one that is damaged, and curves that do not increase.
    """
    if len(profile) < HEADER_BYTES + 4 or profile[SIGNATURE] != b"acsp":
        raise _damage("it is no ICC profile")
    space, connection = profile[16:20], profile[20:24]
    if space not in TAGS:
        name = space.decode("ascii", "replace").strip()
        raise ArgumentError(
            f"its color profile is for {name!a}; --linear has curves of RGB and gray alone"
        )
    tags = _read_tags(profile)
    missing = [name for name in TAGS[space] if name not in tags]
    if missing:
        cause = "has no curves"
        if any(name in tags for name in TABLE_TAGS):
            cause = "has no curves, only tables"
        raise ArgumentError(f"its color profile {cause}: --linear cannot find the light of a value")
    contents = [tags[name] for name in TAGS[space]]
    is_lightness = space == b"GRAY" and connection == LAB
    curves = {content: _read_curve(content, is_lightness=is_lightness) for content in contents}
    return tuple(curves[content] for content in contents)


def _damage(cause: str) -> ArgumentError:
    return ArgumentError(f"its color profile is damaged, so that --linear has no curve: {cause}")


def _read_tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the content of each tag."""
    (count,) = struct.unpack_from(">I", profile, HEADER_BYTES)
    start = HEADER_BYTES + 4
    if count > MAX_TAGS or start + 12 * count > len(profile):
        raise _damage(f"it says that it has {count:,} tags")
    wanted = {*TABLE_TAGS, *(name for names in TAGS.values() for name in names)}
    tags = {}
    for name, offset, size in struct.iter_unpack(">4sII", profile[start : start + 12 * count]):
        if name in wanted:
            if offset + size > len(profile):
                raise _damage(f"its tag {name.decode()} goes beyond its end")
            tags[name] = profile[offset : offset + size]
    return tags


def _read_curve(content: bytes, *, is_lightness: bool) -> Curve:
    """Return a curve of the types curv and para (10.6, 10.18)."""
    if len(content) < 12:
        raise _damage("a curve is cut off")
    (number,) = struct.unpack_from(">I", content, 8)
    if content[:4] == b"para":
        curve = power_curve(_read_power(content))
    elif content[:4] != b"curv":
        raise _damage(f"a curve is of the type {content[:4].decode('ascii', 'replace')!a}")
    elif 12 + 2 * number > len(content):
        raise _damage(f"a curve has fewer values than the {number:,} that it says")
    elif number == 0:
        curve = power_curve(Power(1.0))
    elif number == 1:
        curve = power_curve(Power(struct.unpack_from(">H", content, 12)[0] / 256))
    else:
        curve = sampled_curve(np.frombuffer(content, ">u2", number, 12) / 65535)
    if not is_lightness:
        return curve
    grid = np.linspace(0, 1, MAX_SAMPLES)
    return sampled_curve(LAB_POWER.decode(curve.decode(grid)))


def _read_power(content: bytes) -> Power:
    (kind,) = struct.unpack_from(">H", content, 8)
    if kind >= len(PARAMETER_COUNTS):
        raise _damage(f"a curve is of the unknown function {kind}")
    count = PARAMETER_COUNTS[kind]
    if len(content) < 12 + 4 * count:
        raise _damage("a curve is cut off")
    values = [value / 65536 for value in struct.unpack_from(f">{count}i", content, 12)]
    if kind in (1, 2):  # constant below the zero of a·x + b
        gamma, a, b, *constant = values
        c = constant[0] if constant else 0.0
        return Power(gamma, a, b, 0.0, -b / a if a else 0.0, c, c)
    return Power(*values)
