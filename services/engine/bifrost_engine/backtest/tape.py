"""A tape: what the core of one engine consumed, in order, and what it decided (architecture.md, "Time").

One JSON object a line, gzipped. The first line holds what the engine started with; then come ``event`` (sequence
number, both times, everything of the event), ``step`` (what the core made of it) and ``rules`` (the configuration from
here on). A tape that a killed engine left ends somewhere: what is whole counts.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bifrost.calendar import TradingCalendar
from bifrost.config import Config

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.state import Rules
from bifrost_engine.domain.words import Times

from .codec import CodecError, decoder, encode

log = logging.getLogger(__name__)
VERSION = 1
#: A disk that does not keep up costs the tape, never an order: what waits beyond this ends it.
MOST_WAITING = 50_000
FLUSH_S = 1.0
_EVENTS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}


class TapeError(ValueError):
    """A tape that cannot be read; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the core made of one event, short enough to be kept of each.

    ``effects`` are the effects in full, as texts; equal steps have equal ones.
    """

    outcome: str
    reason: str
    trading: str
    hedge: str
    net_delta: float | None
    effects: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: Step) -> Decided:
        evaluation = step.evaluation
        return cls(
            outcome=evaluation.outcome if evaluation is not None else "",
            reason=evaluation.block_reason if evaluation is not None else "",
            trading=str(step.state.trading),
            hedge=str(step.state.hedge),
            net_delta=evaluation.view.net_delta_shares if evaluation is not None else None,
            effects=tuple(repr(effect) for effect in step.effects),
        )


@dataclass(frozen=True, slots=True)
class Start:
    """What the engine began with."""

    restored: Restored
    at: Times


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the tape with the rules in force and, where it was written, what was decided then."""

    number: int
    event: Event
    rules: Rules
    decided: Decided | None


def plain_config(config: Config) -> dict[str, Any]:
    """The configuration as JSON holds it, without where the database is and who logs in there."""
    return config.model_dump(mode="json", exclude={"status"})


def rules_row(rules: Rules) -> dict[str, Any]:
    """Configuration and calendar."""
    calendar = {"exchange": rules.calendar.exchange, "always_open": rules.calendar.always_open}
    return {
        "config": plain_config(rules.config),
        "hash": rules.config_hash,
        "calendar": calendar,
    }


def rules_from(row: dict[str, Any]) -> Rules:
    """The rules that `rules_row` wrote."""
    return Rules(Config.model_validate_json(json.dumps(row["config"])), row["hash"], TradingCalendar(**row["calendar"]))


def step_row(number: int, decided: Decided) -> dict[str, Any]:
    return {"step": number, **encode(decided)}


