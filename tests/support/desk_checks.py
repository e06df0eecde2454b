"""What a whole running desk must show, however it was started: `make run` or containers.

Everything is read from outside: the monitor's API, the database, and the simulator's journal of what crossed the wire.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg2

from tests.support.waiting import wait_until

#: gates.state.delta.epsilon_band of the shipped configuration, in shares.
EPSILON_BAND = 10.0
STOCK = "%|STK|%"


@dataclass(frozen=True)
class DeskView:
    """Where to look."""

    address: str
    admin: str
    dsn: str
    token: str

    def get(self, path: str) -> Any:
        """JSON of the monitor."""
        answer = self._ask("GET", f"{self.address}{path}")
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def status(self) -> dict[str, Any]:
        """GET /status; an empty one while the monitor does not answer."""
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            return dict(self.get("/status"))
        return {}

    def command(self, name: str, **args: object) -> dict[str, Any]:
        """POST a control and wait until it is finished; gives its row."""
        answer = self._ask("POST", f"{self.address}/control/{name}", args)
        assert answer.status_code in (200, 201, 202), answer.text
        number = answer.json()["id"]

        def finished() -> dict[str, Any] | None:
            row: dict[str, Any] = self.get(f"/control/{number}")
            return row if row["status"] not in ("pending", "accepted") else None

        row = wait_until(finished, 30, what=f"the end of {name}", every_s=0.1)
        assert row is not None
        return row

    def world(self, path: str) -> Any:
        """JSON of the simulator's admin API."""
        return httpx.get(f"{self.admin}{path}", timeout=10, trust_env=False).json()

    def rows(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Rows of the database, read as its owner."""
        with contextlib.closing(psycopg2.connect(self.dsn, connect_timeout=5)) as conn, conn.cursor() as cursor:
            cursor.execute(statement, args or None)
            return cursor.fetchall()

    def value(self, statement: str, *args: object) -> Any:
        """The first column of the first row."""
        rows = self.rows(statement, *args)
        return rows[0][0] if rows else None

    def _ask(self, method: str, url: str, body: object | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.request(method, url, json=body, headers=headers, timeout=10, trust_env=False)

    def journal(self, message: str) -> list[dict[str, Any]]:
        """Fields of every message of this name on the wire, with its direction and market time."""
        entries = self.world(f"/journal?message={message}&limit=100000")["entries"]
        return [
            dict(entry["fields"]) | {"_direction": entry["direction"], "_market": entry["market"]} for entry in entries
        ]

    def broker_shares(self) -> float:
        """The stock position at the gateway."""
        (account,) = self.world("/state")["accounts"]
        return sum(
            float(position["quantity"]) for position in account["positions"] if "|STK|" in position["contract_key"]
        )

    def ledger_shares(self) -> float:
        """The stock position by the database's executions of our own."""
        return float(
            self.value(
                "SELECT coalesce(sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END), 0) FROM executions "
                "WHERE contract_key LIKE %s AND origin <> 'external'",
                STOCK,
            )
        )


def operations(desk: DeskView) -> Counter[str]:
    """How many rows of each type."""
    return Counter(dict(desk.rows("SELECT type, count(*) FROM operations GROUP BY type")))


def wait_for_a_hedge(desk: DeskView, timeout_s: float = 60.0, more_than: int = 0) -> Counter[str]:
    """Intent, order_sent and fill within ``timeout_s``, ``more_than`` fills."""

    def hedged() -> Counter[str] | None:
        with contextlib.suppress(psycopg2.OperationalError):
            counts = operations(desk)
            if counts["hedge_intent"] and counts["order_sent"] and counts["fill"] > more_than:
                return counts
        return None

    counts = wait_until(hedged, timeout_s, what="rows hedge_intent, order_sent and fill", every_s=0.2)
    assert counts is not None
    return counts


def wait_for_a_flat_book(desk: DeskView, timeout_s: float = 60.0) -> None:
    """Some row of history after a fill has a net delta inside the band."""
    wait_until(
        lambda: desk.value(
            "SELECT count(*) FROM status_history h WHERE abs(h.net_delta) <= %s AND EXISTS "
            "(SELECT FROM operations o WHERE o.type = 'fill' AND o.ts <= h.ts)",
            EPSILON_BAND,
        ),
        timeout_s,
        what=f"a row of history after a fill with |net_delta| <= {EPSILON_BAND:g}",
        every_s=0.5,
    )


def wait_for_prices(desk: DeskView, timeout_s: float = 60.0) -> None:
    """Every contract held in any account has a price, and the page's positions carry it."""
    missing = (
        "SELECT count(*) FROM account_positions a LEFT JOIN instrument_prices p USING (contract_key) "
        "WHERE a.position <> 0 AND coalesce(p.bid, p.ask, p.last) IS NULL"
    )

    def priced() -> bool:
        return bool(desk.value("SELECT count(*) FROM account_positions") and desk.value(missing) == 0)

    wait_until(priced, timeout_s, what="a price for every held contract", every_s=0.5)


def wait_for_lamp(desk: DeskView, lamp: str, timeout_s: float = 60.0) -> dict[str, Any]:
    """GET /status with that lamp."""
    seen: dict[str, Any] = {}

    def shown() -> bool:
        seen.clear()
        seen.update(desk.status())
        return seen.get("status_lamp") == lamp

    try:
        wait_until(shown, timeout_s, what=f"a {lamp} lamp", every_s=0.3)
    except AssertionError as error:
        raise AssertionError(f"{error}; {seen.get('status_lamp')}: {seen.get('block_reasons')}") from None
    return seen


def check_the_wire(desk: DeskView) -> None:
    """Each order_sent has exactly one placeOrder with its orderRef, each fill one execution with its id and price."""
    sent = [ref for (ref,) in desk.rows("SELECT order_ref FROM operations WHERE type = 'order_sent'")]
    fills = desk.rows("SELECT exec_id, price, order_ref, quantity FROM operations WHERE type = 'fill'")
    placed = Counter(entry["orderRef"] for entry in desk.journal("placeOrder") if entry["_direction"] == "in")
    executed: dict[str, dict[str, Any]] = {}
    for entry in desk.journal("execDetails"):
        executed.setdefault(entry["execId"], entry)
    assert sent and len(set(sent)) == len(sent), f"an order was told as sent twice: {sent}"
    assert all(placed[ref] == 1 for ref in sent), {ref: placed[ref] for ref in sent if placed[ref] != 1}
    assert set(placed) >= set(sent)
    assert len({exec_id for exec_id, *_ in fills}) == len(fills)
    for exec_id, price, order_ref, quantity in fills:
        wire = executed[exec_id]
        assert float(wire["price"]) == price, (exec_id, wire["price"], price)
        assert (wire["orderRef"], abs(float(wire["shares"]))) == (order_ref, quantity)


def wait_until_ledger_is_broker(desk: DeskView, timeout_s: float = 30.0) -> float:
    """The ledger equals the share position of GET /state; gives it."""
    wait_until(
        lambda: desk.ledger_shares() == desk.broker_shares(),
        timeout_s,
        what="the ledger to equal the broker's share position",
        every_s=0.3,
    )
    return desk.ledger_shares()


def check_a_hedging_desk(desk: DeskView, timeout_s: float = 60.0) -> None:
    """All that the first minute must show."""
    wait_for_a_hedge(desk, timeout_s)
    wait_for_a_flat_book(desk, timeout_s)
    wait_for_prices(desk, timeout_s)
    wait_for_lamp(desk, "green", timeout_s)
    check_the_wire(desk)
