"""Filter images with convolution kernels, and do the arithmetic of convolutions.

The names below are loaded when they are first used, so `import convcli` by itself is quick.

Arrays are (C, H, W) or (N, C, H, W) in `conv2d` and the pools, as in CNN frameworks, and (H, W) or
(H, W, C) in `filter2d`, as in imaging. All correlate, as every CNN framework does.

Examples
--------
>>> import convcli
>>> convcli.output_size(224, 3, stride=2, padding=1)
112
>>> convcli.filter2d([[1.0, 2.0, 4.0]], convcli.load_kernel("sobel-x"))
array([[ 4., 12.,  8.]])
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, which takes long to load, and would come from sys.path[0]
if TYPE_CHECKING:
    from typing import Any

    from convcli.arithmetic.geometry import output_size
    from convcli.arithmetic.network import walk
    from convcli.arithmetic.network_design import Design, design
    from convcli.arithmetic.reports import Walk
    from convcli.arithmetic.solve import Ranges, Solutions, solve
    from convcli.arithmetic.zoo import zoo_network
    from convcli.engine.conv2d import conv2d
    from convcli.engine.filter2d import filter2d
    from convcli.engine.fit import Fit, fit_kernel
    from convcli.engine.gradients import conv2d_backward, conv_transpose2d_backward
    from convcli.engine.im2col import col2im, im2col
    from convcli.engine.naive import conv2d_naive
    from convcli.engine.padding import pad2d
    from convcli.engine.pooling import avg_pool2d, max_pool2d
    from convcli.engine.pooling_gradients import avg_pool2d_backward, max_pool2d_backward
    from convcli.engine.transposed import conv_transpose2d
    from convcli.errors import ConvError
    from convcli.kernels import Kernel, load_kernel
    from convcli.parallel import set_threads
    from convcli.pipeline.network import Network, load_network

__version__ = "0.1.0"

__all__ = [
    "ConvError", "Design", "Fit", "Kernel", "Network", "Ranges", "Solutions", "Walk", "avg_pool2d",
    "avg_pool2d_backward", "col2im", "conv2d", "conv2d_backward", "conv2d_naive",
    "conv_transpose2d", "conv_transpose2d_backward", "design", "filter2d", "fit_kernel", "im2col",
    "load_kernel", "load_network", "max_pool2d", "max_pool2d_backward", "output_size", "pad2d",
    "set_threads", "solve", "walk", "zoo_network",
]  # fmt: skip

_NAMES_BY_MODULE = {
    "arithmetic.geometry": ("output_size",),
    "arithmetic.network": ("walk",),
    "arithmetic.reports": ("Walk",),
    "arithmetic.network_design": ("Design", "design"),
    "arithmetic.solve": ("Ranges", "Solutions", "solve"),
    "arithmetic.zoo": ("zoo_network",),
    "engine.conv2d": ("conv2d",),
    "engine.filter2d": ("filter2d",),
    "engine.fit": ("Fit", "fit_kernel"),
    "engine.gradients": ("conv2d_backward", "conv_transpose2d_backward"),
    "engine.im2col": ("col2im", "im2col"),
    "engine.naive": ("conv2d_naive",),
    "engine.padding": ("pad2d",),
    "engine.pooling": ("avg_pool2d", "max_pool2d"),
    "engine.pooling_gradients": ("avg_pool2d_backward", "max_pool2d_backward"),
    "engine.transposed": ("conv_transpose2d",),
    "errors": ("ConvError",),
    "kernels": ("Kernel", "load_kernel"),
    "parallel": ("set_threads",),
    "pipeline.network": ("Network", "load_network"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _NAMES_BY_MODULE.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(f"convcli.{module}"), name))
    raise AttributeError(f"module 'convcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
