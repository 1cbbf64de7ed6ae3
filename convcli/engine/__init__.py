"""The engine: arrays in, arrays out, with NumPy alone.

The way of one convolution is `padding.pad2d` -> `columns.im2col` -> a matrix product, and it is
written out in `convolution.conv2d`. `filtering.filter2d` goes the same way over an image, band by
band.
"""
