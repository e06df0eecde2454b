"""The lamp's table of states, from the engine's core to the page: green exactly when a forced hedge would go out.

Each state is brought about in the real decision core with events; the row that the engine would write goes through the
monitor's judgement. What would go out is not asked of the self-check: the same core gets a move of the market that
leaves no doubt, and either an order leaves or none does. Pacing gates and our own working order stand apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bifrost.calendar import TradingCalendar
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.selfcheck.selfcheck import Surroundings
from bifrost_engine.domain.selfcheck.snapshot import snapshot_row
from bifrost_engine.domain.words import Quote
from bifrost_monitor.verdict import Judgement, judge
from bifrost_monitor.view import DeskRows, View

from tests.engine.rig import CALL, PUT, STOCK, Rig, rules

NOW = datetime(2026, 5, 7, 14, 30, tzinfo=UTC)
READ_AT = 1000.0
"""Of the view; ages of its rows are counted from it."""


def desk() -> Rig:
    """A desk in band: the first hedge is filled and the machine watches."""
    rig = Rig(rules(gates__guard__risk__max_daily_loss_usd=5000.0))
    rig.start()
    for order_ref in list(rig.broker):
        rig.fill(order_ref)
        rig.status(order_ref, "Filled", 0.0)
    rig.pass_time(70)
    return rig


def row_of(rig: Rig, **around: Any) -> dict[str, object]:
    """What the engine would write about ``rig`` now."""
    step: Step = rig.send(ev.TimePassed(rig.at, rig.wall_s))
    surroundings = {"daemon_state": "running", "trading_since_s": rig.wall_s - 10.0, **around}
    return snapshot_row(step, rig.rules, Surroundings(**surroundings))


def judged(row: dict[str, object] | None, *, beat_s: float = 1.0, written_s: float = 1.0, **beat: Any) -> Judgement:
    """What the page would show of it."""
    heartbeat = {
        "last_ts": NOW - timedelta(seconds=beat_s), "heartbeat_interval_sec": 10, "graceful_shutdown_at": None,
        "ib_connected": True, **beat,
    }  # fmt: skip
    rows = DeskRows(
        read_at=NOW,
        status=None if row is None else {**row, "written_at": NOW - timedelta(seconds=written_s)},
        heartbeat=heartbeat,
        run_status={"suspended": False, "heartbeat_interval_sec": None},
        lease={"owner": "one", "beat_at": NOW, "epoch": 1},
        instances=[],
        settings=None,
        latest_operation_id=None,
    )
    return judge(View(1, rows, read_monotonic=READ_AT, error=None), READ_AT)


def order_leaves(rig: Rig, quote: Callable[[Rig], None] | None = None) -> bool:
    """Whether the core sends an order when its limits leave it no doubt that one is due."""
    forced = copy.copy(rig)
    keys = {
        "gates__state__delta__epsilon_band": 0.1,
        "gates__state__delta__threshold_hedge_shares": 0.2,
        "gates__state__delta__max_delta_limit": 0.3,
        "gates__intent__hedge__min_hedge_shares": 1,
    }
    forced.rules = replace(rules(**keys), calendar=rig.rules.calendar)
    forced.broker, forced.completed = dict(rig.broker), dict(rig.completed)
    forced.executions, forced.effects = list(rig.executions), []
    for step in range(24):
        forced.wall_s += 0.25
        if forced.market_s is not None:
            forced.market_s += 0.25
        if quote is None:
            # A third of a per cent in four seconds: no gap, and far more delta than a third of a share.
            forced.quote(rig.spot * (1 + 0.003 * min(step, 16) / 16))
        else:
            quote(forced)
        forced.send(ev.TimePassed(forced.at, forced.wall_s))
    return any(isinstance(effect, fx.PlaceOrder) for effect in forced.effects)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    lamp: str
    make: Callable[[Rig], None]
    around: dict[str, Any]
    quote: Callable[[Rig], None] | None = None


def nothing(rig: Rig) -> None:
    """As it is: in band."""


def suspended(rig: Rig) -> None:
    rig.send(ev.SuspensionRead(rig.at, True))


def standby(rig: Rig) -> None:
    rig.send(ev.LeaseChanged(rig.at, False))


def database_down(rig: Rig) -> None:
    rig.send(ev.DatabaseChanged(rig.at, False))


def no_quote(rig: Rig) -> None:
    """One side only, for longer than SAFE waits."""
    for _ in range(20):
        rig.wall_s += 0.25
        rig.market_s = (rig.market_s or 0.0) + 0.25
        one_sided(rig)
        rig.send(ev.TimePassed(rig.at, rig.wall_s))


def stock_quote(rig: Rig, **changes: Any) -> None:
    """A quote of the stock alone."""
    values = {"bid": rig.spot - 0.01, "ask": rig.spot + 0.01, "bid_size": 500.0, "ask_size": 500.0, **changes}
    quote = Quote(STOCK, last=rig.spot, arrived_wall_s=rig.wall_s, **values)
    rig.send(ev.QuotesChanged(rig.at, (quote,), rig.wall_s, rig.wall_s))


def one_sided(rig: Rig) -> None:
    stock_quote(rig, ask=None, ask_size=None)


def halted(rig: Rig) -> None:
    stock_quote(rig, halted=True)


def delayed(rig: Rig) -> None:
    stock_quote(rig, data_type=3)


def hold(rig: Rig) -> None:
    """A flatten has been carried out: hedging is held until somebody resumes."""
    rig.send(ev.CommandReceived(rig.at, 1, "flatten", {"target": "zero", "force": False}))
    for order_ref in list(rig.broker):
        rig.fill(order_ref)
        rig.status(order_ref, "Filled", 0.0)
    rig.pass_time(2)


def ib_down(rig: Rig) -> None:
    rig.send(ev.LinkDown(rig.at, "the socket was closed"))
    for _ in range(8):
        silence(rig)


def silence(rig: Rig) -> None:
    """Time without a word from the gateway."""
    rig.wall_s += 0.25
    rig.market_s = (rig.market_s or 0.0) + 0.25
    rig.send(ev.TimePassed(rig.at, None))


def outside_session(rig: Rig) -> None:
    """Saturday, by the exchange's calendar."""
    rig.rules = replace(rig.rules, calendar=TradingCalendar())
    rig.market_s = (rig.market_s or 0.0) + 2 * 86_400
    rig.pass_time(2)


