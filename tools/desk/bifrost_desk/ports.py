"""The ports the desk will listen on: are they free, and if not, who holds them and which variable moves them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One listening port of the desk on 127.0.0.1."""

    what: str
    variable: str
    port: int


PLAN = (
    ("monitor (page and API)", "MONITOR_PORT", 8000),
    ("simulated IB Gateway", "SIM_PORT", 4002),
    ("simulator's admin API", "SIM_ADMIN_PORT", 4010),
    ("PostgreSQL", "BIFROST_PG_PORT", 54320),
)


class PortError(Exception):
    """A port cannot be used; the message names it, its holder and the remedy."""


def plan(env: Mapping[str, str]) -> dict[str, PortPlan]:
    """The ports by variable, as the environment sets them."""
    ports = {}
    for what, variable, default in PLAN:
        text = env.get(variable, "").strip() or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= 65535:
            raise PortError(f"{variable}={text} is not a port (1 to 65535)")
        ports[variable] = PortPlan(what, variable, int(text))
    taken: dict[int, PortPlan] = {}
    for entry in ports.values():
        other = taken.setdefault(entry.port, entry)
        if other is not entry:
            raise PortError(f"{other.variable} and {entry.variable} are both {entry.port}: give each its own port")
    return ports


def check_free(ports: Iterable[PortPlan]) -> None:
    """Raise PortError when any of the ports is in use."""
    problems = [problem for entry in ports if (problem := _problem(entry))]
    if problems:
        raise PortError("\n".join(problems))


def _problem(entry: PortPlan) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", entry.port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            held = holder(entry.port) if error.errno == errno.EADDRINUSE else "the system reserves it"
            return f"port {entry.port} for the {entry.what} is taken ({held}): free it or set {entry.variable}"
    return ""


def holder(port: int) -> str:
    """Who listens on ``port``: name and process id, as far as we may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    return "held by a process of another user"
                return f"held by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        return "its holder cannot be seen from here"
    return "just released: try again"
