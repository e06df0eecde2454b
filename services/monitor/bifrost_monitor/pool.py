"""A few connections for requests that need a query: kept while they work, thrown away when they break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from bifrost.db import DatabaseUnavailable, is_connection_lost
from psycopg2.extensions import connection as Connection


class ConnectionPool:
    """At most ``size`` connections at a time; a request waits ``wait_s`` seconds for one and no longer."""

    def __init__(self, connect: Callable[[], Connection], size: int = 6, wait_s: float = 3.0) -> None:
        self._connect = connect
        self._slots = threading.BoundedSemaphore(size)
        self._size = size
        self._wait_s = wait_s
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection; raises `DatabaseUnavailable` when none can be had."""
        if not self._slots.acquire(timeout=self._wait_s):
            raise DatabaseUnavailable(f"all {self._size} connections were busy for {self._wait_s:.0f} s")
        try:
            conn = self._take()
            try:
                yield conn
            except BaseException as error:
                if isinstance(error, psycopg2.Error) and not is_connection_lost(error) and not conn.closed:
                    conn.rollback()
                    self._give_back(conn)
                else:
                    conn.close()
                raise
            self._give_back(conn)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for conn in idle:
            conn.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                conn = self._idle.pop() if self._idle else None
            if conn is None:
                return self._connect()
            if _alive(conn):
                return conn
            conn.close()

    def _give_back(self, conn: Connection) -> None:
        if conn.closed:
            return
        with self._lock:
            self._idle.append(conn)


def _alive(conn: Connection) -> bool:
    """Whether an idle connection still answers; a server restart leaves dead ones behind."""
    try:
        with conn.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True
