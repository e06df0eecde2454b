"""Fills become executions, positions, money and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bifrost_simulator.api import AccountValue, Commission, Contract, Execution, Pnl, PnlSingle, PortfolioItem, Position
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.broker.book import Book, BookExecution, BookOrder
from bifrost_simulator.broker.commissions import fill_commission
from bifrost_simulator.broker.values import CURRENCY, Figures, figures, tagged_values
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher

COMMISSION_DELAY_WALL_S = 0.2  # IB reports commissions apart from executions and later


@dataclass(slots=True)
class _Report:
    due_wall_s: float
    done: BookExecution


@dataclass(frozen=True, slots=True)
class LegFill:
    """Part of a combination's fill: ``signed`` units of one leg at ``price`` dollars a unit."""

    contract: Contract
    signed: float
    price: float


class Settlement:
    """Keeps the accounts and tells the clients what fills did to them."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        book: Book,
        board: QuoteBoard,
        dispatcher: Dispatcher,
        clock: SimClock,
        underlying_con_id: int,
    ) -> None:
        self.accounts = dict(accounts)
        self._book = book
        self._board = board
        self._out = dispatcher
        self._clock = clock
        self._underlying = underlying_con_id
        self._reports: list[_Report] = []
        self._sent_values: dict[str, frozenset[AccountValue]] = {}
        self.commission_delay_s = COMMISSION_DELAY_WALL_S
        self.delayed_s: Callable[[BookOrder], float | None] | None = None
        for account in self.accounts.values():
            for holding in account.open_holdings():
                board.watch(holding.contract)
        for done in book.executions:
            if not done.reported:
                self._reports.append(_Report(0.0, done))

    def fill(self, order: BookOrder, quantity: float, price: float, wall_s: float) -> BookExecution:
        """Book ``quantity`` units of ``order`` at ``price`` and send the execution; statuses are the caller's."""
        contract = order.contract
        value = quantity * price * contract.multiplier_units
        fee = fill_commission(contract.sec_type, quantity, value, order.filled, order.value)
        realized = self._book_fill(order, contract, quantity if order.is_buy else -quantity, price, fee)
        self._count(order, quantity, price)
        execution = self._execution(
            order, contract, self._book.take_exec_id(), quantity if order.is_buy else -quantity, price
        )
        done = BookExecution(execution, Commission(execution.exec_id, fee, CURRENCY, realized))
        self._publish(order, done, wall_s)
        return done

    def fill_combo(
        self, order: BookOrder, quantity: float, price: float, fills: Sequence[LegFill], wall_s: float
    ) -> BookExecution:
        """Book ``quantity`` combinations at ``price``: one execution for the whole, one with money for each leg."""
        ids = self._book.take_combo_exec_ids(len(fills))
        before = order.filled
        self._count(order, quantity, price)
        whole = BookExecution(
            self._execution(order, order.contract, ids[0], quantity if order.is_buy else -quantity, price),
            commission=None,
            reported=True,
        )
        self._book.executions.append(whole)
        self._out.execution(whole.execution)
        for exec_id, leg in zip(ids[1:], fills, strict=True):
            contract, units, name = leg.contract, abs(leg.signed), str(leg.contract.con_id)
            ratio = units / quantity
            value_before, value = order.leg_values.get(name, 0.0), units * leg.price * contract.multiplier_units
            fee = fill_commission(contract.sec_type, units, value, before * ratio, value_before)
            realized = self._book_fill(order, contract, leg.signed, leg.price, fee)
            order.leg_values[name] = value_before + value
            cumulative = order.filled * ratio
            average = order.leg_values[name] / cumulative / contract.multiplier_units
            execution = self._execution(order, contract, exec_id, leg.signed, leg.price, (cumulative, average))
            self._publish(order, BookExecution(execution, Commission(exec_id, fee, CURRENCY, realized)), wall_s)
        return whole

    def _book_fill(self, order: BookOrder, contract: Contract, signed: float, price: float, fee: float) -> float | None:
        """Move position and cash; returns the profit realised, None when nothing was closed."""
        account = self.accounts[order.request.account]
        self.opened(account, contract)
        realized = account.fill(contract, signed, price, fee)
        if not account.holding(contract).quantity:
            self.closed(contract)
        return realized

    @staticmethod
    def _count(order: BookOrder, quantity: float, price: float) -> None:
        order.filled = round(order.filled + quantity, 8)
        order.value += quantity * price * order.contract.multiplier_units
        order.last_fill_price = price

    def _execution(
        self,
        order: BookOrder,
        contract: Contract,
        exec_id: str,
        signed: float,
        price: float,
        so_far: tuple[float, float] | None = None,
    ) -> Execution:
        """The execution of ``signed`` units; ``so_far`` is a leg's own cumulative quantity and average price."""
        cumulative, average = so_far if so_far is not None else (order.filled, order.average_price)
        return Execution(
            exec_id=exec_id,
            contract=contract,
            account=order.request.account,
            side="BOT" if signed > 0 else "SLD",
            quantity=abs(signed),
            price=price,
            time=self._clock.told().replace(microsecond=0),
            exchange=contract.primary_exchange or "CBOE",
            client_id=order.client_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            order_ref=order.request.order_ref,
            cumulative=cumulative,
            avg_price=round(average, 8),
        )

    def _publish(self, order: BookOrder, done: BookExecution, wall_s: float) -> None:
        self._book.executions.append(done)
        self._out.execution(done.execution)
        delay_s = self.delayed_s(order) if self.delayed_s is not None else None
        self._reports.append(_Report(wall_s + (self.commission_delay_s if delay_s is None else delay_s), done))

    def report_commissions(self, wall_s: float) -> bool:
        """Send commission reports that are due."""
        due = [report.done for report in self._reports if report.due_wall_s <= wall_s]
        if not due:
            return False
        self._reports = [report for report in self._reports if report.due_wall_s > wall_s]
        for done in due:
            done.reported = True
            if done.commission is not None:
                self._out.commission(done.execution.client_id, done.execution.perm_id, done.commission)
        return True

    def opened(self, account: Account, contract: Contract) -> None:
        """A position is about to change: one that was flat is marked from now on."""
        if not account.holding(contract).quantity:
            self._board.watch(contract)

    def closed(self, contract: Contract) -> None:
        """A position has become flat."""
        self._board.unwatch(contract)

    # -- what clients see

    def announce(self, account_id: str, contract: Contract) -> None:
        """After a fill: the position, its portfolio line and the account's values."""
        account = self.accounts[account_id]
        holding = account.holding(contract)
        self._out.position(_position(account_id, holding))
        self._out.portfolio(self._item(account_id, holding))
        self.announce_values(account_id)

    def announce_values(self, account_id: str) -> None:
        """Send the account's values that changed since they were sent last."""
        values = tagged_values(self.accounts[account_id], self.figures(account_id))
        sent = self._sent_values.get(account_id, frozenset())
        self._sent_values[account_id] = frozenset(values)
        self._out.account_values(account_id, [value for value in values if value not in sent])

    def announce_marks(self) -> None:
        """Portfolio lines and values of every account at the current marks."""
        for account_id, account in self.accounts.items():
            for holding in account.open_holdings():
                self._out.portfolio(self._item(account_id, holding))
            self.announce_values(account_id)

    def figures(self, account_id: str) -> Figures:
        return self.figures_of(self.accounts[account_id])

    def figures_of(self, account: Account) -> Figures:
        """Figures of an account, or of a copy with trades that never were, at the marks of now."""
        marks = self._board.marks()
        return figures(account, marks, marks.get(self._underlying))

    def positions(self, account_id: str) -> list[Position]:
        return [_position(account_id, holding) for holding in self.accounts[account_id].open_holdings()]

    def portfolio(self, account_id: str) -> list[PortfolioItem]:
        account = self.accounts[account_id]
        return [self._item(account_id, holding) for holding in account.open_holdings()]

    def pnl(self, account_id: str) -> Pnl:
        """Profit of the account: of the day since its first mark, not realised, and realised today."""
        now, start = self.figures(account_id), self.accounts[account_id].day_equity
        daily = None if start is None else round(now.net_liquidation - start, 2)
        return Pnl(daily, round(now.unrealized, 2), round(now.realized, 2))

    def pnl_single(self, account_id: str, con_id: int) -> PnlSingle:
        """The same of one position; nothing for a contract never held."""
        holding = self.accounts[account_id].holdings.get(con_id)
        if holding is None:
            return PnlSingle(0.0, None, None, None, None)
        mark = self.mark(holding)
        value = holding.value(mark)
        return PnlSingle(
            quantity=holding.quantity,
            daily=round(value - (holding.day_value or 0.0) + holding.day_flow, 2),
            unrealized=round(holding.unrealized(mark), 2),
            realized=round(holding.realized_day, 2),
            value=round(value, 2),
        )

    def mark(self, holding: Holding) -> float:
        """Mark of a holding in dollars a unit, its cost where no quote was ever seen."""
        mark = self._board.quote(holding.contract.con_id).mark
        return mark if mark is not None else holding.avg_cost / holding.contract.multiplier_units

    def start_day(self) -> None:
        """A new market day: the day's profit counts from the marks of now."""
        for account in self.accounts.values():
            account.start_day({holding.contract.con_id: self.mark(holding) for holding in account.open_holdings()})

    def _item(self, account_id: str, holding: Holding) -> PortfolioItem:
        mark = self.mark(holding)
        return PortfolioItem(
            account=account_id,
            contract=holding.contract,
            quantity=holding.quantity,
            market_price=round(mark, 6),
            market_value=round(holding.value(mark), 2),
            avg_cost=round(holding.avg_cost, 6),
            unrealized_pnl=round(holding.unrealized(mark), 2),
            realized_pnl=round(holding.realized_day, 2),
        )


def _position(account_id: str, holding: Holding) -> Position:
    return Position(account_id, holding.contract, holding.quantity, round(holding.avg_cost, 6))
