"""Rules between keys: combinations of values that cannot work although each value alone could."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from .enums import ClockSource
from .schema import Config

Finding = tuple[str, str]
"""Path of the key to change and what is wrong."""


def impossible(config: Config) -> list[Finding]:
    """Every rule that ``config`` breaks."""
    rules = (_delta, _ordered_pairs, _sizes, _connections, _notify, _others)
    return [finding for rule in rules for finding in rule(config)]


def _delta(config: Config) -> Iterator[Finding]:
    delta = config.gates.state.delta
    path = "gates.state.delta"
    if delta.epsilon_band >= delta.threshold_hedge_shares:
        yield (
            f"{path}.epsilon_band",
            f"{delta.epsilon_band:g} must be below threshold_hedge_shares {delta.threshold_hedge_shares:g}",
        )
    if delta.threshold_hedge_shares >= delta.max_delta_limit:
        yield (
            f"{path}.threshold_hedge_shares",
            f"{delta.threshold_hedge_shares:g} must be below max_delta_limit {delta.max_delta_limit:g}",
        )
    forced = config.gates.guard.risk.max_net_delta_shares
    if forced is not None and forced < delta.threshold_hedge_shares:
        yield (
            "gates.guard.risk.max_net_delta_shares",
            f"{forced:g} must not be below threshold_hedge_shares {delta.threshold_hedge_shares:g}",
        )


def _ordered_pairs(config: Config) -> Iterator[Finding]:
    structure = config.gates.strategy.structure
    path = "gates.strategy.structure"
    if structure.min_dte > structure.max_dte:
        yield f"{path}.min_dte", f"{structure.min_dte} must not be above max_dte {structure.max_dte}"
    if structure.exit_dte > structure.max_dte:
        yield f"{path}.exit_dte", f"{structure.exit_dte} must not be above max_dte {structure.max_dte}"
    liquidity = config.gates.state.liquidity
    if liquidity.wide_spread_pct >= liquidity.extreme_spread_pct:
        yield (
            "gates.state.liquidity.wide_spread_pct",
            f"{liquidity.wide_spread_pct:g} must be below extreme_spread_pct {liquidity.extreme_spread_pct:g}",
        )
    lag, stale = config.gates.state.system.data_lag_threshold_ms, config.gates.state.market.stale_ts_threshold_ms
    if lag > stale:
        yield (
            "gates.state.system.data_lag_threshold_ms",
            f"{lag:g} must not be above gates.state.market.stale_ts_threshold_ms {stale:g}",
        )


def _sizes(config: Config) -> Iterator[Finding]:
    hedge, risk = config.gates.intent.hedge, config.gates.guard.risk
    path = "gates.intent.hedge"
    if hedge.min_hedge_shares > hedge.max_hedge_shares_per_order:
        yield (
            f"{path}.min_hedge_shares",
            f"{hedge.min_hedge_shares} must not be above max_hedge_shares_per_order {hedge.max_hedge_shares_per_order}",
        )
    if hedge.min_hedge_shares > risk.max_position_shares:
        yield (
            f"{path}.min_hedge_shares",
            f"{hedge.min_hedge_shares} must not be above gates.guard.risk.max_position_shares "
            f"{risk.max_position_shares}",
        )


def _connections(config: Config) -> Iterator[Finding]:
    ids = {
        "ib.client_id": config.ib.client_id,
        "pricer.client_id": config.pricer.client_id,
        "copilot.client_id": config.copilot.client_id,
    }
    taken: dict[int, str] = {}
    for key, number in ids.items():
        if number in taken:
            # 326: the gateway lets one socket hold a client id.
            yield key, f"{number} is the client id of {taken[number]} too; give each its own"
        taken.setdefault(number, key)
    if config.clock.source is ClockSource.SIMULATOR and not config.clock.url:
        yield "clock.url", "clock.source simulator needs the simulator's admin address, http://host:port"
    if config.clock.url is not None:
        parts = urlsplit(config.clock.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield "clock.url", f"{config.clock.url!r} is no address; write http://host:port"
    if config.simulator.port == config.simulator.admin_port:
        yield "simulator.admin_port", f"{config.simulator.admin_port} is the gateway's port (simulator.port) too"
    postgres = config.status.postgres
    if postgres.password is not None and postgres.password_file is not None:
        yield "status.postgres.password_file", "give password or password_file, not both"


def _notify(config: Config) -> Iterator[Finding]:
    notify = config.notify
    if (notify.telegram_token is None) != (notify.telegram_chat_id is None):
        yield "notify.telegram_chat_id", "telegram needs both telegram_token and telegram_chat_id"
    if notify.ntfy_token is not None and notify.ntfy_url is None:
        yield "notify.ntfy_token", "needs notify.ntfy_url, the topic's address"


def _others(config: Config) -> Iterator[Finding]:
    if config.greeks.dividend_yield > 0 and config.greeks.dividends:
        yield "greeks.dividend_yield", "would count dividends twice; give dividend_yield or dividends, not both"
    order = config.order
    if order.order_type == "limit" and order.reprice_after_s > order.working_timeout_s:
        yield (
            "order.reprice_after_s",
            f"{order.reprice_after_s:g} must not be above working_timeout_s {order.working_timeout_s:g}",
        )
