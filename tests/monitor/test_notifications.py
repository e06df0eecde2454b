"""Notifications: what is told, to which channel, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from bifrost.config.enums import Severity
from bifrost.config.schema import Notify
from bifrost.db import DatabaseUnavailable, connect
from bifrost_monitor.notify import notifier as notifier_module
from bifrost_monitor.notify.channels import channels_of
from bifrost_monitor.notify.notices import (
    CLEAR_AFTER_S,
    OVER,
    RED_AFTER_S,
    LampWatch,
    Notice,
    Repetitions,
    of_alert,
    of_missed,
)
from bifrost_monitor.notify.notifier import AGAIN_S, Notifier
from bifrost_monitor.view import View

from tests.monitor import rows
from tests.monitor.conftest import MakeMonitor, Monitor
from tests.support.postgres import Database
from tests.support.waiting import wait_until

AT = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
integration = pytest.mark.integration
ALL = {
    "webhook_url": "https://hooks.example/secret-path",
    "ntfy_url": "https://ntfy.example/secret-topic",
    "ntfy_token": "secret-ntfy",
    "telegram_token": "123:secret-bot",
    "telegram_chat_id": 42,
}


class Outside:
    """The internet of a test: what was sent, and what is answered."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(200)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def channels(self, **settings: Any) -> list[Any]:
        return channels_of(Notify.model_validate(settings), httpx.MockTransport(self))


def notice(code: str = "alert:breaker", severity: Severity = Severity.CRITICAL, repeats: int = 0) -> Notice:
    return Notice(AT, severity, code, "Breaker", "daily loss −5,100 $ is beyond 5,000 $", repeats)


def test_each_channel_speaks_its_own_protocol() -> None:
    outside = Outside()
    for channel in outside.channels(**ALL):
        channel.send(notice(repeats=3))
    webhook, ntfy, telegram = outside.requests
    told = json.loads(webhook.content)
    assert (told["severity"], told["code"], told["repeats"]) == ("critical", "alert:breaker", 3)
    assert ntfy.headers["priority"] == "urgent" and ntfy.headers["authorization"] == "Bearer secret-ntfy"
    assert "−5,100 $" in ntfy.content.decode()
    assert telegram.url.path == "/bot123:secret-bot/sendMessage"
    assert json.loads(telegram.content)["chat_id"] == "42"
    assert "3 more" in json.loads(telegram.content)["text"]


def test_a_failure_names_the_host_and_no_secret() -> None:
    """An address or a token must not come into an answer or a log by way of an error."""
    outside = Outside()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url}")

    for answer in (refuse, lambda request: httpx.Response(403, text="secret")):
        outside.answer = answer
        notifier = Notifier(outside.channels(**ALL), lambda: None, lambda: None)  # type: ignore[arg-type, return-value]
        told = json.dumps([notifier.test(None, "test"), notifier.answer()])
        assert "secret" not in told and "hooks.example" in told
        assert [channel["failed"] for channel in notifier.answer()["channels"]] == [1, 1, 1]


def test_the_same_news_is_told_once_and_counted() -> None:
    repetitions = Repetitions(900)
    assert repetitions.admit(notice(severity=Severity.WARNING), 0)
    assert repetitions.admit(notice(severity=Severity.WARNING), 899) is None
    assert repetitions.admit(notice("alert:other"), 899)
    worse = repetitions.admit(notice(), 899)
    assert worse is not None and worse.repeats == 1
    assert repetitions.admit(notice(severity=Severity.WARNING), 900) is None
    again = repetitions.admit(notice(), 1800)
    assert again is not None and again.repeats == 1


def test_a_lamp_that_stays_red_is_told_and_that_it_is_over() -> None:
    watch = LampWatch()
    reason = "heartbeat_stale: last beat 40 s ago"
    assert watch.look("red", reason, AT, 0) is None
    assert watch.look("yellow", "x", AT, 1) is None
    assert watch.look("red", reason, AT, 2) is None
    told = watch.look("red", reason, AT, 2 + RED_AFTER_S)
    assert told is not None and (told.severity, told.code) == (Severity.CRITICAL, "lamp:heartbeat_stale")
    assert watch.look("red", reason, AT, 300) is None
    other = watch.look("red", "orphan_hedge: 30 shares", AT, 301)
    assert other is not None and other.code == "lamp:orphan_hedge"
    assert watch.look("green", "", AT, 400) is None
    over = watch.look("green", "", AT, 400 + CLEAR_AFTER_S)
    assert over is not None and over.title == "The lamp is green again"
    assert watch.look("green", "", AT, 900) is None


def test_a_lamp_that_turns_red_again_is_told_again() -> None:
    """Else the last word would be "green" while it is red."""
    repetitions = Repetitions(900)
    red = Notice(AT, Severity.CRITICAL, "lamp:orphan_hedge", "The lamp is red", "30 shares")
    over = Notice(AT, Severity.WARNING, f"lamp:orphan_hedge{OVER}", "The lamp is green again", "")
    assert repetitions.admit(red, 0) is not None and repetitions.admit(red, 10) is None
    assert repetitions.admit(over, 60) is not None
    assert repetitions.admit(red, 120) is not None and repetitions.admit(red, 130) is None


