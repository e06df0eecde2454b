"""Chooses and wires the engine's adapters: the only place that knows them all."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from bifrost import paths
from bifrost.backtest import without_scenario
from bifrost.calendar import TradingCalendar
from bifrost.clock import MarketClock, SimulatorMarketClock, WallMarketClock
from bifrost.config import ClockSource, Config, ConfigError, IbSettings, LoadedConfig, load_config
from bifrost.control import Command
from bifrost.db import Connection, connect, warn_if_privileged
from bifrost.db.spool import Spool

from bifrost_engine.domain.events import Event
from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.state import Rules
from bifrost_engine.domain.words import Mode, Times

from .adapters.ib.gateway import GatewayOptions, IbGateway
from .adapters.postgres.backtest_jobs import jobs
from .adapters.postgres.backtests import store_run
from .adapters.postgres.control import ControlReader
from .adapters.postgres.desk import PostgresDesk
from .adapters.postgres.lease import LeaseKeeper
from .adapters.postgres.preview import flatten_preview
from .adapters.simulator import trust_simulated
from .app.control import RunStatusRead
from .app.lifecycle import Daemon
from .app.link import Trust
from .app.parts import Market, Parts
from .app.reloading import Reloader
from .app.service_ports import Login
from .app.times import EngineClock
from .backtest.fills import FillModel
from .backtest.tape import TapeWriter, plain_config
from .backtest.worker import Worker

__all__ = [
    "backtest_worker",
    "export_history",
    "flatten_preview",
    "mode_of",
    "rules_of",
    "run",
    "store_backtest",
]

log = logging.getLogger(__name__)
SERVICE = "engine"
#: How long one thread keeps the interpreter from another, seconds. The writer must not wait Python's 5 ms for the loop
#: to finish its rows when an intent is to become durable, nor the loop for the writer when it has.
SWITCH_S = 0.0005


def mode_of(loaded: LoadedConfig) -> Mode:
    """Paper fills inside the engine, or orders that cross the wire."""
    return Mode.PAPER if loaded.config.gates.guard.risk.paper_trade else Mode.LIVE


def rules_of(loaded: LoadedConfig) -> Rules:
    world = loaded.scenario
    calendar = TradingCalendar(always_open=bool(world and world.always_open))
    return Rules(loaded.config, loaded.hash, calendar)


class Wiring:
    """Makes the adapters of one engine process."""

    def __init__(self, path: Path | None, loaded: LoadedConfig) -> None:
        self._path = path
        self._loaded = loaded
        self._config = loaded.config
        self._instance_id = uuid4()
        self._spool = Spool(paths.spool_dir(), self._instance_id)
        self._warned = False
        self._daemon: Daemon | None = None
        self._reloader = Reloader(loaded, on_change=self._reloaded, on_refused=self._refused)

    def daemon(self) -> Daemon:
        config = self._config
        clock = EngineClock()
        gateway = IbGateway(_options(config), self._sink, clock)
        parts = Parts(
            rules=rules_of(self._loaded),
            mode=mode_of(self._loaded),
            instance_id=self._instance_id,
            clock=clock,
            gateway=gateway,
            make_desk=self._desk,
            make_control=self._control,
            market_clock=self._market,
            address=self._address,
            trust=self._trust,
            look_at_config=self._reloader.look,
            configure=lambda reloaded: gateway.configure(_options(reloaded)),
            make_tape=self._tape if config.daemon.tape_folder is not None else None,
            commission=FillModel().stock_commission,
        )
        self._daemon = Daemon(parts, lambda on_news: LeaseKeeper(self._connect, self._instance_id, on_news=on_news))
        self._daemon.on_hangup = self._reloader.reload
        return self._daemon

    def _tape(self, restored: Restored, at: Times, rules: Callable[[], Rules]) -> TapeWriter:
        began = datetime.fromtimestamp(at.wall_s, UTC)
        name = f"{began:%Y%m%dT%H%M%S}-{restored.account}-{restored.mode}-{self._instance_id.hex[:8]}.jsonl.gz"
        return TapeWriter(Path(self._config.daemon.tape_folder or ".") / name, restored, at, rules)

    def _reloaded(self, loaded: LoadedConfig) -> None:
        self._loaded = loaded
        if self._daemon is not None:
            self._daemon.take_rules(rules_of(loaded))

    def _refused(self, reason: str) -> None:
        if self._daemon is not None:
            self._daemon.config_refused(reason)

    def _sink(self, event: Event) -> None:
        if self._daemon is not None:
            self._daemon.sink(event)

    def _connect(self, epoch: int | None = None) -> Connection:
        conn = connect(self._config, service=SERVICE, epoch=epoch)
        if not self._warned:
            self._warned = True
            warn_if_privileged(conn)
        return conn

    def _desk(
        self, epoch: int, on_change: Callable[[bool, str], None], on_lease_lost: Callable[[], None]
    ) -> PostgresDesk:
        return PostgresDesk(
            partial(self._connect, epoch), self._spool, epoch, on_change=on_change, on_lease_lost=on_lease_lost
        )

    def _control(
        self,
        epoch: int,
        on_command: Callable[[int, Command, Mapping[str, Any]], None],
        on_run_status: Callable[[RunStatusRead], None],
    ) -> ControlReader:
        return ControlReader(partial(self._connect, epoch), epoch, on_command=on_command, on_run_status=on_run_status)

    def _market(self, stored_s: float | None, on_change: Callable[[MarketClock], None]) -> Market:
        if self._config.clock.source is not ClockSource.SIMULATOR:
            return Market(WallMarketClock(), _nothing)
        stored = None if stored_s is None else datetime.fromtimestamp(stored_s, UTC)
        clock = SimulatorMarketClock(str(self._config.clock.url), stored, on_change=lambda: on_change(clock))
        clock.start()
        return Market(clock, clock.stop)

    def _address(self, settings: IbSettings | None) -> tuple[str, int]:
        """What stands stronger than a saved address wins; a file with mistakes keeps the one in force."""
        try:
            ib = load_config(
                self._path,
                scenario=self._loaded.origin.scenario,
                overrides=self._loaded.origin.overrides,
                settings=settings,
            ).config.ib
        except ConfigError as error:
            log.error("the saved IB address is not taken, the configuration has mistakes: %s", error)
            ib = self._config.ib
        return ib.host, ib.port

    async def _trust(self, login: Login) -> Trust:
        if self._config.clock.source is not ClockSource.SIMULATOR:
            return Trust(True)
        return await trust_simulated(str(self._config.clock.url), login)


def store_backtest(config: Config, summary: Mapping[str, Any], curves: Mapping[str, Any], ticks: Path) -> bool:
    """Put a finished backtest into the database; False when it is there already. Raises DatabaseError."""
    from .backtest.outputs import read_ticks  # Parquet: the engine that trades loads none of it

    with closing(connect(config, service=SERVICE, autocommit=False, statement_timeout_s=600.0)) as conn:
        return store_run(conn, summary, plain_config(config), read_ticks(ticks), curves)


def backtest_worker(path: Path | None, config: Config) -> Worker:
    """The process that carries out what the page launches; it works as the engine's role, without an epoch."""
    from .backtest.offer import command_line, folders, offer

    def connection() -> Connection:
        return connect(config, service="backtest", role=f"bifrost_{SERVICE}")

    env = without_scenario(os.environ)
    plain = load_config(path, env=env).config
    return Worker(
        lambda: jobs(connection),
        lambda: offer(plain, folders()),
        lambda request, out: command_line(request, folders(), out, path),
        env,
    )


