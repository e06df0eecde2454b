"""The engine's own verdict: would a hedge go out now, and if not, why (engine.md section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .view import GateResult, View


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    BLOCKED = "blocked"


class Lamp(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the self-check needs besides the view of the evaluation. Times are wall seconds."""

    daemon_state: str
    stopping: str = ""
    """Why the engine stops; empty while it does not."""
    next_retry_in_s: float | None = None
    """Seconds until IB is tried again."""
    orphan_reason: str = ""
    """Own shares without managed legs: since when, how many, what happens next."""
    trading_since_s: float | None = None
    """When the trading machine entered its present state."""
    data_lag_limit_ms: float | None = None
    retry_in_s: float | None = None
    """Seconds of back-off left after a failed hedge."""
    legs_problem: str = ""
    """A degraded leg in words (model_disagreement, pin_risk ...): shown, never colours."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The verdict of contracts.md "GET /status": verdict and lamp map one to one."""

    self_check: Verdict
    status_lamp: Lamp
    block_reasons: tuple[str, ...]
    checks: tuple[dict[str, object], ...]
    """Each {name, state, observed, limit, reason, kind, remaining_s}."""
    one_line: str
    """Why it is not hedging, or what it is doing, in one sentence."""


def self_check(view: View, gates: tuple[GateResult, ...], surroundings: Surroundings) -> SelfCheck:
    """Judge the engine.

    Parameters
    ----------
    view : View
        The evaluation as it was.
    gates : tuple of GateResult
        Its gates, shown as checks. Whether a forced hedge would pass is found out here, on a hypothetical view.
    """
    raise NotImplementedError


def one_line(view: View, gates: tuple[GateResult, ...], reasons: tuple[str, ...]) -> str:
    """The sentence that answers "why is it not hedging?", or says what it is doing."""
    raise NotImplementedError
