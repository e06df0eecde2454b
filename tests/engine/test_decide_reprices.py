"""A limit order's next price: it passes what the first one passed, or the order stays where it stands."""

from __future__ import annotations

import pytest
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.words import OrderType, Purpose, Side

from tests.engine.rig import CALL, PUT, STOCK, Rig, rules
from tests.engine.test_decide_orders import quick_rig

#: A limit one tick below the bid of a quote two cents wide is 0.014 % from the mid; of one of eight cents 0.036 %.
TIGHT = {"order__order_type": "limit", "gates__guard__risk__price_collar_pct": 0.02}
WIDE = 0.08


def wait(rig: Rig, seconds: float, spread: float = 0.02, step_s: float = 0.25) -> None:
    """Time with quotes around an unchanged mid."""
    for _ in range(round(seconds / step_s)):
        rig.wall_s += step_s
        rig.market_s = (rig.market_s or 0.0) + step_s
        rig.quote(rig.spot, spread)
        rig.send(ev.TimePassed(rig.at, rig.wall_s))


def told(rig: Rig, ref: str) -> list[str]:
    """What the receipt says of the order, as it came."""
    return [e.reason for e in rig.of(fx.RecordIntentState) if e.order_ref == ref and e.reason]


def waiting(**keys: object) -> tuple[Rig, str]:
    """A limit order that works at its first price."""
    rig, ref = quick_rig(**(TIGHT | keys))
    rig.status(ref, "Submitted")
    return rig, ref


def test_a_new_price_beyond_the_collar_leaves_the_order_at_its_old_one_and_says_why() -> None:
    """INV-O15."""
    rig, ref = waiting()
    wait(rig, 4.0, WIDE)
    assert not rig.of(fx.ModifyOrder)
    order = rig.state.order
    assert order is not None and order.limit_price == pytest.approx(139.98)
    assert rig.state.hedge is HedgeState.WORKING
    (kept,) = told(rig, ref)
    assert kept.startswith("price kept: price_collar: price 139.95 is 0.04 % from the mid 140.00")
    wait(rig, 0.5)
    (modify,) = rig.of(fx.ModifyOrder)
    assert modify.limit_price == pytest.approx(139.98), "as soon as a price passes it is sent"
    assert rig.last(fx.RecordIntentState).reason == ""


def test_an_order_that_gets_no_price_for_long_is_taken_back_with_the_reason() -> None:
    """INV-O15."""
    rig, ref = waiting()
    wait(rig, 6.25, WIDE)
    assert not rig.of(fx.ModifyOrder)
    assert rig.last(fx.CancelOrder).reason.startswith("no new price for 3 s: price_collar: price 139.95")
    rig.cancel(ref)
    cancels = [o for o in rig.of(fx.RecordOperation) if o.type is fx.OperationType.CANCEL]
    assert [c.reason.split(":")[1].strip() for c in cancels] == ["price_collar"]
    assert told(rig, ref)[-1].startswith("no new price for 3 s: price_collar")
    wait(rig, 3.0, WIDE)
    assert len(rig.of(fx.PlaceOrder)) == 1, "the same gate keeps the next one at home"
    assert rig.last(fx.RecordDecision).block_reason == "price_collar"


def test_the_last_price_the_markets_passes_the_collar_too() -> None:
    """INV-O15."""
    rig, ref = waiting(order__max_reprices=0, gates__guard__risk__price_collar_pct=0.02)
    wait(rig, 4.0, WIDE)
    assert not rig.of(fx.ModifyOrder)
    assert "price 139.96" in told(rig, ref)[-1], "a market order sells at the bid"
    wait(rig, 0.25)
    assert [m.order_type for m in rig.of(fx.ModifyOrder)] == [OrderType.MARKET]


@pytest.mark.parametrize(
    ("keys", "spread", "why"),
    [
        ({"gates__guard__risk__max_spread_pct": 0.05}, WIDE, "spread_too_wide: spread 0.057 %"),
        ({"gates__state__liquidity__extreme_spread_pct": 0.11}, 0.16, "safe_mode:L2"),
    ],
)
def test_no_new_price_in_a_market_that_no_first_order_may_meet(
    keys: dict[str, object], spread: float, why: str
) -> None:
    """INV-O15."""
    rig, ref = waiting(**keys, gates__guard__risk__price_collar_pct=1.0)
    wait(rig, 4.0, spread)
    assert not rig.of(fx.ModifyOrder)
    assert why in told(rig, ref)[-1]


def test_no_new_price_while_the_stock_is_halted() -> None:
    """INV-O15."""
    rig, ref = waiting(gates__guard__risk__price_collar_pct=1.0)
    rig.halted = True
    wait(rig, 4.0)
    assert not rig.of(fx.ModifyOrder)
    assert "halted" in told(rig, ref)[-1]


