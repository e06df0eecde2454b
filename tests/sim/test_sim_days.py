"""Twenty simulated days with faults, their exact replay, and planted mistakes that the referee must see."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from bifrost_engine.domain.trading_day.attribution import PARTS

from tests.sim import sweep
from tests.sim.invariants import Violation
from tests.sim.mutants import MUTANTS
from tests.sim.world import Simulation

pytestmark = pytest.mark.timeout(1500)  # days take minutes where the machine is busy


@pytest.mark.parametrize("seed", range(1, 6))
def test_four_days_with_faults_keep_every_invariant(seed: int) -> None:
    """INV-L1, INV-L2, INV-L4, INV-O1, INV-O2, INV-O3, INV-O7, INV-G1, INV-G2, INV-G3, INV-D1, INV-D2."""
    outcome = Simulation(seed, 4, faults_per_day=5).run()
    assert outcome.held, f"make sim SEED={seed} DAYS=4 FAULTS=5: at {outcome.at}: {outcome.violation}"
    assert outcome.days == 4
    assert outcome.checks > 8, "a run that never came to rest proves nothing"
    assert outcome.orders > 0 and sum(outcome.faults.values()) > 0


def test_a_seed_replays_exactly() -> None:
    """INV-M5."""
    first, again = (Simulation(77, 1, faults_per_day=12).run() for _ in range(2))
    assert first.tape == again.tape
    assert (first.events, first.faults, first.points) == (again.events, again.faults, again.points)


def test_another_seed_is_another_world() -> None:
    assert Simulation(78, 1, faults_per_day=2).run().tape != Simulation(79, 1, faults_per_day=2).run().tape


#: The days of a drill are made for its mistake: nearly always the first of them brings it to light.
DRILL_SEEDS = (1, 2, 3, 4)


#: Every so-many-th place of the sweep; `make sim SWEEP=all` takes them all.
STRIDE = 23


def test_one_fault_in_any_place_of_a_morning_keeps_every_invariant() -> None:
    places = list(sweep.places())
    assert {place.what for place in places[::STRIDE]} == {place.what for place in places}
    for place in places[::STRIDE]:
        outcome = sweep.play(place)
        assert outcome.held, f'make sim SEED={sweep.SEED} SWEEP="{place}": at {outcome.at}: {outcome.violation}'


def test_a_fault_that_strikes_nowhere_is_no_proof() -> None:
    assert sweep.play(sweep.Place("kill", 1_000_000)).violation == "the fault kill 1000000 never struck"


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_planted_mistake_is_seen(mistake: str) -> None:
    """And for what it is; the same day without the mistake holds past the moment at which it was seen."""
    mutant = MUTANTS[mistake]
    for seed in DRILL_SEEDS:
        with mutant.change():
            outcome = Simulation(seed, 1, drill=mutant.drill).run()
        if not outcome.held:
            break
    assert re.search(mutant.seen, outcome.violation), f"nobody saw that {mistake}: {outcome.violation or 'all held'}"
    sound = Simulation(outcome.seed, 1, drill=mutant.drill).run(until_s=outcome.at_s + 600.0)
    assert sound.held, f"without the mistake, at {sound.at}: {sound.violation}"


def test_an_interval_of_less_than_a_millisecond_counts_as_one() -> None:
    """Seed 10032: the referee's tolerance swallowed 92 microseconds, and with them a dollar of delta."""
    simulation = Simulation(1, 1)
    start = datetime(2024, 1, 16, 17, 4, tzinfo=UTC)
    began = start - timedelta(microseconds=92)
    tables = simulation.database.tables
    told = {f"{part}_usd": -1.0 for part in PARTS}
    tables["pnl_attribution"] = {
        ("a",): {
            "trading_day": "2024-01-16",
            "start_ts": began.isoformat(),
            "end_ts": start.isoformat(),
            **told,
        }
    }
    closed = dict.fromkeys(PARTS, -1.0)
    attribution = {"start": {"market_s": start.timestamp()}, "closed": closed}
    tables["trading_days"] = {("a",): {"trading_day": "2024-01-16", "attribution": attribution}}
    simulation.referee._attribution()
    closed["delta"] = -2.0
    with pytest.raises(Violation, match=r"delta of 1 intervals -1\.0000, day -2\.0000"):
        simulation.referee._attribution()
