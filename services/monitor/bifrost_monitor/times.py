"""Times as the API writes and reads them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime | None) -> str | None:
    """``moment`` as ``2026-03-02T14:30:00.123456Z``; None stays None.

    All that the database keeps: a time that was cut short would not find its own row again as since_ts or until_ts.
    """
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str, name: str) -> datetime:
    """The moment that ``text`` names; raises `ValueError` naming the parameter when it has no zone or is no time."""
    # An unquoted "+" of "+00:00" arrives as a blank in a query string.
    candidate = text.strip().replace(" ", "+") if "T" in text else text.strip()
    try:
        moment = datetime.fromisoformat(candidate)
    except ValueError:
        raise ValueError(f"{name} = {text!r} is not a time; write 2026-03-02T14:30:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{name} = {text!r} has no zone; write 2026-03-02T14:30:00Z or +00:00")
    return moment.astimezone(UTC)


def seconds_between(later: datetime, earlier: datetime | None) -> float | None:
    """Seconds from ``earlier`` to ``later``, None when there is no ``earlier``."""
    return None if earlier is None else (later - earlier).total_seconds()
