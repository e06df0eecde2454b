"""Health and metrics over a real socket."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from bifrost_pricer.health import Health, HealthServer, Metrics


@pytest.fixture
def served() -> Iterator[tuple[HealthServer, Health, Metrics]]:
    health, metrics = Health(), Metrics()
    server = HealthServer("127.0.0.1", 0, health, metrics, alive_within_s=5.0)
    server.start()
    yield server, health, metrics
    server.stop()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_ready_only_when_everything_answers(served: tuple[HealthServer, Health, Metrics]) -> None:
    server, health, _metrics = served
    status, body = get(server, "/readyz")
    assert status == 503
    assert json.loads(body)["database"] == "not connected yet"
    health.database = health.ib = health.clock = "ok"
    assert get(server, "/readyz")[0] == 200
    health.ib = "127.0.0.1:4002 refused the connection"
    status, body = get(server, "/readyz")
    assert (status, json.loads(body)["ib"]) == (503, "127.0.0.1:4002 refused the connection")


def test_alive_while_the_cycle_turns(served: tuple[HealthServer, Health, Metrics]) -> None:
    server, health, _metrics = served
    assert get(server, "/livez")[0] == 200
    health.last_cycle = time.monotonic() - 6.0
    assert get(server, "/livez")[0] == 503


def test_metrics_have_the_figures(served: tuple[HealthServer, Health, Metrics]) -> None:
    server, _health, metrics = served
    assert math.isnan(figure(get(server, "/metrics")[1], "bifrost_pricer_oldest_quote_age_seconds"))
    metrics.lines_in_use.set(41)
    metrics.rows.inc(7)
    text = get(server, "/metrics")[1]
    assert figure(text, "bifrost_pricer_lines_in_use") == 41
    assert figure(text, "bifrost_pricer_rows_total") == 7


def test_another_path_says_what_is_here(served: tuple[HealthServer, Health, Metrics]) -> None:
    status, body = get(served[0], "/status")
    assert status == 404
    assert "/metrics" in body


def figure(text: str, name: str) -> float:
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))
