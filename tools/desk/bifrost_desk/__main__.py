"""``python -m bifrost_desk run|token|logs|ps|reset|where``: what the make targets call."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import psutil
from bifrost import paths

from . import logs, ports
from .plan import DeskPlan, PlanError, make_plan
from .run import guarded, home_lock, token_link


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit code is the result."""
    args = _parser().parse_args(argv)
    try:
        if args.command == "reset" and args.all:
            return reset_all(yes=args.yes)
        scenario = Path(args.scenario) if args.scenario else None
        plan = make_plan(scenario, without=frozenset(getattr(args, "without", None) or ()))
        return int(_COMMANDS[args.command](plan, args))
    except (PlanError, ports.PortError) as error:
        print(f"desk: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
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
        command.add_argument("--scenario", default="", help="scenario file or name (config/scenarios)")
        if name == "run":
            command.add_argument("--without", action="append", choices=["simulator", "pricer"], help="leave one out")
        if name == "logs":
            command.add_argument("service", choices=logs.SERVICES)
            command.add_argument("--lines", type=int, default=50)
            command.add_argument("--no-follow", dest="follow", action="store_false")
        if name == "reset":
            command.add_argument("--all", action="store_true", help="every scenario")
            command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _run(plan: DeskPlan, args: argparse.Namespace) -> int:
    return guarded(plan)


def _token(plan: DeskPlan, args: argparse.Namespace) -> int:
    print(token_link(plan))
    return 0


def _logs(plan: DeskPlan, args: argparse.Namespace) -> int:
    path = plan.logs / f"{args.service}.jsonl"
    if not path.is_file() and not args.follow:
        print(f"desk: no log of {args.service} yet in {plan.logs}", file=sys.stderr)
        return 1
    for line in logs.lines(path, last=args.lines, follow=args.follow):
        print(logs.readable(line.rstrip("\n")), flush=True)
    return 0


def _ps(plan: DeskPlan, args: argparse.Namespace) -> int:
    lock = plan.home / "desk.lock"
    pid = lock.read_text(encoding="utf-8").strip() if lock.is_file() else ""
    if not pid or not psutil.pid_exists(int(pid)):
        print(f"no desk runs on {plan.home}")
        return 1
    print(f"launcher  pid {pid}  {plan.address}")
    for child in psutil.Process(int(pid)).children(recursive=True):
        command = child.cmdline()
        if "-m" in command and "run" in command:
            print(f"{command[command.index('-m') + 1].removeprefix('bifrost_'):9} pid {child.pid}  {child.status()}")
        elif command and Path(command[0]).name == "postgres" and "-D" in command:
            print(f"{'postgres':9} pid {child.pid}  {child.status()}")
    return 0


def _where(plan: DeskPlan, args: argparse.Namespace) -> int:
    print(plan.home)
    return 0


def _reset(plan: DeskPlan, args: argparse.Namespace) -> int:
    return _remove([plan.home], yes=args.yes, keep_scenarios=True)


def reset_all(*, yes: bool) -> int:
    """Remove the state of every scenario."""
    return _remove([paths.repository_root() / ".bifrost"], yes=yes, keep_scenarios=False)


def _remove(homes: list[Path], *, yes: bool, keep_scenarios: bool) -> int:
    existing = [home for home in homes if home.is_dir()]
    if not existing:
        print("nothing to remove")
        return 0
    print("This removes database, simulated account, logs and secrets in:", *existing, sep="\n  ")
    if not yes and input("Type yes to go on: ").strip() != "yes":
        print("nothing removed")
        return 1
    for home in existing:
        with home_lock(home):
            for entry in home.iterdir():
                if keep_scenarios and entry.name == "scenarios":
                    continue
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    _remove_moved_data(existing)
    print("removed")
    return 0


def _remove_moved_data(homes: list[Path]) -> None:
    """The cluster of a home that its server's user could not reach lies elsewhere: it goes, too."""
    from bifrost.db.system_user import moved_dir

    for home in homes:
        moved = moved_dir(home / "postgres")
        if moved is not None and moved.is_dir():
            shutil.rmtree(moved)


_COMMANDS = {"run": _run, "token": _token, "logs": _logs, "ps": _ps, "reset": _reset, "where": _where}

if __name__ == "__main__":
    sys.exit(main())
