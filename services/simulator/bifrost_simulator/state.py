"""State on disk: clock, accounts, orders, executions and numbers, so that a restart goes on where it stopped.

Files of the folder: ``state.json`` (everything that fills and orders change), ``clock.json`` (written every few
seconds), ``contracts.json`` (conIds and what the market listed), ``journal.jsonl``. Each is replaced as a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from bifrost_simulator.api import (
    ComboLeg,
    Commission,
    Contract,
    ContractQuery,
    Execution,
    OrderRequest,
    OrderStatus,
)
from bifrost_simulator.broker.account import Account, Holding
from bifrost_simulator.broker.book import Book, BookExecution, BookOrder
from bifrost_simulator.universe import Universe

VERSION = 1
STATE_FILE, CLOCK_FILE, CONTRACTS_FILE, JOURNAL_FILE = "state.json", "clock.json", "contracts.json", "journal.jsonl"


class StateError(RuntimeError):
    """Stored state that cannot be used; the message says which file and what to do."""


def write_atomically(file: Path, content: Mapping[str, Any], *, sync: bool) -> None:
    """Replace ``file`` as a whole. ``sync`` also survives a power cut; without it only the process may die."""
    text = json.dumps(content, separators=(",", ":"))
    temporary = file.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        if sync:
            os.fsync(stream.fileno())
    temporary.replace(file)
    if sync:
        with contextlib.suppress(OSError):  # some file systems do not sync folders
            folder = os.open(file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@dataclass(slots=True)
class StoredState:
    """What an earlier run left, still as JSON values."""

    clock: dict[str, Any]
    contracts: dict[str, Any]
    body: dict[str, Any]


class StateStore:
    """The folder of one simulator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, scenario_hash: str) -> StoredState | None:
        """Stored state, None for a new folder.

        Raises
        ------
        StateError
            When it belongs to another scenario, or a file cannot be read.
        """
        if not (self.folder / STATE_FILE).exists():
            return None
        body = self._read(STATE_FILE)
        if body.get("version") != VERSION:
            raise StateError(
                f"{self.folder / STATE_FILE} has version {body.get('version')}, this program writes {VERSION}; "
                "`make reset` removes it"
            )
        if body["scenario_hash"] != scenario_hash:
            raise StateError(
                f"the state in {self.folder} belongs to scenario {body['scenario_name']} ({body['scenario_hash']}), "
                f"this one is {scenario_hash}: reset it (`make reset`) or go back to the scenario it was made with"
            )
        return StoredState(self._read(CLOCK_FILE), self._read(CONTRACTS_FILE), body)

    def save_body(self, content: Mapping[str, Any], *, sync: bool = False) -> None:
        write_atomically(self.folder / STATE_FILE, content, sync=sync)

    def save_clock(self, content: Mapping[str, Any], *, sync: bool = False) -> None:
        write_atomically(self.folder / CLOCK_FILE, content, sync=sync)

    def save_contracts(self, content: Mapping[str, Any]) -> None:
        write_atomically(self.folder / CONTRACTS_FILE, content, sync=True)

    def _read(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StateError(f"{file} cannot be read ({error}); `make reset` begins anew") from None
        if not isinstance(content, dict):
            raise StateError(f"{file} holds {type(content).__name__}, not an object; `make reset` begins anew")
        return content


# Codecs: contracts go by conId, everything else field by field.


def account_to_json(account: Account) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "cash": account.cash,
        "commissions_day": account.commissions_day,
        "day_equity": account.day_equity,
        "holdings": [_plain(holding) for holding in account.holdings.values()],
    }


def account_from_json(row: Mapping[str, Any], universe: Universe) -> Account:
    account = Account(row["id"], row["cash"], {}, row["commissions_day"], row["day_equity"])
    for given in row["holdings"]:
        contract = _contract(given["contract"], universe)
        account.holdings[contract.con_id] = Holding(**{**given, "contract": contract})
    return account


def book_to_json(book: Book, muted: frozenset[int]) -> dict[str, Any]:
    return {
        "next_perm_id": book.next_perm_id,
        "next_execution": book.next_execution,
        "highest_order_id": {str(client): highest for client, highest in book.highest_order_id.items()},
        "orders": [_order_to_json(order) for order in book.orders.values()],
        "executions": [_execution_to_json(done) for done in book.executions],
        "muted": sorted(muted),
    }


def book_from_json(row: Mapping[str, Any], universe: Universe) -> Book:
    book = Book()
    for given in row["orders"]:
        book.add(_order_from_json(given, universe))
    book.executions = [_execution_from_json(given, universe) for given in row["executions"]]
    book.next_perm_id, book.next_execution = row["next_perm_id"], row["next_execution"]
    book.highest_order_id = {int(client): highest for client, highest in row["highest_order_id"].items()}
    return book


def _order_to_json(order: BookOrder) -> dict[str, Any]:
    row = _plain(order)
    row["request"] = asdict(order.request)
    row["status"] = order.status.value
    row["routed_wall_s"] = 0.0  # the wall's monotonic clock begins anew with the process
    return row


def _order_from_json(row: Mapping[str, Any], universe: Universe) -> BookOrder:
    query = dict(row["request"]["contract"])
    query["combo_legs"] = tuple(ComboLeg(**leg) for leg in query["combo_legs"])
    request = OrderRequest(**{**row["request"], "contract": ContractQuery(**query)})
    contract = _contract(row["contract"], universe)
    return BookOrder(**{**row, "request": request, "contract": contract, "status": OrderStatus(row["status"])})


def _execution_to_json(done: BookExecution) -> dict[str, Any]:
    row = _plain(done.execution)
    row["time"] = done.execution.time.isoformat()
    commission = None if done.commission is None else asdict(done.commission)
    return {"execution": row, "commission": commission, "reported": done.reported}


def _execution_from_json(row: Mapping[str, Any], universe: Universe) -> BookExecution:
    given = dict(row["execution"])
    given["contract"] = _contract(given["contract"], universe)
    given["time"] = datetime.fromisoformat(given["time"])
    commission = None if row["commission"] is None else Commission(**row["commission"])
    return BookExecution(Execution(**given), commission, row["reported"])


def _plain(item: Any) -> dict[str, Any]:
    """Fields of a flat dataclass, its contract as conId, or by its legs when it is a combination."""
    row = {field.name: getattr(item, field.name) for field in fields(item)}
    contract = row.get("contract")
    if isinstance(contract, Contract):
        row["contract"] = [asdict(leg) for leg in contract.combo_legs] or contract.con_id
    return row


def _contract(known: int | list[dict[str, Any]], universe: Universe) -> Contract:
    if isinstance(known, list):
        legs = tuple(ComboLeg(**leg) for leg in known)
        return universe.combo(ContractQuery(sec_type="BAG", combo_legs=legs))
    con_id = known
    found = universe.by_id(con_id)
    if found is None:
        raise StateError(f"conId {con_id} is held or ordered but not listed; `make reset` begins anew")
    return found
