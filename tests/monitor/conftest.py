"""A monitor in this process, against a fresh database."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bifrost.config.load import load_config
from bifrost.db import connect
from bifrost_monitor.app import create_app
from bifrost_monitor.keeper import ViewKeeper
from bifrost_monitor.settings import monitor_settings
from fastapi.testclient import TestClient

from tests.support.postgres import Database
from tests.support.waiting import wait_until

TOKEN = "a-token-of-the-tests"


class Monitor:
    """A monitor's client, with the token unless a request brings headers of its own."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.bearer = {"Authorization": f"Bearer {TOKEN}"}

    @property
    def keeper(self) -> ViewKeeper:
        keeper: ViewKeeper = self.client.app.state.services.keeper  # type: ignore[attr-defined]
        return keeper

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers={**self.bearer, **headers})

    def status(self) -> dict[str, Any]:
        answer = self.client.get("/status")
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    def status_when(self, condition: Callable[[dict[str, Any]], bool], what: str = "the status") -> dict[str, Any]:
        """The first answer that fulfils ``condition``."""
        last: dict[str, Any] = {}

        def fulfilled() -> bool:
            last.clear()
            last.update(self.status())
            return condition(last)

        wait_until(fulfilled, 10, what=what)
        return dict(last)


MakeMonitor = Callable[..., Monitor]


@pytest.fixture
def make_monitor(database: Database, tmp_path: Path) -> Iterator[MakeMonitor]:
    """Starts monitors with environment variables of the test's choice; stops them all."""
    with contextlib.ExitStack() as stack:

        def make(**variables: str) -> Monitor:
            env = {
                "BIFROST_TOKEN": TOKEN,
                "BIFROST_HOME": str(tmp_path),
                "BIFROST_LOG_DIR": str(tmp_path / "logs"),
                **variables,
            }
            settings = monitor_settings(load_config(env=env), env)
            app = create_app(settings, lambda: connect(database.params("monitor"), service="monitor"))
            client = stack.enter_context(
                TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), follow_redirects=False)
            )
            monitor = Monitor(client)
            assert monitor.keeper.wait_for(lambda view: view.error is None, 10), monitor.keeper.view.error
            return monitor

        yield make


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    """A monitor on loopback with a token."""
    return make_monitor()
