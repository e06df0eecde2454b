"""POST /control/{command}, GET /control/{id}, POST /config/ib against a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bifrost.control import ARGUMENTS, Command

from tests.monitor import rows
from tests.monitor.conftest import MakeMonitor, Monitor
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "control.schema.json").read_text(encoding="utf-8"))
BODIES: dict[str, dict[str, Any]] = {
    "flatten": {"target": "delta", "force": True},
    "adopt_leg": {"contract_key": rows.CALL},
    "release_leg": {"contract_key": rows.PUT},
    "accept_positions": {"expected": {rows.STOCK: -180.0, rows.CALL: 10.0}},
    "resolve_order": {"order_ref": "BFAAAAAAAAAAAAAAAAAAAA", "outcome": "partial", "quantity": 30, "price": 141.2},
    "set_heartbeat_interval": {"seconds": 20},
}


def assert_shape(name: str, value: object) -> None:
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("command", list(Command))
def test_every_command_is_written_as_the_engine_reads_it(
    command: Command, make_monitor: MakeMonitor, database: Database
) -> None:
    """The body fits the contract's schema, the row carries command, arguments and who asked."""
    body = BODIES.get(command, {})
    assert_shape(f"bodies/properties/{command}", body)
    answer = make_monitor().post(f"/control/{command}", body)
    assert answer.status_code == 202, answer.text
    assert_shape("accepted_answer", answer.json())
    (row,) = database.query("SELECT command, args, status, requested_by FROM daemon_control")
    assert (row[0], row[2], row[3]) == (command, "pending", "token@127.0.0.1")
    assert ARGUMENTS[command].model_validate(row[1]) == ARGUMENTS[command].model_validate(body)


def test_a_command_is_followed_to_its_end(monitor: Monitor, database: Database) -> None:
    """pending → done with the engine's result; never sent twice by asking."""
    command_id = monitor.post("/control/flatten").json()["id"]
    pending = monitor.get(f"/control/{command_id}").json()
    assert_shape("command_state", pending)
    assert (pending["status"], pending["args"]) == ("pending", {"target": "zero", "force": False})
    rows.finish_command(database, command_id, "done", {"traded_shares": -180})
    done = monitor.get(f"/control/{command_id}").json()
    assert_shape("command_state", done)
    assert (done["status"], done["result"]) == ("done", {"traded_shares": -180})
    assert monitor.get("/control").json()["commands"][0]["id"] == command_id


def test_a_command_written_by_psql_can_be_read_too(monitor: Monitor, database: Database) -> None:
    database.query("INSERT INTO daemon_control (command, args) VALUES ('dance', '[1]')")
    answer = monitor.get("/control/1").json()
    assert_shape("command_state", answer)
    assert (answer["command"], answer["args"]) == ("dance", {"value": [1]})


def test_suspend_and_resume_change_the_run_status_with_the_command(monitor: Monitor, database: Database) -> None:
    monitor.post("/control/suspend")
    assert monitor.status_when(lambda told: told["trading_suspended"] is True, "suspended")
    monitor.post("/control/resume")
    assert monitor.status_when(lambda told: told["trading_suspended"] is False, "resumed")
    assert database.query("SELECT command FROM daemon_control ORDER BY id") == [("suspend",), ("resume",)]


def test_heartbeat_interval_changes_the_liveness_limit(monitor: Monitor, database: Database) -> None:
    """The limit follows the interval that the engine may take up next."""
    rows.write_running_desk(database)
    monitor.post("/control/set_heartbeat_interval", {"seconds": 30})
    monitor.status_when(lambda told: told["daemon_heartbeat"]["limit_s"] == 95, "3 × 30 + 5")


