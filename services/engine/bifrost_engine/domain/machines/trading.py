"""TradingFSM: may the desk hedge, and if not, why (engine.md section 3).

Guards are resolved before the table is asked: a market event comes in as what it means (``in_band``, ``need_ok`` ...).
"""

from __future__ import annotations

from enum import StrEnum

from .table import Machine


class TradingState(StrEnum):
    BOOT = "BOOT"
    SYNC = "SYNC"
    IDLE = "IDLE"
    ARMED = "ARMED"
    MONITOR = "MONITOR"
    NO_TRADE = "NO_TRADE"
    PAUSE_COST = "PAUSE_COST"
    PAUSE_LIQ = "PAUSE_LIQ"
    NEED_HEDGE = "NEED_HEDGE"
    HEDGING = "HEDGING"
    SAFE = "SAFE"


class TradingEvent(StrEnum):
    UNSAFE = "unsafe"
    """broker_down, data_stale, greeks_bad or exec_fault holds."""
    START = "start"
    SYNCED = "synced"
    """positions reconciled and data ok"""
    ARM = "arm"
    """option position and strategy enabled"""
    GREEKS_VALID = "greeks_valid"
    IN_BAND = "in_band"
    MINOR = "minor"
    NEED_OK = "need_ok"
    """D2/D3, cost and liquidity ok"""
    NEED_LIQUIDITY_BAD = "need_liquidity_bad"
    NEED_COST_BAD = "need_cost_bad"
    DISARM = "disarm"
    """option position gone, or strategy disabled"""
    TARGET_EMITTED = "target_emitted"
    HEDGE_DONE = "hedge_done"
    HEDGE_FAILED_RETRY = "hedge_failed_retry"
    HEDGE_FAILED_LAST = "hedge_failed_last"
    SAFE_OVER = "safe_over"
    """cause gone for safe_debounce_s, data ok, reconciled; or resume_safe"""


_S, _E = TradingState, TradingEvent
_WATCHING = (_S.MONITOR, _S.NO_TRADE, _S.PAUSE_COST, _S.PAUSE_LIQ, _S.NEED_HEDGE)

ROWS: dict[tuple[TradingState, TradingEvent], TradingState] = {
    **{(state, _E.UNSAFE): _S.SAFE for state in _S if state is not _S.SAFE},
    (_S.BOOT, _E.START): _S.SYNC,
    (_S.SYNC, _E.SYNCED): _S.IDLE,
    (_S.IDLE, _E.ARM): _S.ARMED,
    (_S.ARMED, _E.GREEKS_VALID): _S.MONITOR,
    (_S.ARMED, _E.DISARM): _S.IDLE,
    **{(state, _E.IN_BAND): _S.NO_TRADE for state in _WATCHING},
    (_S.MONITOR, _E.MINOR): _S.MONITOR,
    (_S.NO_TRADE, _E.MINOR): _S.NO_TRADE,
    (_S.PAUSE_COST, _E.MINOR): _S.NO_TRADE,
    (_S.PAUSE_LIQ, _E.MINOR): _S.NO_TRADE,
    (_S.NEED_HEDGE, _E.MINOR): _S.NO_TRADE,
    **{(state, _E.NEED_OK): _S.NEED_HEDGE for state in _WATCHING},
    **{(state, _E.NEED_LIQUIDITY_BAD): _S.PAUSE_LIQ for state in _WATCHING},
    **{(state, _E.NEED_COST_BAD): _S.PAUSE_COST for state in _WATCHING},
    **{(state, _E.DISARM): _S.IDLE for state in _WATCHING},
    (_S.NEED_HEDGE, _E.TARGET_EMITTED): _S.HEDGING,
    (_S.HEDGING, _E.HEDGE_DONE): _S.MONITOR,
    (_S.HEDGING, _E.HEDGE_FAILED_RETRY): _S.NEED_HEDGE,
    (_S.HEDGING, _E.HEDGE_FAILED_LAST): _S.SAFE,
    (_S.SAFE, _E.SAFE_OVER): _S.SYNC,
}

IGNORED: set[tuple[TradingState, TradingEvent]] = {
    (_S.SAFE, _E.UNSAFE),
    # The order machine reports every end; only HEDGING waits for one.
    *(
        (state, event)
        for state in _S
        if state is not _S.HEDGING
        for event in (_E.HEDGE_DONE, _E.HEDGE_FAILED_RETRY, _E.HEDGE_FAILED_LAST)
    ),
}

TRADING_MACHINE: Machine[TradingState, TradingEvent] = Machine("TradingFSM", ROWS, IGNORED)
