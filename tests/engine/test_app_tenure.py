"""Which account trades: the configured one, else the only one; never a guess (engine.md section 6)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from bifrost_engine.app.daemon_state import DaemonStatus
from bifrost_engine.app.service_ports import GatewayUnavailable, Login
from bifrost_engine.app.tenure import Tenure

from tests.engine.rig import rules
from tests.engine.test_app_trail import parts


def chosen(account: str, managed: tuple[str, ...]) -> tuple[str, list[str]]:
    """The account that trades, and the books that were opened."""
    opened: list[str] = []
    with_account = replace(parts([]), rules=rules(ib__account=account) if account else rules())
    tenure = Tenure(with_account, 1, DaemonStatus(), stop=lambda reason, command_id: None)

    async def open_book(name: str) -> None:
        opened.append(name)
        tenure._account = name

    tenure._open_book = open_book  # type: ignore[method-assign]
    return asyncio.run(tenure.prepare(Login(managed, 1, "127.0.0.1:4002"))), opened


@pytest.mark.parametrize(
    ("account", "managed", "expected"),
    [("", ("DU1",), "DU1"), ("DU2", ("DU1", "DU2"), "DU2"), ("DU1", ("DU1",), "DU1")],
)
def test_the_configured_account_trades_else_the_only_one(account: str, managed: tuple[str, ...], expected: str) -> None:
    assert chosen(account, managed) == (expected, [expected])


@pytest.mark.parametrize(
    ("account", "managed", "reason"),
    [
        ("", ("DU1", "DU2"), "manages DU1, DU2: name the one that trades in ib.account"),
        ("DU3", ("DU1", "DU2"), "manages DU1, DU2, not ib.account DU3"),
    ],
)
def test_an_account_is_never_guessed(account: str, managed: tuple[str, ...], reason: str) -> None:
    with pytest.raises(GatewayUnavailable, match=reason):
        chosen(account, managed)
