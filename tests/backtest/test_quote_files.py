"""A backtest on files of quotes: tables, the desk's own tapes and its history, alone or one after the other."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from bifrost import cli
from bifrost.tape import Publication, TapeError
from bifrost.tape.parquet_tape import ParquetQuoteWriter
from bifrost_engine.backtest.fills import FREE
from bifrost_engine.backtest.legs import Entry
from bifrost_engine.backtest.market import Market, market_of
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.backtest.tape import TapeWriter

from tests.backtest.made import CALL, LEGS, PUT, STOCK, bursts, market, rules
from tests.support.postgres import Database

WORDS = ("--set", "symbol=NVDA", "--set", "greeks.risk_free_rate=0.0", "--entry", "09:35")


def quotes(minutes: int = 40) -> list[Publication]:
    return [quote for burst in bursts(1, minutes=minutes) for quote in burst.quotes]


def parquet(file: Path, items: list[Publication]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with ParquetQuoteWriter(file) as out:
        for item in items:
            out.add(item)
    return file


def told(found: Market) -> list[Publication]:
    return [quote for burst in found.bursts() for quote in burst.quotes]


def summary(folder: Path) -> dict[str, object]:
    answer: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return answer


def test_the_same_quotes_give_the_same_backtest_from_csv_from_parquet_and_from_a_folder_of_parts(
    tmp_path: Path,
) -> None:
    items = quotes()
    whole = parquet(tmp_path / "quotes.parquet", items)
    parquet(tmp_path / "parts" / "1.parquet", items[:60])
    parquet(tmp_path / "parts" / "2.parquet", items[60:])
    lines = [f"{item.at_s},{item.key}" for item in items]
    assert len(lines) == 120
    table = ["time,contract_key,bid,bid_size,ask,ask_size"]
    table += [
        f"{_iso(item.at_s)},{item.key},{item.bid!r},{item.bid_size!r},{item.ask!r},{item.ask_size!r}" for item in items
    ]
    (tmp_path / "quotes.csv").write_text("\n".join(table) + "\n")
    found = []
    for data in (whole, tmp_path / "parts", tmp_path / "quotes.csv"):
        out = tmp_path / f"out-{data.name}"
        assert cli.main(["backtest", "--data", str(data), "--out", str(out), *WORDS]) == 0
        found.append(summary(out))
    assert found[0]["hedges"] and found[0]["bad_rows"]["count"] == 0  # type: ignore[index]
    named = ("run_id", "data_hash")
    assert len({answer["data_hash"] for answer in found}) == 3
    plain = [{name: value for name, value in answer.items() if name not in named} for answer in found]
    assert plain[0] == plain[1] == plain[2]


def _iso(at_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_s, UTC).isoformat()


def test_days_are_chosen_by_their_date_in_new_york_and_are_part_of_the_hash(tmp_path: Path) -> None:
    days = [date(2026, 5, 7), date(2026, 5, 8)]
    items = [quote for day in days for burst in bursts(1, minutes=5, day=day) for quote in burst.quotes]
    file = parquet(tmp_path / "q.parquet", items)
    both, first, second = (market_of(file, "NVDA", *span) for span in ((None, None), (None, days[0]), (days[1], None)))
    assert (told(first), told(second)) == (items[:15], items[15:]) and told(both) == items
    assert len({item.data_hash() for item in (both, first, second)}) == 3
    with pytest.raises(TapeError, match=r"no row of NVDA\|STK\|\|\| from 2026-05-11 to the last"):
        told(market_of(file, "NVDA", date(2026, 5, 11)))
    with pytest.raises(TapeError, match=r"q\.parquet: no row of TWX"):
        told(market_of(file, "TWX"))


def test_parts_out_of_order_and_kinds_that_are_mixed_are_told(tmp_path: Path) -> None:
    items = quotes(minutes=10)
    parquet(tmp_path / "a.parquet", items[15:])
    parquet(tmp_path / "b.parquet", items[:15])
    found = market_of(tmp_path, "NVDA")
    assert told(found) == items[15:]
    assert dict(found.bad.by_reason) == {"earlier than the file before": 15}
    assert found.bad.shown[0].startswith("b.parquet:")
    (tmp_path / "c.csv").write_text("time,contract_key,bid,bid_size,ask,ask_size\n")
    with pytest.raises(TapeError, match=r"holds \.csv and \.parquet files: name one"):
        market_of(tmp_path, "NVDA")


def test_a_bad_row_stands_in_the_report_with_its_file_and_row(tmp_path: Path) -> None:
    items = quotes()
    items.insert(61, items[60])
    file = parquet(tmp_path / "q.parquet", items)
    assert cli.main(["backtest", "--data", str(file), "--out", str(tmp_path / "out"), *WORDS]) == 0
    bad = summary(tmp_path / "out")["bad_rows"]
    assert bad["count"] == 1 and bad["shown"][0].startswith("q.parquet:62: a second row")  # type: ignore[index]
    assert "q.parquet:62: a second row of this contract at the same time" in (tmp_path / "out/report.html").read_text()


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """What a core consumed in forty minutes, as the desk writes it."""
    file = tmp_path / "tapes" / "one.jsonl.gz"
    run = BacktestRun(rules(), market(minutes=40), Entry(LEGS), FREE, make_tape=lambda *start: TapeWriter(file, *start))
    run.run()
    return file


def test_a_tape_of_the_desk_is_a_market(tape: Path) -> None:
    """The quotes of the tape are those that were told, from the entry on with the legs; then none is left standing."""
    found = told(market_of(tape, "NVDA"))
    stock = [item for item in found if item.key == STOCK]
    assert stock[:-1] == [item for item in quotes() if item.key == STOCK]
    assert [(item.key, item.bid, item.ask) for item in found[-3:]] == [(key, -1, -1) for key in (STOCK, CALL, PUT)]
    assert {item.key for item in found} == {STOCK, CALL, PUT}
    assert market_of(tape.parent, "NVDA").data_hash() == market_of(tape, "NVDA").data_hash()


def test_a_backtest_on_a_tape_hedges_as_the_core_of_the_tape_did(tape: Path, tmp_path: Path) -> None:
    """The legs held from the first quotes on, no latency: the same decisions on the same quotes."""
    lived = BacktestRun(rules(), market(minutes=40), Entry(LEGS), FREE).run()
    again = BacktestRun(rules(), market_of(tape, "NVDA"), Entry(LEGS), FREE).run()
    assert again.tally.hedges == lived.tally.hedges > 0
    assert again.tally.shares_traded == lived.tally.shares_traded
    assert cli.main(["backtest", "--data", str(tape), "--out", str(tmp_path / "out"), *WORDS]) == 0


def test_what_ends_a_quote_live_ends_it_here(tape: Path, tmp_path: Path) -> None:
    """A failed line, a lost link, a delayed, a halted and a crossed quote; and a tape that a killed engine left."""
    changed = tmp_path / "changed.jsonl.gz"
    with gzip.open(tape, "rt") as source, gzip.open(changed, "wt") as out:
        out.writelines(_with_troubles(source))
    found = market_of(changed, "NVDA")
    seen = told(found)
    gone = [index for index, item in enumerate(seen) if item.key == STOCK and item.bid < 0]
    assert len(gone) == 5  # the line, the link, delayed, halted, and the end
    kinds = ("crossed quote, taken for none", "halted, taken for no quote", "market time was not known")
    assert {kind: found.bad.by_reason[kind] for kind in (*kinds, "not a live quote, taken for none")} == dict.fromkeys(
        (*kinds, "not a live quote, taken for none"), 1
    )
    assert found.bad.count == 4 and all(text.startswith("changed.jsonl.gz:") for text in found.bad.shown)
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(tape.read_bytes()[:-400])
    torn = market_of(cut, "NVDA")
    assert len(told(torn)) > 10 and "the tape is torn" in torn.bad.shown[-1]
    shorter = tmp_path / "shorter.jsonl.gz"
    shorter.write_bytes(tape.read_bytes()[:-800])
    assert len({market_of(file, "NVDA").data_hash() for file in (tape, cut, shorter)}) == 3
    shutil.copy(tape, tmp_path / "x.jsonl.gz")
    (tmp_path / "x.jsonl.gz").write_bytes(b"no tape at all")
    with pytest.raises(TapeError, match=r"x\.jsonl\.gz: cannot be read"):
        market_of(tmp_path / "x.jsonl.gz", "NVDA")


def _with_troubles(lines: Iterator[str]) -> Iterator[str]:
    """The tape with its stock's quotes changed at some places; every event keeps its number and its time."""
    quoted = 0
    for line in lines:
        row = json.loads(line)
        if "step" in row:
            continue
        if row.get("type") == "QuotesChanged":
            quoted += 1
            (stock,) = [quote for quote in row["quotes"] if quote["key"] == str(STOCK)]
            if quoted in (10, 12):
                what = {"type": "LineFailed", "key": str(STOCK), "code": 354, "text": "no data"}
                what = what if quoted == 10 else {"type": "LinkDown", "reason": "gone"}
                row = {"event": row["event"], "at": row["at"], **what}
            elif quoted == 14:
                stock["data_type"] = 3
            elif quoted == 16:
                stock["halted"] = True
            elif quoted == 18:
                stock["bid"] = stock["ask"] + 1
            elif quoted == 20:
                row["at"]["market_s"] = None
        yield json.dumps(row) + "\n"


