"""Good inputs of every kind: what the damage starts from."""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from support.hostile_cases import chunk, npy, png
from support.tiffs import page, tiff

from convcli.arithmetic.layers import OPERATIONS
from convcli.images.pillow import load_plugin

SIDE = (17, 13)  # width and height
MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16", "I", "F"),
    "TGA": ("L", "LA", "P", "RGB", "RGBA"),
    "AVIF": ("L", "RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "HEIF": ("L", "RGB", "RGBA"),
    "JXL": ("L", "LA", "RGB", "RGBA", "I;16", "F"),
}
PACKED = (
    "raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group3", "group4", "zstd", "lzma",
)  # fmt: skip
KINDS = tuple(kind.lower() for kind in MODES)


@cache
def pictures(kind: str) -> tuple[bytes, ...]:
    """Small pictures of a format: every mode, and all that may stand beside the pixels."""
    image_format = kind.upper()
    load_plugin(image_format)
    found = [_saved(_image(mode), image_format) for mode in MODES[image_format]]
    found += _MORE[image_format]()
    return tuple(found)


def _image(mode: str) -> Image.Image:
    width, height = SIDE
    noise = Image.fromarray(
        np.random.default_rng(0).normal(128, 60, (height, width)).clip(0, 255).astype(np.uint8)
    )
    if mode == "I;16":
        return Image.fromarray(np.asarray(noise).astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.merge("LAB", [noise] * 3)
    if mode in ("LA", "RGBA"):
        plain = noise.convert(mode)
        plain.putalpha(noise)
        return plain
    if mode in ("CMYK", "YCbCr", "PA"):
        return noise.convert("P" if mode == "PA" else "RGB").convert(mode)
    return noise.convert(mode)


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


PACKET = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
IPTC = b"\x1c\2\x50\0\3Ann"
_RESOURCE = b"Photoshop 3.0\x008BIM\4\4\0\0" + struct.pack(">I", len(IPTC)) + IPTC
RESOURCES = b"\xff\xed" + struct.pack(">H", len(_RESOURCE) + 2) + _RESOURCE


def _beside() -> dict[str, Any]:
    """EXIF with an orientation and blocks of its own, a profile, a resolution."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "described"
    exif[0x8298] = "é"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.5)
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # when it was made
    return {"exif": exif, "icc_profile": bytes(profile), "dpi": (72, 300)}


def _frames(mode: str = "RGB") -> dict[str, Any]:
    return {"save_all": True, "append_images": [_image(mode), _image(mode)]}


def _more_png() -> list[bytes]:
    text = PngImagePlugin.PngInfo()
    text.add_text("plain", "words")
    text.add_text("packed", "words " * 50, zip=True)
    text.add_text("Raw profile type iptc", f"\niptc\n{len(IPTC):8}\n{IPTC.hex()}\n", zip=True)
    text.add_text("exif:Orientation", "6")
    text.add_itxt("XML:com.adobe.xmp", PACKET.decode())
    text.add_itxt("utf-8", "wörds " * 50, "de", "wörter", zip=True)
    header = struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)
    deep = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress((b"\0" + bytes(range(30))) * 4))
    faint = chunk(b"IHDR", header[:8] + bytes((16, 4, 0, 0, 1))) + chunk(
        b"IDAT", zlib.compress((b"\0" + bytes(range(20))) * 9)
    )
    palette = _image("P")
    extra = chunk(b"gAMA", bytes(4)) + chunk(b"cHRM", bytes(32)) + chunk(b"sRGB", b"\0")
    return [
        _saved(_image("RGB"), "PNG", pnginfo=text, **_beside()),
        _saved(_image("RGB"), "PNG", duration=[10, 20, 30], loop=2, **_frames()),
        _saved(_image("RGBA"), "PNG", disposal=2, blend=1, default_image=True, **_frames("RGBA")),
        _saved(palette, "PNG", transparency=bytes(range(64))),
        _saved(palette, "PNG", transparency=3, bits=4),
        _saved(_image("L"), "PNG", transparency=7),
        _saved(_image("RGB"), "PNG", transparency=(1, 2, 3)),
        b"\x89PNG\r\n\x1a\n" + deep + chunk(b"IEND", b""),
        b"\x89PNG\r\n\x1a\n" + faint + chunk(b"IEND", b""),
        _saved(_image("I;16"), "PNG", transparency=1000),
        _saved(_image("RGBA"), "PNG", disposal=[0, 2, 1], blend=1, **_frames("RGBA")),
        png(extra=extra + chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))),
        png(extra=chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cICP", bytes((1, 1, 0, 1)))),
        png(extra=chunk(b"gAMA", struct.pack(">I", 100_000))),
    ]


def _more_jpeg() -> list[bytes]:
    beside = _beside()
    return [
        _saved(_image("RGB"), "JPEG", comment=b"said", **beside),
        _saved(_image("CMYK"), "JPEG", icc_profile=beside["icc_profile"]),
        _saved(_image("RGB"), "JPEG", progressive=True, xmp=PACKET, extra=RESOURCES),
        _saved(_image("RGB"), "JPEG", restart_marker_blocks=1, subsampling=2),
        _saved(_image("RGB"), "MPO", **_frames()),
    ]


def _more_gif() -> list[bytes]:
    return [
        _saved(_image("P"), "GIF", loop=0, duration=[10, 20, 30], comment=b"said", **_frames("P")),
        _saved(_image("RGBA"), "GIF", disposal=2, transparency=0, **_frames("RGBA")),
        _saved(_image("L"), "GIF", interlace=1, transparency=3),
        b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6) + b";",  # no frame
    ]


def _more_webp() -> list[bytes]:
    beside = {key: value for key, value in _beside().items() if key != "dpi"}
    return [
        _saved(_image("RGB"), "WEBP", xmp="<x/>", **beside),
        _saved(_image("RGBA"), "WEBP", lossless=True, exact=True),
        _saved(_image("RGBA"), "WEBP", loop=3, duration=[10, 20, 30], **_frames("RGBA")),
        _saved(_image("RGB"), "WEBP", lossless=True, **_frames()),
    ]


def _more_tiff() -> list[bytes]:
    bilevel = ("group3", "group4")
    packed = [
        _saved(_image("1" if name in bilevel else "RGB"), "TIFF", compression=name)
        for name in PACKED
    ]
    return [
        *packed,
        _saved(_image("RGB"), "TIFF", big_tiff=True),
        _saved(_image("RGB"), "TIFF", compression="tiff_lzw", **_frames()),
        _saved(_image("RGB"), "TIFF", compression="tiff_lzw", **_beside()),
        _saved(_image("F"), "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 3}),
        _saved(_image("CMYK"), "TIFF", icc_profile=_beside()["icc_profile"]),
        *_built_tiffs(),
        *_deep_tiffs(),
    ]


def _built_tiffs() -> list[bytes]:
    """Ink in planes, CIELab, a palette of 16 bits, shared chroma, 24 bits, and smaller copies."""
    values = bytes(range(256)) * 2
    wide: dict[str, Any] = {"t258": 16, "t262": 3, "t320": [7] * (3 << 16)}
    return [
        tiff(page(4, 4, [values[:16]] * 5, t258=[8] * 5, t277=5, t262=5, t284=2, t338=[2])),
        tiff(page(4, 4, values[:96], t258=[16] * 3, t277=3, t262=8), order=">"),
        tiff(page(4, 4, bytes(32), **wide)),
        tiff(page(8, 8, values[:96], t258=[8] * 3, t277=3, t262=6, t530=[2, 2])),
        tiff(page(4, 4, values[:96], t258=[24] * 2, t277=2, t339=[2] * 2)),
        tiff(page(2, 2, values[:4], t254=1, t330=[200, 8]), page(4, 4, values[:16], t254=4)),
        tiff(page(4, 4, values[:16]), page(4, 4, [values[:8], b""], t278=2), is_big=True),
    ]


def _deep_tiffs() -> list[bytes]:
    """16-bit colors, tiles, big-endian and half floats, where there is who can write them."""
    if importlib.util.find_spec("tifffile") is None:
        return []
    import tifffile

    deep = np.arange(32 * 32 * 3, dtype=np.uint16).reshape(32, 32, 3)
    floats = np.linspace(0, 1, 32 * 32)
    variants: list[tuple[Any, dict[str, Any]]] = [
        (deep, {"photometric": "rgb"}),
        (deep, {"photometric": "rgb", "tile": (16, 16)}),
        (deep, {"photometric": "rgb", "planarconfig": "contig", "byteorder": ">"}),
        (deep, {"photometric": "rgb", "bigtiff": True}),
        (deep.transpose(2, 0, 1).copy(), {"photometric": "rgb", "planarconfig": "separate"}),
        (floats.reshape(32, 32).astype(np.float32), {"tile": (16, 16)}),
        (floats.reshape(32, 32).astype(np.float32), {"byteorder": ">"}),
        (floats.reshape(32, 32).astype(np.float16), {}),
        (floats.reshape(32, 32), {}),
        (floats.reshape(4, 16, 16).astype(np.float32), {}),
        ((floats.reshape(32, 32) * 255).astype(np.uint8), {"tile": (16, 16)}),
        ((floats.reshape(32, 32) * 1e5).astype(np.int32), {"tile": (16, 16)}),
        *(
            (deep, {"photometric": "rgb", "compression": codec})
            for codec in ("jpeg2000", "jpegxl", "lerc")
        ),
        (deep.astype(np.uint8), {"photometric": "rgb", "compression": "webp"}),
    ]
    found = []
    for pixels, options in variants:
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels, **options)
        found.append(stream.getvalue())
    return found


def _more_bmp() -> list[bytes]:
    palette = b"".join(bytes([gray] * 3 + [0]) for gray in range(256))
    runs = b"\x04\x07\x00\x00\x00\x04\x01\x02\x03\x04\x00\x00\x02\x05\x02\x06\x00\x01"
    info = struct.pack("<IiiHHIIiiII", 40, 4, 3, 1, 8, 1, len(runs), 2835, 2835, 256, 0)
    start = struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024)
    old = struct.pack("<IHHHH", 12, 4, 3, 1, 24)
    return [
        b"BM" + start + info + palette + runs,
        b"BM" + struct.pack("<IHHI", 26 + 36, 0, 0, 26) + old + bytes(36),
        *(
            b"BM"
            + struct.pack("<IHHI", 70 + 48, 0, 0, 70)
            + struct.pack("<IiiHHIIiiII", 56, 4, 3, 1, bits, 3, 48, 2835, 2835, 0, 0)
            + struct.pack("<4I", *masks)
            + bytes(range(48))
            for bits, masks in (
                (16, (0xF00, 0xF0, 0xF, 0xF000)),
                (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
            )
        ),
    ]


def _more_ppm() -> list[bytes]:
    return [
        b"P1\n# a comment\n3 2\n1 0 1\n0 1 0\n",
        b"P2\n3 2\n#c\n255\n1 2 3\n4 5 6\n",
        b"P3 2 1 65535 1 2 3 4 5 65535\n",
        b"P5 3 2 # deep\n65535\n" + bytes(12),
        b"P6\n2 2\n1000\n" + bytes(range(24)),
        b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", 1, 2, 3, 4),
        b"PF\n1 1\n1.0\n" + bytes(12),
        b"P4 9 2\n" + bytes(4),
        b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + bytes(16),
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 1000\nENDHDR\n" + bytes(8),
        b"P6 1 1 255\nabcP5 1 1 7\naP1 2 1\n10\nP4 1 1\n1",
    ]


def _more_avif() -> list[bytes]:
    still = _saved(_image("RGB"), "AVIF", **_beside())
    return [still, _saved(_image("RGB"), "AVIF", duration=20, **_frames())]


def _more_jpeg2000() -> list[bytes]:
    lossy = _saved(_image("RGB"), "JPEG2000", irreversible=True, quality_layers=[20], comment="c")
    tiles = _saved(_image("RGB"), "JPEG2000", tile_size=(8, 8))
    return [lossy, tiles, _saved(_image("L"), "JPEG2000", no_jp2=True)]


def _more_jxl() -> list[bytes]:
    exif = _beside()["exif"].tobytes()
    return [
        _saved(_image("RGB"), "JXL", lossless=True, exif=exif, xmp=b"<x/>"),
        _saved(_image("RGBA"), "JXL", use_container=True),
    ]


_MORE = {
    "PNG": _more_png,
    "JPEG": _more_jpeg,
    "GIF": _more_gif,
    "WEBP": _more_webp,
    "TIFF": _more_tiff,
    "BMP": _more_bmp,
    "PPM": _more_ppm,
    "TGA": lambda: [_saved(_image(mode), "TGA", rle=True) for mode in MODES["TGA"]],
    "AVIF": _more_avif,
    "JPEG2000": _more_jpeg2000,
    "HEIF": lambda: [_saved(_image("RGB"), "HEIF", **_beside(), quality=-1, chroma=444)],
    "JXL": _more_jxl,
}

KERNEL_TEXTS = {
    ".json": (
        "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]",
        '{"kernel": [[1, 2], [3, 4]], "origin": [0, 1], "scale": 0.1, "bias": 12.5}',
        "[[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[1, 0], [0, 1]]]",
        '{"kernel": [[[[1e-3]]]], "scale": 3}',
    ),
    ".csv": (
        "1,2,1\n2,4,2\n1,2,1\n",
        "0, -1, 0\n-1, 5, -1\n0, -1, 0",
        "0.5\n",
        "1e3,2E-1\r\n3,4",
        "1,5;2\n-3;1/4;\n",
        "[1 2/3; 3, 4]",
        "2x2+1+0: 1,nan 3,-",
        "1 2 3;\n4 5 6;\n",
    ),
    ".txt": ("# blur\n1 2 1\n2 4 2\n", "1 -1", "1, 0 -1\n\n2 0 -2  # rows\n", "+1 -.5\n1. 2e2"),
    ".mat": ("3 3\n1 2 1\n2 4 2\n1 2 1\n", "2 1 4 10\n1 2\n"),
}
KERNEL_ARRAYS = (
    npy("(3, 3)", struct.pack("<9d", *range(9))),
    npy("(2, 2)", struct.pack("<4f", *range(4)), kind="'<f4'"),
    npy("(1, 3)", bytes(3), kind="'|u1'"),
    npy("(1, 2, 2)", struct.pack(">4h", *range(4)), kind="'>i2'"),
    npy("(3,)", struct.pack("<3d", 1, 2, 3)),
    npy("(1, 1)", b"\1", kind="'|b1'"),
    npy("(1, 1)", struct.pack("<e", 1.5), kind="'<f2'"),
)
LAYERS = (
    "conv:3,s=2,p=1,c=64", "conv:3x5,d=2,g=3", "conv:kernel=gaussian:1.5", "conv:k=3x3,nobias",
    "conv:kernel=sobel-x,s=2,mode=reflect", "tconv:4,s=2,p=1,op=0,c=8", "tconv:kernel=ones:2,s=2",
    "maxpool:2", "avgpool:3,s=2,p=1,ceil", "avgpool:2,nopad", "maxpool:3,p=0.1.2.3,d=2",
    "globalavgpool", "adaptiveavgpool:7", "relu", "leaky-relu", "leaky-relu:0.2", "abs", "sigmoid",
    "tanh", "magnitude", "bn", "flatten", "linear:1000", "dropout", "crop:2", "relu:name=a",
    "crop:like=a", "add:from=a+input", "concat:from=a+input,name=b", "conv:3,p=same,name=a",
    "relu:from=a", "conv:3,p=same-lower", "conv:2,p=full", "conv:5,p=valid",
    "conv:3,p=1,g=depthwise,from=input", "conv:kernel=k.csv", "conv:kernel=box:3x1,p=2,c=3",
    "maxpool:2x3,s=1x2", "crop:1x0", "layernorm:axes=hw,noscale", "softmax:axes=w,log", "gelu:tanh",
    "lrn:5,alpha=0.1,bias=2", *(operation.example for operation in OPERATIONS.values()),
)  # fmt: skip
NETWORKS = (
    "input 3x32x32\nconv:3,p=1,c=8,name=a\nrelu\nconv:3,p=1,c=8,name=b\nadd:from=a+b\nmaxpool:2\n",
    "# a comment\ninput 1x28x28\nconv:5,c=6\n\navgpool:2  # halves\nflatten\nlinear:10\n",
    "input 3x16x16\nconv:kernel=blur\nrelu:name=x\ntconv:kernel=ones:2,s=2,p=0\ncrop:like=x\n",
    "input 3x8x6\nrelu:name=a\nabs:from=input,name=b\nconcat:from=a+b\nglobalavgpool\n",
    "conv:kernel=k.csv,s=2\nmaxpool:2,ceil\n",
    "input 3x20x20\nconv:3,s=2,c=4,name=input2\nbn\nadaptiveavgpool:3\ndropout\nlinear:5,nobias\n",
    "conv:kernel=sobel-x,name=x\nconv:kernel=sobel-y,from=input,name=y\nadd:from=x+y\nmagnitude\n",
)
