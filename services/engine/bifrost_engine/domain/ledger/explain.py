"""What explains a difference between the broker and the books: others' executions, exercise, expiry (engine.md 4.6)."""

from __future__ import annotations

from datetime import datetime

from bifrost.calendar import NEW_YORK

from ..effects import RecordBaseline, Severity
from ..execution import facts
from ..portfolio import legs
from ..portfolio.leg_model import expired_delta
from ..portfolio.portfolio import Leg, ReleaseReason
from ..state import Difference
from ..turn import Turn
from ..words import Execution, Origin, Side

#: A leg that shrank, its quantity now, and the shares that its exercise or assignment delivers (signed).
_Shrunk = tuple[Leg, float, float]
#: The last good mark of a day is an expiry's settlement price when it is at most this old then (market seconds).
_SETTLES_S = 1800.0


def set_external(turn: Turn, shares: float, reason: str, named_by: str = "") -> None:
    """So many shares of the account are not ours; ``named_by`` says which operator confirmed it."""
    confirmed = bool(named_by)
    turn.change(external_shares=shares, external_confirmed=turn.state.external_confirmed or confirmed)
    turn.emit(RecordBaseline(turn.at, shares, "confirmed" if confirmed else "observed", named_by or "engine", reason))


def foreign_executions(turn: Turn, notes: list[dict[str, object]]) -> None:
    """Executions of others in the account explain as many contracts as they moved, at the price they were done at."""
    state = turn.state
    for key, done in state.external_pending.items():
        moved = done.quantity
        if key == state.stock:
            if state.external_shares is not None and moved:
                set_external(turn, state.external_shares + moved, "executions of other clients")
                notes.append({"contract_key": str(key), "what": "external executions", "shares": moved})
            continue
        leg = state.legs.get(key)
        traded = leg is not None and leg.managed and moved
        if leg is not None and traded and leg.quantity + moved == legs.observed_quantity(turn, key):
            price = done.amount / moved
            legs.change_quantity(turn, leg, leg.quantity + moved, "traded by another client", price=price)
            notes.append({"contract_key": str(key), "what": "external executions", "quantity": moved, "price": price})
    turn.change(external_pending={})


def exercise(turn: Turn, notes: list[dict[str, object]]) -> None:
    """A leg that shrank while shares moved by n times the multiplier was exercised or assigned: leg and shares go
    over in one step, at the strike."""
    state = turn.state
    if state.external_shares is None or turn.at.market_s is None:
        return
    shrunk: list[_Shrunk] = []
    for leg in state.legs.values():
        now = legs.observed_quantity(turn, leg.key)
        if leg.managed and abs(now) < abs(leg.quantity) and now * leg.quantity >= 0:
            gone = leg.quantity - now
            shrunk.append((leg, now, gone * leg.multiplier * (1.0 if leg.key.right == "C" else -1.0)))
    if not shrunk:
        return
    expected = state.live_ledger.position(state.stock) + state.external_shares
    moved = legs.observed_quantity(turn, state.stock) - expected
    chosen = _delivered(turn, shrunk, moved)
    day = datetime.fromtimestamp(turn.at.market_s, NEW_YORK).strftime("%Y%m%d")
    for leg, now, shares in chosen:
        if shares:
            _deliver(turn, leg, shares, day)
            legs.change_quantity(turn, leg, now, "exercised or assigned", price=0.0)
            notes.append({"contract_key": str(leg.key), "what": "exercise or assignment", "shares": shares})