def test_a_stop_that_was_asked_for_is_no_alarm() -> None:
    watch = LampWatch()
    watch.look("red", "stopped at 2026-03-20T15:00:00Z", AT, 0)
    told = watch.look("red", "stopped at 2026-03-20T15:00:00Z", AT, 60)
    assert told is not None and told.severity is Severity.WARNING


def test_alerts_about_different_orders_are_different_news() -> None:
    row = {"id": 7, "written_at": AT, "severity": "warning", "code": "order_unknown", "message": "m", "details": {}}
    codes = {of_alert({**row, "details": {"order_ref": ref}}).code for ref in ("BF1", "BF2")}
    assert codes == {"alert:order_unknown:BF1", "alert:order_unknown:BF2"}
    assert of_alert(row).code == "alert:order_unknown"


def write_alert(database: Database, severity: str, code: str) -> None:
    database.query("INSERT INTO alerts (ts, severity, code, message) VALUES (now(), %s, %s, 'm')", severity, code)


def watcher(database: Database, outside: Outside, view: Callable[[], View]) -> Notifier:
    channels = outside.channels(webhook_url="https://hooks.example/x")
    return Notifier(channels, view, lambda: connect(database.params("monitor"), service="monitor"))


def end(notifier: Notifier) -> None:
    """Its turn is over: the lock goes with the session."""
    assert notifier._conn is not None
    notifier._conn.close()


def codes_sent(outside: Outside) -> list[str]:
    return [json.loads(request.content)["code"] for request in outside.requests]


def green(monitor: Monitor, database: Database) -> None:
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green", "green")


@integration
def test_new_alerts_are_told_by_one_of_two_monitors(database: Database, monitor: Monitor) -> None:
    """Old ones are not; below the lowest severity none is; the second monitor takes over when the first is gone."""
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green", "green")
    write_alert(database, "critical", "before")
    outside = Outside()

    def make() -> Notifier:
        return watcher(database, outside, lambda: monitor.keeper.view)

    first, second = make(), make()
    assert (first.look(0), second.look(0)) == ([], [])
    write_alert(database, "critical", "breaker")
    write_alert(database, "info", "adopted")
    assert [told.code for told in first.look(1)] == ["alert:breaker"]
    assert second.look(1) == []
    first.remember()
    end(first)
    write_alert(database, "warning", "pin_risk")
    (told,) = wait_until(lambda: second.look(2), 10, what="the second's turn")
    # Read before its turn came, it is one that was missed.
    assert told.code == "alert:pin_risk" or told.text == "1 × pin_risk (warning): m"


@integration
def test_what_was_raised_while_nobody_watched_is_told_once_in_one_message(database: Database, monitor: Monitor) -> None:
    """From where the last monitor told; the first one ever tells of nothing old."""
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green", "green")
    outside = Outside()

    def make() -> Notifier:
        return watcher(database, outside, lambda: monitor.keeper.view)

    write_alert(database, "critical", "ancient")
    first = make()
    assert first.look(0) == []
    write_alert(database, "warning", "pin_risk")
    assert [told.code for told in first.look(1)] == ["alert:pin_risk"]
    first.remember()
    end(first)
    for severity, code in (
        ("warning", "pin_risk"),
        ("info", "adopted"),
        ("critical", "breaker"),
        ("critical", "breaker"),
    ):
        write_alert(database, severity, code)
    second = make()
    (told,) = wait_until(lambda: second.look(2), 10, what="the second's turn")
    assert (told.severity, told.title) == (Severity.CRITICAL, "3 alerts that nobody was told of")
    assert told.text.splitlines() == ["2 × breaker (critical): m", "1 × pin_risk (warning): m"]
    second.remember()
    end(second)
    third = make()
    wait_until(lambda: third.look(3) == [] and third._tells, 10, what="the third's turn without news")


@integration
def test_what_a_hung_monitor_did_not_tell_is_told_by_the_one_that_takes_over(
    database: Database, monitor: Monitor
) -> None:
    """The second has read it in silence: that is neither told nor a reason to hold the next one back."""
    green(monitor, database)
    outside = Outside()
    first, second = (watcher(database, outside, lambda: monitor.keeper.view) for _ in range(2))
    for notifier in (first, second):
        notifier.tell_news(0)
    write_alert(database, "critical", "breaker")
    write_alert(database, "warning", "pin_risk")
    assert second.look(1) == []
    end(first)
    (told,) = wait_until(lambda: second.look(2), 10, what="the second's turn")
    assert told.text.splitlines() == ["1 × breaker (critical): m", "1 × pin_risk (warning): m"]
    write_alert(database, "critical", "breaker")
    assert [told.code for told in second.look(3)] == ["alert:breaker"]


@integration
def test_a_lamp_that_is_red_at_the_takeover_is_told(database: Database) -> None:
    outside = Outside()
    first, second = (watcher(database, outside, View) for _ in range(2))
    for notifier in (first, second):
        assert notifier.look(0) == []
    assert second.look(RED_AFTER_S) == []
    end(first)
    (told,) = wait_until(lambda: second.look(RED_AFTER_S + 1), 10, what="the second's turn")
    assert told.code == "lamp:database_unavailable"


