"""Separate parts on a network that is not trusted (RE-3, RE-5, RE-4)."""

from __future__ import annotations

import re
import socket

import httpx
import psutil
import pytest

from tests.support.acceptance import TOKEN, Desk, for_seconds

pytestmark = pytest.mark.integration

LOOPBACK = {"127.0.0.1", "::1"}


def connections(pid: int, *states: str) -> set[tuple[str, int, str, int]]:
    """(local address, port, remote address, port) of a process' TCP sockets in one of ``states``."""
    found = psutil.Process(pid).net_connections(kind="tcp")
    return {
        (item.laddr.ip, item.laddr.port, item.raddr.ip if item.raddr else "", item.raddr.port if item.raddr else 0)
        for item in found
        if item.status in states
    }


def called(pid: int) -> set[int]:
    """Ports that a process has called, not those on which it was called."""
    listening = {port for _, port, _, _ in connections(pid, psutil.CONN_LISTEN)}
    return {there for _, here, _, there in connections(pid, psutil.CONN_ESTABLISHED) if here not in listening}


def test_TC_2_RE_3_1_engine_and_monitor_share_only_the_database(desk: Desk) -> None:
    """TC-2-RE-3-1: the monitor calls PostgreSQL alone, the engine PostgreSQL and its gateway; nobody calls it."""
    desk.until(desk.answers, "the monitor")
    assert called(desk.monitor.pid) == {desk.database.server.port}
    outside = {desk.to_database.port, desk.to_gateway.port, desk.simulator.admin_port}
    assert called(desk.engine.pid) <= outside
    assert {desk.to_database.port, desk.to_gateway.port} <= called(desk.engine.pid)
    assert connections(desk.engine.pid, psutil.CONN_LISTEN) == set()


def test_TC_2_RE_3_2_the_engine_hedges_on_without_a_monitor(desk: Desk) -> None:
    """TC-2-RE-3-2: the monitor is killed: hedging, heartbeats and history go on; a new one shows what it missed."""
    desk.monitor.kill()
    fills = desk.fills()
    desk.engine.until(lambda: desk.fills() >= fills + 2, "hedges without a monitor", 60)
    assert desk.engine.running
    desk.monitor.start()
    desk.until(desk.answers, "the monitor", 30)
    assert len(desk.operations("fill")) >= min(fills + 2, 1000)
    desk.until(lambda: desk.status()["status_lamp"] == "green", "green", 20)


def test_TC_2_RE_5_1_the_monitor_shows_the_desk_without_an_engine_and_cannot_start_one(desk: Desk) -> None:
    """TC-2-RE-5-1: no engine: red with the reason, accounts and history still there; no route starts one."""
    instances = desk.database.value("SELECT count(*) FROM engine_instances")
    assert desk.engine.terminate() == 0
    told = desk.until(lambda: (now := desk.status())["status_lamp"] == "red" and now, "red", 10)
    assert told["block_reasons"][0].startswith("stopped at ")
    assert told["accounts"] and told["status"]["symbol"] == "NVDA"
    assert desk.operations("fill")
    routes = desk.get("/openapi.json")["paths"]
    assert not [path for path in routes if "start" in path]
    assert desk.post("/control/start").status_code == 404
    number = desk.ask("retry_ib")
    for_seconds(2.0, lambda: desk.get(f"/control/{number}")["status"] == "pending", "a command without an engine")
    assert desk.database.value("SELECT count(*) FROM engine_instances") <= instances
    assert desk.database.value("SELECT owner IS NULL FROM engine_lease")


def test_TC_2_RE_5_2_what_was_asked_while_no_engine_ran_is_answered_by_the_next(desk: Desk) -> None:
    """TC-2-RE-5-2: a fresh command waits in the database for the engine; one older than a minute is not obeyed."""
    assert desk.engine.terminate() == 0
    fresh = desk.ask("refresh_accounts")
    old = desk.database.value(
        "INSERT INTO daemon_control (command, created_at) VALUES ('flatten', now() - interval '61 s') RETURNING id"
    )
    desk.engine.start()
    assert desk.followed(old)[0] == "expired"
    assert desk.followed(fresh)[0] in ("done", "failed")
    assert not desk.engine.status()["details"].get("hold")


def test_TC_1_RE_4_1_every_service_listens_on_loopback_alone(desk: Desk) -> None:
    """TC-1-RE-4-1: nothing of the desk can be reached from another machine unless it is told so."""
    for pid in (desk.monitor.pid, desk.simulator.pid, desk.pricer.pid, desk.engine.pid):
        assert {address for address, _, _, _ in connections(pid, psutil.CONN_LISTEN)} <= LOOPBACK
    listening = {port for _, port, _, _ in connections(desk.monitor.pid, psutil.CONN_LISTEN)}
    assert listening == {desk.monitor_port}
    addresses = {item.address for items in psutil.net_if_addrs().values() for item in items}
    outside = [ip for ip in addresses if "." in ip and not ip.startswith("127.")]
    for address in outside:
        with pytest.raises(OSError), socket.create_connection((address, desk.monitor_port), timeout=2):
            pass


def test_TC_1_RE_4_2_no_change_without_the_token(desk: Desk) -> None:
    """TC-1-RE-4-2: every POST of the API is refused without the token and with a wrong one, and changes nothing."""
    count = "SELECT (SELECT count(*) FROM daemon_control), (SELECT count(*) FROM settings)"
    before = desk.database.query(count)
    routes = desk.get("/openapi.json")["paths"]
    posts = [path for path, methods in routes.items() if "post" in methods and path != "/session"]
    assert "/control/{command}" in posts and "/config/ib" in posts
    for path in posts:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"bifrost={TOKEN}"}):
            url = desk.url + re.sub(r"\{\w+\}", "stop", path)
            answer = httpx.post(url, json={}, headers=headers, trust_env=False, timeout=10)
            assert answer.status_code == 401, (path, headers, answer.text)
            assert TOKEN not in answer.text
    assert httpx.post(f"{desk.url}/session", json={"token": "wrong"}, trust_env=False).status_code == 401
    assert httpx.get(f"{desk.url}/logs/engine", trust_env=False).status_code == 401
    assert desk.database.query(count) == before
    assert desk.engine.running
