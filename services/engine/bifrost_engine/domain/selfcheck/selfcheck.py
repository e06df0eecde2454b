"""The engine's own verdict: would a hedge go out now, and if not, why (engine.md section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from .. import gates as rules
from ..execution.limits import at_least
from ..gates.answer import working_shares
from ..machines.hedge import HedgeState
from ..machines.trading import TradingState
from ..view import GateKind, GateResult, View
from ..words import DeltaState
from .selfcheck_rows import Check, checks_of

#: What may only be transitional after a connection came up becomes red once IB is connected this long (wall seconds).
SETTLED_S = 60.0
#: SAFE for longer than this in session is red (wall seconds).
SAFE_RED_S = 60.0


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    BLOCKED = "blocked"


class Lamp(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


LAMPS = {Verdict.OK: Lamp.GREEN, Verdict.DEGRADED: Lamp.YELLOW, Verdict.BLOCKED: Lamp.RED}


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
        Its gates: the pacing ones are shown as they answered. Whether a forced hedge would pass every other gate is
        found out here, on hypothetical views.
    """
    surroundings = _with_orphan(view, surroundings)
    judged = _forced_gates(view)
    shown = tuple(judged.get(gate.name, gate) if gate.kind is GateKind.BLOCKING else gate for gate in gates)
    failing = [gate for gate in judged.values() if not gate.passed and gate.kind is GateKind.BLOCKING]
    red = tuple(_red(view, failing, surroundings))
    yellow = tuple(f"{gate.name}: {_without_name(gate)}" for gate in failing) + tuple(_yellow(view, surroundings))
    reasons = tuple(dict.fromkeys(red + yellow))
    verdict = Verdict.BLOCKED if red else Verdict.DEGRADED if yellow else Verdict.OK
    rows = checks_of(
        view,
        shown,
        orphan_reason=surroundings.orphan_reason,
        next_retry_in_s=surroundings.next_retry_in_s,
        legs_problem=surroundings.legs_problem,
        machines_problem=_machines_problem(view, surroundings),
    )
    return SelfCheck(
        self_check=verdict,
        status_lamp=LAMPS[verdict],
        block_reasons=reasons,
        checks=tuple(_as_row(row, red) for row in rows),
        one_line=one_line(view, gates, reasons),
    )


def _with_orphan(view: View, surroundings: Surroundings) -> Surroundings:
    """Own shares that hedge nothing are red whether or not anybody has described them yet."""
    if surroundings.orphan_reason or view.legs_count or not view.own_shares:
        return surroundings
    return replace(surroundings, orphan_reason=f"{view.own_shares:+g} own shares and no managed legs")


def _forced_gates(view: View) -> dict[str, GateResult]:
    """Each gate's answer to a forced hedge of the size wanted; with no need, the worse of one share either way."""
    wanted = view.need_shares - working_shares(view)
    sizes = (view.order_shares if view.order is None else wanted,) if wanted else (1, -1)
    answers: dict[str, GateResult] = {}
    for size in sizes:
        hypothetical = replace(view, forced=True, need_shares=size, order_shares=size, limit_price=None)
        for answer in rules.evaluate(hypothetical):
            if answer.name not in answers or answers[answer.name].passed:
                answers[answer.name] = answer
    return answers


def _red(view: View, failing: list[GateResult], surroundings: Surroundings) -> Iterator[str]:
    if surroundings.stopping:
        yield f"stopped: {surroundings.stopping}"
    if view.breaker_reason:
        yield f"circuit_breaker: {view.breaker_reason}"
    if surroundings.orphan_reason:
        yield f"orphan_hedge: {surroundings.orphan_reason}"
    if view.order is not None and view.order.unresolved:
        yield (
            f"order_unresolved: {view.order.order_ref} is UNKNOWN after {view.order.probes} probes: "
            "compare with TWS and use resolve_order"
        )
    if not view.link_up or view.link_up_since_s is None or view.at.wall_s - view.link_up_since_s < SETTLED_S:
        return
    if not view.reconciled:
        yield f"not_reconciled: {view.not_reconciled_reason or 'positions not compared'}"
    since_s = surroundings.trading_since_s
    if view.trading_state is TradingState.SAFE and view.session.in_session and since_s is not None:
        safe_s = view.at.wall_s - since_s
        if safe_s > SAFE_RED_S:
            yield f"safe: for {safe_s:.0f} s: {view.safe_cause or 'cause unknown'}"
    limit = view.config.gates.state.delta.max_delta_limit
    if failing and view.net_delta_shares is not None and at_least(abs(view.net_delta_shares), limit):
        yield f"exposed: net delta {view.net_delta_shares:+.0f} shares, limit {limit:g}, held back by {failing[0].name}"


def _yellow(view: View, surroundings: Surroundings) -> Iterator[str]:
    """What degrades besides failing gates."""
    problem = _machines_problem(view, surroundings)
    if problem:
        yield problem
    if view.flat_volatility:
        volatility = view.config.greeks.volatility
        yield f"flat_volatility: a leg is priced with the configured volatility {volatility:g}"


def _machines_problem(view: View, surroundings: Surroundings) -> str:
    if view.trading_state in (TradingState.BOOT, TradingState.SYNC):
        return f"starting: trading machine in {view.trading_state}"
    if surroundings.retry_in_s is not None and surroundings.retry_in_s > 0:
        return f"backoff: the last hedge failed, tried again in {surroundings.retry_in_s:.0f} s"
    return ""


def _without_name(gate: GateResult) -> str:
    return gate.reason.removeprefix(f"{gate.name}:").strip()


def _as_row(check: Check, red: tuple[str, ...]) -> dict[str, object]:
    """A check that fails is blocked when it is the cause of a red lamp, else degraded; pacing never colours."""
    if check.good or check.kind is GateKind.PACING:
        state = Verdict.OK
    elif any(reason.startswith(f"{cause}:") for reason in red for cause in check.causes):
        state = Verdict.BLOCKED
    else:
        state = Verdict.DEGRADED
    return {
        "name": check.name,
        "state": str(state),
        "observed": check.observed,
        "limit": check.limit,
        "reason": check.reason or None,
        "kind": str(check.kind),
        "remaining_s": check.remaining_s,
    }


def one_line(view: View, gates: tuple[GateResult, ...], reasons: tuple[str, ...]) -> str:
    """The sentence that answers "why is it not hedging?", or says what it is doing."""
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return f"not hedging: {reasons[0]}{more}"
    if view.order is not None and view.hedge_state not in (HedgeState.EXEC_IDLE, HedgeState.FILLED):
        side = "buying" if view.order.signed_remaining > 0 else "selling"
        shares = abs(view.order.signed_remaining)
        return f"hedging: {side} {shares} {view.config.symbol}, order {view.order.order_ref} in {view.hedge_state}"
    delta, bands = view.net_delta_shares or 0.0, view.config.gates.state.delta
    if view.dimensions.delta is DeltaState.IN_BAND:
        return f"in balance: net delta {delta:+.1f} shares, within {bands.epsilon_band:g}"
    if view.dimensions.delta is DeltaState.MINOR:
        return f"watching: net delta {delta:+.1f} shares, hedged from {bands.threshold_hedge_shares:g}"
    waiting = rules.first_failing(gates)
    if waiting is not None:
        left = f", {waiting.remaining_s:.0f} s left" if waiting.remaining_s is not None else ""
        return f"waiting: {waiting.name}: {_without_name(waiting)}{left}"
    return f"about to hedge: net delta {delta:+.1f} shares"
