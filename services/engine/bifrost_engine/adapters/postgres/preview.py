"""``flatten --dry-run``: what flatten would do now, out of what the running engine last wrote."""

from __future__ import annotations

import math
from contextlib import closing

from bifrost.config import LoadedConfig
from bifrost.db import DatabaseUnavailable, connect
from bifrost.db.queries.status import StatusRow, status_current


def flatten_preview(loaded: LoadedConfig, target: str) -> list[str]:
    """Lines for the operator.

    Raises
    ------
    DatabaseUnavailable
        When there is no database, or no engine has ever written a status.
    """
    with closing(connect(loaded.config, service="engine")) as conn:
        status = status_current(conn)
    if status is None:
        raise DatabaseUnavailable("no engine has written a status yet: nothing is known to flatten")
    return _lines(loaded, status, target)


def _lines(loaded: LoadedConfig, status: StatusRow, target: str) -> list[str]:
    own = int(status.details.get("ledger_shares") or 0)
    lines = [
        f"{status.account} ({status.mode}), {status.symbol}, {status.daemon_state}: status {status.age_s:.0f} s old",
        f"own shares {own:+d}",
    ]
    goal = 0
    if target == "delta":
        option_delta = status.details.get("option_delta")
        if option_delta is None:
            return [*lines, "flatten --target delta would be refused: the option delta is not known"]
        wanted = -round(float(option_delta))
        # Reduce-only: never more than we hold, never across zero.
        goal = max(0, min(own, wanted)) if own >= 0 else min(0, max(own, wanted))
        lines.append(f"option delta {float(option_delta):+.1f} shares, so own shares shall end at {goal:+d}")
    shares = goal - own
    if shares == 0:
        return [*lines, "nothing to do: own shares are at the target"]
    slice_shares = loaded.config.gates.intent.hedge.max_hedge_shares_per_order
    count = math.ceil(abs(shares) / slice_shares)
    side = "BUY" if shares > 0 else "SELL"
    touch = status.ask if shares > 0 else status.bid
    lines.append(f"{side} {abs(shares)} in {count} order{'s' if count > 1 else ''} of at most {slice_shares}")
    if touch:
        lines.append(f"about {abs(shares) * touch:,.2f} USD at {touch:.2f}")
    lines += [f"in the way now: {reason}" for reason in status.block_reasons]
    return [*lines, "nothing was sent: the running engine flattens by the command"]
