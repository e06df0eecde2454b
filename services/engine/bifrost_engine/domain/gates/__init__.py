"""The gates, one rule a file, in the order in which they are asked (engine.md section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..view import GateResult, View
from ..words import Purpose
from .below_min_size import below_min_size
from .buying_power import buying_power
from .circuit_breaker import circuit_breaker
from .cooldown import cooldown
from .db_unavailable import db_unavailable
from .disconnected import disconnected
from .earnings_blackout import earnings_blackout
from .halted import halted
from .hold import hold
from .live_not_allowed import live_not_allowed
from .max_daily_hedge_count import max_daily_hedge_count
from .max_notional import max_notional
from .max_position_shares import max_position_shares
from .min_price_move import min_price_move
from .must_reduce_delta import must_reduce_delta
from .no_legs import no_legs
from .no_quote import no_quote
from .not_reconciled import not_reconciled
from .order_rate import order_rate
from .order_working import order_working
from .outside_session import outside_session
from .price_collar import price_collar
from .reset_window import reset_window
from .safe_mode import safe_mode
from .shortable import shortable
from .spread_too_wide import spread_too_wide
from .standby import standby
from .strategy_disabled import strategy_disabled
from .suspended import suspended

Gate = Callable[[View], GateResult]

#: A hedge passes all of them; the first that fails is the block reason.
GATES: tuple[Gate, ...] = (
    suspended,
    hold,
    standby,
    db_unavailable,
    live_not_allowed,
    not_reconciled,
    circuit_breaker,
    halted,
    safe_mode,
    strategy_disabled,
    no_legs,
    order_working,
    outside_session,
    reset_window,
    earnings_blackout,
    below_min_size,
    cooldown,
    order_rate,
    max_daily_hedge_count,
    max_position_shares,
    max_notional,
    buying_power,
    shortable,
    spread_too_wide,
    min_price_move,
    price_collar,
    must_reduce_delta,
)

#: The operator's flatten asks only these (section 7); a funded account's second switch holds for it too.
FLATTEN_GATES: tuple[Gate, ...] = (
    standby,
    live_not_allowed,
    not_reconciled,
    disconnected,
    outside_session,
    no_quote,
    halted,
    order_rate,
    price_collar,
)

#: An orphan hedge unwound by the engine itself: flatten's gates, and everything that forbids an order nobody asked for.
UNWIND_GATES: tuple[Gate, ...] = (suspended, hold, db_unavailable, circuit_breaker, safe_mode, *FLATTEN_GATES)

#: A new price of a working order asks what the first one was asked that a price can fail (section 4.4). Its size and
#: what it may do to the position were decided with the order.
REPRICE_GATES: tuple[Gate, ...] = (halted, safe_mode, spread_too_wide, price_collar)
#: The same for the operator's flatten, which goes on in safe mode.
FLATTEN_REPRICE_GATES: tuple[Gate, ...] = (no_quote, halted, price_collar)


def evaluate(view: View, gates: tuple[Gate, ...] = GATES) -> tuple[GateResult, ...]:
    """Every gate's answer, in order: none is skipped because an earlier one failed."""
    return tuple(gate(view) for gate in gates)


def first_failing(results: Iterable[GateResult]) -> GateResult | None:
    """The block reason, None when all passed."""
    return next((result for result in results if not result.passed), None)


def flatten_gates(force: bool) -> tuple[Gate, ...]:
    """The gates of the operator's flatten; ``force`` overrides not_reconciled and nothing else."""
    return tuple(gate for gate in FLATTEN_GATES if not (force and gate is not_reconciled))


def reprice_gates(purpose: Purpose) -> tuple[Gate, ...]:
    """What a new price of an order must pass."""
    return FLATTEN_REPRICE_GATES if purpose is Purpose.FLATTEN else REPRICE_GATES
