"""The soak run's rules see a leak that is there and none that is not."""

from __future__ import annotations

import random

import pytest

from tests.soak.rules import Series, level_verdict, memory_growth, memory_verdict, per_order_verdict, slope

AT_S = [5.0 * n for n in range(300)]


def memory(leak_mb_per_hour: float, noise_mb: float = 2.0) -> Series:
    """Warm-up to 100 MB within five minutes, then a leak and noise."""
    rng = random.Random(4)
    values = [100.0 * min(1.0, s / 300.0) + leak_mb_per_hour * s / 3600.0 + rng.uniform(0.0, noise_mb) for s in AT_S]
    return Series("engine: memory", AT_S, values)


def test_warm_up_and_noise_are_no_leak() -> None:
    assert memory_verdict(memory(0.0)) == ""


def test_a_leak_of_thirty_megabytes_an_hour_is_seen_within_25_minutes() -> None:
    grown, allowed = memory_growth(memory(30.0))
    assert grown == pytest.approx(30.0 * 0.75 * AT_S[-1] / 3600.0, rel=0.1) and grown > allowed
    assert memory_verdict(memory(30.0)).startswith("engine: memory grew by")


def test_one_burst_does_not_bend_the_slope() -> None:
    values = [50.0] * 250 + [90.0] * 20 + [50.0] * 30
    assert slope(Series("x", AT_S, values)) == 0.0
    assert memory_verdict(Series("x", AT_S, values)) == ""


def test_a_level_that_comes_back_is_no_growth() -> None:
    assert level_verdict(Series("lines", AT_S, [4.0, 6.0, 5.0] * 100)) == ""


def test_one_descriptor_more_after_each_reconnect_is_growth() -> None:
    assert "rose from" in level_verdict(Series("descriptors", AT_S, [20.0 + n // 60 for n in range(300)]), slack=1.0)


def test_what_the_warm_up_needed_does_not_count() -> None:
    assert level_verdict(Series("rows", AT_S, [900.0] * 60 + [100.0] * 240)) == ""
    assert level_verdict(Series("rows", AT_S, [100.0] * 240 + [900.0] * 60)) != ""


def test_a_table_that_grows_with_its_orders_is_right_and_one_that_grows_by_itself_is_not() -> None:
    orders = Series("orders", AT_S, [float(n // 3) for n in range(300)])
    assert per_order_verdict("orders", Series("b", AT_S, [500.0 * (n // 3) for n in range(300)]), orders, 0.2) == ""
    idle = Series("orders", AT_S, [25.0] * 300)
    assert per_order_verdict("alerts", Series("b", AT_S, [100.0 * n for n in range(300)]), idle, 0.2)
