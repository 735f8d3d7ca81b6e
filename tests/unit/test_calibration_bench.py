"""The scores of the calibration benchmark by hand, and a small plant that really is asked."""

from bench.calibration import brier, calibration_error, forecasts_of, reliability
from bench.calibration_peers import Asked, base_rate_brier, plan_brier, straight_line_brier
from streams.simulator import FactorySettings


def asked(p_late: float, plan_h: float, line_h: float, *, is_late: bool) -> Asked:
    return Asked(1, "o", 1, p_late, plan_h, line_h, is_open=True, is_late=is_late)


FOUR = [
    asked(0.05, -1.0, -2.0, is_late=False),
    asked(0.05, -1.0, -0.5, is_late=True),
    asked(0.95, 1.0, 1.0, is_late=True),
    asked(0.95, 1.0, 2.0, is_late=True),
]


def test_the_calibration_error_is_the_weighted_distance_of_the_bins() -> None:
    """Two at 0.05 of which half were late, two at 0.95 that all were: (2 x 0.45 + 2 x 0.05) / 4 = 0.25."""
    table = [(begin, count, round(mean, 6), late) for begin, count, mean, late in reliability(FOUR)]

    assert [(0.0, 2, 0.05, 0.5), (0.9, 2, 0.95, 1.0)] == table
    assert 0.25 == round(calibration_error(FOUR), 9)


def test_the_brier_score_is_the_mean_square() -> None:
    """0.05 squared three times and 0.95 squared: (3 x 0.0025 + 0.9025) / 4 = 0.2275."""
    assert 0.2275 == round(brier(FOUR), 9)


def test_the_peers_are_at_their_best() -> None:
    """Base rate 3/4: 3/16. Plan: 0 and 1 cost 1/4, its classes' shares 1/2 and 1 cost (1/4 + 1/4) / 4 = 1/8.

    Straight line: 0 and 1 cost 1/4; a logistic one is better than that, and the truth is not in its order.
    """
    assert 3 / 16 == base_rate_brier(FOUR)
    assert 1 / 8 == plan_brier(FOUR)
    assert 0.0 < straight_line_brier(FOUR) < 1 / 4


def test_a_plant_is_asked_once_for_each_order_and_lead() -> None:
    """Every order is asked for at most once a lead; some were late, some not, and P knows something of it."""
    settings = FactorySettings(seed=9, lines=2, days=7, count_step_s=1_800.0, clock_step_s=1_800.0)
    forecasts = forecasts_of(settings)

    assert len(forecasts) == len({(each.order_id, each.lead_days) for each in forecasts})
    assert {1, 3} == {each.lead_days for each in forecasts}
    assert all(0.001 <= each.p_late <= 0.999 for each in forecasts)
    assert all(each.p_late == 0.001 for each in forecasts if not each.is_open and not each.is_late)
    assert brier(forecasts) < base_rate_brier(forecasts) + 0.05
