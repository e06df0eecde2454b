"""The admin API, over HTTP without a socket."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from bifrost.clock import SimulatorMarketClock
from bifrost_simulator.admin import AdminContext, create_admin
from bifrost_simulator.api import Direction

from tests.simulator.world_support import ACCOUNT, CLIENT, Stage, scenario_file


class Admin:
    """Requests to the admin application of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._app = create_admin(AdminContext(stage.world, stage.scenario, lambda: (1, 2)))

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
                return await client.request(method, path, json=body if method != "GET" else None)

        return asyncio.run(call())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    positions = [{"contract_key": "NVDA|OPT|+28d|atm|C", "quantity": 3}]
    accounts = [{"id": ACCOUNT, "cash": 500_000, "positions": positions}]
    return Stage(scenario_file(tmp_path, accounts=accounts), tmp_path / "state")


@pytest.fixture
def admin(stage: Stage) -> Admin:
    return Admin(stage)


def test_state_shows_the_world(stage: Stage, admin: Admin) -> None:
    stage.order(1, "BUY", 100, 100.0, order_ref="BFA")
    state = admin.ask("GET", "/state").json()
    (account,) = state["accounts"]
    assert account["id"] == ACCOUNT and account["cash"] == 500_000
    assert float(account["values"]["NetLiquidation"]) > 500_000
    (position,) = account["positions"]
    assert position["contract_key"] == "NVDA|OPT|20260605|140|C" and position["quantity"] == 3
    assert position["avg_cost"] == pytest.approx(position["mark"] * 100, rel=0.1)
    (order,) = state["open_orders"]
    assert (order["order_ref"], order["status"], order["remaining"]) == ("BFA", "Submitted", 100)
    assert state["clock"] == {**state["clock"], "speed": 1.0, "paused": False, "always_open": True}
    assert state["clock"]["market"].startswith("2026-05-07T14:00:00") and state["clock"]["market"].endswith("Z")
    assert state["clock"]["scenario_over"] is False
    assert state["scenario"]["hash"] == stage.scenario.hash == state["clock"]["scenario_hash"]
    assert state["sessions"] == [1, 2]


def test_the_clock_answer_is_read_by_the_market_clock_of_the_desk(admin: Admin) -> None:
    clock = SimulatorMarketClock("http://simulator")
    clock.take(admin.ask("GET", "/clock").json(), read_at=time.monotonic())
    now = clock.now()
    assert now is not None and now.isoformat().startswith("2026-05-07T14:00:0")


def test_the_clock_is_moved_paused_and_sped_up(stage: Stage, admin: Admin) -> None:
    answer = admin.ask("POST", "/clock", paused=True, speed=60, step_s=3600).json()
    assert answer["paused"] is True and answer["speed"] == 60
    assert answer["market"].startswith("2026-05-07T15:00:00")
    stage.live(5.0)
    assert admin.ask("GET", "/clock").json()["market"].startswith("2026-05-07T15:00:00")
    assert admin.ask("POST", "/clock", set="2026-05-07T16:00:00Z").json()["market"].startswith("2026-05-07T16:00")
    for bad in ({"speed": 0}, {"set": "2020-01-01T00:00:00Z"}, {"set": "2026-05-08T00:00:00"}, {"rate": 2}):
        refusal = admin.ask("POST", "/clock", **bad)
        assert refusal.status_code == 422, bad
        assert str(next(iter(bad))) in refusal.text


def test_the_clock_survives_a_kill(stage: Stage, admin: Admin, tmp_path: Path) -> None:
    admin.ask("POST", "/clock", paused=True, step_s=7200)
    again = Stage(tmp_path / "scenario.yaml", tmp_path / "state")
    assert again.world.clock.paused and again.world.now().hour == 16


