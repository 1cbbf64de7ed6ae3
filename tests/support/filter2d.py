"""What the tests of filter2d share."""

import numpy as np
from hypothesis import strategies as st
from support.oracles import (
    MODES,
)

from convcli.engine.filter2d import METHODS

modes = st.sampled_from(MODES)
layouts = st.sampled_from([(), (1,), (3,)])  # (H, W), or (H, W, C)
ANY_KERNEL = [method for method in METHODS if method != "separable"]
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
