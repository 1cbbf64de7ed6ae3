"""How fast convcli is beside other tools, measured on the spot: `python tests/benchmarks`."""
