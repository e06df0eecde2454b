"""Windows of the week in New York wall time, such as IB's nightly reset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

NEW_YORK = ZoneInfo("America/New_York")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EDGE = r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s+)?(\d{1,2}):(\d{2})"
_WINDOW = re.compile(rf"\s*{_EDGE}\s*[-–]\s*{_EDGE}\s*", re.IGNORECASE)
_MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class WeekWindow:
    """A window written ``HH:MM-HH:MM`` (each day) or ``Ddd HH:MM-Ddd HH:MM`` (once a week), New York time.

    The start is inside, the end is outside; a window may pass midnight or the end of the week.
    """

    text: str
    start_minute: int
    end_minute: int
    weekly: bool

    @classmethod
    def parse(cls, text: str) -> WeekWindow:
        match = _WINDOW.fullmatch(text)
        if not match:
            raise ValueError("write a window as '23:45-00:45' (daily) or 'Fri 23:00-Sat 03:00' (weekly)")
        start_day, start_h, start_m, end_day, end_h, end_m = match.groups()
        if (start_day is None) != (end_day is None):
            raise ValueError("name a weekday at both ends of a window or at neither")
        weekly = start_day is not None
        start = _minute(start_day, start_h, start_m)
        end = _minute(end_day, end_h, end_m)
        if start == end:
            raise ValueError("a window's start and end must differ")
        return cls(" ".join(text.split()).replace("–", "-"), start, end, weekly)

    def contains(self, moment: datetime) -> bool:
        """Whether an aware ``moment`` lies in the window."""
        local = moment.astimezone(NEW_YORK)
        minute = local.hour * 60 + local.minute
        if self.weekly:
            minute += local.weekday() * _MINUTES_A_DAY
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema()),
            python_schema=core_schema.no_info_plain_validator_function(_validate),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def _minute(day: str | None, hour: str, minute: str) -> int:
    hours, minutes = int(hour), int(minute)
    if hours > 23 or minutes > 59:
        raise ValueError(f"{hour}:{minute} is not a time of day")
    base = _DAYS.index(day.capitalize()) * _MINUTES_A_DAY if day else 0
    return base + hours * 60 + minutes


def _validate(value: object) -> WeekWindow:
    if isinstance(value, WeekWindow):
        return value
    if isinstance(value, str):
        return WeekWindow.parse(value)
    raise ValueError("write a window as a text such as '23:45-00:45'")
