"""What a client library looks like to the checks: IB's words, plain Python values.

Two small translations implement it, one for ib_insync and ib_async and one for ibapi, so that one list of checks runs
through all three libraries. Standard library only: the environments of the clients need not know the repository.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LIMIT_S = 15.0

Fields = Mapping[str, Any]
"""Attributes of a contract or an order by IB's names."""


class CheckFailed(AssertionError):
    """What a check expected did not come."""


@dataclass
class Line:
    """A market data request. ``values`` holds what arrived: bid, ask, bid_size, ask_size, volume, greeks ..."""

    handle: Any
    values: dict[str, Any] = field(default_factory=dict)
    ended: bool = False


@dataclass
class Bars:
    """A request for bars; ``rows`` are dicts with start (epoch s), open, high, low, close, volume, count."""

    handle: Any
    rows: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Placed:
    """An order that this client placed, as its callbacks tell it."""

    order_id: int
    contract: Fields
    order: dict[str, Any]
    handle: Any = None
    perm_id: int = 0
    statuses: list[str] = field(default_factory=list)
    filled: float = 0.0
    avg_price: float = 0.0
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    commissions: dict[str, float] = field(default_factory=dict)
    echo: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return self.statuses[-1] if self.statuses else ""


class Client(Protocol):
    """One library, connected or not."""

    server_version: int
    accounts: list[str]
    errors: list[tuple[int, int, str]]
    complaints: list[str]

    def connect(self, port: int, client_id: int, account: str, limit_s: float = 8) -> None: ...
    def disconnect(self) -> None: ...
    @property
    def is_connected(self) -> bool: ...
    def live(self, seconds: float) -> None: ...
    def next_order_id(self) -> int: ...
    def managed_accounts(self) -> list[str]: ...
    def current_time_s(self) -> float: ...
    def log_level(self, level: int) -> None: ...

    def contract_details(self, contract: Fields) -> list[dict[str, Any]]: ...
    def option_chains(self, symbol: str, con_id: int) -> list[dict[str, Any]]: ...
    def matching_symbols(self, pattern: str) -> list[dict[str, Any]]: ...
    def market_rule(self, rule_id: int) -> list[tuple[float, float]]: ...

    def account_values(self, account: str) -> dict[str, str]: ...
    def portfolio(self, account: str) -> dict[int, dict[str, float]]: ...
    def account_values_multi(self, account: str) -> dict[str, str]: ...
    def account_summary(self) -> dict[tuple[str, str], str]: ...
    def positions(self) -> dict[tuple[str, int], tuple[float, float]]: ...
    def positions_multi(self, account: str) -> dict[tuple[str, int], tuple[float, float]]: ...
    def pnl(self, account: str) -> Line: ...
    def pnl_single(self, account: str, con_id: int) -> Line: ...

    def market_data_type(self, kind: int) -> None: ...
    def stream(self, contract: Fields, generics: str = "", snapshot: bool = False) -> Line: ...
    def cancel_stream(self, line: Line) -> None: ...
    def bars(self, contract: Fields, duration: str, size: str, what: str, *, keep: bool = False) -> Bars: ...
    def cancel_bars(self, bars: Bars) -> None: ...
    def real_time_bars(self, contract: Fields, what: str) -> Bars: ...
    def cancel_real_time_bars(self, bars: Bars) -> None: ...
    def head_timestamp_s(self, contract: Fields, what: str) -> float: ...
    def implied_volatility(self, contract: Fields, price: float, spot: float) -> dict[str, float]: ...
    def option_price(self, contract: Fields, volatility: float, spot: float) -> dict[str, float]: ...

    def place(self, contract: Fields, order: Fields) -> Placed: ...
    def modify(self, placed: Placed, **changes: Any) -> None: ...
    def cancel(self, placed: Placed) -> None: ...
    def cancel_id(self, order_id: int) -> None: ...
    def global_cancel(self) -> None: ...
    def what_if(self, contract: Fields, order: Fields) -> dict[str, float]: ...
    def bind_manual_orders(self) -> None: ...
    def open_orders(self, everybody: bool) -> list[dict[str, Any]]: ...
    def executions(self) -> list[dict[str, Any]]: ...
    def completed_orders(self) -> list[dict[str, Any]]: ...


def wait(client: Client, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Let the client live until ``condition`` holds and return its answer."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise CheckFailed(f"{what} did not come within {limit_s:g} s; errors heard: {client.errors[-3:]}")
        client.live(0.01)


def number(value: Any) -> float | None:
    """A figure or None for what the libraries use for "not known": nothing, NaN, the largest double."""
    if value in (None, ""):
        return None
    figure = float(value)
    return None if math.isnan(figure) or figure > 1e300 else figure