class TapeWriter:
    """Writes one tape on a thread of its own; never raises and never waits on the trading loop.

    Parameters
    ----------
    file : Path
        Made anew.
    rules : callable
        The rules in force when an event is consumed.
    """

    def __init__(self, file: Path, restored: Restored, at: Times, rules: Callable[[], Rules]) -> None:
        self.file = file
        self.broken = ""
        """Why the tape ended before the engine did."""
        self._rules = rules
        self._written: Rules | None = None
        self._queue: queue.SimpleQueue[tuple[str, Any, Any] | None] = queue.SimpleQueue()
        self._queue.put(("start", restored, at))
        self._thread = threading.Thread(target=self._work, name="tape", daemon=True)
        self._thread.start()

    def event(self, number: int, event: Event) -> None:
        """The core is about to consume ``event``."""
        rules = self._rules()
        if rules is not self._written:
            self._written = rules
            self._put(("rules", rules, None))
        self._put(("event", number, event))

    def step(self, number: int, step: Step) -> None:
        """What came of event ``number``."""
        self._put(("step", number, step))

    def close(self) -> None:
        """Write what waits and end the file."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, item: tuple[str, Any, Any]) -> None:
        if self.broken:
            return
        if self._queue.qsize() > MOST_WAITING:
            self.broken = f"more than {MOST_WAITING} records waited for the disk"
            log.error("tape %s ends here: %s", self.file, self.broken)
            return
        self._queue.put(item)

    def _work(self) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(self.file, "wt", compresslevel=3, encoding="utf-8") as out:
                flushed_s = 0.0
                while (item := self._queue.get()) is not None:
                    out.write(json.dumps(_line(item), separators=(",", ":")) + "\n")
                    if time.monotonic() - flushed_s >= FLUSH_S:
                        # What a killed engine leaves is whole up to its last second.
                        out.flush()
                        flushed_s = time.monotonic()
        except (OSError, CodecError) as error:
            self.broken = str(error)
            log.error("tape %s ends here: %s", self.file, error)


def _line(item: tuple[str, Any, Any]) -> dict[str, Any]:
    kind, first, second = item
    match kind:
        case "start":
            return {"tape": VERSION, "restored": encode(first), "at": encode(second)}
        case "rules":
            return {"rules": rules_row(first)}
        case "event":
            return {"event": first, "type": type(second).__name__, **encode(second)}
        case _:
            return step_row(first, Decided.of(second))


class TapeReader:
    """One tape, read from the front; memory does not grow with its length.

    Raises
    ------
    TapeError
        When the file is missing, is no tape or holds a line that is none of ours.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.torn = False
        """The last line was not whole, or the file was not ended: a killed engine's tape."""
        first = next(self._lines(), None)
        if first is None or first[1].get("tape") != VERSION:
            raise TapeError(f"{file}: no tape of version {VERSION} (its first line must say so)")
        row = first[1]
        self.start = Start(decoder(Restored)(row["restored"]), decoder(Times)(row["at"]))

    def entries(self) -> Iterator[Entry]:
        """Every event in order, each with the rules that were in force."""
        rules: Rules | None = None
        waiting: tuple[int, Event] | None = None
        for number, row in self._lines():
            if "rules" in row:
                rules = rules_from(row["rules"])
            elif "event" in row:
                if waiting is not None and rules is not None:
                    yield Entry(*waiting, rules, None)
                waiting = (row.pop("event"), self._event(number, row))
                if rules is None:
                    raise TapeError(f"{self.file}:{number}: an event before any rules")
            elif "step" in row and waiting is not None and rules is not None:
                told = row.pop("step")
                if told != waiting[0]:
                    raise TapeError(f"{self.file}:{number}: step {told} follows event {waiting[0]}")
                yield Entry(*waiting, rules, decoder(Decided)(row))
                waiting = None
        if waiting is not None and rules is not None:
            yield Entry(*waiting, rules, None)

    def _event(self, number: int, row: dict[str, Any]) -> Event:
        kind = _EVENTS.get(name := row.pop("type", ""))
        if kind is None:
            raise TapeError(f"{self.file}:{number}: no event is called {name!r}")
        try:
            event: Event = decoder(kind)(row)
        except (CodecError, ValueError) as error:
            raise TapeError(f"{self.file}:{number}: {error}") from None
        return event

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        self.torn = False
        try:
            with gzip.open(self.file, "rt", encoding="utf-8") as lines:
                for number, text in enumerate(lines, start=1):
                    try:
                        yield number, json.loads(text)
                    except json.JSONDecodeError as error:
                        if text.endswith("\n"):
                            raise TapeError(f"{self.file}:{number}: no JSON: {error}") from None
                        self.torn = True
        except (EOFError, zlib.error):
            self.torn = True
        except (OSError, UnicodeDecodeError) as error:
            raise TapeError(f"{self.file}: cannot be read: {error}") from None


def tape_hash(file: Path) -> str:
    """The first 16 hex digits of the SHA-256 of what the tape holds, however it is compressed.

    A tape that a killed engine left has no end: what can be read of it counts.
    """
    digest, inside = hashlib.sha256(), zlib.decompressobj(wbits=31)
    with file.open("rb") as data:
        while block := data.read(1 << 16):
            try:
                digest.update(inside.decompress(block))
            except zlib.error:
                break
    return digest.hexdigest()[:16]
