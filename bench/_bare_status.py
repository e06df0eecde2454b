"""The floor of bench status_rps: FastAPI, psycopg2's own pool, one SELECT per request, nothing else."""

from __future__ import annotations

import os
from typing import Any

import uvicorn
from fastapi import FastAPI
from psycopg2.extras import RealDictCursor
from psycopg2.pool import ThreadedConnectionPool

app = FastAPI()
# FastAPI answers a plain function from up to 40 threads.
pool = ThreadedConnectionPool(10, 45, os.environ.get("BARE_DSN", ""))


@app.get("/status")
def status() -> dict[str, Any]:
    conn = pool.getconn()
    try:
        conn.autocommit = True
        with conn.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM status_current WHERE id = 1")
            found = cursor.fetchone()
            return dict(found) if found else {}
    finally:
        pool.putconn(conn)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BARE_PORT"]), access_log=False, log_level="warning")
