"""Makes a world from a scenario and, where there is one, the state an earlier run stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bifrost.config import Scenario

from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.book import Book
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.hours import Hours
from bifrost_simulator.journal import MessageJournal
from bifrost_simulator.scenario import build_market, fault_script, initial_accounts
from bifrost_simulator.state import (
    JOURNAL_FILE,
    VERSION,
    StateStore,
    StoredState,
    account_from_json,
    account_to_json,
    book_from_json,
    book_to_json,
)
from bifrost_simulator.universe import Universe
from bifrost_simulator.world import SimulatedWorld

log = logging.getLogger(__name__)

DEFAULT_LINES = 100


def build_world(
    scenario: Scenario,
    store: StateStore | None = None,
    *,
    lines: int = DEFAULT_LINES,
    env: Mapping[str, str] | None = None,
    ticks_to_file: bool = False,
) -> SimulatedWorld:
    """The world of ``scenario``: as stored in ``store``, else at its start.

    Raises
    ------
    StateError
        When the stored state belongs to another scenario.
    WorldError, ScenarioError, TapeError
        When the scenario cannot become a world.
    """
    stored = store.load(scenario.hash) if store is not None else None
    hours = Hours(scenario.always_open)
    contracts = stored.contracts if stored is not None else {}
    market = build_market(scenario, hours, contracts.get("market", {}), env)
    universe = Universe(scenario.symbol, hours, contracts.get("con_ids"))
    universe.extend(market.chain())
    clock = SimClock(scenario.start_utc.timestamp(), scenario.speed, scenario.always_open)
    body: dict[str, Any] = {}
    if stored is None:
        accounts, book = initial_accounts(scenario, market, universe), Book()
    else:
        body = stored.body
        _restore_clock(clock, stored)
        market.advance(clock.market_s)
        universe.extend(market.chain())
        rows = (account_from_json(row, universe) for row in body["accounts"])
        accounts = {account.account_id: account for account in rows}
        book = book_from_json(body["book"], universe)
    board, dispatcher = QuoteBoard(market, universe), Dispatcher()
    for perm_id in body.get("book", {}).get("muted", ()):
        dispatcher.mute(perm_id)
    journal_file: Path | None = store.folder / JOURNAL_FILE if store is not None else None
    world = SimulatedWorld(
        clock=clock,
        hours=hours,
        market=market,
        universe=universe,
        board=board,
        book=book,
        settlement=Settlement(accounts, book, board, dispatcher, clock, universe.stock.con_id),
        dispatcher=dispatcher,
        journal=MessageJournal(journal_file, lambda: clock.market_s, ticks_to_file=ticks_to_file),
        lines=lines,
        script=fault_script(scenario, hours),
        script_position=int(body.get("script_position", 0)),
        day=str(body.get("day", "")),
    )
    if store is not None:
        Saver(world, store, scenario).attach()
    return world


def _restore_clock(clock: SimClock, stored: StoredState) -> None:
    """Market time goes on at the later of its own file and the last fill: it never goes back."""
    clock.market_s = max(float(stored.clock["market_s"]), float(stored.body["market_s"]))
    clock.speed = float(stored.clock["speed"])
    clock.paused = bool(stored.clock["paused"])
    clock.over = bool(stored.clock["over"])


class Saver:
    """Writes a world's state to its folder."""

    def __init__(self, world: SimulatedWorld, store: StateStore, scenario: Scenario) -> None:
        self._world = world
        self._store = store
        self._scenario = scenario
        self._listed = 0

    def attach(self) -> None:
        self._world.on_commit(self.save_changes)
        self._world.saver = self

    def save_changes(self) -> None:
        """After each change of orders, fills or accounts."""
        self._save_body(sync=False)

    def save_clock(self) -> None:
        """Every few seconds."""
        self._store.save_clock(self._world.clock.to_state())
        self._world.journal.flush()

    def save_all(self) -> None:
        """At the end, to survive a power cut as well."""
        self._save_body(sync=True)
        self._store.save_clock(self._world.clock.to_state(), sync=True)
        self._world.journal.flush()

    def _save_body(self, *, sync: bool) -> None:
        world = self._world
        self._save_contracts()
        self._store.save_clock(world.clock.to_state(), sync=sync)
        self._store.save_body(
            {
                "version": VERSION,
                "scenario_hash": self._scenario.hash,
                "scenario_name": self._scenario.name,
                "market_s": world.clock.market_s,
                "day": world.day,
                "script_position": world.script_position,
                "accounts": [account_to_json(account) for account in world.settlement.accounts.values()],
                "book": book_to_json(world.book, world.dispatcher.muted),
            },
            sync=sync,
        )

    def _save_contracts(self) -> None:
        """Only when something new was listed or a day began: these files are the large ones."""
        market = self._world.market.to_state()
        con_ids = self._world.universe.to_state()
        size = len(con_ids) + len(str(market))
        if size != self._listed:
            self._store.save_contracts({"market": market, "con_ids": con_ids})
            self._listed = size
