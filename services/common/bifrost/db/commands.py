"""`bifrost db refresh | secrets | release-locks`: what an operator does to the database by hand.

:func:`register` adds the subcommands to a parser; each sets ``run``, a function of the parsed arguments that
returns the exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from bifrost import paths

from .connect import Backoff, Connection, connect
from .errors import DatabaseError, DatabaseUnavailable
from .locks import end_sessions, lock_holders
from .roles import OWNER, SERVICE_ROLES, TOKEN
from .schema import ensure_secrets, refresh


def register(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add ``db`` and its subcommands."""
    parser = subparsers.add_parser("db", help="bring the database forward, release its locks")
    commands = parser.add_subparsers(dest="db_command", required=True, metavar="COMMAND")

    one = commands.add_parser("refresh", help="bring the database to the current schema and set the roles' passwords")
    _connection_arguments(one)
    one.set_defaults(run=run_refresh)

    two = commands.add_parser("secrets", help="make the missing password files and the token, nothing else")
    two.add_argument("--secrets", type=Path, help="folder of the password files (default: $BIFROST_SECRETS)")
    two.set_defaults(run=run_secrets)

    three = commands.add_parser("release-locks", help="end sessions of dead engines that hold locks")
    _connection_arguments(three)
    three.add_argument("--dry-run", action="store_true", help="list them, end none")
    three.add_argument("--yes", action="store_true", help="do not ask")
    three.set_defaults(run=run_release_locks)


def _connection_arguments(parser: argparse.ArgumentParser) -> None:
    from bifrost.cli import add_config_options

    add_config_options(parser)
    parser.add_argument("--secrets", type=Path, help="folder of the password files (default: $BIFROST_SECRETS)")
    parser.add_argument("--wait", type=float, default=30.0, metavar="S", help="wait S seconds for the database (30)")


def run_refresh(args: argparse.Namespace) -> int:
    """`bifrost db refresh`."""
    try:
        with contextlib.closing(_owner_connection(args)) as conn:
            report = refresh(conn, args.secrets or paths.secrets_dir())
    except DatabaseError as error:
        return _failed(error)
    for line in report.lines():
        _say(line)
    return 0


def run_secrets(args: argparse.Namespace) -> int:
    """`bifrost db secrets`: the passwords of all roles and the operator's token."""
    folder = args.secrets or paths.secrets_dir()
    try:
        made = ensure_secrets(folder, (OWNER, *SERVICE_ROLES, TOKEN))
    except DatabaseError as error:
        return _failed(error)
    for path in made:
        _say(f"made {path}")
    if not made:
        _say(f"every password file is in {folder}")
    return 0


def run_release_locks(args: argparse.Namespace) -> int:
    """`bifrost db release-locks`."""
    try:
        with contextlib.closing(_owner_connection(args)) as conn:
            return _release(conn, dry_run=args.dry_run, assume_yes=args.yes)
    except DatabaseError as error:
        return _failed(error)


def _release(conn: Connection, *, dry_run: bool, assume_yes: bool) -> int:
    holders = lock_holders(conn)
    if not holders:
        _say("nobody holds a lock on a table of the desk")
        return 0
    for holder in holders:
        _say(f"{'end  ' if holder.may_end else 'leave'} {holder}")
    past = [holder for holder in holders if holder.may_end]
    if dry_run or not past:
        return 0
    if not assume_yes:
        if not sys.stdin.isatty():
            _say("nothing ended: confirm with --yes")
            return 1
        if input(f"End {len(past)} session(s)? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    ended = end_sessions(conn, past)
    _say(f"{len(ended)} of {len(past)} session(s) ended")
    return 0 if len(ended) == len(past) else 1


def _owner_connection(args: argparse.Namespace) -> Connection:
    """Connect as the schema's owner, waiting for a server that is still starting."""
    from bifrost.cli import load_from_options

    config = load_from_options(args).config
    deadline = time.monotonic() + args.wait
    backoff = Backoff(0.2, 2.0)
    while True:
        try:
            return connect(config, service="db", role=OWNER, statement_timeout_s=600.0)
        except DatabaseUnavailable as error:
            # A wrong password does not become right by waiting.
            if time.monotonic() >= deadline or "authentication" in str(error):
                raise
            time.sleep(backoff.next_s())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _failed(error: DatabaseError) -> int:
    sys.stderr.write(f"bifrost db: {error}\n")
    return 1
