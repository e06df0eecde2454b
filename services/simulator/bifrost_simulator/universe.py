"""Contracts of the simulated world: the underlying and its chain, by conId and by description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bifrost.contract import ContractKey, ContractKeyError, contract_key, parse_contract_key, stable_con_id

from bifrost_simulator.api import (
    BrokerError,
    Contract,
    ContractDetails,
    ContractQuery,
    OptionChain,
    PriceIncrement,
    SymbolSample,
)
from bifrost_simulator.broker.combos import BAG, Leg, make_combo
from bifrost_simulator.hours import Hours, new_york_day

NO_SECURITY_DEFINITION = 200
VALIDATION = 321

STOCK_RULE, OPTION_RULE = 26, 110
MARKET_RULES: dict[int, tuple[PriceIncrement, ...]] = {
    STOCK_RULE: (PriceIncrement(0.0, 0.01),),
    OPTION_RULE: (PriceIncrement(0.0, 0.01), PriceIncrement(3.0, 0.05)),
}

#: Where a stock is listed; whatever is not here lists on NASDAQ.
PRIMARY_EXCHANGES = {
    "AMD": "NASDAQ",
    "BAC": "NYSE",
    "F": "NYSE",
    "GE": "NYSE",
    "IBM": "NYSE",
    "IWM": "ARCA",
    "JPM": "NYSE",
    "NVDA": "NASDAQ",
    "QQQ": "NASDAQ",
    "SPY": "ARCA",
    "TWX": "NYSE",
    "XOM": "NYSE",
}
_LONG_NAMES = {"NVDA": "NVIDIA CORP", "SPY": "SPDR S&P 500 ETF TRUST", "TWX": "TIME WARNER INC"}
_STOCK_EXCHANGES = ("SMART", "NASDAQ", "NYSE", "ARCA", "BATS", "IEX")
_OPTION_EXCHANGES = ("SMART", "CBOE", "ISE", "PHLX", "AMEX", "BOX")
_STOCK_ORDERS = (
    "ACTIVETIM,AD,AON,COND,CONDORDER,DAY,FOK,GAT,GTC,GTD,IOC,LIT,LMT,LOC,MIT,MKT,MOC,MTL,OCA,OPG,REL,STP,"
    "STPLMT,TRAIL,TRAILLMT,WHATIF"
)
_OPTION_ORDERS = (
    "ACTIVETIM,AD,AON,COND,CONDORDER,DAY,FOK,GAT,GTC,GTD,IOC,LIT,LMT,MIT,MKT,MTL,OCA,REL,STP,STPLMT,TRAIL,TRAILLMT,"
    "WHATIF"
)
_ETFS = frozenset({"IWM", "QQQ", "SPY"})
OPTION_MULTIPLIER = "100"


def primary_exchange(symbol: str) -> str:
    """Listing exchange of a stock."""
    return PRIMARY_EXCHANGES.get(symbol, "NASDAQ")


def occ_symbol(key: ContractKey) -> str:
    """The OCC's 21 characters: ``NVDA  260605C00140000``."""
    return f"{key.symbol:<6}{key.expiry[2:]}{key.right}{round(key.strike * 1000):08d}"


