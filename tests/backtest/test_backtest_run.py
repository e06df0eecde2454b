"""The live core over made quotes: money that adds up, decisions that are explained, tapes that replay."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from bifrost.calendar import TradingCalendar
from bifrost.tape import Publication
from bifrost_engine.backtest.fills import FREE, FillModel
from bifrost_engine.backtest.legs import Entry, Held, LegsError, Straddle
from bifrost_engine.backtest.market import Burst, QuotesInMemory
from bifrost_engine.backtest.outcome import Outcome
from bifrost_engine.backtest.replay import replay
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.backtest.summary import parts_shown, run_id, summary
from bifrost_engine.backtest.tape import TapeWriter
from bifrost_engine.backtest.ticks import Tick

from tests.backtest.made import CALL, LEGS, PUT, STOCK, bursts, market, rules, run

QUICK = {"gates__intent__hedge__cooldown_seconds": 0.0, "gates__intent__hedge__min_price_move_pct": 0.0}


def mids(quotes: dict[object, Publication]) -> dict[object, float]:
    return {key: (quote.bid + quote.ask) / 2 for key, quote in quotes.items()}


def money(outcome: Outcome) -> float:
    """P&L worked out once more: legs from the mid of their entry, own shares by cash and mark, commissions paid."""
    last = mids(dict(outcome.last_quotes))
    legs = sum(leg.held.quantity * leg.held.multiplier * (last[leg.held.key] - leg.mid) for leg in outcome.legs)
    fills = outcome.state.ledger.counted()
    cash = -sum(fill.signed_quantity * fill.price for fill in fills)
    shares = sum(fill.signed_quantity for fill in fills)
    return legs + cash + shares * last[STOCK] - outcome.state.ledger.commissions_usd


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_pnl_is_what_cash_and_marks_say_to_the_cent(seed: int) -> None:
    outcome, _ = run(seed, keys=QUICK, minutes=389)  # the last minute closes with the session: no mark is good then
    assert outcome.tally.fills > 10
    assert round(outcome.tally.pnl_usd, 2) == round(money(outcome), 2)
    parts = outcome.tally.parts()
    assert round(sum(parts.values()), 2) == round(outcome.tally.pnl_usd, 2), parts
    assert parts["gamma"] > 0 > parts["theta"] and parts["commissions"] == pytest.approx(-outcome.tally.commissions_usd)
    assert parts["slippage"] == pytest.approx(-outcome.tally.slippage_usd)


def test_TC_3_R_B2_1_every_tick_says_what_was_decided_and_what_blocked_it() -> None:
    """TC-3-R-B2-1: side, size and reason per tick; the counts per reason are the ticks' own."""
    outcome, ticks = run(4)
    assert [tick.number for tick in ticks] == list(range(1, len(ticks) + 1)) and len(ticks) == 390
    assert {tick.decision for tick in ticks} == {"hedge", "blocked", "none"}
    for tick in ticks:
        assert (tick.block_reason != "") is (tick.decision != "hedge")
        assert (tick.side in ("BUY", "SELL") and tick.quantity > 0) is (tick.decision != "none")
        if tick.decision == "hedge" and tick.net_delta is not None:
            assert tick.side == ("SELL" if tick.net_delta > 0 else "BUY")
            assert tick.quantity == min(500, abs(round(tick.net_delta)))
    blocked = dict.fromkeys(outcome.tally.blocked, 0)
    for tick in ticks:
        if tick.decision == "blocked":
            blocked[tick.block_reason] += 1
    assert blocked == dict(outcome.tally.blocked) and sum(blocked.values()) > 0


def test_TC_3_R_B1_2_a_second_run_is_the_same_and_its_tape_replays(tmp_path: Path) -> None:
    """TC-3-R-B1-2, TC-3-RE-2-2: the hash of configuration and data names the run; equal runs, equal tapes."""
    results = []
    for name in ("one", "two"):
        tape = tmp_path / f"{name}.jsonl.gz"
        source, entry, model = market(6), Entry(LEGS), FillModel()
        outcome = BacktestRun(rules(), source, entry, model, make_tape=partial(TapeWriter, tape)).run()
        found = replay(tape)
        assert found.parting is None and found.compared == found.events == outcome.tally.events
        assert found.hedges > 0 and found.state == outcome.state
        results.append(summary(outcome, rules(), source, entry, model))
    assert results[0] == results[1]
    other = summary(outcome, rules(gates__state__delta__epsilon_band=9), source, entry, model)
    assert other["run_id"] != results[0]["run_id"] and other["config_hash"] != results[0]["config_hash"]


def test_latency_and_size_cost_what_they_should() -> None:
    """Without either a hedge fills whole at the touch; shown size splits it, and nobody fills above it."""
    free, _ = run(3, FREE, keys=QUICK)
    assert free.tally.operations["fill"] == free.tally.hedges
    assert free.tally.commissions_usd == 0.0
    assert free.tally.slippage_usd == pytest.approx(0.01 * free.tally.shares_traded, rel=1e-6)
    small, _ = run(3, FillModel(), keys=QUICK, size=20.0)
    fills = [fill.quantity for fill in small.state.ledger.counted()]
    assert max(fills) <= 20 and small.tally.operations["cancel"] > 0


