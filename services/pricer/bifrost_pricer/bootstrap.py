"""Chooses and wires the pricer's adapters, runs them, and ends them on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path

from bifrost.calendar import TradingCalendar
from bifrost.clock import SimulatorMarketClock, WallMarketClock
from bifrost.config import ClockSource, ConfigError, IbSettings, LoadedConfig, load_config
from bifrost.db import connect
from bifrost.db.listener import Channel, Listener
from bifrost.tasks import end_tasks

from .adapters.ib import IbFeed
from .adapters.postgres import SERVICE, PriceStore
from .domain.book import PriceBook
from .domain.greeks import ModelInputs, OptionModel
from .health import Health, HealthServer, Metrics
from .service import PricerService

_log = logging.getLogger(__name__)
_ALIVE_WITHIN_S = 60.0
_END_LIMIT_S = 2.0


class IbAddress:
    """The IB address in force: command line, environment and scenario win over what the operator saved."""

    def __init__(self, path: Path | None, loaded: LoadedConfig) -> None:
        self._path = path
        self._settings: IbSettings | None = None
        self._address = (loaded.config.ib.host, loaded.config.ib.port)

    def __call__(self) -> tuple[str, int]:
        return self._address

    def take_settings(self, settings: IbSettings | None) -> None:
        """Work the address out again when the saved one has changed; a bad file keeps the one in force."""
        if settings == self._settings:
            return
        self._settings = settings
        try:
            config = load_config(self._path, settings=settings).config
        except ConfigError as error:
            _log.error("the saved IB address is not taken, the configuration has mistakes: %s", error)
            return
        self._address = (config.ib.host, config.ib.port)


def _calendar(loaded: LoadedConfig) -> TradingCalendar:
    world = loaded.scenario
    return TradingCalendar(always_open=bool(world and world.always_open))


def _model(loaded: LoadedConfig) -> OptionModel:
    greeks = loaded.config.greeks
    inputs = ModelInputs(
        greeks.risk_free_rate,
        greeks.dividend_yield,
        tuple((dividend.ex_date, dividend.amount_usd) for dividend in greeks.dividends),
    )
    return OptionModel(inputs, _calendar(loaded), loaded.config.symbol)


async def run(path: Path | None, loaded: LoadedConfig) -> None:
    """Run the pricer until SIGTERM or SIGINT."""
    config = loaded.config
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    simulated = config.clock.source is ClockSource.SIMULATOR
    clock = SimulatorMarketClock(str(config.clock.url)) if simulated else WallMarketClock()
    health, metrics = Health(), Metrics()
    address = IbAddress(path, loaded)
    feed = IbFeed(
        address,
        config.pricer.client_id,
        clock,
        connect_timeout_s=config.ib.connect_timeout,
        retry_interval_s=config.daemon.ib_retry_interval_sec,
        messages_per_second=config.pricer.messages_per_second,
    )
    service = PricerService(
        PriceStore(config),
        feed,
        PriceBook(_model(loaded), config.pricer.grace_s),
        clock,
        address,
        symbol=config.symbol,
        cycle_s=config.pricer.cycle_s,
        line_budget=config.pricer.line_budget,
        health=health,
        metrics=metrics,
    )
    listener = Listener(
        lambda: connect(config, service=SERVICE),
        [Channel.POSITIONS],
        lambda _channel, _payload: service.positions_changed(),
        service.positions_changed,
    )
    server = _health_server(loaded, health, metrics)
    tasks = [asyncio.ensure_future(part) for part in (service.run(), feed.run(), listener.run())]
    if isinstance(clock, SimulatorMarketClock):
        clock.start()
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
    finally:
        if stopping.is_set():
            _end_anyway()
        listener.stop()
        await end_tasks((*tasks, stopped))
        if isinstance(clock, SimulatorMarketClock):
            await clock.stop()
        if server is not None:
            server.stop()
    _log.info("the pricer ends")


def _end_anyway() -> None:
    """End with 0 soon, even while a thread still waits for a database that does not answer.

    Nothing is lost by that: prices are written in one transaction each cycle, and read anew after a start.
    """

    def end() -> None:
        _log.info("the pricer ends without waiting for the database")
        logging.shutdown()
        os._exit(0)

    timer = threading.Timer(_END_LIMIT_S, end)
    timer.daemon = True
    timer.start()


def _health_server(loaded: LoadedConfig, health: Health, metrics: Metrics) -> HealthServer | None:
    pricer = loaded.config.pricer
    if pricer.metrics_port == 0:
        return None
    try:
        server = HealthServer(
            pricer.metrics_host, pricer.metrics_port, health, metrics, max(_ALIVE_WITHIN_S, 5 * pricer.cycle_s)
        )
    except OSError as error:
        # Prices matter more than their metrics: the pricer goes on without.
        _log.error(
            "no health port: %s:%d cannot be opened (%s); set pricer.metrics_port",
            pricer.metrics_host,
            pricer.metrics_port,
            error.strerror,
        )
        return None
    server.start()
    return server
