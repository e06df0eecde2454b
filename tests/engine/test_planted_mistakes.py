"""A check that cannot fail proves nothing: each rule of docs/invariants.md is broken once, and its check goes red."""

from __future__ import annotations

import pytest

from tests.engine.planted import PLANTED


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_turns_its_check_red(mistake: str) -> None:
    planted = PLANTED[mistake]
    with planted.breaks(), pytest.raises((AssertionError, pytest.fail.Exception)):
        planted.check()