def breaker(rig: Rig) -> None:
    """More lost than allowed, for as long as it takes to be sure."""
    rig.rules = replace(
        rules(gates__guard__risk__max_daily_loss_usd=1.0, gates__guard__risk__breaker_confirm_s=1.0),
        calendar=rig.rules.calendar,
    )
    rig.legs = dict(rig.legs)
    for spot in (rig.spot + 0.2, rig.spot + 0.4):
        rig.quote(spot)
        rig.pass_time(4)


def own_order_works(rig: Rig) -> None:
    """A hedge has been sent and acknowledged and is well within its time."""
    rig.pass_time(70)
    rig.quote(rig.spot + 1.0)
    for _ in range(12):
        if rig.broker:
            break
        rig.pass_time(0.5)
    (order_ref,) = rig.broker
    rig.status(order_ref, "Submitted")


def order_is_unknown(rig: Rig) -> None:
    """Sent, never heard of again, and the position has moved by more than it could: past its probes one is asked."""
    rig.pass_time(70)
    rig.quote(rig.spot + 1.0)
    for _ in range(12):
        if rig.broker:
            break
        rig.pass_time(0.5)
    rig.broker.clear()
    rig.shares += 1000.0
    rig.pass_time(90)


def wide(rig: Rig) -> None:
    """A spread of one per cent: extreme."""
    for _ in range(4):
        rig.wall_s += 0.25
        rig.market_s = (rig.market_s or 0.0) + 0.25
        wide_quote(rig)
        rig.send(ev.TimePassed(rig.at, rig.wall_s))


def wide_quote(rig: Rig) -> None:
    rig.quote(rig.spot, spread=1.4)


def legs_gone(rig: Rig) -> None:
    """The broker has no legs any more, and nobody can say where they went; our shares stay."""
    rig.legs = {CALL: 0.0, PUT: 0.0}
    for _ in range(3):
        rig.truth()
        rig.pass_time(6)


def just_hedged(rig: Rig) -> None:
    """The last fill is five seconds old: only the cooldown of sixty stands in the way of an ordinary hedge."""
    rig.quote(rig.spot + 0.4)
    rig.pass_time(3)
    for order_ref in list(rig.broker):
        rig.fill(order_ref)
    rig.pass_time(5)


TABLE = [
    Row("in band", "green", nothing, {}),
    Row("cooldown", "green", just_hedged, {}),
    Row("suspended", "yellow", suspended, {}),
    Row("standby", "yellow", standby, {}),
    Row("database down", "yellow", database_down, {}),
    Row("quotes one-sided", "yellow", no_quote, {}, one_sided),
    Row("SAFE for more than a minute", "red", no_quote, {"trading_since_s": -1e9}, one_sided),
    Row("spread extreme", "yellow", wide, {}, wide_quote),
    Row("halted", "yellow", halted, {}, halted),
    Row("delayed quotes", "yellow", delayed, {}, delayed),
    Row("hold after a flatten", "yellow", hold, {}),
    Row("IB down", "yellow", ib_down, {}, silence),
    Row("outside the session", "yellow", outside_session, {}),
    Row("breaker", "red", breaker, {}),
    Row("order unknown past its probes", "red", order_is_unknown, {}),
    Row("legs gone without a word, shares held", "red", legs_gone, {}),
]


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.name.replace(" ", "-"))
def test_green_exactly_when_a_forced_hedge_would_go_out(line: Row) -> None:
    rig = desk()
    line.make(rig)
    whole = judged(row_of(rig, **line.around)).whole
    assert whole.lamp == line.lamp, (whole.lamp, whole.reasons)
    assert order_leaves(rig, line.quote) is (line.lamp == "green"), whole.reasons


def test_our_own_working_order_does_not_colour_the_lamp() -> None:
    """No second order leaves beside it, and yet nothing is wrong."""
    rig = desk()
    own_order_works(rig)
    whole = judged(row_of(rig)).whole
    assert whole.lamp == "green", whole.reasons
    assert not order_leaves(rig)


@pytest.mark.parametrize(
    ("name", "lamp", "shown"),
    [
        ("dead engine", "red", {"beat_s": 36.0}),
        ("stale row", "red", {"written_s": 36.0}),
        ("graceful stop", "red", {"beat_s": 5.0, "graceful_shutdown_at": NOW - timedelta(seconds=5)}),
        ("fresh", "green", {}),
    ],
)
def test_a_green_row_of_an_engine_that_is_gone_is_not_believed(name: str, lamp: str, shown: dict[str, Any]) -> None:
    assert judged(row_of(desk()), **shown).whole.lamp == lamp, name
