"""ib_insync and ib_async, which share their API, as a `Client` of the checks."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
from collections.abc import Awaitable
from datetime import UTC, date, datetime, time
from typing import Any

from tests.conformance.client import Bars, Fields, Line, Placed, number, wait
from tests.conformance.fine_ib import FineIbRequests
from tests.conformance.rows import contract_fields, details_fields

REQUEST_LIMIT_S = 15.0


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """The loop of every client of this process; eventkit asks for it while it is imported."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


class _Complaints(logging.Handler):
    """Errors of the library's decoder and wrapper: a message it could not read, a callback that failed."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        # Errors that the gateway sent are logged too; those the checks expect.
        if not record.getMessage().startswith("Error ") or "handling" in record.getMessage():
            self._texts.append(f"{record.name}: {record.getMessage()}")


class IbClient(FineIbRequests):
    """One `IB` object with its own event loop.

    Parameters
    ----------
    library : str
        ``ib_insync`` or ``ib_async``.
    newest : int or None
        Highest server version the client offers; None leaves the library's own.
    """

    def __init__(self, library: str, newest: int | None) -> None:
        self._loop = _loop()
        self.lib: Any = importlib.import_module(library)
        self.complaints: list[str] = []
        logging.getLogger(library).addHandler(_Complaints(self.complaints))
        logging.getLogger(library).propagate = False
        self.errors: list[tuple[int, int, str]] = []
        self._newest = newest
        self._new()

    def _new(self) -> None:
        self.ib: Any = self.lib.IB()
        if self._newest is not None:
            self.ib.client.MaxClientVersion = self._newest
        self._orders: dict[int, Placed] = {}
        self._multi: dict[tuple[str, int], tuple[float, float]] = {}
        self._multi_ended = False
        self.ib.errorEvent += lambda req_id, code, text, _: self.errors.append((req_id, code, text))
        # The library throws these answers away; they arrive all the same.
        self.ib.wrapper.positionMulti = self._on_position_multi

    def _run(self, awaitable: Awaitable[Any]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(awaitable, REQUEST_LIMIT_S)

        return self._loop.run_until_complete(limited())

    def _contract(self, fields: Fields) -> Any:
        given = dict(fields)
        legs = given.pop("legs", ())
        contract = self.lib.Contract(**given)
        contract.comboLegs = [self.lib.ComboLeg(**leg) for leg in legs]
        return contract

    def _order(self, fields: Fields) -> Any:
        given = dict(fields)
        kinds = {"price": self.lib.PriceCondition, "time": self.lib.TimeCondition}
        conditions = [kinds[kind](**values) for kind, values in given.pop("conditions", ())]
        order = self.lib.Order(**{name: value for name, value in given.items() if name != "algoParams"})
        order.algoParams = [self.lib.TagValue(tag, value) for tag, value in given.get("algoParams", {}).items()]
        order.conditions = conditions
        return order

    # -- connection

    def connect(self, port: int, client_id: int, account: str, limit_s: float = 8) -> None:
        if self.ib.client.isConnected():
            raise RuntimeError("connected already")
        self._new()
        self._run(self.ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=limit_s, account=account))
        self.server_version = self.ib.client.serverVersion()
        self.accounts = list(self.ib.managedAccounts())

    def disconnect(self) -> None:
        self.ib.disconnect()
        self.live(0.01)

    @property
    def is_connected(self) -> bool:
        return bool(self.ib.isConnected())

    def live(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def next_order_id(self) -> int:
        self.ib.client.reqIds(1)
        return int(self.ib.client.getReqId())

    def managed_accounts(self) -> list[str]:
        self.ib.wrapper.accounts = []  # so that what is read is the new answer
        self.ib.client.reqManagedAccts()
        return list(wait(self, self.ib.managedAccounts, "the managed accounts"))

    def current_time_s(self) -> float:
        return float(self._run(self.ib.reqCurrentTimeAsync()).timestamp())

    def log_level(self, level: int) -> None:
        self.ib.client.setServerLogLevel(level)

    # -- contracts

    def contract_details(self, contract: Fields) -> list[dict[str, Any]]:
        found = self._run(self.ib.reqContractDetailsAsync(self._contract(contract)))
        return [{**contract_fields(one.contract), **details_fields(one)} for one in found]

    def option_chains(self, symbol: str, con_id: int) -> list[dict[str, Any]]:
        chains = self._run(self.ib.reqSecDefOptParamsAsync(symbol, "", "STK", con_id))
        return [
            {
                "exchange": chain.exchange,
                "multiplier": chain.multiplier,
                "tradingClass": chain.tradingClass,
                "expirations": set(chain.expirations),
                "strikes": set(chain.strikes),
            }
            for chain in chains
        ]

    def matching_symbols(self, pattern: str) -> list[dict[str, Any]]:
        found = self._run(self.ib.reqMatchingSymbolsAsync(pattern))
        return [{**contract_fields(one.contract), "derivatives": list(one.derivativeSecTypes)} for one in found]

    def news_providers(self) -> list[str]:
        return [one.code for one in self._run(self.ib.reqNewsProvidersAsync())]

    def scanner_parameters(self) -> str:
        return str(self._run(self.ib.reqScannerParametersAsync()))

    def market_rule(self, rule_id: int) -> list[tuple[float, float]]:
        steps = self._run(self.ib.reqMarketRuleAsync(rule_id))
        return [(step.lowEdge, step.increment) for step in steps]

    # -- accounts

    def account_values(self, account: str) -> dict[str, str]:
        self._run(self.ib.reqAccountUpdatesAsync(account))
        values = self.ib.accountValues(account)
        return {value.tag: value.value for value in values if value.currency in ("", "USD")}

    def portfolio(self, account: str) -> dict[int, dict[str, float]]:
        return {
            item.contract.conId: {
                "position": item.position,
                "marketPrice": item.marketPrice,
                "marketValue": item.marketValue,
                "averageCost": item.averageCost,
            }
            for item in self.ib.portfolio()
            if item.account == account
        }

    def account_values_multi(self, account: str) -> dict[str, str]:
        self._run(self.ib.reqAccountUpdatesMultiAsync(account, ""))
        self.ib.client.cancelAccountUpdatesMulti(self.ib.client._reqIdSeq - 1)
        values = self.ib.accountValues(account)
        return {value.tag: value.value for value in values if value.currency in ("", "USD")}

    def account_summary(self) -> dict[tuple[str, str], str]:
        rows = self._run(self.ib.accountSummaryAsync())
        self.ib.client.cancelAccountSummary(self.ib.client._reqIdSeq - 1)
        return {(row.account, row.tag): row.value for row in rows}

    def positions(self) -> dict[tuple[str, int], tuple[float, float]]:
        rows = self._run(self.ib.reqPositionsAsync())
        self.ib.client.cancelPositions()
        return {(row.account, row.contract.conId): (row.position, row.avgCost) for row in rows}

    def positions_multi(self, account: str) -> dict[tuple[str, int], tuple[float, float]]:
        request = self.ib.client.getReqId()
        self.ib.client.reqPositionsMulti(request, account, "")
        wait(self, lambda: self._multi, "the positions of one account")
        self.ib.client.cancelPositionsMulti(request)
        return dict(self._multi)

    def _on_position_multi(self, _: int, account: str, __: str, contract: Any, position: float, cost: float) -> None:
        self._multi[account, contract.conId] = (position, cost)

    def pnl(self, account: str) -> Line:
        stream = self.ib.reqPnL(account)
        line = Line(stream)
        wait(self, lambda: number(stream.dailyPnL) is not None, "profit and loss")
        line.values = {"daily": number(stream.dailyPnL), "unrealized": number(stream.unrealizedPnL)}
        self.ib.cancelPnL(account)
        return line

    def pnl_single(self, account: str, con_id: int) -> Line:
        stream = self.ib.reqPnLSingle(account, "", con_id)
        wait(self, lambda: number(stream.value) is not None, "profit and loss of one position")
        line = Line(stream, {"position": float(stream.position), "value": number(stream.value)})
        self.ib.cancelPnLSingle(account, "", con_id)
        return line

    # -- market data

    def market_data_type(self, kind: int) -> None:
        self.ib.reqMarketDataType(kind)

    def stream(self, contract: Fields, generics: str = "", snapshot: bool = False) -> Line:
        asked = self._contract(contract)
        if snapshot:
            (ticker,) = self._run(self.ib.reqTickersAsync(asked))
            return Line(asked, _ticker_values(ticker), ended=True)
        ticker = self.ib.reqMktData(asked, generics)
        line = Line(asked)
        ticker.updateEvent += lambda one: line.values.update(_ticker_values(one))
        return line

    def cancel_stream(self, line: Line) -> None:
        self.ib.cancelMktData(line.handle)

    def bars(self, contract: Fields, duration: str, size: str, what: str, *, keep: bool = False) -> Bars:
        asked = self.ib.reqHistoricalDataAsync(
            self._contract(contract), "", duration, size, what, True, formatDate=2, keepUpToDate=keep
        )
        found = self._run(asked)
        bars = Bars(found, [_bar(row) for row in found])
        if keep:
            found.updateEvent += lambda rows, _: bars.rows.append(_bar(rows[-1]))
        return bars

    def cancel_bars(self, bars: Bars) -> None:
        self.ib.cancelHistoricalData(bars.handle)

    def real_time_bars(self, contract: Fields, what: str) -> Bars:
        found = self.ib.reqRealTimeBars(self._contract(contract), 5, what, True)
        bars = Bars(found)
        found.updateEvent += lambda rows, _: bars.rows.append(_bar(rows[-1]))
        return bars

    def cancel_real_time_bars(self, bars: Bars) -> None:
        self.ib.cancelRealTimeBars(bars.handle)

    def head_timestamp_s(self, contract: Fields, what: str) -> float:
        return _epoch_s(self._run(self.ib.reqHeadTimeStampAsync(self._contract(contract), what, True, 2)))

    def implied_volatility(self, contract: Fields, price: float, spot: float) -> dict[str, float]:
        found = self._run(self.ib.calculateImpliedVolatilityAsync(self._contract(contract), price, spot))
        return {"volatility": found.impliedVol, "price": found.optPrice, "delta": found.delta}

    def option_price(self, contract: Fields, volatility: float, spot: float) -> dict[str, float]:
        found = self._run(self.ib.calculateOptionPriceAsync(self._contract(contract), volatility, spot))
        return {"volatility": found.impliedVol, "price": found.optPrice, "delta": found.delta}

    # -- orders

    def place(self, contract: Fields, order: Fields) -> Placed:
        trade = self.ib.placeOrder(self._contract(contract), self._order(order))
        placed = Placed(trade.order.orderId, contract, dict(order), trade)
        trade.statusEvent += lambda _: _follow(placed)
        trade.filledEvent += lambda _: _follow(placed)
        trade.fillEvent += lambda _, __: _follow(placed)
        trade.commissionReportEvent += lambda _, fill, report: placed.commissions.update(
            {report.execId: report.commission}
        )
        self._orders[placed.order_id] = placed
        return placed

    def modify(self, placed: Placed, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(placed.handle.order, name, value)
        self.ib.placeOrder(placed.handle.contract, placed.handle.order)

    def cancel(self, placed: Placed) -> None:
        self.ib.cancelOrder(placed.handle.order)

    def cancel_id(self, order_id: int) -> None:
        self.ib.client.cancelOrder(order_id)

    def global_cancel(self) -> None:
        self.ib.reqGlobalCancel()

    def what_if(self, contract: Fields, order: Fields) -> dict[str, float]:
        state = self._run(self.ib.whatIfOrderAsync(self._contract(contract), self._order(order)))
        return {"margin": float(state.initMarginChange), "commission": float(state.commission)}

    def bind_manual_orders(self) -> None:
        self.ib.reqAutoOpenOrders(True)

    def open_orders(self, everybody: bool) -> list[dict[str, Any]]:
        if everybody:
            trades = self._run(self.ib.reqAllOpenOrdersAsync())
        else:
            trades = self._run(self.ib.reqOpenOrdersAsync())
        return [_trade(trade) for trade in trades]

    def executions(self) -> list[dict[str, Any]]:
        asked = {fill.execution.execId for fill in self._run(self.ib.reqExecutionsAsync())}
        # The request's own list has no commissions: those find their way to the fills that the library keeps.
        found = [fill for fill in self.ib.fills() if fill.execution.execId in asked]
        # A combination is charged by its legs: its own execution never gets a commission.
        charged = [fill for fill in found if fill.contract.secType != "BAG"]
        wait(self, lambda: all(fill.commissionReport.execId for fill in charged), "their commissions")
        return [
            {
                "execId": fill.execution.execId,
                "orderRef": fill.execution.orderRef,
                "shares": fill.execution.shares,
                "price": fill.execution.price,
                "commission": fill.commissionReport.commission,
            }
            for fill in charged
        ]

    def completed_orders(self) -> list[dict[str, Any]]:
        return [_trade(trade) for trade in self._run(self.ib.reqCompletedOrdersAsync(False))]


def _follow(placed: Placed) -> None:
    trade = placed.handle
    placed.statuses[:] = [entry.status for entry in trade.log]
    placed.perm_id = trade.order.permId
    placed.filled, placed.avg_price = trade.orderStatus.filled, trade.orderStatus.avgFillPrice
    for fill in trade.fills:
        placed.executions[fill.execution.execId] = {
            "shares": fill.execution.shares,
            "price": fill.execution.price,
            "orderRef": fill.execution.orderRef,
            "side": fill.execution.side,
            "conId": fill.contract.conId,
            "secType": fill.contract.secType,
        }


def _trade(trade: Any) -> dict[str, Any]:
    order = trade.order
    return {
        "orderRef": order.orderRef,
        "orderId": order.orderId,
        "clientId": order.clientId,
        "permId": order.permId,
        "lmtPrice": number(order.lmtPrice),
        "orderType": order.orderType,
        "status": trade.orderStatus.status,
        "conditions": [type(condition).__name__ for condition in order.conditions],
        "algoStrategy": order.algoStrategy,
        "algoParams": {param.tag: param.value for param in order.algoParams},
        "parentId": order.parentId,
        "ocaGroup": order.ocaGroup,
    }


def _ticker_values(ticker: Any) -> dict[str, Any]:
    given = {
        "bid": ticker.bid,
        "ask": ticker.ask,
        "bid_size": ticker.bidSize,
        "ask_size": ticker.askSize,
        "volume": ticker.volume,
        "shortable_shares": ticker.shortableShares,
        "data_type": ticker.marketDataType,
    }
    values = {name: figure for name, value in given.items() if (figure := number(value)) is not None}
    if ticker.modelGreeks is not None:
        values["delta"], values["under_price"] = ticker.modelGreeks.delta, ticker.modelGreeks.undPrice
    return values


def _bar(row: Any) -> dict[str, float]:
    start = row.time if hasattr(row, "time") else row.date
    opened = row.open_ if hasattr(row, "open_") else row.open
    return {
        "start_s": _epoch_s(start),
        "open": opened,
        "high": row.high,
        "low": row.low,
        "close": row.close,
        "volume": float(row.volume),
    }


def _epoch_s(moment: datetime | date) -> float:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time(), UTC).timestamp()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
