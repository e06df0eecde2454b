"""Who may change something, asked of the guard alone: no database, no server."""

from __future__ import annotations

from pathlib import Path

import pytest
from bifrost.config.load import load_config
from bifrost_monitor import security
from bifrost_monitor.errors import ApiError
from bifrost_monitor.settings import monitor_settings
from fastapi import Request

TOKEN = "a-token-of-the-tests"


def guard(home: Path) -> security.Guard:
    env = {"BIFROST_TOKEN": TOKEN, "BIFROST_HOME": str(home)}
    return security.Guard(monitor_settings(load_config(env=env), env))


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/control/stop", "headers": raw, "client": ("::1", 5)})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer "},
        {"cookie": f"bifrost_session_8000={TOKEN}"},
        {"cookie": "bifrost_session_8000="},
        {"x_bifrost": TOKEN},
    ],
)
def test_nobody_without_the_token_changes_anything(tmp_path: Path, headers: dict[str, str]) -> None:
    """INV-K3."""
    with pytest.raises(ApiError) as refused:
        guard(tmp_path).require_change(request(**headers))
    assert refused.value.status == 401
    assert TOKEN not in str(refused.value.__dict__)


def test_who_has_the_token_changes(tmp_path: Path) -> None:
    assert str(guard(tmp_path).require_change(request(authorization=f"Bearer {TOKEN}"))) == "token@::1"


def test_the_cookie_is_made_of_the_token_and_does_not_show_it() -> None:
    """INV-K5."""
    made = security.cookie_value(TOKEN)
    assert TOKEN not in made and made == security.cookie_value(TOKEN) != security.cookie_value(TOKEN + "x")
