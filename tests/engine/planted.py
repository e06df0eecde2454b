"""Planted mistakes: the product with one of its rules broken, each with the check that must go red on it.

Every one belongs to a sentence of docs/invariants.md. What takes a whole simulated day to show is in tests/sim/mutants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from bifrost.config import changes
from bifrost_engine.adapters.ib import broker as ib_broker
from bifrost_engine.domain import commands, evaluate, gates
from bifrost_engine.domain.effects import PlaceOrder
from bifrost_engine.domain.events import BrokerTruth, OrderStatusReported
from bifrost_engine.domain.execution import facts, flatten, orders, repricing
from bifrost_engine.domain.ledger import explain, ledger, reconcile
from bifrost_engine.domain.ledger.ledger import Holding
from bifrost_engine.domain.machines import diagrams
from bifrost_engine.domain.machines.table import Machine
from bifrost_engine.domain.market import freshness, market
from bifrost_engine.domain.portfolio import exposure, legs, portfolio
from bifrost_engine.domain.portfolio.figures import LegExposure
from bifrost_engine.domain.selfcheck import selfcheck
from bifrost_engine.domain.trading_day import trading_day
from bifrost_monitor import security, settings

from tests.common import test_config_reload as reload_tests
from tests.contract import test_house_rules as house
from tests.engine import (
    test_decide_commands as command_tests,
)
from tests.engine import (
    test_decide_ends as ends,
)  # isort: skip
from tests.engine import (
    test_decide_legs as leg_tests,
)
from tests.engine import (
    test_decide_orders as order_tests,
)
from tests.engine import (
    test_decide_pacing as pacing,
)
from tests.engine import (
    test_decide_recovery as recovery,
)
from tests.engine import (
    test_decide_reprices as reprices,
)
from tests.engine import (
    test_decide_rules as core,
)
from tests.engine import (
    test_failure_stories as stories,
)
from tests.engine import (
    test_machine_rows as rows,
)
from tests.engine import (
    test_machines as machine_tests,
)
from tests.engine import (
    test_rule_dimensions as dimension_tests,
)
from tests.engine import (
    test_rule_exposure as exposure_tests,
)
from tests.engine import (
    test_rule_gates as gate_tests,
)
from tests.engine import (
    test_rule_ledger as ledger_tests,
)
from tests.engine import (
    test_rule_market as market_tests,
)
from tests.engine import (
    test_rule_selfcheck as verdict_tests,
)
from tests.engine import (
    test_rule_trading_day as day_tests,
)
from tests.engine.planted_ways import (
    Planted,
    accept_anything,
    all_pacing_blocks,
    answered_without_words,
    any_sum,
    as_it_comes,
    both,
    counted_reject,
    hasty,
    instead,
    near_the_money,
    never_by_itself,
    numbers,
    open_gate,
    same_day,
    sent_again,
    stays,
    told,
    unexplained_is_explained,
    unnamed,
    until_the_first_failing,
    without_hold,
    zero,
)
from tests.integration import test_engine_broker as wire
from tests.monitor import test_security, test_token_rules


def _green(what: str) -> Callable[[], object]:
    seen = dict(verdict_tests.GREEN)[what]
    return lambda: verdict_tests.test_green(what, seen)


def _red() -> None:
    reason, seen, around = verdict_tests.RED[0]
    verdict_tests.test_red(reason, seen, around)


def _rows_of_the_hedge_machine() -> None:
    rows.test_each_pair_of_state_and_event_leads_where_it_is_written_is_ignored_or_raises(*rows.WRITTEN[0])


def _in_a_folder(check: Callable[[Path], object]) -> Callable[[], None]:
    def checked() -> None:
        with TemporaryDirectory() as folder:
            check(Path(folder))

    return checked


PLANTED: dict[str, Planted] = {
    "what an execution moves is forgotten": Planted(
        instead(Holding, "after", lambda self, execution: self), stories.test_a_partial_fill_that_moves_nothing
    ),
    "a correction is added to what it corrects": Planted(
        instead(ledger, "_revision", lambda exec_id: ("", 0)),
        ledger_tests.test_a_correction_with_a_higher_suffix_supersedes,
    ),
    "a late fill is taken for somebody else's": Planted(
        instead(facts, "is_own", lambda turn, execution: turn.state.order is not None),
        order_tests.test_a_fill_after_the_cancel_is_not_lost,
    ),
    "the broker is compared with the paper ledger": Planted(
        instead(
            facts,
            "_enter",
            lambda turn, execution: (
                turn.change(
                    ledger=(book := ledger.fold(turn.state.ledger, execution))[0],
                    live_ledger=ledger.fold(turn.state.live_ledger, execution)[0],
                )
                or book[1]
            ),
        ),
        stories.test_paper_fills_that_block_reconciliation,
    ),
    "a decision number is used again": Planted(
        instead(orders, "_unused_number", lambda state: 1), order_tests.test_every_order_ref_is_new
    ),
    "an unresolved intent is sent again at start": Planted(
        instead(orders, "record_intent_again", sent_again),
        recovery.test_killed_between_intent_and_order_nothing_is_sent_twice,
    ),
    "a reprice is a second order": Planted(
        instead(repricing, "ModifyOrder", lambda intent, *rest: PlaceOrder(intent)),
        order_tests.test_a_limit_order_is_repriced_by_modify_and_ends_as_market,
    ),
    "a refused cancel is taken for a reject": Planted(
        instead(orders, "uncertain", orders.cancelled),
        lambda: ends.test_a_code_that_tells_no_outcome_leads_to_probes_never_to_an_end(10148),
    ),
    "an order leaves without its reference": Planted(
        instead(ib_broker.IbOrders, "_order", unnamed), wire.test_an_order_leaves_complete_and_its_frames_come_back
    ),
    "the size of an order has no cap": Planted(
        instead(dimension_tests.sizing, "order_size", lambda need, config: need),
        dimension_tests.test_order_size_keeps_side_and_cap,
    ),
    "a failed hedge is tried again at once": Planted(
        instead(orders, "backoff_s", lambda failures: 0.0), stories.test_a_second_order_fired_after_a_reject
    ),
    "nobody is told the end of an order": Planted(
        instead(orders, "_tell_trading", lambda turn, event: None),
        ends.test_an_order_that_the_broker_cancels_is_a_failed_hedge_and_backs_off,
    ),
    "suspension leaves the working order alone": Planted(
        instead(evaluate, "_withdraw_if_needed", lambda turn, exposure, view: None),
        order_tests.test_suspending_cancels_the_working_hedge,
    ),
    "a hedge that is wanted no more works on": Planted(
        instead(evaluate, "_withdraw_if_needed", lambda turn, exposure, view: None),
        order_tests.test_the_hedge_is_taken_back_when_delta_has_turned,
    ),
    "orders are placed elsewhere too": Planted(
        instead(house, "code_words", lambda path: "placeOrder"),
        house.test_orders_stand_in_the_engines_ib_adapter_alone,
    ),
    "a standby sends orders": Planted(
        lambda: both(open_gate("standby")(), patch.object(orders, "_obstacle", lambda turn, order: "")),
        recovery.test_losing_the_lease_stops_trading,
    ),
    "bad data is no cause for SAFE": Planted(
        instead(evaluate, "_unsafe_cause", lambda *facts: ""), stories.test_nan_quotes_taken_for_normal
    ),
    "a hold holds nothing": Planted(
        lambda: both(open_gate("hold")(), patch.object(orders, "_obstacle", lambda turn, order: "")),
        stories.test_flatten_undone_by_the_next_hedge,
    ),
    "a halt stops nothing": Planted(open_gate("halted"), core.test_no_order_leaves_while_the_stock_is_halted),
    "a latched breaker stops nothing": Planted(
        lambda: both(
            open_gate("circuit_breaker", "safe_mode")(), patch.object(evaluate, "_emittable", lambda dimensions: True)
        ),
        core.test_a_latched_breaker_lets_no_hedge_out_until_it_is_released,
    ),
    "an unread suspension counts as none": Planted(
        lambda: both(open_gate("suspended")(), patch.object(orders, "_obstacle", lambda turn, order: "")),
        order_tests.test_suspension_that_cannot_be_read_counts_as_suspended,
    ),
    "orders leave into the nightly reset": Planted(
        open_gate("reset_window"), stories.test_orders_sent_into_the_nightly_restart
    ),
    "hedges leave while the exchange is closed": Planted(
        open_gate("outside_session"),
        lambda: core.test_hedges_leave_in_the_session_alone("2026-05-07 09:29:30", leaves=False),
    ),
    "gates after the first failing one are not asked": Planted(
        instead(gates, "evaluate", until_the_first_failing),
        gate_tests.test_every_gate_answers_even_when_an_earlier_one_fails,
    ),
    "a forced hedge waits for the price to move": Planted(
        instead(dimension_tests.sizing, "forced", lambda delta, config: False),
        stories.test_a_forced_hedge_blocked_by_the_price_move_gate,
    ),
    "a limit keeps the position from shrinking": Planted(
        lambda: patch.dict(gates.max_position_shares.__globals__, {"enlarges": lambda view: True}),
        gate_tests.test_position_limit_never_lets_risk_grow_beyond_it,
    ),
    "orders go to whatever gateway answers": Planted(
        open_gate("live_not_allowed"), recovery.test_a_gateway_that_is_not_the_simulator_gets_no_order
    ),
    "a hedge may enlarge the delta": Planted(
        open_gate("must_reduce_delta"), gate_tests.test_must_reduce_delta_means_what_it_says
    ),
    "a machine that has no row stays where it is": Planted(instead(Machine, "next", stays), _rows_of_the_hedge_machine),
    "only the operator leaves SAFE": Planted(
        instead(evaluate, "_next_event", never_by_itself),
        stories.test_stale_quotes_at_start_that_park_it_in_safe_for_ever,
    ),
    "a machine is missing among the diagrams": Planted(
        instead(diagrams, "MACHINES", diagrams.MACHINES[:2]),
        machine_tests.test_the_diagrams_in_docs_are_those_of_the_tables,
    ),
    "SAFE leaves a limit order in the book": Planted(
        instead(evaluate, "_enter_safe", lambda turn: None),
        lambda: core.test_entering_safe_takes_a_limit_order_back_and_leaves_a_market_order_alone(
            "limit", cancelled=True
        ),
    ),
    "a decision depends on how often it was asked": Planted(
        told(OrderStatusReported, lambda turn, event: turn.change(started_s=float(next(numbers)))),
        order_tests.test_decide_is_pure_the_same_step_twice,
    ),
    "a quote is taken as it comes": Planted(
        instead(market, "valid_mid", as_it_comes),
        stories.test_nan_quotes_taken_for_normal,
    ),
    "a jump is believed at once": Planted(
        instead(
            market, "_on_jump", lambda book, quote, mid, reference, at, config: market._accept(book, mid, at, config)
        ),
        market_tests.test_one_bad_print_moves_nothing,
    ),
    "invalid greeks are zero": Planted(instead(exposure, "_invalid", zero), exposure_tests.test_invalid_is_never_zero),
    "legs away from the money are not counted": Planted(
        instead(portfolio, "exposure", near_the_money),
        stories.test_legs_dropping_out_of_the_delta_when_spot_moves_3_per_cent,
    ),
    "the silence of the wire is not noticed": Planted(
        instead(freshness, "_lagging", lambda book, at, config: ""),
        market_tests.test_stale_by_data_lag_beyond_the_limit,
    ),
    "every multiplier is 100": Planted(
        instead(LegExposure, "delta_shares", property(lambda row: row.quantity * 100.0 * row.delta)),
        exposure_tests.test_net_delta_counts_multiplier_quantity_and_stock,
    ),
    "a new volatility source counts at once": Planted(
        instead(exposure, "HOLD_SOURCE_S", 0.0),
        exposure_tests.test_a_change_of_source_that_moves_delta_must_last_five_seconds,
    ),
    "a released leg is adopted again by itself": Planted(
        instead(
            portfolio,
            "may_adopt",
            lambda position, known, spot, at, config, calendar: portfolio.eligible(
                position, spot, at, config, calendar
            ),
        ),
        recovery.test_a_released_leg_is_adopted_again_only_by_command,
    ),
    "a failed query is an empty account": Planted(
        told(BrokerTruth, lambda turn, event: reconcile.broker_truth(turn, replace(event, ok=True))),
        recovery.test_a_failed_query_is_unknown_never_flat,
    ),
    "comparisons a moment apart agree": Planted(
        hasty, core.test_a_difference_counts_only_when_two_comparisons_seconds_apart_agree
    ),
    "a changed leg goes unnoticed": Planted(
        instead(reconcile, "_leg_differences", lambda turn: ()),
        recovery.test_an_unexplained_change_of_a_leg_blocks_until_it_is_accepted,
    ),
    "all shares of the account are ours": Planted(
        instead(reconcile, "shares_in_scope", lambda turn: legs.observed_quantity(turn, turn.state.stock)),
        stories.test_the_operators_own_shares_sold,
    ),
    "assigned shares are somebody else's": Planted(
        instead(explain, "exercise", lambda turn, notes: None),
        stories.test_assignment_that_turns_the_hedge_round,
    ),
    "a straddle that is gone was exercised": Planted(
        instead(explain, "_delivered", any_sum),
        leg_tests.test_a_straddle_that_is_gone_without_a_share_moving_was_not_exercised,
    ),
    "positions are accepted unseen": Planted(
        instead(reconcile, "accept", accept_anything),
        recovery.test_an_unexplained_change_of_a_leg_blocks_until_it_is_accepted,
    ),
    "an unexplained disappearance is unwound": Planted(
        unexplained_is_explained, leg_tests.test_a_disappearance_that_nothing_explains_never_trades
    ),
    "the trading day never ends": Planted(
        instead(trading_day, "roll", same_day),
        stories.test_the_day_counter_that_never_rolls_over,
    ),
    "a hold ends at midnight": Planted(
        instead(trading_day, "roll", without_hold), day_tests.test_hold_is_carried_into_the_next_day_until_resumed
    ),
    "a loss of a moment latches the breaker": Planted(
        instead(trading_day, "at_least", lambda value, limit: True),
        day_tests.test_a_loss_that_passes_does_not_latch,
    ),
    "a reject counts as a hedge": Planted(
        instead(orders, "rejected", counted_reject),
        order_tests.test_rejects_do_not_count_as_hedges_and_too_many_lead_to_safe,
    ),
    "a last hedge of tomorrow is believed": Planted(
        instead(trading_day, "without_future_hedge", lambda day, at: (day, ())),
        day_tests.test_a_last_hedge_later_than_now_is_a_clock_regression,
    ),
    "flatten works the account's shares": Planted(
        instead(flatten, "own_shares", lambda turn: legs.observed_quantity(turn, turn.state.stock)),
        stories.test_the_operators_own_shares_sold,
    ),
    "flatten looks at its ledger alone": Planted(
        instead(flatten, "_refusal", lambda *asked: ""),
        stories.test_a_phantom_position_closed_by_opening_the_opposite,
    ),
    "flatten waits for the morning": Planted(
        instead(flatten, "_refusal", lambda *asked: ""),
        core.test_flatten_outside_the_session_is_refused_and_never_queued,
    ),
    "flatten trades through zero": Planted(
        instead(flatten, "target_shares", lambda turn, target: 100), stories.test_flatten_undone_by_the_next_hedge
    ),
    "pacing colours the lamp": Planted(instead(gates, "evaluate", all_pacing_blocks), _green("price collar")),
    "blocked is shown yellow": Planted(
        instead(selfcheck, "LAMPS", {**selfcheck.LAMPS, selfcheck.Verdict.BLOCKED: selfcheck.Lamp.YELLOW}),
        _red,
    ),
    "a new price goes out whatever it is": Planted(
        instead(repricing, "_refusal", lambda *asked: ""),
        reprices.test_a_new_price_beyond_the_collar_leaves_the_order_at_its_old_one_and_says_why,
    ),
    "a fill after the cancel starts no cooldown": Planted(
        instead(facts, "_remember_fill", lambda turn, execution: None),
        pacing.test_the_cooldown_counts_from_a_fill_that_comes_after_the_cancel,
    ),
    "a comparison is put off for ever": Planted(
        instead(reconcile, "late_s", lambda turn: None),
        pacing.test_hedges_without_a_pause_wait_for_a_comparison_that_is_overdue,
    ),
    "a refusal gives no reason": Planted(
        instead(commands, "_close", answered_without_words),
        lambda: command_tests.test_every_command_ends_or_is_refused_with_a_reason_in_every_state("running"),
    ),
    "any token is the right one": Planted(
        instead(security, "_equal", lambda presented, expected: True),
        _in_a_folder(lambda folder: test_token_rules.test_nobody_without_the_token_changes_anything(folder, {})),
    ),
    "a monitor that the network reaches starts without a token": Planted(
        instead(settings, "is_loopback", lambda host: True),
        _in_a_folder(test_security.test_beyond_loopback_without_a_token_nothing_starts),
    ),
    "the cookie is the token": Planted(
        instead(security, "cookie_value", lambda token: token),
        test_token_rules.test_the_cookie_is_made_of_the_token_and_does_not_show_it,
    ),
    "a reload turns paper into live": Planted(
        instead(changes, "_NEEDS_RESTART", ("symbol",)),
        _in_a_folder(
            lambda folder: reload_tests.test_no_reload_turns_paper_into_live_or_back(
                folder, "{paper_trade: true}", "{paper_trade: false}", "file"
            )
        ),
    ),
}
