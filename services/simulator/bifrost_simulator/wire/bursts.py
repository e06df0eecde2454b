"""Ticks of one moment as frames: the hot path, encoded once for all clients that get them.

A tick's frame differs between clients only in the request id, so what stands before and after it is made once. The
general codec stays the truth about the layout; a test holds the two together at every version.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bifrost_simulator.api import GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick
from bifrost_simulator.wire.fields import FieldError, format_number, format_text
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME
from bifrost_simulator.wire.readable import readable
from bifrost_simulator.wire.ticks import tick_message

log = logging.getLogger(__name__)

MEMO_NUMBERS = 50_000
"""Numbers whose text is remembered: prices and greeks come again and again, and a look-up beats printing a double."""
_length = struct.Struct(">I").pack
_memo: dict[float, str] = {}


@dataclass(frozen=True, slots=True)
class Burst:
    """Encoded ticks. ``ticks`` and the two others have the same length and order."""

    ticks: tuple[Tick, ...]
    names: tuple[str, ...]
    parts: tuple[tuple[bytes, bytes], ...]

    def frames(self, req_id: int) -> list[bytes]:
        """Whole frames for the request of one client."""
        own = b"%d" % req_id
        extra = len(own)
        return [
            b"%b%b%b%b" % (_length(len(before) + extra + len(after)), before, own, after)
            for before, after in self.parts
        ]

    def fields(self, req_id: int) -> Iterator[dict[str, object]]:
        """The fields of each message as the journal shows them."""
        for tick in self.ticks:
            name, values = tick_message(req_id, tick)
            yield readable(RESPONSE_BY_NAME[name], values)


def encode_burst(ticks: Sequence[Tick], decimal_sizes: bool) -> Burst:
    """Encode ``ticks``; one that cannot be written is logged and left out.

    Parameters
    ----------
    decimal_sizes : bool
        Whether the clients read sizes as decimals (server version 163 and later) or with int().
    """
    kept: list[Tick] = []
    names: list[str] = []
    parts: list[tuple[bytes, bytes]] = []
    for tick in ticks:
        try:
            name, before, after = _encode(tick, decimal_sizes)
            parts.append((before, after.encode("ascii", "backslashreplace")))
        except (FieldError, ValueError, OverflowError, TypeError) as error:
            # One tick that cannot be written must not stop the market that published it.
            log.error("%r cannot be sent: %s", tick, error)
            continue
        kept.append(tick)
        names.append(name)
    return Burst(tuple(kept), tuple(names), tuple(parts))


def _encode(tick: Tick, decimal_sizes: bool) -> tuple[str, bytes, str]:
    """Message name, bytes before the request id, text after it."""
    match tick:
        case PriceTick():
            size = _size(tick.size, decimal_sizes)
            after = f"\0{tick.tick_type:d}\0{_number(tick.price)}\0{size}\0{tick.attributes:d}\0"
            return "tickPrice", b"1\x006\0", after
        case OptionTick():
            figures = (
                f"{_number(tick.iv_annual)}\0{_number(tick.delta)}\0{_number(tick.option_price)}\0"
                f"{_number(tick.pv_dividend)}\0{_number(tick.gamma)}\0{_number(tick.vega)}\0{_number(tick.theta)}\0"
                f"{_number(tick.underlying_price)}\0"
            )
            return "tickOptionComputation", b"21\0", f"\0{tick.tick_type:d}\0{1 if tick.price_based else 0}\0{figures}"
        case SizeTick():
            return "tickSize", b"2\x006\0", f"\0{tick.tick_type:d}\0{_size(tick.size, decimal_sizes)}\0"
        case GenericTick():
            return "tickGeneric", b"45\x006\0", f"\0{tick.tick_type:d}\0{_number(tick.value)}\0"
        case StringTick():
            return "tickString", b"46\x006\0", f"\0{tick.tick_type:d}\0{format_text(tick.value)}\0"


def _size(value: float, decimal_sizes: bool) -> str:
    return _number(value) if decimal_sizes else str(int(value))


def _number(value: float) -> str:
    """`format_number`, remembered."""
    text = _memo.get(value)
    if text is None:
        text = format_number(value)
        if len(_memo) >= MEMO_NUMBERS:
            _memo.clear()
        if value == value:  # NaN equals nothing: it would be added again each time
            _memo[value] = text
    return text
