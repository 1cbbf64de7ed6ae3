"""What is tried: for each kind of input, a command with something damaged in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from fuzzing.floods import FLOODS, flooded, grid_of_any_shape
from fuzzing.mutation import garbled, spoiled
from fuzzing.seeds import KERNEL_ARRAYS, KERNEL_TEXTS, KINDS, LAYERS, NETWORKS, pictures
from fuzzing.trained import spoiled_onnx, spoiled_safetensors
from fuzzing.trial import Trial
from support.hostile_cases import png

from convcli.arithmetic.layers import OPERATIONS


def _is_for_images(layers: str) -> bool:
    """Whether all layers, one a line, can be run on an image: operations with their weights."""
    for line in layers.splitlines():
        name, colon, settings = line.partition(":")
        operation = OPERATIONS.get(name.strip())
        if operation is None:
            continue
        has_no_weights = operation.needs_kernel and colon and not settings.startswith("kernel")
        if has_no_weights or not operation.is_for_images:
            return False
    return True


GOOD = png(8, 6)
GOOD_KERNEL = b"1 2 1\n"
LAYERS_OF_IMAGES = tuple(one for one in LAYERS if _is_for_images(one))
NETWORKS_OF_IMAGES = tuple(one for one in NETWORKS if _is_for_images(one))
LIMIT = ("--max-pixels", "1000000")  # so that the memory allowed for a picture is little
INPUT = "damaged"
FLOOD_SHARE = 0.2
OUTPUTS = (".png", ".png", ".jpg", ".webp", ".tif", ".gif", ".npy")
WORK = (
    ("-k", "identity"),
    ("-k", "blur"),
    ("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude"),
    ("-k", "blur", "--linear"),
    ("-k", "blur", "--gray"),
    ("-k", "identity", "--frame", "0"),
    ("-k", "identity", "--frame", "1"),
    ("-k", "ones:2", "-p", "valid", "-s", "2"),
    ("--resize", "5x4"),
    ("--resize", "300%"),
    ("-l", "maxpool:2"),
    ("-k", "sharpen", "--mask", INPUT),
    ("-k", "sharpen", "--region", "2x1+1+0", "--channels", "luma", "--threshold", "3"),
)
# How files are read, and results scaled: each is added by itself, and with others.
SETTINGS = (
    ("--keep-damaged",),
    ("--range", "rescale"),
    ("--max-memory", "150M"),
    ("--frame", "2"),
    ("--frame", "40"),
)


def picture(kind: str, rng: random.Random) -> Trial:
    seeds = pictures(kind)
    is_flood = rng.random() < FLOOD_SHARE and kind in FLOODS
    content = flooded(kind, rng) if is_flood else rng.choice(seeds)
    if not is_flood or rng.random() < 0.5:
        content = spoiled(content, seeds, rng)
    work = _with_settings(rng.choice(WORK), rng)
    output = f"out{rng.choice(OUTPUTS)}"
    if rng.random() < 0.05:
        arguments = ("apply", INPUT, *work, *LIMIT, "-q", "--print")
    elif rng.random() < 0.05:
        arguments = ("apply", "-", *work, *LIMIT, "-q", "-o", output)
        return Trial(arguments, {INPUT: content}, stdin=INPUT)
    else:
        arguments = ("apply", INPUT, *work, *LIMIT, "-o", output)
    return Trial(arguments, {INPUT: content})


def _with_settings(work: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """Work with some settings, of which none is given twice."""
    for setting in SETTINGS:
        if rng.random() < 0.1 and setting[0] not in work:
            work += setting
    return work


def grid(rng: random.Random) -> Trial:
    name = f"{INPUT}.npy"
    arguments = ("apply", name, *rng.choice(WORK), *LIMIT, "-q", "-o", f"out{rng.choice(OUTPUTS)}")
    return Trial(arguments, {name: grid_of_any_shape(rng)})


def kernel(rng: random.Random) -> Trial:
    suffix = rng.choice((*KERNEL_TEXTS, ".npy"))
    if suffix == ".npy":
        content = spoiled(rng.choice(KERNEL_ARRAYS), KERNEL_ARRAYS, rng)
    else:
        content = _text(KERNEL_TEXTS[suffix], rng)
    name = f"{INPUT}{suffix}"
    arguments: tuple[str, ...] = ("apply", "good.png", "-k", name, "-o", "out.png", *LIMIT)
    choice = rng.randrange(6)
    if choice == 0:
        arguments += ("--normalize",)
    elif choice == 1:
        arguments = ("kernels", name)
    elif choice == 2:
        arguments = ("kernels", name, "--json")
    elif choice == 3 and suffix in (".csv", ".txt", ".npy"):
        arguments = ("apply", name, "-k", "blur", "-o", "out.csv", *LIMIT)
    return Trial(arguments, {name: content, "good.png": GOOD})


def notation(rng: random.Random) -> Trial:
    """Layers as they are typed; a NUL cannot be."""
    is_shape = rng.random() < 0.5
    seeds = LAYERS if is_shape else LAYERS_OF_IMAGES
    chosen = rng.choices(seeds, k=rng.choice((1, 1, 2, 3, 6)))
    spoil = rng.randrange(len(chosen))
    chosen[spoil] = garbled(chosen[spoil], LAYERS, rng).replace("\0", "")
    if is_shape:
        size = "3x32x32" if rng.random() < 0.8 else garbled("3x32x32", LAYERS, rng)
        size = size.replace("\0", "")
        how = rng.choice(((), (), ("--json",), ("--format", "csv"), ("--explain",)))
        arguments = ("shape", "--input", size, *how, "--", *chosen)
    else:
        layers = [word for layer in chosen for word in ("-l", layer)]
        arguments = ("apply", "good.png", *layers, "-o", "out.png", *LIMIT)
    return Trial(tuple(map(_typed, arguments)), {"good.png": GOOD, "k.csv": GOOD_KERNEL})


def network(rng: random.Random) -> Trial:
    name = f"{INPUT}.net"
    choice = rng.randrange(3)
    seeds = NETWORKS_OF_IMAGES if choice == 0 else NETWORKS
    files = {name: _text(seeds, rng), "good.png": GOOD, "k.csv": GOOD_KERNEL}
    if choice == 0:
        return Trial(("apply", "good.png", "--net", name, "-o", "out.png", *LIMIT), files)
    if choice == 1:
        return Trial(("shape", "--net", "-", "--input", "3x32x32"), files, stdin=name)
    how = rng.choice(((), ("--json",), ("--explain",), ("--framework", "tf")))
    return Trial(("shape", "--net", name, "--input", "3x32x32", *how), files)


SHAPE_OF_ONNX: tuple[tuple[str, ...], ...] = (
    *((), ("--json",), ("--explain",), ("--totals",), ("--framework", "torch")),
    *(("--input", "3x6x8"), ("--sizes", "5..9"), ("--input", "x=3x6x6+z=3x1x6", "--batch", "4")),
)
APPLY_OF_ONNX: tuple[tuple[str, ...], ...] = (
    *(("-o", "out.png"), ("-o", "out.npy"), ("-o", "out.npy", "--at", "a"), ("--print", "-q")),
    *(("-o", "out.npy", "--tile", "4"), ("-o", "out.npy", "--scale", "0.01", "--mean", "0.5")),
)


def onnx(rng: random.Random) -> Trial:
    """A file of a network: its arithmetic, its run, and a layer's weights as kernels."""
    name = f"{INPUT}.onnx"
    choice = rng.randrange(8)
    if choice < 3:
        arguments = ("shape", "--net", name, *rng.choice(SHAPE_OF_ONNX))
    elif choice < 6:
        arguments = ("apply", "good.png", "--net", name, *rng.choice(APPLY_OF_ONNX), *LIMIT)
    else:
        arguments = _weights_of(name, rng.choice(("conv", "a", "b", "y")), choice == 6, rng)
    files = {name: spoiled_onnx(rng), "good.png": GOOD, "k.csv": GOOD_KERNEL}
    return Trial(arguments, files)


