"""Contracts as the gateway knows them: conId, price steps, multiplier, trading class."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial
from typing import Any, Literal

from bifrost.contract import ContractKey, ContractKeyError, contract_key

from .connection import IbConnection
from .errors import IbCode
from .failures import IbRequestError, IbRequestTimeout
from .library import Contract

_log = logging.getLogger(__name__)
Side = Literal["BUY", "SELL"]
_CONCURRENT = 20
_FIRST_RETRY_S, _LONGEST_RETRY_S = 30.0, 900.0


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From ``low_edge`` dollars upwards prices move in steps of ``increment`` dollars."""

    low_edge: float
    increment: float


@dataclass(frozen=True, slots=True)
class ContractInfo:
    """One contract that the gateway has confirmed.

    ``multiplier`` is units of the underlying per contract: 1 for stocks. ``price_steps`` is the market rule of SMART,
    lowest edge first; one step of the contract's minimum tick where the rule could not be read.
    """

    contract_key: ContractKey
    con_id: int
    min_tick: float
    price_steps: tuple[PriceStep, ...]
    multiplier: float
    trading_class: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    underlying_con_id: int
    ib_contract: Any = field(compare=False, repr=False)

    def tick_at(self, price: float) -> float:
        """The price step, in dollars, at ``price``."""
        step = self.price_steps[0].increment
        for rule in self.price_steps:
            if price >= rule.low_edge:
                step = rule.increment
        return step

    def round_price(self, price: float, side: Side) -> float:
        """The nearest allowed price that is no worse for us than ``price``: down for a buy, up for a sale.

        Raises
        ------
        ValueError
            When ``price`` is not a finite number above zero, or rounds to zero.
        """
        if not math.isfinite(price) or price <= 0:
            raise ValueError(f"{self.contract_key}: limit price {price!r} must be above zero")
        step = Decimal(repr(self.tick_at(price)))
        rounding = ROUND_FLOOR if side == "BUY" else ROUND_CEILING
        # Float noise must not cost a step: 10.120000000000001 is on the step 0.01.
        steps = (Decimal(repr(round(price, 9))) / step).to_integral_value(rounding=rounding)
        rounded = float(steps * step)
        if rounded <= 0:
            raise ValueError(f"{self.contract_key}: price {price!r} is below the smallest step {step}")
        return rounded


@dataclass(frozen=True, slots=True)
class ContractFailure:
    """Why the gateway did not resolve a contract, and when it will be asked again (monotonic seconds)."""

    reason: str
    code: int | None
    attempts: int
    retry_at: float


def key_of(contract: Any) -> ContractKey:
    """The desk's key of a library contract; raises `ContractKeyError` when its fields make none."""
    return contract_key(
        contract.symbol,
        contract.secType,
        contract.lastTradeDateOrContractMonth,
        float(contract.strike or 0.0),
        contract.right,
    )


def library_contract(key: ContractKey, con_id: int = 0) -> Any:
    """A library contract that asks for ``key`` on SMART in dollars, by ``con_id`` when it is known."""
    if con_id:
        return Contract(conId=con_id, exchange="SMART")
    return Contract(
        symbol=key.symbol,
        secType=key.sec_type,
        lastTradeDateOrContractMonth=key.expiry,
        strike=key.strike,
        right=key.right,
        exchange="SMART",
        currency="USD",
    )


def multiplier_of(contract: Any) -> float:
    """Units of the underlying per contract of a library contract: 1 for a stock, which has none on the wire."""
    text = str(contract.multiplier or "").strip()
    try:
        value = float(text) if text else 1.0
    except ValueError:
        raise ContractKeyError(f"multiplier {text!r} of conId {contract.conId} is not a number") from None
    if not math.isfinite(value) or value <= 0:
        raise ContractKeyError(f"multiplier {text!r} of conId {contract.conId} must be above zero")
    return value


