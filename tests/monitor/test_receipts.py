"""Receipts: an order explains itself, and so does a hedge that was not sent; history as the chart asks for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bifrost_monitor.history import step_of
from bifrost_monitor.receipts import gates_of

from tests.monitor import rows
from tests.monitor.conftest import Monitor
from tests.support.postgres import Database

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text(encoding="utf-8"))
integration = pytest.mark.integration
REF = "BFAAAAAAAAAAAAAAAAAAAA"
AT = datetime(2026, 3, 20, 15, 4, 5, tzinfo=UTC)
GATES = [
    {"name": "cooldown", "passed": True, "observed": 61.0, "limit": 60, "reason": "ok", "kind": "pacing"},
    {"name": "spread_too_wide", "passed": False, "observed": 0.3, "limit": 0.2, "reason": "0.3 % is above 0.2 %"},
]


def assert_shape(model: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{model}", "components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def write_order(database: Database) -> None:
    """An order of 30 shares: acknowledged after 40 ms, filled in two parts, the second corrected, one commission."""
    context = {"dimensions": "O1 D2 M1 L0 E0 S0", "spot": 141.2, "bid": 141.19, "ask": 141.21, "mid": 141.2,
               "net_delta": 30.4, "option_delta": 210.4, "gamma": 12.0, "need_shares": -30, "forced": False,
               "data_lag_ms": 12.0, "legs": [{"contract_key": rows.CALL, "quantity": 10, "delta": 0.55,
               "iv_annual": 0.42, "iv_source": "ib", "iv_age_s": 3.0}]}  # fmt: skip
    database.query(
        "INSERT INTO order_intents (order_ref, decision_seq, account, mode, contract_key, side, quantity, order_type, "
        "purpose, reason, gates, context, epoch, ts, created_at, state) VALUES (%s, 7, 'DU1', 'live', %s, "
        "'SELL', 30, 'market', 'hedge', 'D2', %s, %s, 3, %s, %s, 'filled')",
        REF, rows.STOCK, json.dumps(GATES[:1]), json.dumps(context), AT, AT,
    )  # fmt: skip
    statuses = [("PreSubmitted", 0, 30, 40), ("Submitted", 10, 20, 90), ("Filled", 30, 0, 150)]
    history = [
        {"status": status, "filled": filled, "remaining": remaining, "market": AT.isoformat(),
         "wall": (AT + timedelta(milliseconds=after_ms)).isoformat()}
        for status, filled, remaining, after_ms in statuses
    ]  # fmt: skip
    database.query(
        "INSERT INTO orders (order_ref, perm_id, order_id, client_id, account, mode, contract_key, side, quantity, "
        "order_type, status, filled, remaining, avg_fill_price, status_history) VALUES (%s, 900, 12, 1, 'DU1', 'live', "
        "%s, 'SELL', 30, 'MKT', 'Filled', 30, 0, 141.18, %s)",
        REF, rows.STOCK, json.dumps(history),
    )  # fmt: skip
    for exec_id, quantity, price, replaces in (
        ("e1.01", 10, 141.19, None), ("e2.01", 20, 141.10, None), ("e2.02", 20, 141.18, "e2.01"),
    ):  # fmt: skip
        database.query(
            "INSERT INTO executions (exec_id, order_ref, account, mode, contract_key, side, quantity, price, "
            "exec_time, mid_at_decision, replaces_exec_id) "
            "VALUES (%s, %s, 'DU1', 'live', %s, 'SELL', %s, %s, %s, 141.2, %s)",
            exec_id, REF, rows.STOCK, quantity, price, AT, replaces,
        )  # fmt: skip
    database.query("INSERT INTO execution_costs (exec_id, commission, currency) VALUES ('e1.01', 1.0, 'USD')")
    for kind in ("hedge_intent", "order_sent", "fill"):
        rows.write_operation(database, AT.isoformat(), kind, order_ref=REF)


def write_decision(database: Database, second: int, outcome: str, **columns: Any) -> int:
    row = {"account": "DU1", "mode": "live", "need_shares": -30, "gates": json.dumps(GATES), **columns}
    found = database.query(
        f"INSERT INTO decisions (ts, outcome, {', '.join(row)}) VALUES (%s, %s, {', '.join(['%s'] * len(row))}) "
        "RETURNING id",
        AT + timedelta(seconds=second),
        outcome,
        *row.values(),
    )
    return int(found[0][0])


@integration
def test_an_order_explains_itself(monitor: Monitor, database: Database) -> None:
    """Gates with observed value and limit, greeks, quote, latency, the broker's words, fills, commission."""
    write_order(database)
    decision_id = write_decision(database, 0, "hedge", order_ref=REF)
    receipt = monitor.get(f"/orders/{REF}").json()
    assert_shape("OrderReceipt", receipt)
    assert receipt["gates"][0]["observed"] == 61.0 and receipt["gates"][0]["limit"] == 60
    assert receipt["greeks"]["legs"][0]["iv_source"] == "ib" and receipt["greeks"]["net_delta"] == 30.4
    assert receipt["quote"] == {"spot": 141.2, "bid": 141.19, "ask": 141.21, "mid": 141.2, "data_lag_ms": 12.0}
    assert receipt["latency"] == {"to_acknowledged_ms": 40.0, "to_first_fill_ms": 90.0, "to_done_ms": 150.0}
    assert [message["status"] for message in receipt["broker"]["messages"]] == ["PreSubmitted", "Submitted", "Filled"]
    assert {fill["exec_id"]: fill["counts"] for fill in receipt["fills"]} == {
        "e1.01": True, "e2.01": False, "e2.02": True,
    }  # fmt: skip
    totals = receipt["totals"]
    assert (totals["filled"], totals["commission"], totals["commission_pending"]) == (30, 1.0, 1)
    # 10 · 0.01 + 20 · 0.02 dollars worse than mid; the superseded fill counts nowhere.
    assert totals["slippage_usd"] == pytest.approx(0.5)
    assert totals["avg_price"] == pytest.approx((10 * 141.19 + 20 * 141.18) / 30)
    assert len(receipt["operations"]) == 3 and receipt["decision_id"] == decision_id
    assert receipt["text"].startswith("Sell 30 NVDA at market: filled, 30 filled at 141.1833")


