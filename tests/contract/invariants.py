"""What must always hold, one sentence each: docs/invariants.md is written from here (`make invariants`).

An ID stands in the docstring of every test that enforces its sentence. The mistake is one that is planted into the
product, in `PLANTED` (tests/engine/planted.py), in the simulated days (tests/sim/mutants.py) or in the database
(tests/integration/test_planted_database.py), so that the check is seen to go red.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Invariant(NamedTuple):
    """A sentence, where the design says it, and the mistake that shows that its check can fail."""

    id: str
    where: str
    sentence: str
    mistake: str


#: ``== area``, then ``ID [where] sentence`` and below it ``! mistake``.
_TEXT = """
== Ledger
INV-L1 [quality.md, ladder 2] Our position is the sum of the executions that no later one replaces.
! what an execution moves is forgotten
INV-L2 [engine.md 3, 4.5] An execution counts once, however often and by whatever way it is told.
! executions are counted each time they are told
INV-L3 [engine.md 3, 4.5] A correction, and the report of what was inferred, take the place of the earlier row by a
    new one.
! a correction is added to what it corrects
INV-L4 [quality.md, ladder 3] After every recovery the ledger equals the broker.
! open intents are forgotten by a restart
INV-L5 [engine.md 3] Executions reach the ledger in every state of every machine, after a cancel too.
! a late fill is taken for somebody else's
INV-L6 [engine.md 4.7] The broker is compared with the live ledger only; paper fills never mix with it.
! the broker is compared with the paper ledger
== Orders
INV-O1 [quality.md, ladder 2] No order leaves while another of ours may still work.
! silence is taken for a reject
INV-O2 [engine.md 4.3, contracts.md] No order_ref is sent twice, and none ever names two orders.
! a decision number is used again
INV-O3 [quality.md, ladder 2] Every order that leaves has an earlier durable intent.
! orders leave before their intent is durable
INV-O4 [engine.md 4.3] An intent without a trace at the broker is never sent again: the need is decided afresh.
! an unresolved intent is sent again at start
INV-O5 [engine.md 4.4] A reprice is a modify of the same order, never a second one.
! a reprice is a second order
INV-O6 [engine.md 3, 4.5] A time-out, a cut wire or a code without a rule is no end: the order is UNKNOWN until
    found out.
! a refused cancel is taken for a reject
INV-O7 [engine.md 3] An order is gone only after two probes five seconds apart and a position that agrees without it.
! an unknown order is taken for gone at the first look
INV-O8 [engine.md 4.3] Every order carries its account, its reference and a time in force.
! an order leaves without its reference
INV-O9 [engine.md 4.2] No order is larger than max_hedge_shares_per_order.
! the size of an order has no cap
INV-O10 [engine.md 3] After a failed hedge the next one waits: 2 s, doubling to 60 s.
! a failed hedge is tried again at once
INV-O11 [engine.md 3] The trading machine is told the end of each order, as done or as failed.
! nobody is told the end of an order
INV-O12 [engine.md 7] Suspend, stop, flatten and a lost lease take a working order back; a database outage alone
    does not.
! suspension leaves the working order alone
INV-O13 [engine.md 3] An order whose rest would enlarge the delta is taken back.
! a hedge that is wanted no more works on
INV-O14 [architecture.md] Orders are placed in the engine's IB adapter and nowhere else.
! orders are placed elsewhere too
INV-O15 [engine.md 4.4, 4.1] A new price of a working order passes the gates that the first one passed, else the order
    keeps its price, and is taken back when none passes for long.
