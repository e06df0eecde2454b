"""Parameters that several routes take, and what is said when they are wrong."""

from __future__ import annotations

import base64
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import JSONResponse

from .errors import ApiError
from .json_text import plain
from .services import Services, services_of
from .times import parse_rfc3339

Wired = Annotated[Services, Depends(services_of)]
Limit = Annotated[int, Query(ge=1, le=1000, description="rows at most")]
SinceTs = Annotated[str | None, Query(description="market time, RFC 3339, inclusive")]
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")]
Text = Annotated[str | None, Query(max_length=200)]
RowId = int
LARGEST_ID = 2**63 - 1
"""What a bigserial column can hold: a larger number is no id of ours."""


def page(name: str, rows: list[dict[str, Any]], limit: int) -> JSONResponse:
    """One page; a row more than asked for had been read to know whether there is another."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = encode_cursor(shown[-1]["ts"], shown[-1]["id"]) if more and shown else None
    return JSONResponse({name: [plain(row) for row in shown], "next_cursor": cursor})


def encode_cursor(ts: datetime | None, row_id: int) -> str:
    """Where the next page begins, as opaque text."""
    text = f"{ts.isoformat() if ts else ''}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> tuple[datetime | None, int] | None:
    """The pair that `encode_cursor` was given; 422 for any other text."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        ts, row_id = text.split("|")
        found = (datetime.fromisoformat(ts) if ts else None), int(row_id)
        if not 0 <= found[1] <= LARGEST_ID or (found[0] is not None and found[0].tzinfo is None):
            raise ValueError(text)
    except ValueError:
        reason = f"cursor = {cursor!r} is none of ours: use next_cursor of the page before"
        raise ApiError(422, "invalid", reason) from None
    return found


def times(since: str | None, until: str | None, names: tuple[str, str] = ("since_ts", "until_ts")) -> dict[str, Any]:
    """``since_ts`` and ``until_ts`` as moments; 422 when they are none or in the wrong order."""
    begin, end = moment(since, names[0]), moment(until, names[1])
    if begin is not None and end is not None and begin > end:
        raise ApiError(422, "invalid", f"{names[0]} = {since!r} is after {names[1]} = {until!r}")
    return {"since_ts": begin, "until_ts": end}


def moment(text: str | None, name: str) -> datetime | None:
    """A time with its zone; 422 for anything else."""
    if text is None:
        return None
    try:
        return parse_rfc3339(text, name)
    except (ValueError, OverflowError) as error:
        raise ApiError(422, "invalid", str(error)) from None


def days(since: str | None, until: str | None) -> tuple[date | None, date | None]:
    """``from`` and ``to`` as trading days; 422 when they are none or in the wrong order."""
    begin, end = day(since, "from"), day(until, "to")
    if begin is not None and end is not None and begin > end:
        raise ApiError(422, "invalid", f"from = {since!r} is after to = {until!r}")
    return begin, end


def day(text: str | None, name: str) -> date | None:
    """A calendar date; 422 for anything else."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ApiError(422, "invalid", f"{name} = {text!r} is no date; write 2026-03-20") from None


def text_filter(text: str | None, name: str) -> str | None:
    """A text that PostgreSQL can hold: 422 for one with a NUL."""
    if text is not None and "\x00" in text:
        raise ApiError(422, "invalid", f"{name} = {text!r} holds a NUL character")
    return text