def export_history(config: Config, file: Path, first: date | None, last: date | None) -> int:
    """Write what `status_history` knows of the symbol's market as a Parquet file of quotes; how many it wrote.

    Raises
    ------
    DatabaseError
        When the database cannot be read.
    """
    from bifrost.db.queries.quotes import history_quotes
    from bifrost.tape.parquet_tape import ParquetQuoteWriter

    count = 0
    with (
        closing(connect(config, service=SERVICE, autocommit=False, statement_timeout_s=600.0)) as conn,
        ParquetQuoteWriter(file) as out,
    ):
        for quote in history_quotes(conn, config.symbol, first, last):
            out.add(quote)
            count += 1
    return count


def _options(config: Config) -> GatewayOptions:
    return GatewayOptions(
        symbol=config.symbol,
        client_id=config.ib.client_id,
        connect_timeout_s=config.ib.connect_timeout,
        line_retry_s=config.daemon.ib_retry_interval_sec,
        allow_delayed=config.gates.state.system.allow_delayed,
    )


async def _nothing() -> None:
    return None


async def run(path: Path | None, loaded: LoadedConfig) -> int:
    """Run the engine until it is stopped; returns the exit code."""
    sys.setswitchinterval(SWITCH_S)
    return await Wiring(path, loaded).daemon().run()
