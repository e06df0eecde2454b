"""The hedger's loop: one evaluation for a burst, facts in their order, and no silent death."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bifrost.contract import contract_key
from bifrost_engine.app.hedger import Hedger
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import Mode, OrderIntent, OrderType, Purpose, Quote, Side, Times

STOCK = contract_key("NVDA", "STK")
CALL = contract_key("NVDA", "OPT", "20260605", 140.0, "C")
AT = Times(1000.0, 2000.0)


@dataclass
class FakeStep:
    state: int
    effects: tuple[fx.Effect, ...] = ()


@dataclass
class Bench:
    """A core that counts its events, a broker and a recorder that remember."""

    answer: Callable[[int, ev.Event], tuple[fx.Effect, ...]] = lambda state, event: ()
    seen: list[ev.Event] = field(default_factory=list)
    log: list[tuple[str, Any]] = field(default_factory=list)

    def decide(self, state: int, event: ev.Event) -> FakeStep:
        self.seen.append(event)
        return FakeStep(state + 1, self.answer(state, event))

    def carry_out(self, effect: fx.BrokerEffect) -> None:
        self.log.append(("broker", effect))
        if isinstance(effect, fx.FetchAccounts):
            raise ConnectionError("not connected")

    def record(self, effect: fx.RecorderEffect) -> None:
        self.log.append(("record", effect))

    def snapshot(self, row: Mapping[str, object]) -> None:
        self.log.append(("snapshot", dict(row)))

    def accept_command(self, command_id: int) -> None:
        self.log.append(("accept", command_id))

    backlog = 0

    def now(self) -> Times:
        return AT

    def hedger(self) -> Hedger[int, FakeStep]:
        return Hedger(
            0,
            decide=self.decide,
            snapshot=lambda step: {"n": step.state, "block_reasons": ["other"]},
            clock=self,
            broker=self,
            recorder=self,
            last_arrival=lambda: 999.0,
        )

    def recorded(self, kind: type) -> list[Any]:
        return [effect for name, effect in self.log if name == "record" and isinstance(effect, kind)]


def quotes(key: Any, bid: float, arrived: float, traded: bool = False) -> ev.QuotesChanged:
    quote = Quote(key, bid, bid + 0.02, 100, 100, None, arrived, traded=traded)
    return ev.QuotesChanged(AT, (quote,), arrived, arrived)


def intent(purpose: Purpose = Purpose.HEDGE) -> fx.PersistIntent:
    order = OrderIntent(
        "BF1", 1, "DU1", Mode.LIVE, STOCK, Side.BUY, 10, OrderType.MARKET, None, "DAY", purpose, "D2", False, 140.0, AT
    )
    return fx.PersistIntent(order, (), {})


def run(hedger: Hedger[int, FakeStep], *events: ev.Event) -> None:
    async def feed() -> None:
        for event in events:
            hedger.sink(event)
        await asyncio.sleep(0)

    asyncio.run(feed())


def test_a_burst_of_ticks_is_one_evaluation_on_the_newest() -> None:
    bench = Bench()
    run(
        bench.hedger(),
        quotes(STOCK, 140.0, 5.0),
        quotes(CALL, 5.0, 5.1),
        quotes(STOCK, 140.1, 5.2, traded=True),
        quotes(STOCK, 140.2, 5.3),
    )
    (event,) = bench.seen
    assert isinstance(event, ev.QuotesChanged)
    assert {quote.key: quote.bid for quote in event.quotes} == {STOCK: 140.2, CALL: 5.0}
    assert event.oldest_tick_s == 5.0
    assert next(quote for quote in event.quotes if quote.key == STOCK).traded


def test_facts_of_orders_come_first_and_in_their_order() -> None:
    bench = Bench()
    placed, durable = ev.OrderPlaced(AT, "BF1", 7), ev.IntentDurable(AT, "BF1")
    run(bench.hedger(), quotes(STOCK, 140.0, 5.0), durable, placed)
    assert bench.seen[:2] == [durable, placed]
    assert isinstance(bench.seen[2], ev.QuotesChanged)


def test_no_event_is_earlier_for_the_core_than_the_one_before() -> None:
    """A fill overtakes the quote that came before it: the quote must not make the clock go back behind the hedge."""
    bench = Bench()
    early, late = replace(AT, wall_s=AT.wall_s - 0.5, market_s=(AT.market_s or 0.0) - 15.0), AT
    quote = replace(quotes(STOCK, 140.0, 5.0), at=early)
    run(bench.hedger(), quote, ev.IntentDurable(late, "BF1"))
    assert [type(event) for event in bench.seen] == [ev.IntentDurable, ev.QuotesChanged]
    assert [event.at for event in bench.seen] == [late, late]


def test_an_event_that_an_effect_causes_is_seen_in_the_same_turn() -> None:
    bench = Bench()
    hedger = bench.hedger()
    bench.carry_out = lambda effect: hedger.sink(ev.OrderPlaced(AT, "BF1", 7))  # type: ignore[method-assign]
    bench.answer = lambda state, event: (fx.CancelOrder("BF1", 7, "x"),) if state == 0 else ()
    run(hedger, ev.Stopping(AT, "x"))
    assert [type(event) for event in bench.seen] == [ev.Stopping, ev.OrderPlaced]


def test_a_failing_core_takes_no_new_risk_and_says_so() -> None:
    bench = Bench()

    def answer(state: int, event: ev.Event) -> tuple[fx.Effect, ...]:
        if isinstance(event, ev.Stopping):
            raise ZeroDivisionError("a hole in the rules")
        return (intent(),) if isinstance(event, ev.QuotesChanged) else ()

    bench.answer = answer
    hedger = bench.hedger()
    run(hedger, ev.Stopping(AT, "x"), ev.SuspensionRead(AT, False), quotes(STOCK, 140.0, 5.0))
    assert "a hole in the rules" in hedger.fault and "restarted" in hedger.fault
    (alert,) = bench.recorded(fx.Alert)
    assert alert.severity is fx.Severity.CRITICAL
    suspensions = [event.suspended for event in bench.seen if isinstance(event, ev.SuspensionRead)]
    assert suspensions == [None, None]
    assert bench.recorded(fx.PersistIntent) == []
    (failed,) = [event for event in bench.seen if isinstance(event, ev.IntentFailed)]
    assert failed.order_ref == "BF1"
    hedger.publish()
    picture = bench.log[-1][1]
    assert (picture["status_lamp"], picture["self_check"]) == ("red", "blocked")
    assert picture["block_reasons"] == [hedger.fault, "other"]


def test_a_failing_core_still_lets_the_operator_flatten() -> None:
    bench = Bench()

    def answer(state: int, event: ev.Event) -> tuple[fx.Effect, ...]:
        if isinstance(event, ev.Stopping):
            raise ZeroDivisionError
        return (intent(Purpose.FLATTEN),) if isinstance(event, ev.CommandReceived) else ()

    bench.answer = answer
    run(bench.hedger(), ev.Stopping(AT, "x"), ev.CommandReceived(AT, 4, "flatten", {}))
    assert [effect.intent.purpose for effect in bench.recorded(fx.PersistIntent)] == [Purpose.FLATTEN]


def test_a_command_the_core_fails_on_has_an_end() -> None:
    bench = Bench()

    def answer(state: int, event: ev.Event) -> tuple[fx.Effect, ...]:
        if isinstance(event, ev.CommandReceived):
            raise ZeroDivisionError("boom")
        return ()

    bench.answer = answer
    run(bench.hedger(), ev.CommandReceived(AT, 4, "resume", {}))
    assert ("accept", 4) in bench.log
    (end,) = bench.recorded(fx.FinishCommand)
    assert (end.command_id, end.status) == (4, "failed") and "boom" in end.result["reason"]


def test_a_command_is_accepted_before_what_it_does_and_never_when_refused() -> None:
    bench = Bench()

    def answer(state: int, event: ev.Event) -> tuple[fx.Effect, ...]:
        assert isinstance(event, ev.CommandReceived)
        status = "refused" if event.command_id == 1 else "done"
        return (intent(Purpose.FLATTEN), fx.FinishCommand(event.command_id, status, {}))

    bench.answer = answer
    run(bench.hedger(), ev.CommandReceived(AT, 1, "flatten", {}), ev.CommandReceived(AT, 2, "flatten", {}))
    names = [name if name == "accept" else type(effect).__name__ for name, effect in bench.log]
    assert names == ["PersistIntent", "FinishCommand", "accept", "PersistIntent", "FinishCommand"]


def test_a_broker_that_raises_is_an_alert_not_an_end() -> None:
    bench = Bench()
    bench.answer = lambda state, event: (fx.FetchAccounts(),)
    hedger = bench.hedger()
    run(hedger, ev.Stopping(AT, "a"), ev.Stopping(AT, "b"))
    assert hedger.state == 2
    assert [alert.code for alert in bench.recorded(fx.Alert)] == ["broker_effect_failed"] * 2
    assert hedger.fault == ""


def test_history_follows_a_fresh_picture() -> None:
    bench = Bench()
    bench.answer = lambda state, event: (fx.RecordHistory(AT, "fill"),)
    run(bench.hedger(), ev.Stopping(AT, "x"))
    assert [name for name, _ in bench.log] == ["snapshot", "record"]
    assert bench.log[0][1]["n"] == 1


def test_time_passes_four_times_a_second() -> None:
    bench = Bench()

    async def beat() -> None:
        hedger = bench.hedger()
        task = asyncio.ensure_future(hedger.run())
        async with asyncio.timeout(5):
            while len(bench.seen) < 3:
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(beat())
    assert all(isinstance(event, ev.TimePassed) and event.last_arrival_s == 999.0 for event in bench.seen)
    assert bench.log[0][0] == "snapshot"
