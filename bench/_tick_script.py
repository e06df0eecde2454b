"""The ticks of the bench: made once, the same for the gateway and for its peers.

A round is one publication of every contract, with the mix that an option's line carries: two prices, a size, and the
computations of bid, ask and model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bifrost_simulator.api import OptionTick, PriceTick, SizeTick, Tick, TickType
from bifrost_simulator.wire.framing import encode_frame
from bifrost_simulator.wire.messages import RESPONSE_BY_NAME
from bifrost_simulator.wire.ticks import tick_message

CHUNK_BYTES = 8192
TICKS_A_LINE = 6
START_MARK, END_MARK = "bench begins", "bench ends"


def ticks_of(contract: int, number: int) -> list[Tick]:
    """What contract ``contract`` publishes in round ``number``; every round changes every value."""
    bid = round(5 + contract * 0.05 + (number % 97) * 0.01, 2)
    size = float(100 * (1 + number % 9))
    iv = round(0.35 + (number % 89) / 10_000, 6)
    spot = round(140 + (number % 83) / 100, 4)
    ticks: list[Tick] = [
        PriceTick(TickType.BID, bid, size, 1),
        PriceTick(TickType.ASK, round(bid + 0.05, 2), size + 100, 1),
        SizeTick(TickType.VOLUME, float(1000 + number)),
    ]
    for tick_type, price in (
        (TickType.BID_OPTION, bid),
        (TickType.ASK_OPTION, round(bid + 0.05, 2)),
        (TickType.MODEL_OPTION, round(bid + 0.025, 6)),
    ):
        delta = round(0.5 + (number % 79) / 1000, 6)
        ticks.append(OptionTick(tick_type, iv, delta, price, 0.0, 0.021345, 0.112233, -0.204511, spot))
    return ticks


def script(contracts: int, rounds: int) -> list[list[list[Tick]]]:
    """Rounds of contracts of ticks."""
    return [[ticks_of(contract, number) for contract in range(contracts)] for number in range(rounds)]


def frames(req_ids: Sequence[int], publication: list[list[Tick]], version: int) -> Iterator[bytes]:
    """One round as frames, by the codec's general way."""
    for req_id, ticks in zip(req_ids, publication, strict=True):
        for tick in ticks:
            name, values = tick_message(req_id, tick)
            yield encode_frame(RESPONSE_BY_NAME[name].encode(values, version))


def plainly(req_ids: Sequence[int], publication: list[list[Tick]]) -> Iterator[bytes]:
    """The same frames as somebody would write them by hand, at the moment when they are due."""
    for req_id, ticks in zip(req_ids, publication, strict=True):
        for tick in ticks:
            payload = _plain(req_id, tick).encode("ascii")
            yield len(payload).to_bytes(4, "big") + payload


def _plain(req_id: int, tick: Tick) -> str:
    match tick:
        case PriceTick():
            return f"1\x006\0{req_id}\0{tick.tick_type:d}\0{_text(tick.price)}\0{_text(tick.size)}\0{tick.attributes}\0"
        case SizeTick():
            return f"2\x006\0{req_id}\0{tick.tick_type:d}\0{_text(tick.size)}\0"
        case OptionTick():
            numbers = (tick.iv_annual, tick.delta, tick.option_price, tick.pv_dividend)
            greeks = (tick.gamma, tick.vega, tick.theta, tick.underlying_price)
            texts = "\0".join(map(_text, (*numbers, *greeks)))
            return f"21\0{req_id}\0{tick.tick_type:d}\0{tick.price_based:d}\0{texts}\0"
    raise ValueError(f"the bench has no tick like {tick!r}")


def _text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def chunks(parts: Iterator[bytes]) -> list[bytes]:
    """The frames joined into writes that end at frame boundaries, as the gateway's sessions write."""
    found = [bytearray()]
    for frame in parts:
        if len(found[-1]) + len(frame) > CHUNK_BYTES:
            found.append(bytearray())
        found[-1] += frame
    return [bytes(chunk) for chunk in found if chunk]


def mark(text: str, version: int) -> bytes:
    """A notice that tells the clients that the measurement begins or ends."""
    payload = RESPONSE_BY_NAME["error"].encode({"reqId": -1, "code": 2104, "text": text}, version)
    return encode_frame(payload)
