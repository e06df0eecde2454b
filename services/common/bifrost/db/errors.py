"""What can go wrong between a service and the database, in words an operator can act on."""

from __future__ import annotations

import psycopg2

#: SQLSTATE raised by the triggers of db/init.sql when a writer's lease has passed to another engine.
SQLSTATE_LEASE_PASSED = "BF001"


class DatabaseError(Exception):
    """Base of every error of this package."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or refuses the login; one line names host, port, database and user."""


class LeaseLost(DatabaseError):
    """A write was refused because another engine holds the lease under a newer epoch (SQLSTATE BF001)."""


class RecordRefused(DatabaseError):
    """A record that the schema does not take; trying again would not help."""


class SchemaError(DatabaseError):
    """The schema cannot be brought forward; the message says what is in the way."""


def first_line(error: BaseException) -> str:
    """The first line of a driver's message with nothing around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def is_lease_passed(error: BaseException) -> bool:
    """Whether ``error`` is the epoch trigger's refusal."""
    return isinstance(error, psycopg2.Error) and error.pgcode == SQLSTATE_LEASE_PASSED


def is_lock_timeout(error: BaseException) -> bool:
    """Whether ``error`` says that ``lock_timeout`` passed before a lock was free."""
    return isinstance(error, psycopg2.errors.LockNotAvailable)


def is_connection_lost(error: BaseException) -> bool:
    """Whether ``error`` means that the connection is gone or was never there; another one may work.

    A lock or statement time-out is an ``OperationalError`` too, but the connection stands: it is not counted.
    """
    if isinstance(error, DatabaseUnavailable | psycopg2.InterfaceError):
        return True
    if not isinstance(error, psycopg2.OperationalError):
        return False
    code = error.pgcode
    # Class 08: connection exceptions; 57P01..57P03: the server ends or is starting; none: the socket broke.
    return code is None or code.startswith("08") or code in {"57P01", "57P02", "57P03", "57P05"}
