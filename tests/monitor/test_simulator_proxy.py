"""The Simulator page's routes: they pass on what the admin API says, and nothing without a simulator or a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from bifrost_monitor.simulator import SimulatorClient
from bifrost_simulator.admin import AdminContext, create_admin

from tests.monitor.conftest import MakeMonitor, Monitor
from tests.simulator.world_support import ACCOUNT, Stage, scenario_file
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text(encoding="utf-8"))
CLOCK = {
    "market": "2026-05-07T14:00:00Z", "wall": "2026-11-28T16:00:00Z", "speed": 1.0, "paused": False,
    "always_open": True, "scenario_over": False, "scenario_hash": "a1b2",
}  # fmt: skip
STATE = {
    "accounts": [], "open_orders": [], "clock": CLOCK, "faults": [], "sessions": [1],
    "scenario": {"name": "default", "hash": "a1b2", "market": "generated", "symbol": "NVDA"},
}  # fmt: skip


class Admin:
    """An admin API whose answers a test chooses, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(200, json=STATE)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.raw_path.decode(), body))
        return self.answer(request)


@pytest.fixture
def admin() -> Admin:
    return Admin()


@pytest.fixture
def monitor(make_monitor: MakeMonitor, admin: Admin) -> Iterator[Monitor]:
    """A monitor of a desk on a simulator."""
    made = make_monitor()
    client = SimulatorClient("http://127.0.0.1:4010", httpx.MockTransport(admin))
    object.__setattr__(made.client.app.state.services, "simulator", client)  # type: ignore[attr-defined]
    yield made
    client.close()


