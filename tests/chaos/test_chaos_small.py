"""Three kills, three cuts, two database stops on real processes: nothing lost, nothing doubled, and back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from .driver import Chaos
from .world import World

pytestmark = pytest.mark.integration


def test_the_desk_survives_kills_cuts_and_database_stops(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        story = Chaos(world, seed=20260507).run(kills=3, cuts=3, database_stops=2)
    assert story.counts() == {"kill": 3, "cut": 3, "database": 2}
    assert story.orders >= 16 and story.executions >= 8 and story.counter_looks > 10