! a new price goes out whatever it is
== What forbids an order
INV-G1 [quality.md, ladder 2] No hedge leaves while suspended.
! hedges leave while suspended
INV-G2 [quality.md, ladder 2] No hedge leaves without the database.
! hedges leave without the database
INV-G3 [engine.md 6] No hedge leaves before the broker has been read and compared on this connection.
! hedges leave before reconciliation
INV-G4 [quality.md, ladder 2] Nothing leaves from a standby.
! a standby sends orders
INV-G5 [quality.md, ladder 2] No hedge leaves in SAFE, and data that cannot be trusted lead there.
! bad data is no cause for SAFE
INV-G6 [engine.md 7] After a flatten no hedge leaves until somebody resumes, restarts and new days included.
! a hold holds nothing
INV-G7 [quality.md, ladder 2] No order leaves while the stock is halted.
! a halt stops nothing
INV-G8 [engine.md 5] A latched breaker lets no hedge out, but a forced one under forced_only.
! a latched breaker stops nothing
INV-G9 [database.md] A suspension that cannot be read counts as suspended.
! an unread suspension counts as none
INV-G10 [engine.md 4.1] No hedge leaves inside IB's reset windows.
! orders leave into the nightly reset
INV-G11 [engine.md 4.1] Hedges leave between open + open_delay_s and close − close_guard_s alone.
! hedges leave while the exchange is closed
INV-G12 [engine.md 4.1] Every gate answers at every evaluation, and the first that fails is the reason.
! gates after the first failing one are not asked
INV-G13 [engine.md 4.1] A forced hedge waits for neither cooldown nor price move.
! a forced hedge waits for the price to move
INV-G14 [engine.md 4.1] Position limits stop only what enlarges the position beyond them.
! a limit keeps the position from shrinking
INV-G15 [contracts.md] A gateway whose accounts are not the simulator's gets no order from a desk on the simulator's
    clock.
! orders go to whatever gateway answers
INV-G16 [engine.md 4.1] Every hedge shrinks |net delta|, what is working counted.
! a hedge may enlarge the delta
INV-G17 [engine.md 4.1] The cooldown counts from the last own fill, late ones and those of an earlier life included.
! a fill after the cancel starts no cooldown
== Machines
INV-M1 [engine.md 3] Each pair of state and event is a row of its table, is listed as ignored, or raises.
! a machine that has no row stays where it is
INV-M2 [engine.md 3] SAFE says why and leaves by itself when the cause has gone.
! only the operator leaves SAFE
INV-M3 [architecture.md] The diagrams are those of the tables.
! a machine is missing among the diagrams
INV-M4 [engine.md 3] Entering SAFE takes a limit order back and leaves a market order alone.
! SAFE leaves a limit order in the book
INV-M5 [architecture.md] decide is pure: the same state, event and rules give the same step.
! a decision depends on how often it was asked
== Market and exposure
INV-X1 [engine.md 2] A quote that is one-sided, crossed, zero or NaN is no quote and never a price.
! a quote is taken as it comes
INV-X2 [engine.md 2] A mid that jumps by gap_pct is used only when confirmed, or after two seconds.
! a jump is believed at once
INV-X3 [engine.md 1] Greeks that cannot be worked out are invalid, never zero.
! invalid greeks are zero
INV-X4 [engine.md 1] A managed leg never leaves the delta because spot or the calendar moved.
! legs away from the money are not counted
INV-X5 [engine.md 2] A silent connection is stale; an unchanged quote is not.
! the silence of the wire is not noticed
INV-X6 [engine.md 1] Net delta is stock in scope + Σ quantity × multiplier × delta, whatever the multiplier.
! every multiplier is 100
INV-X7 [engine.md 1] A change of volatility source alone moves the hedge only after five seconds.
! a new volatility source counts at once
INV-X8 [engine.md 1] A leg that was released by command is adopted again only by command.
! a released leg is adopted again by itself
== Reconciliation
INV-R1 [engine.md 4.6] A failed query is unknown, never flat.
! a failed query is an empty account
INV-R2 [engine.md 4.6] A difference counts when two comparisons five seconds apart agree.
! comparisons a moment apart agree
INV-R3 [engine.md 4.6] An unexplained change of a managed leg, its multiplier or its contract blocks until it is
    accepted.
