"""What the monitor has last read of the database, and which clock its ages use.

A view is immutable and replaced as a whole, so that a request needs neither a lock nor a query.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeskRows:
    """The small rows that the verdict is made of, read in one transaction.

    ``read_at`` is the database's ``now()`` of that transaction; every age is counted from it.
    """

    read_at: datetime
    status: Row | None
    heartbeat: Row | None
    run_status: Row | None
    lease: Row | None
    instances: Sequence[Row]
    settings: Row | None
    latest_operation_id: int | None


@dataclass(frozen=True, slots=True)
class AccountRows:
    """Accounts, their positions joined with prices, and nothing computed yet."""

    accounts: Sequence[Row] = ()
    positions: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The newest rows, or the reason why there are none.

    Attributes
    ----------
    version
        Grows with every replacement.
    desk
        None before the first successful read.
    read_monotonic
        ``time.monotonic()`` of the last successful read of ``desk``.
    error
        Why the database cannot be read now; None while it answers.
    """

    version: int = 0
    desk: DeskRows | None = None
    accounts: AccountRows = field(default_factory=AccountRows)
    read_monotonic: float = 0.0
    error: str | None = "the database has not been read yet"

    def age_s(self, monotonic: float | None = None) -> float:
        """Seconds since the database was last read."""
        return (time.monotonic() if monotonic is None else monotonic) - self.read_monotonic

    def database_now(self, monotonic: float | None = None) -> datetime | None:
        """The database's clock, carried forward by our monotonic one; None before the first read."""
        if self.desk is None:
            return None
        return self.desk.read_at + timedelta(seconds=max(0.0, self.age_s(monotonic)))
