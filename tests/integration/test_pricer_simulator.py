"""The pricer in the simulated world: prices for every held contract, and what stays when the gateway is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bifrost.db.ephemeral import EphemeralPostgres

from tests.support.postgres import Database, Databases, EmbeddedServer
from tests.support.simulator import SimulatorProcess
from tests.support.waiting import free_port, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path / "simulator") as process:
        yield process


class Pricer:
    """The process, beside a database whose positions are those of the simulated accounts."""

    def __init__(self, database: Database, simulator: SimulatorProcess, home: Path, **variables: str) -> None:
        self.database, self.home = database, home
        self.metrics_port = free_port()
        home.mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "BIFROST_HOME": str(home),
            "BIFROST_LOG_DIR": str(home),
            "BIFROST_PRICER__CYCLE_S": "0.3",
            "BIFROST_PRICER__METRICS_PORT": str(self.metrics_port),
            **simulator.environment(),
            **database.env("pricer"),
            **variables,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bifrost_pricer", "run"], env=env, stdout=subprocess.DEVNULL
        )

    def __enter__(self) -> Pricer:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        assert error[0] is not None or code == 0

    def rows(self) -> dict[str, dict[str, Any]]:
        names = ("contract_key", "bid", "ask", "mid", "source", "error", "quote_ts", "iv", "delta", "updated_at")
        found = self.database.query(f"SELECT {', '.join(names)} FROM instrument_prices")
        return {values[0]: dict(zip(names, values, strict=True)) for values in found}

    def get(self, path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


def hold_what_the_accounts_hold(database: Database, simulator: SimulatorProcess) -> set[str]:
    """Write the simulated positions, and some shares, as the engine would."""
    keys = set()
    for account in simulator.get("/state")["accounts"]:
        held = [(item["contract_key"], item["con_id"], item["quantity"]) for item in account["positions"]]
        for key, con_id, quantity in [*held, ("NVDA|STK|||", None, 100)]:
            keys.add(key)
            database.query(
                "INSERT INTO account_positions (account_id, contract_key, position, con_id) VALUES (%s, %s, %s, %s)",
                account["id"],
                key,
                quantity,
                con_id,
            )
    return keys


def test_every_held_contract_is_priced_and_outlives_the_gateway(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    keys = hold_what_the_accounts_hold(database, simulator)
    assert len(keys) == 3
    with Pricer(database, simulator, tmp_path / "pricer") as pricer:

        def priced() -> bool:
            rows = pricer.rows()
            return set(rows) == keys and all(
                row["mid"] and (row["iv"] or "STK" in key) and row["source"] == "live" for key, row in rows.items()
            )

        wait_until(priced, 30.0, what="a price of every held contract")
        rows = pricer.rows()
        spot = rows["NVDA|STK|||"]
        assert spot["bid"] < spot["mid"] < spot["ask"]
        assert all(row["error"] is None for row in rows.values())
        clock = simulator.get("/clock")["market"]
        assert abs(spot["quote_ts"] - _moment(clock)) < timedelta(minutes=2)
        wait_until(lambda: pricer.get("/readyz")[0] == 200, what="readiness")
        assert "bifrost_pricer_lines_in_use 3.0" in pricer.get("/metrics")[1]
        # It read and asked for data; of orders it knows nothing.
        entries = simulator.get("/journal?client_id=2&limit=5000")["entries"]
        sent = {entry["message"] for entry in entries if entry["direction"] == "in"}
        assert "reqMktData" in sent
        assert not sent & {"placeOrder", "cancelOrder", "reqOpenOrders", "reqGlobalCancel", "reqPositions"}

        simulator.kill()
        wait_until(lambda: pricer.get("/readyz")[0] == 503, what="the readiness to go")
        stale = pricer.rows()
        assert {key: row["mid"] for key, row in stale.items() if row["mid"]}.keys() == keys
        simulator.start()
        wait_until(
            lambda: all(row["quote_ts"] > stale[key]["quote_ts"] for key, row in pricer.rows().items()),
            40.0,
            what="newer prices after the gateway came back",
        )
        wait_until(lambda: pricer.get("/readyz")[0] == 200, what="readiness again")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_more_contracts_than_lines_rotate_within_ibs_pacing(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """Twenty-three contracts on eight lines: each is priced again and again, and the gateway never complains."""
    strikes = (f"{140 + 2.5 * number:g}" for number in range(-5, 6))
    keys = ["NVDA|STK|||", *(f"NVDA|OPT|20260605|{strike}|{right}" for strike in strikes for right in "CP")]
    for key in keys:
        database.query("INSERT INTO account_positions (account_id, contract_key, position) VALUES ('DU1', %s, 1)", key)
    limits = {"BIFROST_PRICER__LINE_BUDGET": "8", "BIFROST_PRICER__MESSAGES_PER_SECOND": "40"}
    with Pricer(database, simulator, tmp_path / "pricer", **limits) as pricer:

        def priced() -> dict[str, Any]:
            return {key: row["quote_ts"] for key, row in pricer.rows().items() if row["mid"]}

        wait_until(lambda: len(priced()) == len(keys), 60.0, what="a price of every contract")
        first = priced()
        wait_until(
            lambda: all(moment > first[key] for key, moment in priced().items()), 60.0, what="a second turn of each"
        )
        assert all(row["error"] is None for row in pricer.rows().values())
        entries = simulator.get("/journal?client_id=2&limit=100000")["entries"]
        errors = [entry["fields"] for entry in entries if entry["message"] == "error" and entry["direction"] == "out"]
        told = {fields["code"] for fields in errors}
        # 100: more than 50 messages a second; 101: more lines than allowed. 2104 and the like are information.
        assert not told & {100, 101}, errors
        asked = [entry["fields"] for entry in entries if entry["message"] == "reqMktData"]
        assert len(asked) > len(keys)


def test_a_database_that_goes_leaves_the_prices_and_comes_back(
    simulator: SimulatorProcess, private_server: EphemeralPostgres, tmp_path: Path
) -> None:
    """Killed, not stopped. What it held is there again with its age, and is priced on."""
    private_databases = Databases(EmbeddedServer(tmp_path, private_server))
    database = private_databases.create()
    keys = hold_what_the_accounts_hold(database, simulator)
    with Pricer(database, simulator, tmp_path / "pricer") as pricer:
        wait_until(lambda: {key for key, row in pricer.rows().items() if row["mid"]} == keys, 40.0, what="prices")
        private_server.kill()
        wait_until(lambda: pricer.get("/readyz")[0] == 503, 40.0, what="the readiness to go")
        assert pricer.get("/livez")[0] == 200
        private_server.start()
        stale = wait_until(pricer.rows, 30.0, what="the stored prices")
        assert {key for key, row in stale.items() if row["mid"] and row["quote_ts"]} == keys
        wait_until(
            lambda: all(row["quote_ts"] > stale[key]["quote_ts"] for key, row in pricer.rows().items()),
            60.0,
            what="newer prices after the database came back",
        )
        wait_until(lambda: pricer.get("/readyz")[0] == 200, 30.0, what="readiness again")
    database.close()
