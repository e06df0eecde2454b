"""The desk's own PostgreSQL: where it lives, how supervisord runs it, and how it comes to the current schema."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg2
from bifrost.db.ephemeral import EphemeralPostgres
from bifrost.db.schema import refresh

from .home import CLUSTER
from .plan import DATABASE, OWNER, DeskPlan, PlanError
from .supervision import SupervisionError, program
from .terminal import say

_CONNECT_S = 3


class DeskDatabase:
    """One cluster in the home of a run."""

    def __init__(self, plan: DeskPlan) -> None:
        self._plan = plan
        self._password_file = plan.place.secrets / OWNER
        self._log = plan.place.logs / "postgres.log"
        cluster = plan.place.home / CLUSTER
        self._server = EphemeralPostgres(
            cluster, plan.pg_port, self._password_file, settings={"shared_buffers": "64MB"}
        )
        for note in self._server.notes:
            say(note)

    def make(self) -> None:
        """Make the cluster on the first start."""
        if self._server.initialise():
            say("made a new database")
        elif not self._password_file.is_file():
            raise PlanError(
                f"the database in {self._server.data_dir} is there and its password {self._password_file} is not: "
                "put the file back, or remove the database with `make reset`"
            )

    def section(self) -> str:
        """How supervisord runs the server. It gets none of the operator's environment, hence no token."""
        user = self._server.system_user.name if self._server.system_user is not None else ""
        return program(
            "postgres",
            ["env", "-i", "LANG=C", *self._server.server_argv()],
            {},
            order=10,
            log=self._log,
            autostart=True,
            user=user,
            stop_signal="INT",  # a fast shutdown: sessions end, data is complete
            stop_wait_s=30,
        )

    def prepare(self, stop: threading.Event, alive: Callable[[], bool], limit_s: float = 60.0) -> bool:
        """Wait for the server, then bring schema and passwords up to date (`bifrost db refresh`).

        Returns whether it is ready; False when ``stop`` came first.
        """
        deadline = time.monotonic() + limit_s
        while not stop.is_set():
            try:
                self._refresh()
                return True
            except psycopg2.OperationalError as error:
                if "authentication failed" in str(error):
                    raise PlanError(
                        f"{self._password_file} is not the password of the database in {self._server.data_dir}: "
                        "put the right file back, or remove the database with `make reset`"
                    ) from None
                if time.monotonic() > deadline or not alive():
                    raise SupervisionError(
                        f"PostgreSQL did not come up: {str(error).strip()}; see {self._log}"
                    ) from None
            stop.wait(0.1)
        return False

    def _refresh(self) -> None:
        self._ensure_database()
        connection = psycopg2.connect(self._server.dsn(DATABASE, OWNER), connect_timeout=_CONNECT_S)
        connection.autocommit = True
        try:
            report = refresh(connection, self._plan.place.secrets)
        finally:
            connection.close()
        if report.created or report.applied or report.repaired:
            say(f"database: {report.lines()[0]}")

    def _ensure_database(self) -> None:
        connection = psycopg2.connect(self._server.dsn("postgres", OWNER), connect_timeout=_CONNECT_S)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()