def test_faults_are_injected_listed_and_ended(stage: Stage, admin: Admin) -> None:
    assert admin.ask("POST", "/faults/quotes_stop", sec_type="STK").json()["name"] == "quotes_stop"
    listed = admin.ask("GET", "/faults").json()
    assert [fault["name"] for fault in listed["active"]] == ["quotes_stop"]
    assert "fraction" in listed["known"]["fill_partial"]["parameters"]["properties"]
    assert admin.ask("DELETE", "/faults/quotes_stop").json() == {"ended": 1}
    unknown = admin.ask("POST", "/faults/earthquake")
    assert unknown.status_code == 404 and "ack_lost" in unknown.json()["detail"]
    bad = admin.ask("POST", "/faults/fill_partial", fraction=3)
    assert bad.status_code == 422 and "fraction" in bad.json()["detail"]
    assert admin.ask("DELETE", "/faults/earthquake").status_code == 404


def test_the_human_trades(stage: Stage, admin: Admin) -> None:
    answer = admin.ask("POST", "/orders", contract_key="NVDA|STK|||", side="BUY", quantity=100)
    assert answer.status_code == 200 and answer.json()["client_id"] == 0
    stage.live(2.0)
    shares = [p for p in admin.ask("GET", "/state").json()["accounts"][0]["positions"] if "STK" in p["contract_key"]]
    assert shares[0]["quantity"] == 100
    for body, code in (
        ({"contract_key": "NVDA|STK|||", "side": "BUY", "quantity": 1e9}, 201),
        ({"contract_key": "NVDA|OPT|20260605|141|C", "side": "BUY", "quantity": 1}, 200),
        ({"contract_key": "nonsense", "side": "BUY", "quantity": 1}, 200),
    ):
        refusal = admin.ask("POST", "/orders", **body)
        assert refusal.status_code == 409 and refusal.json()["detail"]["code"] == code
    assert admin.ask("POST", "/orders", contract_key="NVDA|STK|||", side="KEEP", quantity=1).status_code == 422


def test_a_human_cancels_an_order_of_a_client(stage: Stage, admin: Admin) -> None:
    stage.order(1, "BUY", 100, 100.0)
    (order,) = admin.ask("GET", "/state").json()["open_orders"]
    answer = admin.ask("DELETE", f"/orders/{order['perm_id']}")
    assert answer.status_code == 200 and answer.json()["status"] == "Cancelled"
    assert stage.heard.statuses[-1] == "Cancelled" and stage.heard.errors == [202], "the client hears of it"
    again = admin.ask("DELETE", f"/orders/{order['perm_id']}")
    assert again.status_code == 409 and again.json()["detail"]["code"] == 10148
    assert admin.ask("DELETE", "/orders/77").json()["detail"]["code"] == 10147


def test_the_journal_is_filtered(stage: Stage, admin: Admin) -> None:
    journal = stage.world.journal
    journal.record(Direction.FROM_CLIENT, CLIENT, "placeOrder", {"orderRef": "BFA"})
    journal.record(Direction.TO_CLIENT, CLIENT, "tickPrice", {"price": 1.0})
    journal.record(Direction.TO_CLIENT, 2, "execDetails", {"execId": "e"})
    answer = admin.ask("GET", "/journal").json()
    assert [entry["message"] for entry in answer["entries"]] == ["placeOrder", "execDetails"]
    assert answer["entries"][0]["fields"] == {"orderRef": "BFA"} and answer["entries"][0]["direction"] == "in"
    assert answer["last_seq"] == 3
    assert len(admin.ask("GET", "/journal?ticks=true").json()["entries"]) == 3
    assert [e["seq"] for e in admin.ask("GET", "/journal?client_id=2").json()["entries"]] == [3]
    assert [e["seq"] for e in admin.ask("GET", "/journal?since=1&message=execDetails").json()["entries"]] == [3]
    assert admin.ask("GET", "/journal?limit=0").status_code == 422


def test_metrics_and_livez(stage: Stage, admin: Admin) -> None:
    stage.world.journal.record(Direction.FROM_CLIENT, CLIENT, "placeOrder", {})
    text = admin.ask("GET", "/metrics").text
    assert 'bifrost_simulator_messages_total{direction="in",message="placeOrder"} 1.0' in text
    assert f'bifrost_simulator_equity_usd{{account="{ACCOUNT}"}}' in text
    assert admin.ask("GET", "/livez").json() == {"status": "ok"}
