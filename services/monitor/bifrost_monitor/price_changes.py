"""Positions and prices as the stream sends them: all at first, then only what changed. Pure.

Ages grow with every look and are left out of the comparison: whoever shows an age counts it from ``price_updated_at``
and ``quote_ts``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .status import build_accounts
from .view import View

Found = dict[str, Any]
_AGES = ("price_age_s", "quote_age_s")
Held = dict[str, Found]


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Accounts as they were last sent; a new one follows an old one and says what differs.

    Attributes
    ----------
    accounts
        By account id, without positions.
    positions
        By account id and contract key.
    changes
        Data of the event that leads from the book before to this one; None when nothing changed.
    """

    fetched_at: float | None = None
    accounts: dict[str, Found] = field(default_factory=dict)
    positions: dict[str, Held] = field(default_factory=dict)
    changes: Found | None = None

    def full(self) -> Found:
        """Data of an event with everything."""
        accounts = [
            {**account, "positions": list(self.positions[account_id].values())}
            for account_id, account in self.accounts.items()
        ]
        return {
            "full": True,
            "accounts_fetched_at": self.fetched_at,
            "accounts": accounts,
            "removed": [],
            "removed_accounts": [],
        }

    def following(self, view: View) -> PriceBook:
        """The book of ``view``."""
        built = build_accounts(view)
        accounts: dict[str, Found] = {}
        positions: dict[str, Held] = {}
        for account in built["accounts"]:
            account_id = account["account_id"]
            accounts[account_id] = {name: value for name, value in account.items() if name != "positions"}
            positions[account_id] = {row["contract_key"]: row for row in account["positions"]}
        fetched_at = built["accounts_fetched_at"]
        return PriceBook(fetched_at, accounts, positions, self._changes(fetched_at, accounts, positions))

    def _changes(
        self, fetched_at: float | None, accounts: dict[str, Found], positions: dict[str, Held]
    ) -> Found | None:
        changed, removed = [], []
        for account_id, account in accounts.items():
            before = self.positions.get(account_id, {})
            rows = [row for key, row in positions[account_id].items() if not _same(row, before.get(key))]
            gone = [key for key in before if key not in positions[account_id]]
            removed += [{"account_id": account_id, "contract_key": key} for key in gone]
            if rows or account != self.accounts.get(account_id):
                changed.append({**account, "positions": rows})
        removed_accounts = [account_id for account_id in self.accounts if account_id not in accounts]
        if not (changed or removed or removed_accounts) and fetched_at == self.fetched_at:
            return None
        return {
            "full": False,
            "accounts_fetched_at": fetched_at,
            "accounts": changed,
            "removed": removed,
            "removed_accounts": removed_accounts,
        }


def _same(row: Found, before: Found | None) -> bool:
    if before is None:
        return False
    return all(value == before[name] for name, value in row.items() if name not in _AGES)
