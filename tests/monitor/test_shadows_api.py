"""GET /shadows: policies beside the engine, of the newest day that has any, read-only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.monitor.conftest import Monitor
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text(encoding="utf-8"))


def shadows(monitor: Monitor, query: str = "") -> dict[str, Any]:
    answer = monitor.get(f"/shadows{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    schema = {"$ref": "#/components/schemas/ShadowHedgers", "components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def put(database: Database, day: str, policy: str, slippage: float, mode: str = "live") -> None:
    database.query(
        "INSERT INTO shadow_hedgers (account, mode, trading_day, policy, since_ts, ts, shares, hedges, slippage_usd, "
        "commissions_usd, pnl_usd, book) VALUES ('DU1', %s, %s, %s, %s, %s, -10, 3, %s, 1.5, 12.25, '{}')",
        *(mode, day, policy, f"{day}T13:30:00Z", f"{day}T14:00:00Z", slippage),
    )


def test_the_newest_day_the_engine_first_then_by_cost(monitor: Monitor, database: Database) -> None:
    assert shadows(monitor) == {"day": None, "account": None, "mode": None, "hedgers": []}
    put(database, "2026-05-07", "every 15 minutes", 0.5)
    for policy, slippage in (("every 1 minutes", 9.0), ("the engine", 4.0), ("every 60 minutes", 0.25)):
        put(database, "2026-05-08", policy, slippage)
    put(database, "2026-05-08", "every 5 minutes", 1.0, mode="paper")
    found = shadows(monitor, "?mode=live")
    assert (found["day"], found["account"], found["mode"]) == ("2026-05-08", "DU1", "live")
    told = [(row["policy"], row["cost_usd"]) for row in found["hedgers"]]
    assert told == [("the engine", 5.5), ("every 60 minutes", 1.75), ("every 1 minutes", 10.5)]
    assert found["hedgers"][0]["since_ts"] == "2026-05-08T13:30:00Z"
    (only,) = shadows(monitor, "?day=2026-05-07")["hedgers"]
    assert (only["policy"], only["shares_traded"], only["std_by_minute_usd"]) == ("every 15 minutes", None, None)
    assert [row["policy"] for row in shadows(monitor, "?mode=paper")["hedgers"]] == ["every 5 minutes"]
    assert shadows(monitor, "?account=DU2")["hedgers"] == []


def test_a_question_that_is_none_is_told_so(monitor: Monitor) -> None:
    assert monitor.get("/shadows?day=yesterday").status_code == 422
    assert monitor.get("/shadows?mode=demo").status_code == 422
