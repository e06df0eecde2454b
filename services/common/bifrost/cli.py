"""Console script ``bifrost``: configuration and self-test here, ``db`` and ``stats`` beside, more from the services.

A service adds commands by an entry point of the group ``bifrost.commands``: a function that takes the subparsers,
adds its own and sets ``run`` to a function from the parsed arguments to an exit code.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from bifrost import __version__
from bifrost.config import ConfigError, LoadedConfig, load_config
from bifrost.config.yaml_tree import scalar

ENTRY_POINT_GROUP = "bifrost.commands"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is the result: 0 well, 1 not, 2 wrong usage."""
    parser = build_parser()
    args = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] | None = getattr(args, "run", None)
    if run is None:
        parser.print_help()
        return 2
    try:
        return run(args)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command that is installed."""
    parser = argparse.ArgumentParser(prog="bifrost", description="The desk's command line.")
    parser.add_argument("--version", action="version", version=f"bifrost {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_config(commands)
    _add_check(commands)
    importlib.import_module("bifrost.db.commands").register(commands)
    importlib.import_module("bifrost.stats_command").register(commands)
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda item: item.name):
        try:
            entry.load()(commands)
        except Exception as error:  # one service's broken command must not take the others away
            print(f"bifrost: command {entry.name!r} of {entry.value} cannot be loaded: {error}", file=sys.stderr)
    return parser


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """The options by which every command finds its configuration."""
    parser.add_argument("--config", type=Path, help="configuration file (else $BIFROST_CONFIG, config/config.yaml)")
    parser.add_argument("--scenario", type=Path, help="scenario file (else $BIFROST_SCENARIO)")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override one key, for example --set gates.state.delta.epsilon_band=5",
    )


def load_from_options(args: argparse.Namespace) -> LoadedConfig:
    """Load the configuration that the options of `add_config_options` name; raises `ConfigError`."""
    return load_config(args.config, scenario=args.scenario, overrides=parse_overrides(args.overrides))


def parse_overrides(texts: Sequence[str]) -> dict[str, object]:
    """``KEY=VALUE`` texts as dotted key → value, read as the file would read the value."""
    overrides: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise SystemExit(f"bifrost: --set {text!r} must be KEY=VALUE, for example symbol=TWX")
        overrides[key.strip()] = scalar(value)
    return overrides


def _add_config(commands: Any) -> None:
    parser = commands.add_parser("config", help="show or check the effective configuration")
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = inner.add_parser("show", help="every key with its value and the layer that set it")
    show.add_argument("--json", action="store_true", help="as JSON")
    add_config_options(show)
    show.set_defaults(run=_show)
    check = inner.add_parser("check", help="say what is wrong, or nothing; exit code 0 or 1")
    add_config_options(check)
    check.set_defaults(run=_check_config)


def _show(args: argparse.Namespace) -> int:
    loaded = load_from_options(args)
    values = _flat(loaded.config.model_dump(mode="json"))
    if args.json:
        keys = {key: {"value": values[key], "source": source} for key, source in loaded.sources.items()}
        print(json.dumps({"hash": loaded.hash, "ib_source": loaded.ib_source, "keys": keys}, indent=2))
        return 0
    print(f"# {loaded.shown_file}")
    if loaded.scenario is not None:
        print(f"# scenario {loaded.scenario.name}, hash {loaded.scenario.hash}")
    print(f"# hash {loaded.hash}")
    for key, source in loaded.sources.items():
        print(f"{key}: {json.dumps(values[key])}".ljust(64) + f" # {source}")
    return 0


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _check_config(args: argparse.Namespace) -> int:
    loaded = load_from_options(args)
    print(f"{loaded.shown_file}: good, hash {loaded.hash}")
    return 0


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="self-test of configuration, sink, schema, IB connection, signal stop")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--skip-ib", action="store_true", help="do not connect to IB")
    parser.add_argument("--skip-db", action="store_true", help="do not connect to the database")
    parser.add_argument("--signal-test", action="store_true", help="start an engine and stop it by SIGTERM")
    parser.set_defaults(run=_check)


def _check(args: argparse.Namespace) -> int:
    from bifrost.selftest import Wanted, run_checks

    wanted = Wanted(args.config, args.scenario, args.skip_ib, args.skip_db, args.signal_test)
    good = run_checks(wanted, lambda finding: print(finding, flush=True))
    print("all checks passed" if good else "some checks failed")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
