"""How many shares: the need of the book and the size of one order (engine.md sections 1 and 4.2)."""

from __future__ import annotations

from bifrost.config import Config


def need(net_delta_shares: float) -> int:
    """Shares that bring net delta to zero, signed (positive buys): −net_delta rounded half to even."""
    return -round(net_delta_shares)


def order_size(need_shares: int, config: Config) -> int:
    """The next order, signed: the need capped at `max_hedge_shares_per_order`."""
    cap = config.gates.intent.hedge.max_hedge_shares_per_order
    return max(-cap, min(cap, need_shares))


def forced(net_delta_shares: float | None, config: Config) -> bool:
    """Whether |Δ| forces a hedge: at or above `max_delta_limit` (D3), or `max_net_delta_shares` when set."""
    if net_delta_shares is None:
        return False
    limits = (config.gates.state.delta.max_delta_limit, config.gates.guard.risk.max_net_delta_shares)
    return any(limit is not None and abs(net_delta_shares) >= limit for limit in limits)