@integration
def test_a_decision_leads_to_its_order(monitor: Monitor, database: Database) -> None:
    write_order(database)
    decision_id = write_decision(database, 0, "hedge", order_ref=REF)
    receipt = monitor.get(f"/decisions/{decision_id}").json()
    assert_shape("DecisionReceipt", receipt)
    assert receipt["order"]["order_ref"] == REF
    assert receipt["text"] == "A hedge was sent: sell 30 shares."


@integration
def test_a_hedge_that_was_not_sent_explains_itself(monitor: Monitor, database: Database) -> None:
    """The reason in words, until when it stood, and how often it came up in its minute."""
    before = write_decision(database, 0, "none", need_shares=0, gates="[]")
    blocked = write_decision(database, 1, "blocked", block_reason="spread_too_wide")
    write_decision(database, 2, "blocked", block_reason="cooldown", account="DU2")
    after = write_decision(database, 3, "none", need_shares=0, gates="[]")
    database.query(
        "INSERT INTO decision_counts (account, mode, minute, reason, count, epoch) VALUES "
        "('DU1', 'live', date_trunc('minute', %s::timestamptz), 'blocked:spread_too_wide', 12, 3), "
        "('DU1', 'live', date_trunc('minute', %s::timestamptz), 'blocked:spread_too_wide', 5, 4)",
        AT,
        AT,
    )
    receipt = monitor.get(f"/decisions/{blocked}").json()
    assert_shape("DecisionReceipt", receipt)
    assert receipt["text"] == "Nothing was sent (sell 30 shares): spread_too_wide, 0.3 % is above 0.2 %."
    assert (receipt["previous_decision_id"], receipt["next_decision_id"]) == (before, after)
    assert receipt["until_ts"] == "2026-03-20T15:04:08Z"
    assert receipt["counts"] == [{"reason": "blocked:spread_too_wide", "count": 17}]
    assert receipt["order"] is None
    assert monitor.get(f"/decisions/{after}").json()["text"] == "Nothing was sent: no hedge is needed."


@integration
def test_an_order_of_which_little_is_known(monitor: Monitor, database: Database) -> None:
    """Only its operations, as after a database was lost: the receipt says what is missing, and is no error."""
    rows.write_operation(database, AT.isoformat(), "fill", order_ref="BFLOST")
    receipt = monitor.get("/orders/BFLOST").json()
    assert_shape("OrderReceipt", receipt)
    assert (receipt["intent"], receipt["broker"], receipt["totals"]["filled"]) == (None, None, 0)
    assert monitor.get("/orders/BFNONE").json()["error"] == "not_found"
    assert monitor.get("/orders/a b").status_code == 422


