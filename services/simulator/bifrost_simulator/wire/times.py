"""Moments as IB writes them.

The zone is spelled out everywhere: the naive two-space form is read in the zone of the client's host (gotcha G7).
``America/New_York`` rather than IB's alias ``US/Eastern``, which systems without legacy zone names cannot resolve.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

EXCHANGE_ZONE = ZoneInfo("America/New_York")
EPOCH_FORMAT = 2
"""reqHistoricalData's ``formatDate`` for epoch seconds instead of text."""


def zoned_text(moment: datetime) -> str:
    """``20140605 10:00:00 America/New_York``."""
    return f"{moment.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S} {EXCHANGE_ZONE.key}"


def connection_text(moment: datetime) -> str:
    """The time in the handshake reply; clients do not parse it."""
    return f"{moment.astimezone(UTC):%Y%m%d %H:%M:%S} UTC"


def clock_text(moment: datetime) -> str:
    """``HH:MM`` of updateAccountTime."""
    return f"{moment.astimezone(EXCHANGE_ZONE):%H:%M}"


def bar_text(start: datetime | date, format_date: int) -> str:
    """A bar's date: daily bars are days in both formats, intraday ones zoned text or epoch seconds."""
    if not isinstance(start, datetime):
        return f"{start:%Y%m%d}"
    return str(int(start.timestamp())) if format_date == EPOCH_FORMAT else zoned_text(start)


def head_text(moment: datetime, format_date: int) -> str:
    """The answer to reqHeadTimestamp: UTC text with a dash, or epoch seconds."""
    utc = moment.astimezone(UTC)
    return str(int(utc.timestamp())) if format_date == EPOCH_FORMAT else f"{utc:%Y%m%d-%H:%M:%S}"
