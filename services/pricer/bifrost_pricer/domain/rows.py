"""One row of ``instrument_prices``: built from a quote, the last good price, or the model; never an invented zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bifrost.contract import ContractKey

# A price that changed is written at once; a quote that came again with the same values only renews its age, and that
# is worth a row this often.
AGE_REFRESH_S = 15.0


class PriceSource(StrEnum):
    """Column ``source``: the kind of data the price was made of."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Dollars per share; ``quote_ts`` is market time of the newest quote in it.

    Greeks are per share of the underlying in IB's units: ``vega`` dollars per 0.01 of volatility, ``theta`` dollars
    per calendar day, ``iv`` a fraction per year.
    """

    contract_key: ContractKey
    last: float | None = None
    bid: float | None = None
    ask: float | None = None
    mid: float | None = None
    source: PriceSource | None = None
    error: str | None = None
    quote_ts: datetime | None = None
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    und_price: float | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A line's newest values: dollars, None for a side that is not there.

    ``quote_ts`` is the market time at which the newest bid or ask came, ``last_ts`` that of the last trade.
    """

    bid: float | None
    ask: float | None
    last: float | None
    source: PriceSource
    quote_ts: datetime | None
    last_ts: datetime | None

    @property
    def crossed(self) -> bool:
        return self.bid is not None and self.ask is not None and self.bid > self.ask

    @property
    def mid(self) -> float | None:
        """Of a two-sided quote that is not crossed."""
        return None if self.bid is None or self.ask is None or self.bid > self.ask else (self.bid + self.ask) / 2

    @property
    def usable(self) -> bool:
        """True when a price can be made of it."""
        return not self.crossed and (self.mid is not None or self.last is not None)


@dataclass(frozen=True, slots=True)
class OptionValues:
    """Volatility and greeks of one option, from IB's model or from ours; units of `PriceRow`."""

    iv: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    und_price: float | None
    price: float | None = None


def apply_quote(row: PriceRow, quote: Quote) -> PriceRow:
    """``row`` with the quote's price, or ``row`` unchanged where the quote gives none.

    ``mid = (bid + ask) / 2``, else the last trade. A crossed quote is no quote: the last good price stays with the
    time it was made.
    """
    if not quote.usable:
        return row
    if quote.mid is not None:
        return replace(
            row,
            bid=quote.bid,
            ask=quote.ask,
            mid=round(quote.mid, 6),
            last=quote.last if quote.last is not None else row.last,
            source=quote.source,
            quote_ts=quote.quote_ts or row.quote_ts,
        )
    made_at = quote.last_ts or quote.quote_ts
    if row.mid is not None and row.quote_ts is not None and made_at is not None and made_at < row.quote_ts:
        # A trade older than the price we have says less than that price.
        return row
    return replace(
        row,
        bid=quote.bid,
        ask=quote.ask,
        mid=quote.last,
        last=quote.last,
        source=quote.source,
        quote_ts=made_at or row.quote_ts,
    )


def apply_values(row: PriceRow, values: OptionValues | None) -> PriceRow:
    """``row`` with newer greeks; a missing one keeps what was known."""
    if values is None:
        return row

    def newer(value: float | None, known: float | None) -> float | None:
        return known if value is None else value

    return replace(
        row,
        iv=newer(values.iv, row.iv),
        delta=newer(values.delta, row.delta),
        gamma=newer(values.gamma, row.gamma),
        theta=newer(values.theta, row.theta),
        vega=newer(values.vega, row.vega),
        und_price=newer(values.und_price, row.und_price),
    )


def stand_in(row: PriceRow, values: OptionValues, at: datetime | None) -> PriceRow:
    """``row`` with the model's price in place of a quote, marked so; ``at`` is the underlying quote's market time."""
    if values.price is None or not values.price > 0:
        return row
    priced = replace(
        row, bid=None, ask=None, mid=round(values.price, 6), source=PriceSource.MODEL, quote_ts=at or row.quote_ts
    )
    return apply_values(priced, values)


# Below these steps nothing that a reader sees has changed.
_PRICE_STEP, _GREEK_STEP, _GAMMA_STEP = 1e-9, 1e-5, 1e-7


def _apart(one: float | None, other: float | None, step: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > step


def differs(new: PriceRow, written: PriceRow | None, seconds_since_write: float) -> bool:
    """True when ``new`` is worth writing over ``written``.

    Greeks have a step below which nothing a reader sees has changed; a newer ``quote_ts`` alone waits for
    `AGE_REFRESH_S`.
    """
    if written is None:
        return True
    if new is written:
        return False
    return (
        new.source != written.source
        or new.error != written.error
        or _apart(new.mid, written.mid, _PRICE_STEP)
        or _apart(new.bid, written.bid, _PRICE_STEP)
        or _apart(new.ask, written.ask, _PRICE_STEP)
        or _apart(new.last, written.last, _PRICE_STEP)
        or _apart(new.und_price, written.und_price, _PRICE_STEP)
        or _apart(new.iv, written.iv, _GREEK_STEP)
        or _apart(new.delta, written.delta, _GREEK_STEP)
        or _apart(new.gamma, written.gamma, _GAMMA_STEP)
        or _apart(new.theta, written.theta, _GREEK_STEP)
        or _apart(new.vega, written.vega, _GREEK_STEP)
        or (new.quote_ts != written.quote_ts and seconds_since_write >= AGE_REFRESH_S)
    )
