"""Statistics from what is recorded, with the engine off: R-H2. The numbers of the fixture are worked out by hand."""

from __future__ import annotations

import csv
import io
import json

import pytest
from bifrost import cli

from tests.support.postgres import Database
from tests.support.recorded import record_days


@pytest.fixture
def recorded(database: Database) -> Database:
    record_days(database)
    return database


def stats(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `bifrost stats` prints, logged in as a role that can change nothing of the engine's."""
    for name, value in database.env("monitor").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["stats", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_TC_3_R_H2_1_statistics_from_history_offline(
    recorded: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """TC-3-R-H2-1: to the cent against numbers worked out by hand; no engine has ever run on this database."""
    answer = json.loads(stats(recorded, monkeypatch, capsys, "--from", "2026-03-06", "--to", "2026-03-09",
                              "--format", "json", "--fills", "--mode", "live"))  # fmt: skip
    friday, monday = answer["periods"]
    assert [period["period"] for period in answer["periods"]] == ["2026-03-06", "2026-03-09"]
    # Slippage: sold 100 two cents below the mid; bought 60 half a cent above; bought 80 two cents above.
    assert (friday["slippage_usd"], monday["slippage_usd"]) == (2.30, 1.60)
    assert friday["slippage_bps"] == pytest.approx(2.30 / (140.12 * 100 + 138.995 * 60) * 1e4, abs=1e-4)
    assert (friday["commissions_usd"], monday["commissions_usd"]) == (2.0, 1.0)
    assert (friday["hedges"], friday["hedge_shares"], monday["hedges"], monday["rejects"]) == (2, 160.0, 1, 1)
    assert (friday["intents"], monday["intents"], monday["orders_sent"]) == (2, 2, 2)
    # B closed 60 of A: 66.00 less 0.60 and 1.00; C closed 40 of A: -36.80 less 0.40 and 0.50.
    assert friday["pnl_by_round_trip"]["total_usd"] == 64.40 and monday["pnl_by_round_trip"]["total_usd"] == -37.70
    assert (friday["pnl_usd"], monday["pnl_usd"], answer["total"]["pnl_usd"]) == (120.25, -45.10, 75.15)
    assert (friday["partial_days"], answer["total"]["pnl_by_day"]["win_rate"]) == (1, 0.5)
    # The clocks went forward on Sunday: 03:59 UTC is Sunday night, 04:00 UTC is Monday.
    assert friday["blocked"] == {"cooldown": 40, "outside_session": 7} and monday["blocked"] == {"outside_session": 11}
    assert friday["evaluations"] == 147
    trading = friday["states"]["trading"]
    assert trading["NO_TRADE"] == {"session_s": 900 + 3600, "outside_s": 1800 + 55 * 3600}
    assert trading["HEDGING"] == {"session_s": 60, "outside_s": 0}
    assert trading["not recorded"] == {"session_s": 5 * 3600 + 14 * 60, "outside_s": 0}
    assert monday["states"]["trading"] == {"NO_TRADE": {"session_s": 0, "outside_s": 600}}
    assert [row["slippage_usd"] for row in answer["fill_list"]] == [2.0, 0.3, 1.6]
    assert "0001.c.01" not in json.dumps(answer), "a corrected execution counts for nothing"


def test_weeks_and_months_with_a_half_day(
    recorded: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--from", "2026-03-01", "--to", "2026-11-30", "--mode", "live")
    months = json.loads(stats(recorded, monkeypatch, capsys, *words, "--by", "month", "--format", "json"))["periods"]
    assert [month["period"] for month in months] == [f"2026-{number:02d}" for number in range(3, 12)]
    november = months[-1]
    assert (november["trading_days"], november["half_days"], november["last_day"]) == (20, 1, "2026-11-30")
    # D sold 40 two cents above the mid and closed what C had opened: 20.00 less 0.50 and 0.50; it was a flatten.
    assert (november["slippage_usd"], november["pnl_by_round_trip"]["total_usd"]) == (-0.80, 19.0)
    assert (november["hedges"], november["flattens"], november["intents"]) == (0, 1, 0)
    assert november["states"]["trading"]["SAFE"] == {"session_s": 1800, "outside_s": 1800}
    weeks = list(
        csv.DictReader(io.StringIO(stats(recorded, monkeypatch, capsys, *words, "--by", "week", "--format", "csv")))
    )
    by_name = {week["period"]: week for week in weeks}
    assert by_name["2026-W10"]["pnl_usd"] == "120.25" and by_name["2026-W11"]["pnl_usd"] == "-45.1"
    assert by_name["2026-W48"]["pnl_usd"] == "10.0" and by_name["2026-W48"]["trading_days"] == "4"
    assert by_name["2026-W11"]["blocked:outside_session"] == "11"
    text = stats(recorded, monkeypatch, capsys, *words, "--by", "month")
    assert "total" in text and "85.15" in text and "1 of them half days" in text


def test_paper_and_live_money_are_never_added_up(
    recorded: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = json.loads(stats(recorded, monkeypatch, capsys, "--mode", "paper", "--format", "json"))
    assert paper["total"]["pnl_usd"] == 7777.0 and paper["total"]["fills"] == 1
    newest = json.loads(stats(recorded, monkeypatch, capsys, "--format", "json"))
    assert (newest["mode"], newest["from"], newest["to"]) == ("live", "2026-03-06", "2026-11-27")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--account", "DU9"), "no trading day of DU9: recorded are DU1000001 (live), DU1000001 (paper)"),
        (("--from", "2026-03-09", "--to", "2026-03-06"), "--to 2026-03-06 is before --from 2026-03-09"),
        (("--from", "2026-03-07", "--to", "2026-03-08"), "holds no trading day"),
    ],
)
def test_a_question_without_an_answer_is_told_so(
    recorded: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    for name, value in recorded.env("monitor").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["stats", *words]) == 1
    assert said in capsys.readouterr().err