def safetensors(rng: random.Random) -> Trial:
    name = f"{INPUT}.safetensors"
    arguments = _weights_of(name, rng.choice("wbkh"), rng.random() < 0.7, rng)
    return Trial(arguments, {name: spoiled_safetensors(rng), "good.png": GOOD})


def _weights_of(file: str, name: str, is_applied: bool, rng: random.Random) -> tuple[str, ...]:
    if is_applied:
        return ("apply", "good.png", "-k", f"{file}:{name}", "-o", "out.npy", *LIMIT)
    return ("kernels", rng.choice((file, f"{file}:{name}")), *rng.choice(((), ("--json",))))


# What draws and explains an input, or finds the kernel between two.
SEEN: tuple[tuple[str, ...], ...] = (
    ("animate", INPUT, "-k", "blur", "--gray", "--max-frames", "40", "-o", "out.gif"),
    ("animate", INPUT, "-k", "ones:2", "--channel", "0", "--region", "5x4+1+0", "-o", "out.webp"),
    ("explain", INPUT, "-k", "sobel-x", "--at", "0,1", "--json"),
    ("explain", INPUT, "-k", "ones:2", "--at", "1,1", "--gray", "--backward"),
    ("explain", INPUT, "--pool", "max:2", "--at", "0,0", "--figure", "out.svg"),
    ("explain", INPUT, "-k", "sobel-x", "--at", "0,0", "--transposed", "-s", "2"),
    ("page", INPUT, "-k", "sharpen", "-p", "1", "-o", "out.html"),
    ("page", INPUT, "--pool", "avg:2", "--gray", "-o", "out.html"),
    ("fit", INPUT, "good.png", "-k", "2", "-o", "out.json"),
    ("fit", "good.png", INPUT, "-k", "3", "--bias", "--json"),
    ("fit", INPUT, INPUT, "-k", "1", "--figure", "out.png"),
    ("apply", INPUT, "-k", "sobel-x", "-k", "blur", "--figure", "out.png", *LIMIT),
    ("apply", INPUT, "-k", "sharpen", "--figure", "out.svg", "--figure-scale", "2", *LIMIT),
    ("apply", INPUT, "-k", "blur", "-p", "valid", "--keep-size", "-o", "out.png", *LIMIT),
    ("shape", "--input", "1x8x8", "conv:3,d=2", "--image", INPUT, "--figure", "out.png"),
)


