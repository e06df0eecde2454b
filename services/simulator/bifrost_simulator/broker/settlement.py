"""Fills become executions, positions, money and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        account = self.accounts[order.request.account]
        contract = order.contract
        value = quantity * price * contract.multiplier_units
        fee = fill_commission(contract.sec_type, quantity, value, order.filled, order.value)
        self.opened(account, contract)
        realized = account.fill(contract, quantity if order.is_buy else -quantity, price, fee)
        if not account.holding(contract).quantity:
            self.closed(contract)
        order.filled = round(order.filled + quantity, 8)
        order.value += value
        order.last_fill_price = price
        execution = Execution(
            exec_id=self._book.take_exec_id(),
            contract=contract,
            account=account.account_id,
            side="BOT" if order.is_buy else "SLD",
            quantity=quantity,
            price=price,
            time=self._clock.told().replace(microsecond=0),
            exchange=contract.primary_exchange or "CBOE",
            client_id=order.client_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            order_ref=order.request.order_ref,
            cumulative=order.filled,
            avg_price=round(order.average_price, 8),
        )
        done = BookExecution(execution, Commission(execution.exec_id, fee, CURRENCY, realized))
        self._book.executions.append(done)
        self._out.execution(execution)
        delay_s = self.delayed_s(order) if self.delayed_s is not None else None
        self._reports.append(_Report(wall_s + (self.commission_delay_s if delay_s is None else delay_s), done))
        return done

    def report_commissions(self, wall_s: float) -> bool:
        """Send commission reports that are due."""
        due = [report.done for report in self._reports if report.due_wall_s <= wall_s]
        if not due:
            return False
        self._reports = [report for report in self._reports if report.due_wall_s > wall_s]
        for done in due:
            done.reported = True
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
        marks = self._board.marks()
        return figures(self.accounts[account_id], marks, marks.get(self._underlying))

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
