"""Accounts and positions as the broker states them now: complete, or an exception. Never half, never "flat"."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bifrost.contract import ContractKey

from .connection import IbConnection
from .contracts import key_of, multiplier_of
from .failures import IbNotConnected, IbRequestTimeout

SUMMARY_TAGS = (
    "AccountType",
    "NetLiquidation",
    "TotalCashValue",
    "SettledCash",
    "AccruedCash",
    "BuyingPower",
    "EquityWithLoanValue",
    "GrossPositionValue",
    "InitMarginReq",
    "MaintMarginReq",
    "AvailableFunds",
    "ExcessLiquidity",
    "Cushion",
    "Leverage",
)


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """One position: signed quantity in contracts or shares.

    ``avg_cost`` is dollars per contract *including* the multiplier for options, as IB gives it (message 61).
    """

    account: str
    contract_key: ContractKey
    con_id: int
    quantity: float
    avg_cost: float
    multiplier: float
    trading_class: str
    exchange: str
    currency: str


@dataclass(frozen=True, slots=True)
class SummaryValue:
    """One value of the account summary; ``currency`` is empty for plain texts."""

    text: str
    currency: str

    @property
    def number(self) -> float | None:
        """The value as a number, None for texts."""
        try:
            value = float(self.text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class AccountReport:
    """One account's summary and positions. Dollars; None where the broker gave no number."""

    account: str
    summary: Mapping[str, SummaryValue]
    positions: tuple[BrokerPosition, ...]

    def number(self, tag: str) -> float | None:
        """The summary value of ``tag`` as a number."""
        value = self.summary.get(tag)
        return value.number if value else None

    @property
    def net_liquidation(self) -> float | None:
        return self.number("NetLiquidation")

    @property
    def total_cash(self) -> float | None:
        return self.number("TotalCashValue")

    @property
    def buying_power(self) -> float | None:
        return self.number("BuyingPower")


@dataclass(frozen=True, slots=True)
class AccountsReport:
    """All managed accounts; ``fetched_at`` is the wall time at which the broker's last answer was complete."""

    fetched_at: datetime
    accounts: tuple[AccountReport, ...]

    def account(self, account: str) -> AccountReport:
        """The report of ``account``; KeyError for one that the login does not manage."""
        return next(report for report in self.accounts if report.account == account)


class AccountReader:
    """Asks the gateway for accounts and positions, one query at a time."""

    def __init__(self, connection: IbConnection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    async def fetch_accounts(self, timeout_s: float = 10.0) -> AccountsReport:
        """Read the summary and the positions of every managed account.

        Raises
        ------
        IbNotConnected, IbRequestTimeout, IbRequestError
            The state is then unknown: nothing is known about any position.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(timeout_s + 1.0):
                    return await self._fetch(timeout_s)
            except TimeoutError:
                raise IbRequestTimeout(f"accounts: no complete answer within {timeout_s:g} s") from None

    async def fetch_positions(self, account: str, timeout_s: float = 10.0) -> tuple[BrokerPosition, ...]:
        """The positions of one account, without zero lines; same errors as `fetch_accounts`."""
        connection = self._connection
        client = connection.ib.client
        asked: list[int] = []

        # reqPositionsMulti answers under a request id. The plain reqPositions has none: after a time-out its late end
        # would close the next, still empty, list and an account would look flat.
        def start(req_id: int) -> None:
            asked.append(req_id)
            client.reqPositionsMulti(req_id, account, "")

        try:
            rows = await connection.request(f"positions of {account}", start, timeout_s)
        finally:
            if asked and connection.is_connected:
                client.cancelPositionsMulti(asked[0])
        # It is a subscription: a fill while the list is on its way puts a contract in it twice, and the later line is
        # how things are, also where it says zero.
        newest = {int(row[1].conId): row for row in rows if row[0] == account}
        return tuple(_position(*row) for row in newest.values() if float(row[2]) != 0.0)

    async def _fetch(self, timeout_s: float) -> AccountsReport:
        connection = self._connection
        accounts = connection.accounts
        summary = await self._fetch_summary(timeout_s)
        positions = [await self.fetch_positions(account, timeout_s) for account in accounts]
        if not connection.is_connected:
            raise IbNotConnected("the connection ended while accounts were read")
        missing = [account for account in accounts if "NetLiquidation" not in summary.get(account, {})]
        if missing:
            raise IbRequestTimeout(f"the account summary has no NetLiquidation for {', '.join(missing)}")
        return AccountsReport(
            datetime.now(UTC),
            tuple(
                AccountReport(account, summary[account], held)
                for account, held in zip(accounts, positions, strict=True)
            ),
        )

    async def _fetch_summary(self, timeout_s: float) -> dict[str, dict[str, SummaryValue]]:
        connection = self._connection
        client = connection.ib.client
        asked: list[int] = []

        def start(req_id: int) -> None:
            asked.append(req_id)
            client.reqAccountSummary(req_id, "All", ",".join(SUMMARY_TAGS))

        try:
            rows = await connection.request("account summary", start, timeout_s)
        finally:
            # A summary is a subscription, and the gateway allows two of them (322).
            if asked and connection.is_connected:
                client.cancelAccountSummary(asked[0])
        summary: dict[str, dict[str, SummaryValue]] = {}
        for account, tag, value, currency in rows:
            summary.setdefault(account, {})[tag] = SummaryValue(value, currency)
        return summary


def _position(account: str, contract: Any, quantity: float, avg_cost: float) -> BrokerPosition:
    return BrokerPosition(
        account=account,
        contract_key=key_of(contract),
        con_id=int(contract.conId),
        quantity=float(quantity),
        avg_cost=float(avg_cost),
        multiplier=multiplier_of(contract),
        trading_class=str(contract.tradingClass),
        exchange=str(contract.exchange),
        currency=str(contract.currency),
    )
