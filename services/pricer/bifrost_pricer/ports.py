"""What the cycle needs of the outside: Protocols that bootstrap fills with adapters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bifrost.config import IbSettings
from bifrost.contract import ContractKey

from .domain.book import Lines
from .domain.plan import HeldContract, LinePlan
from .domain.rows import PriceRow


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is held, which legs the engine manages, and the IB address an operator saved."""

    held: tuple[HeldContract, ...]
    managed: tuple[ContractKey, ...]
    ib_settings: IbSettings | None


class Store(Protocol):
    """The database. Blocking; called on the database thread alone."""

    connections: int
    """How many connections there have been: when it grows, everything is read anew."""

    def holdings(self) -> Holdings: ...
    def rows(self) -> list[PriceRow]: ...
    def write(self, changed: Sequence[PriceRow], removed: Iterable[ContractKey]) -> None:
        """One batched upsert and one delete, both or neither."""
        ...

    def drop(self, error: BaseException | None = None) -> None:
        """Close the connection; with ``error`` only when that says that it is lost."""
        ...


class Feed(Lines, Protocol):
    """The market, and the lines that bring it."""

    @property
    def connected(self) -> bool: ...

    @property
    def last_failure(self) -> str | None:
        """Why the last attempt to connect failed."""
        ...

    @property
    def streaming(self) -> tuple[ContractKey, ...]: ...

    @property
    def lines_in_use(self) -> int: ...

    def follow(self, plan: LinePlan, con_ids: Mapping[ContractKey, int]) -> None:
        """Stream and rotate what ``plan`` says."""
        ...

    def check_address(self) -> None:
        """Leave a gateway that the operator has moved away from."""
        ...


class AddressBook(Protocol):
    """Where the IB address in force is kept."""

    def take_settings(self, settings: IbSettings | None) -> None:
        """Take what the operator saved in the database."""
        ...
