"""A monitor with rows of our own for what a browser must see, and a whole desk for what its controls must do."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from bifrost.config.load import load_config
from bifrost.db import connect
from bifrost_monitor.app import create_app
from bifrost_monitor.routes_page import BUNDLE
from bifrost_monitor.settings import monitor_settings
from playwright.sync_api import Browser

from tests.monitor import rows
from tests.support.acceptance import Desk
from tests.support.browser import CHROMIUM, launched
from tests.support.postgres import Database, Databases
from tests.support.waiting import free_port, wait_until

TOKEN = "a-token-of-the-browser-tests"


class Served:
    """A monitor on a real port that can be stopped and started again on the same one."""

    def __init__(self, database: Database, home: Path, **variables: str) -> None:
        self.database = database
        self.port = free_port()
        self.env = {
            "BIFROST_TOKEN": TOKEN,
            "BIFROST_HOME": str(home),
            "MONITOR_PORT": str(self.port),
            "BIFROST_MONITOR__CONTROL_POSTS_PER_MINUTE": "6000",
            **variables,
        }
        self.url = f"http://127.0.0.1:{self.port}/"
        self.link = f"{self.url}?token={TOKEN}"

    def start(self) -> None:
        settings = monitor_settings(load_config(env=self.env), self.env)
        app = create_app(settings, lambda: connect(self.database.params("monitor"), service="monitor"))
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started, 10, what="the monitor's port")

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file: while it is there its event loop runs in this thread, and no test after it could start another."""
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH")
    if not BUNDLE.is_file():
        pytest.skip("needs the built page: make web")
    with launched() as found:
        yield found


@pytest.fixture
def served(database: Database, tmp_path: Path) -> Iterator[Served]:
    rows.write_running_desk(database)
    rows.write_account(database)
    monitor = Served(database, tmp_path)
    monitor.start()
    yield monitor
    monitor.stop()


@pytest.fixture(scope="module")
def desk(postgres_server: Databases) -> Iterator[Desk]:
    """Simulator, engine, pricer and monitor, hedging."""
    home = Path(tempfile.mkdtemp(prefix="bifrost-browser-"))
    database = postgres_server.create()
    try:
        with Desk(database, home).running() as made:
            yield made
    finally:
        postgres_server.drop(database)
        shutil.rmtree(home, ignore_errors=True)
