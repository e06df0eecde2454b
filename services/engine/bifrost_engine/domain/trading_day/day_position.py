"""P&L of one contract in one trading day, measured from its day-start mark (engine.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class DayPosition:
    """One contract of the managed book in one day. Prices in dollars a share.

    ``realized_usd + unrealized_usd`` equals the cash of the day's trades plus the change of value, whatever the order.
    """

    multiplier: float
    start_quantity: float = 0.0
    start_mark: float | None = None
    """None until the first good mark when no mark of the day before is known."""
    quantity: float = 0.0
    basis: float | None = None
    """Average price the open quantity is measured from; None until the first good mark."""
    realized_usd: float = 0.0
    mark: float | None = None
    """Last good mark."""

    @property
    def unrealized_usd(self) -> float:
        if self.basis is None or self.mark is None:
            return 0.0
        return (self.mark - self.basis) * self.quantity * self.multiplier

    @property
    def flat(self) -> bool:
        return abs(self.quantity) < _NOTHING

    def marked(self, mark: float) -> DayPosition:
        """At a good mark; a position that had none begins here."""
        if self.flat or self.basis is not None:
            return replace(self, mark=mark)
        start_mark = self.start_mark if self.start_mark is not None or not self.start_quantity else mark
        return replace(self, mark=mark, basis=mark, start_mark=start_mark)

    def traded(self, signed_quantity: float, price: float) -> DayPosition:
        """After a trade: what closes realises against the basis, what opens joins it at its price."""
        # A position still without a mark begins at the first price that the market showed.
        position = self if self.flat or self.basis is not None else self.marked(price)
        held, basis = position.quantity, position.basis if position.basis is not None else price
        quantity = held + signed_quantity
        if held * signed_quantity >= 0:
            average = (held * basis + signed_quantity * price) / quantity if abs(quantity) > _NOTHING else price
            return replace(position, quantity=quantity, basis=average)
        closed = min(abs(signed_quantity), abs(held)) * (1 if held > 0 else -1)
        realized = position.realized_usd + (price - basis) * closed * position.multiplier
        if abs(quantity) < _NOTHING:
            return replace(position, quantity=0.0, basis=None, realized_usd=realized)
        crossed = held * quantity < 0
        return replace(position, quantity=quantity, basis=price if crossed else basis, realized_usd=realized)

    def joined(self, signed_quantity: float, mark: float | None) -> DayPosition:
        """With a quantity that joins or leaves at the mark, without P&L of its own; no mark: the last good one."""
        price = mark if mark is not None else self.mark
        if price is not None:
            return self.traded(signed_quantity, price)
        return replace(self, quantity=self.quantity + signed_quantity)

    def next_day(self) -> DayPosition:
        """The same quantity at the start of the next day: its last good mark is where the day begins."""
        return DayPosition(self.multiplier, self.quantity, self.mark, self.quantity, self.mark, 0.0, self.mark)

    def unmarked(self) -> DayPosition:
        """The same quantity on a day that begins with its first good mark."""
        return DayPosition(self.multiplier, self.quantity, quantity=self.quantity)

    def restarted(self) -> DayPosition:
        """As the day began: its trades are about to be worked in again."""
        return replace(self, quantity=self.start_quantity, basis=self.start_mark, realized_usd=0.0)
