"""What the checks of one run share: the client, its account, the contracts that it found and a price."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.client import CheckFailed, Client, Placed, wait

SYMBOL = "NVDA"


@dataclass
class Story:
    """One library's way through one simulator."""

    client: Client
    port: int
    client_id: int
    account: str
    other_account: str
    stock: dict[str, Any] = field(default_factory=dict)
    option: dict[str, Any] = field(default_factory=dict)
    bid: float = 0.0
    ask: float = 0.0
    refs: Any = field(default_factory=lambda: itertools.count(1))

    def order(self, action: str, quantity: float, kind: str = "MKT", **fields: Any) -> dict[str, Any]:
        """An order of this story's account under a reference of its own."""
        ref = f"CF{self.client_id}-{next(self.refs)}"
        return {
            "action": action,
            "totalQuantity": quantity,
            "orderType": kind,
            "account": self.account,
            "orderRef": ref,
            "tif": "DAY",
            **fields,
        }

    def resting(self, action: str = "BUY", quantity: float = 10, **fields: Any) -> dict[str, Any]:
        """A limit order that nobody fills: five dollars from the market."""
        price = self.bid - 5 if action == "BUY" else self.ask + 5
        return self.order(action, quantity, "LMT", lmtPrice=round(price, 2), **fields)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return wait(self.client, condition, what)

    def until_status(self, placed: Placed, *wanted: str) -> None:
        self.until(lambda: placed.status in wanted, f"{' or '.join(wanted)} of {placed.order['orderRef']}")

    def until_filled(self, placed: Placed) -> None:
        """Until the fill, its executions and all their commissions are there."""
        self.until_status(placed, "Filled")
        self.until(lambda: sum(_own(placed).values()) == placed.order["totalQuantity"], "the executions")
        self.until(lambda: set(placed.commissions) == set(placed.executions), "the commissions")

    def errors_of(self, req_id: int) -> list[int]:
        return [code for heard, code, _ in self.client.errors if heard == req_id]


def _own(placed: Placed) -> dict[str, float]:
    """Shares by execution of the order itself; a combination's own execution, not those of its legs."""
    wanted = "BAG" if placed.contract.get("secType") == "BAG" else None
    return {
        exec_id: row["shares"]
        for exec_id, row in placed.executions.items()
        if wanted is None or row["secType"] == wanted
    }


def expect(condition: Any, text: str) -> None:
    """Fail the check with ``text`` unless ``condition`` holds."""
    if not condition:
        raise CheckFailed(text)