def test_a_partial_fill_gives_the_old_price_its_time_again() -> None:
    rig, ref = waiting()
    wait(rig, 5.5, WIDE)
    rig.fill(ref, 40)
    wait(rig, 5.0, WIDE)
    assert not rig.of(fx.CancelOrder)
    wait(rig, 1.25, WIDE)
    assert len(rig.of(fx.CancelOrder)) == 1


@pytest.mark.parametrize("own", [-134, 134])
def test_a_flatten_by_limit_order_is_priced_on_its_own_side(own: int) -> None:
    """The book is in balance and asks for no price: that of the flatten is its own."""
    rig = Rig(rules(order__order_type="limit"), legs=dict.fromkeys((CALL, PUT), 20.0 if own < 0 else -20.0))
    rig.start()
    for ref in list(rig.broker):
        rig.fill(ref)
    rig.pass_time(2)
    assert rig.state.ledger.position(STOCK) == own
    rig.send(ev.CommandReceived(rig.at, 1, "flatten", {"target": "zero"}))
    intent = rig.last(fx.PlaceOrder).intent
    assert (intent.purpose, intent.side, intent.quantity) == (Purpose.FLATTEN, Side.of(-own), 134)
    assert intent.limit_price == pytest.approx(140.02 if own < 0 else 139.98)


def acknowledged(rig: Rig, ref: str, seconds: float, drop: float = 0.0) -> list[tuple[float, fx.ModifyOrder]]:
    """Time in which the broker acknowledges each change at once; ``drop``: how far the touch falls each quarter."""
    made: list[tuple[float, fx.ModifyOrder]] = []
    for _ in range(round(seconds * 4)):
        before = len(rig.of(fx.ModifyOrder))
        rig.spot -= drop
        wait(rig, 0.25)
        for modify in rig.of(fx.ModifyOrder)[before:]:
            made.append((rig.wall_s, modify))
            rig.status(ref, "Submitted")
    return made


@pytest.mark.parametrize(("after", "market"), [("market", 1), ("give_up", 0)])
def test_a_limit_order_follows_the_touch_and_its_attempts_are_counted(after: str, market: int) -> None:
    """Every three seconds, at the touch then and three ticks beyond it; then the market, or the end."""
    rig, ref = quick_rig(order__order_type="limit", order__pay_up_ticks=3, order__after_reprices=after)
    rig.status(ref, "Submitted")
    began_s = rig.wall_s
    made = acknowledged(rig, ref, 3.0 * (3 + market) + 0.5, drop=0.001)
    assert [at_s - began_s for at_s, _ in made] == [3.0 * n for n in range(1, 4 + market)]
    prices = [modify.limit_price for _, modify in made[:3]]
    assert prices == [round(140.0 - 0.001 * 12 * n - 0.01 - 0.03, 2) for n in range(1, 4)], "in whole cents"
    assert [m.order_type for _, m in made[3:]] == [OrderType.MARKET] * market
    assert not rig.of(fx.CancelOrder)
    acknowledged(rig, ref, 10.0 if market else 2.5)
    (cancel,) = rig.of(fx.CancelOrder)
    assert cancel.reason == ("not filled within 10 s" if market else "not filled within 3 s")
    assert len(rig.of(fx.ModifyOrder)) == 3 + market


def test_an_order_filled_in_part_follows_the_touch_too() -> None:
    rig, ref = quick_rig(order__order_type="limit")
    rig.status(ref, "Submitted")
    rig.fill(ref, 40)
    began_s = rig.wall_s
    made = acknowledged(rig, ref, 3.0)
    assert [at_s - began_s for at_s, _ in made] == [3.0]
    assert made[0][1].intent.quantity == 134, "a modify names the original total"


def test_what_was_refused_earlier_does_not_take_an_order_back_that_has_its_price_since() -> None:
    rig, ref = waiting()
    wait(rig, 4.0, WIDE)
    made = acknowledged(rig, ref, 0.25)
    assert len(made) == 1 and not rig.of(fx.CancelOrder)
    wait(rig, 5.75, WIDE)
    assert not rig.of(fx.CancelOrder), "six seconds from its last price"
    wait(rig, 0.25, WIDE)
    assert len(rig.of(fx.CancelOrder)) == 1


def test_an_engine_that_slept_gives_the_order_its_next_price_and_not_up() -> None:
    """Nothing was refused while nobody looked."""
    rig, _ = waiting()
    wait(rig, 10.0, step_s=10.0)
    assert len(rig.of(fx.ModifyOrder)) == 1 and not rig.of(fx.CancelOrder)


def test_an_order_that_nobody_can_price_is_taken_back_while_market_time_is_unknown() -> None:
    """Nothing is evaluated then: without a limit it would wait at its old price for as long as the clock is away."""
    rig, ref = waiting()
    rig.market_s = None
    rig.pass_time(6.25)
    (cancel,) = rig.of(fx.CancelOrder)
    assert (cancel.order_ref, cancel.reason) == (ref, "no new price for 3 s: market time is not known")