class Universe:
    """Every contract of the run.

    Parameters
    ----------
    con_ids : mapping, optional
        Contract key → conId as stored by an earlier run of the same scenario.
    """

    def __init__(self, symbol: str, hours: Hours, con_ids: Mapping[str, int] | None = None) -> None:
        self.symbol = symbol
        self._hours = hours
        self._con_ids: dict[str, int] = dict(con_ids or {})
        self._taken = set(self._con_ids.values())
        self._by_id: dict[int, Contract] = {}
        self._by_key: dict[ContractKey, Contract] = {}
        self._keys: dict[int, ContractKey] = {}
        self._combos: dict[int, tuple[Contract, tuple[Leg, ...]]] = {}
        self.stock = self.add(contract_key(symbol, "STK"))

    def add(self, key: ContractKey) -> Contract:
        """The contract of ``key``, made on first sight."""
        known = self._by_key.get(key)
        if known is not None:
            return known
        con_id = self._con_ids.get(str(key))
        if con_id is None:
            con_id = stable_con_id(key, self._taken)
            self._con_ids[str(key)] = con_id
            self._taken.add(con_id)
        contract = _stock(key, con_id) if key.is_stock else _option(key, con_id)
        self._by_key[key], self._by_id[con_id], self._keys[con_id] = contract, contract, key
        return contract

    def extend(self, keys: Iterable[ContractKey]) -> None:
        """Take in what the market lists."""
        for key in keys:
            self.add(key)

    def key(self, con_id: int) -> ContractKey:
        return self._keys[con_id]

    def by_key(self, text: str) -> Contract:
        """The contract of a written key; raises 200 when it does not exist."""
        try:
            found = self._by_key.get(parse_contract_key(text))
        except ContractKeyError as error:
            raise BrokerError(NO_SECURITY_DEFINITION, str(error)) from None
        if found is None:
            raise _not_found()
        return found

    def by_id(self, con_id: int) -> Contract | None:
        return self._by_id.get(con_id)

    def find(self, query: ContractQuery, market_s: float) -> tuple[Contract, ...]:
        """Every contract that fits ``query``; raises 200 when none does."""
        if query.con_id:
            known = self._by_id.get(query.con_id)
            found = [known] if known is not None and _agrees(query, known) else []
        else:
            found = [contract for contract in self._by_id.values() if self._fits(query, contract, market_s)]
        if not found:
            raise _not_found()
        return tuple(found)

    def qualify(self, query: ContractQuery, market_s: float) -> Contract:
        """The one contract meant; raises 200 when none or several fit, 321 for a combination that cannot be."""
        if query.sec_type.upper() == BAG:
            return self.combo(query)
        found = self.find(query, market_s)
        if len(found) > 1:
            raise BrokerError(
                NO_SECURITY_DEFINITION, f"The contract description specified for {query.symbol} is ambiguous."
            )
        return found[0]

    def combo(self, query: ContractQuery) -> Contract:
        """The combination that ``query`` describes by its legs."""
        contract, legs = make_combo(query, self.by_id)
        self._combos.setdefault(contract.con_id, (contract, legs))
        return self._combos[contract.con_id][0]

    def legs(self, contract: Contract) -> tuple[Leg, ...]:
        """Legs of a combination; the contract itself, once, for anything else."""
        known = self._combos.get(contract.con_id)
        return known[1] if known is not None else (Leg(contract, 1, True),)

    def details(self, contract: Contract, market_s: float) -> ContractDetails:
        """Message 10 for one contract."""
        hours = self._hours.describe(market_s)
        stock = contract.sec_type == "STK"
        exchanges = _STOCK_EXCHANGES if stock else _OPTION_EXCHANGES
        rule = STOCK_RULE if stock else OPTION_RULE
        return ContractDetails(
            contract=contract,
            market_name="NMS" if stock else contract.trading_class,
            min_tick=0.01,
            order_types=_STOCK_ORDERS if stock else _OPTION_ORDERS,
            valid_exchanges=",".join(exchanges),
            long_name=_LONG_NAMES.get(contract.symbol, contract.symbol),
            trading_hours=hours,
            liquid_hours=hours,
            under_con_id=0 if stock else self.stock.con_id,
            contract_month="" if stock else contract.expiry[:6],
            sec_ids=(),
            agg_group=1 if stock else 2,
            under_symbol="" if stock else contract.symbol,
            under_sec_type="" if stock else "STK",
            market_rule_ids=",".join([str(rule)] * len(exchanges)),
            real_expiration="" if stock else contract.expiry,
            stock_type=("ETF" if contract.symbol in _ETFS else "COMMON") if stock else "",
            suggested_size_increment=100.0 if stock else 1.0,
        )

    def option_chains(self, underlying: str, sec_type: str, con_id: int, market_s: float) -> tuple[OptionChain, ...]:
        """Listed expiries and strikes on each exchange; nothing for another underlying."""
        if underlying.upper() != self.symbol or sec_type != "STK" or con_id not in (0, self.stock.con_id):
            return ()
        live = [key for key in self._by_key if key.is_option and self._is_live(key, market_s)]
        expirations = tuple(sorted({key.expiry for key in live}))
        strikes = tuple(sorted({key.strike for key in live}))
        if not live:
            return ()
        return tuple(
            OptionChain(exchange, self.stock.con_id, self.symbol, OPTION_MULTIPLIER, expirations, strikes)
            for exchange in _OPTION_EXCHANGES
        )

    def matching_symbols(self, pattern: str) -> tuple[SymbolSample, ...]:
        """The underlying when its symbol or name begins with ``pattern``."""
        wanted, name = pattern.strip().upper(), _LONG_NAMES.get(self.symbol, self.symbol)
        if not wanted or not (self.symbol.startswith(wanted) or name.startswith(wanted)):
            return ()
        stock = self.stock
        return (SymbolSample(stock.con_id, stock.symbol, "STK", stock.primary_exchange, "USD", ("OPT",), name),)

    def to_state(self) -> dict[str, int]:
        return dict(self._con_ids)

    def _is_live(self, key: ContractKey, market_s: float) -> bool:
        return market_s < self._hours.last_trading_s(key.expiry_date)

    def _fits(self, query: ContractQuery, contract: Contract, market_s: float) -> bool:
        if not _agrees(query, contract) or query.sec_type.upper() not in (contract.sec_type, ""):
            return False
        if not query.symbol and not query.local_symbol:
            return False
        if contract.sec_type == "STK":
            return bool(query.sec_type)
        right = query.right.upper()[:1]
        if right in ("C", "P") and right != contract.right:
            return False
        if query.expiry and not contract.expiry.startswith(query.expiry.split(" ")[0]):
            return False
        if query.strike and abs(query.strike - contract.strike) > 1e-9:
            return False
        if query.multiplier and float(query.multiplier) != contract.multiplier_units:
            return False
        return query.include_expired or self._is_live(self._keys[contract.con_id], market_s)


