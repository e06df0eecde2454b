"""One backtest: the live hedger and its core on a virtual clock, fed one evaluation per instant of the recorded quotes.

What differs from live is what feeds events (recorded quotes, a broker that fills against them) and nothing else: the
same `Hedger`, the same `decide`, every gate and machine. Wall time and market time are the same clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from bifrost.contract import ContractKey
from bifrost.tape import Publication

from bifrost_engine.app.hedger import Hedger
from bifrost_engine.app.ports import MakeTape, Tape
from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.effects import PersistIntent, RecorderEffect, ReserveSequence
from bifrost_engine.domain.events import (
    CommandReceived,
    DatabaseChanged,
    Event,
    IntentDurable,
    LeaseChanged,
    LinkUp,
    PositionsReported,
    QuotesChanged,
    SequenceReserved,
    SuspensionRead,
    TimePassed,
)
from bifrost_engine.domain.ledger.reconcile import AGREE_S
from bifrost_engine.domain.ledger.restore import Restored, initial_state
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.policies import Policy
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.trading_day.trading_day import TradingDay
from bifrost_engine.domain.words import Mode, Times

from .fills import CLIENT_ID, Agenda, BacktestBroker, FillModel
from .legs import Entry, LegsError, Straddle, choose, entry_s
from .market import Burst, Market
from .outcome import Bought, Outcome, bought_at, line_of
from .shadows import Shadows
from .tally import Tally
from .ticks import Tick

ACCOUNT = "DU0000001"
#: While something waits on a time-out the clock beats as often as this, and at most so many times after one quote.
BEAT_S, MOST_BEATS = 1.0, 20
#: A minute's bar follows the one before after so many seconds.
QUIET_S = 60.0
_NUMBERS = 1_000_000
_STARTING = (TradingState.BOOT, TradingState.SYNC)


class _Clock:
    """Implements the port Clock: both times are the tape's."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> Times:
        return Times(self.now_s, self.now_s)


class _Records:
    """Implements the port Recorder: an intent is durable at once, everything else is added up."""

    def __init__(self, run: BacktestRun) -> None:
        self._run = run

    def record(self, effect: RecorderEffect) -> None:
        if isinstance(effect, PersistIntent):
            self._run.sink(IntentDurable(self._run.clock.now(), effect.intent.order_ref))
        elif isinstance(effect, ReserveSequence):
            stop = self._run.numbers_until
            self._run.numbers_until = stop + _NUMBERS
            self._run.sink(SequenceReserved(self._run.clock.now(), stop, stop + _NUMBERS))
        else:
            self._run.tally.record(effect)

    def snapshot(self, row: Mapping[str, object]) -> None:
        """Nobody looks at a picture of the state here."""

    def accept_command(self, command_id: int) -> None:
        """Commands of a backtest are not repeated."""

    @property
    def backlog(self) -> int:
        return 0


