"""``python -m bifrost_desk run|token|logs|ps|reset|where``: what the make targets call."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import psutil
import psycopg2
from bifrost import paths
from bifrost.db.errors import DatabaseError

from . import home, logs
from .plan import SERVICES, Place, PlanError, locate, make_plan
from .ports import PortError
from .run import run, token_link
from .supervision import SupervisionError


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit code is the result. Every expected failure is one message."""
    args = _parser().parse_args(argv)
    try:
        if args.command == "reset" and args.all:
            return _remove(home.homes_below(paths.repository_root() / ".bifrost"), yes=args.yes)
        return int(_COMMANDS[args.command](locate(args.scenario, tws=args.tws), args))
    except (PlanError, PortError, SupervisionError, DatabaseError) as error:
        print(*(f"desk: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 1
    except psycopg2.Error as error:
        print(f"desk: the database refused: {str(error).strip()}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bifrost-desk", description="The desk as local processes.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("run", "bring the desk up and keep it up until Ctrl-C"),
        ("token", "print the link that signs the browser in"),
        ("logs", "print and follow one service's log"),
        ("ps", "what runs on this scenario's home"),
        ("reset", "remove this scenario's database, simulated account and logs, after asking"),
        ("where", "print the folder of this scenario's state"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("--scenario", default="", help="scenario file, or the name of one in config/scenarios")
        command.add_argument("--tws", default="", metavar="HOST:PORT", help="a real TWS instead of the simulator")
        if name == "run":
            command.add_argument(
                "--without", action="append", choices=["simulator", "pricer", "backtest"], help="leave one out"
            )
        if name == "logs":
            command.add_argument("service", choices=logs.SERVICES)
            command.add_argument("--lines", type=int, default=50)
            command.add_argument("--no-follow", dest="follow", action="store_false")
        if name == "reset":
            command.add_argument("--all", action="store_true", help="every scenario")
            command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _run(place: Place, args: argparse.Namespace) -> int:
    return run(make_plan(place, frozenset(args.without or ())))


def _token(place: Place, args: argparse.Namespace) -> int:
    print(token_link(make_plan(place)))
    return 0


def _logs(place: Place, args: argparse.Namespace) -> int:
    return logs.show(place.logs / f"{args.service}.jsonl", last=args.lines, follow=args.follow)


def _ps(place: Place, args: argparse.Namespace) -> int:
    pid = home.running_pid(place.home)
    if pid is None or not psutil.pid_exists(pid):
        print(f"no desk runs on {place.home}")
        return 1
    print(f"{'launcher':10} pid {pid:<8} {place.home}")
    for child in psutil.Process(pid).children(recursive=True):
        name = _service_name(child)
        if name:
            print(f"{name:10} pid {child.pid:<8} {child.status()}, {child.memory_info().rss / 1e6:.0f} MB")
    return 0


def _service_name(process: psutil.Process) -> str:
    command = process.cmdline()
    if "-m" in command:
        module, *rest = command[command.index("-m") + 1 :]
        found = (service.name for service in SERVICES if service.module == module and rest[:1] == [service.command])
        return next(found, "")
    return "postgres" if command and Path(command[0]).name == "postgres" and "-D" in command else ""


def _where(place: Place, args: argparse.Namespace) -> int:
    print(place.home)
    return 0


def _reset(place: Place, args: argparse.Namespace) -> int:
    return _remove([place.home] if (place.home / home.LOCK).exists() else [], yes=args.yes)


def _remove(homes: list[Path], *, yes: bool) -> int:
    if not homes:
        print("nothing to remove")
        return 0
    for place in homes:
        if home.running_pid(place) is not None:
            raise home.AlreadyRunning(f"a desk runs on {place}: stop it first")
    print("This removes database, simulated account, logs and secrets in:", *homes, sep="\n  ")
    if not yes:
        if not sys.stdin.isatty():
            print("nothing removed: confirm with YES=1", file=sys.stderr)
            return 1
        if input("Type yes to go on: ").strip() != "yes":
            print("nothing removed")
            return 1
    for place in homes:
        home.remove(place)
    print("removed")
    return 0


_COMMANDS = {"run": _run, "token": _token, "logs": _logs, "ps": _ps, "reset": _reset, "where": _where}

if __name__ == "__main__":
    sys.exit(main())
