"""Inference: a network with its weights, run on each input, as the step of a plan.

`step` is what was asked for, and loads the network; `plan` decides how it runs on an input of some
shape, and `run` does it. Pixels become the network's input as `(x * scale - mean) / std`. A map of
one or three channels is a picture: the inverse brings it back to the input's units. Any other map
is what the network makes.
"""
