"""Feeding a tape through the core: the same inputs give the same decisions, or the parting is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.ledger.restore import initial_state
from bifrost_engine.domain.state import Rules, State

from .tape import Decided, TapeReader

Core = Callable[[State, Event, Rules], Step]


@dataclass(frozen=True, slots=True)
class Parting:
    """The first event after which replay and record differ, and in what."""

    number: int
    event: str
    what: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        return (
            f"event {self.number} ({self.event}) is where they part, in {self.what}:\n"
            f"  recorded: {self.recorded}\n  replayed: {self.replayed}"
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    events: int
    compared: int
    """Events of which the tape tells what was decided."""
    hedges: int
    parting: Parting | None
    torn: bool
    """The tape ends where its engine was killed."""
    state: State


def replay(file: Path, core: Core = decide) -> Replay:
    """Run the tape in ``file`` through ``core`` until its end or the first difference.

    A step that the recorded engine failed on (an exception: it then took no new risk) is not on the tape; the state
    stays as it was, as it did live.
    """
    reader = TapeReader(file)
    state: State | None = None
    events = compared = hedges = 0
    for entry in reader.entries():
        if state is None:
            state, _ = initial_state(reader.start.restored, entry.rules, reader.start.at)
        events += 1
        try:
            step = core(state, entry.event, entry.rules)
        except Exception as error:
            if entry.decided is not None:
                what = Parting(entry.number, type(entry.event).__name__, "outcome", str(entry.decided), repr(error))
                return Replay(events, compared, hedges, what, reader.torn, state)
            continue
        if entry.decided is not None:
            compared += 1
            parting = _parting(entry.number, entry.event, entry.decided, Decided.of(step))
            if parting is not None:
                return Replay(events, compared, hedges, parting, reader.torn, state)
        hedges += step.evaluation is not None and step.evaluation.outcome == "hedge"
        state = step.state
    if state is None:
        raise ValueError(f"{file}: the tape holds no event")
    return Replay(events, compared, hedges, None, reader.torn, state)


def _parting(number: int, event: Event, recorded: Decided, replayed: Decided) -> Parting | None:
    if recorded == replayed:
        return None
    name = type(event).__name__
    for field in fields(Decided):
        before, now = getattr(recorded, field.name), getattr(replayed, field.name)
        if before == now:
            continue
        if field.name != "effects":
            return Parting(number, name, field.name, str(before), str(now))
        for index in range(max(len(before), len(now))):
            pair = [effects[index] if index < len(effects) else "nothing" for effects in (before, now)]
            if pair[0] != pair[1]:
                return Parting(number, name, f"effect {index + 1}", *pair)
    return None
