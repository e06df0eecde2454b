"""`bifrost backtest` as an operator types it: folder, report, Parquet, database, tape; twice the same bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bifrost import cli, paths

from tests.support.postgres import Database

SHIPPED = paths.repository_root() / "config" / "scenarios" / "tape" / "lean"
WORDS = ("--data", str(SHIPPED), "--set", "greeks.risk_free_rate=0.0", "--quantity", "20", "--entry", "09:35")
RECORDED = os.environ.get("BIFROST_DATA", "")


def backtest(folder: Path, *words: str) -> int:
    return cli.main(["backtest", "--out", str(folder), *words])


def test_TC_3_R_B1_3_a_straddle_is_bought_and_hedged_and_the_report_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """TC-3-R-B1-3: P&L, equity, drawdown, Sharpe, hashes; attribution to the cent; a page that needs nothing else."""
    assert backtest(tmp_path, *WORDS) == 0
    assert str(tmp_path / "report.html") in capsys.readouterr().out
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["hedges"] > 0 and len(found["legs"]) == 2 and found["drawdown_usd"] > 0
    assert found["sharpe"] is not None and found["config_hash"] and found["data_hash"] and found["code_version"]
    assert round(found["attribution_total_usd"], 2) == round(found["pnl"]["at_mid_usd"], 2)
    costs = found["pnl"]["entry_usd"] + found["pnl"]["liquidation_usd"]
    assert found["pnl"]["liquidated_usd"] == pytest.approx(found["pnl"]["at_mid_usd"] - costs, abs=1e-5)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4 and "http" not in page and "<script" not in page and "src=" not in page
    # Cost against variance of each policy: a point of the chart and a row of the table.
    assert len(found["policies"]) == 16 and page.count("<circle") == 16
    assert all(page.count(f"{number}: {row['policy']}") == 2 for number, row in enumerate(found["policies"], start=1))
    for shown in (f"{found['pnl']['at_mid_usd']:,.2f}", "min_price_move", found["config_hash"], found["data_hash"]):
        assert shown in page


def test_TC_3_R_B2_2_the_ticks_hold_each_decision(tmp_path: Path) -> None:
    """TC-3-R-B2-2: per tick decision, side, size and block reason; the summary's counts are theirs."""
    assert backtest(tmp_path, *WORDS, "--set", "gates.intent.hedge.cooldown_seconds=600.0") == 0
    ticks = pq.read_table(tmp_path / "ticks.parquet").to_pylist()
    found = json.loads((tmp_path / "summary.json").read_text())
    blocked: dict[str, int] = {}
    for tick in ticks:
        if tick["decision"] == "blocked":
            blocked[tick["block_reason"]] = blocked.get(tick["block_reason"], 0) + 1
    assert blocked == found["blocked"] and "cooldown" in blocked
    assert len(ticks) == found["ticks"] and [tick["seq"] for tick in ticks] == list(range(1, len(ticks) + 1))


def test_twice_the_same_bytes_and_the_tape_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tmp_path / "tape.jsonl.gz"
    assert backtest(tmp_path / "one", *WORDS, "--tape", str(tape)) == 0
    assert backtest(tmp_path / "two", *WORDS) == 0
    for name in ("report.html", "summary.json", "ticks.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    capsys.readouterr()
    assert cli.main(["replay", str(tape)]) == 0
    assert "all the same" in capsys.readouterr().out


def test_quick_comes_to_the_same_and_says_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = ("--set", "gates.state.delta.threshold_hedge_shares=60.0")
    assert backtest(tmp_path / "full", *WORDS, *wide) == 0
    assert backtest(tmp_path / "quick", *WORDS, *wide, "--quick") == 0
    full, quick = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("full", "quick"))
    assert quick.pop("quick")["spared"] > 0 and not quick.pop("policies") and full.pop("policies")
    for name in ("run_id", "asked"):
        assert quick.pop(name) != full.pop(name)
    assert quick == full
    ticks = [pq.read_table(tmp_path / name / "ticks.parquet") for name in ("full", "quick")]
    assert ticks[0].drop_columns("net_delta") == ticks[1].drop_columns("net_delta")
    assert "quick path" in capsys.readouterr().out
    assert "quick path" in (tmp_path / "quick" / "report.html").read_text()
    assert backtest(tmp_path, *WORDS, "--quick", "--tape", str(tmp_path / "tape")) == 1
    assert "--quick goes with neither --tape (it needs every evaluation) nor --grid" in capsys.readouterr().err


@pytest.mark.integration
def test_it_goes_into_the_database_whole_and_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in database.env("engine").items():
        monkeypatch.setenv(name, value)
    for said in ("stored", "was stored before"):
        assert backtest(tmp_path, *WORDS, "--database") == 0
        assert said in capsys.readouterr().err
    found = json.loads((tmp_path / "summary.json").read_text())
    runs = database.query("SELECT run_id::text, config_hash, data_hash, code_version, summary FROM backtest_runs")
    assert runs == [(found["run_id"], found["config_hash"], found["data_hash"], found["code_version"], found)]
    counts = dict(database.query("SELECT decision, count(*) FROM backtest_ticks GROUP BY 1"))
    assert counts == found["decisions"]
    assert "postgres" not in database.value("SELECT config::text FROM backtest_runs")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--legs", "none.yaml"), "none.yaml: cannot be read"),
        (("--quantity", "0"), "a straddle of 0 contracts 21 to 35 days away: nothing to hold"),
        (("--min-dte", "300", "--max-dte", "400"), "no expiry 300 to 400 days away; quoted are"),
        (("--latency-ms", "-1"), "a latency is not below 0"),
        (("--set", "gates.state.delta.epsilon_band=-3"), "gates.state.delta.epsilon_band"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert backtest(tmp_path, *WORDS, *words) == 1
    captured = capsys.readouterr()
    assert said in captured.err and "Traceback" not in captured.err


def test_legs_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(tmp_path, *WORDS) == 0
    chosen = json.loads((tmp_path / "summary.json").read_text())["legs"]
    file = tmp_path / "legs.yaml"
    file.write_text("\n".join(f'- {{contract_key: "{leg["contract_key"]}", quantity: -5}}' for leg in chosen))
    assert backtest(tmp_path / "short", *WORDS, "--legs", str(file)) == 0
    short = json.loads((tmp_path / "short" / "summary.json").read_text())
    assert [(leg["contract_key"], leg["quantity"]) for leg in short["legs"]] == [
        (leg["contract_key"], -5.0) for leg in chosen
    ]
    file.write_text("- {contract_key: nonsense, quantity: 1}")
    assert backtest(tmp_path / "bad", *WORDS, "--legs", str(file)) == 1
    assert f"{file}, leg 1: contract key 'nonsense'" in capsys.readouterr().err


@pytest.mark.lean
@pytest.mark.skipif(not RECORDED, reason="recorded market data (BIFROST_DATA) is not here")
def test_a_recorded_straddle_on_twx(tmp_path: Path) -> None:
    """The README's command on real quotes of two days."""
    words = ("--set", "symbol=TWX", "--min-dte", "10", "--max-dte", "60", "--to", "2014-06-06")
    assert backtest(tmp_path, "--data", RECORDED, *words) == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert [leg["contract_key"] for leg in found["legs"]] == ["TWX|OPT|20140719|70|C", "TWX|OPT|20140719|70|P"]
    assert [day["day"] for day in found["days"]] == ["2014-06-05", "2014-06-06"] and found["hedges"] > 10
    assert round(found["attribution_total_usd"], 2) == round(found["pnl"]["at_mid_usd"], 2)
    assert found["bad_rows"]["count"] == 0
