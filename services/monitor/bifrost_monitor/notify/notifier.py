"""Watches the lamp and the alerts, and tells the channels. One thread, only where a channel is configured.

Several monitors of one desk take turns: who holds an advisory lock tells, the others watch. Without the database each
tells by itself: twice is better than not at all. A lamp that is still red after a restart or a change of turns is told
anew; alerts of which nobody was told, because nobody watched or no channel took them, are told in one message, from
where the database says that the last one was told.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg2
from bifrost.config.enums import Severity
from bifrost.db import DatabaseError
from psycopg2.extensions import connection as Connection

from ..queries_trail import alerts_after, missed_alerts, newest_alert_id, remember_told, take_turn, told_until
from ..times import rfc3339
from ..verdict import judge
from ..view import View
from .channels import Channel, ChannelError
from .notices import MISSED, RANK, LampWatch, Notice, Repetitions, of_alert, of_missed

log = logging.getLogger(__name__)

LOOK_S = 2.0
LOCK_ID = 0x4246_4E4F
"""Advisory lock of the monitor that tells ("BFNO")."""
TRIES = 3
TRY_AGAIN_S = 5.0
AGAIN_S = 30.0
"""What no channel took is offered again after so long."""
ALERTS_AT_ONCE = 50
RECENT = 50


@dataclass(slots=True)
class Tally:
    """What a channel was given since the start."""

    sent: int = 0
    failed: int = 0
    last_sent_at: datetime | None = None
    last_error: str | None = None


class Notifier:
    """Owns the thread and remembers what was told.

    Parameters
    ----------
    view
        The present view of the desk.
    connect
        Opens a connection of its own, or raises `DatabaseError`.
    min_severity
        What is below it is not told.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        view: Callable[[], View],
        connect: Callable[[], Connection],
        *,
        min_severity: Severity = Severity.WARNING,
        repeat_s: float = 900.0,
    ) -> None:
        self._channels = list(channels)
        self._view = view
        self._connect = connect
        self._lowest = RANK[min_severity]
        self._repetitions = Repetitions(repeat_s)
        self._lamp = LampWatch()
        self._tallies = {channel.kind: Tally() for channel in self._channels}
        self._recent: deque[Notice] = deque(maxlen=RECENT)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._conn: Connection | None = None
        self._alert_id: int | None = None
        """The newest alert that this monitor has read, whether it tells or not."""
        self._began_id = 0
        """The newest alert when this monitor began to watch."""
        self._told_id: int | None = None
        """Up to here somebody has been told; while it is behind what was read, alerts wait for one message."""
        self._remembered_id: int | None = None
        self._lamp_waits: Notice | None = None
        """The last notice of the lamp, where no channel took it."""
        self._again_at_s = 0.0
        self._tells = True

    @property
    def channels(self) -> list[Channel]:
        """The channels that are configured."""
        return self._channels

    def start(self) -> None:
        """Begin to watch, where there is anybody to tell."""
        if self._channels:
            self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; a message under way is given up with the process."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=0.3)

    def answer(self) -> dict[str, Any]:
        """GET /notifications without the channels that are not configured."""
        with self._lock:
            tallies = {kind: replace(tally) for kind, tally in self._tallies.items()}
            recent = list(self._recent)
        targets = {channel.kind: channel.target for channel in self._channels}
        return {
            "channels": [
                {
                    "kind": kind,
                    "configured": True,
                    "target": targets[kind],
                    "sent": tally.sent,
                    "failed": tally.failed,
                    "last_sent_at": rfc3339(tally.last_sent_at),
                    "last_error": tally.last_error,
                }
                for kind, tally in tallies.items()
            ],
            "recent": [
                {
                    "at": rfc3339(notice.at),
                    "severity": str(notice.severity),
                    "code": notice.code,
                    "title": notice.title,
                    "text": notice.text,
                    "repeats": self._repetitions.held(notice.code),
                }
                for notice in reversed(recent)
            ],
        }

    def test(self, kind: str | None, requested_by: str) -> list[dict[str, Any]]:
        """Send a test message now, once; one result per channel."""
        text = f"A test, asked for by {requested_by}. When this arrives, alerts arrive."
        notice = Notice(datetime.now(UTC), Severity.INFO, "test", "Test", text)
        results = []
        for channel in self._channels:
            if kind is None or channel.kind == kind:
                error = self._send(channel, notice)
                results.append({"kind": channel.kind, "ok": error is None, "detail": error or "sent"})
        return results

    def tell_news(self, now_s: float) -> None:
        """Look, tell, and keep what no channel took for a later round or for the monitor that comes next.

        Parameters
        ----------
        now_s
            Monotonic seconds.
        """
        untold = self.look(now_s)
        try:
            for notice in list(untold):
                if self.tell(notice):
                    untold.remove(notice)
                elif notice.alert_id is not None:
                    break  # Alerts behind it join it in one message.
        finally:
            self._keep(untold, now_s)
        self.remember()

    def look(self, now_s: float) -> list[Notice]:
        """What must be told at this moment, the lamp first; also keeps the connection and the turn."""
        judgement = judge(self._view())
        told_before = self._tells
        alerts = self._alerts(now_s)
        if self._tells and not told_before:
            # What this one saw in silence, or told before it, may be news to whoever listens.
            self._lamp.take_over()
            self._repetitions.forget()
        lamp = self._lamp.look(judgement.whole.lamp, judgement.whole.one_line, datetime.now(UTC), now_s)
        if not self._tells:
            self._lamp_waits = None
            return []
        admitted = [notice for notice in (self._admit(found, now_s) for found in [lamp, *alerts]) if notice is not None]
        if any(notice.alert_id is None for notice in admitted):
            self._lamp_waits = None  # The lamp has said something newer.
        elif self._lamp_waits is not None and now_s >= self._again_at_s:
            admitted.insert(0, self._lamp_waits)
            self._lamp_waits = None
        return admitted

    def _admit(self, notice: Notice | None, now_s: float) -> Notice | None:
        """The notice, where it is neither too low nor a repetition; what was missed is never a repetition."""
        if notice is None or RANK[notice.severity] < self._lowest:
            return None
        return notice if notice.code == MISSED else self._repetitions.admit(notice, now_s)

    def tell(self, notice: Notice) -> bool:
        """Give it to every channel, a few times where one does not take it; whether any took it."""
        waiting = list(self._channels)
        for attempt in range(TRIES):
            waiting = [channel for channel in waiting if self._send(channel, notice) is not None]
            if not waiting or (attempt < TRIES - 1 and self._stopping.wait(TRY_AGAIN_S)):
                break
        taken = len(waiting) < len(self._channels)
        if taken:
            with self._lock:
                self._recent.append(notice)
        return taken

    def _keep(self, untold: Sequence[Notice], now_s: float) -> None:
        """Go back to before the first alert that nobody took."""
        for notice in untold:
            self._again_at_s = now_s + AGAIN_S
            if notice.alert_id is None:
                self._lamp_waits = notice
            elif self._told_id is not None:
                self._told_id = min(self._told_id, notice.alert_id - 1)

    def _send(self, channel: Channel, notice: Notice) -> str | None:
        tally = self._tallies[channel.kind]
        try:
            channel.send(notice)
        except ChannelError as error:
            log.warning("%s was not told of %s: %s", channel.kind, notice.code, error)
            with self._lock:
                tally.failed += 1
                tally.last_error = str(error)
            return str(error)
        log.info("%s was told of %s", channel.kind, notice.code)
        with self._lock:
            tally.sent += 1
            tally.last_sent_at = datetime.now(UTC)
            tally.last_error = None
        return None

    def remember(self) -> None:
        """Keep in the database how far somebody has been told, for the monitor that comes next."""
        if self._conn is None or not self._tells or self._told_id is None or self._told_id == self._remembered_id:
            return
        try:
            remember_told(self._conn, self._told_id)
            self._remembered_id = self._told_id
        except psycopg2.Error as error:
            log.warning("how far alerts were told is not kept: %s", error)

    def _alerts(self, now_s: float) -> list[Notice]:
        """Of alerts that must be told; [] while another one tells or the database does not answer."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._connect()
                self._tells = False
            if self._alert_id is None:
                self._alert_id = self._began_id = newest_alert_id(self._conn)
            if not self._tells and take_turn(self._conn, LOCK_ID):
                self._resume(self._conn, self._alert_id)
                self._tells, self._again_at_s = True, now_s
            return self._read(self._conn, now_s)
        except (DatabaseError, psycopg2.Error):
            # The keeper says why in the log, and the lamp turns red.
            if self._conn is not None:
                with contextlib.suppress(psycopg2.Error):
                    self._conn.close()
            self._conn, self._tells = None, True
            return []

    def _resume(self, conn: Connection, read_id: int) -> None:
        """Take up where the last one told: not where this one read in silence, nor behind what it told itself."""
        self._remembered_id = told_until(conn)
        known = [told for told in (self._remembered_id, self._told_id) if told is not None]
        self._told_id = max(known, default=self._began_id)
        self._alert_id = max(read_id, self._told_id)

    def _read(self, conn: Connection, now_s: float) -> list[Notice]:
        """New alerts one by one; while older ones wait to be told, all of them in one message."""
        before = self._alert_id or 0
        rows = alerts_after(conn, before, ALERTS_AT_ONCE)
        newest = rows[-1]["id"] if rows else before
        waits = self._told_id is not None and self._told_id < before
        if not self._tells or (waits and now_s < self._again_at_s):
            self._alert_id = newest
            return []
        missed = self._missed(conn, self._told_id or 0, newest) if waits else None
        self._alert_id = self._told_id = newest
        if waits:
            return [] if missed is None else [missed]
        return [of_alert(row) for row in rows]

    def _missed(self, conn: Connection, after_id: int, until_id: int) -> Notice | None:
        """One notice of the alerts in (after_id, until_id]; None where all of them are too low."""
        rows = [
            row for row in missed_alerts(conn, after_id, until_id) if RANK[Severity(row["severity"])] >= self._lowest
        ]
        notice = of_missed(rows, datetime.now(UTC))
        return None if notice is None else replace(notice, alert_id=after_id + 1)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.tell_news(time.monotonic())
            except Exception:
                # Whoever is to be told of trouble must survive trouble.
                log.exception("notifications: a look failed")
