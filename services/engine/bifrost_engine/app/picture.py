"""The picture of the engine for status_current: the core's row with what only the process knows."""

from __future__ import annotations

from bifrost.clock import MarketClock, format_utc

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.machines.daemon import DaemonState
from bifrost_engine.domain.selfcheck.selfcheck import Surroundings
from bifrost_engine.domain.selfcheck.snapshot import snapshot_row
from bifrost_engine.domain.state import Rules

SCENARIO_OVER = (
    "scenario_over: the scenario has come to its end; stop the desk, "
    "then `make reset` and `make run` with its SCENARIO= play it again"
)


def picture(
    step: Step,
    rules: Rules,
    *,
    daemon: DaemonState,
    stopping: str,
    retry_s: int | None,
    market: MarketClock | None,
) -> dict[str, object]:
    """A row of status_current without instance, epoch and sequence.

    Parameters
    ----------
    stopping : str
        Why the engine stops; empty while it does not.
    retry_s : int or None
        Seconds until IB is tried again.
    """
    surroundings = Surroundings(
        daemon_state=str(daemon),
        stopping=stopping,
        next_retry_in_s=float(retry_s) if retry_s is not None else None,
        trading_since_s=step.state.trading_since_s,
    )
    row = snapshot_row(step, rules, surroundings) | {"market_clock": _clock(market)}
    return _over(row) if market is not None and market.scenario_over else row


def _over(row: dict[str, object]) -> dict[str, object]:
    """A simulated world that has ended trades no more: that comes first, and it is never green."""
    reasons = row.get("block_reasons")
    others = list(reasons) if isinstance(reasons, list) else []
    row["block_reasons"] = [SCENARIO_OVER, *others]
    if row.get("status_lamp") == "green":
        row |= {"status_lamp": "yellow", "self_check": "degraded"}
    return row


def _clock(market: MarketClock | None) -> dict[str, object] | None:
    if market is None:
        return None
    moment = market.now()
    return {
        "market": format_utc(moment) if moment is not None else None,
        "speed": market.speed,
        "paused": market.paused,
        "always_open": market.always_open,
        "scenario_over": market.scenario_over,
    }
