"""What of a message is worth a line in the journal, and which request an unreadable one belongs to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bifrost_simulator.wire.fields import FieldError, parse_int
from bifrost_simulator.wire.layout import Field, MessageSpec

LONG_MESSAGE_FIELDS = 40
"""Orders have over a hundred fields, nearly all unset; of such messages only the set ones are shown."""
_ALWAYS = frozenset({"orderId", "orderRef", "action", "totalQuantity", "orderType", "lmtPrice", "account", "permId"})
_UNSET: tuple[object, ...] = (None, "", False, 0)


def readable(spec: MessageSpec, values: Mapping[str, Any]) -> dict[str, object]:
    """Return the fields of one message for the journal, JSON values only."""
    if len(spec.field_names) < LONG_MESSAGE_FIELDS:
        return {name: _plain(value) for name, value in values.items()}
    return {
        name: _plain(value)
        for name, value in values.items()
        if name in _ALWAYS or not (value in _UNSET or value in ([], {}))
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def request_id(spec: MessageSpec, fields: Sequence[str], version: int) -> int:
    """The request or order id of a message that does not parse; -1 when even that is not to be had.

    A client whose order cannot be read must hear so under the order's id, or it waits for ever in PendingSubmit.
    """
    for position, item in enumerate(spec.plan(version)):
        if isinstance(item, Field) and item.name in ("reqId", "orderId"):
            try:
                number = parse_int(fields[position], item.name) if position < len(fields) else None
            except FieldError:
                return -1
            return -1 if number is None else number
    return -1
