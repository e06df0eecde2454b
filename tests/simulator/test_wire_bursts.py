"""The hot path of ticks: the same bytes as the general codec, the same journal, one encoding for many clients."""

from __future__ import annotations

import math
from typing import Any

import pytest
from bifrost_simulator.api import Direction, GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick, TickType
from bifrost_simulator.journal import TICK_RING, MessageJournal
from bifrost_simulator.wire import bursts
from bifrost_simulator.wire.bursts import encode_burst
from bifrost_simulator.wire.fields import UNSET_DOUBLE
from bifrost_simulator.wire.framing import encode_frame
from bifrost_simulator.wire.layout import DECIMAL_SIZES, NEWEST_VERSION, OLDEST_VERSION
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME
from bifrost_simulator.wire.readable import readable
from bifrost_simulator.wire.ticks import tick_message
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = (0.0, -0.0, 1.0, -1.0, 140.05, 1e-7, 1e15, 123456789.25, math.nan, math.inf, -math.inf, UNSET_DOUBLE)
figures = st.one_of(st.sampled_from(NUMBERS), st.floats())
sizes = st.floats(min_value=0, max_value=1e12)
types = st.sampled_from(list(TickType))
ticks = st.one_of(
    st.builds(PriceTick, types, figures, sizes, st.integers(0, 7)),
    st.builds(SizeTick, types, sizes),
    st.builds(GenericTick, types, figures),
    st.builds(StringTick, types, st.text(max_size=8)),
    st.builds(OptionTick, types, *[figures] * 8, st.booleans()),
)


def by_the_codec(req_id: int, tick: Tick, version: int) -> bytes:
    name, values = tick_message(req_id, tick)
    return encode_frame(RESPONSE_BY_NAME[name].encode(values, version))


@given(req_id=st.integers(0, 2**31 - 1), tick=ticks, version=st.integers(OLDEST_VERSION, NEWEST_VERSION))
def test_the_quick_way_writes_the_bytes_of_the_general_one(req_id: int, tick: Tick, version: int) -> None:
    burst = encode_burst([tick], version >= DECIMAL_SIZES)
    assert burst.frames(req_id) == [by_the_codec(req_id, tick, version)]
    assert encode_burst([tick, tick], version >= DECIMAL_SIZES).data(req_id) == 2 * by_the_codec(req_id, tick, version)
    name, values = tick_message(req_id, tick)
    assert burst.names == (name,)
    assert repr(list(burst.fields(req_id))) == repr([readable(RESPONSE_BY_NAME[name], values)])


def test_remembered_numbers_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "MEMO_NUMBERS", 10)
    for number in range(1000):
        encode_burst([GenericTick(TickType.HALTED, number / 7), GenericTick(TickType.HALTED, math.nan)], True)
    assert len(bursts._texts) <= 10


def test_a_tick_that_cannot_be_written_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    broken: Any = PriceTick(TickType.BID, 1.0, math.nan)
    burst = encode_burst([broken, SizeTick(TickType.VOLUME, 5.0)], decimal_sizes=False)
    assert burst.names == ("tickSize",) and "cannot be sent" in caplog.text


class Clock:
    """Time for a journal; every reading moves it."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def test_a_burst_reads_from_the_journal_like_single_messages() -> None:
    journal = MessageJournal(None, Clock(), Clock())
    journal.record(Direction.FROM_CLIENT, 1, "reqMktData", {"reqId": 5})
    sent = [PriceTick(TickType.BID, math.nan, 100), SizeTick(TickType.VOLUME, 7.0)]
    burst = encode_burst(sent, True)
    journal.record_burst(1, 5, burst)
    journal.record_burst(2, 9, encode_burst(sent[:1], True))
    journal.record(Direction.TO_CLIENT, 1, "openOrderEnd", {})
    assert [entry.seq for entry in journal.entries(ticks=True)] == [1, 2, 3, 4, 5]
    first, second = journal.entries(client_id=1, message="tickPrice,tickSize")
    assert first.as_json()["fields"] == {"reqId": 5, "tickType": 1, "price": "nan", "size": 100, "attrMask": 0}
    assert (second.message, second.direction, second.wall_s) == ("tickSize", Direction.TO_CLIENT, first.wall_s)
    assert [entry.seq for entry in journal.entries(since=2, ticks=True)] == [3, 4, 5]
    assert [entry.message for entry in journal.entries()] == ["reqMktData", "openOrderEnd"]
    assert journal.counts["out", "tickPrice"] == 2 and journal.counts["in", "reqMktData"] == 1


def test_the_ring_of_ticks_is_bounded_by_ticks_not_by_bursts() -> None:
    journal = MessageJournal(None, Clock(), Clock())
    hundred = encode_burst([SizeTick(TickType.VOLUME, 1.0)] * 100, True)
    for _ in range(TICK_RING // 100 + 50):
        journal.record_burst(1, 1, hundred)
    kept = journal.entries(limit=10 * TICK_RING, ticks=True)
    assert len(kept) == TICK_RING and kept[-1].seq == journal.seq
