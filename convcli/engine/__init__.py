"""The engine: arrays in, arrays out, with NumPy alone.

`convolution.conv2d` is a layer: pad, columns, matmul, reshape; how it is cut into parts, and when
Winograd's products are fewer, is in `layers`. `filtering.filter2d` is one kernel over an image, in
bands; the ways to compute it, and the planner that chooses among them, are in `filters`.
"""
