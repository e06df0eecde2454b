"""Who is connected, and the world's events turned into frames for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bifrost_simulator.api import (
    AccountValue,
    Bar,
    BarSeries,
    BrokerError,
    Commission,
    Execution,
    MarketDataType,
    OrderState,
    OrderView,
    Pnl,
    PnlSingle,
    PortfolioItem,
    Position,
    Tick,
    TickReqParams,
)
from bifrost_simulator.api.fine import DepthRow, FineTick, TickByTickType
from bifrost_simulator.wire.accounts import (
    account_value_values,
    pnl_single_values,
    pnl_values,
    portfolio_values,
    position_values,
)
from bifrost_simulator.wire.bursts import Burst, encode_burst
from bifrost_simulator.wire.fine import depth_message, tick_by_tick_values
from bifrost_simulator.wire.layout import DECIMAL_SIZES, Values
from bifrost_simulator.wire.orders import (
    commission_values,
    execution_values,
    open_order_values,
    order_status_values,
    what_if_values,
)
from bifrost_simulator.wire.session import Session
from bifrost_simulator.wire.ticks import bar_values, tick_message
from bifrost_simulator.wire.times import zoned_text


class Roster:
    """Sessions by client id; implements `WorldListener`.

    Events are queued in the order of the calls and leave with `on_flush`, so the byte stream depends only on what
    the world says and what the clients send.

    Parameters
    ----------
    pnl, pnl_single : callable
        The world's figures for the profit-and-loss streams.
    is_tapped : callable
        True while a fault wants to see every single message.
    """

    def __init__(
        self, pnl: Callable[[str], Pnl], pnl_single: Callable[[str, int], PnlSingle], is_tapped: Callable[[], bool]
    ) -> None:
        self._sessions: dict[int, Session] = {}
        self._pnl = pnl
        self._pnl_single = pnl_single
        self._is_tapped = is_tapped
        self._bursts: dict[tuple[int, bool], tuple[Sequence[Tick], Burst]] = {}

    # -- sessions

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._sessions

    def add(self, client_id: int, session: Session) -> None:
        self._sessions[client_id] = session

    def remove(self, session: Session) -> bool:
        """Take ``session`` off; False when it never was on (its id belonged to another)."""
        client_id = session.client_id
        if client_id is None or self._sessions.get(client_id) is not session:
            return False
        del self._sessions[client_id]
        return True

    @property
    def client_ids(self) -> tuple[int, ...]:
        """Ids of the connected clients, in ascending order."""
        return tuple(sorted(self._sessions))

    def _everyone(self) -> Iterator[Session]:
        # Ascending ids, not the order of connecting: the journal of two runs must not depend on a race of sockets.
        for client_id in self.client_ids:
            session = self._sessions.get(client_id)
            if session is not None:
                yield session

    def _addressed(self, client_id: int | None) -> Iterator[Session]:
        if client_id is None:
            yield from self._everyone()
        elif client_id in self._sessions:
            yield self._sessions[client_id]

    def _send(self, client_id: int, name: str, values: Values) -> None:
        session = self._sessions.get(client_id)
        if session is not None:
            session.send(name, values)

    # -- market data

    def on_ticks(self, client_id: int, req_id: int, ticks: Sequence[Tick]) -> None:
        session = self._sessions.get(client_id)
        if session is None:
            return
        if self._is_tapped():
            for tick in ticks:
                session.send(*tick_message(req_id, tick))
            return
        decimal_sizes = session.version >= DECIMAL_SIZES
        # The feed hands the same list to every client of a publication: it is encoded once until the next flush.
        key = (id(ticks), decimal_sizes)
        known = self._bursts.get(key)
        if known is None:
            known = self._bursts[key] = (ticks, encode_burst(ticks, decimal_sizes))
        session.send_burst(req_id, known[1])

    def on_tick_req_params(self, client_id: int, req_id: int, params: TickReqParams) -> None:
        self._send(
            client_id,
            "tickReqParams",
            {
                "reqId": req_id,
                "minTick": params.min_tick,
                "bboExchange": params.bbo_exchange,
                "snapshotPermissions": params.snapshot_permissions,
            },
        )

    def on_market_data_type(self, client_id: int, req_id: int, data_type: MarketDataType) -> None:
        self._send(client_id, "marketDataType", {"reqId": req_id, "marketDataType": int(data_type)})

    def on_snapshot_end(self, client_id: int, req_id: int) -> None:
        self._send(client_id, "tickSnapshotEnd", {"reqId": req_id})

    def on_historical_bars(self, client_id: int, req_id: int, series: BarSeries, kept: bool) -> None:
        session = self._sessions.get(client_id)
        if session is None:
            return
        formats = session.subscriptions.bar_formats
        format_date = formats.get(req_id, 1) if kept else formats.pop(req_id, 1)
        session.send(
            "historicalData",
            {
                "reqId": req_id,
                "start": zoned_text(series.start),
                "end": zoned_text(series.end),
                "bars": [bar_values(bar, format_date) for bar in series.bars],
            },
        )

    def on_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        session = self._sessions.get(client_id)
        if session is not None:
            # keepUpToDate bars must be dated like the ones before them, or the client drops them (gotcha G8).
            format_date = session.subscriptions.bar_formats.get(req_id, 1)
            session.send("historicalDataUpdate", {"reqId": req_id, **bar_values(bar, format_date)})

    def on_real_time_bar(self, client_id: int, req_id: int, bar: Bar) -> None:
        values = bar_values(bar, 2)
        values["time"] = int(values.pop("date"))
        self._send(client_id, "realtimeBar", {"reqId": req_id, **values})

    def on_depth(self, client_id: int, req_id: int, row: DepthRow) -> None:
        self._send(client_id, *depth_message(req_id, row))

    def on_tick_by_tick(self, client_id: int, req_id: int, kind: TickByTickType, tick: FineTick) -> None:
        self._send(client_id, "tickByTick", tick_by_tick_values(req_id, kind, tick))

    # -- orders

    def on_open_order(self, client_id: int, order: OrderView) -> None:
        self._send(client_id, "openOrder", open_order_values(order))

    def on_order_status(self, client_id: int, order: OrderView) -> None:
        self._send(client_id, "orderStatus", order_status_values(order))

    def on_what_if(self, client_id: int, order: OrderView, state: OrderState) -> None:
        self._send(client_id, "openOrder", what_if_values(order, state))

    def on_execution(self, client_id: int, execution: Execution) -> None:
        self._send(client_id, "execDetails", execution_values(-1, execution))

    def on_commission(self, client_id: int, commission: Commission) -> None:
        self._send(client_id, "commissionReport", commission_values(commission))

    # -- accounts

    def on_position(self, position: Position) -> None:
        for session in self._everyone():
            if session.subscriptions.positions:
                session.send("position", position_values(position))
            for req_id, (account, model) in session.subscriptions.positions_multi.items():
                if account in ("", position.account):
                    session.send("positionMulti", {"reqId": req_id, **position_values(position), "modelCode": model})

    def on_portfolio(self, item: PortfolioItem) -> None:
        for session in self._everyone():
            if session.subscriptions.account == item.account:
                session.send("updatePortfolio", portfolio_values(item))

    def on_account_values(self, account: str, values: Sequence[AccountValue]) -> None:
        for session in self._everyone():
            subscriptions = session.subscriptions
            for value in values if subscriptions.account == account else ():
                session.send("updateAccountValue", account_value_values(value))
            for req_id, (wanted, model) in subscriptions.accounts_multi.items():
                for value in values if wanted in ("", account) else ():
                    session.send(
                        "accountUpdateMulti", {"reqId": req_id, **account_value_values(value), "modelCode": model}
                    )
            for req_id, (accounts, tags) in subscriptions.summaries.items():
                for value in values if account in accounts else ():
                    if value.tag in tags:
                        session.send("accountSummary", {"reqId": req_id, **account_value_values(value)})

    def on_marks(self) -> None:
        for session in self._everyone():
            self.send_pnl(session, *session.subscriptions.pnl, *session.subscriptions.pnl_single)

    def send_pnl(self, session: Session, *req_ids: int) -> None:
        """Send those profit-and-loss streams whose figures differ from what was last sent."""
        subscriptions = session.subscriptions
        for req_id in req_ids:
            if req_id in subscriptions.pnl:
                name, values = "pnl", pnl_values(req_id, self._pnl(subscriptions.pnl[req_id]))
            else:
                name, values = (
                    "pnlSingle",
                    pnl_single_values(req_id, self._pnl_single(*subscriptions.pnl_single[req_id])),
                )
            if subscriptions.pnl_sent.get(req_id) != values:
                subscriptions.pnl_sent[req_id] = values
                session.send(name, values)

    # -- the connection itself

    def on_error(self, client_id: int | None, req_id: int, error: BrokerError) -> None:
        for session in self._addressed(client_id):
            session.send_error(req_id, error)

    def on_drop(self, client_id: int | None, reason: str) -> None:
        for session in tuple(self._addressed(client_id)):
            session.close(reason)

    def on_flush(self) -> None:
        self._bursts.clear()
        for session in self._everyone():
            session.flush()
