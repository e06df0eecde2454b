"""The dashboard and the alert rules name only figures that the services give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bifrost_monitor.metrics import Metrics as MonitorMetrics
from bifrost_monitor.view import View
from bifrost_pricer.health import Metrics as PricerMetrics
from prometheus_client import generate_latest

FOLDER = Path(__file__).parents[2] / "config" / "grafana"
NAME = re.compile(r"\bbifrost_[a-z_]+\b")


def given() -> set[str]:
    """Every name in the two services' answers, once each has counted something."""
    monitor, pricer = MonitorMetrics(), PricerMetrics()
    monitor.request("GET", "/status", 200, 0.001)
    monitor.command("stop")
    text = monitor.text(View()).decode() + generate_latest(pricer.registry).decode()
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


def dashboard() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / "desk.json").read_text(encoding="utf-8"))
    return told


def rules() -> list[dict[str, Any]]:
    told = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in told["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(("name", "expression"), list(expressions()), ids=lambda text: text[:40])
def test_every_figure_exists(name: str, expression: str) -> None:
    assert set(NAME.findall(expression)) <= given(), name


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"]


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
