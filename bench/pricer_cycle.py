"""A pricer cycle over 5,000 contracts in three accounts beside one raw execute_values of the same rows.

The cycle is the service's own: aggregate 15,000 positions in SQL, take each contract's newest quote and greeks, build
the rows, upsert what changed in one statement. Only the market is missing: quotes and IB's model values lie in memory,
new for every contract in every cycle. The peer gets the very rows of that cycle as tuples and writes them with the same
statement on a connection of its own. Both take turns on one database; the rows differ each time, so both write 5,000.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bifrost.calendar import TradingCalendar
from bifrost.config.load import load_config
from bifrost.contract import ContractKey, contract_key
from bifrost_pricer.adapters import postgres
from bifrost_pricer.adapters.postgres import PriceStore
from bifrost_pricer.domain.book import PriceBook
from bifrost_pricer.domain.greeks import ModelInputs, OptionModel
from bifrost_pricer.domain.plan import LinePlan
from bifrost_pricer.domain.rows import OptionValues, PriceRow, PriceSource, Quote
from bifrost_pricer.health import Health, Metrics
from bifrost_pricer.service import PricerService
from psycopg2.extras import execute_values

from bench import _report
from bench._monitor_desk import fresh_database

CONTRACTS = 5000
ACCOUNTS = ("DU1", "DU2", "DU3")
STOCK = ContractKey("NVDA", "STK")


class NewMarket:
    """Lines whose every quote is new after `turn`; none is asked for."""

    connected = True
    last_failure = None
    streaming: tuple[ContractKey, ...] = ()
    lines_in_use = 90

    def __init__(self, keys: Sequence[ContractKey]) -> None:
        self._keys = keys
        self._quotes: dict[ContractKey, Quote] = {}
        self._values: dict[ContractKey, OptionValues] = {}
        self._turns = 0

    def turn(self) -> None:
        """Another price and other greeks for every contract."""
        self._turns += 1
        at = datetime(2026, 5, 7, 14, tzinfo=UTC) + timedelta(seconds=2 * self._turns)
        shift = 0.01 * (self._turns % 50)
        for number, key in enumerate(self._keys):
            bid = 1.0 + number * 0.01 + shift
            self._quotes[key] = Quote(bid, bid + 0.05, bid + 0.02, PriceSource.LIVE, at, at)
            if key.is_option:
                self._values[key] = OptionValues(0.3 + shift, 0.5 + shift / 10, 0.02, -0.1 - shift, 0.2, 140.0 + shift)

    def quote(self, key: ContractKey) -> Quote | None:
        return self._quotes.get(key)

    def model_values(self, key: ContractKey) -> OptionValues | None:
        return self._values.get(key)

    def trouble(self, key: ContractKey) -> str | None:
        return None

    def fresh(self, key: ContractKey) -> bool:
        return True

    def follow(self, plan: LinePlan, con_ids: Mapping[ContractKey, int]) -> None:
        """The market is already here."""

    def check_address(self) -> None:
        """There is no gateway."""


class Clock:
    """Market time that stands still; expiries are far enough away."""

    def now(self) -> datetime:
        return datetime(2026, 5, 7, 14, tzinfo=UTC)


class Written(PriceStore):
    """The store, which remembers what the last cycle wrote."""

    rows_written: Sequence[PriceRow] = ()

    def write(self, changed: Sequence[PriceRow], removed: Iterable[ContractKey]) -> None:
        self.rows_written = changed
        super().write(changed, removed)


def contracts() -> list[ContractKey]:
    """The underlying and options of it: 4,999 of 25 expiries, 100 strikes, calls and puts."""
    keys = [STOCK]
    for expiry in range(25):
        day = datetime(2026, 6, 5, tzinfo=UTC) + timedelta(days=7 * expiry)
        for strike in range(100):
            for right in "CP":
                keys.append(contract_key("NVDA", "OPT", f"{day:%Y%m%d}", 90.0 + strike, right))
    return keys[:CONTRACTS]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench pricer_cycle", description=__doc__)
    parser.add_argument("--cycles", type=int, default=15)
    options = parser.parse_args(arguments)
    _report.heading(f"pricer cycle over {CONTRACTS} contracts", ("bifrost-pricer", "psycopg2-binary"))
    keys = contracts()
    with fresh_database() as database:
        shown = ("server_version", "fsync", "synchronous_commit")
        print("database: " + ", ".join(f"{name} {database.value(f'SHOW {name}')}" for name in shown))
        with database.connect("owner").cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO account_positions (account_id, contract_key, position, con_id) VALUES %s",
                [(account, str(key), 1.0, number + 1) for account in ACCOUNTS for number, key in enumerate(keys)],
                page_size=5000,
            )
        database.query("ANALYZE account_positions")
        config = load_config(env=database.env("pricer")).config
        cycles, raws = asyncio.run(measured(Written(config), database.connect("pricer"), keys, options.cycles))
        stored = database.value("SELECT count(*) FROM instrument_prices WHERE mid IS NOT NULL")
    if stored != CONTRACTS:
        raise RuntimeError(f"{stored} prices are stored, not {CONTRACTS}")
    ratios = [cycle / raw for cycle, raw in zip(cycles, raws, strict=True)]
    table = [line("Bifrost's whole cycle", cycles), line("raw execute_values of its rows", raws)]
    _report.table(("what", "turns", "median ms", "best ms", "worst ms"), table)
    print(f"cycle / raw, median of the turns: {statistics.median(ratios):.2f} (aim: 1.5 at most)")
    return 0


def line(name: str, seconds: Sequence[float]) -> tuple[str, ...]:
    """One line of the table."""
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    return (name, str(len(seconds)), *(f"{figure * 1000:.0f}" for figure in figures))


async def measured(
    store: Written, raw: object, keys: Sequence[ContractKey], cycles: int
) -> tuple[list[float], list[float]]:
    """Seconds of each cycle and of each raw upsert, taking turns after one of each that is not counted."""
    market, config = NewMarket(keys), load_config(env={}).config
    model = OptionModel(ModelInputs(0.05, 0.0), TradingCalendar(always_open=True), "NVDA")
    service = PricerService(
        store,
        market,
        PriceBook(model, config.pricer.grace_s),
        Clock(),  # type: ignore[arg-type]
        NoAddress(),
        symbol="NVDA",
        cycle_s=2.0,
        line_budget=90,
        health=Health(),
        metrics=Metrics(),
    )
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(cycles + 1):
        market.turn()
        began = time.perf_counter()
        await service._cycle()
        took = time.perf_counter() - began
        if len(store.rows_written) != CONTRACTS:
            raise RuntimeError(f"the cycle wrote {len(store.rows_written)} rows, not {CONTRACTS}")
        values = [postgres._values(replace(row, last=(row.last or 0.0) + 0.001)) for row in store.rows_written]
        began = time.perf_counter()
        with raw.cursor() as cursor:  # type: ignore[attr-defined]
            execute_values(cursor, postgres._UPSERT, values, template=postgres._TEMPLATE, page_size=len(values))
        if turn:
            ours.append(took)
            theirs.append(time.perf_counter() - began)
    return ours, theirs


class NoAddress:
    """Nobody moves the gateway."""

    def take_settings(self, settings: object) -> None:
        """There is none."""
