"""Gathers what one evaluation looks at into a View, and what the receipt of an order keeps of it."""

from __future__ import annotations

from .execution import probes, repricing, sizing, timeouts
from .ledger import reconcile
from .machines.hedge import HedgeState
from .market import freshness, market
from .portfolio.portfolio import Exposure
from .turn import Turn
from .view import OrderView, SessionView, View
from .words import Dimensions, Mode, OrderType, Purpose, Side


def view_of(turn: Turn, exposure: Exposure, dimensions: Dimensions, session: SessionView, stale: str) -> View:
    """The view of the state as it stands in this turn; ``stale`` is why the market is stale, empty when it is not."""
    state, config, book = turn.state, turn.rules.config, turn.state.book
    need = sizing.need(exposure.net_delta_shares) if exposure.net_delta_shares is not None else 0
    order_type = OrderType(config.order.order_type)
    limit = repricing.limit_price(turn, Side.of(need)) if need and order_type is OrderType.LIMIT else None
    simulated = state.account.startswith("DU")
    allowed = state.link.trusted and (state.mode is Mode.PAPER or simulated or config.gates.guard.risk.allow_live)
    return View(
        at=turn.at,
        config=config,
        mode=state.mode,
        account=state.account,
        simulated_account=simulated,
        session=session,
        dimensions=dimensions,
        trading_state=state.trading,
        safe_cause=state.safe_cause,
        hedge_state=state.hedge,
        suspended=state.suspended is not False,
        suspension_known=state.suspended is not None,
        hold=state.day.hold,
        leading=state.leading and not state.stopping,
        database_available=state.database_available,
        database_reason=state.database_reason,
        reconciled=state.recon.done,
        not_reconciled_reason=state.recon.reason,
        comparison_late_s=reconcile.late_s(turn),
        breaker_reason=state.day.breaker_reason if state.day.breaker_latched else "",
        link_up=state.link.usable,
        link_up_since_s=state.link.up_since_s,
        live_orders_allowed=allowed,
        bid=book.bid,
        ask=book.ask,
        spot=book.mid,
        mid_1s_ago=market.mid_1s_ago(book, turn.at),
        spread_pct=market.spread_pct(book),
        halted=book.halted,
        data_lag_ms=freshness.data_lag_ms(book, turn.at),
        stale_cause=stale,
        legs_count=exposure.legs_count,
        net_delta_shares=exposure.net_delta_shares,
        option_delta_shares=exposure.option_delta_shares,
        gamma_shares=exposure.gamma_shares,
        greeks_reason=exposure.reason,
        flat_volatility=exposure.flat_volatility,
        stock_in_scope=exposure.stock_shares,
        own_shares=state.ledger.position(state.stock),
        last_hedge=state.day.last_hedge,
        last_fill_s=state.last_fill_s,
        purpose=Purpose.HEDGE,
        need_shares=need,
        order_shares=sizing.order_size(need, config),
        forced=sizing.forced(exposure.net_delta_shares, config),
        order_type=order_type,
        limit_price=limit,
        order=_order_view(turn),
        order_times_s=tuple(t for t in state.order_times_s if t > turn.at.wall_s - 60.0),
        hedges_today=state.day.hedge_count,
        buying_power=state.buying_power,
        shortable_shares=book.shortable_shares,
    )


def _order_view(turn: Turn) -> OrderView | None:
    order = turn.state.order
    if order is None:
        return None
    age_s = turn.at.wall_s - turn.state.hedge_since_s
    limit_s = timeouts.limit_s(turn)
    patient = turn.state.hedge in (HedgeState.PLAN, HedgeState.REPRICE, HedgeState.RECOVER)
    return OrderView(
        order_ref=order.order_ref,
        signed_remaining=order.signed_remaining,
        age_s=age_s,
        within_timeouts=age_s < limit_s if limit_s is not None else patient and age_s < probes.SETTLED_S,
        probes=order.probes,
        unresolved=probes.past_probes(turn),
    )


def context_of(turn: Turn, view: View) -> dict[str, object]:
    """What the receipt of an order shows of the moment it was decided."""
    exposure = turn.state.exposure
    return {
        "dimensions": str(view.dimensions),
        "spot": view.spot,
        "bid": view.bid,
        "ask": view.ask,
        "net_delta": view.net_delta_shares,
        "option_delta": view.option_delta_shares,
        "gamma": view.gamma_shares,
        "need_shares": view.need_shares,
        "data_lag_ms": view.data_lag_ms,
        "legs": [
            {"contract_key": str(leg.key), "quantity": leg.quantity, "delta": leg.delta, "iv_annual": leg.iv_annual,
             "iv_source": str(leg.source), "iv_age_s": leg.age_s}
            for leg in (exposure.legs if exposure is not None else ())
        ],
    }  # fmt: skip
