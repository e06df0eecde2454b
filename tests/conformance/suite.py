"""Runs the checks with one library at one version, in that library's environment.

    python -m tests.conformance.suite --library ib_async --newest 178 --port 4002 --client-id 11

One JSON line a check on stdout: ``{"check", "ok", "detail", "seconds"}``. Exits 0 also when checks fail.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback

from tests.conformance.checks import CHECKS
from tests.conformance.client import Client
from tests.conformance.story import Story

#: Checks of the suite itself, told under these names.
VERSION, SECOND_CLIENT, COMPLAINTS = "server_version", "client_id_in_use", "no_complaints"
NAMES = (VERSION, *(check.__name__ for check in CHECKS), COMPLAINTS, SECOND_CLIENT)


def make_client(library: str, newest: int | None) -> Client:
    """The library as the checks see it."""
    if library == "ibapi":
        from tests.conformance.client_ibapi import IbapiClient

        return IbapiClient()
    from tests.conformance.client_ib import IbClient

    return IbClient(library, newest)


def tell(check: str, began_s: float, problem: str = "") -> None:
    row = {"check": check, "ok": not problem, "detail": problem, "seconds": round(time.monotonic() - began_s, 3)}
    print(json.dumps(row), flush=True)


def second_client(client: Client, port: int, client_id: int, account: str) -> str:
    """An id that is in use gets nobody in (326), and its holder keeps the connection."""
    intruder = make_client(given.library, given.newest)
    try:
        intruder.connect(port, client_id, account, limit_s=1)
    except (TimeoutError, ConnectionError, AssertionError):
        heard = [code for _, code, _ in intruder.errors]
        if heard and 326 not in heard:
            return f"the second client heard {heard}, not 326"
        return "" if client.is_connected else "the first client lost its connection"
    return "two clients share an id"


def main() -> None:
    client = make_client(given.library, given.newest)
    began_s = time.monotonic()
    try:
        client.connect(given.port, given.client_id, given.account)
    except Exception:
        tell(VERSION, began_s, traceback.format_exc())
        return
    wrong = given.newest is not None and client.server_version != given.newest
    tell(VERSION, began_s, f"negotiated {client.server_version}" if wrong else "")
    story = Story(client, given.port, given.client_id, given.account, given.other_account)
    for check in CHECKS:
        began_s = time.monotonic()
        try:
            check(story)
        except AssertionError as failure:
            tell(check.__name__, began_s, str(failure) or traceback.format_exc())
        except Exception:
            tell(check.__name__, began_s, traceback.format_exc())
        else:
            tell(check.__name__, began_s)
    tell(COMPLAINTS, time.monotonic(), "\n".join(client.complaints))
    began_s = time.monotonic()
    tell(SECOND_CLIENT, began_s, second_client(client, given.port, given.client_id, given.account))
    client.disconnect()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--library", choices=("ib_insync", "ib_async", "ibapi"), required=True)
parser.add_argument(
    "--newest", type=int, help="highest server version the client offers; the library's own if left out"
)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--client-id", type=int, required=True)
parser.add_argument("--account", required=True)
parser.add_argument("--other-account", required=True)

if __name__ == "__main__":
    given = parser.parse_args()
    main()
