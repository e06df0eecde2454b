"""A human at the same account: trades, closes, exercises; and the clearing house that assigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from bifrost_simulator.api import BrokerError, Contract, ContractQuery, OrderRequest
from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.broker.expiry import convert
from bifrost_simulator.faults.base import BadParameters, Fault, FaultParameters
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


class TradeParameters(FaultParameters):
    side: Literal["BUY", "SELL"] = Field(default="BUY", description="what the human does")
    quantity: float = Field(default=100, gt=0, le=1e7, description="shares or contracts")
    contract_key: str = Field(default="", description="what is traded; the underlying when not given")
    account: str = Field(default="", description="empty when there is only one")
    order_type: Literal["MKT", "LMT"] = Field(default="MKT", description="LMT needs limit_price")
    limit_price: float | None = Field(default=None, gt=0, description="dollars a unit")

    @model_validator(mode="after")
    def _priced(self) -> TradeParameters:
        if (self.order_type == "LMT") != (self.limit_price is not None):
            raise ValueError("limit_price belongs to order_type LMT, and LMT needs it")
        return self


class _Once(Fault):
    """Done as soon as it is injected; what becomes of it is the world's."""

    def begin(self, world: SimulatedWorld) -> None:
        self.struck, self.finished = 1, True
        try:
            self.act(world)
        except BrokerError as error:
            raise BadParameters(f"fault {self.name}: the broker refused: {error.code} {error.text}") from None

    def act(self, world: SimulatedWorld) -> None:
        """Do it; a `BrokerError` becomes a message about the parameters."""
        raise NotImplementedError

    def account(self, world: SimulatedWorld, name: str) -> Account:
        accounts = world.settlement.accounts
        if not name and len(accounts) == 1:
            return next(iter(accounts.values()))
        if name not in accounts:
            raise BadParameters(f"fault {self.name}: account {name!r} is none of {', '.join(accounts)}")
        return accounts[name]

    def holding(self, account: Account, contract_key: str, fits: str, held: list[Holding]) -> Holding:
        """The holding meant: that of the key, or the first that fits."""
        found = [one for one in held if contract_key in ("", one.contract.contract_key)]
        if not found:
            there = ", ".join(f"{one.quantity:g} {one.contract.contract_key}" for one in held) or "none"
            wanted = contract_key or fits
            raise BadParameters(
                f"fault {self.name}: {account.account_id} holds no {wanted}; of {fits} there are {there}"
            )
        return found[0]


def _trade(world: SimulatedWorld, account: str, contract: Contract, signed: float, limit: float | None = None) -> None:
    world.place_manual(
        OrderRequest(
            contract=ContractQuery(con_id=contract.con_id),
            action="BUY" if signed > 0 else "SELL",
            quantity=abs(signed),
            order_type="MKT" if limit is None else "LMT",
            limit_price=limit,
            tif="DAY",
            account=account,
        )
    )


@register
class ManualTrade(_Once):
    """Somebody trades the account by hand at TWS; API clients see the position, client 0 the order."""

    name: ClassVar[str] = "manual_trade"
    parameters_type = TradeParameters

    def act(self, world: SimulatedWorld) -> None:
        p = self.given(TradeParameters)
        account = self.account(world, p.account)
        contract = world.universe.by_key(p.contract_key) if p.contract_key else world.universe.stock
        _trade(world, account.account_id, contract, p.quantity if p.side == "BUY" else -p.quantity, p.limit_price)


class CloseParameters(FaultParameters):
    contract_key: str = Field(default="", description="the position; every position when not given")
    fraction: float = Field(default=1.0, gt=0, le=1, description="of the position that is closed")
    account: str = Field(default="", description="empty when there is only one")


@register
class ManualClose(_Once):
    """Somebody closes a position (or all of them) at the market by hand, without asking the desk."""

    name: ClassVar[str] = "manual_close"
    parameters_type = CloseParameters

    def act(self, world: SimulatedWorld) -> None:
        p = self.given(CloseParameters)
        account = self.account(world, p.account)
        held = account.open_holdings()
        first = self.holding(account, p.contract_key, "position", held)
        for holding in [first] if p.contract_key else held:
            quantity = holding.quantity * p.fraction
            whole = max(1.0, float(int(abs(quantity))))
            _trade(world, account.account_id, holding.contract, -whole if quantity > 0 else whole)


class ConversionParameters(FaultParameters):
    contract_key: str = Field(default="", description="the option; the first held that fits when not given")
    quantity: float | None = Field(default=None, gt=0, description="contracts; the whole position when not given")
    account: str = Field(default="", description="empty when there is only one")


class _Conversion(_Once):
    """Options become shares at the strike before their expiry; as at IB there is no execution for it."""

    parameters_type = ConversionParameters
    sign: ClassVar[float]
    fits: ClassVar[str]

    def act(self, world: SimulatedWorld) -> None:
        p = self.given(ConversionParameters)
        account = self.account(world, p.account)
        options = [h for h in account.open_holdings() if h.contract.sec_type == "OPT" and h.quantity * self.sign > 0]
        holding = self.holding(account, p.contract_key, self.fits, options)
        quantity = abs(holding.quantity) if p.quantity is None else p.quantity
        if quantity > abs(holding.quantity) or quantity != int(quantity):
            raise BadParameters(
                f"fault {self.name}: quantity {quantity:g} must be whole contracts, at most the "
                f"{abs(holding.quantity):g} of {holding.contract.contract_key}"
            )
        convert(world.settlement, account, holding, self.sign * quantity, world.universe)
        world.changed = True


@register
class Assignment(_Conversion):
    """Short options are assigned: the position turns into shares at the strike, without an execution."""

    name: ClassVar[str] = "assignment"
    sign = -1.0
    fits = "short option"


@register
class Exercise(_Conversion):
    """Long options are exercised by hand: the position turns into shares at the strike, without an execution."""

    name: ClassVar[str] = "exercise"
    sign = 1.0
    fits = "long option"
