"""Token, cookie, origin, Host, rate, size, headers, and the token never in a log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from bifrost.config.load import load_config
from bifrost_monitor.security import RateLimits, host_name
from bifrost_monitor.settings import StartError, is_loopback, monitor_settings

from tests.monitor.conftest import TOKEN, MakeMonitor, Monitor
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
OWN = {"Sec-Fetch-Site": "same-origin"}


def signed_in(monitor: Monitor) -> Monitor:
    answer = monitor.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    return monitor


def test_changes_and_logs_need_the_token(monitor: Monitor, database: Database) -> None:
    """RE-4: 401 without it, with a wrong one and with the token in the wrong place. INV-K3."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"bifrost={TOKEN}"}):
        for method, path in (("POST", "/control/stop"), ("POST", "/config/ib"), ("GET", "/logs/engine")):
            answer = monitor.client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, headers)
            assert answer.json()["error"] == "unauthorized"
            assert TOKEN not in answer.text
    assert monitor.client.post(f"/control/stop?token={TOKEN}").status_code == 401
    assert database.value("SELECT count(*) FROM daemon_control") == 0


def test_the_link_sets_a_strict_cookie_and_redirects(monitor: Monitor) -> None:
    """HttpOnly, SameSite=Strict, and the cookie is not the token itself. INV-K5."""
    answer = monitor.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert monitor.get("/session").json() == {"signed_in": True, "read_only": False}
    assert monitor.get("/logs/engine").status_code == 200
    wrong = monitor.get("/?token=wrong")
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)


def test_the_page_can_sign_in_by_itself(monitor: Monitor) -> None:
    assert monitor.client.post("/session", json={"token": "wrong"}).status_code == 401
    assert monitor.get("/session").json()["signed_in"] is False
    assert monitor.client.post("/session", json={"token": TOKEN}).status_code == 204
    assert monitor.get("/session").json()["signed_in"] is True


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "X-Bifrost": "1"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://127.0.0.1:8000"}, 202),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-Bifrost": "1"}, 202),
        ({}, 403),
    ],
)
def test_a_cookie_counts_only_from_our_own_page(
    monitor: Monitor, database: Database, headers: dict[str, str], status: int
) -> None:
    """CSRF: another port of the same host is "same-site" to a browser, and shares the cookie."""
    answer = signed_in(monitor).client.post("/control/stop", headers=headers)
    assert answer.status_code == status, answer.text
    assert database.value("SELECT count(*) FROM daemon_control") == (1 if status == 202 else 0)