def test_a_crossed_or_missing_quote_is_never_traded_on() -> None:
    """Every third minute the stock is crossed, every fifth it is gone: no fill carries one of those prices."""
    made = []
    for number, burst in enumerate(bursts(2, realized=1.5)):
        stock, *options = burst.quotes
        if number % 5 == 4:
            stock = Publication(burst.at_s, STOCK, -1.0, 0.0, -1.0, 0.0)
        elif number % 3 == 2:
            stock = Publication(burst.at_s, STOCK, 1000.0, 900.0, 10.0, 900.0)
        made.append(Burst(burst.at_s, (stock, *options)))
    outcome = BacktestRun(rules(**QUICK), QuotesInMemory(STOCK, made), Entry(LEGS), FillModel(latency_s=0.0)).run()
    prices = [fill.price for fill in outcome.state.ledger.counted()]
    assert prices and all(100 < price < 200 for price in prices)
    assert outcome.tally.blocked["safe_mode:L3"] > 0


def test_the_run_ends_where_its_first_leg_expires() -> None:
    made = list(bursts(2, minutes=30))
    over = [Burst(made[-1].at_s + 40 * 86400, made[-1].quotes)]
    outcome = BacktestRun(rules(), QuotesInMemory(STOCK, made + over), Entry(LEGS), FREE).run()
    assert outcome.ended == "the first of the legs expires here" and outcome.last_s == made[-1].at_s


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        (Straddle(10, 60, 90), "no expiry 60 to 90 days away; quoted are 20260605 \\(29 days\\)"),
        ((Held(CALL, 5.0), Held(PUT, 5.0), Held(CALL.__class__("NVDA", "OPT", "20260605", 150.0, "C"), 1.0)),
         "never all quoted on both sides; without any quote: NVDA|OPT|20260605|150|C"),
    ],
)  # fmt: skip
def test_legs_that_cannot_be_held_are_told(legs: Straddle, said: str) -> None:
    with pytest.raises(LegsError, match=said.replace("|", r"\|")):
        BacktestRun(rules(), market(1, minutes=30), Entry(legs), FREE).run()


def test_a_straddle_by_rule_is_the_one_nearest_the_money() -> None:
    outcome = BacktestRun(rules(), market(1, minutes=30), Entry(Straddle(-7, 20, 40)), FREE).run()
    assert [(leg.held.key, leg.held.quantity) for leg in outcome.legs] == [(CALL, -7.0), (PUT, -7.0)]
    # A short straddle is sold at the bid.
    assert all(leg.price < leg.mid for leg in outcome.legs)


def test_a_comparison_with_the_broker_is_not_put_off_until_the_next_quote() -> None:
    """Live the clock beats between quotes: a hedge on a minute's bar, or a gap after the close, leaves none overdue."""
    day = list(bursts(4, minutes=389))
    at_s, late = day[-1].at_s, []
    for gap_s in (240.0, 360.0, 300.0, 600.0):
        at_s += gap_s
        late.append(Burst(at_s, tuple(replace(quote, at_s=at_s) for quote in day[-1].quotes)))
    ticks: list[Tick] = []
    made = QuotesInMemory(STOCK, [*day, *late])
    BacktestRun(rules(**QUICK), made, Entry(LEGS), FillModel(), on_tick=ticks.append).run()
    assert sum(tick.decision == "hedge" for tick in ticks) > 10
    blocked = {tick.block_reason for tick in ticks if tick.decision == "blocked"}
    assert not [reason for reason in blocked if "not_reconciled" in reason], blocked


def test_a_market_that_never_closes_is_traded_at_night() -> None:
    """As in a scenario that is always open: its tapes know no session, and such runs have names of their own."""
    day, at_night = rules(**QUICK), list(bursts(4, minutes=60))
    night = replace(day, calendar=TradingCalendar(always_open=True))
    moved = [
        Burst(burst.at_s + 9 * 3600, tuple(replace(quote, at_s=quote.at_s + 9 * 3600) for quote in burst.quotes))
        for burst in at_night
    ]
    outcome = BacktestRun(night, QuotesInMemory(STOCK, moved), Entry(LEGS), FillModel()).run()
    assert outcome.tally.hedges > 0
    with pytest.raises(LegsError, match="never all quoted"):
        BacktestRun(day, QuotesInMemory(STOCK, moved), Entry(LEGS), FillModel()).run()
    assert run_id(day, "data", {}) != run_id(night, "data", {})


def test_the_parts_that_are_shown_make_the_pnl_that_is_shown() -> None:
    """Each rounded alone they may miss it by a cent or two: the residual takes what rounding leaves."""
    found = {"attribution": {"delta": 1.005, "gamma": 2.004, "residual": 0.004}, "pnl": {"at_mid_usd": 3.013}}
    shown = parts_shown(found)
    assert shown == {"delta": round(1.005, 2), "gamma": 2.0, "residual": round(3.01 - round(1.005, 2) - 2.0, 2)}
    assert round(sum(shown.values()), 2) == 3.01
    assert parts_shown({"attribution": {}, "pnl": {"at_mid_usd": 3.0}}) == {}
