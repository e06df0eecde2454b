"""Fixtures that every area of the tests may use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from bifrost.db.ephemeral import EphemeralPostgres

from tests.support.postgres import Database, Databases, running_databases
from tests.support.waiting import free_port

#: What a developer's shell may carry and no test may see; BIFROST_DATA only says where recorded quotes lie.
FOREIGN = ("PG", "IB_", "PRICER_IB_", "COPILOT_IB_", "SIM_", "MONITOR_", "BIFROST_")
KEPT = {"BIFROST_DATA"}
#: Set by .ci/run: a test that is left out fails the run, unless its reason is one of these.
REQUIRE_ALL = os.environ.get("BIFROST_REQUIRE_ALL") == "1"
ALLOWED_SKIPS = (
    "only root runs the server as somebody else",
    "the kernel's parent-death signal is Linux's",
)

#: Files that take minutes begin first, so that no worker is left with one of them when the others have ended.
LONGEST_FIRST = (
    "tests/integration/test_desk_acceptance.py",
    "tests/sim/",
    "tests/acceptance/",
    "tests/compose/",
    "tests/browser/",
    "tests/chaos/",
    "tests/conformance/",
    "tests/desk/",
    "tests/integration/",
    "tests/simulator/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by how long a file takes; within a file, and where nothing is known, as collected."""

    def rank(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(LONGEST_FIRST) if item.nodeid.startswith(name)), len(LONGEST_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A skip is a failure where everything is required (quality.md: CI fails on any skip outside an allow-list)."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"left out although everything is required: {reason}"
    return report


@pytest.fixture(autouse=True)
def _no_inherited_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own addresses must never reach a test: it would talk to a real database or gateway.

    BIFROST_TEST_* too: the configuration refuses what it does not know. Modules read those when they are imported.
    """
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name not in KEPT:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Databases]:
    """One PostgreSQL for the session (BIFROST_TEST_PG=docker for a container); makes databases."""
    with running_databases() as databases:
        yield databases


@pytest.fixture
def database(postgres_server: Databases) -> Iterator[Database]:
    """A fresh database with the whole schema and a password for every role."""
    made = postgres_server.create()
    yield made
    postgres_server.drop(made)


@pytest.fixture
def empty_database(postgres_server: Databases) -> Iterator[Database]:
    """A fresh database with nothing in it."""
    made = postgres_server.create(empty=True)
    yield made
    postgres_server.drop(made)


@pytest.fixture
def private_server() -> Iterator[EphemeralPostgres]:
    """A server of the test's own, which it may stop, kill and start again; fsync stays on."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-pg-"))
    folder.chmod(0o755)
    server = EphemeralPostgres(
        folder / "data",
        free_port(),
        folder / "owner-password",
        settings={"shared_buffers": "16MB"},
        stop_with_parent=True,
    )
    server.start()
    yield server
    server.remove()
    shutil.rmtree(folder, ignore_errors=True)
