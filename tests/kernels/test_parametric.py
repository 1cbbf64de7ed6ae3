"""Kernels with parameters, held to their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convcli import load_kernel
from convcli.errors import ArgumentError, KernelError, LimitError

Matrix = NDArray[np.float64]


def matrix(spec: str) -> Matrix:
    return load_kernel(spec).matrix


def center(weights: Matrix) -> tuple[float, float]:
    """Row and column of the center of gravity."""
    rows, columns = np.indices(weights.shape)
    return (
        float((rows * weights).sum() / weights.sum()),
        float((columns * weights).sum() / weights.sum()),
    )


@pytest.mark.parametrize(("size", "shape"), [("1", (1, 1)), ("4", (4, 4)), ("2x5", (2, 5))])
def test_ones_add_up_and_a_box_is_their_mean(size: str, shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(matrix(f"ones:{size}"), np.ones(shape))
    np.testing.assert_allclose(matrix(f"box:{size}"), np.full(shape, 1 / math.prod(shape)))


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1, 1.5, 2.4, 10])
def test_a_gaussian_is_sampled_to_three_sigma_and_sums_to_one(sigma: float) -> None:
    weights = matrix(f"gaussian:{sigma}")
    radius = math.ceil(3 * sigma)
    assert weights.shape == (2 * radius + 1,) * 2
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    for row in range(2 * radius + 1):
        for column in range(2 * radius + 1):
            squared = (row - radius) ** 2 + (column - radius) ** 2
            expected = weights[radius, radius] * math.exp(-squared / (2 * sigma**2))
            assert weights[row, column] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("vertical", "horizontal"), [("0.5", "3"), ("4", "1.5"), ("2", "2")])
def test_a_gaussian_of_two_sigmas_is_one_along_each_axis(vertical: str, horizontal: str) -> None:
    weights = matrix(f"gaussian:{vertical}:{horizontal}")
    column, row = matrix(f"gaussian:{vertical}"), matrix(f"gaussian:{horizontal}")
    assert weights.shape == (len(column), len(row))
    np.testing.assert_allclose(weights.sum(axis=1), column.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(weights.sum(axis=0), row.sum(axis=0), rtol=1e-13)
    impulse = np.zeros(weights.shape)
    impulse[len(column) // 2, len(row) // 2] = 1
    sigmas = float(vertical), float(horizontal)
    expected = ndimage.gaussian_filter(impulse, sigmas, truncate=3, mode="constant")
    if vertical.isdigit() and horizontal.isdigit():  # whose radius scipy rounds to the same
        np.testing.assert_allclose(weights, expected, atol=1e-15)


@pytest.mark.parametrize("sigma", [0.5, 1.4, 2, 3.3])
def test_a_laplacian_of_a_gaussian_sums_to_exactly_zero(sigma: float) -> None:
    kernel = load_kernel(f"log:{sigma}")
    radius = math.ceil(4 * sigma)
    assert kernel.size == (2 * radius + 1,) * 2
    assert kernel.sum == 0
    assert float(kernel.matrix.sum()) == 0
    for turned in (kernel.matrix.T, kernel.matrix[::-1], kernel.matrix[:, ::-1]):
        np.testing.assert_array_equal(kernel.matrix, turned)
    assert kernel.matrix[radius, radius] == kernel.matrix.max() > 0


@pytest.mark.parametrize("sigma", [1.4, 2, 3.3])
def test_a_laplacian_of_a_gaussian_is_minus_scipy_s(sigma: float) -> None:
    weights = matrix(f"log:{sigma}")
    impulse = np.zeros(weights.shape)
    impulse[len(weights) // 2, len(weights) // 2] = 1
    expected = -ndimage.gaussian_laplace(impulse, sigma, mode="constant", truncate=9)
    np.testing.assert_allclose(weights, expected, atol=0.03 * weights.max())


@pytest.mark.parametrize(("first", "second"), [(1, 1.6), (2, 1), (0.5, 4)])
def test_a_difference_of_gaussians_has_the_size_of_the_larger(first: float, second: float) -> None:
    kernel = load_kernel(f"dog:{first}:{second}")
    small, large = (matrix(f"gaussian:{sigma}") for sigma in sorted((first, second)))
    assert kernel.matrix.shape == large.shape
    margin = (len(large) - len(small)) // 2
    sign = 1 if first < second else -1
    np.testing.assert_allclose(kernel.matrix, sign * (np.pad(small, margin) - large), atol=1e-12)
    assert kernel.sum == 0


@pytest.mark.parametrize("spec", ["dog:1:1", "gabor:1"])
def test_what_is_nothing_everywhere_is_refused(spec: str) -> None:
    with pytest.raises(KernelError, match="all its weights would be zero"):
        matrix(spec)


def test_motion_along_the_rows_is_a_row_of_equal_weights() -> None:
    np.testing.assert_allclose(matrix("motion:9"), np.full((1, 9), 1 / 9))
    np.testing.assert_allclose(matrix("motion:9:0"), np.full((1, 9), 1 / 9))
    np.testing.assert_allclose(matrix("motion:9:180"), np.full((1, 9), 1 / 9))
    np.testing.assert_allclose(matrix("motion:9:90"), np.full((9, 1), 1 / 9))
    np.testing.assert_array_equal(matrix("motion:1"), [[1]])


@pytest.mark.parametrize("length", [2, 5, 9.5, 21])
@pytest.mark.parametrize("angle", [-30, 10, 45, 100, 300])
def test_motion_is_a_mean_around_its_center(length: float, angle: float) -> None:
    weights = matrix(f"motion:{length}:{angle}")
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-12)
    assert all(side % 2 for side in weights.shape)
    np.testing.assert_allclose(weights, matrix(f"motion:{length}:{angle + 180}"), atol=1e-9)


def test_motion_turns_counter_clockwise_as_seen_on_the_screen() -> None:
    weights = matrix("motion:9:30")
    rows, columns = np.indices(weights.shape)
    up = len(weights) // 2 - rows
    right = columns - weights.shape[1] // 2
    tilt = 0.5 * math.atan2(2 * (weights * up * right).sum(), (weights * (right**2 - up**2)).sum())
    assert math.degrees(tilt) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(("sigma", "amount"), [(1, 1), (2, 1.5), (0.6, -0.5)])
def test_unsharp_adds_what_a_blur_takes_away(sigma: float, amount: float) -> None:
    blurred = matrix(f"gaussian:{sigma}")
    identity = np.zeros_like(blurred)
    identity[len(blurred) // 2, len(blurred) // 2] = 1
    expected = identity + amount * (identity - blurred)
    np.testing.assert_allclose(matrix(f"unsharp:{sigma}:{amount}"), expected, atol=1e-15)
    assert matrix(f"unsharp:{sigma}:{amount}").sum() == pytest.approx(1)


def test_unsharp_without_an_amount_is_once() -> None:
    np.testing.assert_array_equal(matrix("unsharp:1.5"), matrix("unsharp:1.5:1"))


@pytest.mark.parametrize("amount", [0, 0.25, 1, 3, -1])
def test_sharpen_scales_the_four_neighbors(amount: float) -> None:
    expected = [[0, -amount, 0], [-amount, 1 + 4 * amount, -amount], [0, -amount, 0]]
    np.testing.assert_allclose(matrix(f"sharpen:{amount}"), expected)


@pytest.mark.parametrize("radius", [0.5, 1, 2.5, 3, 7])
def test_a_disk_is_a_round_mean(radius: float) -> None:
    weights = matrix(f"disk:{radius}")
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, weights.T)
    np.testing.assert_allclose(weights, weights[::-1])
    rows, columns = np.indices(weights.shape) - len(weights) // 2
    away = np.hypot(rows, columns)
    assert np.ptp(weights[away <= radius - 0.5]) < 1e-15  # flat inside
    assert not weights[away >= radius + 0.5].any()  # nothing outside
    assert 1 / weights.max() == pytest.approx(math.pi * radius**2, rel=0.35 / radius)


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_a_gabor_kernel_answers_to_stripes_of_its_width_and_direction(angle: float) -> None:
    weights = matrix(f"gabor:6:{angle}")
    assert weights.sum() == 0
    radius = len(weights) // 2
    rows, columns = np.indices(weights.shape) - radius
    answers = {}
    for direction in range(0, 180, 15):
        for width in (3, 4, 6, 9, 14):
            turn = math.radians(direction)
            along = columns * math.cos(turn) - rows * math.sin(turn)
            answers[direction, width] = float((weights * np.cos(2 * np.pi * along / width)).sum())
    assert max(answers, key=lambda stripes: answers[stripes]) == (angle, 6)


def test_a_gabor_kernel_without_an_angle_waves_along_the_rows() -> None:
    np.testing.assert_array_equal(matrix("gabor:6"), matrix("gabor:6:0"))


def test_sobel_turns_counter_clockwise() -> None:
    np.testing.assert_array_equal(matrix("sobel:0"), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    np.testing.assert_array_equal(matrix("sobel:90"), [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    np.testing.assert_array_equal(matrix("sobel:180"), [[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    np.testing.assert_array_equal(matrix("sobel:-90"), matrix("sobel:270"))
    half = math.sqrt(0.5)
    expected = half * (matrix("sobel:0") + matrix("sobel:90"))
    np.testing.assert_allclose(matrix("sobel:45"), expected, atol=1e-12)


@pytest.mark.parametrize("angle", [45, 135, 225, 315, -45, 405])
def test_along_a_diagonal_the_corners_are_exactly_zero(angle: int) -> None:
    corners = matrix(f"sobel:{angle}")
    diagonal = corners if angle % 180 == 45 else corners[:, ::-1]
    assert (diagonal[0, 0], diagonal[2, 2]) == (0, 0)


@pytest.mark.parametrize("angle", [0, 37, 90, 200])
def test_a_slope_in_the_direction_of_a_sobel_gives_8_and_across_it_nothing(angle: float) -> None:
    weights = matrix(f"sobel:{angle}")
    rows, columns = np.indices((3, 3)) - 1
    turn = math.radians(angle)
    along = columns * math.cos(turn) - rows * math.sin(turn)
    across = -columns * math.sin(turn) - rows * math.cos(turn)
    assert (weights * along).sum() == pytest.approx(8)
    assert (weights * across).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "spec", ["gaussian:1.5", "disk:3", "motion:9:45", "box:5", "unsharp:2:1.5"]
)
def test_means_balance_on_their_center(spec: str) -> None:
    weights = matrix(spec)
    middle = ((weights.shape[0] - 1) / 2, (weights.shape[1] - 1) / 2)
    assert center(weights) == pytest.approx(middle)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gaussian", "gaussian:SIGMA"),
        ("gaussian:", "sigma"),
        ("gaussian:1:2:3", "gaussian:SIGMA"),
        ("gaussian:0", "sigma"),
        ("gaussian:-1", "sigma"),
        ("gaussian:nan", "sigma"),
        ("gaussian:inf", "sigma"),
        ("gaussian:1e400", "sigma"),
        ("gaussian:1_0", "sigma"),
        ("gaussian:\u0661", "sigma"),
        ("ones:0", "ones:0"),
        ("ones:2.5", "ones:2.5"),
        ("box:3x", "box:3x"),
        ("dog:1", "dog:S1:S2"),
        ("motion:0.5", "length"),
        ("motion:9:east", "angle"),
        ("disk:0", "radius"),
        ("gabor:0.5", "wavelength"),
        ("sobel:", "angle"),
        ("sharpen:much", "amount"),
    ],
)
def test_parameters_that_a_family_cannot_have(spec: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        load_kernel(spec)


@pytest.mark.parametrize(
    "spec",
    [
        *("ones:100000", "box:10002", "ones:1x10002", "gaussian:1e6", "gaussian:1667"),
        *("log:1e300", "log:126", "dog:1:1e9", "dog:1:167", "motion:1e9", "motion:1001:30"),
        *("motion:10001", "unsharp:1e9:1", "unsharp:167", "disk:1e12", "disk:501", "gabor:1e15"),
    ],
)
def test_a_kernel_of_more_than_1001_a_side_is_refused_by_arithmetic(spec: str) -> None:
    with pytest.raises(LimitError, match="1001"):
        load_kernel(spec)


@pytest.mark.parametrize("spec", ["ones:1001x1", "gaussian:166"])
def test_1001_a_side_is_allowed(spec: str) -> None:
    assert max(load_kernel(spec).size) <= 1001


def pcg64(seed: int, count: int) -> list[int]:
    """Return the generator's numbers of 64 bits, by its definition (M. E. O'Neill, 2014)."""
    multiplier, mask = 0x2360ED051FC65DA44385DF649FCCF645, 2**128 - 1
    words = [int(word) for word in np.random.SeedSequence(seed).generate_state(4, np.uint64)]
    state, step = words[0] << 64 | words[1], (words[2] << 64 | words[3]) << 1 | 1
    state = ((step + (state & mask)) * multiplier + step) & mask
    found = []
    for _ in range(count):
        state = (state * multiplier + step) & mask
        folded, turn = (state >> 64 ^ state) & (2**64 - 1), state >> 122
        found.append((folded >> turn | folded << (64 - turn)) & (2**64 - 1))
    return found


@pytest.mark.parametrize(
    ("spec", "shape", "seed"),
    [
        ("random:3", (3, 3), 0),
        ("random:3:7", (3, 3), 7),
        ("random:2x5:123456789", (2, 5), 123456789),
    ],
)
def test_random_weights_are_those_of_their_seed_alone(
    spec: str, shape: tuple[int, int], seed: int
) -> None:
    count = math.prod(shape)
    expected = [(2 * ((bits >> 11) / 2**53) - 1) / math.sqrt(count) for bits in pcg64(seed, count)]
    np.testing.assert_array_equal(matrix(spec), np.reshape(expected, shape))


def test_random_weights_differ_with_the_seed_and_have_the_spread_of_a_layer_s() -> None:
    kernels = [matrix(f"random:5:{seed}") for seed in range(40)]
    assert len({kernel.tobytes() for kernel in kernels}) == 40
    assert np.abs(kernels).max() <= 1 / 5
    assert np.std(kernels) == pytest.approx(1 / 5 / math.sqrt(3), rel=0.05)
    assert np.mean(kernels) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "spec", ["random", "random:0", "random:3:-1", "random:3:1.5", "random:3:1:2", "random:2000"]
)
def test_random_kernels_that_are_none_are_refused(spec: str) -> None:
    with pytest.raises(ArgumentError):
        load_kernel(spec)
