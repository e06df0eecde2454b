"""Intervals that begin and end in one moment (engine.md section 5, "Attribution")."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bifrost_engine.domain.trading_day import attribution as attributions
from bifrost_engine.domain.trading_day.attribution import Attribution, Booked, Parts

from tests.engine.test_rule_attribution import picture


def test_what_is_booked_at_the_moment_an_interval_begins_counts_in_it() -> None:
    """An interval of no length would lie in the database under the next one's start, and be overwritten by it."""
    begun = Attribution(start=picture(100.0), latest=picture(100.0, legs=()), booked=Booked(50.0), changed=True)
    slipped = Booked(49.61, slippage_usd=-0.39)
    same, interval = attributions.close(begun, slipped)
    assert interval is None and same.closed == Parts() and not same.changed
    later = replace(same, latest=picture(100.0, 60.0, legs=()))
    closed, interval = attributions.close(later, Booked(54.25, slippage_usd=4.25))
    assert interval is not None and closed.closed == interval.parts
    assert interval.parts.slippage == interval.parts.total == pytest.approx(4.25)
    ended, interval = attributions.close(begun, slipped, ends_day=True)
    assert interval is not None and ended.closed.slippage == pytest.approx(-0.39)
