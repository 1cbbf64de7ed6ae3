"""The engine: arrays in, arrays out, with NumPy alone.

`conv2d.conv2d` is a layer of a network: pad, columns, matmul, reshape. `filter2d.filter2d` is one
kernel over an image, in tiles. Both choose their algorithm by `cost`, an estimate in seconds, and
take their padded input from `padding.PaddedImage`.
"""
