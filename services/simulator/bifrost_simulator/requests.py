"""What clients ask of the world that changes nothing in it: contracts and market data, accounts and positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bifrost.contract import ContractKey

from bifrost_simulator import calculations
from bifrost_simulator.api import (
    AccountValue,
    BarSeries,
    BrokerError,
    Contract,
    ContractDetails,
    ContractQuery,
    HistoricalRequest,
    OptionChain,
    OptionTick,
    Pnl,
    PnlSingle,
    PortfolioItem,
    Position,
    PriceIncrement,
    SymbolSample,
)
from bifrost_simulator.api.fine import DepthExchange, FineTick, HistoricalTicksRequest
from bifrost_simulator.broker.combos import BAG
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.broker.values import summary_values, tagged_values
from bifrost_simulator.clock import SimClock
from bifrost_simulator.feed import Feed
from bifrost_simulator.history import NO_DATA, History
from bifrost_simulator.market.base import Market
from bifrost_simulator.tick_streams import TickStreams, past_ticks
from bifrost_simulator.universe import Universe, market_rule

if TYPE_CHECKING:
    from bifrost_simulator.faults import WorldHooks


class MarketRequests:
    """Contracts and market data, as `bifrost_simulator.api.World` asks for them."""

    clock: SimClock
    market: Market
    universe: Universe
    feed: Feed
    history: History
    ticks: TickStreams
    hooks: WorldHooks

    # -- contracts

    def contract_details(self, query: ContractQuery) -> tuple[ContractDetails, ...]:
        market_s = self.clock.market_s
        return tuple(self.universe.details(found, market_s) for found in self.universe.find(query, market_s))

    def qualify(self, query: ContractQuery) -> Contract:
        return self.universe.qualify(query, self.clock.market_s)

    def option_chains(self, underlying: str, exchange: str, sec_type: str, con_id: int) -> tuple[OptionChain, ...]:
        chains = self.universe.option_chains(underlying, sec_type, con_id, self.clock.market_s)
        return tuple(chain for chain in chains if exchange in ("", chain.exchange))

    def matching_symbols(self, pattern: str) -> tuple[SymbolSample, ...]:
        return self.universe.matching_symbols(pattern)

    def market_rule(self, rule_id: int) -> tuple[PriceIncrement, ...]:
        return market_rule(rule_id)

    # -- market data

    def set_market_data_type(self, client_id: int, data_type: int) -> None:
        self.feed.set_type(client_id, data_type)

    def subscribe(
        self,
        client_id: int,
        req_id: int,
        query: ContractQuery,
        generic_ticks: Sequence[int] = (),
        snapshot: bool = False,
        regulatory: bool = False,
    ) -> None:
        contract = self.qualify(query)
        self.hooks.check_market_data(client_id, contract)
        self.feed.subscribe(client_id, req_id, contract, generic_ticks, snapshot or regulatory)
        self.hooks.subscribed(client_id, req_id, contract)

    def unsubscribe(self, client_id: int, req_id: int) -> None:
        self.feed.unsubscribe(client_id, req_id)

    def historical_bars(self, client_id: int, req_id: int, request: HistoricalRequest) -> BarSeries | None:
        key = self._key(request.contract)
        self.hooks.check_history(client_id)
        return self.history.request(client_id, req_id, key, request, self.clock.market_s)

    def cancel_historical(self, client_id: int, req_id: int) -> None:
        self.history.cancel(client_id, req_id)

    def head_timestamp(self, query: ContractQuery, what_to_show: str, use_rth: bool) -> datetime:
        self._key(query)
        return datetime.fromtimestamp(self.history.head_s(self.clock.market_s), UTC)

    def subscribe_real_time_bars(
        self, client_id: int, req_id: int, query: ContractQuery, what_to_show: str, use_rth: bool
    ) -> None:
        key = self._key(query)
        self.history.start_real_time(client_id, req_id, key, what_to_show, self.clock.market_s)

    def cancel_real_time_bars(self, client_id: int, req_id: int) -> None:
        self.history.cancel_real_time(client_id, req_id)

    def subscribe_depth(self, client_id: int, req_id: int, query: ContractQuery, smart: bool) -> None:
        contract = self.qualify(query)
        self.hooks.check_market_data(client_id, contract)
        self.ticks.start_depth(client_id, req_id, contract, smart)

    def cancel_depth(self, client_id: int, req_id: int) -> None:
        self.ticks.stop_depth(client_id, req_id)

    def depth_exchanges(self) -> tuple[DepthExchange, ...]:
        names = {"STK": self.universe.stock.primary_exchange, "OPT": "CBOE"}
        return tuple(DepthExchange(exchange, sec_type) for sec_type, exchange in names.items())

    def subscribe_tick_by_tick(self, client_id: int, req_id: int, query: ContractQuery, kind: str) -> None:
        contract = self.qualify(query)
        self.hooks.check_market_data(client_id, contract)
        self.ticks.start_ticks(client_id, req_id, contract, kind)

    def cancel_tick_by_tick(self, client_id: int, req_id: int) -> None:
        self.ticks.stop_ticks(client_id, req_id)

    def historical_ticks(self, request: HistoricalTicksRequest) -> tuple[FineTick, ...]:
        return tuple(past_ticks(self.market, self._key(request.contract), request, self.clock.market_s))

    def implied_volatility(self, query: ContractQuery, option_price: float, underlying_price: float) -> OptionTick:
        key = self._key(query)
        return calculations.implied_volatility(self.market, key, option_price, underlying_price)

    def option_price(self, query: ContractQuery, iv_annual: float, underlying_price: float) -> OptionTick:
        key = self._key(query)
        return calculations.option_price(self.market, key, iv_annual, underlying_price)

    def _key(self, query: ContractQuery) -> ContractKey:
        """Key of the one contract meant; raises 162 for a combination, which has no tape of its own."""
        contract = self.qualify(query)
        if contract.sec_type == BAG:
            raise BrokerError(NO_DATA, "Historical Market Data Service error message:No data of type BAG is kept.")
        return self.universe.key(contract.con_id)


class AccountRequests:
    """Accounts, positions, profit and loss."""

    settlement: Settlement

    # -- accounts

    def accounts(self) -> tuple[str, ...]:
        return tuple(self.settlement.accounts)

    def account_values(self, account: str) -> tuple[AccountValue, ...]:
        name = self._account(account)
        return tagged_values(self.settlement.accounts[name], self.settlement.figures(name))

    def account_summary(self, group: str, tags: Sequence[str]) -> tuple[AccountValue, ...]:
        if group not in ("All", "", *self.settlement.accounts):
            raise BrokerError(321, f"Error validating request:-'bZ' : cause - Group name is invalid: {group}")
        names = self.accounts() if group in ("All", "") else (group,)
        wanted = frozenset(tag.strip() for tag in tags)
        return tuple(value for name in names for value in summary_values(self.account_values(name), wanted))

    def positions(self, account: str = "") -> tuple[Position, ...]:
        names = (self._account(account),) if account else self.accounts()
        return tuple(position for name in names for position in self.settlement.positions(name))

    def portfolio(self, account: str) -> tuple[PortfolioItem, ...]:
        return tuple(self.settlement.portfolio(self._account(account)))

    def pnl(self, account: str) -> Pnl:
        return self.settlement.pnl(self._account(account))

    def pnl_single(self, account: str, con_id: int) -> PnlSingle:
        return self.settlement.pnl_single(self._account(account), con_id)

    def _account(self, name: str) -> str:
        """The account meant; empty means the only one."""
        if not name and len(self.settlement.accounts) == 1:
            return next(iter(self.settlement.accounts))
        if name not in self.settlement.accounts:
            raise BrokerError(321, f"Error validating request:-'bZ' : cause - Invalid account code '{name}'")
        return name
