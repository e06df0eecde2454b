"""Faults of the wire itself: slow sockets, garbage, pacing; and the catalogue in words."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from bifrost.config import load_config, load_scenario
from bifrost_simulator.bootstrap import Simulator
from bifrost_simulator.cli import main
from bifrost_simulator.faults import REGISTRY, BadParameters
from bifrost_simulator.faults.catalogue import catalogue, catalogue_lines
from bifrost_simulator.faults.wire import GARBAGE

from tests.simulator.fault_stage import FaultStage, codes, play, statuses, told
from tests.simulator.wire_ib import ib_insync
from tests.simulator.wire_raw import RawClient
from tests.simulator.wire_support import until
from tests.simulator.world_support import scenario_file
from tests.support.waiting import free_port

ROOT = Path(__file__).parents[2]


def test_a_client_that_seems_to_read_slowly_is_dropped(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        slow, quick = await stage.client(1), await stage.client(2)
        stage.inject("slow_reader", client_id=1, bytes_per_s=0, buffer_bytes=2000)
        for number in range(60):
            slow.request("reqMatchingSymbols", reqId=number, pattern="NV")
        assert await slow.closed() == [], "not a byte passes"
        (reason,) = stage.close_reasons()
        assert reason.startswith("slow reader: ") and reason.endswith("2000 are allowed")
        await quick.sync()
        again = await stage.client(1)
        await again.sync()

    play(tmp_path, body)


def test_what_trickled_comes_whole_when_it_ends(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("slow_reader", bytes_per_s=0)
        client.request("reqMatchingSymbols", reqId=1, pattern="NV")
        await until(lambda: stage.journal("symbolSamples"), what="the answer in the journal")
        await stage.live(0.2)
        stage.end("slow_reader")
        assert told(await client.sync(), "symbolSamples")[0]["reqId"] == 1

    play(tmp_path, body)


def test_messages_trickle(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("slow_reader", bytes_per_s=2000)
        client.request("reqMatchingSymbols", reqId=1, pattern="NV")
        assert (await client.expect("symbolSamples"))["reqId"] == 1

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("unknown_message", b"999\x001\x00nobody knows this message\x00"),
        ("missing_fields", b"3\x0017\x00Submitted\x00"),
        ("no_text", bytes(range(128, 256))),
        ("empty_frame", b""),
    ],
)
def test_garbage_arrives_as_it_was_made_and_the_stream_goes_on(tmp_path: Path, kind: str, payload: bytes) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("garbage_frame", kind=kind)
        assert await client.frame() == payload
        await client.sync()
        (noted,) = stage.journal("garbage")
        assert noted["note"] == kind and noted["bytes"] == len(payload) + 4

    play(tmp_path, body)


@pytest.mark.parametrize("kind", ["half_frame", "huge_length"])
def test_garbage_that_takes_the_stream_out_of_step(tmp_path: Path, kind: str) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("garbage_frame", kind=kind, client_id=1)
        (length,) = struct.unpack(">I", await client.reader.readexactly(4))
        assert length >= 1 << 16, "more is announced than will ever come"
        client.request("reqCurrentTime")
        await until(lambda: stage.journal("currentTime")[1:], what="an answer nobody can read")
        client.writer.close()
        await (await stage.client(2)).sync()

    play(tmp_path, body)


@pytest.mark.parametrize("kind", sorted(set(GARBAGE) - {"half_frame", "huge_length", "empty_frame"}))
def test_ib_insync_survives_garbage(tmp_path: Path, kind: str) -> None:
    async def body(stage: FaultStage) -> None:
        ib = await stage.ib()
        stage.inject("garbage_frame", kind=kind, count=3)
        assert (await ib.reqCurrentTimeAsync()).year == 2026
        trade = ib.placeOrder(
            ib_insync.Stock("NVDA", "SMART", "USD"), ib_insync.MarketOrder("BUY", 10, account="DU1234567")
        )
        await stage.until(trade.isDone, "the fill")
        assert stage.position() == 10

    play(tmp_path, body)


def test_a_client_found_too_fast_loses_its_message_and_then_its_connection(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("pacing_violation", count=None)
        for _ in range(3):
            client.request("reqPositions")
        heard = await client.closed()
        assert codes(heard) == [100, 100, 100] and told(heard, "positionEnd") == []
        assert stage.close_reasons() == ["Max rate of messages per second has been exceeded:max=50 rec=51 (3)"]
        stage.end("pacing_violation")
        again = await stage.client()
        again.request("reqPositions")
        assert told(await again.sync(), "positionEnd")

    play(tmp_path, body)


def test_an_order_thrown_away_for_pacing_never_was(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("pacing_violation")
        await client.place(7, "BUY", 100)
        await stage.live(1.0)
        heard = await client.sync()
        assert codes(heard, -1) == [100] and statuses(heard) == []
        assert stage.world.book.find(1, 7) is None and stage.active == []

    play(tmp_path, body)


def test_too_many_requests_of_bars(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        bars = {
            "symbol": "NVDA", "secType": "STK", "exchange": "SMART", "currency": "USD", "endDateTime": "",
            "durationStr": "600 S", "barSizeSetting": "1 min", "whatToShow": "TRADES", "useRTH": False,
            "formatDate": 1, "keepUpToDate": False,
        }  # fmt: skip
        stage.inject("pacing_violation", kind="historical")
        client.request("reqHistoricalData", reqId=5, **bars)
        client.request("reqHistoricalData", reqId=6, **bars)
        heard = await client.sync()
        assert codes(heard, 5) == [162] and "pacing violation" in told(heard, "error")[0]["text"]
        assert [answer["reqId"] for answer in told(heard, "historicalData")] == [6]

    play(tmp_path, body)


def test_a_fault_of_the_wire_on_a_world_without_clients_is_harmless(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        for name in ("slow_reader", "garbage_frame", "disconnect", "pacing_violation"):
            stage.inject(name)
        assert stage.active == ["slow_reader", "pacing_violation"]
        stage.end("pacing_violation")
        await (await stage.client(3)).sync()

    play(tmp_path, body)


def test_the_catalogue_says_what_each_does_and_takes() -> None:
    known = catalogue()
    assert set(known) == set(REGISTRY)
    for name, fault in known.items():
        assert fault["about"] and len(fault["about"].splitlines()[0]) <= 130, name
        for parameter, schema in fault["parameters"].get("properties", {}).items():
            assert schema.get("description"), f"{name}.{parameter} says nothing"
    lines = list(catalogue_lines(known))
    assert any(line.startswith("fill_partial: ") for line in lines)
    assert "    then=hold [hold|rest|cancel]  what becomes of the remainder" in lines


def test_the_documentation_names_every_fault() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text()
    lines = {name: [line for line in text.splitlines() if f"`{name}`" in line] for name in REGISTRY}
    assert [name for name, found in lines.items() if not any(line.startswith("| ") for line in found)] == []


def test_the_command_line_lists_injects_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("SIM_PORT", "SIM_ADMIN_PORT"):
        monkeypatch.setenv(variable, str(free_port()))
    scenario = load_scenario(scenario_file(tmp_path))
    simulator_config = load_config(ROOT / "config" / "config.yaml", scenario=scenario.file).config

    async def body() -> None:
        simulator = Simulator(simulator_config, scenario, None)
        await simulator.start()
        try:
            command = ["inject", "--config", str(ROOT / "config" / "config.yaml")]
            assert await asyncio.to_thread(main, [*command, "list"]) == 0
            assert await asyncio.to_thread(main, [*command, "weekly_login", "port=closed"]) == 0
            assert [fault.name for fault in simulator.world.faults.active] == ["weekly_login"]
            assert await asyncio.to_thread(main, [*command, "end", "weekly_login"]) == 0
            assert simulator.world.faults.active == ()
            assert await asyncio.to_thread(main, [*command, "end"]) == 2
            assert await asyncio.to_thread(main, [*command, "exercise"]) == 2
            client = await RawClient.connect(simulator.gateway.port, 7)
            client.request("cancelOrder", orderId=99)
            while (await client.expect("error"))["code"] != 10147:
                pass
            journal = ["journal", *command[1:], "--client", "7", "--message", "cancelOrder,error"]
            assert await asyncio.to_thread(main, journal) == 0
            await client.close()
        finally:
            await simulator.stop()

    asyncio.run(body())
    told_out, told_err = capsys.readouterr()
    assert "    then=hold [hold|rest|cancel]" in told_out and '{"ended": 1}' in told_out
    assert "<-   7 cancelOrder orderId=99" in told_out, "the journal reads as text"
    assert '->   7 error reqId=99 code=10147 text="OrderId 99' in told_out
    assert "say which fault is to end" in told_err
    assert "fault exercise: DU1234567 holds no long option" in told_err and "Traceback" not in told_err


@pytest.mark.parametrize(
    ("name", "given", "word"),
    [
        ("disconnect", {"message": "noSuchMessage"}, "execDetails"),
        ("ack_slow", {"delay_s": -1}, "delay_s"),
        ("fill_after_cancel", {"mode": "sometimes"}, "crossed"),
        ("garbage_frame", {"kind": "nice"}, "half_frame"),
        ("nightly_restart", {"duration_s": 0}, "duration_s"),
        ("corporate_action", {"ratio": 1}, "ratio"),
        ("manual_trade", {"order_type": "LMT"}, "limit_price"),
        ("quotes_stop", {"sec_type": "FUT"}, "sec_type"),
        ("no_permission_354", {"code": 200}, "code"),
    ],
)
def test_parameters_that_cannot_be_are_named(tmp_path: Path, name: str, given: dict[str, object], word: str) -> None:
    async def body(stage: FaultStage) -> None:
        with pytest.raises(BadParameters, match=word) as refused:
            stage.inject(name, **given)
        assert f"fault {name}: " in str(refused.value)
        assert stage.active == []

    play(tmp_path, body)
