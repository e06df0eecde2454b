"""What one client asked to be told again and again."""

from __future__ import annotations

from dataclasses import dataclass, field

from bifrost_simulator.wire.layout import Values


@dataclass(slots=True)
class Subscriptions:
    """Market data excepted: that the world keeps."""

    positions: bool = False
    account: str | None = None
    summaries: dict[int, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
    positions_multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    accounts_multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    pnl: dict[int, str] = field(default_factory=dict)
    pnl_single: dict[int, tuple[str, int]] = field(default_factory=dict)
    pnl_sent: dict[int, Values] = field(default_factory=dict)
    bar_formats: dict[int, int] = field(default_factory=dict)
