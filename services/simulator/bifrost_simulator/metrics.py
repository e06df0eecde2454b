"""Prometheus metrics of a world, read when asked."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bifrost_simulator.world import SimulatedWorld


class WorldCollector:
    """Turns the world's figures into metric families."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    def collect(self) -> Iterator[Metric]:
        world = self._world
        messages = CounterMetricFamily(
            "bifrost_simulator_messages", "Protocol messages by direction and name", labels=["direction", "message"]
        )
        for (direction, message), count in sorted(world.journal.counts.items()):
            messages.add_metric([direction, message], count)
        yield messages
        yield GaugeMetricFamily("bifrost_simulator_clients", "Connected API clients", len(world.clients))
        yield GaugeMetricFamily("bifrost_simulator_lines", "Market data lines", world.feed.line_count())
        yield GaugeMetricFamily("bifrost_simulator_open_orders", "Open orders", sum(1 for _ in world.book.open()))
        yield GaugeMetricFamily(
            "bifrost_simulator_executions_kept", "Executions of today and the day before", len(world.book.executions)
        )
        yield GaugeMetricFamily("bifrost_simulator_faults_active", "Active faults", len(world.faults.active))
        yield GaugeMetricFamily("bifrost_simulator_market_time_seconds", "Market time, epoch", world.clock.market_s)
        yield GaugeMetricFamily("bifrost_simulator_speed", "Market seconds per wall second", world.clock.speed)
        equity = GaugeMetricFamily("bifrost_simulator_equity_usd", "Net liquidation", labels=["account"])
        for account in world.accounts():
            equity.add_metric([account], world.settlement.figures(account).net_liquidation)
        yield equity


def render(world: SimulatedWorld) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorldCollector(world))
    return generate_latest(registry)
