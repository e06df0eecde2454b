"""One account: cash and positions, moved by fills alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from bifrost_simulator.api import Contract

_FLAT = 1e-9


@dataclass(slots=True)
class Holding:
    """A position. ``avg_cost`` is per contract including the multiplier and commissions, as IB keeps it.

    ``realized_day``, ``day_value`` and ``day_flow`` belong to the current market day: profit realised, value at its
    start, and cash that fills moved since (positive when we were paid).
    """

    contract: Contract
    quantity: float = 0.0
    avg_cost: float = 0.0
    realized_day: float = 0.0
    day_value: float | None = None
    day_flow: float = 0.0

    def fill(self, signed: float, price: float, commission: float) -> float | None:
        """Book a fill of ``signed`` units at ``price``; returns the profit realised, None when nothing was closed."""
        multiplier = self.contract.multiplier_units
        before = self.quantity
        closing = min(abs(signed), abs(before)) if before * signed < 0 else 0.0
        opening = abs(signed) - closing
        per_unit = commission / abs(signed)
        realized: float | None = None
        if closing:
            side = 1.0 if before > 0 else -1.0
            realized = closing * (side * (price * multiplier - self.avg_cost) - per_unit)
            self.realized_day += realized
        if opening:
            side = 1.0 if signed > 0 else -1.0
            held = abs(before) if not closing else 0.0
            paid = opening * (price * multiplier + side * per_unit)
            self.avg_cost = (held * self.avg_cost + paid) / (held + opening)
        self.quantity = before + signed
        if abs(self.quantity) < _FLAT:
            self.quantity, self.avg_cost = 0.0, 0.0
        self.day_flow -= signed * price * multiplier + commission
        return realized

    def unrealized(self, mark: float) -> float:
        """Profit not realised at ``mark`` dollars a unit."""
        return self.quantity * (mark * self.contract.multiplier_units - self.avg_cost)

    def value(self, mark: float) -> float:
        """Market value at ``mark``, signed."""
        return self.quantity * mark * self.contract.multiplier_units


@dataclass(slots=True)
class Account:
    """An account of the simulated broker. Equity = ``cash`` + Σ market values, always."""

    account_id: str
    cash: float
    holdings: dict[int, Holding] = field(default_factory=dict)
    commissions_day: float = 0.0
    day_equity: float | None = None

    def holding(self, contract: Contract) -> Holding:
        """The position in ``contract``, made flat when new."""
        return self.holdings.setdefault(contract.con_id, Holding(contract))

    def fill(self, contract: Contract, signed: float, price: float, commission: float) -> float | None:
        """Book a fill; returns the profit realised, None when nothing was closed."""
        self.cash -= signed * price * contract.multiplier_units + commission
        self.commissions_day += commission
        return self.holding(contract).fill(signed, price, commission)

    def open_holdings(self) -> list[Holding]:
        """Positions that are not flat, in the order in which they were first opened."""
        return [holding for holding in self.holdings.values() if holding.quantity]

    @property
    def realized_day(self) -> float:
        return sum(holding.realized_day for holding in self.holdings.values())

    def start_day(self, marks: dict[int, float]) -> None:
        """Begin a market day: the day's figures count from these marks."""
        self.commissions_day = 0.0
        for con_id, holding in list(self.holdings.items()):
            if not holding.quantity:
                del self.holdings[con_id]
                continue
            holding.realized_day, holding.day_flow = 0.0, 0.0
            holding.day_value = holding.value(marks.get(con_id, 0.0))
        self.day_equity = self.cash + sum(holding.day_value or 0.0 for holding in self.holdings.values())
