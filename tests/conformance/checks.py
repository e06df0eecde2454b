"""The checks, in the order in which they run: one function each, the same for every library and version.

A check may use what earlier ones put into the story (the qualified contracts, a price), never their orders.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance import checks_fine as fine
from tests.conformance import checks_reading as reading
from tests.conformance import checks_trading as trading
from tests.conformance.story import Story

CHECKS: tuple[Callable[[Story], None], ...] = (
    reading.handshake,
    reading.managed_accounts,
    reading.next_order_id,
    reading.log_level,
    reading.current_time,
    reading.details_of_the_stock,
    reading.unknown_contract,
    reading.option_chain,
    reading.details_of_options,
    reading.matching_symbols,
    reading.market_rules,
    reading.services_that_are_not_there,
    reading.account_values,
    reading.account_values_multi,
    reading.account_summary,
    reading.positions,
    reading.profit_and_loss,
    reading.streaming_stock,
    reading.streaming_option,
    reading.snapshot,
    reading.cancel_of_nothing,
    reading.market_data_types,
    reading.historical_bars,
    reading.bars_kept_up_to_date,
    reading.real_time_bars,
    reading.head_timestamp,
    reading.option_calculations,
    fine.order_book,
    fine.depth_exchanges,
    fine.single_ticks,
    fine.past_ticks,
    trading.market_order,
    trading.option_order,
    trading.limit_order_modified_and_cancelled,
    trading.cancel_of_an_unknown_order,
    trading.refused_order,
    trading.what_if,
    trading.stop_order,
    trading.every_order_type,
    trading.bracket,
    trading.one_cancels_all,
    trading.combination,
    trading.conditions_and_algo_are_kept,
    trading.open_orders_of_everybody,
    trading.global_cancel,
    trading.executions,
    trading.completed_orders,
    trading.manual_orders_belong_to_client_0,
    trading.disconnect_and_reconnect,
)
