"""Which gateway the engine will use, and who decides it (contracts.md, `ib_config`; engine.md section 8).

Environment and scenario win over the address that the operator saves; the file loses to it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from bifrost.config.enums import IbPortType, port_type_of
from bifrost.config.load import LoadedConfig
from pydantic import AfterValidator, BaseModel, ConfigDict, Strict

from .view import Row

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LOOKS_NUMERIC = re.compile(r"[\d.]+")


def _host(text: str) -> str:
    name = text.strip()
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    labels = name.rstrip(".").split(".")
    if _LOOKS_NUMERIC.fullmatch(name) or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("write a host name or an IP address only, without scheme, port or path")
    return name


class IbAddressForm(BaseModel):
    """Body of POST /config/ib. ``confirm`` must be true for a port behind which a funded account is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ib_host: Annotated[str, Strict(), AfterValidator(_host)]
    ib_port_type: IbPortType
    confirm: Annotated[bool, Strict()] = False


@dataclass(frozen=True, slots=True)
class IbAddress:
    """The address of the configuration without the database's row.

    Attributes
    ----------
    source
        ``env``, ``scenario`` or ``file``.
    overridden_by
        The variable that wins over a saved address; None when a saved one has effect.
    """

    host: str
    port: int
    source: str = "file"
    overridden_by: str | None = None

    def answer(self, settings: Row | None) -> dict[str, Any]:
        """``ib_config`` of GET /status."""
        host, port, source = self.host, self.port, self.source
        if settings is not None and self.overridden_by is None:
            host, port, source = settings["ib_host"], IbPortType(settings["ib_port_type"]).port, "settings"
        return {
            "ib_host": host,
            "ib_port_type": port_type_of(port),
            "port": port,
            "source": source,
            "overridden": self.overridden_by is not None,
            "overridden_by": self.overridden_by,
            "applies": "never" if self.overridden_by else "next_connect",
        }


def ib_address_from(loaded: LoadedConfig) -> IbAddress:
    """The address of a configuration that was loaded without the database's row."""
    address = loaded.config.ib
    by = loaded.ib_overridden_by
    if by is not None and loaded.ib_source == "scenario":
        by = f"BIFROST_SCENARIO ({by})"
    return IbAddress(address.host, address.port, loaded.ib_source, by)
