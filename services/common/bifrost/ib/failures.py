"""Why a connection or a request failed, as exceptions with a text for the operator."""

from __future__ import annotations

from enum import StrEnum


class ConnectFailure(StrEnum):
    """Ways in which connecting fails."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CLIENT_ID_IN_USE = "client_id_in_use"
    WRONG_PEER = "wrong_peer"
    CLOSED = "closed"


class IbConnectError(Exception):
    """Connecting failed; ``failure`` says which way, the text says where and what would help."""

    def __init__(self, failure: ConnectFailure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


class IbNotConnected(Exception):
    """There is no session, or it ended while a request waited."""


class IbRequestTimeout(Exception):
    """The gateway did not answer a request completely within its limit."""


class IbRequestError(Exception):
    """The gateway answered a request with an error; ``code`` is IB's."""

    def __init__(self, what: str, code: int, text: str) -> None:
        super().__init__(f"{what}: IB {code}: {text}")
        self.code = code
        self.text = text
