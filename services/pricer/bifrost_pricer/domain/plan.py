"""Which contracts stream and which take turns in snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bifrost.contract import ContractKey

_MOST_SNAPSHOT_LINES = 20


@dataclass(frozen=True, slots=True)
class HeldContract:
    """One contract over all accounts: the sum of quantities may be zero while two accounts hold it."""

    contract_key: ContractKey
    con_id: int
    quantity: float
    accounts: int


@dataclass(frozen=True, slots=True)
class LinePlan:
    """What streams, most important first, what rotates, and how many snapshots may be open at once."""

    stream: tuple[ContractKey, ...]
    rotate: tuple[ContractKey, ...]
    snapshots_at_once: int


def underlyings_of(symbol: str, held: Iterable[ContractKey]) -> tuple[ContractKey, ...]:
    """The configured underlying, then those of every held option, each once."""
    names = dict.fromkeys([symbol, *sorted({key.symbol for key in held if key.is_option})])
    return tuple(ContractKey(name, "STK") for name in names)


def plan_lines(
    held: Iterable[ContractKey],
    priority: Sequence[ContractKey],
    budget: int,
    streaming: Iterable[ContractKey] = (),
) -> LinePlan:
    """Share ``budget`` lines among the contracts.

    Parameters
    ----------
    held : iterable of ContractKey
        What needs a price.
    priority : sequence of ContractKey
        Streams in this order before all others, held or not: underlyings and the engine's legs.
    budget : int
        Lines that may be open at once, snapshots included.
    streaming : iterable of ContractKey
        What streams now: it keeps its line, so that the plan does not move lines about without need.
    """
    wanted = dict.fromkeys(priority)
    others = sorted({key for key in held if key not in wanted})
    if len(wanted) + len(others) <= budget:
        return LinePlan((*wanted, *others), (), 0)
    at_once = min(_MOST_SNAPSHOT_LINES, max(1, budget // 4))
    room = max(0, budget - at_once)
    first = list(wanted)[:room]
    now = set(streaming)
    others.sort(key=lambda key: key not in now)
    kept = others[: room - len(first)]
    stream = (*first, *kept)
    chosen = set(stream)
    rotate = tuple(key for key in (*wanted, *sorted(others)) if key not in chosen)
    return LinePlan(stream, rotate, at_once)
