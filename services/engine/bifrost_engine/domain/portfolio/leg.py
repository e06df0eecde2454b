"""A managed option leg as it is remembered and stored (engine.md section 1, "Managed legs")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bifrost.contract import ContractKey, parse_contract_key

from ..rowtime import epoch_of, moment_of


class ReleaseReason(StrEnum):
    """Why a leg is managed no more. Only COMMAND keeps it from being adopted again by itself."""

    COMMAND = "command"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Leg:
    """A managed option leg, or a released one that is remembered; ``*_market_s`` in the market's epoch seconds."""

    key: ContractKey
    quantity: float
    """The broker's, signed."""
    multiplier: float
    con_id: int
    trading_class: str
    adopted_market_s: float
    adopt_reason: str
    adopt_price: float | None
    """Mark at adoption, dollars a share; None when there was no good one yet."""
    released_market_s: float | None = None
    release_reason: str = ""

    @property
    def managed(self) -> bool:
        return self.released_market_s is None and self.quantity != 0

    def as_row(self, account: str) -> dict[str, object]:
        """Columns of `managed_legs`."""
        return {
            "account": account,
            "contract_key": str(self.key),
            "con_id": self.con_id or None,
            "quantity": self.quantity,
            "multiplier": self.multiplier,
            "trading_class": self.trading_class or None,
            "adopted_at": moment_of(self.adopted_market_s),
            "adopt_reason": self.adopt_reason,
            "adopt_price": self.adopt_price,
            "released_at": moment_of(self.released_market_s),
            "release_reason": self.release_reason or None,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Leg:
        """A row of `managed_legs`."""
        return cls(
            key=parse_contract_key(row["contract_key"]),
            quantity=float(row["quantity"]),
            multiplier=float(row["multiplier"]),
            con_id=int(row.get("con_id") or 0),
            trading_class=row.get("trading_class") or "",
            adopted_market_s=epoch_of(row["adopted_at"]) or 0.0,
            adopt_reason=row["adopt_reason"],
            adopt_price=row.get("adopt_price"),
            released_market_s=epoch_of(row.get("released_at")),
            release_reason=row.get("release_reason") or "",
        )
