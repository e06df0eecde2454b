"""schemathesis over the OpenAPI document: no 5xx, and no answer that the document does not describe.

Streams do not end and are tested by themselves (test_stream.py, test_log_follow.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from bifrost.db import DatabaseUnavailable
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.monitor import rows, test_figures_api, test_notifications, test_receipts
from tests.monitor.conftest import TOKEN, MakeMonitor, Served, serving
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
CONTRACT = Path(__file__).parents[1] / "contract" / "openapi.json"
CHECKS = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
EXAMPLES = 12
"""For each operation; a difference of shape shows in the first few."""


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(CONTRACT.read_text(encoding="utf-8")))
    return [found.ok() for found in schema.get_all_operations() if found.ok().path != "/stream"]


def write_everything(database: Database) -> None:
    """A row of everything, so that answers have something to be wrong about."""
    rows.write_running_desk(database)
    rows.write_account(database)
    test_receipts.write_order(database)
    test_receipts.write_decision(database, 0, "hedge", order_ref=test_receipts.REF)
    test_receipts.write_decision(database, 1, "blocked", block_reason="cooldown")
    test_receipts.write_history(database, 0)
    test_figures_api.write_days(database, 1.0, 2.0)
    test_notifications.write_alert(database, "warning", "pin_risk")
    database.query("INSERT INTO daemon_control (command, args) VALUES ('flatten', '{\"force\": true}')")


def test_no_answer_is_outside_the_document(make_monitor: MakeMonitor, database: Database) -> None:
    """Every operation with what its schema allows and with what it does not, by somebody who may change things."""
    write_everything(database)
    monitor = make_monitor(started=False, BIFROST_MONITOR__CONTROL_POSTS_PER_MINUTE="1000000")
    failures: dict[str, str] = {}
    with serving(monitor) as served:
        assert monitor.keeper.wait_for(lambda view: view.error is None, 10)
        for operation in operations():
            try:
                _asked(operation, served)
            except (Exception, ExceptionGroup) as error:
                failures[operation.label] = str(error)[:2000]
    assert not failures, "\n\n".join(f"{label}\n{told}" for label, told in failures.items())


def _asked(operation: Any, served: Served) -> None:
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]

    @given(case=one_of(*strategies))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {TOKEN}"}
        if case.path.startswith("/logs"):
            # Lines without end are for test_log_follow.py.
            case.query = {name: value for name, value in (case.query or {}).items() if name != "follow"}
        case.call_and_validate(base_url=served.url, checks=CHECKS)

    ask()


def test_no_answer_is_outside_the_document_without_the_database(
    make_monitor: MakeMonitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with a reason from whatever needs it; the rest goes on."""
    monitor = make_monitor()
    services = monitor.client.app.state.services  # type: ignore[attr-defined]

    def down() -> Any:
        raise DatabaseUnavailable("the server is gone")

    monkeypatch.setattr(services.pool, "_take", down)
    needs = {
        "/operations", "/history", "/decisions", "/decisions/1", "/orders/BF1", "/alerts", "/control", "/control/1",
        "/stats", "/attribution", "/backtests", "/backtests/7d0fd0f4-6c0c-4b42-9d5c-2a0f4e2d6f11",
        "/backtests/7d0fd0f4-6c0c-4b42-9d5c-2a0f4e2d6f11/ticks", "/backtests/jobs", "/backtests/jobs/1",
    }  # fmt: skip
    for path in sorted(needs):
        answer = monitor.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (503, "the server is gone"), path
    for path, body in (("/control/stop", {}), ("/config/ib", {"ib_host": "tws", "ib_port_type": "gateway"})):
        assert monitor.post(path, body).status_code == 503
    for path in ("/status", "/session", "/livez", "/metrics", "/simulator", "/notifications", "/openapi.json"):
        assert monitor.get(path).status_code == 200, path


MUTATING = [
    (method.upper(), path)
    for path, methods in json.loads(CONTRACT.read_text(encoding="utf-8"))["paths"].items()
    for method in methods
    if method != "get" and path != "/session"
]


@pytest.mark.parametrize(("method", "path"), MUTATING, ids=str)
def test_every_call_that_changes_something_needs_the_token(
    make_monitor: MakeMonitor, database: Database, method: str, path: str
) -> None:
    """Without it, with a wrong one, from a foreign page with the cookie, under a foreign name: nothing happens."""
    monitor = make_monitor()
    told = path.format(command="stop", name="gap", job_id=1)
    body = {"ib_host": "tws", "ib_port_type": "gateway"} if path == "/config/ib" else {}

    def ask(**headers: str) -> int:
        return monitor.client.request(method, told, json=body, headers=headers).status_code

    assert ask() == 401
    assert ask(Authorization="Bearer wrong") == 401
    assert ask(Authorization=f"Basic {TOKEN}") == 401
    assert ask(**monitor.bearer, Host="evil.example") == 400
    monitor.get(f"/?token={TOKEN}")
    assert ask(**{"Sec-Fetch-Site": "cross-site"}) == 403
    assert ask(Origin="http://127.0.0.1:9") == 403
    assert monitor.client.request(method, told, content=b"x" * 70_000, headers=monitor.bearer).status_code == 413
    assert database.value("SELECT count(*) FROM daemon_control") + database.value("SELECT count(*) FROM settings") == 0
    # With the right one each is heard; the desk of this test has neither simulator nor channel nor backtest.
    assert ask(**monitor.bearer) in (200, 202, 404, 409, 422)
    assert ask(**{"Sec-Fetch-Site": "same-origin"}) in (200, 202, 404, 409, 422)


def test_nothing_that_changes_something_is_missed() -> None:
    assert len(MUTATING) == 9, MUTATING
