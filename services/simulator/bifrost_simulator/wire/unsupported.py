"""Requests of the protocol that this gateway knows by number alone: answered with an error, not with silence.

A client that waits for an answer would wait for ever. The table gives the request's name and where its id stands
among the fields after the message number; None where the request has no id, which is answered under -1.
"""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_simulator.api import BrokerError
from bifrost_simulator.wire.fields import FieldError, parse_int

NOT_SUPPORTED = 10089
"""IB's "needs an additional subscription": the nearest there is to a service that is not there."""

_REQUESTS: dict[int, tuple[str, int | None]] = {
    12: ("reqNewsBulletins", None),
    18: ("requestFA", None),
    19: ("replaceFA", None),
    21: ("exerciseOptions", 1),
    22: ("reqScannerSubscription", 0),
    52: ("reqFundamentalData", 1),
    67: ("queryDisplayGroups", 1),
    68: ("subscribeToGroupEvents", 1),
    79: ("reqSoftDollarTiers", 0),
    80: ("reqFamilyCodes", None),
    83: ("reqSmartComponents", 0),
    84: ("reqNewsArticle", 0),
    86: ("reqHistoricalNews", 0),
    88: ("reqHistogramData", 0),
    100: ("reqWshMetaData", 0),
    102: ("reqWshEventData", 0),
    104: ("reqUserInfo", 0),
}


def unsupported_answer(number: str, fields: Sequence[str]) -> tuple[int, BrokerError] | None:
    """The request id and the error for a message that is not simulated; None for a number nobody knows."""
    known = _REQUESTS.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else None
    if known is None:
        return None
    name, place = known
    req_id = -1
    if place is not None and place < len(fields):
        try:
            number_given = parse_int(fields[place], "reqId")
            req_id = -1 if number_given is None else number_given  # 0 is an id: ib_insync asks for the user with it
        except FieldError:
            req_id = -1
    return req_id, BrokerError(NOT_SUPPORTED, f"Requested service is not available: {name} is not simulated.")
