"""Twenty simulated days with faults, their exact replay, and planted mistakes that the referee must see."""

from __future__ import annotations

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.world import Simulation

pytestmark = pytest.mark.timeout(1500)  # days take minutes where the machine is busy


@pytest.mark.parametrize("seed", range(1, 6))
def test_four_days_with_faults_keep_every_invariant(seed: int) -> None:
    outcome = Simulation(seed, 4, faults_per_day=5).run()
    assert outcome.held, f"make sim SEED={seed} DAYS=4 FAULTS=5: at {outcome.at}: {outcome.violation}"
    assert outcome.days == 4
    assert outcome.checks > 8, "a run that never came to rest proves nothing"
    assert outcome.orders > 0 and sum(outcome.faults.values()) > 0


def test_a_seed_replays_exactly() -> None:
    first, again = (Simulation(77, 1, faults_per_day=12).run() for _ in range(2))
    assert first.tape == again.tape
    assert (first.events, first.faults, first.points) == (again.events, again.faults, again.points)


def test_another_seed_is_another_world() -> None:
    assert Simulation(78, 1, faults_per_day=2).run().tape != Simulation(79, 1, faults_per_day=2).run().tape


#: A seed in whose first days each planted mistake does its harm; others find it too, later.
SEEN_IN = {
    "orders leave before their intent is durable": 1,
    "executions are counted each time they are told": 1,
    "open intents are forgotten by a restart": 1,
    "the day's count is forgotten by a restart": 1,
    "the breaker is forgotten by a restart": 1,
    "hedges leave while suspended": 3,
    "hedges leave without the database": 3,
    "hedges leave before reconciliation": 3,
    "silence is taken for a reject": 3,
    "an unknown order is taken for gone at the first look": 3,
}


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_planted_mistake_is_seen(mistake: str) -> None:
    with MUTANTS[mistake]():
        outcome = Simulation(SEEN_IN[mistake], 2, faults_per_day=16).run()
    assert not outcome.held, f"nobody saw that {mistake}"
