"""Ways to break the product on purpose, for tests/engine/planted.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple
from unittest.mock import patch

from bifrost_engine.adapters.ib import broker as ib_broker
from bifrost_engine.domain import decide, evaluate, gates
from bifrost_engine.domain.effects import PlaceOrder
from bifrost_engine.domain.execution import flatten, orders
from bifrost_engine.domain.ledger import reconcile
from bifrost_engine.domain.machines.table import Machine
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.portfolio import exposure, legs, portfolio
from bifrost_engine.domain.trading_day import trading_day
from bifrost_engine.domain.turn import Turn
from bifrost_engine.domain.view import GateKind, GateResult, View
from bifrost_engine.domain.words import OrderIntent, Quote


class Planted(NamedTuple):
    """What breaks the product, and the check that sees it."""

    breaks: Callable[[], AbstractContextManager[Any]]
    check: Callable[[], object]


def instead(owner: Any, name: str, put: object) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(owner, name, put)


def open_gate(*names: str) -> Callable[[], AbstractContextManager[Any]]:
    """Gates that let everything through."""

    def answered(view: View, asked: tuple[gates.Gate, ...] = gates.GATES) -> tuple[GateResult, ...]:
        return tuple(
            GateResult(gate.__name__, True, None, None, "ok") if gate.__name__ in names else gate(view)
            for gate in asked
        )

    return instead(gates, "evaluate", answered)


def told(event: type, fold: Callable[[Turn, Any], None]) -> Callable[[], AbstractContextManager[Any]]:
    """Another way of taking in an event."""
    return lambda: patch.dict(decide._FOLD, {event: fold})


def both(*changes: AbstractContextManager[Any]) -> ExitStack:
    """Two rules that say the same, broken together."""
    stack = ExitStack()
    for change in changes:
        stack.enter_context(change)
    return stack


def accept_anything(turn: Turn, expected: object, named_by: str) -> str:
    return _accept(turn, {}, named_by)


def answered_without_words(turn: Turn, command_id: int, refusal: str, done: Any = None) -> None:
    flatten.finish(turn, command_id, "refused" if refusal else "done", {"reason": ""})


def sent_again(turn: Turn, order: Any) -> None:
    turn.emit(PlaceOrder(order.intent))


def unnamed(self: ib_broker.IbOrders, intent: OrderIntent, *rest: Any) -> Any:
    order = _order(self, intent, *rest)
    order.orderRef = ""
    return order


_order = ib_broker.IbOrders._order
_accept, _next = reconcile.accept, Machine.next
_roll, _exposure, _next_event = trading_day.roll, portfolio.exposure, evaluate._next_event
_rejected, _judge = orders.rejected, gates.evaluate


def stays(self: Machine[Any, Any], state: Any, event: Any) -> Any:
    return _next(self, state, event) if self.accepts(state, event) else state


def until_the_first_failing(view: View, asked: tuple[gates.Gate, ...] = gates.GATES) -> tuple[GateResult, ...]:
    said: list[GateResult] = []
    for gate in asked:
        said.append(gate(view))
        if not said[-1].passed:
            break
    return tuple(said)


def never_by_itself(turn: Turn, *rest: Any) -> Any:
    return None if turn.state.trading is TradingState.SAFE else _next_event(turn, *rest)


def near_the_money(legs: Any, book: Any, *rest: Any) -> Any:
    spot = book.mid or 0.0
    return _exposure({k: leg for k, leg in legs.items() if abs(k.strike - spot) <= 0.03 * spot}, book, *rest)


def zero(stock_shares: float, legs_count: int, reason: str) -> exposure.Exposure:
    return exposure.Exposure(True, reason, stock_shares, 0.0, stock_shares, 0.0, 0.0, 0.0, legs_count)


def counted_reject(turn: Turn, reason: str) -> None:
    orders.count_once(turn)
    _rejected(turn, reason)


def as_it_comes(quote: Quote | None) -> float | None:
    return (quote.bid + quote.ask) / 2 if quote is not None and quote.bid and quote.ask else None


def any_sum(turn: Turn, shrunk: list[Any], moved: float) -> list[Any]:
    return shrunk if abs(moved - sum(entry[2] for entry in shrunk)) < 1e-9 else []


@contextmanager
def hasty() -> Iterator[None]:
    """A comparison and the one a moment later are two that agree."""
    with ExitStack() as both:
        both.enter_context(patch.object(reconcile, "AGREE_S", 0.25))
        both.enter_context(patch.object(reconcile, "_patience_s", lambda turn, differences: 0.25))
        yield


@contextmanager
def unexplained_is_explained() -> Iterator[None]:
    """Whatever the broker shows of the legs is taken over as if it had been traded."""

    def trust(turn: Turn, differences: Any, notes: Any) -> tuple[Any, ...]:
        for difference in differences:
            if difference.key.is_option:
                legs.change_quantity(turn, turn.state.legs[difference.key], difference.observed, "it is gone")
        return ()

    with patch.object(reconcile, "_settle", trust):
        yield


def all_pacing_blocks(view: View, asked: tuple[gates.Gate, ...] = gates.GATES) -> tuple[GateResult, ...]:
    return tuple(replace(said, kind=GateKind.BLOCKING) for said in _judge(view, asked))


def same_day(day: Any, *rest: Any) -> Any:
    return day if day.day is not None else _roll(day, *rest)


def without_hold(day: Any, *rest: Any) -> Any:
    return trading_day.unhold(_roll(day, *rest)) if day.day is not None else _roll(day, *rest)


numbers = count()
