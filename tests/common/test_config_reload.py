"""Hot reload: the whole configuration or none of it, and never from paper to live."""

from __future__ import annotations

from pathlib import Path

import pytest
from bifrost.config import ConfigError, RestartRequired, config_from, diff, load_config, reload, restart_required


def test_reload_takes_a_good_change_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("gates: {state: {delta: {epsilon_band: 5}}}\n")
    running = load_config(file, env={}, overrides={"order.pay_up_ticks": 2})
    file.write_text("gates: {state: {delta: {epsilon_band: 6}}}\n")
    changed = reload(running, env={})
    assert [str(change) for change in diff(running.config, changed.config)] == [
        "gates.state.delta.epsilon_band: 5.0 → 6.0"
    ]
    assert changed.config.order.pay_up_ticks == 2 and changed.hash != running.hash


def test_reload_keeps_the_old_one_when_the_new_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("symbol: NVDA\n")
    running = load_config(file, env={})
    file.write_text("gates: {state: {delta: {epsilon_band: 600}}}\n")
    with pytest.raises(ConfigError, match="must be below"):
        reload(running, env={})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gates: {guard: {risk: {paper_trade: false}}}", "gates.guard.risk.paper_trade"),
        ("gates: {guard: {risk: {allow_live: true}}}", "gates.guard.risk.allow_live"),
        ("symbol: TWX", "symbol"),
        ("ib: {account: U1}", "ib.account"),
        ("status: {postgres: {host: other}}", "status.postgres.host"),
    ],
)
def test_some_keys_need_a_restart(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("symbol: NVDA\n")
    running = load_config(file, env={})
    file.write_text(text + "\n")
    with pytest.raises(RestartRequired, match="needs a restart") as caught:
        reload(running, env={})
    assert [problem.key for problem in caught.value.problems] == [key]


def test_diff_never_shows_a_password() -> None:
    before = config_from({"status": {"postgres": {"password": "alpha-secret"}}})
    after = config_from({"status": {"postgres": {"password": "beta-secret"}}})
    (change,) = restart_required(before, after)
    assert change.key == "status.postgres.password" and "secret" not in str(change)
