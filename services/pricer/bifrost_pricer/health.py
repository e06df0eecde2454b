"""Liveness, readiness and metrics on a loopback port of their own."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

_log = logging.getLogger(__name__)


@dataclass
class Health:
    """What the last cycle knew. Written by the service's loop, read by the server's threads."""

    database: str = "not connected yet"
    ib: str = "not connected yet"
    clock: str = "not read yet"
    last_cycle: float = field(default_factory=time.monotonic)

    @property
    def ready(self) -> bool:
        """True when database, IB and market clock answered in the last cycle."""
        return self.database == self.ib == self.clock == "ok"


class Metrics:
    """The pricer's figures; ages in seconds of market time, NaN while there is none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"bifrost_pricer_{name}", text, registry=self.registry)

        self.oldest_quote_age = gauge("oldest_quote_age_seconds", "Age of the oldest price of a held contract")
        self.lines_in_use = gauge("lines_in_use", "Market-data lines open at the gateway")
        self.held = gauge("held_contracts", "Distinct contracts that any account holds")
        self.unpriced = gauge("unpriced_contracts", "Held contracts without any price")
        self.in_error = gauge("contracts_in_error", "Held contracts whose row carries an error")
        self.rows_last_cycle = gauge("rows_last_cycle", "Rows written by the last cycle")
        self.cycle_seconds = gauge("cycle_seconds", "Duration of the last cycle")
        self.ib_connected = gauge("ib_connected", "1 while connected to IB")
        self.database_connected = gauge("database_connected", "1 while the database answers")
        self.rows = Counter("bifrost_pricer_rows", "Rows written since the start", registry=self.registry)
        self.cycles = Counter("bifrost_pricer_cycles", "Cycles since the start", registry=self.registry)
        self.oldest_quote_age.set(float("nan"))


class HealthServer:
    """``GET /livez``, ``/readyz``, ``/metrics`` from threads of its own, so that a stuck loop still shows as dead."""

    def __init__(self, host: str, port: int, health: Health, metrics: Metrics, alive_within_s: float) -> None:
        def answer(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)
            if path == "/livez":
                silent_s = time.monotonic() - health.last_cycle
                alive = silent_s <= alive_within_s
                return _json(200 if alive else 503, {"alive": alive, "last_cycle_s_ago": round(silent_s, 1)})
            if path == "/readyz":
                shown = {name: value for name, value in asdict(health).items() if name != "last_cycle"}
                return _json(200 if health.ready else 503, {"ready": health.ready, **shown})
            return _json(404, {"error": f"no {path}: /livez, /readyz and /metrics are here"})

        self._server = ThreadingHTTPServer((host, port), _handler(answer))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


def _json(status: int, body: dict[str, object]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


def _handler(answer: Callable[[str], tuple[int, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path.split("?", 1)[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            _log.debug("health: " + format, *args)

    return Handler
