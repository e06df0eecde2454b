"""Line charts as SVG text: no script, no font, no address, the same points give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from html import escape

from bifrost.calendar import NEW_YORK

_WIDTH, _HEIGHT = 900, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 12, 14, 26


def line_chart(
    title: str, times_s: Sequence[float], values: Sequence[float], *, unit: str, band: float | None = None
) -> str:
    """One line over market time; nights and weekends take no room. ``band`` draws ±band around zero."""
    if not values:
        return f'<figure><figcaption>{escape(title)}</figcaption><p class="none">nothing to draw</p></figure>'
    low, high = min(values), max(values)
    if band is not None:
        low, high = min(low, -band), max(high, band)
    if low == high:
        low, high = low - 1, high + 1
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(index: float) -> float:
        return _LEFT + width * index / max(1, len(values) - 1)

    def y(value: float) -> float:
        return _TOP + height * (high - value) / (high - low)

    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in ticks
    ]
    if band is not None:
        parts.append(
            f'<rect class="band" x="{_LEFT}" width="{width}" y="{y(band):.1f}" height="{y(-band) - y(band):.1f}"/>'
        )
    for index, label in _labels(times_s):
        parts.append(f'<text x="{x(index):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>')
    points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in enumerate(values))
    parts.append(f'<polyline points="{points}"/>')
    caption = f"{escape(title)} <span>({escape(unit)})</span>"
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round values that span the range."""
    raw = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.2f}"


def _labels(times_s: Sequence[float]) -> list[tuple[int, str]]:
    """The first point of each day; within one day the time at six places."""
    moments = [datetime.fromtimestamp(at_s, NEW_YORK) for at_s in times_s]
    days = [index for index, moment in enumerate(moments) if index == 0 or moment.date() != moments[index - 1].date()]
    if len(days) == 1:
        places = sorted({round(part * (len(moments) - 1) / 5) for part in range(6)})
        return [(index, f"{moments[index]:%H:%M}") for index in places]
    every = max(1, len(days) // 8)
    return [(index, f"{moments[index]:%d %b}") for index in days[::every]]


def scatter(title: str, points: Sequence[tuple[float, float, str]], *, across: str, up: str) -> str:
    """Points ``(x, y, name)`` from zero; what stands before a name's colon is written beside it, all of it on hover."""
    if not points:
        return f'<figure><figcaption>{escape(title)}</figcaption><p class="none">nothing to draw</p></figure>'
    right, top = max(x for x, _, _ in points) or 1.0, max(y for _, y, _ in points) or 1.0
    columns, rows = _ticks(0.0, right), _ticks(0.0, top)
    right, top = columns[-1], rows[-1]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    parts = []
    for tick in rows:
        y = _TOP + height * (1 - tick / top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in columns:
        x = _LEFT + width * tick / right
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{_number(tick)}</text>')
    for x_value, y_value, name in points:
        x, y = _LEFT + width * x_value / right, _TOP + height * (1 - y_value / top)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(name)}</title></circle>')
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}">{escape(name.split(":")[0])}</text>')
    caption = f"{escape(title)} <span>({escape(up)} against {escape(across)})</span>"
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )
