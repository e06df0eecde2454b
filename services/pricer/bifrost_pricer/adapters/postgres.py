"""What the pricer reads and writes in PostgreSQL. Blocking: the service calls it on its database thread."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from bifrost.config import Config, IbPortType, IbSettings
from bifrost.contract import ContractKey, ContractKeyError, parse_contract_key
from bifrost.db import Connection, connect, is_connection_lost, warn_if_privileged
from bifrost.db.queries.status import settings as read_settings
from psycopg2.extras import execute_values

from ..domain.plan import HeldContract
from ..domain.rows import PriceRow, PriceSource
from ..ports import Holdings

_log = logging.getLogger(__name__)
SERVICE = "pricer"

_HELD = """
SELECT contract_key, max(con_id), sum(position), count(*)
FROM account_positions WHERE position <> 0 GROUP BY contract_key ORDER BY contract_key
"""
_LEGS = "SELECT DISTINCT contract_key FROM managed_legs WHERE released_at IS NULL ORDER BY contract_key"
_ROWS = """
SELECT contract_key, last, bid, ask, mid, source, error, quote_ts, iv, delta, gamma, theta, vega, und_price
FROM instrument_prices
"""
_UPSERT = """
INSERT INTO instrument_prices (contract_key, symbol, sec_type, expiry, strike, option_right, last, bid, ask, mid,
    source, error, quote_ts, iv, delta, gamma, theta, vega, und_price, updated_at)
VALUES %s
ON CONFLICT (contract_key) DO UPDATE SET symbol = EXCLUDED.symbol, sec_type = EXCLUDED.sec_type,
    expiry = EXCLUDED.expiry, strike = EXCLUDED.strike, option_right = EXCLUDED.option_right, last = EXCLUDED.last,
    bid = EXCLUDED.bid, ask = EXCLUDED.ask, mid = EXCLUDED.mid, source = EXCLUDED.source, error = EXCLUDED.error,
    quote_ts = EXCLUDED.quote_ts, iv = EXCLUDED.iv, delta = EXCLUDED.delta, gamma = EXCLUDED.gamma,
    theta = EXCLUDED.theta, vega = EXCLUDED.vega, und_price = EXCLUDED.und_price, updated_at = EXCLUDED.updated_at
"""
_TEMPLATE = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now())"


class PriceStore:
    """One connection, opened when needed and dropped when it breaks.

    Methods raise `DatabaseUnavailable` or a psycopg2 error; after a lost connection the next call connects again and
    `connections` has grown, so the caller knows to read everything anew.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._conn: Connection | None = None
        # The same few thousand texts come every cycle: each is parsed once, a bad one reported once.
        self._keys: dict[str, ContractKey | None] = {}
        self.connections = 0

    def open(self) -> Connection:
        """The connection, opened now when there is none."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._config, service=SERVICE)
            warn_if_privileged(self._conn)
            self.connections += 1
        return self._conn

    def drop(self, error: BaseException | None = None) -> None:
        """Close the connection; with ``error`` only when that says that it is lost."""
        if self._conn is not None and (error is None or is_connection_lost(error)):
            conn, self._conn = self._conn, None
            if not conn.closed:
                conn.close()

    def holdings(self) -> Holdings:
        """Aggregate positions over all accounts by contract, in SQL."""
        conn = self.open()
        with conn.cursor() as cursor:
            cursor.execute(_HELD)
            held = []
            for text, con_id, quantity, accounts in cursor.fetchall():
                key = self._key(text, "account_positions")
                if key is not None:
                    held.append(HeldContract(key, int(con_id or 0), float(quantity), int(accounts)))
            cursor.execute(_LEGS)
            managed = tuple(
                key for (text,) in cursor.fetchall() if (key := self._key(text, "managed_legs")) is not None
            )
        saved = read_settings(conn)
        address = IbSettings(saved.ib_host, IbPortType(saved.ib_port_type)) if saved else None
        return Holdings(tuple(held), managed, address)

    def rows(self) -> list[PriceRow]:
        """Every row of ``instrument_prices``."""
        with self.open().cursor() as cursor:
            cursor.execute(_ROWS)
            rows = []
            for text, last, bid, ask, mid, source, error, quote_ts, *greeks in cursor.fetchall():
                key = self._key(text, "instrument_prices")
                if key is not None:
                    kind = PriceSource(source) if source else None
                    rows.append(PriceRow(key, last, bid, ask, mid, kind, error, quote_ts, *greeks))
        return rows

    def write(self, changed: Sequence[PriceRow], removed: Iterable[ContractKey]) -> None:
        """Upsert ``changed`` in one statement and delete ``removed``, in one transaction."""
        gone = [str(key) for key in removed]
        if not changed and not gone:
            return
        conn = self.open()
        with conn.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                if changed:
                    values = [_values(row) for row in changed]
                    execute_values(cursor, _UPSERT, values, template=_TEMPLATE, page_size=len(values))
                if gone:
                    cursor.execute("DELETE FROM instrument_prices WHERE contract_key = ANY(%s)", (gone,))
                cursor.execute("COMMIT")
            except BaseException:
                if not conn.closed:
                    cursor.execute("ROLLBACK")
                raise

    def _key(self, text: str, table: str) -> ContractKey | None:
        if text in self._keys:
            return self._keys[text]
        key: ContractKey | None = None
        try:
            key = parse_contract_key(text)
        except ContractKeyError as error:
            _log.warning("a row of %s is left out: %s", table, error)
        self._keys[text] = key
        return key


def _values(row: PriceRow) -> tuple[object, ...]:
    key = row.contract_key
    return (
        str(key),
        key.symbol,
        key.sec_type,
        key.expiry or None,
        key.strike or None,
        key.right or None,
        row.last,
        row.bid,
        row.ask,
        row.mid,
        str(row.source) if row.source else None,
        row.error,
        row.quote_ts,
        row.iv,
        row.delta,
        row.gamma,
        row.theta,
        row.vega,
        row.und_price,
    )