def assert_shape(model: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{model}", "components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_the_simulated_world_is_shown(monitor: Monitor) -> None:
    answer = monitor.get("/simulator")
    assert_shape("SimulatorAnswer", answer.json())
    assert answer.json()["running"] is True and answer.json()["state"]["clock"]["speed"] == 1.0


def test_clock_faults_and_orders_are_passed_on(monitor: Monitor, admin: Admin) -> None:
    admin.answer = lambda request: httpx.Response(200, json=CLOCK)
    assert monitor.post("/simulator/clock", {"speed": 10, "paused": True}).json() == CLOCK
    fault = {"name": "gap", "parameters": {"pct": -6}, "struck": 1, "ends_wall_s": None}
    admin.answer = lambda request: httpx.Response(200, json=fault)
    injected = monitor.post("/simulator/faults/gap", {"pct": -6})
    assert_shape("FaultInjected", injected.json())
    admin.answer = lambda request: httpx.Response(200, json={"ended": 1})
    assert monitor.client.delete("/simulator/faults/gap", headers=monitor.bearer).json() == {"ended": 1}
    known = {"gap": {"about": "The underlying jumps.", "parameters": {"type": "object"}}}
    admin.answer = lambda request: httpx.Response(200, json={"active": [fault], "known": known})
    faults = monitor.get("/simulator/faults").json()
    assert_shape("FaultsAnswer", faults)
    assert faults["known"][0]["name"] == "gap"
    admin.answer = lambda request: httpx.Response(200, json={"entries": [], "last_seq": 7})
    assert monitor.get("/simulator/journal?since=5&message=placeOrder").json()["last_seq"] == 7
    assert admin.asked == [
        ("POST", "/clock", {"speed": 10.0, "paused": True}),
        ("POST", "/faults/gap", {"pct": -6}),
        ("DELETE", "/faults/gap", None),
        ("GET", "/faults", None),
        ("GET", "/journal?since=5&message=placeOrder&limit=200&ticks=false", None),
    ]


def test_what_the_simulator_refuses_is_said_in_its_words(monitor: Monitor, admin: Admin) -> None:
    order = {"contract_key": "NVDA|STK|||", "side": "BUY", "quantity": 10}
    for status, detail, error in (
        (404, "no fault 'x'", "not_found"),
        (422, "fraction = 2: above 1", "invalid"),
        (409, {"code": 201, "text": "no funds"}, "rejected"),
    ):
        answer = httpx.Response(status, json={"detail": detail})
        admin.answer = lambda request, told=answer: told  # type: ignore[misc]
        refused = monitor.post("/simulator/orders", order)
        assert (refused.status_code, refused.json()["error"]) == (status, error)
        assert (detail["text"] if isinstance(detail, dict) else detail) in refused.json()["reason"]
    for odd in (httpx.Response(500, text="oops"), httpx.Response(200, text="no json")):
        admin.answer = lambda request, told=odd: told  # type: ignore[misc]
        assert monitor.post("/simulator/orders", order).status_code == 502


def test_wrong_bodies_do_not_reach_the_simulator(monitor: Monitor, admin: Admin) -> None:
    for path, body in (
        ("clock", {"speed": 0}),
        ("clock", {"set": "yesterday"}),
        ("clock", {"fast": True}),
        ("orders", {"contract_key": "NVDA|STK|||", "side": "HOLD", "quantity": 1}),
        ("faults/..%2Fclock", {}),
        ("faults/GAP", {}),
    ):
        assert monitor.post(f"/simulator/{path}", body).status_code in (404, 422), path
    assert admin.asked == []


def test_without_the_token_nothing_is_changed(monitor: Monitor, admin: Admin) -> None:
    for method, path in (
        ("POST", "/simulator/clock"),
        ("POST", "/simulator/faults/gap"),
        ("DELETE", "/simulator/faults/gap"),
        ("POST", "/simulator/orders"),
    ):
        assert monitor.client.request(method, path, json={}).status_code == 401
        wrong = monitor.client.request(method, path, json={}, headers={"Authorization": "Bearer no"})
        assert wrong.status_code == 401
    assert admin.asked == []


def test_a_simulator_that_does_not_answer(monitor: Monitor, admin: Admin) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    admin.answer = down
    told = monitor.get("/simulator").json()
    assert_shape("SimulatorAnswer", told)
    assert told["running"] is False and "connection refused" in told["reason"]
    assert monitor.get("/simulator/faults").json()["error"] == "simulator_unavailable"


def test_a_desk_on_a_real_gateway_has_no_simulator(make_monitor: MakeMonitor, database: Database) -> None:
    monitor = make_monitor()
    assert monitor.get("/simulator").json() == {
        "running": False, "reason": "this desk has no simulator: clock.source is not simulator", "state": None,
    }  # fmt: skip
    refused = monitor.post("/simulator/clock", {"paused": True})
    assert (refused.status_code, refused.json()["error"]) == (409, "no_simulator")


def test_the_simulator_itself_speaks_the_contract(monitor: Monitor, admin: Admin, tmp_path: Path) -> None:
    """Every route against the real admin application, in this process."""
    positions = [{"contract_key": "NVDA|OPT|+28d|atm|C", "quantity": 3}]
    accounts = [{"id": ACCOUNT, "cash": 500_000, "positions": positions}]
    stage = Stage(scenario_file(tmp_path, accounts=accounts), tmp_path / "state")
    application = create_admin(AdminContext(stage.world, stage.scenario, lambda: (1, 2)))

    def forward(request: httpx.Request) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
                answer = await client.request(
                    request.method, request.url, content=request.content, headers=request.headers
                )
                return httpx.Response(answer.status_code, content=answer.content)

        return asyncio.run(call())

    admin.answer = forward
    order = {"contract_key": "NVDA|STK|||", "side": "BUY", "quantity": 10, "order_type": "LMT", "limit_price": 1.0}
    for model, answer in (
        ("SimulatorOrder", monitor.post("/simulator/orders", order)),
        ("FaultInjected", monitor.post("/simulator/faults/spread_wide", {"factor": 5})),
        ("FaultsAnswer", monitor.get("/simulator/faults")),
        ("SimulatorAnswer", monitor.get("/simulator")),
        ("SimulatorClock", monitor.post("/simulator/clock", {"speed": 2.5, "paused": True})),
        ("JournalAnswer", monitor.get("/simulator/journal")),
        ("FaultEnded", monitor.client.delete("/simulator/faults/spread_wide", headers=monitor.bearer)),
    ):
        assert answer.status_code == 200, (model, answer.text)
        assert_shape(model, answer.json())
    assert monitor.post("/simulator/faults/nothing", {}).status_code == 404
    assert monitor.post("/simulator/faults/spread_wide", {"factor": -1}).status_code == 422
