"""The attribution of the day's P&L after a stretch: each minute's interval closed as the core closes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bifrost_engine.domain.market.bars import MINUTE_S
from bifrost_engine.domain.portfolio.leg import Leg
from bifrost_engine.domain.trading_day import attribution as attributions
from bifrost_engine.domain.trading_day.attribution import DAY_S, Attribution, Booked, Parts, Picture, StoredLeg
from bifrost_engine.domain.trading_day.trading_day import TradingDay

from .blocks import Floats
from .stretch import Stretch


def last_of_minutes(at_s: Floats) -> list[int]:
    """Where each minute has its last element."""
    minute = at_s // MINUTE_S
    return [*np.flatnonzero(minute[1:] != minute[:-1]).tolist(), len(at_s) - 1]


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The book at the last picture of each minute: one row a minute."""

    at_s: Floats
    spot: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    iv: Floats
    legs: Sequence[Leg]

    @classmethod
    def of(cls, stretch: Stretch, places: list[int]) -> _Pictures:
        ground, book = stretch.ground, stretch.ground.book
        at_s, spot, iv = stretch.at_s[places], stretch.mids[places, 0], stretch.iv[places]
        delta, gamma, theta, vega = book.figures(at_s, spot, iv)
        legs = [ground.state.legs[key] for key in list(ground.column)[1:]]
        return cls(at_s, spot, delta @ book.weight, gamma @ book.weight, theta @ book.weight, vega, iv, legs)

    def one(self, number: int) -> Picture:
        """As the core keeps it."""
        figures = zip(self.legs, self.vega[number].tolist(), self.iv[number].tolist(), strict=True)
        return Picture(
            float(self.at_s[number]),
            float(self.spot[number]),
            float(self.delta[number]),
            float(self.gamma[number]),
            float(self.theta[number]),
            tuple(StoredLeg(leg.key, leg.quantity, leg.multiplier, vega, iv) for leg, vega, iv in figures),
        )

    def parts(self, weight: Floats, held: float, pnl_usd: Floats) -> Parts:
        """What the intervals from each picture to the next come to, when nothing is traded meanwhile.

        ``pnl_usd``: the day's P&L where each interval ends, and where the first one begins.
        """
        move, days = np.diff(self.spot), np.diff(self.at_s) / DAY_S
        known = (
            float((self.delta[:-1] + held) @ move),
            float(0.5 * self.gamma[:-1] @ (move * move)),
            float(self.theta[:-1] @ days),
            float(((self.vega[:-1] * np.diff(self.iv, axis=0)) @ weight).sum()),
        )
        return Parts(*known, residual=float(pnl_usd[-1] - pnl_usd[0]) - sum(known))


def attribution_after(stretch: Stretch, day: TradingDay) -> Attribution:
    """That of ``day``, with every minute of the stretch."""
    bounds = [-1, *last_of_minutes(stretch.at_s)]
    pictured = np.flatnonzero(stretch.worked)
    places = np.searchsorted(pictured, bounds, side="right") - 1
    shown = [int(pictured[at]) if at > before else None for before, at in pairwise(places.tolist())]
    if None in shown or len(shown) < 4:
        return _one_by_one(stretch, day, bounds, shown)
    chosen = [place for place in shown if place is not None]
    pictures = _Pictures.of(stretch, chosen)
    booked, pnl_usd = day.booked, stretch.pnl_usd[bounds[1:]]
    # The first interval begins before the stretch; the last one is still open where it ends.
    attribution = _closed(day.attribution, booked, float(stretch.at_s[0]))
    attribution = replace(attribution, latest=pictures.one(0))
    booked = replace(booked, pnl_usd=float(pnl_usd[0]))
    attribution = _closed(attribution, booked, float(stretch.at_s[bounds[1] + 1]))
    inner = replace(pictures, **{name: getattr(pictures, name)[:-1] for name in _ROWS})
    parts = inner.parts(stretch.ground.book.weight, booked.held_shares, pnl_usd[:-1])
    return Attribution(
        closed=attribution.closed + parts,
        start=pictures.one(-2),
        booked=replace(booked, pnl_usd=float(pnl_usd[-2])),
        latest=pictures.one(-1),
    )


_ROWS = ("at_s", "spot", "delta", "gamma", "theta", "vega", "iv")


def _one_by_one(stretch: Stretch, day: TradingDay, bounds: list[int], shown: list[int | None]) -> Attribution:
    """Minute after minute, with the core's own functions: there may be minutes without a picture."""
    attribution, booked = day.attribution, day.booked
    chosen = [place for place in shown if place is not None]
    pictures, number = _Pictures.of(stretch, chosen), 0
    for (before, last), place in zip(pairwise(bounds), shown, strict=True):
        attribution = _closed(attribution, booked, float(stretch.at_s[before + 1]))
        if place is not None:
            attribution = replace(attribution, latest=pictures.one(number))
            number += 1
        booked = replace(booked, pnl_usd=float(stretch.pnl_usd[last]))
    return attribution


def _closed(attribution: Attribution, booked: Booked, at_s: float) -> Attribution:
    """With the open interval closed, if its minute has passed at ``at_s``."""
    if attributions.is_due(attribution, at_s):
        attribution, _ = attributions.close(attribution, booked)
    return attribution