def test_the_same_key_and_body_is_the_same_command(monitor: Monitor, database: Database) -> None:
    """INV-K1."""
    first = monitor.post("/control/flatten", {"target": "zero"}, **{"Idempotency-Key": "k1"})
    again = monitor.post("/control/flatten", {}, **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert_shape("accepted_answer", again.json())
    assert (again.json()["id"], again.json()["created"]) == (first.json()["id"], False)
    for command, body in (("flatten", {"force": True}), ("stop", {})):
        refused = monitor.post(f"/control/{command}", body, **{"Idempotency-Key": "k1"})
        assert refused.status_code == 409
        assert_shape("error", refused.json())
        assert refused.json()["id"] == first.json()["id"]
    assert database.value("SELECT count(*) FROM daemon_control") == 1


@pytest.mark.parametrize(
    ("command", "body", "status", "part"),
    [
        ("flaten", {}, 404, "did you mean 'flatten'"),
        ("stop", {"now": True}, 422, "unknown argument 'now'"),
        ("flatten", {"target": "moon"}, 422, "moon"),
        ("flatten", {"force": "yes"}, 422, "force = 'yes'"),
        ("adopt_leg", {}, 422, "contract_key"),
        ("adopt_leg", {"contract_key": "NVDA|STK|||"}, 422, "no option"),
        ("set_heartbeat_interval", {"seconds": 4}, 422, "seconds = 4"),
        ("set_heartbeat_interval", {"seconds": 121}, 422, "seconds = 121"),
        ("resolve_order", {"order_ref": "x", "outcome": "filled"}, 422, "needs quantity"),
        ("stop", [1], 422, "JSON object"),
    ],
)
def test_bad_commands_are_refused_with_words(
    monitor: Monitor, database: Database, command: str, body: object, status: int, part: str
) -> None:
    answer = monitor.post(f"/control/{command}", body)
    assert answer.status_code == status
    assert_shape("error", answer.json())
    assert part in answer.json()["reason"]
    assert database.value("SELECT count(*) FROM daemon_control") == 0


def test_unknown_command_id_and_broken_json(monitor: Monitor) -> None:
    assert monitor.get("/control/99").status_code == 404
    assert monitor.get("/control/abc").status_code == 422
    broken = monitor.client.post("/control/stop", content=b"{oops", headers=monitor.bearer)
    assert (broken.status_code, broken.json()["error"]) == (422, "invalid")


def test_ib_address_is_saved_and_shown(monitor: Monitor, database: Database) -> None:
    answer = monitor.post("/config/ib", {"ib_host": "192.168.1.20", "ib_port_type": "gateway"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["ib_config"]["port"] == 4002
    assert database.query("SELECT ib_host, ib_port_type, updated_by FROM settings") == [
        ("192.168.1.20", "gateway", "token@127.0.0.1")
    ]
    shown = monitor.status_when(lambda told: told["ib_config"]["source"] == "settings", "the saved address")
    assert shown["ib_config"]["ib_host"] == "192.168.1.20"


@pytest.mark.parametrize(
    "body",
    [
        {"ib_host": "", "ib_port_type": "gateway"},
        {"ib_host": "http://tws", "ib_port_type": "gateway"},
        {"ib_host": "tws:7497", "ib_port_type": "gateway"},
        {"ib_host": "999.1.1.1", "ib_port_type": "gateway"},
        {"ib_host": "a b", "ib_port_type": "gateway"},
        {"ib_host": 7, "ib_port_type": "gateway"},
        {"ib_host": "tws", "ib_port_type": "7497"},
        {"ib_host": "tws"},
        {"ib_port_type": "gateway"},
        {"ib_host": "tws", "ib_port_type": "gateway", "port": 1},
    ],
)
def test_invalid_addresses_are_422_and_never_replaced(monitor: Monitor, database: Database, body: object) -> None:
    answer = monitor.post("/config/ib", body)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert database.value("SELECT count(*) FROM settings") == 0


@pytest.mark.parametrize("port_type", ["tws_live", "gateway_live"])
def test_live_ports_need_confirm(monitor: Monitor, database: Database, port_type: str) -> None:
    body: dict[str, object] = {"ib_host": "tws.lan", "ib_port_type": port_type}
    assert monitor.post("/config/ib", body).json()["error"] == "confirm_required"
    assert database.value("SELECT count(*) FROM settings") == 0
    assert monitor.post("/config/ib", {**body, "confirm": True}).status_code == 200
    assert database.value("SELECT ib_port_type FROM settings") == port_type


def test_an_overridden_address_is_409_and_names_the_variable(make_monitor: MakeMonitor, database: Database) -> None:
    monitor = make_monitor(IB_PORT="4002")
    answer = monitor.post("/config/ib", {"ib_host": "tws", "ib_port_type": "gateway"})
    assert (answer.status_code, answer.json()["variable"]) == (409, "IB_PORT")
    assert "IB_PORT" in answer.json()["reason"]
    assert database.value("SELECT count(*) FROM settings") == 0