@pytest.mark.integration
def test_the_desks_own_history_is_a_market(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows as the engine writes them, the legs at their marks; the file made of them is a market of its own."""
    for burst in bursts(1, minutes=40):
        by_key = {quote.key: quote for quote in burst.quotes}
        legs = [
            {"contract_key": str(key), "quantity": 20, "mark": (by_key[key].bid + by_key[key].ask) / 2}
            for key in (CALL, PUT)
        ]
        database.query(
            "INSERT INTO status_history (symbol, bid, ask, ts, details) VALUES ('NVDA', %s, %s, to_timestamp(%s), %s)",
            by_key[STOCK].bid,
            by_key[STOCK].ask,
            burst.at_s,
            json.dumps({"legs": legs}),
        )
    database.query("INSERT INTO status_history (symbol, bid, ask, ts) VALUES ('TWX', 70, 70.1, now())")
    for name, value in database.env("engine").items():
        monkeypatch.setenv(name, value)
    command = ["backtest", "--data", "status_history", *WORDS, "--out"]
    assert cli.main([*command, str(tmp_path / "one")]) == 0, capsys.readouterr().err
    assert "120 quotes in" in capsys.readouterr().err
    found = summary(tmp_path / "one")
    assert found["hedges"] and found["asked"]["model"]["sizes"] is False  # type: ignore[index]
    assert round(found["attribution_total_usd"], 2) == round(found["pnl"]["at_mid_usd"], 2)  # type: ignore[index, call-overload]
    file = tmp_path / "one" / "status_history-NVDA.parquet"
    assert next(item for item in told(market_of(file, "NVDA")) if item.key == STOCK).bid_size == 0
    assert cli.main([*command, str(tmp_path / "two")]) == 0
    assert summary(tmp_path / "two") == found, "the same rows are the same run"
    capsys.readouterr()
    assert cli.main([*command, str(tmp_path / "none"), "--from", "2027-01-04"]) == 1
    assert "status_history holds no quote of NVDA in the days asked for" in capsys.readouterr().err
