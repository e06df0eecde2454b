"""The two option calculators of the API: volatility from a price, price from a volatility."""

from __future__ import annotations

from bifrost.contract import ContractKey

from bifrost_simulator.api import BrokerError, OptionTick, TickType
from bifrost_simulator.market.base import Market, ModelInputs
from bifrost_simulator.market.greeks import MAX_IV, single_implied, single_value
from bifrost_simulator.ticks import option_answer

_VALIDATION = 321


def _invalid(cause: str) -> BrokerError:
    return BrokerError(_VALIDATION, f"Error validating request:-'bQ' : cause - {cause}")


def implied_volatility(market: Market, key: ContractKey, option_price: float, spot: float) -> OptionTick:
    """The model at the volatility that gives ``option_price`` with the underlying at ``spot`` (dollars)."""
    inputs = _inputs(market, key, spot)
    iv = single_implied(key, inputs, option_price)
    if iv is None:
        raise _invalid("No volatility gives that option price")
    return option_answer(TickType.CUSTOM_OPTION, single_value(key, inputs, iv), iv, option_price)


def option_price(market: Market, key: ContractKey, iv_annual: float, spot: float) -> OptionTick:
    """The model at ``iv_annual`` with the underlying at ``spot`` (dollars)."""
    inputs = _inputs(market, key, spot)
    if not 0 < iv_annual <= MAX_IV:
        raise _invalid(f"Invalid volatility {iv_annual:g}")
    model = single_value(key, inputs, iv_annual)
    return option_answer(TickType.CUSTOM_OPTION, model, iv_annual, model.price)


def _inputs(market: Market, key: ContractKey, spot: float) -> ModelInputs:
    given = market.model_inputs(key) if key.is_option else None
    if given is None or spot <= 0:
        raise _invalid("An option and an underlying price above 0 are needed")
    return ModelInputs(spot, given.years, given.rate, given.dividend_yield, None)
