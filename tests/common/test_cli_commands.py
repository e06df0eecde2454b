"""``bifrost``: what an operator sees, and the exit code a script sees."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from bifrost import cli, selftest
from bifrost.cli import main
from bifrost.selftest import Verdict, signal_stop

from tests.support.fake_gateway import FakeGateway
from tests.support.postgres import Database
from tests.support.waiting import free_port


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BIFROST_CONFIG", "BIFROST_SCENARIO"):
        monkeypatch.delenv(name, raising=False)


def test_show_names_the_layer_of_each_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("status: {postgres: {password: geheim-1}}\n")
    monkeypatch.setenv("IB_PORT", "4002")
    assert main(["config", "show", "--json", "--config", str(file), "--set", "gates.state.delta.epsilon_band=5"]) == 0
    out = capsys.readouterr().out
    keys = json.loads(out)["keys"]
    assert keys["ib.port"] == {"value": 4002, "source": "env"}
    assert keys["gates.state.delta.epsilon_band"] == {"value": 5.0, "source": "cli"}
    assert keys["symbol"] == {"value": "NVDA", "source": "default"}
    assert "geheim" not in out
    assert main(["config", "show", "--config", str(file)]) == 0
    assert "ib.port: 4002" in capsys.readouterr().out


def test_check_of_a_bad_file_says_why_and_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("symbl: NVDA\n")
    assert main(["config", "check", "--config", str(file)]) == 1
    captured = capsys.readouterr()
    assert f"{file}:1: symbl: unknown key, did you mean 'symbol'?" in captured.err and "Traceback" not in captured.err
    file.write_text("symbol: NVDA\n")
    assert main(["config", "check", "--config", str(file)]) == 0


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    with pytest.raises(SystemExit, match="must be KEY=VALUE"):
        main(["config", "check", "--set", "symbol"])
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2
    capsys.readouterr()


def test_services_add_commands_and_a_broken_one_takes_none_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(commands: Any) -> None:
        commands.add_parser("hello").set_defaults(run=lambda args: 7)

    monkeypatch.setattr(sys.modules[__name__], "register_hello", register, raising=False)
    points = EntryPoints(
        (
            EntryPoint("hello", f"{__name__}:register_hello", cli.ENTRY_POINT_GROUP),
            EntryPoint("bad", "bifrost.nowhere:register", cli.ENTRY_POINT_GROUP),
        )
    )
    monkeypatch.setattr(cli, "entry_points", lambda group: points)
    assert main(["hello"]) == 7
    assert "command 'bad' of bifrost.nowhere:register cannot be loaded" in capsys.readouterr().err


@contextmanager
def gateway(accounts: tuple[str, ...]) -> Iterator[int]:
    """A scripted gateway on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    fake = FakeGateway(accounts)
    asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(5)
    try:
        yield fake.port
    finally:
        asyncio.run_coroutine_threadsafe(fake.__aexit__(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return {line[5:19].strip(): line for line in lines if line[:4].strip() in {str(verdict) for verdict in Verdict}}


def test_self_test_passes_where_everything_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    for name, value in database.env("engine").items():
        monkeypatch.setenv(name, value)
    with gateway(("DU1", "DU2")) as port:
        monkeypatch.setenv("IB_PORT", str(port))
        assert main(["check"]) == 0
        found = findings(capsys)
        assert [found[name][:4] for name in ("configuration", "sink", "schema", "ib")] == ["ok  "] * 4
        assert "DU1, DU2" in found["ib"]
        monkeypatch.setenv("BIFROST_IB__ACCOUNT", "DU9")
        assert main(["check", "--skip-db"]) == 1
        assert "ib.account DU9 is none of DU1, DU2" in findings(capsys)["ib"]


def test_self_test_finds_a_schema_that_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, empty_database: Database
) -> None:
    for name, value in empty_database.env().items():
        monkeypatch.setenv(name, value)
    assert main(["check", "--skip-ib"]) == 1
    found = findings(capsys)
    assert found["sink"].startswith("ok") and found["schema"].startswith("FAIL")
    assert "bifrost db refresh" in found["schema"]


def test_self_test_without_anybody_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IB_PORT", str(free_port()))
    monkeypatch.setenv("PGPORT", str(free_port()))
    assert main(["check"]) == 1
    found = findings(capsys)
    assert found["configuration"].startswith("ok")
    assert found["sink"].startswith("FAIL") and found["ib"].startswith("FAIL")
    assert main(["check", "--skip-ib", "--skip-db"]) == 0


GOOD_END = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(60)"
BAD_END = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\ntime.sleep(60)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: time.sleep(60)"


@pytest.mark.parametrize(
    ("script", "verdict", "words"),
    [
        (GOOD_END, Verdict.OK, "exit code 0"),
        (BAD_END, Verdict.FAILED, "exit code 3 after SIGTERM"),
        (DEAF, Verdict.FAILED, "still there"),
        ("raise SystemExit('no database')", Verdict.FAILED, "ended by itself with 1: no database"),
    ],
)
def test_signal_stop(script: str, verdict: Verdict, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_SIGNAL_STOP_S", 0.5)
    finding = signal_stop([sys.executable, "-c", script], {})
    assert finding.verdict is verdict and words in finding.text
