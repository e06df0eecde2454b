"""One fault in every place: a short morning is played once for each point at which the process can be killed, for each
message of the broker about an order and each fate it can meet, and for each commit, refused or left in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .faults import FATES, Fate
from .mutants import EAGER
from .troubles import Drill
from .world import Outcome, Simulation

SEED = 3
#: A structure, a few gaps that are hedged, and then rest.
MORNING = Drill(("gap",), EAGER, first_s=200.0, every_s=120.0, until_s=500.0)
REST_S, END_S = 620.0, 1200.0
_COMMIT_FAULTS = ("refused", "in doubt")


@dataclass(frozen=True)
class Place:
    """Where the fault strikes, counted from the start: ``kill 131``, ``dropped 12``, ``refused 40``."""

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.number}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """The reverse of str.

        Raises
        ------
        ValueError
            Names what would be right.
        """
        known = ("kill", *map(str, FATES), *_COMMIT_FAULTS)
        found = re.fullmatch(r"(.+) (\d+)", text.strip())
        if found is None or found[1] not in known:
            raise ValueError(f"{text!r} is no place of a fault: one of {', '.join(known)} and a number")
        return cls(found[1], int(found[2]))


def _morning(seed: int) -> Simulation:
    simulation = Simulation(seed, 1, drill=MORNING)
    simulation.agenda.at(simulation.sessions[0].open_s + REST_S, simulation.settle_soon)
    return simulation


def _play(simulation: Simulation) -> Outcome:
    outcome = simulation.run(until_s=simulation.sessions[0].open_s + END_S)
    if outcome.held and not simulation.settled_since(REST_S):
        outcome.violation = "the desk never came to rest after the fault"
    return outcome


def places(seed: int = SEED) -> Iterator[Place]:
    """Every place of the morning, from a morning without faults; that one must hold."""
    simulation = _morning(seed)
    outcome = _play(simulation)
    if not outcome.held:
        raise AssertionError(f"the morning of seed {seed} does not hold without faults: {outcome.violation}")
    faults = simulation.faults
    yield from (Place("kill", n) for n in range(1, faults.passed + 1))
    yield from (Place(str(fate), n) for n in range(1, faults.messages + 1) for fate in FATES)
    yield from (Place(what, n) for n in range(1, faults.statements + 1) for what in _COMMIT_FAULTS)


def play(place: Place, seed: int = SEED) -> Outcome:
    """The morning with one fault."""
    simulation = _morning(seed)
    faults = simulation.faults
    if place.what == "kill":
        faults.kill_at_count = place.number
    elif place.what in _COMMIT_FAULTS:
        faults.statement_fault = (place.number, place.what)
    else:
        faults.fate_of = {place.number: Fate(place.what)}
    outcome = _play(simulation)
    if outcome.held and not sum(count for name, count in outcome.faults.items() if name != "gap"):
        return replace(outcome, violation=f"the fault {place} never struck")
    return outcome
