"""A day that an engine lived, written to its tape and fed through the core again: the same decisions, one by one."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bifrost_engine.backtest.replay import replay
from bifrost_engine.backtest.tape import TapeError, TapeReader, TapeWriter
from bifrost_engine.domain import decide as core
from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.events import Event, QuotesChanged
from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.words import Times

from tests.sim.world import Simulation


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The tapes of one simulated day with faults: the real daemon, killed and started again on the way."""
    folder = tmp_path_factory.mktemp("tapes")
    written: list[TapeWriter] = []

    def make(restored: Restored, at: Times, rules: Callable[[], Rules]) -> TapeWriter:
        written.append(TapeWriter(folder / f"{len(written)}.jsonl.gz", restored, at, rules))
        return written[-1]

    simulation = Simulation(5, 1, faults_per_day=8)
    simulation.make_tape = make
    assert simulation.run().held
    for tape in written:
        tape.close()
        assert not tape.broken
    return [tape.file for tape in written]


def test_TC_3_R_B1_1_every_decision_of_a_lived_day_is_made_again(tapes: list[Path]) -> None:
    """TC-3-R-B1-1, TC-3-RE-2-1: backtest and live share one core: its inputs on tape give its decisions."""
    assert len(tapes) > 1, "a day without a restart would leave out what an engine restores"
    found = [replay(tape) for tape in tapes]
    assert [str(each.parting) for each in found if each.parting is not None] == []
    assert sum(each.hedges for each in found) > 0
    # Only a step that failed or one cut off by the kill goes unwritten.
    assert sum(each.events - each.compared for each in found) <= len(tapes)
    assert min(each.compared for each in found) > 0


def test_a_tape_read_back_holds_equal_events(tapes: list[Path]) -> None:
    """Through JSON and back nothing of an event is lost, floats to the last bit."""
    again = tapes[0].with_name("again.jsonl.gz")
    reader = TapeReader(tapes[0])
    entries = list(reader.entries())
    assert len({type(entry.event) for entry in entries}) >= 10
    writer = TapeWriter(again, reader.start.restored, reader.start.at, lambda: entries[0].rules)
    for entry in entries:
        writer.event(entry.number, entry.event)
    writer.close()
    second = TapeReader(again)
    assert second.start == reader.start
    assert [entry.event for entry in second.entries()] == [entry.event for entry in entries]


def test_it_says_where_they_part(tapes: list[Path]) -> None:
    """A core that takes one quote otherwise is found out at that event, and what differs is named."""
    numbers: list[int] = []

    def other(state: State, event: Event, rules: Rules) -> Step:
        numbers.append(1)
        step = core.decide(state, event, rules)
        if len(numbers) == 200:
            return replace(
                step, evaluation=replace(step.evaluation, block_reason="planted") if step.evaluation else None
            )
        return step

    found = replay(max(tapes, key=lambda tape: tape.stat().st_size), other)
    assert found.parting is not None and (found.parting.number, found.parting.what) == (200, "reason")
    assert "where they part, in reason" in str(found.parting) and "planted" in str(found.parting)


def test_an_input_changed_on_the_tape_is_noticed(tapes: list[Path]) -> None:
    """The state is a function of the inputs: another price gives other numbers at that very event or later."""
    seen: list[int] = []

    def shifted(state: State, event: Event, rules: Rules) -> Step:
        seen.append(1)
        if isinstance(event, QuotesChanged) and len(seen) > 100:
            event = replace(
                event,
                quotes=tuple(replace(q, bid=q.bid and q.bid + 0.5, ask=q.ask and q.ask + 0.5) for q in event.quotes),
            )
        return core.decide(state, event, rules)

    assert replay(max(tapes, key=lambda tape: tape.stat().st_size), shifted).parting is not None


def cut(tape: Path, target: Path, lines: Iterator[str] | None = None, tail: bytes = b"") -> Path:
    with gzip.open(target, "wt", encoding="utf-8") as out:
        out.writelines(lines or [])
    with gzip.open(target, "ab") as out:
        out.write(tail)
    return target


def test_a_torn_tape_counts_as_far_as_it_is_whole(tapes: list[Path], tmp_path: Path) -> None:
    with gzip.open(tapes[0], "rt", encoding="utf-8") as source:
        lines = source.readlines()
    found = replay(cut(tapes[0], tmp_path / "torn.gz", iter(lines[:101]), b'{"event":51,"type":"TimePas'))
    assert found.torn and found.parting is None and found.events > 40
    whole = tapes[0].read_bytes()
    (tmp_path / "half.gz").write_bytes(whole[: len(whole) // 2])
    found = replay(tmp_path / "half.gz")
    assert found.torn and found.parting is None and found.events > 10


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"event":1,"type":"Rumour","at":{"wall_s":1,"market_s":1}}\n', "no event is called 'Rumour'"),
        ('{"event":1,"type":"TimePassed","at":{"wall_s":1},"last_arrival_s":1}\n', "no Times in"),
        ("not json\n", "no JSON"),
    ],
)
def test_a_line_that_is_none_is_named(tapes: list[Path], tmp_path: Path, line: str, said: str) -> None:
    with gzip.open(tapes[0], "rt", encoding="utf-8") as source:
        head = [next(source) for _ in range(4)]
    bad = cut(tapes[0], tmp_path / "bad.gz", iter([*head, line]))
    with pytest.raises(TapeError, match=rf"bad\.gz:5: .*{said}"):
        list(TapeReader(bad).entries())


def test_what_is_no_tape_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(b"nothing of the kind")
    with pytest.raises(TapeError, match="cannot be read"):
        TapeReader(tmp_path / "x.gz")
    with pytest.raises(TapeError, match="no tape of version 1"):
        TapeReader(cut(tmp_path, tmp_path / "y.gz", iter(["{}\n"])))
