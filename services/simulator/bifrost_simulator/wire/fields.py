"""Text forms of single wire fields: numbers, booleans, tag lists and IB's "not set" sentinels.

Every payload is ASCII text, so what matters is which spelling each client accepts (tws-protocol.md §2, §10).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

UNSET_DOUBLE = 1.7976931348623157e308
"""The largest double, which IB's clients use for "no value"."""
UNSET_DOUBLE_TEXT = "1.7976931348623157E308"
"""The gateway's spelling of it. The capital E matters: ib_insync compares the lower-case text (§7, whatIf)."""
UNSET_INT = 2_147_483_647
UNSET_LONG = 9_223_372_036_854_775_807

_INFINITE = {"infinite": math.inf, "infinity": math.inf, "-infinite": -math.inf, "-infinity": -math.inf}


class FieldError(ValueError):
    """A field, or a whole message, that does not fit its place; the text names the field and what arrived."""


def format_number(value: float | Decimal | None) -> str:
    """Return the shortest text that every client parses back to ``value``; None is the empty field.

    Integral floats lose their ``.0``: ibapi at 157 reads sizes with ``int()`` (gotcha G4).
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        # Every client reads this spelling; ib_insync writes "Infinite" but cannot read it.
        return "Infinity" if number > 0 else "-Infinity"
    if number == UNSET_DOUBLE:
        return UNSET_DOUBLE_TEXT
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return repr(number)


def format_bool(value: object) -> str:
    return "1" if value else "0"


def format_text(value: object) -> str:
    """Return ``value`` without NULs, which would shift every field behind it."""
    return "" if value is None else str(value).replace("\0", " ")


def parse_float(text: str, name: str) -> float | None:
    """Return the number in ``text``; None for the empty field and for IB's unset sentinel."""
    if not text:
        return None
    special = _INFINITE.get(text.lower())
    if special is not None:
        return special
    try:
        number = float(text)
    except ValueError:
        raise FieldError(f"{name}: {shorten(text)!r} is not a number") from None
    if math.isnan(number):
        raise FieldError(f"{name}: {shorten(text)!r} is not a number")
    if math.isinf(number):
        raise FieldError(f"{name}: {shorten(text)!r} is beyond the range of a double")
    return None if number == UNSET_DOUBLE else number


def parse_int(text: str, name: str) -> int | None:
    """Return the whole number in ``text``, which may be spelled as a float (``100.0``); None when unset."""
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        value = parse_float(text, name)
        if value is None:
            return None
        if not math.isfinite(value) or not value.is_integer():
            raise FieldError(f"{name}: {shorten(text)!r} is not a whole number") from None
        number = int(value)
    if abs(number) > UNSET_LONG:
        raise FieldError(f"{name}: {shorten(text)!r} does not fit 64 bits")
    return None if number in (UNSET_INT, UNSET_LONG) else number


def parse_bool(text: str, name: str) -> bool:
    """Return the flag; clients send ``1``/``0``, older ones ``true``/``false``, unset is false."""
    lowered = text.lower()
    if lowered in ("", "0", "false"):
        return False
    if lowered in ("1", "true"):
        return True
    number = parse_int(text, name)
    return bool(number)


def parse_tags(text: str) -> dict[str, str]:
    """Parse ``tag=value;tag=value;`` as ib_insync writes option lists."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {tag: value for tag, _, value in pairs}


def format_tags(value: Mapping[str, str] | Iterable[tuple[str, str]] | None) -> str:
    if not value:
        return ""
    pairs = value.items() if isinstance(value, Mapping) else value
    return "".join(f"{format_text(tag)}={format_text(item)};" for tag, item in pairs)


def shorten(text: str, limit: int = 40) -> str:
    """``text`` cut for an error message: a hostile field may be megabytes long."""
    return text if len(text) <= limit else f"{text[:limit]}…"
