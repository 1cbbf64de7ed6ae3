"""The pipeline: from an input to feature maps to output files.

`plan` holds what was asked for, `route` decides how it is done for one input, `execute` and `fused`
do it, and `write` writes the results. `process` is the whole path. `network` runs the layers of a
network with their weights.
"""
