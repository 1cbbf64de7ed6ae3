"""What the tests of filter2d share."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from support.oracles import MODES

from convcli.engine.filter2d.plan import METHODS, FilterPlan, plan_filter
from convcli.engine.filter2d.problem import FilterSettings

modes = st.sampled_from(MODES)
layouts = st.sampled_from([(), (1,), (3,)])  # (H, W), or (H, W, C)
ANY_KERNEL = [method for method in METHODS if method != "separable"]
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])


def plan_for(
    image: Any, kernel: Any, *, integer_output: bool = False, **settings: Any
) -> FilterPlan:
    """The plan of a filter over images like this one."""
    return plan_filter(
        image.shape, image.dtype, kernel, FilterSettings(**settings), integer_output=integer_output
    )
