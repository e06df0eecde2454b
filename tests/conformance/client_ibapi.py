"""IB's own ibapi as a `Client` of the checks: requests from the main thread, callbacks on the library's own.

Used as a test client only. The reader thread appends, the main thread waits; nothing else is shared.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from ibapi.client import EClient
from ibapi.contract import ComboLeg, Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.order_condition import PriceCondition, TimeCondition
from ibapi.tag_value import TagValue

from tests.conformance.client import Bars, Fields, Line, Placed, wait
from tests.conformance.fine_ibapi import FineIbapiRequests
from tests.conformance.ibapi_callbacks import Callbacks
from tests.conformance.rows import contract_fields, details_fields

SUMMARY_TAGS = "NetLiquidation,TotalCashValue,BuyingPower,GrossPositionValue,MaintMarginReq"


class _Complaints(logging.Handler):
    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        # EWrapper.error logs every error of the gateway; ours does not call it.
        self._texts.append(f"{record.name}: {record.getMessage()}")


class IbapiClient(FineIbapiRequests):
    """One EClient and its reader thread."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        # The library logs with the root logger, also every message at lower levels.
        logging.getLogger().addHandler(_Complaints(self.complaints))
        logging.getLogger().setLevel(logging.ERROR)
        self._new()

    def _new(self) -> None:
        self._hears = Callbacks()
        self._api = EClient(self._hears)
        self._ids = 0
        self.errors = self._hears.errors

    def _named(self, contract: Fields) -> Any:
        return _contract(contract)

    def _id(self) -> int:
        self._ids += 1
        return self._ids

    def _ask(self, request: Any, key: Any, what: str) -> list[Any]:
        """Send and wait for the end of the answer, or for an error under the same id."""
        rows = self._hears.rows
        rows.pop(key, None)
        self._hears.ended.discard(key)
        request()
        wait(self, lambda: key in self._hears.ended or ("error", key) in self._hears.ended, what)
        return list(rows[key])

    def _one(self, request: Any, key: Any, what: str) -> Any:
        self._hears.rows.pop(key, None)
        request()
        return wait(self, lambda: self._hears.rows[key], what)[0]

    # -- connection

    def connect(self, port: int, client_id: int, account: str, limit_s: float = 8) -> None:
        self._new()
        self._hears.own_client = client_id
        self._api.connect("127.0.0.1", port, client_id)
        self._reader = self._api.reader  # disconnecting forgets it
        self._thread = threading.Thread(target=self._api.run, daemon=True)
        self._thread.start()
        wait(self, lambda: self._hears.rows["nextValidId"] or "connection" in self._hears.ended, "the first order id")
        if not self._hears.rows["nextValidId"]:
            self.disconnect()
            raise ConnectionError(f"the gateway closed the connection: {self.errors}")
        wait(self, lambda: self._hears.rows["managedAccounts"], "the accounts")
        self._ids = max(1000, self._hears.rows["nextValidId"][0])
        self.server_version = self._api.serverVersion()
        self.accounts = [name for name in self._hears.rows["managedAccounts"][0].split(",") if name]

    def disconnect(self) -> None:
        self._api.disconnect()
        # Its threads keep the socket for up to a second; until then the gateway holds the id (gotcha G14).
        for thread in (self._reader, self._thread):
            thread.join(5)

    @property
    def is_connected(self) -> bool:
        return bool(self._api.isConnected()) and "connection" not in self._hears.ended

    def live(self, seconds: float) -> None:
        time.sleep(seconds)

    def next_order_id(self) -> int:
        return int(self._one(lambda: self._api.reqIds(1), "nextValidId", "an order id"))

    def managed_accounts(self) -> list[str]:
        text = self._one(self._api.reqManagedAccts, "managedAccounts", "the accounts")
        return [name for name in text.split(",") if name]

    def current_time_s(self) -> float:
        return float(self._one(self._api.reqCurrentTime, "currentTime", "the time"))

    def log_level(self, level: int) -> None:
        self._api.setServerLogLevel(level)

    # -- contracts

    def contract_details(self, contract: Fields) -> list[dict[str, Any]]:
        request = self._id()
        found = self._ask(lambda: self._api.reqContractDetails(request, _contract(contract)), request, "details")
        return [{**contract_fields(one.contract), **details_fields(one)} for one in found]

    def option_chains(self, symbol: str, con_id: int) -> list[dict[str, Any]]:
        request = self._id()
        chains = self._ask(
            lambda: self._api.reqSecDefOptParams(request, symbol, "", "STK", con_id), request, "the chain"
        )
        names = ("exchange", "underlyingConId", "tradingClass", "multiplier", "expirations", "strikes")
        return [dict(zip(names, chain, strict=True)) for chain in chains]

    def matching_symbols(self, pattern: str) -> list[dict[str, Any]]:
        request = self._id()
        found = self._ask(lambda: self._api.reqMatchingSymbols(request, pattern), request, "symbols")
        return [{**contract_fields(one.contract), "derivatives": list(one.derivativeSecTypes)} for one in found]

    def news_providers(self) -> list[str]:
        return [one.code for one in self._one(self._api.reqNewsProviders, "newsProviders", "the providers of news")]

    def scanner_parameters(self) -> str:
        return str(self._one(self._api.reqScannerParameters, "scannerParameters", "the scanner's parameters"))

    def market_rule(self, rule_id: int) -> list[tuple[float, float]]:
        steps = self._one(lambda: self._api.reqMarketRule(rule_id), ("marketRule", rule_id), "the market rule")
        return [(step.lowEdge, step.increment) for step in steps]

    # -- accounts

    def account_values(self, account: str) -> dict[str, str]:
        self._ask(
            lambda: self._api.reqAccountUpdates(True, account), ("accountDownload", account), "the account's values"
        )
        return {tag: value for (name, tag), value in self._hears.values.items() if name == account}

    def portfolio(self, account: str) -> dict[int, dict[str, float]]:
        return {con_id: item for (name, con_id), item in self._hears.portfolios.items() if name == account}

    def account_values_multi(self, account: str) -> dict[str, str]:
        request = self._id()
        rows = self._ask(
            lambda: self._api.reqAccountUpdatesMulti(request, account, "", False), request, "values of one account"
        )
        self._api.cancelAccountUpdatesMulti(request)
        return {tag: value for tag, value, currency in rows if currency in ("", "USD")}

    def account_summary(self) -> dict[tuple[str, str], str]:
        request = self._id()
        rows = self._ask(lambda: self._api.reqAccountSummary(request, "All", SUMMARY_TAGS), request, "the summary")
        self._api.cancelAccountSummary(request)
        return {(account, tag): value for account, tag, value in rows}

    def positions(self) -> dict[tuple[str, int], tuple[float, float]]:
        rows = self._ask(self._api.reqPositions, "position", "positions")
        self._api.cancelPositions()
        return {(account, con_id): (position, cost) for account, con_id, position, cost in rows}

    def positions_multi(self, account: str) -> dict[tuple[str, int], tuple[float, float]]:
        request = self._id()
        rows = self._ask(lambda: self._api.reqPositionsMulti(request, account, ""), request, "positions of one account")
        self._api.cancelPositionsMulti(request)
        return {(name, con_id): (position, cost) for name, con_id, position, cost in rows}

    def pnl(self, account: str) -> Line:
        line = self._line()
        self._api.reqPnL(line.handle, account, "")
        wait(self, lambda: line.values.get("daily") is not None, "profit and loss")
        self._api.cancelPnL(line.handle)
        return line

    def pnl_single(self, account: str, con_id: int) -> Line:
        line = self._line()
        self._api.reqPnLSingle(line.handle, account, "", con_id)
        wait(self, lambda: line.values.get("value") is not None, "profit and loss of one position")
        self._api.cancelPnLSingle(line.handle)
        return line

    # -- market data

    def _line(self) -> Line:
        request = self._id()
        line = self._hears.lines[request] = Line(request)
        return line

    def market_data_type(self, kind: int) -> None:
        self._api.reqMarketDataType(kind)

    def stream(self, contract: Fields, generics: str = "", snapshot: bool = False) -> Line:
        line = self._line()
        self._api.reqMktData(line.handle, _contract(contract), generics, snapshot, False, [])
        if snapshot:
            wait(self, lambda: line.ended, "the end of the snapshot")
        return line

    def cancel_stream(self, line: Line) -> None:
        self._api.cancelMktData(line.handle)

    def _bars(self) -> Bars:
        request = self._id()
        bars = self._hears.bars[request] = Bars(request)
        return bars

    def bars(self, contract: Fields, duration: str, size: str, what: str, *, keep: bool = False) -> Bars:
        bars = self._bars()
        self._ask(
            lambda: self._api.reqHistoricalData(
                bars.handle, _contract(contract), "", duration, size, what, 1, 2, keep, []
            ),
            bars.handle,
            "bars",
        )
        return bars

    def cancel_bars(self, bars: Bars) -> None:
        self._api.cancelHistoricalData(bars.handle)

    def real_time_bars(self, contract: Fields, what: str) -> Bars:
        bars = self._bars()
        self._api.reqRealTimeBars(bars.handle, _contract(contract), 5, what, True, [])
        return bars

    def cancel_real_time_bars(self, bars: Bars) -> None:
        self._api.cancelRealTimeBars(bars.handle)

    def head_timestamp_s(self, contract: Fields, what: str) -> float:
        request = self._id()
        text = self._one(
            lambda: self._api.reqHeadTimeStamp(request, _contract(contract), what, 1, 2), request, "the first time"
        )
        self._api.cancelHeadTimeStamp(request)
        return float(text)

    def implied_volatility(self, contract: Fields, price: float, spot: float) -> dict[str, float]:
        request = self._id()
        found = self._one(
            lambda: self._api.calculateImpliedVolatility(request, _contract(contract), price, spot, []),
            request,
            "the volatility",
        )
        self._api.cancelCalculateImpliedVolatility(request)
        return dict(found)

    def option_price(self, contract: Fields, volatility: float, spot: float) -> dict[str, float]:
        request = self._id()
        found = self._one(
            lambda: self._api.calculateOptionPrice(request, _contract(contract), volatility, spot, []),
            request,
            "the option's price",
        )
        self._api.cancelCalculateOptionPrice(request)
        return dict(found)

    # -- orders

    def place(self, contract: Fields, order: Fields) -> Placed:
        placed = Placed(self._id(), contract, dict(order))
        self._hears.orders[placed.order_id] = placed
        self._api.placeOrder(placed.order_id, _contract(contract), _order(order))
        return placed

    def modify(self, placed: Placed, **changes: Any) -> None:
        placed.order.update(changes)
        self._api.placeOrder(placed.order_id, _contract(placed.contract), _order(placed.order))

    def cancel(self, placed: Placed) -> None:
        self._api.cancelOrder(placed.order_id)

    def cancel_id(self, order_id: int) -> None:
        self._api.cancelOrder(order_id)

    def global_cancel(self) -> None:
        self._api.reqGlobalCancel()

    def what_if(self, contract: Fields, order: Fields) -> dict[str, float]:
        request = self._id()
        state = self._one(
            lambda: self._api.placeOrder(request, _contract(contract), _order({**order, "whatIf": True})),
            ("whatIf", request),
            "the answer to what-if",
        )
        return {"margin": float(state.initMarginChange), "commission": float(state.commission)}

    def bind_manual_orders(self) -> None:
        self._api.reqAutoOpenOrders(True)

    def open_orders(self, everybody: bool) -> list[dict[str, Any]]:
        request = self._api.reqAllOpenOrders if everybody else self._api.reqOpenOrders
        found = self._ask(request, "openOrder", "open orders")
        return [self._hears.seen_orders[perm_id] for perm_id in found]

    def executions(self) -> list[dict[str, Any]]:
        request = self._id()
        rows = self._ask(lambda: self._api.reqExecutions(request, ExecutionFilter()), request, "executions")
        # A combination is charged by its legs: its own execution never gets a commission.
        rows = [row for row in rows if row["secType"] != "BAG"]
        commissions = self._hears.rows
        wait(self, lambda: all(commissions[("commission", row["execId"])] for row in rows), "their commissions")
        return [row | {"commission": commissions["commission", row["execId"]][-1]} for row in rows]

    def completed_orders(self) -> list[dict[str, Any]]:
        return self._ask(lambda: self._api.reqCompletedOrders(False), "completedOrder", "completed orders")


def _contract(fields: Fields) -> Contract:
    contract = Contract()
    for name, value in fields.items():
        if name != "legs":
            setattr(contract, name, value)
    if "legs" in fields:
        contract.comboLegs = [_filled(ComboLeg(), leg) for leg in fields["legs"]]
    return contract


def _order(fields: Fields) -> Order:
    order = Order()
    kinds = {"price": PriceCondition, "time": TimeCondition}
    for name, value in fields.items():
        if name == "conditions":
            order.conditions = [_filled(kinds[kind](), values) for kind, values in value]
        elif name == "algoParams":
            order.algoParams = [TagValue(tag, text) for tag, text in value.items()]
        else:
            setattr(order, name, value)
    return order


def _filled(thing: Any, fields: Fields) -> Any:
    """``thing`` with ``fields`` of ib_insync's names, two of which this library spells otherwise."""
    for name, value in fields.items():
        if name == "conjunction":
            thing.isConjunctionConnection = value == "a"
        else:
            setattr(thing, "exchange" if name == "exch" else name, value)
    return thing
