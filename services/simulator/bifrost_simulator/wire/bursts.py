"""Ticks of one moment as frames: the hot path, encoded once for all clients that get them.

A tick's frame differs between clients only in the request id, so what stands before and after it is made once. The
general codec stays the truth about the layout; a test holds the two together at every version.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bifrost_simulator.api import GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick
from bifrost_simulator.wire.fields import FieldError, format_number, format_text
from bifrost_simulator.wire.framing import encode_frame
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME
from bifrost_simulator.wire.readable import readable
from bifrost_simulator.wire.ticks import tick_message

log = logging.getLogger(__name__)

MEMO_NUMBERS = 50_000
"""Numbers whose text is remembered: prices and greeks come again and again, and a look-up beats printing a double."""
_length = struct.Struct(">I").pack
_memo: dict[float, bytes] = {}


class Burst:
    """Encoded ticks, to be sent under any request id.

    Attributes
    ----------
    ticks, names : tuple
        What is in it and the names of the messages, in the order of the frames.
    """

    __slots__ = ("_joints", "_parts", "names", "ticks")

    def __init__(self, ticks: tuple[Tick, ...], names: tuple[str, ...], parts: list[tuple[bytes, bytes]]) -> None:
        self.ticks = ticks
        self.names = names
        self._parts = parts
        self._joints: dict[int, list[bytes]] = {}

    def data(self, req_id: int) -> bytes:
        """All frames for the request of one client."""
        own = b"%d" % req_id
        joints = self._joints.get(len(own))
        if joints is None:
            joints = self._joints[len(own)] = self._joined(len(own))
        # The id stands once in every frame, so the frames are what lies between the ids, joined by the id.
        return own.join(joints)

    def frames(self, req_id: int) -> list[bytes]:
        """The same, frame by frame."""
        own = b"%d" % req_id
        return [encode_frame(before + own + after) for before, after in self._parts]

    def _joined(self, digits: int) -> list[bytes]:
        joints = []
        last = b""
        for before, after in self._parts:
            joints.append(last + _length(len(before) + digits + len(after)) + before)
            last = after
        return [*joints, last] if joints else []

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
    size = _number if decimal_sizes else _whole
    kept: list[Tick] = []
    names: list[str] = []
    parts: list[tuple[bytes, bytes]] = []
    for tick in ticks:
        try:
            name, before, encode = _KINDS[type(tick)]
            parts.append((before, encode(tick, size)))
        except (FieldError, ValueError, OverflowError, TypeError) as error:
            # One tick that cannot be written must not stop the market that published it.
            log.error("%r cannot be sent: %s", tick, error)
            continue
        kept.append(tick)
        names.append(name)
    return Burst(tuple(kept), tuple(names), parts)


_Size = Callable[[float], bytes]


def _price(tick: PriceTick, size: _Size) -> bytes:
    return b"\0%d\0%b\0%b\0%d\0" % (tick.tick_type, _number(tick.price), size(tick.size), tick.attributes)


def _computation(tick: OptionTick, _: _Size) -> bytes:
    return b"\0%d\0%d\0%b\0%b\0%b\0%b\0%b\0%b\0%b\0%b\0" % (
        tick.tick_type,
        1 if tick.price_based else 0,
        _number(tick.iv_annual),
        _number(tick.delta),
        _number(tick.option_price),
        _number(tick.pv_dividend),
        _number(tick.gamma),
        _number(tick.vega),
        _number(tick.theta),
        _number(tick.underlying_price),
    )


def _plain_size(tick: SizeTick, size: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, size(tick.size))


def _generic(tick: GenericTick, _: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, _number(tick.value))


def _string(tick: StringTick, _: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, format_text(tick.value).encode("ascii", "backslashreplace"))


#: Kind of tick → name of its message, bytes before the request id, and what makes the bytes after it.
_KINDS: dict[type, tuple[str, bytes, Callable[[Any, _Size], bytes]]] = {
    PriceTick: ("tickPrice", b"1\x006\0", _price),
    OptionTick: ("tickOptionComputation", b"21\0", _computation),
    SizeTick: ("tickSize", b"2\x006\0", _plain_size),
    GenericTick: ("tickGeneric", b"45\x006\0", _generic),
    StringTick: ("tickString", b"46\x006\0", _string),
}


def _whole(value: float) -> bytes:
    return b"%d" % int(value)


def _number(value: float) -> bytes:
    """`format_number`, remembered."""
    try:
        return _memo[value]
    except KeyError:
        text = format_number(value).encode("ascii")
    if len(_memo) >= MEMO_NUMBERS:
        _memo.clear()
    if value == value:  # NaN equals nothing: it would be added again each time
        _memo[value] = text
    return text