def seen(rng: random.Random) -> Trial:
    """A picture or a grid that is drawn, explained, or fitted to another."""
    arguments = rng.choice(SEEN)
    if rng.random() < 0.3:
        name, content = f"{INPUT}.npy", grid_of_any_shape(rng)
    else:
        seeds = pictures(rng.choice(KINDS))
        name, content = INPUT, spoiled(rng.choice(seeds), seeds, rng)
    typed = tuple(name if word == INPUT else word for word in arguments)
    return Trial(typed, {name: content, "good.png": GOOD})


def _text(seeds: tuple[str, ...], rng: random.Random) -> bytes:
    content = garbled(rng.choice(seeds), seeds, rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        content = spoiled(content or b"\0", [seed.encode() for seed in seeds], rng)
    return content


def _typed(word: str) -> str:
    """A word as it arrives from a shell: a lone surrogate is a byte that is no UTF-8."""
    return word.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _pictures(kind: str) -> Callable[[random.Random], Trial]:
    return lambda rng: picture(kind, rng)


TRIALS: Mapping[str, Callable[[random.Random], Trial]] = {
    **{kind: _pictures(kind) for kind in KINDS},
    "grid": grid,
    "kernel": kernel,
    "notation": notation,
    "network": network,
    "onnx": onnx,
    "safetensors": safetensors,
    "seen": seen,
}
