"""A changed copy of a frozen object."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bifrost_engine.domain.evolve import evolve
from bifrost_engine.domain.state import Link, Minute


def test_it_is_what_replace_makes_and_leaves_the_original_alone() -> None:
    before = Link(client_id=7, reason="new")
    after = evolve(before, up=True, reason="")
    assert after == replace(before, up=True, reason="")
    assert before == Link(client_id=7, reason="new")
    assert evolve(before) == before and evolve(before) is not before


def test_a_name_that_is_no_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="Minute has no field count, starts"):
        evolve(Minute(), count={}, starts=1.0)
