"""Frames and the handshake: the bytes below the messages (tws-protocol.md §2)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

API_PREFIX = b"API\0"
MAX_FRAME_BYTES = 1 << 20
"""A client's longest honest message is a few kilobytes; beyond this the peer is not a TWS client."""
_LENGTH = struct.Struct(">I")
_VERSIONS = re.compile(rb"v(\d{1,5})(?:\.\.(\d{1,5}))?(?: (.*))?", re.DOTALL)


class FrameError(ValueError):
    """Bytes that are not frames; the session cannot go on because every later boundary would be a guess."""


def encode_frame(payload: bytes) -> bytes:
    """Prefix ``payload`` with its big-endian length."""
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into payloads, whatever the chunking.

    Parameters
    ----------
    expect_api_prefix : bool
        The very first bytes of a client are ``API`` and a NUL, before its first frame.
    max_frame_bytes : int
        Longest payload accepted.
    """

    def __init__(self, *, expect_api_prefix: bool = True, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._awaits_prefix = expect_api_prefix
        self._max_frame_bytes = max_frame_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that has not arrived whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payloads that ``data`` completes; to be exhausted before the next call.

        Raises
        ------
        FrameError
            When the stream does not begin with the API prefix or announces an empty or oversized frame.
        """
        buffer = self._buffer
        buffer += data
        if self._awaits_prefix and not self._take_prefix():
            return
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not 0 < length <= self._max_frame_bytes:
                raise FrameError(f"frame of {length} bytes announced, between 1 and {self._max_frame_bytes} are taken")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            yield bytes(buffer[start + _LENGTH.size : end])
            start = end
        del buffer[:start]

    def _take_prefix(self) -> bool:
        head = bytes(self._buffer[: len(API_PREFIX)])
        if not API_PREFIX.startswith(head):
            raise FrameError(f"the stream begins with {head!r} and not with {API_PREFIX!r}: no TWS API client")
        if len(head) < len(API_PREFIX):
            return False
        del self._buffer[: len(API_PREFIX)]
        self._awaits_prefix = False
        return True


def parse_version_range(payload: bytes) -> tuple[int, int, str]:
    """Parse ``v<min>..<max>[ <options>]``, the client's first frame; it ends without a NUL.

    Returns
    -------
    tuple
        Lowest and highest server version the client speaks, and its connect options.
    """
    match = _VERSIONS.fullmatch(payload.rstrip(b"\0"))
    if match is None:
        raise FrameError(f"handshake {payload[:40]!r} is not v<min>..<max>")
    lowest = int(match[1])
    highest = int(match[2]) if match[2] else lowest
    if highest < lowest:
        raise FrameError(f"handshake {payload[:40]!r} has a highest version below its lowest")
    return lowest, highest, (match[3] or b"").decode("ascii", "backslashreplace")


def split_fields(payload: bytes) -> list[str]:
    """Split a payload into its NUL-terminated fields."""
    fields = payload.decode("utf-8", "backslashreplace").split("\0")
    if fields[-1] == "":
        fields.pop()
    return fields