def _delivered(turn: Turn, shrunk: list[_Shrunk], moved: float) -> list[_Shrunk]:
    """Those of the legs that shrank which the ``moved`` shares account for.

    Calls and puts that go together without a share moving prove nothing: deliveries of both signs are believed only of
    legs that have expired in the money. What expired out of the money delivers nothing.
    """
    able = [entry for entry in shrunk if not (_expired(turn, entry[0]) and _in_the_money(turn, entry[0]) is False)]
    total = sum(entry[2] for entry in able)
    one_sign = all(entry[2] * moved > 0 for entry in able)
    in_the_money = all(_expired(turn, entry[0]) and _in_the_money(turn, entry[0]) for entry in able)
    if able and abs(moved - total) < 1e-9 and (one_sign or in_the_money):
        return able
    return [entry for entry in shrunk if moved and abs(moved - entry[2]) < 1e-9][:1]


def _expired(turn: Turn, leg: Leg) -> bool:
    moment_s = turn.rules.calendar.last_trading_moment_s(leg.key.expiry_date)
    return turn.at.market_s is not None and turn.at.market_s >= moment_s


def _in_the_money(turn: Turn, leg: Leg) -> bool | None:
    """At the official last price of its expiry; None where that price is not known (no engine was there to see it)."""
    memory, expiry = turn.state.portfolio, leg.key.expiry
    official = None if expiry in memory.unseen else memory.settled.get(expiry)
    price = official or _last_good_mark(turn, leg)
    return None if price is None else expired_delta(leg.key, price) != 0.0


def _last_good_mark(turn: Turn, leg: Leg) -> float | None:
    """The stock's last good mark before the leg expired: it is stored with the day and survives a restart."""
    seen = turn.state.day.attribution.latest
    moment_s = turn.rules.calendar.last_trading_moment_s(leg.key.expiry_date)
    return seen.spot if seen is not None and 0.0 <= moment_s - seen.market_s <= _SETTLES_S else None


def _deliver(turn: Turn, leg: Leg, shares: float, day: str) -> None:
    name, known = f"exer:{leg.key}:{day}", turn.state.live_ledger.executions
    # A leg may be assigned in parts on one day: under the same id the second part would be taken for told.
    times = sum(exec_id == name or exec_id.startswith(f"{name}:") for exec_id in known)
    execution = Execution(
        exec_id=f"{name}:{times + 1}" if times else name,
        account=turn.state.account,
        key=turn.state.stock,
        side=Side.of(shares),
        quantity=abs(shares),
        price=leg.key.strike,
        time_s=turn.at.market_s or 0.0,
        origin=Origin.SYNTHETIC,
        mid_at_decision=turn.state.book.mid,
        note=f"delivered by exercise or assignment of {leg.key}",
    )
    facts.fold(turn, execution)
    turn.alert(Severity.WARNING, "exercise", f"{leg.key}: {shares:+g} shares delivered", key=str(leg.key))


def expiry(turn: Turn, notes: list[dict[str, object]]) -> None:
    """A leg that is gone after its last trading moment and was out of the money has died worthless.

    One that was in the money delivers shares: it stays until they come, and blocks where they do not.
    """
    for leg in tuple(turn.state.legs.values()):
        gone = leg.managed and legs.observed_quantity(turn, leg.key) == 0.0
        if gone and _expired(turn, leg) and _in_the_money(turn, leg) is False:
            _die(turn, leg, notes)


def died_unseen(
    turn: Turn, difference: Difference, differences: tuple[Difference, ...], notes: list[dict[str, object]]
) -> bool:
    """A leg gone after its expiry, at a price nobody saw, while no share moved: released as worthless, and said so."""
    leg = turn.state.legs.get(difference.key)
    if leg is None or difference.observed != 0.0 or not _expired(turn, leg) or _in_the_money(turn, leg) is not None:
        return False
    if any(other.key == turn.state.stock for other in differences):
        return False
    _die(turn, leg, notes)
    return True


def _die(turn: Turn, leg: Leg, notes: list[dict[str, object]]) -> None:
    legs.change_quantity(turn, leg, 0.0, "expired", price=0.0, ended=ReleaseReason.EXPIRED)
    notes.append({"contract_key": str(leg.key), "what": "expired", "quantity": leg.quantity})
