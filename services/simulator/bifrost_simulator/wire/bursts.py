"""Ticks of one moment as frames: the hot path, encoded once for all clients that get them.

A tick's frame differs between clients only in the request id, so what stands before and after it is made once. The
general codec stays the truth about the layout; a test holds the two together at every version.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bifrost_simulator.api import GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick, TickType
from bifrost_simulator.wire.fields import FieldError, format_number, format_text
from bifrost_simulator.wire.framing import encode_frame
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME
from bifrost_simulator.wire.readable import readable
from bifrost_simulator.wire.ticks import tick_message

log = logging.getLogger(__name__)

MEMO_NUMBERS = 50_000
"""Numbers whose text is remembered: prices and greeks come again and again, and a look-up beats printing a double."""
_LONGEST = 512
"""Bytes of a frame whose length prefix is kept ready."""
_length = struct.Struct(">I").pack


class _Texts(dict[float, bytes]):
    """`format_number` of every number asked for, remembered."""

    def __missing__(self, value: float) -> bytes:
        text = format_number(value).encode("ascii")
        if len(self) >= MEMO_NUMBERS:
            self.clear()
        if value == value:  # NaN equals nothing: it would be added again each time
            self[value] = text
        return text


_texts = _Texts()
_heads = [b"\0%d" % tick_type for tick_type in range(max(TickType) + 1)]
"""What follows the request id: the NUL that ends it, and the tick type."""
_join = b"\0".join
_Size = Callable[[float], bytes]
_Encode = Callable[[Any, _Size], bytes]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What bursts of the same kinds of ticks have in common."""

    names: tuple[str, ...]
    encoders: tuple[_Encode, ...]
    prefixes: tuple[list[bytes], ...]
    """Of each tick: length and bytes before the request id, by the length of the payload."""
    befores: tuple[bytes, ...]


class Burst:
    """Encoded ticks, to be sent under any request id.

    Attributes
    ----------
    ticks, names : tuple
        What is in it and the names of the messages, in the order of the frames.
    """

    __slots__ = ("_joints", "_shape", "_tails", "names", "ticks")

    def __init__(self, ticks: Sequence[Tick], shape: _Shape, tails: list[bytes]) -> None:
        self.ticks = ticks
        self.names = shape.names
        self._shape = shape
        self._tails = tails
        self._joints: tuple[int, list[bytes]] = (0, [])

    def data(self, req_id: int) -> bytes:
        """All frames for the request of one client."""
        own = b"%d" % req_id
        digits, joints = self._joints
        if digits != len(own):
            digits, joints = self._joints = len(own), self._joined(len(own))
        # The id stands once in every frame, so the frames are what lies between the ids, joined by the id.
        return own.join(joints)

    def frames(self, req_id: int) -> list[bytes]:
        """The same, frame by frame."""
        own = b"%d" % req_id
        befores = self._shape.befores
        return [encode_frame(before + own + tail) for before, tail in zip(befores, self._tails, strict=True)]

    def _joined(self, digits: int) -> list[bytes]:
        joints, last = [], b""
        for prefixes, before, tail in zip(self._shape.prefixes, self._shape.befores, self._tails, strict=False):
            length = len(tail) + digits
            joints.append(last + (prefixes[length] if length < _LONGEST else _prefix(before, length)))
            last = tail
        joints.append(last)
        return joints if self._tails else []

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
    kinds = tuple(map(type, ticks))
    shape = _shapes.get(kinds) or _shape(kinds)
    try:
        return Burst(ticks, shape, [encode(tick, size) for encode, tick in zip(shape.encoders, ticks, strict=False)])
    except _UNWRITABLE:
        good = [tick for tick in ticks if _is_writable(tick, size)]
        return encode_burst(good, decimal_sizes)


def _is_writable(tick: Tick, size: _Size) -> bool:
    """False, with a line in the log, for a tick that cannot be written: it must not stop the market's others."""
    try:
        _KINDS[type(tick)][2](tick, size)
    except _UNWRITABLE as error:
        log.error("%r cannot be sent: %s", tick, error)
        return False
    return True


_UNWRITABLE = (FieldError, ValueError, OverflowError, TypeError)


# Joined and not formatted: ``%`` takes half as long again.


def _price(tick: PriceTick, size: _Size) -> bytes:
    return _join((_heads[tick.tick_type], _texts[tick.price], size(tick.size), b"%d\0" % tick.attributes))


def _computation(tick: OptionTick, _: _Size) -> bytes:
    texts = _texts
    return _join(
        (
            _heads[tick.tick_type],
            b"1" if tick.price_based else b"0",
            texts[tick.iv_annual],
            texts[tick.delta],
            texts[tick.option_price],
            texts[tick.pv_dividend],
            texts[tick.gamma],
            texts[tick.vega],
            texts[tick.theta],
            texts[tick.underlying_price],
            b"",
        )
    )


def _plain_size(tick: SizeTick, size: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, size(tick.size))


def _generic(tick: GenericTick, _: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, _texts[tick.value])


def _string(tick: StringTick, _: _Size) -> bytes:
    return b"\0%d\0%b\0" % (tick.tick_type, format_text(tick.value).encode("ascii", "backslashreplace"))


#: Kind of tick → name of its message, bytes before the request id, and what makes the bytes after it.
_KINDS: dict[type, tuple[str, bytes, _Encode]] = {
    PriceTick: ("tickPrice", b"1\x006\0", _price),
    OptionTick: ("tickOptionComputation", b"21\0", _computation),
    SizeTick: ("tickSize", b"2\x006\0", _plain_size),
    GenericTick: ("tickGeneric", b"45\x006\0", _generic),
    StringTick: ("tickString", b"46\x006\0", _string),
}
_shapes: dict[tuple[type, ...], _Shape] = {}
MOST_SHAPES = 2_000


def _shape(kinds: tuple[type, ...]) -> _Shape:
    rows = [_KINDS[kind] for kind in kinds]
    if len(_shapes) >= MOST_SHAPES:
        _shapes.clear()
    made = _shapes[kinds] = _Shape(
        names=tuple(name for name, _, _ in rows),
        encoders=tuple(encode for _, _, encode in rows),
        prefixes=tuple(_PREFIXES[before] for _, before, _ in rows),
        befores=tuple(before for _, before, _ in rows),
    )
    return made


def _prefix(before: bytes, length: int) -> bytes:
    """Length of a frame and its bytes before the request id; ``length`` is that of the id and what follows it."""
    return _length(len(before) + length) + before


_PREFIXES = {before: [_prefix(before, length) for length in range(_LONGEST)] for _, before, _ in _KINDS.values()}


def _whole(value: float) -> bytes:
    return b"%d" % int(value)


def _number(value: float) -> bytes:
    return _texts[value]