class ContractCache:
    """Contracts confirmed by the gateway, kept for the life of the process; failures kept with a back-off.

    Parameters
    ----------
    connection : IbConnection
    first_retry_s, longest_retry_s : float
        Wait before an unresolved contract is asked for again; doubles with every attempt.
    """

    def __init__(
        self,
        connection: IbConnection,
        *,
        first_retry_s: float = _FIRST_RETRY_S,
        longest_retry_s: float = _LONGEST_RETRY_S,
    ) -> None:
        self._connection = connection
        self._first_retry_s, self._longest_retry_s = first_retry_s, longest_retry_s
        self._known: dict[ContractKey, ContractInfo] = {}
        self._failed: dict[ContractKey, ContractFailure] = {}
        self._asking: dict[ContractKey, asyncio.Task[None]] = {}
        self._rules: dict[int, tuple[PriceStep, ...]] = {}
        self._rule_lock = asyncio.Lock()
        self._slots = asyncio.Semaphore(_CONCURRENT)

    def get(self, key: ContractKey) -> ContractInfo | None:
        """The confirmed contract, None when it was not asked for or did not resolve."""
        return self._known.get(key)

    def failure(self, key: ContractKey) -> ContractFailure | None:
        """Why ``key`` did not resolve at the last attempt."""
        return self._failed.get(key)

    def forget(self, key: ContractKey) -> None:
        """Drop what is known of ``key``, its failure included."""
        self._known.pop(key, None)
        self._failed.pop(key, None)

    def due(self, key: ContractKey) -> bool:
        """True when `qualify` would ask the gateway for ``key`` now."""
        failed = self._failed.get(key)
        return key not in self._known and (failed is None or time.monotonic() >= failed.retry_at)

    async def qualify(
        self, keys: Iterable[ContractKey], con_ids: Mapping[ContractKey, int] | None = None
    ) -> dict[ContractKey, ContractInfo]:
        """Resolve ``keys``; those that fail are missing from the answer and have a `failure`.

        Known ones are not asked again, failed ones only after their back-off, and two callers share one request.

        Raises
        ------
        IbNotConnected
            When there is no session: that says nothing about the contracts.
        """
        wanted = list(dict.fromkeys(keys))
        for key in wanted:
            if key not in self._asking and self.due(key):
                task = asyncio.ensure_future(self._ask(key, (con_ids or {}).get(key, 0)))
                self._asking[key] = task
                task.add_done_callback(partial(self._asked, key))
        waiting = [self._asking[key] for key in wanted if key in self._asking]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return {key: self._known[key] for key in wanted if key in self._known}

    def _asked(self, key: ContractKey, _task: asyncio.Task[None]) -> None:
        self._asking.pop(key, None)

    async def _ask(self, key: ContractKey, con_id: int) -> None:
        async with self._slots:
            try:
                details = await self._details(key, con_id)
                self._known[key] = await self._confirm(key, details)
                self._failed.pop(key, None)
            except IbRequestError as error:
                self._note_failure(key, error.text, error.code)
            except IbRequestTimeout as error:
                self._note_failure(key, str(error), None)
            except ContractKeyError as error:
                self._note_failure(key, str(error), IbCode.NO_CONTRACT)

    def _note_failure(self, key: ContractKey, reason: str, code: int | None) -> None:
        before = self._failed.get(key)
        attempts = before.attempts + 1 if before else 1
        wait_s = min(self._first_retry_s * 2 ** min(attempts - 1, 16), self._longest_retry_s)
        self._failed[key] = ContractFailure(reason, code, attempts, time.monotonic() + wait_s)
        if before is None or before.reason != reason:
            _log.warning("contract %s is not resolved: %s; next attempt in %.0f s", key, reason, wait_s)

    async def _details(self, key: ContractKey, con_id: int) -> list[Any]:
        connection = self._connection
        contract = library_contract(key, con_id)
        what = f"contract details of {key}" + (f" (conId {con_id})" if con_id else "")
        return await connection.request(what, lambda req_id: connection.ib.client.reqContractDetails(req_id, contract))

    async def _confirm(self, key: ContractKey, details: list[Any]) -> ContractInfo:
        matching = [entry for entry in details if key_of(entry.contract) == key]
        if not matching:
            found = ", ".join(sorted({str(key_of(entry.contract)) for entry in details})) or "nothing"
            raise ContractKeyError(f"the gateway knows {found} instead of {key}")
        if len({entry.contract.conId for entry in matching}) > 1:
            # Adjusted options share symbol, expiry, strike and right with the standard class; its class is the symbol.
            standard = [entry for entry in matching if entry.contract.tradingClass == key.symbol]
            if len({entry.contract.conId for entry in standard}) != 1:
                classes = ", ".join(sorted({str(entry.contract.tradingClass) for entry in matching}))
                raise ContractKeyError(f"{key} is ambiguous: trading classes {classes}; the conId would decide")
            matching = standard
        entry = matching[0]
        contract = entry.contract
        contract.exchange = "SMART"
        contract.lastTradeDateOrContractMonth = key.expiry
        return ContractInfo(
            contract_key=key,
            con_id=int(contract.conId),
            min_tick=float(entry.minTick),
            price_steps=await self._price_steps(entry),
            multiplier=multiplier_of(contract),
            trading_class=str(contract.tradingClass),
            exchange="SMART",
            primary_exchange=str(contract.primaryExchange),
            currency=str(contract.currency),
            local_symbol=str(contract.localSymbol),
            underlying_con_id=int(entry.underConId or 0),
            ib_contract=contract,
        )

    async def _price_steps(self, details: Any) -> tuple[PriceStep, ...]:
        """The market rule of SMART; ``marketRuleIds`` runs beside ``validExchanges``."""
        fallback = (PriceStep(0.0, float(details.minTick) or 0.01),)
        exchanges = str(details.validExchanges).split(",")
        rules = [text for text in str(details.marketRuleIds).split(",") if text.strip().isdecimal()]
        if not rules:
            return fallback
        place = exchanges.index("SMART") if "SMART" in exchanges else 0
        rule_id = int(rules[place] if place < len(rules) else rules[0])
        # The library keeps one answer per rule: a second request for the same rule would orphan the first.
        async with self._rule_lock:
            if rule_id not in self._rules:
                await self._fetch_rule(rule_id)
        return self._rules.get(rule_id, fallback)

    async def _fetch_rule(self, rule_id: int) -> None:
        await self._connection.pacer.take()
        increments = await self._connection.ib.reqMarketRuleAsync(rule_id)
        steps = sorted((float(step.lowEdge), float(step.increment)) for step in increments or ())
        if steps and all(increment > 0 for _edge, increment in steps):
            self._rules[rule_id] = tuple(PriceStep(*step) for step in steps)
        else:
            _log.warning("market rule %d is not known to the gateway: the minimum tick is used", rule_id)
