"""Every message in both directions, readable as text.

Ticks come by the hundred a second: they are kept in a ring of their own, so that they cannot push an order out of
memory, and are written to the file only when asked for.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import NamedTuple, TextIO

from bifrost_simulator.api import Direction
from bifrost_simulator.api.base import JournalledBurst

log = logging.getLogger(__name__)

RING = 100_000
TICK_RING = 20_000
FILE_BYTES = 20_000_000
FILES = 4
TICK_MESSAGES = frozenset(
    {
        "tickPrice",
        "tickSize",
        "tickGeneric",
        "tickString",
        "tickOptionComputation",
        "historicalDataUpdate",
        "realtimeBar",
        "tickByTick",
        "updateMktDepth",
        "updateMktDepthL2",
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``seq`` counts from 1 over the whole life of the state; ``market_s`` and ``wall_s`` are epochs."""

    seq: int
    wall_s: float
    market_s: float
    direction: Direction
    client_id: int | None
    message: str
    fields: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        return {
            "seq": self.seq,
            "wall": _utc(self.wall_s),
            "market": _utc(self.market_s),
            "direction": self.direction.value,
            "client_id": self.client_id,
            "message": self.message,
            "fields": dict(self.fields),
        }


class Burst(NamedTuple):
    """Ticks of one moment to one client, spelled out only when read: nobody reads most of them."""

    first_seq: int
    wall_s: float
    market_s: float
    client_id: int | None
    req_id: int
    sent: JournalledBurst

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.sent.names) - 1

    def entries(self) -> Iterator[Entry]:
        """Each message as `record` would have kept it."""
        for number, (message, fields) in enumerate(zip(self.sent.names, self.sent.fields(self.req_id), strict=True)):
            yield Entry(
                self.first_seq + number,
                self.wall_s,
                self.market_s,
                Direction.TO_CLIENT,
                self.client_id,
                message,
                fields,
            )


class MessageJournal:
    """The journal of one simulator state.

    Parameters
    ----------
    file : Path or None
        JSON lines; rotated at 20 MB, four files. None keeps the journal in memory only.
    market_s : callable
        Market time, epoch seconds.
    ticks_to_file : bool
        Write market data to the file too.
    """

    def __init__(
        self,
        file: Path | None,
        market_s: Callable[[], float],
        wall_s: Callable[[], float] = time.time,
        *,
        ticks_to_file: bool = False,
    ) -> None:
        self._file = file
        self._market_s = market_s
        self._wall_s = wall_s
        self._ticks_to_file = ticks_to_file
        self._ring: deque[Entry] = deque(maxlen=RING)
        self._ticks: deque[Entry | Burst] = deque()
        self._tick_count = 0
        self._stream: TextIO | None = None
        self._written = 0
        self.seq = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._bursts: dict[Sequence[str], int] = {}
        if file is not None:
            self._read_back(file)
            self._open(file)

    def record(self, direction: Direction, client_id: int | None, message: str, fields: Mapping[str, object]) -> None:
        """Keep one message; called by the wire for every frame it decodes or sends."""
        self.seq += 1
        entry = Entry(self.seq, self._wall_s(), self._market_s(), direction, client_id, message, fields)
        self._counts[direction.value, message] += 1
        is_tick = message in TICK_MESSAGES
        if is_tick:
            self._ticks.append(entry)
            self._tick_count += 1
            self._drop_oldest()
        else:
            self._ring.append(entry)
        if self._stream is not None and (not is_tick or self._ticks_to_file):
            self._write(entry)

    def record_burst(self, client_id: int | None, req_id: int, burst: JournalledBurst) -> None:
        """Keep ticks sent to a client at one moment; called by the wire, thousands of times a second."""
        names = burst.names
        count = len(names)
        if not count:
            return
        kept = Burst(self.seq + 1, self._wall_s(), self._market_s(), client_id, req_id, burst)
        self.seq += count
        self._bursts[names] = self._bursts.get(names, 0) + 1
        self._ticks.append(kept)
        self._tick_count += count
        if self._tick_count > TICK_RING:
            self._drop_oldest()
        if self._stream is not None and self._ticks_to_file:
            for entry in kept.entries():
                self._write(entry)

    def _drop_oldest(self) -> None:
        while self._tick_count > TICK_RING:
            oldest = self._ticks.popleft()
            self._tick_count -= len(oldest.sent.names) if isinstance(oldest, Burst) else 1

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Messages by direction and name."""
        counted = Counter(self._counts)
        for messages, times in self._bursts.items():
            for message in messages:
                counted[Direction.TO_CLIENT.value, message] += times
        return dict(counted)

    def entries(
        self,
        since: int = 0,
        client_id: int | None = None,
        message: str | None = None,
        limit: int = 1000,
        ticks: bool = False,
    ) -> list[Entry]:
        """The first ``limit`` entries after ``since`` that fit, in the order of the wire.

        Market data is left out unless asked for by ``ticks`` or by the name of its message.
        """
        wanted = frozenset(message.split(",")) if message else None
        rings: list[Iterable[Entry]] = [list(self._ring)]
        if ticks or (wanted is not None and wanted & TICK_MESSAGES):
            rings.append(self._tick_entries(since, client_id))
        found: list[Entry] = []
        for entry in merge(*rings, key=lambda one: one.seq):
            if entry.seq <= since or (client_id is not None and entry.client_id != client_id):
                continue
            if wanted is not None and entry.message not in wanted:
                continue
            found.append(entry)
            if len(found) >= limit:
                break
        return found

    def _tick_entries(self, since: int, client_id: int | None) -> Iterator[Entry]:
        for kept in list(self._ticks):
            if isinstance(kept, Entry):
                yield kept
            elif kept.last_seq > since and client_id in (None, kept.client_id):
                yield from kept.entries()

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        if self._stream is not None:
            self._stream.flush()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _write(self, entry: Entry) -> None:
        assert self._stream is not None and self._file is not None
        line = json.dumps(entry.as_json(), separators=(",", ":"), default=str) + "\n"
        self._written += len(line)
        try:
            self._stream.write(line)
            if self._written > FILE_BYTES:
                self._rotate(self._file)
        except OSError as error:
            log.error("journal %s cannot be written (%s); it goes on in memory only", self._file, error)
            self._stream = None

    def _rotate(self, file: Path) -> None:
        self.close()
        for number in range(FILES - 1, 0, -1):
            older = file.with_suffix(f".{number}.jsonl")
            newer = file if number == 1 else file.with_suffix(f".{number - 1}.jsonl")
            if newer.exists():
                newer.replace(older)
        self._open(file)

    def _open(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._stream = file.open("a", encoding="utf-8")
        self._written = file.stat().st_size

    def _read_back(self, file: Path) -> None:
        """Take in what an earlier run wrote, so that the sequence and the story go on."""
        for path in [file.with_suffix(f".{number}.jsonl") for number in range(FILES - 1, 0, -1)] + [file]:
            for entry in _read(path):
                self._ring.append(entry)
                self.seq = max(self.seq, entry.seq)


def _read(path: Path) -> Iterator[Entry]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            try:
                row = json.loads(line)
                yield Entry(
                    seq=int(row["seq"]),
                    wall_s=datetime.fromisoformat(row["wall"]).timestamp(),
                    market_s=datetime.fromisoformat(row["market"]).timestamp(),
                    direction=Direction(row["direction"]),
                    client_id=row["client_id"],
                    message=str(row["message"]),
                    fields=dict(row["fields"]),
                )
            except (ValueError, KeyError, TypeError):
                log.warning("%s: a torn line was left out: %r", path, line[:80])


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
