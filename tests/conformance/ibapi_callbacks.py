"""What ibapi calls back, kept for the main thread: rows by request id, or by the name of a message that has none."""

from __future__ import annotations

import calendar
import time
from collections import defaultdict
from typing import Any

from ibapi.wrapper import EWrapper

from tests.conformance.client import Bars, Line, Placed, number
from tests.conformance.fine_ibapi import FineCallbacks

_PRICES = {1: "bid", 2: "ask", 4: "last", 66: "bid", 67: "ask"}
_SIZES = {0: "bid_size", 3: "ask_size", 8: "volume", 89: "shortable_shares", 69: "bid_size", 70: "ask_size"}
_MODEL_COMPUTATIONS = (13, 83)


class Callbacks(FineCallbacks, EWrapper):
    """Called on the library's thread only; the main thread reads."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[Any, list[Any]] = defaultdict(list)
        self.ended: set[Any] = set()
        self.errors: list[tuple[int, int, str]] = []
        self.lines: dict[int, Line] = {}
        self.bars: dict[int, Bars] = {}
        self.orders: dict[int, Placed] = {}
        self.seen_orders: dict[int, dict[str, Any]] = {}
        self.values: dict[tuple[str, str], str] = {}
        self.portfolios: dict[tuple[str, int], dict[str, float]] = {}

    def error(self, reqId: int, errorCode: int, errorString: str) -> None:
        self.errors.append((reqId, errorCode, errorString))
        self.ended.add(("error", reqId))

    def connectionClosed(self) -> None:
        self.ended.add("connection")

    # -- single answers

    def nextValidId(self, orderId: int) -> None:
        self.rows["nextValidId"].append(orderId)

    def managedAccounts(self, accountsList: str) -> None:
        self.rows["managedAccounts"].append(accountsList)

    def currentTime(self, time: int) -> None:
        self.rows["currentTime"].append(time)

    def headTimestamp(self, reqId: int, headTimestamp: str) -> None:
        self.rows[reqId].append(headTimestamp)

    def marketRule(self, marketRuleId: int, priceIncrements: list[Any]) -> None:
        self.rows["marketRule", marketRuleId].append(priceIncrements)

    def newsProviders(self, newsProviders: list[Any]) -> None:
        self.rows["newsProviders"].append(newsProviders)

    def scannerParameters(self, xml: str) -> None:
        self.rows["scannerParameters"].append(xml)

    def symbolSamples(self, reqId: int, contractDescriptions: list[Any]) -> None:
        self.rows[reqId] += contractDescriptions
        self.ended.add(reqId)

    # -- lists with an end

    def contractDetails(self, reqId: int, contractDetails: Any) -> None:
        self.rows[reqId].append(contractDetails)

    def contractDetailsEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    def securityDefinitionOptionParameter(self, reqId: int, *chain: Any) -> None:
        self.rows[reqId].append(chain)

    def securityDefinitionOptionParameterEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    def updateAccountValue(self, key: str, val: str, currency: str, accountName: str) -> None:
        if currency in ("", "USD"):
            self.values[accountName, key] = val

    def updatePortfolio(self, contract: Any, position: float, marketPrice: float, *rest: Any) -> None:
        value, cost, _, __, account = rest
        self.portfolios[account, contract.conId] = {
            "position": position,
            "marketPrice": marketPrice,
            "marketValue": value,
            "averageCost": cost,
        }

    def accountDownloadEnd(self, accountName: str) -> None:
        self.ended.add(("accountDownload", accountName))

    def accountUpdateMulti(self, reqId: int, account: str, modelCode: str, key: str, value: str, currency: str) -> None:
        self.rows[reqId].append((key, value, currency))

    def accountUpdateMultiEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    def accountSummary(self, reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        self.rows[reqId].append((account, tag, value))

    def accountSummaryEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    def position(self, account: str, contract: Any, position: float, avgCost: float) -> None:
        self.rows["position"].append((account, contract.conId, position, avgCost))

    def positionEnd(self) -> None:
        self.ended.add("position")

    def positionMulti(
        self, reqId: int, account: str, modelCode: str, contract: Any, pos: float, avgCost: float
    ) -> None:
        self.rows[reqId].append((account, contract.conId, pos, avgCost))

    def positionMultiEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    # -- streams

    def pnl(self, reqId: int, dailyPnL: float, unrealizedPnL: float, realizedPnL: float) -> None:
        self.lines[reqId].values.update(daily=number(dailyPnL), unrealized=number(unrealizedPnL))

    def pnlSingle(
        self, reqId: int, pos: int, dailyPnL: float, unrealized: float, realized: float, value: float
    ) -> None:
        self.lines[reqId].values.update(position=float(pos), value=number(value))

    def marketDataType(self, reqId: int, marketDataType: int) -> None:
        self.lines[reqId].values["data_type"] = float(marketDataType)

    def tickPrice(self, reqId: int, tickType: int, price: float, attrib: Any) -> None:
        if tickType in _PRICES:
            self.lines[reqId].values[_PRICES[tickType]] = price

    def tickSize(self, reqId: int, tickType: int, size: int) -> None:
        if tickType in _SIZES:
            self.lines[reqId].values[_SIZES[tickType]] = float(size)

    def tickOptionComputation(self, reqId: int, tickType: int, *figures: Any) -> None:
        *_, implied, delta, price, __, ___, ____, _____, under = figures
        if reqId in self.lines and tickType in _MODEL_COMPUTATIONS:
            self.lines[reqId].values.update(delta=delta, under_price=under)
        elif reqId not in self.lines:
            self.rows[reqId].append({"volatility": implied, "price": price, "delta": delta})

    def tickSnapshotEnd(self, reqId: int) -> None:
        self.lines[reqId].ended = True

    def historicalData(self, reqId: int, bar: Any) -> None:
        self.bars[reqId].rows.append(_bar(bar))

    def historicalDataUpdate(self, reqId: int, bar: Any) -> None:
        self.bars[reqId].rows.append(_bar(bar))

    def historicalDataEnd(self, reqId: int, start: str, end: str) -> None:
        self.ended.add(reqId)

    def realtimeBar(
        self, reqId: int, time: int, open_: float, high: float, low: float, close: float, *rest: Any
    ) -> None:
        row = {"start_s": float(time), "open": open_, "high": high, "low": low, "close": close, "volume": rest[0]}
        self.bars[reqId].rows.append(row)

    # -- orders

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        if order.whatIf:
            self.rows["whatIf", orderId].append(orderState)
            return
        seen = _order_fields(orderId, order)
        self.seen_orders[order.permId] = seen | {"status": orderState.status}
        self.rows["openOrder"].append(order.permId)
        if placed := self._own(order.clientId, orderId):
            placed.perm_id, placed.echo = order.permId, seen

    def openOrderEnd(self) -> None:
        self.ended.add("openOrder")

    def orderStatus(self, orderId: int, status: str, filled: float, remaining: float, avgFillPrice: float,
                    permId: int, parentId: int, lastFillPrice: float, clientId: int, *_: Any) -> None:  # fmt: skip
        self.seen_orders.setdefault(permId, {})["status"] = status
        if placed := self._own(clientId, orderId):
            placed.statuses.append(status)
            placed.filled, placed.avg_price = filled, avgFillPrice

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        row = {
            "execId": execution.execId,
            "orderRef": execution.orderRef,
            "shares": execution.shares,
            "price": execution.price,
            "side": execution.side,
            "conId": contract.conId,
            "secType": contract.secType,
        }
        if reqId != -1:
            self.rows[reqId].append(row)
        elif placed := self._own(execution.clientId, execution.orderId):
            placed.executions[execution.execId] = row

    def execDetailsEnd(self, reqId: int) -> None:
        self.ended.add(reqId)

    def commissionReport(self, commissionReport: Any) -> None:
        self.rows["commission", commissionReport.execId].append(commissionReport.commission)
        for placed in list(self.orders.values()):
            if commissionReport.execId in placed.executions:
                placed.commissions[commissionReport.execId] = commissionReport.commission

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        self.rows["completedOrder"].append(_order_fields(order.orderId, order) | {"status": orderState.status})

    def completedOrdersEnd(self) -> None:
        self.ended.add("completedOrder")

    own_client = -1

    def _own(self, client_id: int, order_id: int) -> Placed | None:
        return self.orders.get(order_id) if client_id == self.own_client else None


def _order_fields(order_id: int, order: Any) -> dict[str, Any]:
    return {
        "orderRef": order.orderRef,
        "orderId": order_id,
        "clientId": order.clientId,
        "permId": order.permId,
        "lmtPrice": number(order.lmtPrice),
        "orderType": order.orderType,
        "conditions": [type(condition).__name__ for condition in order.conditions or ()],
        "algoStrategy": order.algoStrategy,
        "algoParams": {param.tag: param.value for param in order.algoParams or ()},
        "parentId": order.parentId,
        "ocaGroup": order.ocaGroup,
    }


def _bar(bar: Any) -> dict[str, float]:
    start_s = float(bar.date) if len(bar.date) != 8 else _day_s(bar.date)
    return {
        "start_s": start_s,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": float(bar.volume),
    }


def _day_s(text: str) -> float:
    return float(calendar.timegm(time.strptime(text, "%Y%m%d")))
