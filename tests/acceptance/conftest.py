"""One running desk for all acceptance tests; each test finds it hedging."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.acceptance import Desk
from tests.support.postgres import Databases


@pytest.fixture(scope="session")
def whole_desk(postgres_server: Databases) -> Iterator[Desk]:
    """Started once: simulator, engine, pricer, monitor on a database of their own."""
    home = Path(tempfile.mkdtemp(prefix="bifrost-desk-"))
    database = postgres_server.create()
    try:
        with Desk(database, home).running() as desk:
            yield desk
    finally:
        postgres_server.drop(database)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def desk(whole_desk: Desk) -> Desk:
    """The desk, hedging, whatever the test before has done to it."""
    whole_desk.recover()
    return whole_desk
