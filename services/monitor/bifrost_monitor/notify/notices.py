"""Which notices there are, and which are only repetitions. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bifrost.config.enums import Severity

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
RED_AFTER_S = 20.0
"""A lamp that is red for less may be a restart; the page shows it, nobody is woken."""
CLEAR_AFTER_S = 20.0
OVER = ":over"
WORDS_ASKED_FOR = ("stopped at",)
"""Reasons that somebody has asked for: worth a word, not an alarm."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell. ``code`` names the kind: what has the same code is a repetition.

    ``alert_id`` is the (first) alert of the engine that it tells of; None where it is of the lamp.
    """

    at: datetime
    severity: Severity
    code: str
    title: str
    text: str
    repeats: int = 0
    alert_id: int | None = None


class Repetitions:
    """Lets each code through once per ``repeat_s``; counts what it holds back and says so the next time.

    Parameters
    ----------
    repeat_s
        Seconds for which the same code is held back. A higher severity of the same code passes at once.
    """

    def __init__(self, repeat_s: float, kept: int = 500) -> None:
        self._repeat_s = repeat_s
        self._kept = kept
        self._told: dict[str, tuple[float, int, int]] = {}

    def admit(self, notice: Notice, now_s: float) -> Notice | None:
        """The notice with how many were held back before it, or None when it is one of them."""
        rank = RANK[notice.severity]
        told = self._told.get(notice.code)
        if told is not None:
            at_s, told_rank, held = told
            if now_s - at_s < self._repeat_s and rank <= told_rank:
                self._told[notice.code] = (at_s, told_rank, held + 1)
                return None
            notice = replace(notice, repeats=held)
        self._told.pop(notice.code, None)
        # That it is over was told: should it come again, that is news, or the last word would be a wrong one.
        self._told.pop(notice.code.removesuffix(OVER), None)
        self._told[notice.code] = (now_s, rank, 0)
        if len(self._told) > self._kept:
            del self._told[next(iter(self._told))]
        return notice

    def forget(self) -> None:
        """From now on everything is news."""
        self._told.clear()

    def held(self, code: str) -> int:
        """How many of this code are held back since it was told."""
        told = self._told.get(code)
        return told[2] if told else 0


class LampWatch:
    """Turns the lamp into notices: red that lasts, and that it has passed."""

    def __init__(self) -> None:
        self._red_since_s: float | None = None
        self._clear_since_s: float | None = None
        self._told: str | None = None

    def take_over(self) -> None:
        """Another one told until now, or should have: a lamp that is red is told anew; that it has passed, as well."""
        if self._red_since_s is not None:
            self._told = None

    def look(self, lamp: str, reason: str, at: datetime, now_s: float) -> Notice | None:
        """What must be told now, if anything.

        Parameters
        ----------
        reason
            The verdict in one sentence; its first word names the kind of trouble.
        now_s
            Monotonic seconds.
        """
        if lamp == "red":
            self._clear_since_s = None
            self._red_since_s = now_s if self._red_since_s is None else self._red_since_s
            code = reason.split(":")[0].split(" ")[0] or "red"
            if now_s - self._red_since_s < RED_AFTER_S or code == self._told:
                return None
            self._told = code
            asked = reason.startswith(WORDS_ASKED_FOR)
            severity = Severity.WARNING if asked else Severity.CRITICAL
            return Notice(at, severity, f"lamp:{code}", "The lamp is red", reason)
        self._red_since_s = None
        if self._told is None:
            return None
        self._clear_since_s = now_s if self._clear_since_s is None else self._clear_since_s
        if now_s - self._clear_since_s < CLEAR_AFTER_S:
            return None
        code, self._told, self._clear_since_s = self._told, None, None
        return Notice(at, Severity.WARNING, f"lamp:{code}{OVER}", f"The lamp is {lamp} again", reason or "all is well")


def of_alert(row: Mapping[str, Any]) -> Notice:
    """The notice of an alert of the engine. Alerts about different orders or legs are different ones."""
    details = row["details"] if isinstance(row.get("details"), dict) else {}
    about = next((str(details[name]) for name in ("order_ref", "contract_key") if details.get(name)), "")
    code = f"alert:{row['code']}:{about}" if about else f"alert:{row['code']}"
    title = str(row["code"]).replace("_", " ").capitalize()
    severity = Severity(row["severity"])
    return Notice(row["written_at"], severity, code, title, str(row["message"]), alert_id=row["id"])


MISSED = "missed"
"""Code of the one notice of several alerts."""
#: So many kinds of alert are told of by name; of the rest only the number.
KINDS_SHOWN = 6


def of_missed(rows: Sequence[Mapping[str, Any]], at: datetime) -> Notice | None:
    """One notice of every alert that nobody was told of, the worst first; None when there was nothing.

    Parameters
    ----------
    rows
        ``{code, severity, count, newest_at, message}``, the worst first.
    """
    if not rows:
        return None
    count = sum(row["count"] for row in rows)
    lines = [f"{row['count']} × {row['code']} ({row['severity']}): {row['message']}" for row in rows[:KINDS_SHOWN]]
    if len(rows) > KINDS_SHOWN:
        lines.append(f"and {len(rows) - KINDS_SHOWN} kinds more; all of them are on the page")
    title = "An alert that nobody was told of" if count == 1 else f"{count} alerts that nobody was told of"
    return Notice(at, Severity(rows[0]["severity"]), MISSED, title, "\n".join(lines))
