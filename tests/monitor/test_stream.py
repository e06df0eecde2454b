"""GET /stream: the present first, then what changes, resumed by Last-Event-ID at any monitor."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from bifrost_monitor.price_changes import PriceBook
from bifrost_monitor.queries_stream import Marks
from bifrost_monitor.streams import lasting

from tests.monitor import rows
from tests.monitor.conftest import MakeMonitor, Served, serving
from tests.support.postgres import Database
from tests.support.waiting import wait_until

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text(encoding="utf-8"))
integration = pytest.mark.integration
AT = "2026-03-20T15:00:00+00:00"


def assert_event(name: str, data: object) -> None:
    """The event is one of the contract's."""
    schema = {"$ref": "#/components/schemas/StreamEvent", "components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(schema).validate({"event": name, "data": data})


def write_decision(database: Database, reason: str) -> int:
    found = database.query(
        "INSERT INTO decisions (ts, account, mode, outcome, block_reason) "
        "VALUES (%s, 'DU1', 'live', 'blocked', %s) RETURNING id",
        AT,
        reason,
    )
    return int(found[0][0])


@integration
def test_a_client_gets_the_present_and_then_what_happens(served: Served, database: Database) -> None:
    """status and prices at once; operation, decision and control as they are written."""
    rows.write_account(database)
    rows.write_running_desk(database)
    with served.stream("/stream") as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        first, told = events.next()
        assert first == "status"
        assert_event(first, told)
        name, prices = events.next()
        assert (name, prices["full"]) == ("prices", True)
        assert_event(name, prices)

        operation_id = rows.write_operation(database, AT, "fill", order_ref="BF1")
        operation = events.until("operation")
        assert_event("operation", operation)
        assert (operation["id"], operation["order_ref"]) == (operation_id, "BF1")

        write_decision(database, "cooldown")
        decision = events.until("decision")
        assert_event("decision", decision)
        assert decision["block_reason"] == "cooldown"

        database.query("INSERT INTO daemon_control (command) VALUES ('flatten')")
        pending = events.until("control")
        assert_event("control", pending)
        rows.finish_command(database, pending["id"], "done", {"own_shares": 0})
        done = events.until("control", lambda data: data["status"] == "done")
        assert done["result"] == {"own_shares": 0}

        rows.write_status(database, self_check="blocked", status_lamp="red", block_reasons=["orphan_hedge"])
        red = events.until("status", lambda data: data["status_lamp"] == "red")
        assert red["block_reasons"] == ["orphan_hedge"]


@integration
def test_only_changed_prices_are_sent_again(served: Served, database: Database) -> None:
    rows.write_account(database)
    rows.write_running_desk(database)
    with served.stream("/stream") as events:
        events.until("prices", lambda data: sum(len(account["positions"]) for account in data["accounts"]) == 3)
        database.query("UPDATE instrument_prices SET bid = 5.7, mid = 5.75 WHERE contract_key = %s", rows.CALL)
        changed = events.until("prices")
        assert_event("prices", changed)
        assert changed["full"] is False
        (position,) = changed["accounts"][0]["positions"]
        assert (position["contract_key"], position["price"]) == (rows.CALL, 5.75)
        database.query("DELETE FROM account_positions WHERE contract_key = %s", rows.PUT)
        gone = events.until("prices", lambda data: bool(data["removed"]))
        assert gone["removed"] == [{"account_id": rows.ACCOUNT, "contract_key": rows.PUT}]


@integration
def test_a_client_resumes_at_another_monitor(served: Served, make_monitor: MakeMonitor, database: Database) -> None:
    """What came while nobody listened follows, each once, in order; nothing before the id comes again."""
    rows.write_operation(database, AT, "hedge_intent", order_ref="BF1")
    wait_until(lambda: _mark(served) >= 1, 10, what="the first operation")
    with served.stream("/stream") as events:
        events.until("prices")
        seen = events.last_id
    assert seen is not None and Marks.parse(seen).operation == 1
    for kind in ("order_sent", "fill"):
        rows.write_operation(database, AT, kind, order_ref="BF1")
    write_decision(database, "spread_too_wide")
    database.query("INSERT INTO daemon_control (command) VALUES ('stop')")
    with serving(make_monitor(started=False)) as other, other.stream("/stream", **{"Last-Event-ID": seen}) as events:
        assert [events.until("operation")["type"] for _ in range(2)] == ["order_sent", "fill"]
        assert events.until("decision")["block_reason"] == "spread_too_wide"
        assert events.until("control")["command"] == "stop"
        rows.write_operation(database, AT, "cancel", order_ref="BF1")
        assert events.until("operation")["type"] == "cancel"
        assert events.last_id is not None and Marks.parse(events.last_id).operation == 4


def _mark(served: Served) -> int:
    marks = served.monitor.client.app.state.services.streams._marks  # type: ignore[attr-defined]
    return marks.operation if marks else 0


@integration
def test_a_gap_too_large_is_told_and_not_sent(served: Served, database: Database) -> None:
    database.query("INSERT INTO operations (ts, type) SELECT %s::timestamptz, 'fill' FROM generate_series(1, 1001)", AT)
    with served.stream("/stream", **{"Last-Event-ID": "0-0-0"}) as events:
        reset = events.until("reset")
        assert_event("reset", reset)
        assert "1000" in reset["reason"]


@integration
@pytest.mark.parametrize("text", ["x", "1-2", "1-2-3-4", "-1-2-3", "1-2-99999999999999999999", "١-2-3"])
def test_a_foreign_event_id_is_refused(monitor: Any, text: str) -> None:
    answer = monitor.get("/stream", headers={"Last-Event-ID": text.encode()})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


@integration
def test_two_hundred_idle_clients_cost_no_thread_and_are_let_go(served: Served, database: Database) -> None:
    """All are served, requests besides are answered, and a client that goes is forgotten."""
    rows.write_running_desk(database)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(
            httpx.Client(base_url=served.url, timeout=30, trust_env=False, limits=httpx.Limits(max_connections=210))
        )
        answers = [stack.enter_context(client.stream("GET", "/stream")) for _ in range(200)]
        assert {answer.status_code for answer in answers} == {200}
        wait_until(lambda: _count(client) == 200, 20, what="200 streams")
        assert client.get("/operations").status_code == 200
    with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
        wait_until(lambda: _count(client) == 0, 30, what="no stream")


def _count(client: httpx.Client) -> int:
    lines = client.get("/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("bifrost_monitor_streams ")).split()[1]))


@integration
def test_more_streams_than_allowed_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bifrost_monitor.streams.MAX_CLIENTS", 1)
    with served.stream("/stream") as first:
        first.until("status")
        with served.stream("/stream") as second:
            assert second.answer.status_code == 429
            assert second.answer.headers["retry-after"]


@integration
def test_a_client_that_does_not_read_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is bounded; it comes back with the id of what it last read."""
    streams = served.monitor.client.app.state.services.streams  # type: ignore[attr-defined]
    with served.stream("/stream") as events:
        events.until("prices")
        (client,) = streams._clients
        client.queue._maxsize = 1
        streams._loop.call_soon_threadsafe(lambda: [streams._broadcast(b"event: x\ndata: {}\n\n") for _ in range(5)])
        with pytest.raises(AssertionError, match="the stream ended"):
            events.until("never")
        assert client.lost


def test_marks_are_text_and_back() -> None:
    marks = Marks(17, 204, 1774017840500000)
    assert Marks.parse(str(marks)) == marks
    assert marks.with_row("operation", {"id": 12}) == marks
    assert marks.with_row("decision", {"id": 205}).decision == 205


def test_a_status_that_only_aged_is_no_news() -> None:
    told: dict[str, Any] = {
        "read_at": "a",
        "one_line": "ok",
        "checks": [{"name": "heartbeat", "observed": 1.0}, {"name": "spread", "observed": 0.1}],
        "daemon_heartbeat": {"age_s": 1.0, "daemon_alive": True},
    }
    aged: dict[str, Any] = {
        **told,
        "read_at": "b",
        "checks": [{"name": "heartbeat", "observed": 2.0}, {"name": "spread", "observed": 0.1}],
        "daemon_heartbeat": {"age_s": 2.0, "daemon_alive": True},
    }
    assert lasting(told) == lasting(aged)
    changes: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        lambda status: {**status, "one_line": "red"},
        lambda status: {**status, "daemon_heartbeat": {"age_s": 2.0, "daemon_alive": False}},
        lambda status: {**status, "checks": [{"name": "spread", "observed": 0.2}]},
    ]
    assert all(lasting(change(aged)) != lasting(told) for change in changes)


def test_an_empty_book_has_nothing_to_say() -> None:
    assert PriceBook().full() == {
        "full": True,
        "accounts_fetched_at": None,
        "accounts": [],
        "removed": [],
        "removed_accounts": [],
    }
