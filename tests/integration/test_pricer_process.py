"""The pricer as a process against a real PostgreSQL and a scripted gateway: what it asks, writes and keeps."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_gateway import FakeGateway, FakeSession, answer_contracts, answer_rule
from tests.support.postgres import Database
from tests.support.waiting import free_port

pytestmark = pytest.mark.integration

STOCK, CALL, UNKNOWN = "NVDA|STK|||", "NVDA|OPT|20271217|140|C", "ZZZZ|STK|||"
CON_IDS = {STOCK: 11, CALL: 12}
PRICES = {11: (140.0, 140.02), 12: (9.0, 9.1)}


async def until(condition: Callable[[], Any], what: str, limit_s: float = 20.0) -> Any:
    """Wait until ``condition`` (which may ask the database) holds; gives its value."""
    deadline = time.monotonic() + limit_s
    while True:
        value = await asyncio.to_thread(condition)
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        await asyncio.sleep(0.05)


def answer_data(session: FakeSession, fields: list[str]) -> None:
    """Stream (or snapshot) of a contract by its conId: one quote, and IB's model for the option."""
    req_id, con_id, snapshot = fields[2], int(fields[3]), fields[17] == "1"
    bid, ask = PRICES[con_id]
    frames: list[tuple[object, ...]] = [(58, 1, req_id, 1), (1, 6, req_id, 1, bid, 5, 1), (1, 6, req_id, 2, ask, 5, 1)]
    if con_id == 12:
        frames.append((21, req_id, 13, 0, 0.37, 0.52, 9.05, 0, 0.015, 0.4, -0.04, 140.01))
    if snapshot:
        frames.append((57, 1, req_id))
    session.send(*frames)


def serve(gateway: FakeGateway) -> FakeGateway:
    gateway.handlers |= {9: answer_contracts(CON_IDS), 91: answer_rule, 1: answer_data}
    return gateway


def hold(database: Database, account: str, key: str, quantity: float, con_id: int | None = None) -> None:
    symbol, kind, *_ = key.split("|")
    database.query(
        "INSERT INTO account_positions (account_id, contract_key, symbol, sec_type, position, con_id) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        account,
        key,
        symbol,
        kind,
        quantity,
        con_id,
    )


def row(database: Database, key: str) -> dict[str, Any] | None:
    names = ("bid", "ask", "mid", "last", "source", "error", "quote_ts", "updated_at", "iv", "delta", "und_price")
    rows = database.query(f"SELECT {', '.join(names)} FROM instrument_prices WHERE contract_key = %s", key)
    return dict(zip(names, rows[0], strict=True)) if rows else None


