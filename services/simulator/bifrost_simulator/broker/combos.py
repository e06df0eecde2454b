"""Combinations (BAG): made from their legs, priced from the legs' touches, filled leg by leg.

A combination has no market of its own here. Its price is what its legs cost together: a buyer pays the ask of each
leg bought and gets the bid of each leg sold. With an option among the legs it is quoted per share, so that a hundred
shares and one call cost spot plus premium.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from bifrost_simulator.api import BrokerError, ComboLeg, Contract, ContractQuery
from bifrost_simulator.market.base import NO_QUOTE, Quote

BAG = "BAG"
MAX_LEGS = 8
_FIRST_CON_ID, _CON_IDS = 28_000_000, 1_000_000
_NOT_FOUND, _VALIDATION = 200, 321


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a combination: ``ratio`` units for each combination, bought when ``is_buy``."""

    contract: Contract
    ratio: int
    is_buy: bool

    def signed(self, combo_is_buy: bool) -> float:
        """Units that one combination bought (or sold) moves this leg by."""
        return float(self.ratio if self.is_buy == combo_is_buy else -self.ratio)


def make_combo(query: ContractQuery, by_id: Callable[[int], Contract | None]) -> tuple[Contract, tuple[Leg, ...]]:
    """The contract of a combination and its legs.

    Raises
    ------
    BrokerError
        321 for legs that cannot be, 200 for a leg that does not exist.
    """
    given = query.combo_legs
    if not 2 <= len(given) <= MAX_LEGS:
        raise _invalid(f"A combination has 2 to {MAX_LEGS} legs, this one has {len(given)}.")
    if len({leg.con_id for leg in given}) != len(given):
        raise _invalid("A contract may be in a combination once.")
    legs = tuple(_leg(leg, by_id) for leg in given)
    multipliers = {leg.contract.multiplier_units for leg in legs}
    text = ";".join(f"{leg.con_id}:{leg.ratio}:{leg.action.upper()}" for leg in given)
    con_id = _FIRST_CON_ID + int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") % _CON_IDS
    contract = Contract(
        con_id=con_id,
        symbol=legs[0].contract.symbol,
        sec_type=BAG,
        right="?",
        local_symbol=str(con_id),
        trading_class="COMB",
        combo_legs=given,
        combo_multiplier=max(multipliers),
    )
    return contract, legs


def _leg(given: ComboLeg, by_id: Callable[[int], Contract | None]) -> Leg:
    contract = by_id(given.con_id)
    if contract is None or contract.sec_type == BAG:
        raise BrokerError(_NOT_FOUND, f"No security definition has been found for the leg with conId {given.con_id}")
    action = given.action.upper()
    if action not in ("BUY", "SELL", "SSHORT"):
        raise _invalid(f"The action of a leg must be BUY or SELL, not '{given.action}'.")
    if given.ratio < 1:
        raise _invalid(f"The ratio of a leg must be at least 1, not {given.ratio}.")
    return Leg(contract, given.ratio, action == "BUY")


def _invalid(cause: str) -> BrokerError:
    return BrokerError(_VALIDATION, f"Error validating request.-'bN' : cause - {cause}")


def combo_price(
    contract: Contract, legs: tuple[Leg, ...], is_buy: bool, quote: Callable[[Contract], Quote]
) -> float | None:
    """Dollars that one combination costs a buyer (brings a seller); None while a leg has nobody on that side."""
    total = 0.0
    for leg in legs:
        signed = leg.signed(is_buy)
        shown = quote(leg.contract)
        price = shown.ask if signed > 0 else shown.bid
        if price <= 0:
            return None
        total += (signed if is_buy else -signed) * price * leg.contract.multiplier_units
    return round(total / contract.multiplier_units, 6)


def combo_quote(contract: Contract, legs: tuple[Leg, ...], quote: Callable[[Contract], Quote]) -> Quote:
    """The published quote of a combination; sizes are what the thinnest leg allows."""
    bid, ask = (combo_price(contract, legs, is_buy, quote) for is_buy in (False, True))
    shown = [quote(leg.contract) for leg in legs]
    sizes = {
        is_buy: min(
            (one.ask_size if leg.signed(is_buy) > 0 else one.bid_size) // leg.ratio
            for one, leg in zip(shown, legs, strict=True)
        )
        for is_buy in (False, True)
    }
    return Quote(
        bid=NO_QUOTE if bid is None else bid,
        ask=NO_QUOTE if ask is None else ask,
        bid_size=0.0 if bid is None else sizes[False],
        ask_size=0.0 if ask is None else sizes[True],
        halted=any(one.halted for one in shown),
        version=max(one.version for one in shown),
    )
