"""The ports the desk will listen on: are they free, and if not, who holds them and which variable moves them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One listening port of the desk and the variable that moves it."""

    what: str
    variable: str
    host: str
    port: int


class PortError(Exception):
    """A port cannot be used; the message names it, its holder and the remedy."""


def port_of(variable: str, text: str, default: int) -> int:
    """The port that ``variable`` names, ``default`` when it is empty."""
    text = text.strip() or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise PortError(f"{variable}={text} is not a port: write a number from 1 to 65535")
    return int(text)


def one_each(wanted: Iterable[PortPlan]) -> tuple[PortPlan, ...]:
    """The plan itself; PortError when two listeners want the same port."""
    taken: dict[int, PortPlan] = {}
    for entry in wanted:
        other = taken.setdefault(entry.port, entry)
        if other is not entry:
            raise PortError(
                f"{other.variable} and {entry.variable} both give port {entry.port}: "
                f"{other.what} and {entry.what} need one each"
            )
    return tuple(taken.values())


def check_free(ports: Iterable[PortPlan]) -> None:
    """Raise PortError naming every port that is in use, its holder, and the variable that changes it."""
    problems = [problem for entry in ports if (problem := _problem(entry))]
    if problems:
        raise PortError("\n".join(problems))


def _problem(entry: PortPlan) -> str:
    family = socket.AF_INET6 if ":" in entry.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of the last run that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((entry.host, entry.port))
        except OSError as error:
            reason = {
                errno.EADDRINUSE: f"is taken ({holder(entry.port)}): free it or set",
                errno.EACCES: "is reserved by the system: choose one above 1023 with",
            }.get(error.errno or 0, f"cannot be opened on {entry.host} ({error.strerror}): see")
            return f"port {entry.port} for {entry.what} {reason} {entry.variable}"
    return ""


def holder(port: int) -> str:
    """Who has ``port``: name and process id, as far as we may see.

    A connection to somewhere else counts, too: the system gives out local ports from a range that many desks' lie in.
    """
    try:
        users = [found for found in psutil.net_connections("tcp") if found.laddr and found.laddr.port == port]
        users.sort(key=lambda found: found.status != psutil.CONN_LISTEN)
        for user in users:
            how = "held by" if user.status == psutil.CONN_LISTEN else "in use by a connection of"
            if user.pid is not None:
                return f"{how} {psutil.Process(user.pid).name()}, pid {user.pid}"
            if user.status == psutil.CONN_LISTEN:
                return "held by a process of another user"
    except psutil.Error:
        return "its holder cannot be seen from here"
    return "just released: try again"
