"""What is left behind of a hedge: one correlation id from the tick to the commission, one row per change of mind."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from bifrost.calendar import TradingCalendar
from bifrost.clock import WallMarketClock
from bifrost.ib import MarketDataType
from bifrost.log import JsonFormatter
from bifrost_engine.adapters.ib.gateway import GatewayOptions, IbGateway
from bifrost_engine.app.daemon_state import DaemonStatus
from bifrost_engine.app.hedger import Hedger
from bifrost_engine.app.lifecycle import Daemon
from bifrost_engine.app.parts import Parts
from bifrost_engine.app.recorder import RecordKeeper
from bifrost_engine.app.rows import Book
from bifrost_engine.app.tenure import Tenure
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.state import State
from bifrost_engine.domain.words import Mode, Times

from tests.engine.rig import Rig, rules
from tests.engine.test_app_rows import Store
from tests.engine.test_decide_orders import quick_rig


@contextmanager
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """What the engine writes to its log meanwhile, as lines of JSON."""
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    keep, logger = Keep(), logging.getLogger("bifrost_engine")
    keep.setFormatter(JsonFormatter("engine"))
    before = logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(keep)
        logger.setLevel(before)


class Wire:
    """A broker that says what it sends."""

    def carry_out(self, effect: fx.BrokerEffect) -> None:
        logging.getLogger("bifrost_engine.adapters.ib.broker").info("on the wire: %s", type(effect).__name__)


def replayed(rig: Rig) -> list[dict[str, Any]]:
    """The effects of a hedge once more through hedger and recorder, as the process carries them out."""
    steps = [replace(Step(rig.state, (), None), effects=(effect,)) for effect in rig.effects]
    clock = SimpleNamespace(now=lambda: Times(1.0, 2.0))
    keeper = RecordKeeper(
        Store(), Book("DU1", Mode.LIVE, "NVDA", "h", 1), sink=[].append, clock=clock, reserve=lambda: None, identity={}
    )
    waiting = iter(steps)
    hedger: Hedger[State, Step] = Hedger(
        rig.state,
        decide=lambda state, event: next(waiting),
        snapshot=lambda step: {},
        clock=clock,
        broker=Wire(),
        recorder=keeper,
        last_arrival=lambda: None,
    )
    with log_lines() as lines:
        for _ in steps:
            hedger._consume(ev.TimePassed(Times(1.0, 2.0), None))
    return lines


def test_one_correlation_id_leads_from_the_tick_to_the_commission() -> None:
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    fill = rig.fill(ref)
    rig.send(ev.CommissionReported(rig.at, fill.exec_id, 1.25, "USD", None))
    lines = [line for line in replayed(rig) if line.get("correlation_id")]
    assert {line["correlation_id"] for line in lines} == {ref}
    told = [line["message"] for line in lines]
    for words in ("decided on 139.99 x 140.01", "hedge_intent SELL 134", "on the wire: PlaceOrder",
                  "order_sent SELL 134", "fill SELL 134 at 140.00", "commission 1.25 USD"):  # fmt: skip
        assert sum(words in message for message in told) == 1, (words, told)


def test_a_decision_is_a_row_when_it_or_its_reason_changes_and_counted_each_time() -> None:
    rig, ref = quick_rig()
    rig.fill(ref)
    events: Counter[float] = Counter()
    send = rig.send

    def counting(event: ev.Event) -> Step:
        events[(event.at.market_s or 0.0) // 60 * 60] += 1
        return send(event)

    rig.send = counting  # type: ignore[method-assign]
    rig.pass_time(130)
    decisions = [f"{d.outcome}:{d.block_reason}" for d in rig.of(fx.RecordDecision)]
    assert all(before != after for before, after in pairwise(decisions)), decisions
    assert decisions[-1] == "none:in_band"
    assert rig.of(fx.RecordDecision)[-1].gates, "every gate's answer is kept with it"
    minutes = {counts.minute_s: counts.counts for counts in rig.of(fx.RecordCounts)}
    assert len(minutes) == 3 and all(minute % 60.0 == 0.0 for minute in minutes)
    _, whole, under_way = sorted(minutes)
    assert sum(minutes[under_way].values()) < events[under_way], "recorded while it lasts"
    assert sum(minutes[whole].values()) == events[whole] >= 60 * 8, "each event is one evaluation, and each is counted"
    before = len(rig.of(fx.RecordCounts))
    rig.send(ev.Stopping(rig.at, "SIGTERM"))
    assert len(rig.of(fx.RecordCounts)) == before + 1, "the minute under way is not lost by a stop"


# ---------------------------------------------------------------- a reloaded configuration


OPTIONS = GatewayOptions("NVDA", 1, 15.0, 30.0, False)


def test_a_reloaded_configuration_reaches_the_gateway_and_never_its_identity() -> None:
    gateway = IbGateway(OPTIONS, [].append, EngineClock(WallMarketClock()))
    gateway.configure(GatewayOptions("TWX", 9, 4.0, 7.0, True))
    assert gateway.connection.connect_timeout_s == 4.0 and gateway.connection.client_id == 1
    assert gateway._lines.retry_interval_s == 7.0
    assert gateway._lines.allowed_types == {MarketDataType.LIVE, MarketDataType.DELAYED}
    assert (gateway._options.symbol, gateway._options.client_id) == ("NVDA", 1)


@dataclass
class Asked:
    """What a stand-in was told to do."""

    told: list[Any]

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: self.told.append((name, args))


def parts(told: list[Any]) -> Parts:
    return Parts(
        rules=rules(),
        mode=Mode.LIVE,
        instance_id=UUID(int=1),
        clock=EngineClock(WallMarketClock()),
        gateway=Asked(told),  # type: ignore[arg-type]
        make_desk=lambda *args: Asked(told),  # type: ignore[arg-type,return-value]
        make_control=lambda *args: Asked(told),  # type: ignore[arg-type,return-value]
        market_clock=lambda stored, changed: None,  # type: ignore[arg-type,return-value]
        address=lambda settings: ("127.0.0.1", 4002),
        trust=lambda login: None,  # type: ignore[arg-type,return-value]
        look_at_config=lambda: None,
        configure=lambda config: told.append(("configure", config.ib.connect_timeout)),
    )


def test_a_reloaded_configuration_counts_in_everything_that_waits_by_it() -> None:
    told: list[Any] = []
    tenure = Tenure(parts(told), 1, DaemonStatus(), stop=lambda reason, command_id: None)
    changed = rules(
        daemon__heartbeat_interval=20, daemon__ib_retry_interval_sec=7, retention__history_days=9, order__pay_up_ticks=3
    )
    tenure.take_rules(changed)
    assert tenure._link.retry_s == 7 and tenure._beater.interval_s == 20
    assert tenure._beater.keep_days == (9, 365)
    assert tenure._rules.config.order.pay_up_ticks == 3
    daemon = Daemon(parts(told), lambda on_news: Asked(told))  # type: ignore[arg-type,return-value]
    daemon.take_rules(rules(ib__connect_timeout=4))
    assert ("configure", 4.0) in told


def test_the_heartbeat_interval_that_an_operator_set_outlives_a_reload() -> None:
    tenure = Tenure(parts([]), 1, DaemonStatus(), stop=lambda reason, command_id: None)
    tenure._on_run_status(SimpleNamespace(suspended=False, heartbeat_interval_s=60.0))
    tenure.take_rules(rules(daemon__heartbeat_interval=20))
    assert tenure._beater.interval_s == 60.0


def test_the_calendar_of_the_market_outlives_a_reload() -> None:
    tenure = Tenure(parts([]), 1, DaemonStatus(), stop=lambda reason, command_id: None)
    always = TradingCalendar(always_open=True)
    tenure._rules = replace(tenure._rules, calendar=always)
    tenure.take_rules(rules(always_open=False))
    assert tenure._rules.calendar is always


@pytest.mark.parametrize("seconds", [4.0, 121.0])
def test_an_interval_beyond_its_limits_is_not_taken(seconds: float) -> None:
    tenure = Tenure(parts([]), 1, DaemonStatus(), stop=lambda reason, command_id: None)
    tenure._on_run_status(SimpleNamespace(suspended=False, heartbeat_interval_s=seconds))
    assert tenure._beater.interval_s == 10.0