@integration
def test_an_alert_that_no_channel_took_is_told_later(
    database: Database, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at every look, together with what came meanwhile, once, and not before does the database say "told"."""
    monkeypatch.setattr(notifier_module, "TRY_AGAIN_S", 0.0)
    green(monitor, database)
    outside = Outside()
    notifier = watcher(database, outside, lambda: monitor.keeper.view)
    notifier.tell_news(0)
    outside.answer = lambda request: httpx.Response(503)
    write_alert(database, "warning", "pin_risk")
    notifier.tell_news(1)
    assert codes_sent(outside) == ["alert:pin_risk"] * notifier_module.TRIES
    write_alert(database, "critical", "breaker")
    notifier.tell_news(2)
    assert len(outside.requests) == notifier_module.TRIES and not notifier.answer()["recent"]
    assert database.query("SELECT alert_id FROM notified_until") == [(0,)]
    outside.requests.clear()
    outside.answer = lambda request: httpx.Response(200)
    for now_s in (1 + AGAIN_S, 2 + AGAIN_S, 3 + 2 * AGAIN_S):
        notifier.tell_news(now_s)
    (request,) = outside.requests
    assert json.loads(request.content)["text"].splitlines() == [
        "1 × breaker (critical): m",
        "1 × pin_risk (warning): m",
    ]
    assert database.query("SELECT alert_id = (SELECT max(id) FROM alerts) FROM notified_until") == [(True,)]


@integration
def test_an_alert_that_a_stopping_monitor_could_not_tell_is_told_by_the_next(
    database: Database, monitor: Monitor
) -> None:
    green(monitor, database)
    outside = Outside()
    first, second = (watcher(database, outside, lambda: monitor.keeper.view) for _ in range(2))
    first.tell_news(0)
    outside.answer = lambda request: httpx.Response(503)
    write_alert(database, "critical", "breaker")
    first.stop()
    first.tell_news(1)
    end(first)
    (told,) = wait_until(lambda: second.look(0), 10, what="the second's turn")
    assert told.text == "1 × breaker (critical): m"


def test_a_lamp_that_no_channel_took_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Any:
        raise DatabaseUnavailable("the server is gone")

    monkeypatch.setattr(notifier_module, "TRY_AGAIN_S", 0.0)
    outside = Outside()
    outside.answer = lambda request: httpx.Response(503)
    notifier = Notifier(outside.channels(webhook_url="https://hooks.example/x"), View, down)
    for now_s in (0, RED_AFTER_S):
        notifier.tell_news(now_s)
    outside.requests.clear()
    outside.answer = lambda request: httpx.Response(200)
    for later_s in (1, AGAIN_S, 2 * AGAIN_S):
        notifier.tell_news(RED_AFTER_S + later_s)
    assert codes_sent(outside) == ["lamp:database_unavailable"]


def test_many_kinds_of_missed_alerts_are_counted() -> None:
    found = [{"code": f"kind{n}", "severity": "warning", "count": 1, "newest_at": AT, "message": "m"} for n in range(9)]
    told = of_missed(found, AT)
    assert told is not None and told.text.splitlines()[-1] == "and 3 kinds more; all of them are on the page"
    assert of_missed([], AT) is None


@integration
def test_without_the_database_each_tells_by_itself(database: Database) -> None:
    def down() -> Any:
        raise DatabaseUnavailable("the server is gone")

    outside = Outside()
    notifier = Notifier(outside.channels(webhook_url="https://hooks.example/x"), View, down)
    assert notifier.look(0) == []
    (told,) = notifier.look(RED_AFTER_S)
    assert told.code == "lamp:database_unavailable"
    notifier.tell(told)
    assert len(outside.requests) == 1 and notifier.answer()["recent"][0]["code"] == told.code


@integration
def test_the_button_tests_what_is_configured(make_monitor: MakeMonitor) -> None:
    monitor = make_monitor()
    shown = monitor.get("/notifications").json()
    assert [channel["configured"] for channel in shown["channels"]] == [False, False, False]
    refused = monitor.post("/notifications/test", {})
    assert (refused.status_code, refused.json()["error"]) == (409, "not_configured")
    assert monitor.post("/notifications/test", {"channel": "pigeon"}).status_code == 422
    assert monitor.client.post("/notifications/test", json={}).status_code == 401
    outside = Outside()
    services = monitor.client.app.state.services  # type: ignore[attr-defined]
    notifier = Notifier(outside.channels(**ALL), lambda: monitor.keeper.view, lambda: None)  # type: ignore[arg-type, return-value]
    object.__setattr__(services, "notifier", notifier)
    answer = monitor.post("/notifications/test", {"channel": "ntfy"}).json()
    assert answer == {"results": [{"kind": "ntfy", "ok": True, "detail": "sent"}]}
    assert "token@127.0.0.1" in outside.requests[0].content.decode()
    assert monitor.get("/notifications").json()["channels"][1]["sent"] == 1