def test_the_browser_is_named_in_the_audit(monitor: Monitor, database: Database) -> None:
    signed_in(monitor).client.post("/control/stop", headers=OWN)
    assert database.value("SELECT requested_by FROM daemon_control") == "browser@127.0.0.1"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("desk.lan:8000", 200),
        ("DESK.LAN", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("192.168.1.5:8000", 400),
        ("", 400),
    ],
)
def test_only_known_hosts_are_answered(make_monitor: MakeMonitor, host: str, status: int) -> None:
    """A page that a foreign name brought to our address (DNS rebinding) reads nothing."""
    answer = make_monitor(MONITOR_ALLOWED_HOSTS="desk.lan").get("/status", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or "MONITOR_ALLOWED_HOSTS" in answer.json()["reason"]


def test_bound_beyond_loopback_gets_need_the_token_too(make_monitor: MakeMonitor) -> None:
    """Health probes and signing in excepted; addresses are good Host headers then, foreign names are not. INV-K4."""
    monitor = make_monitor(MONITOR_HOST="0.0.0.0")
    lan = {"Host": "192.168.1.5:8000"}
    for path in ("/", "/status", "/operations", "/metrics", "/docs", "/openapi.json", "/static/plain.js", "/session"):
        assert monitor.get(path, headers=lan).status_code == 401, path
    assert monitor.get("/livez", headers=lan).status_code == 200
    assert monitor.get("/readyz", headers=lan).status_code == 200
    assert monitor.get("/status", headers={**lan, **monitor.bearer}).status_code == 200
    assert monitor.get("/status", headers={"Host": "evil.example", **monitor.bearer}).status_code == 400
    assert monitor.get("/?token=wrong", headers=lan).status_code == 401
    assert monitor.get(f"/?token={TOKEN}").status_code == 303
    assert monitor.get("/status").status_code == 200


def test_beyond_loopback_without_a_token_nothing_starts(tmp_path: Path) -> None:
    """INV-K4."""
    env = {"MONITOR_HOST": "0.0.0.0", "BIFROST_HOME": str(tmp_path)}
    with pytest.raises(StartError, match=r"MONITOR_HOST=0\.0\.0\.0 .* BIFROST_TOKEN"):
        monitor_settings(load_config(env=env), env)
    assert not (tmp_path / "secrets").exists()


def test_on_loopback_a_token_is_made_and_kept(tmp_path: Path) -> None:
    """Two monitors of one home have one token; the file is its owner's alone."""
    env = {"BIFROST_HOME": str(tmp_path)}
    first, second = (monitor_settings(load_config(env=env), env) for _ in range(2))
    kept = tmp_path / "secrets" / "token"
    assert first.token == second.token == kept.read_text(encoding="utf-8").strip()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert first.token not in repr(first)


@pytest.mark.parametrize("token", ["two words", 'quo"te', "semi;colon", "ümlaut"])
def test_tokens_that_no_header_can_carry_are_refused(tmp_path: Path, token: str) -> None:
    env = {"BIFROST_TOKEN": token, "BIFROST_HOME": str(tmp_path)}
    with pytest.raises(StartError, match="BIFROST_TOKEN must be printable ASCII") as told:
        monitor_settings(load_config(env=env), env)
    assert token not in str(told.value)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    env = {"BIFROST_TOKEN_FILE": str(tmp_path / "gone"), "BIFROST_HOME": str(tmp_path)}
    with pytest.raises(StartError, match=r"BIFROST_TOKEN_FILE=.*gone cannot be read: No such file"):
        monitor_settings(load_config(env=env), env)


def test_the_token_is_in_no_log(monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    """The access log drops the query; nothing else writes it. INV-K5."""
    caplog.set_level(logging.DEBUG)
    monitor.get(f"/?token={TOKEN}")
    monitor.get("/?token=a-wrong-one")
    monitor.get(f"/nowhere?token={TOKEN}")
    monitor.post("/control/stop")
    ours = [record for record in caplog.records if record.name.startswith("bifrost")]
    assert any(record.getMessage() == "GET / 303" for record in ours)
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in ours)
    assert TOKEN not in text and "a-wrong-one" not in text


def test_read_only_changes_nothing(make_monitor: MakeMonitor, database: Database) -> None:
    monitor = make_monitor(BIFROST_MONITOR__READ_ONLY="true")
    for path, body in (("/control/stop", {}), ("/config/ib", {"ib_host": "h", "ib_port_type": "gateway"})):
        answer = monitor.post(path, body)
        assert (answer.status_code, answer.json()["error"]) == (403, "read_only")
    assert monitor.get("/session").json()["read_only"] is True
    assert database.value("SELECT count(*) FROM daemon_control") == 0


def test_too_many_commands_are_429_but_stop_still_works(make_monitor: MakeMonitor) -> None:
    """What was used up by a page that repeats itself does not take away the way to stop."""
    monitor = make_monitor(BIFROST_MONITOR__CONTROL_POSTS_PER_MINUTE="2")
    assert [monitor.post("/control/retry_ib").status_code for _ in range(3)] == [202, 202, 429]
    refused = monitor.post("/control/refresh_accounts")
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many")
    assert int(refused.headers["retry-after"]) >= 1
    assert monitor.post("/control/stop").status_code == 202


def test_rate_refills_evenly() -> None:
    now = [0.0]
    limits = RateLimits(2, lambda: now[0])
    assert [limits.wait_s("a"), limits.wait_s("a")] == [0.0, 0.0]
    assert limits.wait_s("a") == pytest.approx(30.0)
    assert limits.wait_s("b") == 0.0
    now[0] = 30.0
    assert limits.wait_s("a") == 0.0


def test_bodies_have_a_limit(monitor: Monitor, database: Database) -> None:
    """Named in Content-Length or not."""
    big = b'{"target": "' + b"x" * 70_000 + b'"}'
    assert monitor.client.post("/control/flatten", content=big, headers=monitor.bearer).status_code == 413
    chunked = monitor.client.post(
        "/control/flatten", content=iter([big[:40_000], big[40_000:]]), headers=monitor.bearer
    )
    assert (chunked.status_code, chunked.json()["error"]) == (413, "too_large")
    assert database.value("SELECT count(*) FROM daemon_control") == 0


def test_every_answer_carries_the_security_headers(monitor: Monitor) -> None:
    for path in ("/", "/status", "/nowhere", "/static/plain.js"):
        headers = monitor.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert monitor.get("/status").headers["cache-control"] == "no-store"


def test_a_failure_inside_shows_no_traceback(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("inner detail")

    monkeypatch.setattr("bifrost_monitor.queries.read_operations", broken)
    answer = monitor.get("/operations")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "inner detail" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("desk.lan", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_host_names() -> None:
    assert [host_name(text) for text in ("A.B:80", "[::1]:1", "x.", "", "[", "a:b:c")] == [
        "a.b", "::1", "x", None, None, None,
    ]  # fmt: skip
