"""What every handler gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bifrost_simulator.api import World
from bifrost_simulator.wire.layout import Values
from bifrost_simulator.wire.roster import Roster
from bifrost_simulator.wire.session import Session


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who sent it, its fields, and the world that answers it."""

    session: Session
    values: Values
    world: World
    roster: Roster

    @property
    def client_id(self) -> int:
        client_id = self.session.client_id
        assert client_id is not None, "requests are dispatched only after startApi"
        return client_id

    @property
    def req_id(self) -> int:
        return int(self.values["reqId"])

    def send(self, name: str, **values: Any) -> None:
        """Answer with one message."""
        self.session.send(name, values)

    def answer(self, name: str, values: Values) -> None:
        self.session.send(name, values)


Handler = Callable[[Call], None]


def ignore(call: Call) -> None:
    """For requests that a gateway takes without an answer."""