! a changed leg goes unnoticed
INV-R4 [engine.md 1] The operator's own shares are neither hedged nor traded.
! all shares of the account are ours
INV-R5 [engine.md 1] Exercise and assignment move leg and shares in one step, at the strike.
! assigned shares are somebody else's
INV-R6 [engine.md 1] Legs that go without a share moving were not exercised.
! a straddle that is gone was exercised
INV-R7 [engine.md 7] accept_positions is refused when the broker no longer shows what the operator saw.
! positions are accepted unseen
INV-R8 [engine.md 1] Own shares without legs are unwound when explained; an unexplained disappearance never trades.
! an unexplained disappearance is unwound
INV-R9 [engine.md 4.6] No hedge leaves when the last comparison with the broker is more than three intervals old.
! a comparison is put off for ever
== Risk memory
INV-D1 [quality.md, ladder 2] Counters never decrease within a trading day, restarts included.
! the day's count is forgotten by a restart
INV-D2 [engine.md 5] Breaker, hold, cooldown and last hedge survive a restart.
! the breaker is forgotten by a restart
INV-D3 [engine.md 5] The trading day rolls at 00:00 New York of each session date, and its counters begin at zero.
! the trading day never ends
INV-D4 [engine.md 7] A hold is carried into each new trading day.
! a hold ends at midnight
INV-D5 [engine.md 5] The breaker latches only on a loss that stands for breaker_confirm_s.
! a loss of a moment latches the breaker
INV-D6 [engine.md 4.1] A hedge that the broker rejects does not count against the day.
! a reject counts as a hedge
INV-D7 [engine.md 5] A last hedge later than now is ignored and said.
! a last hedge of tomorrow is believed
== Flatten
INV-F1 [engine.md 7] Flatten trades our own shares only.
! flatten works the account's shares
INV-F2 [engine.md 7] Flatten that would open or enlarge the opposite position is refused until forced.
! flatten looks at its ledger alone
INV-F3 [engine.md 7] Outside the session flatten is refused, never queued.
! flatten waits for the morning
INV-F4 [engine.md 7] Flatten only reduces: never beyond its target, never across zero.
! flatten trades through zero
== Verdict
INV-V1 [contracts.md] Pacing gates and our own order within its time-out never colour the lamp.
! pacing colours the lamp
INV-V2 [contracts.md] Verdict and lamp map one to one.
! blocked is shown yellow
== Database
INV-C1 [contracts.md] Rows of an engine whose lease has passed are refused.
! an old epoch may write
INV-C2 [contracts.md] The epoch of the lease never goes back.
! the lease may go back
INV-C3 [contracts.md] operations, executions and their costs are append-only.
! operations may be changed
INV-C4 [database.md] Retention deletes old history and decisions only.
! retention deletes what is young
INV-C5 [engine.md 4.3] Decision numbers never repeat.
! decision numbers come round again
INV-C6 [contracts.md] What waited in the spool is written once and in its order, whoever replays it and however often.
! a replayed record is written again
== Who decides
INV-K1 [contracts.md] A command is carried out once: the same idempotency key and body is the first command, another
    body is refused.
! an idempotency key is forgotten
INV-K2 [engine.md 7] Every command ends, in every state of the engine; a refused one with its reason.
! a refusal gives no reason
INV-K3 [contracts.md] Nothing is changed and no log is read without the token.
! any token is the right one
INV-K4 [contracts.md] Beyond loopback nothing is answered without the token, and nothing starts without one.
! a monitor that the network reaches starts without a token
INV-K5 [contracts.md] The token stands in no log and in no cookie.
! the cookie is the token
INV-K6 [engine.md 4.7] No reload turns paper into live or live into paper, nor allows live orders.
! a reload turns paper into live
"""
_ENTRY = re.compile(r"(INV-[A-Z]\d+) \[([^]]+)\] ([^!]+)! ([^!]+)$")


def _areas() -> dict[str, tuple[Invariant, ...]]:
    areas = {}
    for block in _TEXT.strip().split("== ")[1:]:
        area, _, rest = block.partition("\n")
        entries = [" ".join(entry.split()) for entry in re.split(r"\n(?=INV-)", rest.strip())]
        found = [(entry, _ENTRY.match(entry)) for entry in entries]
        assert all(match for _, match in found), [entry for entry, match in found if not match]
        areas[area] = tuple(Invariant(*(part.strip() for part in match.groups())) for _, match in found if match)
    return areas


INVARIANTS: dict[str, tuple[Invariant, ...]] = _areas()
