"""PostgreSQL for every service: connections, roles, lease, spool, records, commands, schema.

Submodules are imported by name (``from bifrost.db.lease import Lease``); the names here are the ones everybody needs.
"""

from .connect import (
    Backoff,
    Connection,
    ConnectionParams,
    Cursor,
    connect,
    is_privileged,
    set_epoch,
    warn_if_privileged,
)
from .errors import (
    DatabaseError,
    DatabaseUnavailable,
    LeaseLost,
    RecordRefused,
    SchemaError,
    is_connection_lost,
    is_lease_passed,
    is_lock_timeout,
)
from .listener import Channel, Listener
from .schema import schema_check

__all__ = [
    "Backoff",
    "Channel",
    "Connection",
    "ConnectionParams",
    "Cursor",
    "DatabaseError",
    "DatabaseUnavailable",
    "LeaseLost",
    "Listener",
    "RecordRefused",
    "SchemaError",
    "connect",
    "is_connection_lost",
    "is_lease_passed",
    "is_lock_timeout",
    "is_privileged",
    "schema_check",
    "set_epoch",
    "warn_if_privileged",
]