def market_rule(rule_id: int) -> tuple[PriceIncrement, ...]:
    """Price increments of a market rule; raises 321 for an unknown one."""
    if rule_id not in MARKET_RULES:
        raise BrokerError(VALIDATION, f"Error validating request:-'bK' : cause - Invalid market rule id {rule_id}")
    return MARKET_RULES[rule_id]


def increment_at(contract: Contract, price: float) -> float:
    """Tick of ``contract`` at ``price`` by its market rule, dollars."""
    rule = MARKET_RULES[STOCK_RULE if contract.sec_type == "STK" else OPTION_RULE]
    return max((step for step in rule if step.low_edge <= abs(price)), key=lambda step: step.low_edge).increment


def day_of(market_s: float) -> str:
    """``YYYYMMDD`` in New York."""
    return f"{new_york_day(market_s):%Y%m%d}"


def _not_found() -> BrokerError:
    return BrokerError(NO_SECURITY_DEFINITION, "No security definition has been found for the request")


def _agrees(query: ContractQuery, contract: Contract) -> bool:
    """Fields that any description may carry; empty ones agree with everything."""
    exchanges = _STOCK_EXCHANGES if contract.sec_type == "STK" else _OPTION_EXCHANGES
    return (
        query.symbol.upper() in ("", contract.symbol)
        and query.currency in ("", contract.currency)
        and query.exchange in ("", contract.primary_exchange, *exchanges)
        and query.primary_exchange in ("", contract.primary_exchange, *exchanges)
        and query.local_symbol in ("", contract.local_symbol)
        and query.trading_class in ("", contract.trading_class)
    )


def _stock(key: ContractKey, con_id: int) -> Contract:
    return Contract(
        con_id=con_id,
        symbol=key.symbol,
        sec_type="STK",
        primary_exchange=primary_exchange(key.symbol),
        local_symbol=key.symbol,
        trading_class=key.symbol,
        contract_key=str(key),
    )


def _option(key: ContractKey, con_id: int) -> Contract:
    return Contract(
        con_id=con_id,
        symbol=key.symbol,
        sec_type="OPT",
        expiry=key.expiry,
        strike=key.strike,
        right=key.right,
        multiplier=OPTION_MULTIPLIER,
        local_symbol=occ_symbol(key),
        trading_class=key.symbol,
        contract_key=str(key),
    )