def test_gates_as_anybody_may_have_written_them() -> None:
    """psql and older engines: what is no gate is left out, what lacks a key gets it."""
    shaped = gates_of([{"name": "a"}, {"passed": True}, 7, {"name": "b", "passed": 1, "observed": [1], "kind": "?"}])
    assert [(gate["name"], gate["passed"], gate["observed"], gate["kind"]) for gate in shaped] == [
        ("a", False, None, "blocking"),
        ("b", True, "[1]", "blocking"),
    ]
    assert gates_of({"name": "a"}) == []


# ---------------------------------------------------------------- history


def write_history(database: Database, second: int, **columns: Any) -> None:
    row = {"spot": 141.0, "net_delta": 0.0, "daily_pnl": 0.0, "trading_state": "MONITOR", **columns}
    database.query(
        f"INSERT INTO status_history (ts, {', '.join(row)}) VALUES (%s, {', '.join(['%s'] * len(row))})",
        AT + timedelta(seconds=second),
        *row.values(),
    )


@integration
def test_history_is_downsampled_here_and_keeps_the_spikes(monitor: Monitor, database: Database) -> None:
    for second, delta in enumerate((0.0, 80.0, -90.0, 5.0, 6.0, 7.0)):
        write_history(database, second, net_delta=delta, spot=141.0 + second / 100)
    answer = monitor.get("/history", params={"from": AT.isoformat(), "to": "2026-03-20T16:00:00Z", "step": 5}).json()
    assert_shape("HistoryAnswer", answer)
    first, second = answer["points"]
    assert (first["rows"], first["net_delta"], first["net_delta_low"], first["net_delta_high"]) == (5, 6.0, -90.0, 80.0)
    assert (second["rows"], second["ts"], second["spot"]) == (1, "2026-03-20T15:04:10Z", 141.05)


@integration
def test_history_without_a_span_is_the_newest_day(monitor: Monitor, database: Database) -> None:
    assert monitor.get("/history").json()["points"] == []
    write_history(database, -86_400)
    write_history(database, 0)
    answer = monitor.get("/history").json()
    assert_shape("HistoryAnswer", answer)
    assert (answer["from_ts"], len(answer["points"])) == ("2026-03-20T04:00:00Z", 1)


@integration
def test_history_never_answers_more_than_asked(monitor: Monitor, database: Database) -> None:
    database.query(
        "INSERT INTO status_history (ts, spot) SELECT %s::timestamptz + n * interval '1 second', n "
        "FROM generate_series(0, 4999) n",
        AT,
    )
    answer = monitor.get("/history", params={"from": AT.isoformat(), "step": 1, "limit": 100}).json()
    assert (answer["step_s"], len(answer["points"])) == (60.0, 84)
    assert sum(point["rows"] for point in answer["points"]) == 5000


@pytest.mark.parametrize(
    ("span_s", "wanted_s", "limit", "step_s"),
    [(0, None, 1000, 1.0), (23_400, None, 1000, 30.0), (23_400, 60, 1000, 60), (23_400, 1, 1000, 30.0),
     (86_400 * 365, None, 1000, 86_400.0), (86_400 * 365, None, 100, 4 * 86_400.0), (10, None, 1, 10.0)],
)  # fmt: skip
def test_steps_are_round_and_keep_the_limit(span_s: float, wanted_s: float | None, limit: int, step_s: float) -> None:
    assert step_of((AT, AT + timedelta(seconds=span_s)), wanted_s, limit) == step_s


@integration
def test_alerts_newest_first_by_severity(monitor: Monitor, database: Database) -> None:
    for second, severity in enumerate(("info", "critical", "warning")):
        database.query(
            "INSERT INTO alerts (ts, severity, code, message) VALUES (%s, %s, 'breaker', 'x')",
            AT + timedelta(seconds=second),
            severity,
        )
    answer = monitor.get("/alerts").json()
    assert_shape("AlertsPage", answer)
    assert [alert["severity"] for alert in answer["alerts"]] == ["warning", "critical", "info"]
    assert len(monitor.get("/alerts?severity=critical").json()["alerts"]) == 1
