"""One process of the engine: the real daemon with everything it owns, on virtual time, until it ends or is killed."""

from __future__ import annotations

import hashlib
import logging
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from bifrost.clock import MarketClock, VirtualClock
from bifrost.config import IbSettings
from bifrost.control import Command
from bifrost_engine.app import heartbeat, hedger, link, rows, tenure
from bifrost_engine.app.hedger import Hedger
from bifrost_engine.app.lifecycle import Daemon
from bifrost_engine.app.link import Trust
from bifrost_engine.app.parts import Market, Parts
from bifrost_engine.app.ports import MakeTape
from bifrost_engine.app.service_ports import Login
from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.events import BrokerTruth, Event, QuotesChanged
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.words import Mode

from .broker import Broker
from .clock import Agenda, Killed, SimClock, SimTime, VirtualLoop
from .database import Database
from .desk import SimControl, SimDesk, SimLease, Standing
from .exchange import Exchange
from .faults import Faults
from .gateway import GatewayState, SimGateway

#: The core's beat while something is under way (live a quarter of a second), and how often its picture is drawn.
BEAT_S, SNAPSHOT_S = 1.0, 60.0


class AgendaMarket(VirtualClock):
    """Market time is the agenda's: the same as wall time, as with a real gateway."""

    def __init__(self, agenda: Agenda) -> None:
        super().__init__(datetime.fromtimestamp(agenda.now_s, UTC))
        self._agenda = agenda

    def time(self) -> float:
        return self._agenda.now_s


class Tape:
    """Every event as the core consumed it, folded into one number that two equal runs share."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.events = 0

    def add(self, number: int, event: Event) -> None:
        self.events += 1
        self._digest.update(f"{number} {_told(event)}".encode())

    @property
    def hash(self) -> str:
        return self._digest.hexdigest()[:16]


def _told(event: Event) -> str:
    """What tells two events apart; of the long ones what the rest follows from."""
    if isinstance(event, QuotesChanged):
        return f"quotes {event.at.wall_s!r} {[(quote.key, quote.bid, quote.ask) for quote in event.quotes]}"
    if isinstance(event, BrokerTruth):
        orders = [(order.order_ref, order.status, order.filled) for order in event.open_orders]
        held = [(position.key, position.quantity) for position in event.positions]
        return f"truth {event.at.wall_s!r} {event.trigger} {event.ok} {orders} {len(event.executions)} {held}"
    return repr(event)


@dataclass
class Surroundings:
    """What outlives an engine."""

    agenda: Agenda
    exchange: Exchange
    broker: Broker
    gateway: GatewayState
    database: Database
    faults: Faults
    rng: random.Random
    rules: Rules
    tape: Tape
    make_tape: MakeTape | None = None


class Critical(logging.Handler):
    """Keeps what the engine calls critical about itself; alerts of the core are no failures."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "bifrost_engine.app.recorder":
            self.lines.append(f"{record.name}: {record.getMessage()}")


class Life:
    """From start to exit or death."""

    def __init__(self, around: Surroundings, on_event: Callable[[Event], None]) -> None:
        self._around = around
        self._on_event = on_event
        self.loop = VirtualLoop(around.agenda)
        self.clock = SimClock(around.agenda)
        self.desk: SimDesk | None = None
        self.hedger: Hedger[State, Step] | None = None
        self.started_s = around.agenda.now_s
        self.gateway = SimGateway(
            around.agenda,
            around.exchange,
            around.broker,
            around.gateway,
            around.faults,
            around.rng,
            self._sink,
            self.clock,
        )
        parts = Parts(
            rules=around.rules,
            mode=Mode.LIVE,
            instance_id=uuid.UUID(int=around.rng.getrandbits(128)),
            clock=self.clock,
            gateway=self.gateway,
            make_desk=self._desk,
            make_control=self._control,
            market_clock=self._market,
            address=self._address,
            trust=self._trust,
            look_at_config=lambda: None,
            make_tape=around.make_tape,
        )
        self.daemon = Daemon(parts, lambda on_news: SimLease(around.agenda, around.database, around.faults, on_news))

    def _sink(self, event: Event) -> None:
        self.daemon.sink(event)

    def _desk(self, epoch: int, on_change: Callable[[bool, str], None], on_lease_lost: Callable[[], None]) -> SimDesk:
        around = self._around
        self.desk = SimDesk(around.agenda, around.database, around.faults, around.rng, epoch, on_change, on_lease_lost)
        return self.desk

    def _control(
        self,
        epoch: int,
        on_command: Callable[[int, Command, Mapping[str, Any]], None],
        on_run_status: Callable[[Any], None],
    ) -> SimControl:
        def read(status: Standing) -> None:
            on_run_status(status)

        self.control = SimControl(self._around.database, epoch, on_command, read)
        return self.control

    def _market(self, stored_s: float | None, on_change: Callable[[MarketClock], None]) -> Market:
        async def close() -> None:
            return None

        return Market(AgendaMarket(self._around.agenda), close)

    def _address(self, settings: IbSettings | None) -> tuple[str, int]:
        return "127.0.0.1", 4002

    async def _trust(self, login: Login) -> Trust:
        return Trust(True)

    @property
    def state(self) -> State | None:
        return self.hedger.state if self.hedger is not None else None

    def watch(self, made: Hedger[State, Step]) -> None:
        self.hedger = made

    def heard(self, number: int, event: Event) -> None:
        self._around.tape.add(number, event)
        self._on_event(event)

    def run(self) -> int | None:
        """The exit code, None when it was killed. What ends the whole simulation passes through."""
        try:
            return self.loop.run_until_complete(self.daemon.run())
        except Killed:
            return None
        finally:
            self.gateway.die()
            if self.desk is not None:
                self.desk.dead = True
            self.loop.abandon()

    def stop(self) -> None:
        """SIGTERM."""
        self.daemon._stop("SIGTERM")


@contextmanager
def virtual(agenda: Agenda, rng: random.Random, current: Callable[[], Life]) -> Iterator[Critical]:
    """The application reads the agenda's time, draws its row numbers from the seed and shows its hedger."""

    def watched(state: State, *, tape: Callable[[int, Event], None] | None, **ports: Any) -> Hedger[State, Step]:
        life = current()

        def heard(number: int, event: Event) -> None:
            if tape is not None:
                tape(number, event)
            life.heard(number, event)

        made: Hedger[State, Step] = Hedger(state, tape=heard, **ports)
        life.watch(made)
        return made

    critical, root = Critical(), logging.getLogger("bifrost_engine")
    root.addHandler(critical)
    before, propagate = logging.root.manager.disable, root.propagate
    logging.disable(logging.ERROR)
    root.propagate = False
    time = SimTime(agenda)
    try:
        with (
            patch.object(heartbeat, "time", time),
            patch.object(link, "time", time),
            patch.object(hedger, "BEAT_S", BEAT_S),
            patch.object(hedger, "SNAPSHOT_S", SNAPSHOT_S),
            patch.object(tenure, "Hedger", watched),
            patch.object(rows, "new_record_id", lambda: str(uuid.UUID(int=rng.getrandbits(128)))),
        ):
            yield critical
    finally:
        logging.disable(before)
        root.propagate = propagate
        root.removeHandler(critical)
