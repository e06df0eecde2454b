"""Times in rows: epoch seconds inside, aware UTC datetimes in the database."""

from __future__ import annotations

from datetime import UTC, datetime


def moment_of(epoch_s: float | None) -> datetime | None:
    """Aware UTC datetime of epoch seconds."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)


def epoch_of(moment: datetime | str | None) -> float | None:
    """Epoch seconds of an aware datetime, or of its ISO text as a spooled row holds it."""
    if moment is None:
        return None
    return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).timestamp()