@asynccontextmanager
async def pricer(
    environment: dict[str, str], ib_port: int, home: Path, **settings: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process; it must end by itself, with 0, when it is asked to."""
    env = {
        "PATH": os.environ["PATH"],
        "BIFROST_HOME": str(home),
        "BIFROST_CONFIG": str(home / "config.yaml"),
        "IB_PORT": str(ib_port),
        "BIFROST_PRICER__CYCLE_S": "0.2",
        "BIFROST_PRICER__METRICS_PORT": "0",
        **environment,
        **{f"BIFROST_{name}": str(value) for name, value in settings.items()},
    }
    (home / "config.yaml").write_text("symbol: NVDA\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bifrost_pricer", "run", env=env, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10.0) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def log_text(home: Path) -> str:
    file = home / "logs" / "pricer.jsonl"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def test_a_price_for_everything_held_and_a_reason_for_the_rest(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        hold(database, "DU1", STOCK, 100, 11)
        hold(database, "DU2", STOCK, -40, 11)
        hold(database, "DU1", UNKNOWN, 1)
        async with serve(FakeGateway()) as gateway, pricer(database.env("pricer"), gateway.port, tmp_path):
            await until(lambda: (row(database, STOCK) or {}).get("mid") == 140.01, "a price of the stock")
            refused = await until(lambda: row(database, UNKNOWN), "a row of what IB does not know")
            assert "No security definition" in refused["error"]
            assert refused["mid"] is None
            assert database.value("SELECT count(*) FROM instrument_prices") == 2
            # A new position is priced at once, by NOTIFY.
            hold(database, "DU1", CALL, 2, 12)
            call = await until(lambda: (found := row(database, CALL)) and found["iv"] and found, "a price of the call")
            assert (call["mid"], call["iv"], call["delta"], call["source"]) == (9.05, 0.37, 0.52, "live")
            assert call["und_price"] == 140.01
            # One row a contract however many accounts hold it, one request a contract, the unknown asked once.
            assert sorted(fields[3] for fields in gateway.requests(1)) == ["11", "12"]
            assert len([fields for fields in gateway.requests(9) if fields[4] == "ZZZZ"]) == 1

    asyncio.run(run())


def test_unchanged_rows_are_not_written_again(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        hold(database, "DU1", STOCK, 100, 11)
        async with serve(FakeGateway()) as gateway, pricer(database.env("pricer"), gateway.port, tmp_path):
            first = await until(lambda: (found := row(database, STOCK)) and found["mid"] and found, "a price")
            cycles = len(gateway.requests(49))
            await until(lambda: len(gateway.requests(49)) >= cycles + 6, "six quarter seconds of cycles")
            assert row(database, STOCK) == first
            gateway.sessions[0].send((1, 6, gateway.requests(1)[0][2], 1, 139.9, 5, 1))
            changed = await until(lambda: (found := row(database, STOCK)) and found["bid"] == 139.9 and found, "139.9")
            assert changed["updated_at"] > first["updated_at"]

    asyncio.run(run())


def test_a_gateway_that_goes_leaves_the_prices_and_their_age(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        hold(database, "DU1", STOCK, 100, 11)
        hold(database, "DU1", CALL, 2, 12)
        async with serve(FakeGateway()) as gateway, pricer(database.env("pricer"), gateway.port, tmp_path):
            await until(lambda: (row(database, CALL) or {}).get("mid") == 9.05, "a price")
            before = row(database, CALL), row(database, STOCK)
            await gateway.stop()
            await until(lambda: "waiting for IB" in log_text(tmp_path), "the log line that IB is gone")
            assert (row(database, CALL), row(database, STOCK)) == before
            PRICES[12] = (9.4, 9.5)
            try:
                async with gateway:
                    back = await until(lambda: (found := row(database, CALL)) and found["bid"] == 9.4 and found, "9.4")
            finally:
                PRICES[12] = (9.0, 9.1)
            assert before[0] is not None
            assert back["quote_ts"] > before[0]["quote_ts"]

    asyncio.run(run())


def test_it_waits_for_a_database_and_takes_up_a_new_connection(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        hold(database, "DU1", STOCK, 100, 11)
        environment = database.env("pricer")
        proxy = Proxy(environment["PGHOST"], int(environment["PGPORT"]))
        environment |= {"PGHOST": "127.0.0.1", "PGPORT": str(proxy.port)}
        async with serve(FakeGateway()) as gateway, pricer(environment, gateway.port, tmp_path):
            await until(lambda: "waiting for the database" in log_text(tmp_path), "the log line that it waits")
            async with proxy:
                await until(lambda: (row(database, STOCK) or {}).get("mid") == 140.01, "a price")
                proxy.cut()
                # What it wrote may be gone with a restored database: it reads again and writes what is missing.
                database.query("DELETE FROM instrument_prices")
                await until(lambda: row(database, STOCK), "the row again after a new connection")

    asyncio.run(run())


def test_beyond_the_line_budget_the_rest_takes_turns(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        keys = [f"NVDA|OPT|20271217|{100 + number}|C" for number in range(12)]
        numbers = {key: 100 + place for place, key in enumerate(keys)}
        for key in keys:
            hold(database, "DU1", key, 1)
        for number in numbers.values():
            PRICES[number] = (1.0, 1.1)
        gateway = serve(FakeGateway())
        gateway.handlers[9] = answer_contracts({**CON_IDS, **numbers})
        settings = {"PRICER__LINE_BUDGET": 6}
        async with gateway, pricer(database.env("pricer"), gateway.port, tmp_path, **settings):
            statement = "SELECT count(*) FROM instrument_prices WHERE mid = 1.05"
            await until(lambda: database.value(statement) == 12, "a price of all twelve")
            streams = [fields[3] for fields in gateway.requests(1) if fields[17] == "0"]
            assert len(streams) == len(set(streams)) == 5
            assert streams[0] == "11"

    asyncio.run(run())


def test_a_saved_ib_address_is_followed(database: Database, tmp_path: Path) -> None:
    async def run() -> None:
        hold(database, "DU1", STOCK, 100, 11)
        environment = database.env("pricer")
        async with serve(FakeGateway()) as gateway, pricer(environment, gateway.port, tmp_path):
            await until(lambda: (row(database, STOCK) or {}).get("mid") == 140.01, "a price")
            # IB_PORT of the environment wins over the saved port, the saved host does not matter then.
            database.query("INSERT INTO settings (ib_host, ib_port_type) VALUES ('localhost', 'gateway')")
            await until(lambda: "the IB address is now" in log_text(tmp_path), "the change of the address")
            await until(lambda: len(gateway.sessions) == 2, "a second log-on")

    asyncio.run(run())


def test_a_taken_metrics_port_and_a_wrong_configuration_are_said(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "config.yaml").write_text("pricer: {line_budgt: 3}\n", encoding="utf-8")
        env = {"PATH": os.environ["PATH"], "BIFROST_HOME": str(tmp_path), "BIFROST_LOG_DIR": str(tmp_path)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bifrost_pricer",
            "run",
            "--config",
            str(tmp_path / "config.yaml"),
            env=env,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 20.0)
        assert process.returncode == 2
        assert b"line_budget" in said
        assert b"Traceback" not in said

    asyncio.run(run())


def test_it_ends_in_time_beside_a_database_that_says_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        mute = asyncio.Event()

        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            mute.set()
            await asyncio.Event().wait()
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        environment = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "bifrost_pricer", "PGPASSWORD": "x"}
        async with serve(FakeGateway()) as gateway:
            async with pricer(environment, gateway.port, tmp_path):
                await asyncio.wait_for(mute.wait(), 20.0)
                began = time.monotonic()
            # `pricer` has sent SIGTERM and seen exit code 0. The connection attempt itself would take 5 s.
            assert time.monotonic() - began < 4.0
        server.close()

    asyncio.run(run())


class Proxy:
    """A TCP proxy that opens late and can cut its connections: a database that is not there, then breaks."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = free_port()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.ensure_future(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()
