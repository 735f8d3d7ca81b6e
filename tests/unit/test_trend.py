"""The line through points that the soak judges memory by."""

import math

from bench.trend import percentile, trend


def test_points_on_a_line_have_its_slope_and_no_noise() -> None:
    found = trend([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0), (3.0, 11.0)])

    assert math.isclose(2.0, found.slope)
    assert math.isclose(0.0, found.noise, abs_tol=1e-9)
    assert math.isclose(found.low, found.high, abs_tol=1e-6)


def test_noise_without_a_trend_has_zero_in_its_interval() -> None:
    """y is 1, -1, -1, 1: no slope; the errors are the points, their variance over n - 2 is 2, around x's spread of 5."""
    found = trend([(0.0, 1.0), (1.0, -1.0), (2.0, -1.0), (3.0, 1.0)])

    assert math.isclose(0.0, found.slope, abs_tol=1e-12)
    assert math.isclose(math.sqrt(2.0), found.noise)
    assert math.isclose(2.0 * math.sqrt(2.0 / 5.0), found.high)


def test_percentiles_are_by_nearest_rank() -> None:
    assert 19.0 == percentile([float(n) for n in range(1, 21)], 0.95)
    assert 7.0 == percentile([7.0], 0.99)
