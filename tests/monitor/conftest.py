"""A monitor in this process, against a fresh database."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
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


class Served:
    """A monitor behind a real socket, for answers that do not end."""

    def __init__(self, monitor: Monitor, port: int) -> None:
        self.monitor = monitor
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Events]:
        """The events of ``path`` as they come."""
        with (
            httpx.Client(base_url=self.url, timeout=15, trust_env=False) as client,
            client.stream("GET", path, headers=headers) as answer,
        ):
            yield Events(answer)


class Events:
    """Server-sent events, read one at a time."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines() if answer.status_code == 200 else iter(())
        self.last_id: str | None = None

    def next(self) -> tuple[str, dict[str, Any]]:
        """Name and data of the next event; comments and the retry time are passed over."""
        name, data = "", ""
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = value
            elif field == "id":
                self.last_id = value
            elif not line and name:
                return name, json.loads(data)
        raise AssertionError("the stream ended")

    def until(self, name: str, condition: Callable[[dict[str, Any]], bool] = lambda data: True) -> dict[str, Any]:
        """Data of the next event of this name that fulfils ``condition``."""
        while True:
            told, data = self.next()
            if told == name and condition(data):
                return data


@contextlib.contextmanager
def serving(monitor: Monitor) -> Iterator[Served]:
    """The application of ``monitor`` on a socket of its own, on its own loop, with its own lifespan."""
    server = uvicorn.Server(uvicorn.Config(monitor.client.app, log_config=None, timeout_graceful_shutdown=2))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, 10, what="the server")
        yield Served(monitor, listener.getsockname()[1])
    finally:
        monitor.client.app.state.services.streams.close_soon()  # type: ignore[attr-defined]
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


MakeMonitor = Callable[..., Monitor]


@pytest.fixture
def make_monitor(database: Database, tmp_path: Path) -> Iterator[MakeMonitor]:
    """Starts monitors with environment variables of the test's choice; stops them all."""
    with contextlib.ExitStack() as stack:

        def make(*, started: bool = True, **variables: str) -> Monitor:
            env = {
                "BIFROST_TOKEN": TOKEN,
                "BIFROST_HOME": str(tmp_path),
                "BIFROST_LOG_DIR": str(tmp_path / "logs"),
                **variables,
            }
            settings = monitor_settings(load_config(env=env), env)
            app = create_app(settings, lambda: connect(database.params("monitor"), service="monitor"))
            client = TestClient(
                app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), follow_redirects=False
            )
            monitor = Monitor(client)
            if not started:
                return monitor
            stack.enter_context(client)
            assert monitor.keeper.wait_for(lambda view: view.error is None, 10), monitor.keeper.view.error
            return monitor

        yield make


@pytest.fixture
def monitor(make_monitor: MakeMonitor) -> Monitor:
    """A monitor on loopback with a token."""
    return make_monitor()


@pytest.fixture
def served(make_monitor: MakeMonitor) -> Iterator[Served]:
    """A monitor behind a socket, its view read once."""
    monitor = make_monitor(started=False)
    with serving(monitor) as running:
        assert monitor.keeper.wait_for(lambda view: view.error is None, 10), monitor.keeper.view.error
        yield running
