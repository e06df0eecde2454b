"""What Prometheus reads at GET /metrics: the desk as this monitor sees it, and the monitor itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .verdict import LAMPS, judge
from .view import View

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The monitor's own registry, so that two monitors in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "bifrost_monitor_requests", "Answers by route", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "bifrost_monitor_request_seconds",
            "Time to answer",
            ("route",),
            registry=self.registry,
            buckets=_BUCKETS_S,
        )
        self._commands = Counter(
            "bifrost_monitor_commands", "Commands written for the engine", ("command",), registry=self.registry
        )
        self._lamp = Gauge("bifrost_lamp", "1 at the colour shown", ("colour",), registry=self.registry)
        self._database_up = self._gauge("bifrost_database_up", "1 while the database can be read")
        self._view_age_s = self._gauge("bifrost_view_age_seconds", "Seconds since the database was last read")
        self._beat_age_s = self._gauge("bifrost_heartbeat_age_seconds", "Seconds since the engine's last beat")
        self._ib_connected = self._gauge("bifrost_ib_connected", "1 while the engine is connected to IB")
        self._net_delta = self._gauge("bifrost_net_delta_shares", "Net delta of the last snapshot")
        self._daily_pnl = self._gauge("bifrost_daily_pnl_dollars", "P&L of the trading day")
        self._streams = self._gauge("bifrost_monitor_streams", "Open event streams")
        self._hedges = self._gauge("bifrost_daily_hedges", "Hedges of the trading day")

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(name, help_text, registry=self.registry)

    def streams(self, count: int) -> None:
        """How many event streams are open."""
        self._streams.set(count)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(method if method in ("GET", "POST", "HEAD") else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def command(self, command: str) -> None:
        """Count one command that was written."""
        self._commands.labels(command).inc()

    def text(self, view: View) -> bytes:
        """The exposition text, gauges as of ``view``."""
        judgement = judge(view)
        for colour in LAMPS.values():
            self._lamp.labels(colour).set(1 if judgement.whole.lamp == colour else 0)
        self._database_up.set(0 if view.error or view.desk is None else 1)
        nothing = float("nan")
        self._view_age_s.set(view.age_s() if view.desk else nothing)
        self._beat_age_s.set(nothing if judgement.heartbeat_age_s is None else judgement.heartbeat_age_s)
        status = (view.desk.status if view.desk else None) or {}
        beat = (view.desk.heartbeat if view.desk else None) or {}
        self._ib_connected.set(1 if judgement.alive and beat.get("ib_connected") else 0)
        for gauge, name in (
            (self._net_delta, "net_delta"),
            (self._daily_pnl, "daily_pnl"),
            (self._hedges, "daily_hedge_count"),
        ):
            value = status.get(name)
            gauge.set(nothing if value is None else value)
        return generate_latest(self.registry)
