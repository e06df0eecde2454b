"""Rows as JSON that every reader takes: RFC 3339 times, text for identifiers, null for what is no number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from .times import rfc3339


def plain(value: Any) -> Any:
    """``value`` as JSON knows it. NaN and infinities, which PostgreSQL stores and JSON does not have, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else str(value)


def encode(answer: Mapping[str, Any]) -> bytes:
    """``answer`` as JSON text; cleaned only where that is needed, because nearly no answer needs it."""
    try:
        text = json.dumps(answer, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(plain(answer), separators=(",", ":"), allow_nan=False)
    return text.encode()
