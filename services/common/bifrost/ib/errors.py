"""IB's message codes by name, and what each means for the desk (engine.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class IbCode(IntEnum):
    """Codes of message 4 that the desk handles by name. The text behind each is ours: :data:`MEANING`."""

    MAX_MESSAGE_RATE = 100
    MAX_TICKERS = 101
    DUPLICATE_ORDER_ID = 103
    CANNOT_MODIFY_FILLED = 104
    ORDER_NOT_MODIFIABLE = 105
    BAD_PRICE_INCREMENT = 110
    HISTORICAL_DATA = 162
    NO_CONTRACT = 200
    ORDER_REJECTED = 201
    ORDER_CANCELLED = 202
    NO_SUCH_DATA_REQUEST = 300
    VALIDATION_FAILED = 321
    REQUEST_FAILED = 322
    CLIENT_ID_IN_USE = 326
    NO_MARKET_DATA_PERMISSION = 354
    ORDER_MESSAGE = 399
    NOT_SHORTABLE = 404
    NO_ACCOUNT_SPECIFIED = 435
    CONNECT_FAILED = 502
    NOT_CONNECTED = 504
    CONNECTIVITY_LOST = 1100
    RESTORED_DATA_LOST = 1101
    RESTORED_DATA_KEPT = 1102
    SOCKET_PORT_RESET = 1300
    DATA_FARM_BROKEN = 2103
    DATA_FARM_OK = 2104
    HISTORY_FARM_BROKEN = 2105
    HISTORY_FARM_OK = 2106
    HISTORY_FARM_INACTIVE = 2107
    DATA_FARM_INACTIVE = 2108
    OUTSIDE_RTH_IGNORED = 2109
    SERVER_LINK_BROKEN = 2110
    DATA_FARM_CONNECTING = 2119
    DEFINITION_FARM_BROKEN = 2157
    DEFINITION_FARM_OK = 2158
    ADDITIONAL_SUBSCRIPTION_NEEDED = 10089
    PARTLY_NOT_SUBSCRIBED = 10090
    CANCEL_UNKNOWN_ORDER = 10147
    CANCEL_IMPOSSIBLE = 10148
    INVALID_ORDER_ID = 10149
    DELAYED_DATA = 10167
    DELAYED_NOT_ENABLED = 10168
    NOT_SUBSCRIBED = 10186
    COMPETING_SESSION = 10197
    TIF_PRESET = 10349


MEANING: dict[int, str] = {
    IbCode.MAX_MESSAGE_RATE: "more messages a second than the gateway takes",
    IbCode.MAX_TICKERS: "every market-data line of this login is in use",
    IbCode.DUPLICATE_ORDER_ID: "this order id was used before",
    IbCode.CANNOT_MODIFY_FILLED: "a filled order cannot be changed",
    IbCode.ORDER_NOT_MODIFIABLE: "the order does not match the one being changed",
    IbCode.BAD_PRICE_INCREMENT: "the price is off the contract's price steps",
    IbCode.HISTORICAL_DATA: "historical data could not be given",
    IbCode.NO_CONTRACT: "no such contract, or an ambiguous one",
    IbCode.ORDER_REJECTED: "the order was rejected",
    IbCode.ORDER_CANCELLED: "the order was cancelled",
    IbCode.NO_SUCH_DATA_REQUEST: "the gateway does not know this data request",
    IbCode.VALIDATION_FAILED: "the gateway refused the request's fields",
    IbCode.REQUEST_FAILED: "the gateway could not process the request",
    IbCode.CLIENT_ID_IN_USE: "another program holds this client id",
    IbCode.NO_MARKET_DATA_PERMISSION: "no market-data subscription for this contract",
    IbCode.ORDER_MESSAGE: "information on an order",
    IbCode.NOT_SHORTABLE: "no shares to borrow: the order is held",
    IbCode.NO_ACCOUNT_SPECIFIED: "the order names no account",
    IbCode.CONNECT_FAILED: "TWS or IB Gateway could not be reached",
    IbCode.NOT_CONNECTED: "not connected",
    IbCode.CONNECTIVITY_LOST: "the gateway has lost IB's servers",
    IbCode.RESTORED_DATA_LOST: "IB's servers are back; market data must be requested again",
    IbCode.RESTORED_DATA_KEPT: "IB's servers are back; market data goes on",
    IbCode.SOCKET_PORT_RESET: "the gateway moves to another port and drops this connection",
    IbCode.DATA_FARM_BROKEN: "a market-data farm is down",
    IbCode.DATA_FARM_OK: "a market-data farm is up",
    IbCode.HISTORY_FARM_BROKEN: "a historical-data farm is down",
    IbCode.HISTORY_FARM_OK: "a historical-data farm is up",
    IbCode.HISTORY_FARM_INACTIVE: "a historical-data farm is idle until it is needed",
    IbCode.DATA_FARM_INACTIVE: "a market-data farm is idle until it is needed",
    IbCode.OUTSIDE_RTH_IGNORED: "outsideRth does not apply to this order",
    IbCode.SERVER_LINK_BROKEN: "the gateway is reconnecting to IB's servers",
    IbCode.DATA_FARM_CONNECTING: "a market-data farm is connecting",
    IbCode.DEFINITION_FARM_BROKEN: "the contract-definition farm is down",
    IbCode.DEFINITION_FARM_OK: "the contract-definition farm is up",
    IbCode.ADDITIONAL_SUBSCRIPTION_NEEDED: "the API needs a further market-data subscription for this contract",
    IbCode.PARTLY_NOT_SUBSCRIBED: "a part of the requested market data is not subscribed",
    IbCode.CANCEL_UNKNOWN_ORDER: "the order to cancel is unknown to the gateway",
    IbCode.CANCEL_IMPOSSIBLE: "the order cannot be cancelled in its present state",
    IbCode.INVALID_ORDER_ID: "no order can have this id",
    IbCode.DELAYED_DATA: "no live subscription: delayed data is shown instead",
    IbCode.DELAYED_NOT_ENABLED: "no live subscription, and delayed data was not asked for",
    IbCode.NOT_SUBSCRIBED: "this market data is not subscribed",
    IbCode.COMPETING_SESSION: "another session of this login holds the live data",
    IbCode.TIF_PRESET: "the time in force was set from the order preset",
}

FARM_BROKEN = frozenset({IbCode.DATA_FARM_BROKEN, IbCode.HISTORY_FARM_BROKEN})
FARM_OK = frozenset({IbCode.DATA_FARM_OK, IbCode.HISTORY_FARM_OK})
FARM_STATUS = frozenset(range(2103, 2120)) | {2157, 2158}
CONNECTIVITY = frozenset(
    {
        IbCode.CONNECTIVITY_LOST,
        IbCode.RESTORED_DATA_LOST,
        IbCode.RESTORED_DATA_KEPT,
        IbCode.SOCKET_PORT_RESET,
        IbCode.SERVER_LINK_BROKEN,
    }
)
LINE_ERRORS = frozenset(
    {
        IbCode.MAX_TICKERS,
        IbCode.NO_CONTRACT,
        IbCode.NO_SUCH_DATA_REQUEST,
        IbCode.VALIDATION_FAILED,
        IbCode.REQUEST_FAILED,
        IbCode.NO_MARKET_DATA_PERMISSION,
        IbCode.ADDITIONAL_SUBSCRIPTION_NEEDED,
        IbCode.PARTLY_NOT_SUBSCRIBED,
        IbCode.DELAYED_DATA,
        IbCode.DELAYED_NOT_ENABLED,
        IbCode.NOT_SUBSCRIBED,
        IbCode.COMPETING_SESSION,
    }
)
ORDER_INFORMATION = frozenset(
    {IbCode.ORDER_MESSAGE, IbCode.TIF_PRESET, IbCode.OUTSIDE_RTH_IGNORED, IbCode.ORDER_CANCELLED}
)
ORDER_REJECTS = frozenset(
    {
        IbCode.DUPLICATE_ORDER_ID,
        IbCode.BAD_PRICE_INCREMENT,
        IbCode.NO_CONTRACT,
        IbCode.ORDER_REJECTED,
        IbCode.VALIDATION_FAILED,
        IbCode.REQUEST_FAILED,
        IbCode.NO_ACCOUNT_SPECIFIED,
    }
)
MODIFY_REJECTS = frozenset({IbCode.CANNOT_MODIFY_FILLED, IbCode.ORDER_NOT_MODIFIABLE})
CANCEL_REJECTS = frozenset({IbCode.CANCEL_UNKNOWN_ORDER, IbCode.CANCEL_IMPOSSIBLE, IbCode.INVALID_ORDER_ID})


@dataclass(frozen=True, slots=True)
class IbError:
    """One message 4 of the gateway.

    Attributes
    ----------
    code : int
        IB's code; compare with :class:`IbCode`.
    req_id : int
        Order or request id, -1 for messages on the whole connection.
    text : str
        IB's text, as received.
    contract : object or None
        The library's contract of the request, where it knows one.
    """

    code: int
    req_id: int
    text: str
    contract: Any = None

    @property
    def meaning(self) -> str:
        """What the code means, in the desk's words; IB's own text for a code without a name here."""
        return MEANING.get(self.code, self.text)

    def __str__(self) -> str:
        return f"IB {self.code}: {self.text or self.meaning}"


def is_connectivity(code: int) -> bool:
    """True when the code speaks of the gateway's link to IB's servers (1100, 1101, 1102, 1300, 2110)."""
    return code in CONNECTIVITY


def is_farm_status(code: int) -> bool:
    """True for 2103-2119, 2157 and 2158, except 2109, which is about an order, and 2110, a connectivity message."""
    return code in FARM_STATUS and code not in (IbCode.OUTSIDE_RTH_IGNORED, IbCode.SERVER_LINK_BROKEN)


def is_information(code: int) -> bool:
    """True when nothing failed: farm notices other than broken ones, order messages 399, 10349, 2109, and 202."""
    if code in FARM_BROKEN or code in (IbCode.DEFINITION_FARM_BROKEN, IbCode.SERVER_LINK_BROKEN):
        return False
    return code in ORDER_INFORMATION or is_farm_status(code) or 2100 <= code < 2200


def is_market_data_line_error(code: int) -> bool:
    """True when the code, on a market-data request, means that the line gives no (or no live) data."""
    return code in LINE_ERRORS


def is_order_reject(code: int) -> bool:
    """True when the code, on a new order, means that the order does not live.

    404 is not among them: an order that waits for shares to borrow is held, not dead.
    """
    return code in ORDER_REJECTS


def is_cancel_reject(code: int) -> bool:
    """True when the code answers a cancel that could not be carried out (10147, 10148, 10149)."""
    return code in CANCEL_REJECTS


def is_modify_reject(code: int) -> bool:
    """True when the code refuses a change while the order itself lives on (104, 105)."""
    return code in MODIFY_REJECTS
