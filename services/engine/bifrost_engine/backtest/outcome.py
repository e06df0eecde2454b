"""What a run comes to: the legs as they were bought, the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bifrost.contract import ContractKey
from bifrost.tape import Publication

from bifrost_engine.domain.state import State
from bifrost_engine.domain.words import Quote

from .legs import Held
from .tally import Tally


@dataclass(slots=True)
class Bought:
    """A leg of the book as it was bought or sold at the start: dollars a share."""

    held: Held
    price: float
    mid: float
    shown: float
    """Contracts shown at that price."""


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    tally: Tally
    state: State
    legs: tuple[Bought, ...]
    first_s: float
    last_s: float
    last_quotes: dict[ContractKey, Publication] = field(default_factory=dict)
    """The last two-sided quotes of an open session, of the stock and the legs."""
    ended: str = ""
    """Why the run ended before its data; empty when it did not."""
    policies: list[dict[str, Any]] = field(default_factory=list)
    """What each shadow hedger came to."""


def line_of(quote: Publication, now_s: float) -> Quote:
    """What the gateway would show of a publication; a side without a quote is none."""
    bid, ask = quote.bid > 0, quote.ask > 0
    return Quote(
        key=quote.key,
        bid=quote.bid if bid else None,
        ask=quote.ask if ask else None,
        bid_size=quote.bid_size if bid else None,
        ask_size=quote.ask_size if ask else None,
        last=None,
        arrived_wall_s=now_s,
    )


def bought_at(leg: Held, quote: Publication) -> Bought:
    """Bought at the ask or sold at the bid."""
    buying = leg.quantity > 0
    price, shown = (quote.ask, quote.ask_size) if buying else (quote.bid, quote.bid_size)
    return Bought(leg, price, (quote.bid + quote.ask) / 2, shown)