class BacktestRun:
    """Runs once, from the first quote to the last.

    Parameters
    ----------
    rules : Rules
        Configuration and calendar; orders are sent whatever `paper_trade` says, to nobody but the model.
    market : Market
    entry : Entry
        What to hold and from when on.
    model : FillModel
        Latency, sizes, commissions.
    core : callable, optional
        The core; the live one.
    on_tick : callable, optional
        Hears each decision on a burst of quotes, in order.
    policies : sequence of Policy, optional
        Shadow hedgers: they see what the core sees and hedge books of their own.
    make_tape : callable, optional
        Begins a tape of what the core consumed and made of it (`app.ports.MakeTape`).
    """

    def __init__(
        self,
        rules: Rules,
        market: Market,
        entry: Entry,
        model: FillModel,
        *,
        core: Callable[[State, Event, Rules], Step] = decide,
        on_tick: Callable[[Tick], None] | None = None,
        policies: Sequence[Policy] = (),
        make_tape: MakeTape | None = None,
    ) -> None:
        self.rules = rules
        self.clock = _Clock()
        self.tally = Tally()
        self.numbers_until = _NUMBERS
        self._market = market
        self._entry = entry
        self._model = model
        self._core = core
        self._on_tick = on_tick
        self._shadows = Shadows(policies, model, rules.config)
        self._make_tape = make_tape
        self._tape: Tape | None = None
        self._agenda = Agenda()
        self._broker = BacktestBroker(ACCOUNT, model, self._agenda, self.sink, lambda: self.clock.now_s)
        self._quotes: dict[ContractKey, Publication] = {}
        self._good: dict[ContractKey, Publication] = {}
        self._lines: frozenset[ContractKey] = frozenset({market.stock})
        """What the core hears of: the stock and the legs."""
        self._legs: tuple[Bought, ...] = ()
        self._enter_s: float | None = None
        self._over_s: float | None = None
        self._beats = 0
        self._beating = False
        self._day: TradingDay | None = None
        self._answer: Step | None = None
        """What the core said to the newest quotes; what it does next (an intent made durable) is another step."""
        self._asked = False

    def run(self) -> Outcome:
        """Everything at once.

        Raises
        ------
        LegsError
            When the legs cannot be held on this data.
        TapeError
            When the data cannot be read.
        """
        return asyncio.run(self._all())

    def sink(self, event: Event) -> None:
        self._hedger.sink(event)

    async def _all(self) -> Outcome:
        first_s = last_s = None
        ended = ""
        for burst in self._instants():
            if first_s is None:
                first_s = burst.at_s
                self._begin(burst.at_s)
            if self._over_s is not None and burst.at_s >= self._over_s:
                ended = "the first of the legs expires here"
                break
            self._beat_through(last_s, burst.at_s)
            self._work_until(burst.at_s)
            self._burst(burst)
            last_s = burst.at_s
        if first_s is None or last_s is None:
            raise LegsError("the data holds no quotes")
        if not self._legs:
            raise LegsError(self._never_entered())
        return self._end(first_s, last_s, ended)

    def _instants(self) -> Iterator[Burst]:
        """What the core is fed, in order."""
        return self._market.bursts()

    # -- the beginning and the end

    def _begin(self, at_s: float) -> None:
        """An engine that starts with nothing: it leads, its database answers, the link is up, nothing is suspended."""
        self.clock.now_s = at_s
        now = self.clock.now()
        restored = Restored(ACCOUNT, Mode.LIVE, sequence=range(1, _NUMBERS))
        state, _ = initial_state(restored, self.rules, now)
        if self._make_tape is not None:
            self._tape = self._make_tape(restored, now, lambda: self.rules)
        self._hedger: Hedger[State, Step] = Hedger(
            state,
            decide=lambda state, event: self._core(state, event, self.rules),
            snapshot=lambda step: {},
            clock=self.clock,
            broker=self._broker,
            recorder=_Records(self),
            last_arrival=lambda: self.clock.now_s,
            on_step=self._stepped,
            tape=self._tape.event if self._tape is not None else None,
        )
        self.sink(LeaseChanged(now, held=True))
        self.sink(DatabaseChanged(now, True))
        self.sink(SuspensionRead(now, False))
        self.sink(LinkUp(now, (ACCOUNT,), CLIENT_ID))
        self._hedger.drain()

    def _stepped(self, step: Step) -> None:
        if self._asked:
            self._answer, self._asked = step, False
        before, self._day = self._day, step.state.day
        if before is not None and before.day != self._day.day:
            self.tally.end_day(before)
            self._broker.new_day()
        if self._tape is not None:
            self._tape.step(self._hedger.consumed, step)

    def _end(self, first_s: float, last_s: float, ended: str) -> Outcome:
        if self._hedger.fault:
            raise RuntimeError(self._hedger.fault)
        state = self._hedger.state
        self.tally.end_day(state.day)
        self.tally.curve.end(last_s, self.tally.pnl_usd)
        self.tally.events = self._hedger.consumed + self.tally.skipped
        if self._tape is not None:
            self._tape.close()
        return Outcome(self.tally, state, self._legs, first_s, last_s, self._good, ended, self._shadows.rows())

    def _never_entered(self) -> str:
        rule = self._entry.legs
        if isinstance(rule, Straddle):
            days = f"{rule.min_dte} to {rule.max_dte} days away"
            return f"no straddle {days} was quoted on both sides from {self._entry.at} on"
        missing = [str(leg.key) for leg in rule if leg.key not in self._quotes]
        return f"the legs were never all quoted on both sides; without any quote: {', '.join(missing) or 'none'}"

    # -- one instant

    def _burst(self, burst: Burst) -> None:
        self.clock.now_s = burst.at_s
        self._beats = 0
        open_now = self.rules.calendar.is_open_s(burst.at_s)
        for quote in burst.quotes:
            self._quotes[quote.key] = quote
            if open_now and quote.key in self._lines and 0 < quote.bid <= quote.ask:
                self._good[quote.key] = quote
        entering = () if self._legs else self._choose()
        heard = {quote.key: quote for quote in burst.quotes if quote.key in self._lines}
        # A leg's quote may have stood since before it was bought: the core hears it now.
        heard.update((leg.held.key, self._quotes[leg.held.key]) for leg in entering)
        if not heard:
            return
        quotes = tuple(heard.values())
        self._broker.publish(quotes)
        self._core_hears(quotes)
        if entering:
            self._enter(entering)
        self._broker.match()
        self._hedger.drain()
        self._beat_again()

    def _choose(self) -> tuple[Bought, ...]:
        """The legs, once their time has come and the market quotes them."""
        now_s, calendar = self.clock.now_s, self.rules.calendar
        session = calendar.session_at_s(now_s)
        stock = self._quotes.get(self._market.stock)
        if stock is None or not 0 < stock.bid <= stock.ask or not calendar.is_open_s(now_s):
            return ()
        if self._enter_s is None:
            self._enter_s = entry_s(self._entry, now_s if session is None else session.open_s)
        if now_s < self._enter_s:
            return ()
        chosen = choose(self._entry, self._quotes, (stock.bid + stock.ask) / 2, now_s, calendar)
        self._lines |= {leg.key for leg in chosen}
        return tuple(bought_at(leg, self._quotes[leg.key]) for leg in chosen)

    def _enter(self, legs: tuple[Bought, ...]) -> None:
        """The legs are in the account, and the operator says that they are to be hedged."""
        self._legs = legs
        for leg in legs:
            self._broker.trade_option(leg.held.key, leg.held.quantity, leg.held.multiplier)
        expiries = (leg.held.key.expiry_date for leg in legs)
        self._over_s = min(map(self.rules.calendar.last_trading_moment_s, expiries))
        now = self.clock.now()
        self.sink(PositionsReported(now, self._broker.position_rows()))
        for number, leg in enumerate(legs, start=1):
            self.sink(CommandReceived(now, number, "adopt_leg", {"contract_key": str(leg.held.key)}))
        self._hedger.drain()

    def _core_hears(self, quotes: tuple[Publication, ...]) -> None:
        now_s = self.clock.now_s
        lines = tuple(line_of(quote, now_s) for quote in quotes)
        self._asked = True
        self.sink(QuotesChanged(self.clock.now(), lines, now_s, now_s))
        self._hedger.drain()
        self._note()

    def _note(self) -> None:
        """Keep what this evaluation decided and where the money stands."""
        answer, tally = self._answer, self.tally
        if answer is None or answer.evaluation is None:
            return
        evaluation = answer.evaluation
        view, day = evaluation.view, answer.state.day
        tally.ticks += 1
        tally.outcomes[evaluation.outcome] += 1
        if evaluation.outcome == "blocked":
            tally.blocked[evaluation.block_reason] += 1
        tally.equity(view.at.wall_s, day.daily_pnl_usd)
        self._shadows.see(answer, [leg.held for leg in self._legs], {leg.held.key: leg.mid for leg in self._legs})
        if view.spot is not None and view.session.in_session:
            tally.spot.add(view.at.wall_s, view.spot)
        if view.net_delta_shares is not None and view.session.in_session:
            tally.delta.add(view.at.wall_s, view.net_delta_shares)
        if self._on_tick is not None:
            hedged = evaluation.outcome == "hedge"
            wanted = view.order_shares if evaluation.outcome != "none" else 0
            side = "" if not wanted else ("BUY" if wanted > 0 else "SELL")
            reason = "" if hedged else evaluation.block_reason
            tick = Tick(tally.ticks, view.at.wall_s, evaluation.outcome, side, abs(wanted), reason,
                        view.net_delta_shares, view.spot)  # fmt: skip
            self._on_tick(tick)

    # -- what is due between the quotes

    def _work_until(self, at_s: float) -> None:
        while (due_s := self._agenda.next_s()) is not None and due_s <= at_s:
            when_s, work = self._agenda.pop()
            self.clock.now_s = max(self.clock.now_s, when_s)
            work()
            self._hedger.drain()

    def _beat_through(self, before_s: float | None, at_s: float) -> None:
        """Before and after the session quotes are rare, and live the clock beats all the time.

        The beat before a quote does what was long due (the comparison with the broker), so that the quote is answered
        for what it is.
        """
        if before_s is not None and at_s - before_s > QUIET_S and not self.rules.calendar.is_open_s(at_s):
            self._agenda.at(at_s - BEAT_S, self._beat)

    def _beat_again(self) -> None:
        """Between quotes the clock beats only while somebody waits on it: an order, a time-out, a confirmation."""
        if not self._beating and self._beats < MOST_BEATS and self._waiting():
            self._beats += 1
            self._beating = True
            self._agenda.at(self.clock.now_s + BEAT_S, self._beat)

    def _beat(self) -> None:
        self._beating = False
        self.sink(TimePassed(self.clock.now(), self.clock.now_s))
        self._hedger.drain()
        self._beat_again()

    def _waiting(self) -> bool:
        state = self._hedger.state
        return (
            state.order is not None
            or state.book.pending is not None
            or state.safe_clear_s is not None
            or state.data_bad_s is not None
            or state.recon.suspects_s is not None
            # The comparison that an execution puts off: live it does not wait for the next quote either.
            or (state.executed_s is not None and self.clock.now_s - state.executed_s < AGREE_S)
            or state.trading in _STARTING
        )
